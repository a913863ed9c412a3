"""Forwarding programs over veth: L2, L3 with 100,000 routes, ACL with 1,000 rules, beside a plain C forwarder and, where it
is installed, simple_switch_grpc (bmv2.py).

python -m benchmarks.veth_programs [--json] [--programs l2,l3,acl] [--seconds 1] [--rounds 3]

Set-up and way of comparing are those of benchmarks.veth; packets of 64 bytes that hit entries leading to one port.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import bmv2, pipelines
from benchmarks.namespaces import isolated, veth
from benchmarks.pipeline_tables import Filled, frame
from benchmarks.show import show, tell
from benchmarks.veth import SLOTS, Rate, Rows, forwarder_rate, load, row, running
from emulator.switch.ports import Interface

ENTRIES = {"l2": 10_000, "l3": 100_000, "acl": 1_000}
PORT = 2


def frames_to_port(filled: Filled) -> bytes:
    """Packets that the program sends out of PORT, as many as the load generator cycles through."""
    found: list[bytes] = []
    for k in range(len(filled.columns[0][1])):
        packet = bytearray(frame())
        for offset, column in filled.columns:
            packet[offset : offset + column.shape[1]] = column[k].tobytes()
        if [port for port, _ in filled.switch.send(1, bytes(packet))] == [PORT]:
            found.append(bytes(packet))
            if len(found) == 2 * SLOTS:
                return b"".join(found)
    raise RuntimeError(f"fewer than {2 * SLOTS} packets lead to port {PORT}")


def program_rate(filled: Filled, frames: bytes, seconds: float) -> Rate:
    """h0 -> s0 -> the program -> s1 -> h1."""
    with running(filled.switch, {1: Interface("s0"), PORT: Interface("s1")}) as runner:
        assert runner.thread is not None
        load("h0", "h1", frames, 0.2, -1, runner.thread)
        return load("h0", "h1", frames, seconds, -1, runner.thread)


def reference_rate(program: str, filled: Filled, frames: bytes, seconds: float) -> float | None:
    """As program_rate, in packets a second, with the reference switch; None where it is not installed."""
    reference = bmv2.executable()
    if reference is None:
        return None
    setup = bmv2.setup_of(pipelines.P4 / f"{program}.p4", filled.switch)
    with bmv2.running(reference, setup, {1: "s0", PORT: "s1"}) as process:
        return load("h0", "h1", frames, seconds, -1, process).pps


def measure(
    progress: Callable[[str], None], programs: Sequence[str], seconds: float, rounds: int, entries: Mapping[str, int]
) -> Rows:
    veth(2)
    rows: Rows = {}
    for program in programs:
        progress(f"{program}: filling a table of {entries[program]:,} entries")
        filled = pipelines.load(program, entries[program])
        frames = frames_to_port(filled)
        pairs = []
        for turn in range(rounds):
            progress(f"{program}: switch and plain forwarder, round {turn + 1} of {rounds}")
            pairs.append((program_rate(filled, frames, seconds), forwarder_rate(frames, seconds)))
        switched, plain = (max(pair[i].pps for pair in pairs) for i in range(2))
        ratio = statistics.median(s.pps / f.pps for s, f in pairs)
        what = f"{entries[program]:,} {pipelines.MATCH[program]} entries, 64-byte packets"
        rows[f"veth_{program}_pps"] = row(switched, "packet/s", None, what)
        rows[f"veth_{program}_over_plain_c"] = row(ratio, "ratio", None, f"plain C forwarder, {plain:,.0f} packet/s at best")
        progress(f"{program}: simple_switch_grpc")
        rows |= bmv2.compared(f"veth_{program}", switched, reference_rate(program, filled, frames, seconds))
    return rows


def run(
    progress: Callable[[str], None],
    programs: Sequence[str] = tuple(ENTRIES),
    seconds: float = 1.0,
    rounds: int = 3,
    entries: Mapping[str, int] = ENTRIES,
) -> Rows:
    """The rows of `make bench`. Raises RuntimeError where there is no right to make interfaces."""
    found: Any = isolated(lambda: measure(progress, programs, seconds, rounds, entries))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.veth_programs",
        description=(__doc__ or "").splitlines()[0],
        epilog="example: python -m benchmarks.veth_programs --programs l3 --seconds 2",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--programs", default=",".join(ENTRIES), help="of l2, l3, acl")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of switch and forwarder")
    words = parser.parse_args()
    unknown = sorted(set(words.programs.split(",")) - set(ENTRIES))
    if unknown:
        print(f"error: there is no program {unknown[0]}; programs are {', '.join(ENTRIES)}", file=sys.stderr)
        return 2
    return show(lambda: run(tell, words.programs.split(","), words.seconds, words.rounds), words.json)


if __name__ == "__main__":
    sys.exit(main())
