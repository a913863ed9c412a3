"""The worker engine against a plain-C model of the slot protocol, over veth: values, windows, loss,
silence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest

from emulator.native import lib_and_ffi
from emulator.native.engine import (
    QUANTISED,
    RAW,
    SWAPPED,
    Cancelled,
    ChunkOverdue,
    NativeEngine,
    NativeEngineError,
    NativeSeat,
    Unrepresentable,
)
from emulator.switch.ports import Impairments, Interface, parse_impairments
from emulator.switch.runner import Runner
from tests.native.netns import run_isolated, veth_pairs

FATES = ("absorbed", "completed", "duplicate", "resent", "stale", "early", "refused")
FP32, INT32 = 1, 0


def seat(rank: int, workers: int, **changes: Any) -> NativeSeat:
    values: dict[str, Any] = {
        "job": 7, "rank": rank, "workers": workers, "first_slot": 0, "slots": 16, "queues": 1, "format": FP32,
        "elements": 64, "value_bytes": 4, "udp_port": 18100, "source_mac": bytes([2, 0, 0, 0, 0, rank + 1]),
        "source_ip": 0x0A000001 + rank, "switch_mac": bytes([2, 0, 0, 0, 1, 0]), "switch_ip": 0x0A0000FE,
    }  # fmt: skip
    return NativeSeat(**{**values, **changes})


class Model:
    """The C model as a pipeline."""

    def __init__(self, workers: int, slots: int, elements: int, number_format: int) -> None:
        self.lib, self.ffi = lib_and_ffi()
        raw = self.lib.fpn_slot_model_new(7, workers, slots, elements, number_format, 0)
        self.state = self.ffi.gc(raw, self.lib.fpn_slot_model_free)

    def native_process(self) -> tuple[int, int]:
        function = self.ffi.addressof(self.lib, "fpn_slot_model_run")
        return int(self.ffi.cast("intptr_t", function)), int(self.ffi.cast("intptr_t", self.state))

    def fates(self) -> dict[str, int]:
        raw = self.ffi.new("uint64_t[]", len(FATES))
        self.lib.fpn_slot_model_fates(self.state, raw)
        return dict(zip(FATES, raw, strict=True))


@contextmanager
def cluster(
    workers: int, impair: Impairments | None = None, **changes: Any
) -> Iterator[tuple[list[NativeEngine], Model, Runner]]:
    pairs = veth_pairs(workers)
    model_seat = seat(0, workers, **changes)
    model = Model(workers, model_seat.slots, model_seat.elements, model_seat.format)
    with ExitStack() as stack:
        ports = {i: Interface(pair[0]) for i, pair in enumerate(pairs)}
        runner = stack.enter_context(Runner(ports, impair=impair))
        runner.set_pipeline(model)
        engines = [
            stack.enter_context(NativeEngine(seat(r, workers, **changes), interface=pairs[r][1]))
            for r in range(workers)
        ]
        yield engines, model, runner


def together(engines: list[NativeEngine], arrays: list[np.ndarray], representation: int) -> list[Any]:
    """All engines at once; each one's flags or exception."""
    outcome: list[Any] = [None] * len(engines)

    def work(i: int) -> None:
        try:
            outcome[i] = engines[i].allreduce(arrays[i], representation)
        except Exception as error:
            outcome[i] = error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(engines))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcome


def whole_floats(rng: np.random.Generator, n: int) -> np.ndarray:
    """Floats whose sums are exact in any order."""
    return rng.integers(-(1 << 18), 1 << 18, n).astype(np.float32)


SIZES = [1, 63, 64, 65, 64 * 16, 64 * 16 + 1, 64 * 40 + 7, 100_000]


def check_raw_sizes(queues: int, elements: int) -> None:
    rng = np.random.default_rng(queues * 1000 + elements)
    with cluster(3, queues=queues, elements=elements) as (engines, model, _):
        for n in SIZES:
            arrays = [whole_floats(rng, n) for _ in engines]
            want = sum(arrays[1:], arrays[0].copy())
            assert together(engines, arrays, RAW) == [0, 0, 0]
            for array in arrays:
                np.testing.assert_array_equal(array, want)
        stats = engines[0].stats
        assert stats["calls"] == len(SIZES) and stats["payload_bytes"] == 4 * sum(SIZES)
        assert model.fates()["refused"] == 0


@pytest.mark.root
@pytest.mark.parametrize("queues", [1, 3])
@pytest.mark.parametrize("elements", [64, 256])
def test_sums_of_all_sizes(queues: int, elements: int) -> None:
    run_isolated(check_raw_sizes, queues, elements)


