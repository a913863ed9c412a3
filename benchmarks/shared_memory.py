"""All-reduce over shared-memory ports: FPISA's workers against SwitchML's, a small tensor, loss, several pipelines.

python -m benchmarks.shared_memory [--json] [--rounds 5]

One switch process and two worker processes, as `fpisa compare` starts them. What is compared is measured in turn, round by
round; each pair of neighbours gives one ratio and the median counts, because what else runs on the machine changes from
one moment to the next.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.show import show, tell
from workers.compare.plan import AGGREGATORS, KB, MB, Aggregator, CompareError, Setting
from workers.compare.rig import Rig
from workers.compare.row import Row

Rows = dict[str, dict[str, Any]]
FPISA, COPIED, SWITCHML, PLAIN = (AGGREGATORS[n] for n in ("fpisa", "fpisa-copy", "switchml", "switchml-plain"))
LARGE = Setting(FPISA, tensor_bytes=16 * MB, repeats=3)
SMALL = Setting(FPISA, tensor_bytes=4 * KB, repeats=300)
LOSS = 0.02


def pairs(rig: Rig, settings: Sequence[Setting], rounds: int, progress: Callable[[str], None]) -> list[list[Row]]:
    """One list a round, one row a setting. Raises CompareError, RuntimeError where a sum was wrong."""
    found = []
    for setting in settings:
        progress(f"compiling {setting.aggregator.source}, {setting.elements} values")
        rig.load(setting)
    for turn in range(rounds):
        rows = []
        for setting in settings:
            progress(f"{setting.aggregator.name}, {setting.elements} values, round {turn + 1} of {rounds}")
            rows.append(rig.measure(setting))
            if rows[-1].wrong:
                raise RuntimeError(f"{rows[-1].wrong} sums of {setting.aggregator.name} are wrong")
        found.append(rows)
    return found


SAYS = {
    SWITCHML: "SwitchML's worker on float32",
    PLAIN: "SwitchML's worker on float32, converted value by value",
    COPIED: "FPISA's worker that copies its tensors into packets",
}


def cpu_row(
    rig: Rig,
    elements: int,
    rounds: int,
    progress: Callable[[str], None],
    rival: Aggregator = SWITCHML,
    own: Aggregator = FPISA,
    goal: float | None = 0.75,
) -> dict[str, Any]:
    """What a worker of `own` costs over one of `rival`."""
    base = replace(LARGE, aggregator=own, elements=elements)
    found = pairs(rig, [base, replace(base, aggregator=rival)], rounds, progress)
    cost = [min(rows[i].cpu for rows in found) for i in range(2)]
    ratios = [f.cpu / s.cpu for f, s in found]
    return row(
        statistics.median(ratios),
        "ratio",
        goal,
        f"{SAYS[rival]}, {elements} values a packet: {cost[1]:.3f} s/GB at best, {own.name}'s {cost[0]:.3f}",
        smaller=True,
        low=min(ratios),
        high=max(ratios),
        rounds=[[f.cpu, s.cpu] for f, s in found],
    )


def small_row(rig: Rig, rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    found = pairs(rig, [SMALL], rounds, progress)
    medians = [rows[0].median * 1e6 for rows in found]
    against = "4 KB, 2 workers, 64 values a packet, the best round's median; other work on the machine only adds"
    return row(min(medians), "us", 200, against, smaller=True, low=min(medians), high=max(medians), rounds=medians)


def loss_row(rig: Rig, rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    found = pairs(rig, [LARGE, replace(LARGE, loss=LOSS)], rounds, progress)
    against = f"the same without loss, {max(rows[0].goodput for rows in found):.2f} Gbit/s at best"
    goodput = [[clean.goodput, lossy.goodput] for clean, lossy in found]
    return ratio_row(0.6, against, goodput)


def pipelines_row(rig: Rig, count: int, rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    found = pairs(rig, [LARGE, replace(LARGE, queues=count)], rounds, progress)
    goodput = [[one.goodput, several.goodput] for one, several in found]
    best = max(several for _, several in goodput)
    against = f"one pipeline and one thread a worker; {best:.2f} Gbit/s at best, {os.cpu_count()} processors"
    return ratio_row(None, against, goodput)


def ratio_row(goal: float | None, against: str, figures: list[list[float]]) -> dict[str, Any]:
    """The second over the first of each round: the median, the least and the largest."""
    ratios = [b / a for a, b in figures]
    return row(statistics.median(ratios), "ratio", goal, against, low=min(ratios), high=max(ratios), rounds=figures)


def row(value: float, unit: str, goal: float | None, against: str, **more: Any) -> dict[str, Any]:
    return {"value": value, "unit": unit, "goal": goal, "against": against, **more}


def run(progress: Callable[[str], None], rounds: int = 5) -> Rows:
    """The rows of `make bench`. Raises RuntimeError with one sentence."""
    try:
        with tempfile.TemporaryDirectory() as logs, Rig(Path(logs)) as rig:
            return {
                "cpu_over_switchml": cpu_row(rig, 256, rounds, progress),
                "cpu_over_switchml_64": cpu_row(rig, 64, rounds, progress),
                "cpu_over_switchml_plain": cpu_row(rig, 256, rounds, progress, PLAIN),
                "cpu_over_copied": cpu_row(rig, 256, rounds, progress, COPIED, goal=None),
                "cpu_copied_over_switchml": cpu_row(rig, 256, rounds, progress, own=COPIED, goal=None),
                "small_allreduce_us": small_row(rig, rounds, progress),
                "loss_goodput": loss_row(rig, rounds, progress),
                "pipelines_2_over_1": pipelines_row(rig, 2, rounds, progress),
                "pipelines_4_over_1": pipelines_row(rig, 4, rounds, progress),
            }
    except CompareError as error:
        raise RuntimeError(str(error)) from None


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.shared_memory",
        description="All-reduce over shared-memory ports: worker CPU against SwitchML's, a 4 KB tensor, 2 %% loss.",
        epilog="example: python -m benchmarks.shared_memory --rounds 3",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement")
    options = parser.parse_args()
    return show(lambda: run(tell, options.rounds), options.json)


if __name__ == "__main__":
    sys.exit(main())
