"""The C sender and receiver through a real switch's shared-memory ports: each row once, whatever packets go through."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emulator.switch.ports import Impairments, Memory, parse_impairments
from emulator.switch.runner import Runner
from workers.query.codes import OPERATORS
from workers.query.errors import QueryError
from workers.query.keys import mix
from workers.query.net.native import Place, Receiver, Sender, Timing
from workers.query.pack import PORT, WORKER_PORT, Stream
from workers.query.rack import Rack

SEED = 20261121
WORKERS, WINDOW = 2, 64
ROUGH = "in:loss=0.05,in:dup=0.05,in:reorder=0.2,out:loss=0.05,out:dup=0.05,out:reorder=0.2,seed=5"
TIMING = Timing(initial=0.005, longest=0.05)


class Bench:
    """A rack behind shared-memory ports, the master's receiver and the workers' senders."""

    def __init__(self, operator: str, folder: Path, impair: str = "", deadline: float = 5.0) -> None:
        self.rack = Rack.build(operator, WORKERS, cells=64, window=WINDOW)
        hosts = [self.rack.master, *self.rack.workers]
        self.places = [Place(h.mac, h.ip, PORT if n == 0 else WORKER_PORT, memory=str(folder / f"p{n}"))
                       for n, h in enumerate(hosts)]  # fmt: skip
        ports = {h.port: Memory(p.memory, 256, 320) for h, p in zip(hosts, self.places, strict=True)}
        settings: Impairments | None = parse_impairments(impair) if impair else None
        self.runner = Runner(ports, impair=settings)  # type: ignore[arg-type]
        self.runner.set_pipeline(self.rack.switch)
        self.runner.start()
        timing = replace(TIMING, deadline=deadline)
        self.receiver = Receiver(self.places[0], WINDOW, timing)
        self.senders = [Sender(place, self.places[0], WINDOW, timing) for place in self.places[1:]]
        self.operator = operator

    def run(self, streams: list[Stream], before: list[int], *, second: bool = False) -> list[int]:
        """Sends side by side; packets of each worker."""
        packets, errors = [0] * WORKERS, []

        def one(number: int) -> None:
            try:
                packets[number] = self.senders[number].send(
                    streams[number], query=3, operator=OPERATORS[self.operator], worker=number, second=second,
                    spread=self.operator in ("filter", "topn"), first_sequence=(before[number] + 1) & 0xFFFFFFFF,
                )  # fmt: skip
            except QueryError as error:
                errors.append(error)

        threads = [threading.Thread(target=one, args=(n,)) for n in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return packets

    def close(self) -> None:
        for sender in self.senders:
            sender.close()
        self.receiver.close()
        self.runner.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[type]:
    made = []

    def make(operator: str, impair: str = "", **options: float) -> Bench:
        made.append(Bench(operator, tmp_path, impair, **options))
        return made[-1]

    yield make  # type: ignore[misc]
    for one in made:
        one.close()


def random_streams(rng: np.random.Generator, keys: int) -> list[Stream]:
    streams = []
    for _ in range(WORKERS):
        count = int(rng.integers(1500, 3000))
        values = rng.integers(-100, 100, count).astype(np.float32)
        streams.append(Stream(np.arange(count, dtype=np.uint32), mix(rng.integers(0, keys, count)), values))
    return streams


def pairs(workers: np.ndarray, rows: np.ndarray) -> list[tuple[int, int]]:
    return sorted(zip(workers.tolist(), rows.tolist(), strict=True))


@pytest.mark.parametrize("impair", ["", ROUGH], ids=["clean", "rough"])
def test_a_filter_delivers_exactly_its_rows(bench, impair: str) -> None:
    rng = np.random.default_rng(SEED)
    rig = bench("filter", impair)
    rig.rack.install(3, a=0x80000000, b=0xFFFFFFFF)  # not below zero
    before = [0, 2**31 - 20]
    rig.rack.switch.control.registers["ingress.decision"].data[WINDOW : 2 * WINDOW] = [
        (2**31 - 20 - (2**31 - 20 - place) % WINDOW) << 32 for place in range(WINDOW)
    ]
    rig.receiver.expect(3, OPERATORS["filter"], before)
    for _ in range(2):
        streams = random_streams(rng, 100)
        packets = rig.run(streams, before)
        before = [(b + p) & 0xFFFFFFFF for b, p in zip(before, packets, strict=True)]
        found, delivered = rig.receiver.take()
        expected = [(n, int(r)) for n, s in enumerate(streams) for r in s.rows[s.values >= 0]]
        assert pairs(found.workers, found.rows) == sorted(expected)
        for number, stream in enumerate(streams):
            own = found.workers == number
            assert np.array_equal(found.keys[own], stream.keys[found.rows[own]])
            assert np.array_equal(found.values[own], stream.values[found.rows[own]])
        assert 0 < delivered <= sum(packets)
    if impair:
        assert sum(sender.stats["repeats"] for sender in rig.senders) > 0
        assert rig.receiver.stats["duplicates"] > 0


def test_sums_count_every_row_once_over_a_rough_network(bench) -> None:
    rng = np.random.default_rng(SEED + 1)
    rig = bench("group_sum", ROUGH)
    rig.rack.install(3)
    rig.receiver.expect(3, OPERATORS["group_sum"], [0, 0])
    streams = random_streams(rng, 3000)
    rig.run(streams, [0, 0])
    found, _ = rig.receiver.take()
    region = rig.rack.region(3)
    held = rig.rack.registers(region, "owner").reshape(-1)
    counts = rig.rack.registers(region, "count").reshape(-1)[held != 0]
    total: dict[int, int] = {}
    for key, count in [*zip(held[held != 0].tolist(), counts.tolist(), strict=True), *((k, 1) for k in found.keys.tolist())]:
        total[key] = total.get(key, 0) + count
    keys, expected = np.unique(np.concatenate([s.keys for s in streams]), return_counts=True)
    assert total == dict(zip(keys.tolist(), expected.tolist(), strict=True))
    assert len(found) > 100 and len(counts) > 100


def test_rows_keep_their_lane_and_order(bench) -> None:
    """One key always meets the same lane, and rows of a lane come in the order of the stream."""
    rig = bench("distinct")
    rig.rack.install(3)
    rig.receiver.expect(3, OPERATORS["distinct"], [0, 0])
    keys = np.arange(1, 4001, dtype=np.uint64)
    streams = [Stream(np.arange(4000, dtype=np.uint32), keys, np.zeros(4000, np.float32)),
               Stream(*(np.zeros(0, t) for t in (np.uint32, np.uint64, np.float32)))]  # fmt: skip
    assert rig.run(streams, [0, 0]) == [250, 0]
    found, _ = rig.receiver.take()
    assert np.array_equal(np.sort(found.rows), np.arange(4000))
    newest = rig.rack.registers(rig.rack.region(3), "newest")
    for lane in range(16):
        assert set((newest[lane] & np.uint64(15)).tolist()) <= {lane, 0}
        rows = found.rows[found.keys & np.uint64(15) == lane]
        assert np.array_equal(rows, np.sort(rows))


def test_strange_frames_are_not_taken(bench) -> None:
    """Survivors of another query, operator or worker than the expected ones leave no row and get no answer."""
    rig = bench("filter", deadline=0.5)
    rig.rack.install(3, a=0, b=0xFFFFFFFF)
    streams = random_streams(np.random.default_rng(SEED + 2), 10)
    rig.receiver.expect(4, OPERATORS["filter"], [0, 0])
    failed: list[str] = []

    def send() -> None:
        with pytest.raises(QueryError, match="no answer"):
            rig.senders[0].send(streams[0], query=3, operator=1, worker=0, second=False, spread=True, first_sequence=1)
        failed.append("overdue")

    thread = threading.Thread(target=send)
    thread.start()
    thread.join(20.0)
    assert failed == ["overdue"]
    assert len(rig.receiver.take()[0]) == 0 and rig.receiver.stats["discarded"] > 0


def test_what_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.query.net.native.START_LIMIT", 0.1)
    nowhere = Place(1, 2, PORT, memory=str(tmp_path / "none"))
    with pytest.raises(QueryError, match="no switch listens"):
        Receiver(nowhere, WINDOW, TIMING)
    with pytest.raises(QueryError, match="power of two"):
        Sender(Place(1, 2, WORKER_PORT, interface="none0"), nowhere, 100, TIMING)
    with pytest.raises(QueryError, match="none0"):
        Sender(Place(1, 2, WORKER_PORT, interface="none0"), nowhere, 128, TIMING)
    with pytest.raises(QueryError, match="UDP port 18001, not 5"):
        Receiver(Place(1, 2, 5, interface="none0"), WINDOW, TIMING)