def check_int32(representation_values: str) -> None:
    rng = np.random.default_rng(5)
    with cluster(2, format=INT32) as (engines, _, _):
        if representation_values == "int32":
            arrays = [rng.integers(-(1 << 31), 1 << 31, 5000).astype(np.int32) for _ in engines]
            want = arrays[0] + arrays[1]
            assert together(engines, arrays, SWAPPED) == [0, 0]
            for array in arrays:
                np.testing.assert_array_equal(array, want)
            return
        for n in (5, 64, 64 * 3 + 1, 64 * 50 + 9):
            scale = 10.0 ** rng.integers(-20, 20, n)
            arrays = [(rng.standard_normal(n) * scale).astype(np.float32) for _ in engines]
            want64 = arrays[0].astype(np.float64) + arrays[1]
            largest = [np.abs(a).max() for a in arrays]
            assert together(engines, arrays, QUANTISED) == [0, 0]
            np.testing.assert_array_equal(arrays[0], arrays[1])
            # A block's error: half a step of each worker, step = 2 * 2^e / (2^31 - 1), and the last rounding.
            bound = 4 * max(largest) * 2 / (2**31 - 1) + 1e-7 * np.abs(want64)
            assert (np.abs(arrays[0] - want64) <= bound).all()


@pytest.mark.root
@pytest.mark.parametrize("values", ["int32", "float32"])
def test_baseline(values: str) -> None:
    run_isolated(check_int32, values)


def check_loss() -> None:
    rng = np.random.default_rng(9)
    impair = parse_impairments("loss=0.02,dup=0.01,reorder=0.03,gap=5,seed=11")
    with cluster(4, impair, queues=2) as (engines, model, runner):
        for _ in range(3):
            arrays = [whole_floats(rng, 60_000) for _ in engines]
            want = sum(arrays[1:], arrays[0].copy())
            assert together(engines, arrays, RAW) == [0, 0, 0, 0]
            for array in arrays:
                np.testing.assert_array_equal(array, want)
        runner.stop()
        ports = runner.stats()
        assert all(p["in_lost"] and p["out_lost"] and p["in_duplicated"] and p["out_reordered"] for p in ports.values())
        assert sum(e.stats["retransmissions"] for e in engines) > 0
        fates = model.fates()
        assert fates["resent"] > 0 and fates["duplicate"] > 0
        assert fates["completed"] == 3 * -(-60_000 // 64)


@pytest.mark.root
def test_loss_duplication_and_reordering_change_no_bit() -> None:
    run_isolated(check_loss)


def check_silence() -> None:
    with cluster(2, deadline=0.3, slots=4) as (engines, _, _):
        arrays = [np.ones(64 * 9, np.float32) for _ in engines]
        with pytest.raises(ChunkOverdue) as overdue:
            engines[0].allreduce(arrays[0])
        assert (overdue.value.chunk, overdue.value.pool_index) == (0, 0)
        with pytest.raises(NativeEngineError):
            engines[0].allreduce(arrays[0])

    class Over(Exception):
        pass

    def watch() -> None:
        raise Over

    with NativeEngine(seat(0, 2, udp_port=18200), interface="h0", watch=watch) as engine, pytest.raises(Over):
        engine.allreduce(np.ones(64, np.float32))
    with NativeEngine(seat(0, 2, udp_port=18200, queues=2), interface="h0") as engine:
        threading.Timer(0.1, engine.cancel).start()
        with pytest.raises(Cancelled):
            engine.allreduce(np.ones(64 * 5, np.float32))


@pytest.mark.root
def test_silent_peer_cancel_and_watch_end_the_wait() -> None:
    run_isolated(check_silence)


def check_refusals() -> None:
    veth_pairs(1)
    bad = [({"interface": "nothing0"}, 'interface "nothing0" does not exist'), ({"interface": "lo" * 9}, "longer")]
    for arguments, sentence in bad:
        with pytest.raises(NativeEngineError, match=sentence):
            NativeEngine(seat(0, 1), **arguments)
    bad_seats = [seat(1, 1), seat(0, 129)]
    bad_seats += [seat(0, 1, **c) for c in ({"queues": 20}, {"elements": 0}, {"udp_port": 65536}, {"job": 0})]
    for bad_seat in bad_seats:
        with pytest.raises(NativeEngineError):
            NativeEngine(bad_seat, interface="h0")
    with NativeEngine(seat(0, 1, format=INT32), interface="h0") as engine:
        for value in (np.inf, np.nan, 2.0**127):
            with pytest.raises(Unrepresentable):
                engine.allreduce(np.array([1, value], np.float32), QUANTISED)
        with pytest.raises(ValueError):
            engine.allreduce(np.ones(4, np.float64))
        with pytest.raises(ValueError):
            engine.allreduce(np.ones((4, 4), np.float32)[:, 1:])


@pytest.mark.root
def test_refusals_are_one_sentence() -> None:
    run_isolated(check_refusals)
