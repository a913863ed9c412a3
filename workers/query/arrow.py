"""Queries on Arrow tables of one's own, on one machine: a table in, a table out, its rows through the switch.

from workers.query.arrow import Rack, group_sum, top
switch = Rack(workers=2)
top(switch, table, "price", 10)                     # the rows of the ten greatest prices
group_sum(switch, table, key="shop", value="price")  # columns key, sum, count, mean, bound

Every function raises QueryError for a missing column, a wrong type or a null. Rows are dealt to the workers in
equal runs; what comes back is exact but for sums, whose error is at most `bound`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workers.query import operators
from workers.query.errors import QueryError
from workers.query.exchange import Link, Survivors
from workers.query.floats import Narrowed, narrow
from workers.query.keys import mix
from workers.query.operators import Session, Sums
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
    """The rows of the `n` greatest (smallest) values, ordered; NaN counts as greatest."""
    narrowed, wide = _numbers(table, value)
    found = operators.top(rack.session(), _deal(rack, None, narrowed.values), n, smallest=smallest)
    rows = np.sort(_global(rack, found, len(table)))
    keys = wide[rows]
    nan = np.isnan(keys)
    descending = np.lexsort((rows, keys if smallest else -keys, nan if smallest else ~nan))
    return table.take(pa.array(rows[descending][:n]))


def where_between(rack: Rack, table: pa.Table, value: str, low: float, high: float) -> pa.Table:
    """The rows with low <= value <= high, in the table's order."""
    narrowed, wide = _numbers(table, value)
    bounds = narrow(np.array([low, high], np.float64), "the bounds").values
    found = operators.filtered(rack.session(), _deal(rack, None, narrowed.values), bounds[0], bounds[1])
    rows = np.sort(_global(rack, found, len(table)))
    return table.take(pa.array(rows[(wide[rows] >= low) & (wide[rows] <= high)]))


def distinct(rack: Rack, table: pa.Table, key: str) -> pa.Array:
    """The different values of a column, in order of first appearance."""
    keys = _keys(table, key)
    found = operators.distinct(rack.session(), _deal(rack, keys, None))
    rows = np.sort(_global(rack, found, len(table)))
    _, first = np.unique(keys[rows], return_index=True)
    return _column(table, key).take(pa.array(rows[np.sort(first)]))


def group_extreme(rack: Rack, table: pa.Table, key: str, value: str, *, smallest: bool = False) -> pa.Table:
    """Columns key and value: each key's greatest (smallest) value, in order of first appearance of a survivor."""
    keys = _keys(table, key)
    narrowed, wide = _numbers(table, value)
    found = operators.extreme(rack.session(), _deal(rack, keys, narrowed.values), exact=narrowed.exact, smallest=smallest)
    rows = np.sort(_global(rack, found, len(table)))
    own = wide[rows]
    nan = np.isnan(own)
    best_last = np.lexsort((-own if smallest else own, ~nan if smallest else nan, keys[rows]))
    sorted_keys = keys[rows][best_last]
    last = np.append(sorted_keys[1:] != sorted_keys[:-1], True) if len(rows) else np.zeros(0, bool)
    chosen = np.sort(rows[best_last][last])
    return pa.table({"key": _column(table, key).take(pa.array(chosen)), "value": _column(table, value).take(pa.array(chosen))})


def group_sum(rack: Rack, table: pa.Table, key: str, value: str) -> pa.Table:
    """Columns key, sum, count, mean, bound: bound is the most by which `sum` may differ from the exact sum."""
    keys = _keys(table, key)
    narrowed, wide = _numbers(table, value)
    cells, found = operators.summed(rack.session(), _deal(rack, keys, narrowed.values))
    lost = 0.0 if narrowed.exact else max(narrowed.largest * 2.0**-24, 2.0**-150)
    cells = Sums(cells.keys, cells.sums, cells.bounds + cells.counts * lost, cells.counts)
    total = operators.merge(cells, found, wide[_global(rack, found, len(table))])
    unique, first = np.unique(keys, return_index=True)
    if len(unique) != len(total.keys):
        raise QueryError("some groups did not come back from the switch; was it restarted?")
    return pa.table({"key": _column(table, key).take(pa.array(first)), "sum": total.sums, "count": total.counts,
                     "mean": total.sums / total.counts, "bound": total.bounds})  # fmt: skip


def semi_join(rack: Rack, table: pa.Table, key: str, other: pa.Table, other_key: str) -> pa.Table:
    """The rows of `table` whose key is among those of `other`, in the table's order."""
    keys, build = _keys(table, key), _keys(other, other_key)
    found = operators.joined(rack.session(), _deal(rack, build, None), _deal(rack, keys, None))
    rows = np.sort(_global(rack, found, len(table)))
    return table.take(pa.array(rows[np.isin(keys[rows], build)]))


# ---- columns ----


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise QueryError(f"the table has no column {name}; it has {', '.join(table.column_names)}")
    if table[name].null_count:
        raise QueryError(f"column {name} holds nulls, which cannot go through the switch")
    return table[name]


def _numbers(table: pa.Table, name: str) -> tuple[Narrowed, np.ndarray]:
    column = _column(table, name)
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise QueryError(f"column {name} is of type {kind}, not a number")
    values = (column.cast(pa.float64()) if pa.types.is_decimal(kind) else column).to_numpy()
    return narrow(values, name), values.astype(np.float64)


def _keys(table: pa.Table, name: str) -> np.ndarray:
    """(n,) uint64. Integers by a bijection; others by a hash, with another salt if two values collide."""
    column = _column(table, name)
    if pa.types.is_integer(column.type):
        return mix(column.to_numpy())
    if pa.types.is_floating(column.type):
        column = pc.add(column, 0.0)  # -0 becomes +0, which it equals
    rows = pa.table({"k": column})
    connection = duckdb.connect()
    connection.register("rows", rows)
    for salt in range(8):
        hashes = connection.sql(f"SELECT hash(k, {salt}::INTEGER) AS h FROM rows").to_arrow_table()["h"].to_numpy()
        pairs = pa.table({"h": hashes, "k": column}).group_by(["h", "k"]).aggregate([])
        if len(pairs) == len(np.unique(hashes)):
            return mix(hashes)
    raise QueryError(f"values of column {name} collide under eight different hashes")


# ---- rows to workers and back ----


def _cuts(rack: Rack, count: int) -> np.ndarray:
    return np.arange(rack.workers + 1) * count // rack.workers


def _deal(rack: Rack, keys: np.ndarray | None, values: np.ndarray | None) -> list[Stream]:
    count = len(keys) if keys is not None else len(values) if values is not None else 0
    if count >= 1 << 32:
        raise QueryError("a table has more rows than a 32-bit row id can name")
    keys = np.zeros(count, np.uint64) if keys is None else keys
    values = np.zeros(count, np.float32) if values is None else values
    cuts = _cuts(rack, count)
    return [Stream(np.arange(high - low, dtype=np.uint32), keys[low:high], values[low:high])
            for low, high in pairwise(cuts)]  # fmt: skip


def _global(rack: Rack, found: Survivors, count: int) -> np.ndarray:
    """The survivors' places in the whole table."""
    return _cuts(rack, count)[found.workers.astype(np.int64)] + found.rows.astype(np.int64)


__all__ = ["Rack", "distinct", "group_extreme", "group_sum", "semi_join", "top", "where_between"]
