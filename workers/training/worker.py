"""One worker's process: `python -m workers.training.worker '{"aggregator": ...}'`.

Reads its task as JSON from its only argument, says what happens as JSON lines on standard output, and ends
with 0, or with 1 after a line `{"event": "error", "error": "a sentence", "silent": [ranks]}`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from workers.training.aggregators import MAKERS, Aggregator, AggregatorError, Seat
from workers.training.recipe import Recipe

STEPS_BETWEEN_WORDS = 5
KEPT_STEPS = 4  # steps, evenly spread, whose gradients are kept for the comparison with the exact sum


@dataclass(frozen=True)
class Task:
    """What one worker is to do."""

    aggregator: str
    seat: dict[str, Any]  # fields of Seat
    recipe: dict[str, Any]  # fields of Recipe
    bench_bytes: int = 0  # size of the tensor for `measure`; 0: none
    bench_repeats: int = 0
    keep: str = ""  # folder for kept gradients; "": keep none


Say = Callable[[dict[str, Any]], None]


def say_line(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    try:
        task = Task(**json.loads((sys.argv[1:] if argv is None else argv)[0]))
        run(task, MAKERS[task.aggregator], say_line)
        status = 0
    except AggregatorError:
        status = 1
    # What matters has been said. Threads of a transport that lost its peer may never end, and gloo's abort the process
    # when a peer's connection closes while they are torn down.
    sys.stdout.flush()
    os._exit(status)


def run(task: Task, make: Callable[[Seat], Aggregator], say: Say) -> None:
    """Does the task with the aggregator that `make` joins with; raises AggregatorError after saying so."""
    import torch

    torch.set_num_threads(1)
    say({"event": "joining", "pid": os.getpid()})
    try:
        aggregator = make(Seat(**task.seat))
        say({"event": "joined", "rank": aggregator.rank})
        try:
            if task.bench_repeats:
                bench(task, aggregator, say)
            if task.recipe:
                learn(task, Recipe(**task.recipe), aggregator, say)
            say({"event": "counts", **aggregator.counts()})
        finally:
            aggregator.close()
    except AggregatorError as error:
        say({"event": "error", "error": str(error), "silent": list(error.silent)})
        raise
    say({"event": "done"})


def bench(task: Task, aggregator: Aggregator, say: Say) -> None:
    from workers.training.measure import measure

    found = measure(
        aggregator.allreduce,
        aggregator.rank,
        task.seat["workers"],
        task.bench_bytes,
        task.bench_repeats,
        on_repeat=lambda done: say({"event": "bench", "done": done, "repeats": task.bench_repeats}),
        cpu=aggregator.cpu_seconds,
    )
    say({"event": "measured", **found.as_dict()})


def learn(task: Task, recipe: Recipe, aggregator: Aggregator, say: Say) -> None:
    from workers.training.loop import train

    def on_step(step: int, steps: int, loss: float) -> None:
        if step % STEPS_BETWEEN_WORDS == 0 or step == steps:
            say({"event": "step", "step": step, "steps": steps, "loss": loss})

    outcome = train(
        recipe,
        aggregator.rank,
        task.seat["workers"],
        aggregator.allreduce,
        on_step,
        lambda step, steps: bool(task.keep) and step % max(1, steps // KEPT_STEPS) == 0,
    )
    if task.keep:
        steps, own, total = zip(*outcome.kept, strict=True)
        path = Path(task.keep) / f"gradients-{aggregator.rank}.npz"
        np.savez(path, steps=np.array(steps), own=np.stack(own), total=np.stack(total))
    found = {name: getattr(outcome, name) for name in ("accuracy", "digest", "samples", "seconds")}
    say({"event": "trained", **found, "curve": asdict(outcome.curve)})


if __name__ == "__main__":
    main()
