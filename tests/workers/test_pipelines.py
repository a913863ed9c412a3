"""Several pipelines in one switch, several threads in each worker: the same sums, and every pipeline its own slots."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.native.engine import NativeEngine, NativeEngineError
from emulator.switch.ports import Memory
from emulator.switch.runner import Runner
from workers.compare.plan import AGGREGATORS
from workers.compare.seats import frame_bytes, seat
from workers.compare.switch_child import Server

ELEMENTS, SLOTS = 32, 21  # shares of 10 and 11 slots, or of 7


@contextmanager
def cluster(server: Server, folder: Path, name: str, queues: int, workers: int, loss: float = 0.0) -> Iterator[Any]:
    aggregator = AGGREGATORS[name]
    server.do_load({"source": aggregator.source, "elements": ELEMENTS, "queues": queues})
    opened = server.do_open(
        {
            "source": aggregator.source, "elements": ELEMENTS, "queues": queues, "workers": workers, "slots": SLOTS,
            "frame": frame_bytes(ELEMENTS), "loss": loss, "seed": 5, "folder": str(folder),
        }
    )  # fmt: skip
    engines = [
        NativeEngine(seat(aggregator, opened["job"], r, workers, SLOTS, ELEMENTS, queues), memory=opened["ports"][r])
        for r in range(workers)
    ]
    try:
        yield engines
    finally:
        for engine in engines:
            engine.close()
        server.do_close({})


def together(engines: list[NativeEngine], arrays: list[np.ndarray], representation: int) -> None:
    failures: list[Exception] = []

    def work(engine: NativeEngine, array: np.ndarray) -> None:
        try:
            engine.allreduce(array, representation)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(engines, arrays, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures and not any(thread.is_alive() for thread in threads)


@pytest.fixture(scope="module")
def server() -> Server:
    return Server()


def touched(server: Server, name: str, queues: int) -> list[set[int]]:
    """Slots that each pipeline's registers remember a chunk for."""
    found = []
    for switch in server.loaded[AGGREGATORS[name].source, ELEMENTS][:queues]:
        rounds = [r for n, r in switch.control.registers.items() if n.endswith((".round_0", ".round_1"))]
        assert len(rounds) == 2
        found.append({slot for r in rounds for slot in range(SLOTS + 8) if r.read(slot)})
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("queues", "loss"), [(1, 0.0), (2, 0.01), (3, 0.0)])
@pytest.mark.parametrize("name", ["fpisa", "switchml-int"])
def test_sums_and_slots(server: Server, tmp_path: Path, name: str, queues: int, loss: float) -> None:
    aggregator = AGGREGATORS[name]
    rng = np.random.default_rng(queues)
    with cluster(server, tmp_path, name, queues, 3, loss) as engines:
        for count in (1, ELEMENTS * queues, 40_000, 12_345):
            arrays = [rng.integers(-(1 << 20), 1 << 20, count).astype(aggregator.dtype) for _ in engines]
            want = sum(arrays[1:], arrays[0].copy())
            together(engines, arrays, aggregator.representation)
            for array in arrays:
                np.testing.assert_array_equal(array, want)
        slots = touched(server, name, queues)
    bounds = [queue * SLOTS // queues for queue in range(queues + 1)]
    # a pipeline may remember slots of an earlier test's share; of this one's it knows all, and the next one's it does not
    for queue, own in enumerate(slots):
        assert set(range(bounds[queue], bounds[queue + 1])) <= own


@pytest.mark.timeout(120)
def test_pipelines_know_nothing_of_each_other(tmp_path: Path) -> None:
    """Fresh registers: each pipeline has seen its share of the slots and no other."""
    server = Server()
    with cluster(server, tmp_path, "switchml-int", 2, 2) as engines:
        arrays = [np.arange(50_000, dtype=np.int32) for _ in engines]
        together(engines, arrays, AGGREGATORS["switchml-int"].representation)
        assert touched(server, "switchml-int", 2) == [set(range(10)), set(range(10, 21))]


def test_a_missing_port_is_a_sentence(tmp_path: Path) -> None:
    """A switch with one pipeline, a worker with two queues."""
    place = seat(AGGREGATORS["switchml-int"], 1, 0, 1, SLOTS, ELEMENTS, 2)
    with Runner({1: Memory(tmp_path / "p")}), pytest.raises(NativeEngineError, match=r'no switch listens on ".*p\.1"'):
        NativeEngine(place, memory=str(tmp_path / "p"))
