"""A worker's scan: Arrow batches as they come, turned into the columns that go through the switch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from workers.query.columns import numeric
from workers.query.errors import QueryError
from workers.query.floats import narrow
from workers.query.keys import mix
from workers.query.pack import Stream
from workers.query.shelf import Column, Shelf, parts


@dataclass(frozen=True)
class Scanned:
    """A worker's stream. wide: values before narrowing, (n,) float64, None where narrowing changed none; total: their sum;
    largest: the greatest finite magnitude; names: its distinct keys by hash, if hashed."""

    stream: Stream
    wide: Column | None
    largest: float
    total: float
    names: pa.Table | None = None

    @property
    def exact(self) -> bool:
        """Narrowing changed no value."""
        return self.wide is None

    def widen(self, rows: np.ndarray) -> np.ndarray:
        """Values before narrowing of these row ids of the scan, in any order."""
        values = np.zeros(len(rows))
        source = self.stream.values if self.wide is None else self.wide
        for part in parts(len(self.stream)):
            ids = self.stream.rows[part]
            here = (rows >= ids[0]) & (rows <= ids[-1])
            if here.any():
                values[here] = source[part][np.searchsorted(ids, rows[here])]
        return values


@dataclass(frozen=True)
class Wanted:
    """What is scanned: SQL expressions, None where there is no such column. room: bytes that may stay in memory; folder: of
    the files that take the rest."""

    table: str
    key: str | None
    value: str | None
    room: int
    folder: Path | None


def gather(reader: pa.RecordBatchReader, wanted: Wanted) -> Scanned | None:
    """Batches with row_id, key, value and missing (whether the key is NULL) where wanted. None if rows are out of order.
    Raises QueryError for NULLs, and for columns that are no numbers."""
    _check(reader.schema, wanted)
    wide = wanted.value is not None and reader.schema.field("value").type != pa.float32()
    dtypes: list[type] = [np.uint32]
    dtypes += [np.uint64] if wanted.key is not None else []
    dtypes += [np.float32] if wanted.value is not None else []
    shelf = Shelf([np.dtype(d) for d in [*dtypes, *([np.float64] if wide else [])]], wanted.room, wanted.folder)
    totals, largest, exact, last = [], 0.0, True, -1
    for batch in reader:
        if not len(batch):
            continue
        rows = batch["row_id"].to_numpy()
        if rows[0] < last or (np.diff(rows) < 0).any():
            return None
        last = int(rows[-1])
        own = [rows]
        if wanted.key is not None:
            own.append(_keys(batch, wanted))
        if wanted.value is not None:
            values = _numbers(batch, wanted)
            narrowed = narrow(values, wanted.value)
            own += [narrowed.values, values.astype(np.float64)] if wide else [narrowed.values]
            exact, largest = exact and narrowed.exact, max(largest, narrowed.largest)
            totals.append(float(values.sum(dtype=np.float64)))
        shelf.add(*own)
    found = iter(shelf.columns())
    zeros = np.zeros(1)
    columns = [next(found)]
    columns.append(next(found) if wanted.key is not None else np.broadcast_to(zeros.astype(np.uint64), shelf.count))
    columns.append(next(found) if wanted.value is not None else np.broadcast_to(zeros.astype(np.float32), shelf.count))
    full = next(found) if wide and not exact else None
    return Scanned(Stream(*columns), full, largest, math.fsum(totals) if np.isfinite(totals).all() else sum(totals))


def _check(schema: pa.Schema, wanted: Wanted) -> None:
    if wanted.key is not None and not pa.types.is_integer(schema.field("key").type):
        raise QueryError(f"{wanted.key} of table {wanted.table} is of type {schema.field('key').type}, not an integer")
    if wanted.value is not None:
        kind = schema.field("value").type
        if not numeric(kind):
            raise QueryError(f"{wanted.value} of table {wanted.table} is of type {kind}, not a number")


def _nulls(text: str | None, table: str) -> QueryError:
    return QueryError(f"{text} of table {table} holds nulls, which cannot go through the switch")


def _keys(batch: pa.RecordBatch, wanted: Wanted) -> np.ndarray:
    hashed = "missing" in batch.schema.names
    if batch["key"].null_count or (hashed and batch["missing"].true_count):
        raise _nulls(wanted.key, wanted.table)
    return mix(batch["key"].to_numpy())


def _numbers(batch: pa.RecordBatch, wanted: Wanted) -> np.ndarray:
    column = batch["value"]
    if column.null_count:
        raise _nulls(wanted.value, wanted.table)
    return (column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column).to_numpy()
