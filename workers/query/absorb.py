"""Sums and counts of a partition: each chunk's groups go to the switch's cells; what finds no cell comes out.

Rows that come out have the key's columns and `kind`:
NAMED     a key and its hash, once a partition, where the hash alone could not tell the key
LEFT      a part of a group's sum (or count) that no cell took
PAST      a group's part that the switch could not see: a NULL in the key, or no value at all
ROUNDED   no key: `sum` is the most by which this partition's own additions may have rounded any group"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from workers.query.columns import Keys, halves, numbers
from workers.query.executor import Work, chunks, codes, column, first_rows, partition
from workers.query.sender import Sender

NAMED, LEFT, PAST, ROUNDED = range(4)


@dataclass
class Absorber:
    """One partition. totals: the query that sums values; counts: the one that counts them; None: not asked for."""

    work: Work
    totals: Sender | None
    counts: Sender
    named: set[int] = field(default_factory=set)
    rounded: float = 0.0

    def chunk(self, table: pa.Table) -> Iterator[pa.RecordBatch]:
        """What comes out of a chunk."""
        found = codes(self.work, self.counts, table)
        if self.work.value:
            values, present = numbers(table[self.work.value], self.work.value)
        else:
            values, present = np.zeros(len(table)), np.ones(len(table), bool)
        judged = present & (found.codes >= 0)
        place, values_judged = found.codes[judged], values[judged]
        many = np.bincount(place, minlength=len(found.hashes))
        first = first_rows(found)
        if found.witness is not found.hashes:
            fresh = np.array([h not in self.named for h in found.hashes.tolist()], bool) & (many > 0)
            self.named.update(found.hashes[fresh].tolist())
            yield self._rows(table, first[fresh], NAMED, found.hashes[fresh])
        sent = np.flatnonzero(many)
        if self.totals is not None:
            yield from self._sums(table, first, found, sent, place, values_judged, many)
        out = sent[self.counts.through(found.hashes[sent], many[sent].astype(np.float32))]
        yield self._rows(table, first[out], LEFT, found.hashes[out], count=many[out])
        yield from self._past(table, found, values, present)

    def _sums(self, table: pa.Table, first: np.ndarray, found: Keys, sent: np.ndarray, place: np.ndarray,
              values: np.ndarray, many: np.ndarray) -> Iterator[pa.RecordBatch]:
        assert self.totals is not None
        with np.errstate(invalid="ignore"):
            total = np.bincount(place, weights=values, minlength=len(many))[sent]
            size = np.bincount(place, weights=np.abs(values), minlength=len(many))[sent]
        beyond = np.isfinite(total) & (np.abs(total) > np.finfo(np.float32).max)
        finite = np.where(np.isfinite(size), size, 0)
        self.rounded += float((finite * (many[sent] * 2.0**-53 + 2.0**-48)).max(initial=0.0)) + 2.0**-149
        parts = np.where(beyond, 0.0, total)
        high, low = halves(parts)
        for part in (high, low):
            some = part != 0 if part is low else np.ones(len(part), bool)
            at = sent[some]
            passed = self.totals.through(found.hashes[at], part[some])
            out = at[passed]
            yield self._rows(table, first[out], LEFT, found.hashes[out], part[some][passed].astype(np.float64))
        out = sent[beyond]
        yield self._rows(table, first[out], LEFT, found.hashes[out], total[beyond])

    def _past(self, table: pa.Table, found: Keys, values: np.ndarray, present: np.ndarray) -> Iterator[pa.RecordBatch]:
        """Groups by NULL keys row by row, for the engine to add; and of groups without values here one row each."""
        loose = np.flatnonzero(found.codes < 0)
        if len(loose):
            there = present[loose]
            yield self._rows(table, loose, PAST, None, values[loose], there.astype(np.int64), there)
        empty = np.flatnonzero(~present & (found.codes >= 0))
        if len(empty):
            _, one = np.unique(found.codes[empty], return_index=True)
            yield self._rows(table, empty[one], PAST, None)

    def _rows(self, table: pa.Table, rows: np.ndarray, kind: int, hashes: np.ndarray | None,
              sums: np.ndarray | None = None, count: np.ndarray | None = None,
              there: np.ndarray | None = None) -> pa.RecordBatch:
        names = [column(table, name).take(pa.array(rows)) for name in self.work.keys]
        return _batch(self.work, names, len(rows), kind, hashes, sums, count, there)

    def last(self, schema: pa.Schema) -> pa.RecordBatch:
        """The row that says how much was rounded."""
        names = [pa.nulls(1, schema.field(name).type) for name in self.work.keys]
        return _batch(self.work, names, 1, ROUNDED, None, np.array([self.rounded]), None, None)


def _batch(work: Work, names: list[pa.Array], n: int, kind: int, hashes: np.ndarray | None, sums: np.ndarray | None,
           count: np.ndarray | None, there: np.ndarray | None) -> pa.RecordBatch:
    shown = pa.nulls(n, pa.int64()) if hashes is None else pa.array(hashes.view(np.int64))
    total = pa.nulls(n, pa.float64()) if sums is None else pa.array(sums, mask=None if there is None else ~there)
    many = np.zeros(n, np.int64) if count is None else count.astype(np.int64)
    arrays = [*names, pa.array(np.full(n, kind, np.int32)), shown, total, pa.array(many)]
    return pa.RecordBatch.from_arrays(arrays, names=[*[f"key{i}" for i in range(len(names))], "kind", "hash", "sum", "count"])


def absorb(work: Work, counting: int, batches: Iterable[pa.RecordBatch],
           number: int | None = None) -> Iterator[pa.RecordBatch]:
    """A partition's rows for the driver. work.query sums, unless work.value is empty; `counting` counts. number: by
    default the Spark task's partition."""
    number = partition() if number is None else number
    with ExitStack() as stack:
        counts = stack.enter_context(Sender(work.address, counting, number))
        totals = stack.enter_context(Sender(work.address, work.query, number)) if work.value else None
        absorber = Absorber(work, totals, counts)
        schema = None
        for chunk in chunks(batches):
            schema = chunk.schema
            yield from (batch for batch in absorber.chunk(chunk) if len(batch))
        if schema is not None and work.value:
            yield absorber.last(schema)
