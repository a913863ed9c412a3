"""Packets through a port with a rate: native queues beside the traffic manager's in Python, and beside a port without a rate.

python -m benchmarks.queues [--json]

L2 forwarding from memory on one core, 64-byte packets. The rate is above what arrives, so that each packet is queued, taken out,
and finished; nothing is lost. Batches of the native ways are taken by turns, and the lower quarter of their times counts.

Where no packet waits, taking out is left out of the time: the switch asks in C, once for each batch, whether a packet's turn has
come; from here that question alone takes half a microsecond, as much as 25 packets.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import pipelines
from benchmarks.pipeline_tables import frame
from benchmarks.show import show, tell
from emulator.native import lib_and_ffi
from emulator.switch.jit.batches import Batch
from emulator.switch.queues import MAX_RATE

BATCH, TURNS, ENTRIES = 256, 600, 1000
SINGLE = 4000
"""Packets through Python."""
Rows = dict[str, dict[str, Any]]


def packets(filled: Any) -> list[tuple[int, bytes]]:
    rows = []
    for k in range(BATCH):
        packet = bytearray(frame())
        for offset, column in filled.columns:
            packet[offset : offset + column.shape[1]] = column[k].tobytes()
        rows.append((1, bytes(packet)))
    return rows


class Way:
    """A filled switch; turn() runs one batch to its end and notes nanoseconds a packet."""

    def __init__(self, queued: bool, port: int | None = None) -> None:
        """port: the only one with a rate; None: all ports."""
        filled = pipelines.load("l2", ENTRIES)
        self.switch, self.rows = filled.switch, packets(filled)
        engine: Any = self.switch.engine
        self.times: list[float] = []
        self.lib, self.ffi = lib_and_ffi()
        self.store = None
        if queued:
            self.switch.control.queues.set(port, rate_pps=MAX_RATE, depth=4 * BATCH)
            self.store = engine.native_queues()
            engine.fused.specialise()
            self.switch.control.queues.attach(self.store)
            self.queues = self.ffi.cast("struct fpq *", self.store.address)
            self.out, self.arena = self.ffi.new("struct fp_packet[4096]"), self.ffi.new("uint8_t[]", 4 << 20)
            self.count, self.next_us = self.ffi.new("int32_t *"), self.ffi.new("uint64_t *")
        self.call, self.state = engine.fused.call, engine.fused.state
        self.batch = Batch(self.rows, int(engine.limits[0]), int(engine.limits[1]), BATCH)
        self.now = 0

    def turn(self) -> None:
        self.now += 1000
        words = self.batch.arguments(self.state, 0, self.now)
        began = time.perf_counter_ns()
        self.call(*words)
        left = int(self.batch.n_out[0])
        if left < BATCH and self.store is not None:
            self.lib.fpq_serve(self.queues, self.now + 999, self.out, 4096, self.count, self.arena, 4 << 20, self.next_us)
            left += self.count[0]
        self.times.append((time.perf_counter_ns() - began) / BATCH)
        if left != BATCH:
            raise RuntimeError(f"{left} of {BATCH} packets came out")

    def ns(self) -> float:
        return float(np.quantile(self.times, 0.25))


def python_ns() -> float:
    """Nanoseconds a packet through the same queues in Python."""
    filled = pipelines.load("l2", ENTRIES)
    switch, rows = filled.switch, packets(filled)
    switch.control.queues.set(rate_pps=MAX_RATE)
    times = []
    for k in range(SINGLE):
        began = time.perf_counter_ns()
        switch.send(*rows[k % BATCH])
        times.append(time.perf_counter_ns() - began)
    return float(np.quantile(times, 0.25))


def run(progress: Callable[[str], None]) -> Rows:
    """Rows for results/bench.json. Raises RuntimeError."""
    progress("native queues and no queues by turns")
    ways = plain, queued, elsewhere = Way(False), Way(True), Way(True, 500)
    for _ in range(TURNS):
        for way in ways:
            way.turn()
    progress("queues in Python")
    slow = python_ns()
    return {
        "queue_ns": {"value": queued.ns(), "unit": "ns/packet", "goal": None,
                     "against": f"L2 through a port with a rate; {plain.ns():.0f} without, {slow:,.0f} with queues in Python"},
        "queue_elsewhere": {"value": plain.ns() / elsewhere.ns(), "unit": "ratio", "goal": 0.9,
                            "against": "packets a second to ports without a rate while no port has one"},
        "queue_over_python": {"value": slow / queued.ns(), "unit": "ratio", "goal": 5.0,
                              "against": "the same through the traffic manager in Python"},
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.queues",
        description=(__doc__ or "").splitlines()[0],
        epilog="example: python -m benchmarks.queues --json",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    return show(lambda: run(tell), parser.parse_args().json)


if __name__ == "__main__":
    sys.exit(main())
