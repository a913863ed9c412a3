"""The training loop without a network: data, equal bits, and one process as the judge of four workers."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from workers.main_job.result import gradient_errors
from workers.training import data, model
from workers.training.errors import largest_deviation, largest_error
from workers.training.loop import AllReduce, Outcome, train
from workers.training.measure import contribution, measure
from workers.training.recipe import Recipe

SHORT = Recipe(epochs=2, batch=16, seed=3)


class Meeting:
    """An all-reduce between threads: every caller gets `add` of all contributions."""

    def __init__(self, workers: int, add: Callable[[np.ndarray], np.ndarray]) -> None:
        self.barrier, self.add = threading.Barrier(workers, timeout=60), add
        self.rows: list[np.ndarray] = [np.empty(0)] * workers

    def seat(self, rank: int) -> AllReduce:
        def allreduce(values: np.ndarray) -> None:
            self.rows[rank] = values.copy()
            self.barrier.wait()
            total = self.add(np.stack(self.rows))
            self.barrier.wait()
            values[:] = total

        return allreduce


def together(workers: int, recipe: Recipe, add: Callable[[np.ndarray], np.ndarray]) -> list[Outcome]:
    meeting = Meeting(workers, add)
    outcomes: dict[int, Outcome] = {}

    def run(rank: int) -> None:
        outcomes[rank] = train(recipe, rank, workers, meeting.seat(rank), keep=lambda step, steps: step == 1)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == workers
    return [outcomes[rank] for rank in range(workers)]


def float_sum(rows: np.ndarray) -> np.ndarray:
    return rows.sum(axis=0, dtype=np.float32)


def test_workers_see_every_sample_of_a_step_once() -> None:
    digits = data.digits()
    count = len(digits.train_y)
    chosen = [data.batch_indices(count, 0, step, 64, 1) for step in range(data.steps_per_epoch(count, 64))]
    flat = np.concatenate(chosen)
    assert len(set(flat.tolist())) == len(flat)
    parts = [data.share(chosen[0], rank, 4) for rank in range(4)]
    assert sorted(np.concatenate(parts).tolist()) == sorted(chosen[0].tolist())
    assert not np.array_equal(data.batch_indices(count, 1, 0, 64, 1), chosen[0])


def test_train_and_test_samples_are_disjoint() -> None:
    digits = data.digits()
    assert len(digits.train_y) + len(digits.test_y) == 1797
    assert digits.train_x.dtype == np.float32 and 0 <= digits.train_x.min() <= digits.train_x.max() <= 1


def test_equal_seeds_give_equal_bits_and_others_do_not() -> None:
    assert model.digest(model.network(5)) == model.digest(model.network(5))
    assert model.digest(model.network(5)) != model.digest(model.network(6))


def test_a_digest_sees_the_last_bit() -> None:
    net = model.network(5)
    before = model.digest(net)
    with torch.no_grad():
        parameter = next(net.parameters())
        parameter.view(-1)[0] = torch.nextafter(parameter.view(-1)[0], torch.tensor(9.0))
    assert model.digest(net) != before


def test_gradients_survive_the_way_to_a_flat_tensor_and_back() -> None:
    net = model.network(1)
    sizes = sum(p.numel() for p in net.parameters())
    values = torch.arange(sizes, dtype=torch.float32)
    model.set_gradients(net, values)
    assert torch.equal(model.gradients(net), values)
    with pytest.raises(ValueError, match="parameters"):
        model.set_gradients(net, values[1:])


def test_four_workers_end_with_the_same_bits_and_one_process_accuracy() -> None:
    recipe = Recipe(epochs=6, batch=16, seed=3)
    outcomes = together(4, recipe, float_sum)
    alone = train(Recipe(epochs=6, batch=64, seed=3), 0, 1, lambda values: None)
    assert len({outcome.digest for outcome in outcomes}) == 1
    assert abs(outcomes[0].accuracy - alone.accuracy) <= 0.01
    assert outcomes[0].accuracy > 0.9
    assert outcomes[0].samples == alone.samples == len(alone.curve.loss) * 64


def test_workers_with_different_sums_end_with_different_bits() -> None:
    calls = itertools.count(1)

    def careless(rows: np.ndarray) -> np.ndarray:
        return float_sum(rows) + np.float32(next(calls) * 1e-4)

    outcomes = together(2, SHORT, careless)
    assert len({outcome.digest for outcome in outcomes}) == 2


def test_kept_gradients_tell_the_error_of_the_sum(tmp_path: Path) -> None:
    outcomes = together(2, SHORT, float_sum)
    for rank, outcome in enumerate(outcomes):
        steps, own, total = zip(*outcome.kept, strict=True)
        path = tmp_path / f"gradients-{rank}.npz"
        np.savez(path, steps=np.array(steps), own=np.stack(own), total=np.stack(total))
    errors = gradient_errors(tmp_path, 2)
    assert 0 < errors["deviation"] <= errors["error"] <= 2.0**-24  # one rounding of fp32


@pytest.mark.parametrize(
    "rows, result, expected",
    [
        ([[1.0], [2.0]], [3.0], 0.0),
        ([[1.0], [2.0]], [3.3], pytest.approx(0.1, rel=1e-6)),
        ([[1.0], [-1.0]], [0.5], 0.25),
        ([[0.0], [-0.0]], [0.0], 0.0),
        ([[0.0], [0.0]], [1e-40], np.inf),
        ([[np.inf], [1.0]], [np.inf], 0.0),
        ([[np.inf], [-np.inf]], [np.nan], 0.0),
        ([[np.inf], [1.0]], [1.0], np.inf),
        ([[1.0], [1.0]], [np.nan], np.inf),
        ([[1e-45], [1e-45]], [3e-45], 0.0),
    ],
)
def test_largest_error(rows: list[list[float]], result: list[float], expected: object) -> None:
    assert largest_error(np.array(rows, np.float32), np.array(result, np.float32)) == expected


def test_largest_deviation_is_a_share_of_the_largest_sum() -> None:
    rows = np.array([[100.0, 1.0], [100.0, -1.0]], np.float32)
    assert largest_deviation(rows, np.array([200.0, 2.0], np.float32)) == pytest.approx(0.01)
    assert largest_deviation(np.zeros((2, 3), np.float32), np.zeros(3, np.float32)) == 0


def test_measure_checks_and_times_every_repeat() -> None:
    inputs = np.stack([contribution(rank, 1000, 11) for rank in range(3)])
    exact = inputs.astype(np.float64).sum(axis=0).astype(np.float32)
    done: list[int] = []

    def allreduce(values: np.ndarray) -> None:
        assert np.array_equal(values, inputs[1]), "each repeat starts from the own contribution"
        values[:] = exact

    found = measure(allreduce, 1, 3, 4000, 2, on_repeat=done.append)
    assert (found.bytes, len(found.seconds), done) == (4000, 2, [0, 1, 2])
    assert found.error <= 2.0**-24
    assert measure(lambda values: None, 1, 3, 4000, 1).error > 0.1


def test_a_worker_process_tells_its_story_as_json() -> None:
    task = {
        "aggregator": "alone",
        "seat": {
            "job": "t",
            "rank": 0,
            "workers": 1,
            "host": "",
            "controller": "",
            "first_host": "",
            "port": 0,
        },
        "recipe": {"epochs": 1, "batch": 128},
        "bench_bytes": 4096,
        "bench_repeats": 1,
    }
    command = [sys.executable, "-m", "workers.training.worker", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events[:2] == ["joining", "joined"] and events[-1] == "done"
    assert {"bench", "measured", "step", "trained", "counts"} <= set(events)


def test_a_worker_without_a_controller_says_so_in_a_sentence(tmp_path: Path) -> None:
    seat = {
        "job": "t", "rank": 0, "workers": 2, "host": "127.0.0.1", "controller": str(tmp_path / "none"),
        "first_host": "", "port": 0, "interface": "no-such-interface",
    }  # fmt: skip
    task = {"aggregator": "fpisa", "seat": seat, "recipe": {"epochs": 1}}
    command = [sys.executable, "-m", "workers.training.worker", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1 and last["event"] == "error"
    assert "no-such-interface" in last["error"] and "Traceback" not in done.stderr
