"""How many rows pass the switch, beside what the algorithms' theory expects; a table and plots.

python -m workers.query.pruning --output results/query_pruning.png [--rows 100000] [--json]

The expectations are those of `workers.query.expected`: rows in random order, keys drawn uniformly.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from workers.query import operators
from workers.query.expected import distinct, joined, ladder, matrix, summed
from workers.query.keys import mix
from workers.query.operators import Session
from workers.query.pack import LANES, Stream


@dataclass(frozen=True)
class Point:
    """delivered and expected: fractions of the rows that reach the master."""

    operator: str
    against: str
    x: int
    delivered: float
    expected: float


def measure(rows: int, seed: int = 1) -> list[Point]:
    """All operators with a parameter of interest, through the compiled switch."""
    rng = np.random.default_rng(seed)
    racks: dict[int, dict] = {}
    points = []

    def session(cells: int) -> Session:
        return Session(1, cells=cells, racks=racks.setdefault(cells, {}))

    def stream(keys: np.ndarray) -> list[Stream]:
        ids = np.arange(len(keys), dtype=np.uint32)
        return [Stream(ids, mix(keys), rng.random(len(keys), dtype=np.float32))]

    for n in (10, 30, 100, 300, 1000):
        found = operators.top(session(64), stream(np.zeros(rows, np.int64)), n, use_matrix=False)
        points.append(Point("topn ladder", "N", n, len(found) / rows, ladder(rows, n) / rows))
    for cells in (4, 16, 64, 256):
        own = session(cells)
        with own.phase("topn", a=1, b=2) as (_, phase):
            found = phase.run(stream(np.zeros(rows, np.int64)))
        points.append(Point("topn matrix", "matrix rows", cells * LANES, len(found) / rows,
                            matrix(rows, cells * LANES) / rows))  # fmt: skip
    cells = 64 * LANES
    for keys in (100, 300, 1000, 3000, 10000):
        parts = stream(rng.integers(0, keys, rows))
        own = session(64)
        points.append(Point("group sum", "distinct keys", keys, len(operators.summed(own, parts)[1]) / rows,
                            summed(rows, keys, cells) / rows))  # fmt: skip
        points.append(Point("distinct", "distinct keys", keys, len(operators.distinct(own, parts)) / rows,
                            distinct(rows, keys, cells) / rows))  # fmt: skip
        half = rng.integers(0, 2 * keys, rows)
        found = operators.joined(own, stream(np.arange(keys)), stream(half))
        points.append(Point("join", "build keys", keys, len(found) / rows,
                            joined(rows, int((half < keys).sum()), keys, cells) / rows))  # fmt: skip
    return points


def plot(points: Sequence[Point], output: Path) -> None:
    """One panel an operator: measured dots on the expected line."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(p.operator for p in points))
    figure, panels = pyplot.subplots(1, len(names), figsize=(3.2 * len(names), 3.2), layout="constrained")
    for panel, name in zip(panels, names, strict=True):
        own = [p for p in points if p.operator == name]
        panel.plot([p.x for p in own], [100 * p.expected for p in own], label="expected")
        panel.plot([p.x for p in own], [100 * p.delivered for p in own], "o", label="measured")
        panel.set(title=name, xlabel=own[0].against, xscale="log")
    panels[0].set_ylabel("rows delivered, %")
    panels[0].legend()
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=120)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints and plots; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workers.query.pruning", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000, help="through each operator (100000)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="a plot, such as results/query_pruning.png")
    parser.add_argument("--json", action="store_true", help="a JSON list instead of a table")
    options = parser.parse_args(argv)
    if options.rows < 1000:
        parser.error("--rows must be at least 1000")
    points = measure(options.rows)
    if options.json:
        print(json.dumps([asdict(p) for p in points]))
    else:
        for p in points:
            print(f"{p.operator:12} {p.against:>14} {p.x:6}  delivered {p.delivered:8.3%}  expected {p.expected:8.3%}")
    if options.output:
        plot(points, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
