"""Packets over veth: the compiled switch against a plain C forwarder with the same frames.

python -m benchmarks.veth [--json] [--seconds 2] [--rounds 3]

One thread sends and receives with a bounded window, another is the switch or the forwarder: two cores hold
both. Switch and forwarder are measured in turn, round by round, and each pair of neighbours gives one
ratio; the median counts, because what else runs on the machine changes from one moment to the next. Frames
are contributions of 64 floats of a one-worker job, so that one packet in is one packet out after the whole
program: admission, slot, addition, normalising, reply.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks import dataplane
from benchmarks.namespaces import isolated, veth
from emulator.native import lib_and_ffi
from emulator.native.engine import NativeEngine, NativeSeat
from emulator.switch.ports import Interface
from emulator.switch.runner import Runner

ELEMENTS = 64
WINDOW = 128  # frames under way
SLOTS = dataplane.WINDOW
CHUNK_AT = dataplane.CHUNK_AT
Rows = dict[str, dict[str, Any]]


def contributions() -> bytes:
    """Frames of one worker for every slot and set; their chunk numbers are filled in as they go."""
    values = np.arange(ELEMENTS, dtype="<f4").tobytes()
    chunks = range(2 * SLOTS)
    return b"".join(dataplane.frame("fpisa", 0, c % SLOTS, c, values, ELEMENTS) for c in chunks)


def load(send: str, receive: str, frames: bytes, seconds: float, number_at: int, window: int) -> float:
    """Packets a second that came back, under a closed window."""
    lib, ffi = lib_and_ffi()
    result, error = ffi.new("struct fpn_load_result *"), ffi.new("char[256]")
    buffer = ffi.new("uint8_t[]", frames)
    n = 2 * SLOTS
    names = send.encode(), receive.encode()
    status = lib.fpn_load(*names, buffer, n, len(frames) // n, number_at, window, seconds, 50_000, result, error)
    if status:
        raise RuntimeError(ffi.string(error).decode())
    return float(result.received / result.seconds)


def forwarder_rate(frames: bytes, seconds: float, window: int) -> float:
    """h0 -> s0 -> plain C -> s1 -> h1."""
    lib, ffi = lib_and_ffi()
    stop, packets, error = ffi.new("int32_t *"), ffi.new("uint64_t *"), ffi.new("char[256]")
    thread = threading.Thread(target=lambda: lib.fpn_forward(b"s0", b"s1", stop, packets, error))
    thread.start()
    try:
        load("h0", "h1", frames, 0.2, -1, window)  # both sides open, caches warm
        return load("h0", "h1", frames, seconds, -1, window)
    finally:
        stop[0] = 1
        thread.join()


def one_worker(switch: Any) -> None:
    """The benchmark's job with one worker, on port 1."""
    for name, table in switch.control.tables.items():
        if name.endswith("admission.jobs"):
            for entry in list(table.entries()):
                table.modify(entry.handle, entry.action, (1, *entry.args[1:]))
    switch.control.multicast.set_group(dataplane.GROUP, [(1, 0)])
    switch.engine.fused.specialise()


@contextmanager
def running(switch: Any, ports: dict[int, Any], spin_us: int = 20) -> Iterator[Runner]:
    with Runner(ports, spin_us=spin_us) as runner:
        runner.set_pipeline(switch)
        yield runner


def switch_rate(switch: Any, frames: bytes, seconds: float, window: int) -> float:
    """h0 -> s0 -> the program -> s0 -> h0. The window is the job's: a slot's next chunk needs its last
    one's result."""
    for register in switch.control.registers.values():
        register.reset()
    with running(switch, {1: Interface("s0"), 2: Interface("s1")}):
        return load("h0", "h0", frames, seconds, CHUNK_AT, window)


