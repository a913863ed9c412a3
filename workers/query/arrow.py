"""Queries on Arrow tables of one's own, on one machine: a table in, a table out, its rows through the switch.

from workers.query.arrow import Rack, group_sum, top
switch = Rack(workers=2)
top(switch, table, "price", 10)                     # the rows of the ten greatest prices
group_sum(switch, table, key="shop", value="price")  # columns key, sum, count, mean, bound

Every function raises QueryError for a missing column or a wrong type. Rows are dealt to the workers in equal runs; what
comes back is exact but for sums, whose error is at most `bound`. NULLs follow SQL: their rows go past the switch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa

from workers.query import columns, operators
from workers.query.columns import Keys, exact, narrowed, numeric
from workers.query.duck import fresh
from workers.query.errors import QueryError
from workers.query.exchange import Link, Survivors
from workers.query.operators import Session
from workers.query.pack import Stream
from workers.query.rack import Rack as Switch


@dataclass
class Rack:
    """Workers around a switch; programs are compiled when first used and kept. cells: of each array of a lane, by default
    what suits the operator. loss: probability on each hop."""

    workers: int = 2
    cells: int | None = None
    loss: float = 0.0
    seed: int = 1
    _racks: dict[str, Switch] = field(default_factory=dict)

    def session(self) -> Session:
        link = Link(self.loss, np.random.default_rng(self.seed))
        return Session(self.workers, cells=self.cells, link=link, racks=self._racks)


def top(rack: Rack, table: pa.Table, value: str, n: int, *, smallest: bool = False) -> pa.Table:
    """The rows of the `n` greatest (smallest) values, ordered; NaN counts as greatest, NULLs come last in either order."""
    wide, present = _numbers(table, value)
    sent = _Sent(rack, np.flatnonzero(present))
    found = operators.top(rack.session(), sent.deal(None, narrowed(wide)), n, smallest=smallest)
    rows = np.sort(sent.places(found))
    values = wide[rows]
    nan = np.isnan(values)
    ordered = np.lexsort((rows, values if smallest else -values, nan if smallest else ~nan))
    return table.take(pa.array(np.concatenate([rows[ordered], np.flatnonzero(~present)])[:n]))


def where_between(rack: Rack, table: pa.Table, value: str, low: float, high: float) -> pa.Table:
    """The rows with low <= value <= high, in the table's order."""
    wide, present = _numbers(table, value)
    sent = _Sent(rack, np.flatnonzero(present))
    bounds = narrowed(np.array([low, high], np.float64))
    found = operators.filtered(rack.session(), sent.deal(None, narrowed(wide)), bounds[0], bounds[1])
    rows = np.sort(sent.places(found))
    return table.take(pa.array(rows[(wide[rows] >= low) & (wide[rows] <= high)]))


def distinct(rack: Rack, table: pa.Table, key: str) -> pa.Array:
    """The different values of a column, NULL among them, in order of first appearance."""
    keys = _keys(table, key)
    sent = _Sent(rack, np.flatnonzero(keys.codes >= 0))
    found = operators.distinct(rack.session(), sent.deal(keys, None))
    rows = np.sort(np.concatenate([sent.places(found), np.flatnonzero(keys.codes < 0)[:1]]))
    _, first = np.unique(keys.codes[rows], return_index=True)
    return _column(table, key).take(pa.array(rows[np.sort(first)]))


def group_extreme(rack: Rack, table: pa.Table, key: str, value: str, *, smallest: bool = False) -> pa.Table:
    """Columns key and value: each key's greatest (smallest) value, NULL where it has none."""
    keys = _keys(table, key)
    wide, present = _numbers(table, value)
    through = present & (keys.codes >= 0)
    sent = _Sent(rack, np.flatnonzero(through))
    same = exact(_column(table, value).type)
    found = operators.extreme(rack.session(), sent.deal(keys, narrowed(wide)), exact=same, smallest=smallest)
    rows = np.sort(np.concatenate([sent.places(found), np.flatnonzero(~through)]))
    left = pa.table({"key": _column(table, key), "value": _column(table, value)}).take(pa.array(rows))
    connection = fresh()
    connection.register("left_rows", left)
    best = "min" if smallest else "max"
    return connection.sql(f"SELECT key, {best}(value) AS value FROM left_rows GROUP BY key").to_arrow_table()


def group_count(rack: Rack, table: pa.Table, key: str) -> pa.Table:
    """Columns key and count: COUNT(*) by key."""
    ones = pa.array(np.ones(len(table), np.int8))
    counted = group_sum(rack, pa.table({"key": _column(table, key), "one": ones}), "key", "one")
    return counted.select(["key", "count"])


def group_mean(rack: Rack, table: pa.Table, key: str, value: str) -> pa.Table:
    """Columns key, mean and bound: AVG(value) by key, NULL where it has no value; bound is that of the mean."""
    total = group_sum(rack, table, key, value)
    many = np.maximum(total["count"].to_numpy(), 1)
    bound = total["bound"].to_numpy() / many + np.abs(np.nan_to_num(total["mean"].to_numpy())) * 2.0**-53
    return pa.table({"key": total["key"], "mean": total["mean"], "bound": bound})


