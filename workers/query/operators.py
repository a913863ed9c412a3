"""Each operator from the workers' streams to what the master holds afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from workers.query.codes import GUARD_BITS, WINDOW
from workers.query.errors import QueryError
from workers.query.exchange import Link, Phase, Survivors, Traffic
from workers.query.expected import RUNGS
from workers.query.expected import ladder as by_ladder
from workers.query.expected import matrix as by_matrix
from workers.query.floats import order
from workers.query.pack import LANES, Stream

if TYPE_CHECKING:
    from workers.query.rack import Rack

UNIT = -(127 + 23 + GUARD_BITS)
"""A sum's mantissa counts units of 2^(exponent + UNIT)."""
SAMPLE = 4096
DEFAULT_CELLS = 4096
CELLS = {"join": 65536}
"""A Bloom filter's cell is one bit of switch memory, a group's over twenty bytes."""


@dataclass
class Session:
    """What the operators of one query share. racks are built when first needed, and kept.

    cells: of each register array of a lane; None: what CELLS says for the operator."""

    workers: int
    cells: int | None = None
    window: int = WINDOW
    link: Link = field(default_factory=Link)
    traffic: Traffic = field(default_factory=Traffic)
    engine: str = "jit"
    racks: dict[str, Rack] = field(default_factory=dict)
    query: int = 1

    def rack(self, operator: str) -> Rack:
        """The rack that runs `operator`."""
        if operator not in self.racks:
            from workers.query.rack import Rack  # the compiler and the switch: not for who sends to another process

            cells = self.cells or CELLS.get(operator, DEFAULT_CELLS)
            self.racks[operator] = Rack.build(
                operator, self.workers, cells=cells, window=self.window, engine=self.engine
            )
        return self.racks[operator]

    @contextmanager
    def phase(self, operator: str, **parameters: object) -> Iterator[tuple[Rack, Phase]]:
        """An installed query; its entries and registers are gone afterwards."""
        rack = self.rack(operator)
        rack.install(self.query, **parameters)  # type: ignore[arg-type]
        try:
            yield rack, Phase(rack, self.query, [1] * self.workers, self.traffic, self.link)
        finally:
            rack.remove(self.query)


def filtered(session: Session, streams: Sequence[Stream], low: np.float32, high: np.float32) -> Survivors:
    """Rows with low <= value <= high; NaN is above +inf."""
    bounds = order(np.array([low, high], np.float32))
    with session.phase("filter", a=int(bounds[0]), b=int(bounds[1])) as (_, phase):
        return phase.run(streams)


def distinct(session: Session, streams: Sequence[Stream]) -> Survivors:
    """At least one row of every key."""
    with session.phase("distinct") as (_, phase):
        return phase.run(streams)


def extreme(session: Session, streams: Sequence[Stream], *, exact: bool, smallest: bool = False) -> Survivors:
    """Rows among which every key's greatest (smallest) value is. exact: equal values are equal in full width."""
    with session.phase("group_extreme", flip=smallest, a=int(exact)) as (_, phase):
        return phase.run(streams)


def joined(session: Session, build: Sequence[Stream], probe: Sequence[Stream]) -> Survivors:
    """Rows of `probe` whose key may be in `build`."""
    with session.phase("join") as (_, phase):
        phase.run(build)
        return phase.run(probe, second=True)


def sketch_bound(bound: float) -> tuple[int, int]:
    """Exponent and significand with the hidden bit of what a sketch's sum must reach. Bounds below zero become zero.

    Narrowing to binary32 may have taken 2^-24 of each value; four times as much is given back."""
    with np.errstate(over="ignore"):
        wanted = np.float32(bound * (1 - 2.0**-22)) if bound > 1e-30 else np.float32(0)
    if not np.isfinite(wanted):  # no finite binary32 sum of the sketch is that great; its own could be
        wanted = np.finfo(np.float32).max
    bits = int(wanted.view(np.uint32))
    exponent = bits >> 23
    return max(exponent, 1), (bits & 0x7FFFFF) | (0x800000 if exponent else 0)


def having(session: Session, streams: Sequence[Stream], bound: float) -> Survivors:
    """All rows of every key whose sum may exceed `bound`. Raises QueryError for negative values."""
    if any(s.least < 0 for s in streams):
        raise QueryError("HAVING SUM is pruned for columns without negative numbers only")
    exponent, significand = sketch_bound(bound)
    with session.phase("having", a=exponent, b=significand) as (_, phase):
        phase.run(streams)
        return phase.run(streams, second=True)


# ---- top-N ----