def allreduce_rates(switch: Any, seconds: float) -> tuple[float, float]:
    """(contributions a second at the switch, all-reduce goodput of one worker in Gbit/s): 4 native workers
    over veth."""
    ports = {rank + 1: Interface(f"s{rank}") for rank in range(dataplane.WORKERS)}
    n, calls = 256 * 1024, 0
    with running(switch, ports):
        seats = [seat(rank) for rank in range(dataplane.WORKERS)]
        engines = [NativeEngine(s, interface=f"h{s.rank}") for s in seats]
        arrays = [np.ones(n, np.float32) for _ in engines]
        while calls == 0 or engines[0].stats["wall_ns"] < seconds * 1e9:
            together(engines, arrays)
            calls += 1
        stats = [engine.stats for engine in engines]
        for engine in engines:
            engine.close()
    wall = stats[0]["wall_ns"] / 1e9
    return sum(s["packets_sent"] for s in stats) / wall, calls * n * 32 / wall / 1e9


def together(engines: list[NativeEngine], arrays: list[np.ndarray]) -> None:
    failed: list[BaseException] = []

    def work(engine: NativeEngine, array: np.ndarray) -> None:
        try:
            array[:] = 1
            engine.allreduce(array)
            if array[0] != len(engines) or array[-1] != len(engines):
                raise RuntimeError("an all-reduce gave a wrong sum")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(engines, arrays, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(str(failed[0]))


def seat(rank: int) -> NativeSeat:
    return NativeSeat(
        job=dataplane.JOB, rank=rank, workers=dataplane.WORKERS, first_slot=0, slots=SLOTS, queues=1, format=1,
        elements=ELEMENTS, value_bytes=4, udp_port=9000, source_mac=dataplane.mac(rank).to_bytes(6, "big"),
        source_ip=dataplane.ip(rank), switch_mac=dataplane.SWITCH_MAC.to_bytes(6, "big"), switch_ip=dataplane.SWITCH_IP,
    )  # fmt: skip


def measure(progress: Callable[[str], None], seconds: float, rounds: int) -> Rows:
    veth(dataplane.WORKERS)
    frames = contributions()
    progress("compiling allreduce_fpisa")
    switch, _ = dataplane.load("fpisa", ELEMENTS)
    progress("4 workers over veth")
    contributions_rate, goodput = allreduce_rates(switch, seconds)
    one_worker(switch)
    pairs = []
    window = SLOTS
    for turn in range(rounds):
        progress(f"switch and plain forwarder, round {turn + 1} of {rounds}")
        switched = switch_rate(switch, frames, seconds, window)
        pairs.append((switched, forwarder_rate(frames, seconds, window)))
    best = max(p for p, _ in pairs)
    ratio = statistics.median(p / f for p, f in pairs)
    plain = max(f for _, f in pairs)
    return {
        "veth_pps": row(best, "packet/s", 150_000, "generator, switch and sink on this machine, 64 floats"),
        "veth_over_plain_c": row(ratio, "ratio", 0.8, f"plain C forwarder, {plain:,.0f} packet/s at best"),
        "veth_allreduce_pps": row(contributions_rate, "packet/s", None, "contributions of 4 native workers"),
        "veth_allreduce_gbps": row(goodput, "Gbit/s", None, "payload of one worker, 4 native workers"),
    }


def row(value: float, unit: str, goal: float | None, against: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "goal": goal, "against": against}


def run(progress: Callable[[str], None], seconds: float = 2.0, rounds: int = 3) -> Rows:
    """The rows of `make bench`. Raises RuntimeError where there is no right to make interfaces."""
    return isolated(lambda: measure(progress, seconds, rounds))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.veth",
        description="Packets over veth: the compiled switch against a plain C forwarder with the same frames.",
        epilog="example: python -m benchmarks.veth --seconds 1 --rounds 5",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of switch and forwarder")
    options = parser.parse_args()
    try:
        rows = run(lambda text: print(text, file=sys.stderr), options.seconds, options.rounds)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(rows))
        return 0
    for name, found in rows.items():
        print(f"{name}: {found['value']:,.3f} {found['unit']} ({found['against']})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
