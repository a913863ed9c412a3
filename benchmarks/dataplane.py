"""The data plane from memory, on one core: whole all-reduce programs, 4 workers, no packet I/O.

python -m benchmarks.dataplane [--json] [--programs fpisa,int] [--elements 64,256]

A batch holds every worker's packet for a window of slots; batches alternate between a slot's two sets, so each
packet is absorbed and every fourth completes its slot, is normalised and multicast to all workers. The time is
that of the fastest batches: other work on the machine only adds to it.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emulator.compiler.api import compile_file
from emulator.switch.jit.batches import Batch
from emulator.switch.keys import Lpm
from emulator.switch.switch import Switch

P4SRC = Path(__file__).resolve().parents[1] / "p4src"
SOURCES = {
    "fpisa": "allreduce_fpisa", "approx": "allreduce_fpisa_approx", "int": "allreduce_int", "tree": "allreduce_tree"
}  # fmt: skip
FORMATS = {"fpisa": 1, "approx": 1, "int": 0, "tree": 1}
GOALS = {("fpisa", 64): 8.0, ("fpisa", 256): 4.0}
WORKERS, WINDOW, JOB, GROUP = 4, 16, 1, 1
SWITCH_MAC, SWITCH_IP = 0x0200_0000_00FE, 0x0A00_00FE
Rows = dict[str, dict[str, Any]]


def frame(program: str, rank: int, slot: int, chunk: int, values: bytes, elements: int) -> bytes:
    """One contribution, as PROTOCOL.md lays it out."""
    pool_index = slot * 2 + (chunk // WINDOW) % 2
    fpisa = struct.pack(
        ">BBHBBHIBBH", 0x10, FORMATS[program], JOB, rank, 0, pool_index, chunk & 0xFFFFFFFF, 0, 0, elements
    )
    udp = struct.pack(">HHHH", 9000 + rank, 18000, 8 + len(fpisa) + len(values), 0)
    size = 20 + len(udp) + len(fpisa) + len(values)
    ipv4 = struct.pack(">BBHHHBBHII", 0x45, 0, size, 0, 0, 64, 17, 0, ip(rank), SWITCH_IP)
    ethernet = SWITCH_MAC.to_bytes(6, "big") + mac(rank).to_bytes(6, "big") + b"\x08\x00"
    return ethernet + ipv4 + udp + fpisa + values


def mac(rank: int) -> int:
    return 0x0200_0000_0000 + rank + 1


def ip(rank: int) -> int:
    return 0x0A00_0001 + rank


def insert(switch: Switch, table: str, key: tuple[int, ...], action: str, args: tuple[int, ...]) -> None:
    """Adds an entry to the table whose name ends like this; its action's name ends likewise."""
    found = next(t for name, t in switch.control.tables.items() if name.endswith(table))
    names = [switch.model.actions[a].name for a in found.spec.actions]
    found.insert(key, next(n for n in names if n.endswith("." + action)), args)


def admit(switch: Switch) -> None:
    """Entries of one job: admission, replies, leading-one tables."""
    insert(switch, "admission.jobs", (JOB,), "job", (WORKERS, 0, WINDOW, GROUP))
    for rank in range(WORKERS):
        insert(switch, "admission.members", (JOB, rank), "member", (rank + 1, mac(rank), ip(rank)))
        insert(switch, "reply.replicas", (JOB, rank), "to_worker", (mac(rank), ip(rank), 9000))
    switch.control.multicast.set_group(GROUP, [(rank + 1, rank) for rank in range(WORKERS)])
    with switch.control.batch():
        for name, table in switch.control.tables.items():
            if name.endswith(".leading_one"):
                action = switch.model.actions[table.spec.actions[0]].name
                width = table.spec.keys[0].width
                for bit in range(width):
                    table.insert((Lpm(1 << bit, width - bit),), action, (bit,))


def batches(program: str, elements: int, rounds: int) -> list[list[tuple[int, bytes]]]:
    """Rounds of one packet per worker and slot of the window."""
    rng = np.random.default_rng(5)
    found = []
    for turn in range(rounds):
        packets = []
        for slot in range(WINDOW):
            for rank in range(WORKERS):
                if program == "int":
                    values = rng.integers(-(1 << 20), 1 << 20, elements).astype(">i4").tobytes()
                else:
                    values = rng.standard_normal(elements).astype("<f4").tobytes()
                chunk = turn * WINDOW + slot
                packets.append((rank + 1, frame(program, rank, slot, chunk, values, elements)))
        found.append(packets)
    return found


