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
import statistics
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from benchmarks import bmv2, dataplane
from benchmarks.namespaces import isolated, veth
from benchmarks.show import show, tell
from emulator.native import lib_and_ffi
from emulator.native.engine import NativeEngine, NativeSeat
from emulator.switch.ports import Interface
from emulator.switch.runner import Runner

ELEMENTS = 64
SLOTS = 64  # also the window: a slot's next chunk needs its last one's result
CHUNK_AT = dataplane.CHUNK_AT
POOL_INDEX_AT = CHUNK_AT - 2
Rows = dict[str, dict[str, Any]]
Forwarder = threading.Thread | bmv2.Process


def contributions() -> bytes:
    """Frames of one worker for every slot and set; their chunk numbers are filled in as they go."""
    values = np.arange(ELEMENTS, dtype="<f4").tobytes()
    frames = []
    for chunk in range(2 * SLOTS):
        frame = bytearray(dataplane.frame("fpisa", 0, 0, 0, values, ELEMENTS))
        struct.pack_into(">H", frame, POOL_INDEX_AT, chunk % SLOTS * 2 + chunk // SLOTS)
        frames.append(bytes(frame))
    return b"".join(frames)


class Rate(NamedTuple):
    """Packets a second of wall time, and processor time per packet of what forwards and of the load (ns)."""

    pps: float
    forward_ns: float
    load_ns: float


def load(send: str, receive: str, frames: bytes, seconds: float, number_at: int, forwarder: Forwarder) -> Rate:
    """What came back under a closed window, and what it cost."""
    lib, ffi = lib_and_ffi()
    result, error = ffi.new("struct fpn_load_result *"), ffi.new("char[256]")
    buffer = ffi.new("uint8_t[]", frames)
    n = 2 * SLOTS
    names = send.encode(), receive.encode()
    before = cpu_of(forwarder)
    status = lib.fpn_load(*names, buffer, n, len(frames) // n, number_at, SLOTS, seconds, 50_000, result, error)
    spent = cpu_of(forwarder) - before
    if status:
        raise RuntimeError(ffi.string(error).decode())
    count = max(1, int(result.received))
    return Rate(count / result.seconds, spent / count * 1e9, result.cpu_seconds / count * 1e9)


def cpu_of(thread: Forwarder) -> float:
    """Processor seconds of what forwards."""
    if not isinstance(thread, threading.Thread):
        return thread.cpu_seconds()
    if thread.ident is None or not thread.is_alive():
        raise RuntimeError("the forwarder has ended")
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def forwarder_rate(frames: bytes, seconds: float) -> Rate:
    """h0 -> s0 -> plain C -> s1 -> h1."""
    lib, ffi = lib_and_ffi()
    stop, packets, error = ffi.new("int32_t *"), ffi.new("uint64_t *"), ffi.new("char[256]")
    thread = threading.Thread(target=lambda: lib.fpn_forward(b"s0", b"s1", stop, packets, error))
    thread.start()
    try:
        load("h0", "h1", frames, 0.2, -1, thread)  # both sides open, caches warm
        return load("h0", "h1", frames, seconds, -1, thread)
    finally:
        stop[0] = 1
        thread.join()


def admit(switch: Any, workers: int) -> None:
    """The benchmark's job with so many workers, on ports from 1, and SLOTS slots."""
    for name, table in switch.control.tables.items():
        if name.endswith("admission.jobs"):
            for entry in list(table.entries()):
                table.modify(entry.handle, entry.action, (workers, 0, SLOTS, dataplane.GROUP))
    switch.control.multicast.set_group(dataplane.GROUP, [(rank + 1, rank) for rank in range(workers)])
    for register in switch.control.registers.values():
        register.reset()
    switch.engine.fused.specialise()


@contextmanager
def running(switch: Any, ports: dict[int, Any], spin_us: int = 20) -> Iterator[Runner]:
    with Runner(ports, spin_us=spin_us) as runner:
        runner.set_pipeline(switch)
        yield runner


def switch_rate(switch: Any, frames: bytes, seconds: float) -> Rate:
    """h0 -> s0 -> the program -> s0 -> h0."""
    for register in switch.control.registers.values():
        register.reset()
    with running(switch, {1: Interface("s0"), 2: Interface("s1")}) as runner:
        assert runner.thread is not None
        return load("h0", "h0", frames, seconds, CHUNK_AT, runner.thread)


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
    admit(switch, dataplane.WORKERS)
    progress("4 workers over veth")
    contributions_rate, goodput = allreduce_rates(switch, seconds)
    admit(switch, 1)
    pairs = []
    for turn in range(rounds):
        progress(f"switch and plain forwarder, round {turn + 1} of {rounds}")
        pairs.append((switch_rate(switch, frames, seconds), forwarder_rate(frames, seconds)))
    switched, plain = (max(pair[i].pps for pair in pairs) for i in range(2))
    ratio = statistics.median(s.pps / f.pps for s, f in pairs)
    # The processor's own count of time, which other work on the machine disturbs less.
    cost, plain_cost = (min(pair[i].forward_ns for pair in pairs) for i in range(2))
    return {
        "veth_pps": row(switched, "packet/s", 150_000, "generator, switch and sink on this machine, 64 floats"),
        "veth_over_plain_c": row(ratio, "ratio", 0.8, f"plain C forwarder, {plain:,.0f} packet/s at best"),
        "veth_switch_ns": row(cost, "ns/packet", None, f"processor time; plain C forwarder {plain_cost:,.0f}"),
        "veth_cpu_over_plain_c": row(plain_cost / cost, "ratio", 0.8, "plain C forwarder's processor time"),
        "veth_allreduce_pps": row(contributions_rate, "packet/s", None, "contributions of 4 native workers"),
        "veth_allreduce_gbps": row(goodput, "Gbit/s", None, "payload of one worker, 4 native workers"),
        **bmv2.compared("veth", switched, reference_rate(progress, switch, frames, seconds)),
    }


def reference_rate(progress: Callable[[str], None], switch: Any, frames: bytes, seconds: float) -> float | None:
    """As switch_rate, in packets a second, with the reference switch; None where it is not installed."""
    program = bmv2.executable()
    if program is None:
        return None
    progress("simple_switch_grpc")
    source = dataplane.P4SRC / f"{dataplane.SOURCES['fpisa']}.p4"
    setup = bmv2.setup_of(source, switch, {"ELEMENTS": ELEMENTS})
    with bmv2.running(program, setup, {1: "s0", 2: "s1"}) as process:
        return load("h0", "h0", frames, seconds, CHUNK_AT, process).pps


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
    return show(lambda: run(tell, options.seconds, options.rounds), options.json)


if __name__ == "__main__":
    sys.exit(main())
