"""How many rows pass the switch, beside what the algorithms' theory expects; a table and plots.

python -m workers.query.pruning --output results/query_pruning.png [--rows 100000] [--json]

All expectations are for rows in random order and keys drawn uniformly. C is the number of cells over all lanes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from workers.query import operators
from workers.query.keys import mix
from workers.query.operators import RUNGS, Session
from workers.query.pack import LANES, Stream


def ladder(rows: int, n: int) -> float:
    """Rows delivered of a top-N behind thresholds at the ranks N, 2N, ..., up to 2^7 N.

    The threshold of rank N 2^j has seen its N rows after rows / 2^j; until the next one has, N more rows pass it."""
    rungs = sum(n << j < rows for j in range(RUNGS))
    return rows / 2 ** (rungs - 1) + (rungs - 1) * n if rungs else rows


def matrix(rows: int, cells: int, columns: int = 4) -> float:
    """Each of the C rows of the matrix delivers its first `columns`, then the k-th with probability columns / k: the
    expected number of changes to a running top-w (Cheetah, section on randomised TOP N)."""
    each = rows / cells
    return rows if each <= columns else cells * columns * (1 + math.log(each / columns))


def summed(rows: int, keys: int, cells: int) -> float:
    """A row stays if its key owns its cell: with X other keys there, Poisson of mean keys / C, once in 1 + X."""
    load = keys / cells
    return rows * (1 - (1 - math.exp(-load)) / load)


def distinct(rows: int, keys: int, cells: int, remembered: int = 2) -> float:
    """A repeated row is dropped if its key is among the last two of its 1 + X; every key passes at least once."""
    load = keys / cells
    miss, probability = 0.0, math.exp(-load)
    for others in range(int(load + 20 * math.sqrt(load) + 40)):
        miss += probability * max(0.0, 1 - remembered / (1 + others))
        probability *= load / (others + 1)
    seen = keys * (1 - math.exp(-rows / keys))
    return seen + (rows - seen) * miss


def joined(rows: int, matching: int, build: int, cells: int, hashes: int = 3) -> float:
    """Matching rows, and of the others those a Bloom filter of three arrays takes for matching."""
    return matching + (rows - matching) * (1 - math.exp(-build / cells)) ** hashes


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