def group_sum(rack: Rack, table: pa.Table, key: str, value: str) -> pa.Table:
    """Columns key, sum, count (of values that are not NULL), mean, bound: the most by which `sum` may differ from the exact
    sum. A group without values has the sum NULL."""
    keys = _keys(table, key)
    wide, present = _numbers(table, value)
    small = narrowed(wide)
    beyond = np.isinf(small) & np.isfinite(wide)
    through = present & (keys.codes >= 0) & ~beyond
    sent = _Sent(rack, np.flatnonzero(through))
    cells, found = operators.summed(rack.session(), sent.deal(keys, small))
    total = operators.merge(cells, found, wide[sent.places(found)])
    unsent = np.flatnonzero(~through)
    groups = len(keys.hashes) + bool((keys.codes < 0).any())
    sums, bounds, counts = np.zeros(groups), np.zeros(groups), np.zeros(groups, np.int64)
    order = np.argsort(keys.hashes)
    at = order[np.searchsorted(keys.hashes, total.keys, sorter=order)] if len(total.keys) else np.zeros(0, np.int64)
    if (keys.hashes[at] != total.keys).any():
        raise QueryError("the switch gave back a key that nobody sent; was it restarted?")
    finite = wide[through][np.isfinite(wide[through])]
    lost = 0.0 if (small[through][np.isfinite(wide[through])] == finite).all() else \
        max(float(np.abs(finite).max()) * 2.0**-24, 2.0**-150)
    sums[at], counts[at], bounds[at] = total.sums, total.counts, total.bounds + total.counts * lost
    loose: dict[int, list[float]] = {}
    for row in unsent[present[unsent]].tolist():
        loose.setdefault(int(keys.codes[row]), []).append(float(wide[row]))  # -1, the last, is the key NULL
    for code, values in loose.items():
        sums[code], counts[code] = _added([float(sums[code]), *values]), counts[code] + len(values)
        bounds[code] += abs(sums[code]) * 2.0**-52 if math.isfinite(sums[code]) else 0.0
    return _sums_table(table, key, keys, sums, counts, bounds)


def _added(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # beyond binary64, or infinities of both signs
        with np.errstate(all="ignore"):
            return float(np.sum(values))


def _sums_table(table: pa.Table, key: str, keys: Keys, sums: np.ndarray, counts: np.ndarray, bounds: np.ndarray) -> pa.Table:
    group = np.where(keys.codes < 0, len(sums) - 1, keys.codes)
    _, first = np.unique(group, return_index=True)
    none = counts == 0
    with np.errstate(invalid="ignore"):
        mean = sums / np.maximum(counts, 1)
    return pa.table({"key": _column(table, key).take(pa.array(first)), "sum": pa.array(sums, mask=none), "count": counts,
                     "mean": pa.array(mean, mask=none), "bound": bounds})  # fmt: skip


def semi_join(rack: Rack, table: pa.Table, key: str, other: pa.Table, other_key: str) -> pa.Table:
    """The rows of `table` whose key is among those of `other`, in the table's order. NULL equals nothing."""
    keys, build = _keys(table, key), _keys(other, other_key)
    kinds = _column(table, key).type, _column(other, other_key).type
    if kinds[0] != kinds[1] and not all(map(pa.types.is_integer, kinds)):
        raise QueryError(f"column {key} is of type {kinds[0]} and {other_key} of type {kinds[1]}; a join takes equal types")
    sent, built = (_Sent(rack, np.flatnonzero(k.codes >= 0)) for k in (keys, build))
    found = operators.joined(rack.session(), built.deal(build, None), sent.deal(keys, None))
    rows = np.sort(sent.places(found))
    if pa.types.is_integer(kinds[0]):
        return table.take(pa.array(rows[np.isin(keys.hashes[keys.codes[rows]], build.hashes)]))
    connection = fresh()
    connection.register("probe", pa.table({"place": rows, "k": _column(table, key).take(pa.array(rows))}))
    connection.register("build", pa.table({"k": _column(other, other_key)}))
    kept = connection.sql("SELECT place FROM probe WHERE k IN (SELECT k FROM build) ORDER BY place").to_arrow_table()
    return table.take(kept["place"])


# ---- columns ----


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise QueryError(f"the table has no column {name}; it has {', '.join(table.column_names)}")
    return table[name]


def _numbers(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(values float64, present bool), 0 for NULL."""
    if not numeric(_column(table, name).type):
        raise QueryError(f"column {name} is of type {_column(table, name).type}, not a number")
    return columns.numbers(_column(table, name), name)


def _keys(table: pa.Table, name: str) -> Keys:
    """Raises QueryError if two different values have the same hash."""
    found = columns.keys([_column(table, name).combine_chunks()])
    if len(np.unique(found.hashes)) != len(found.hashes):
        raise QueryError(f"two values of column {name} have the same 64-bit hash; it cannot go through the switch")
    return found


# ---- rows to workers and back ----


@dataclass(frozen=True)
class _Sent:
    """The rows (n,) of a table that go through the switch, dealt in equal runs."""

    rack: Rack
    rows: np.ndarray

    @property
    def cuts(self) -> np.ndarray:
        return np.arange(self.rack.workers + 1) * len(self.rows) // self.rack.workers

    def deal(self, keys: Keys | None, values: np.ndarray | None) -> list[Stream]:
        """keys, values: of all the table's rows."""
        if len(self.rows) >= 1 << 32:
            raise QueryError("a table has more rows than a 32-bit row id can name")
        hashes = np.zeros(len(self.rows), np.uint64) if keys is None else keys.hashes[keys.codes[self.rows]]
        small = np.zeros(len(self.rows), np.float32) if values is None else values[self.rows]
        return [Stream(np.arange(high - low, dtype=np.uint32), hashes[low:high], small[low:high])
                for low, high in pairwise(self.cuts)]  # fmt: skip

    def places(self, found: Survivors) -> np.ndarray:
        """The survivors' places in the whole table."""
        return self.rows[self.cuts[found.workers.astype(np.int64)] + found.rows.astype(np.int64)]


__all__ = ["Rack", "distinct", "group_count", "group_extreme", "group_mean", "group_sum", "semi_join", "top", "where_between"]