def ladder(streams: Sequence[Stream], n: int, flip: bool) -> list[int]:
    """Up to eight thresholds from a sample of the columns: the values about N, 2N, 4N, ... rows from the top."""
    total = sum(map(len, streams))
    if not total:
        return []
    sample = np.concatenate([order(s.sample(max(1, total // SAMPLE)), flip) for s in streams])
    sample = np.sort(sample)[::-1]
    ranks = n * 2.0 ** np.arange(RUNGS) * len(sample) / total
    return sorted({int(sample[int(r)]) for r in ranks if r < len(sample)}, reverse=True)


def matrix_pays(session: Session, rows: int, n: int) -> bool:
    """Whether the matrix is expected to let fewer rows pass than the ladder. Reading it takes longer than a short query."""
    return by_matrix(rows, LANES * (session.cells or DEFAULT_CELLS)) < by_ladder(rows, n)


def top(session: Session, streams: Sequence[Stream], n: int, *, smallest: bool = False,
        use_ladder: bool = True, use_matrix: bool | None = None) -> Survivors:
    """Rows among which the N greatest (smallest) values are, ties with the last included.

    use_matrix: None leaves it to what is expected of it."""
    if n < 1:
        raise QueryError(f"the N of a top-N is at least 1, not {n}")
    rungs = ladder(streams, n, smallest) if use_ladder else []
    total = sum(map(len, streams))
    if use_matrix is None:
        use_matrix = not rungs or matrix_pays(session, total, n)
    with session.phase("topn", flip=smallest, a=n, b=2 * use_matrix, ladder=rungs) as (rack, phase):
        found = phase.run(streams)
        matrix = rack.arrays(rack.region(session.query), ["four.largest"])[0] if use_matrix else None
    if matrix is None or len(found) == total:
        return found
    orders = np.sort(order(found.values, smallest))
    last = int(orders[-n]) if len(orders) >= n else 0
    if last >= int(matrix.max()):
        return found  # whatever the matrix dropped was below the N-th
    with session.phase("topn", flip=smallest, a=0, ladder=[last]) as (_, phase):
        return phase.run(streams)


# ---- sums ----


@dataclass(frozen=True)
class Sums:
    """Per key, each (n,): keys uint64, sums and the bound of their error float64, counts int64."""

    keys: np.ndarray
    sums: np.ndarray
    bounds: np.ndarray
    counts: np.ndarray


def summed(session: Session, streams: Sequence[Stream], sent: Callable[[], None] = lambda: None, *,
           counts: bool = True) -> tuple[Sums, Survivors]:
    """What the switch's cells hold, and the rows that found no cell of their own. sent: called before cells are read; counts:
    whether the number of a cell's rows is wanted, it is 0 otherwise."""
    with session.phase("group_sum") as (rack, phase):
        survivors = phase.run(streams)
        sent()
        return cells(rack, session.query, counts), survivors


def cells(rack: Rack, query: int, counts: bool = True) -> Sums:
    """The sums that an installed query has in its cells; counts: with the number of their rows.

    A cell's bound is what its additions cut off, under one unit of its exponent for each inexact one, and the
    rounding to binary64."""
    region = rack.region(query)
    names = ["owner", "inexact", "add.exponent", "add.mantissa", "add.special", *(["count"] if counts else [])]
    owner, inexact, exponent, mantissa, special, *rest = rack.arrays(region, names)
    count = rest[0] if rest else np.zeros_like(owner)
    held = owner != 0
    scale = exponent[held].astype(np.int64) + UNIT
    sums = np.ldexp(mantissa[held].view(np.int64).astype(np.float64), scale)
    bounds = np.ldexp(inexact[held].astype(np.float64), scale) + np.abs(sums) * 2.0**-53
    flags = special[held]
    sums = np.where(flags & 1, np.inf, sums)
    sums = np.where(flags & 2, -np.inf, sums)
    sums = np.where((flags & 4 != 0) | (flags & 3 == 3), np.nan, sums)
    return Sums(owner[held], sums, bounds, count[held].astype(np.int64))


def merge(sums: Sums, survivors: Survivors, values: np.ndarray) -> Sums:
    """Cells and survivors together, by key. values: (n,) float64, the survivors' in full width."""
    keys = np.concatenate([sums.keys, survivors.keys])
    unique, place = np.unique(keys, return_inverse=True)
    rows = np.concatenate([sums.counts, np.ones(len(survivors), np.int64)])
    parts = np.concatenate([sums.sums, values])
    total, counts = np.zeros(len(unique)), np.zeros(len(unique), np.int64)
    bounds, magnitude, terms = (np.zeros(len(unique)) for _ in range(3))
    with np.errstate(invalid="ignore"):
        np.add.at(total, place, parts)
    np.add.at(counts, place, rows)
    np.add.at(bounds, place[: len(sums.keys)], sums.bounds)
    np.add.at(magnitude, place, np.abs(np.where(np.isfinite(parts), parts, 0)))
    np.add.at(terms, place, 1)
    bounds += np.maximum(terms - 1, 0) * magnitude * 2.0**-53
    return Sums(unique, total, bounds, counts)
