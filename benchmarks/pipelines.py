"""Forwarding programs from memory on one core: small and large tables, packets of 64 bytes, no packet I/O.

python -m benchmarks.pipelines [--json] [--programs l2,l3,acl] [--plot results/table_size.svg]

Every packet hits a random entry, so a large table is looked up all over its memory. A ten-entry table of prefixes or masks
is compiled in, as it is in use. Two sizes are compared by turns, batch for batch; of each the lower quarter of the
batches' times counts, since other work on the machine only adds to them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import dataplane
from benchmarks.pipeline_tables import FILL, Filled, frame
from benchmarks.table_plot import plot
from emulator.compiler.api import compile_file
from emulator.switch.jit.batches import Batch
from emulator.switch.switch import Switch

P4 = Path(__file__).resolve().parent / "p4"
PLOT = Path("results/table_size.svg")
BATCH, PACKETS, TURNS = 256, 1 << 18, 24
LARGE = {"l2": (1_000_000,), "l3": (100_000,), "acl": (1_000, 10_000)}
CURVES = {"l2": (10, 1_000, 10_000, 100_000, 1_000_000), "l3": (10, 1_000, 10_000, 100_000),
          "acl": (10, 100, 1_000, 10_000)}  # fmt: skip
MATCH = {"l2": "exact", "l3": "LPM", "acl": "ternary"}
Rows = dict[str, dict[str, Any]]


def load(program: str, entries: int) -> Filled:
    """The program with a table of so many entries, in the form that it settles in."""
    result = compile_file(P4 / f"{program}.p4")
    if result.json is None:
        raise RuntimeError(f"{program}.p4 does not compile: {result.text()}")
    switch = Switch.load(result.json, engine="jit")
    switch.engine.background = False  # type: ignore[attr-defined]
    filled = FILL[program](switch, entries, PACKETS)
    switch.engine.fused.specialise()  # type: ignore[attr-defined]
    return filled


class Bench:
    """One filled switch; `turn()` runs a batch of fresh packets after the other and notes the times."""

    def __init__(self, filled: Filled):
        self.filled = filled
        engine: Any = filled.switch.engine
        address, state = engine.native_process()
        del address
        self.call = engine.fused.call
        self.batch = Batch([(1, frame())] * BATCH, int(engine.limits[0]), int(engine.limits[1]), BATCH)
        self.words = self.batch.arguments(state, 0, 0)
        self.at = 0
        self.times: list[float] = []

    def turn(self) -> None:
        for _ in range(PACKETS // BATCH // 4):
            self.patch()
            began = time.perf_counter_ns()
            taken = self.call(*self.words)
            self.times.append((time.perf_counter_ns() - began) / BATCH)
            if taken != BATCH or int(self.batch.n_out[0]) != BATCH:
                raise RuntimeError(f"{taken} of {BATCH} packets taken, {self.batch.n_out[0]} out")

    def patch(self) -> None:
        """The next packets' keys."""
        rows = self.batch.rows(len(frame()))
        for offset, column in self.filled.columns:
            rows[:, offset : offset + column.shape[1]] = column[self.at : self.at + BATCH]
        self.at = (self.at + BATCH) % PACKETS

    def ns(self) -> float:
        return float(np.quantile(self.times, 0.25))


def measure(sizes: Sequence[Filled]) -> list[float]:
    """Nanoseconds a packet of each, measured by turns."""
    benches = [Bench(filled) for filled in sizes]
    for _ in range(TURNS):
        for bench in benches:
            bench.turn()
    return [bench.ns() for bench in benches]


def short(n: int) -> str:
    return f"{n // 1_000_000}m" if n >= 1_000_000 else f"{n // 1000}k" if n >= 1000 else str(n)


def program_rows(program: str, sizes: Sequence[int], costs: dict[int, float]) -> Rows:
    rows: Rows = {}
    for n in (10, *sizes):
        name = f"{program}_{short(n)}_mpps"
        rows[name] = {"value": 1e3 / costs[n], "unit": "Mpacket/s", "goal": None, "ns": costs[n],
                      "against": f"{n:,} {MATCH[program]} entries, one core, from memory"}  # fmt: skip
    for n in sizes:
        rows[f"{MATCH[program].lower()}_{short(n)}_over_ten"] = {
            "value": costs[10] / costs[n], "unit": "ratio", "goal": 0.5,
            "against": "packets a second with a ten-entry table",
        }  # fmt: skip
    return rows


def run(
    progress: Callable[[str], None],
    programs: Sequence[str] = ("l2", "l3", "acl", "allreduce"),
    picture: Path | None = PLOT,
) -> Rows:
    """Rows for results/bench.json and a plot. Raises RuntimeError."""
    rows: Rows = {}
    costs: dict[str, dict[int, float]] = {}
    for program in programs:
        if program == "allreduce":
            rows |= allreduce_rows(progress)
            continue
        filled = []
        for n in CURVES[program] if picture else (10, *LARGE[program]):
            progress(f"{program}: filling a table of {n:,} entries")
            filled.append((n, load(program, n)))
        progress(f"{program}: packets")
        costs[program] = dict(zip([n for n, _ in filled], measure([f for _, f in filled]), strict=True))
        rows |= program_rows(program, LARGE[program], costs[program])
    if picture and costs:
        plot({f"{p} ({MATCH[p]})": found for p, found in costs.items()}, picture)
    return rows


def allreduce_rows(progress: Callable[[str], None]) -> Rows:
    """All-reduce of 64 values beside the forwarding programs."""
    progress("allreduce, 64 elements")
    row = dataplane.run(lambda text: None, ("fpisa",), (64,))["dataplane_64_mpps"]
    return {"allreduce_64_mpps": {**row, "goal": None}}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pipelines",
        description=(__doc__ or "").splitlines()[0],
        epilog="example: python -m benchmarks.pipelines --programs l3",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--programs", default="l2,l3,acl,allreduce", help="of l2, l3, acl, allreduce")
    parser.add_argument("--plot", type=Path, default=PLOT, help="where the picture goes (PNG, SVG, PDF)")
    parser.add_argument("--no-plot", action="store_true", help="only the sizes that the rows need")
    words = parser.parse_args()
    picture = None if words.no_plot else words.plot
    try:
        rows = run(lambda text: print(text, file=sys.stderr), words.programs.split(","), picture)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if words.json:
        print(json.dumps(rows))
        return 0
    for name, row in rows.items():
        print(f"{name}: {row['value']:.3f} {row['unit']}" + (f", {row['ns']:.0f} ns a packet" if "ns" in row else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