def load(program: str, elements: int) -> tuple[Switch, dict[str, float]]:
    """A switch with the program's compiled form in use, and what it took (seconds, bytes, lines)."""
    result = compile_file(P4SRC / f"{SOURCES[program]}.p4", defines={"ELEMENTS": elements})
    if result.json is None:
        raise RuntimeError(f"{SOURCES[program]}.p4 does not compile: {result.text()}")
    began = time.perf_counter()
    switch = Switch.load(result.json, engine="jit")
    loaded = time.perf_counter()
    switch.engine.background = False  # type: ignore[attr-defined]
    admit(switch)
    fused = switch.engine.fused  # type: ignore[attr-defined]
    ready = time.perf_counter()
    fused.specialise()
    done = time.perf_counter()
    report = fused.current.code.report
    return switch, {
        "load_s": loaded - began,
        "first_s": ready - loaded,
        "compile_s": done - ready,
        "machine_s": report.seconds,
        "code_bytes": report.size,
        "ir_lines": fused.current.lines,
        "cached": float(report.cached),
    }


ROUNDS = 4
"""Batches prepared: what the rings of a few ports hold; inputs and outputs then stay in the second-level cache."""


def measure(program: str, elements: int, seconds: float = 3.0) -> dict[str, float]:
    """Nanoseconds a packet and what else `load` found."""
    switch, facts = load(program, elements)
    function, state = switch.engine.native_process()  # type: ignore[attr-defined]
    del function
    call = switch.engine.fused.call  # type: ignore[attr-defined]
    limits = switch.engine.limits  # type: ignore[attr-defined]
    prepared = [Batch(p, int(limits[0]), int(limits[1])) for p in batches(program, elements, ROUNDS)]
    arguments = [b.arguments(state, 0, 0) for b in prepared]
    best = float("inf")
    count = prepared[0].count
    end = time.perf_counter() + seconds
    base = 0
    while time.perf_counter() < end:
        for turn, words in enumerate(arguments):
            began = time.perf_counter_ns()
            taken = call(*words)
            spent = time.perf_counter_ns() - began
            if taken != count or int(prepared[turn].n_out[0]) != WINDOW * WORKERS:
                raise RuntimeError(
                    f"{program}, {elements}: {taken} of {count} packets taken, {prepared[turn].n_out[0]} out"
                )
            best = min(best, spent / count)
        base += ROUNDS * WINDOW
        _advance(prepared, base)
    return {"ns": best, **facts}


CHUNK_AT = 14 + 20 + 8 + 8


def _advance(prepared: Sequence[Batch], base: int) -> None:
    """Chunk numbers go on, so that no packet is a straggler."""
    for turn, batch in enumerate(prepared):
        for k in range(batch.count):
            chunk = base + turn * WINDOW + k // WORKERS
            batch.patch(k, CHUNK_AT, struct.pack(">I", chunk & 0xFFFFFFFF))


def run(
    progress: Callable[[str], None],
    programs: Sequence[str] = ("fpisa", "approx", "int"),
    sizes: Sequence[int] = (64, 256),
) -> Rows:
    rows: Rows = {}
    for program in programs:
        for elements in sizes:
            progress(f"{SOURCES[program]}, {elements} elements")
            found = measure(program, elements)
            name = f"dataplane_{elements}_mpps" if program == "fpisa" else f"dataplane_{program}_{elements}_mpps"
            rows[name] = {
                "value": 1e3 / found["ns"],
                "unit": "Mpacket/s",
                "goal": GOALS.get((program, elements)),
                "against": "one core, from memory, 4 workers",
                **found,
            }
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog="example: python -m benchmarks.dataplane --programs fpisa --elements 64",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--programs", default="fpisa,approx,int", help="of fpisa, approx, int, tree")
    parser.add_argument("--elements", default="64,256", help="values a packet")
    words = parser.parse_args()
    sizes = [int(n) for n in words.elements.split(",")]
    rows = run(lambda text: print(text, file=sys.stderr), words.programs.split(","), sizes)
    if words.json:
        print(json.dumps(rows))
        return 0
    for name, row in rows.items():
        print(
            f"{name}: {row['value']:.2f} Mpacket/s, {row['ns']:.0f} ns a packet; {row['ir_lines']:.0f} lines of IR, "
            f"{row['code_bytes']:.0f} bytes of code, {row['machine_s']:.1f} s in LLVM"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
