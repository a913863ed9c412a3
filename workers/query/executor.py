"""What an executor does with a partition: a generator over Arrow record batches, as Spark's mapInArrow wants it.

Equal keys of a chunk of rows are combined before they are packed, so that a frequent key does not crowd a lane, and a
row that has a NULL where the switch would look goes past it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from workers.query.channel import Address
from workers.query.columns import Keys, keys, narrowed, numbers
from workers.query.errors import QueryError
from workers.query.floats import order
from workers.query.sender import Sender

CHUNK = 1 << 16
"""Rows that go through the switch at a time."""
RUNGS = 8


@dataclass(frozen=True)
class Work:
    """What the driver tells its executors. keys, value: names of columns."""

    address: Address
    query: int
    operator: str
    keys: tuple[str, ...] = ()
    value: str = ""
    second: bool = False
    flip: bool = False
    n: int = 0


def chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows, at least CHUNK at a time but for the last."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= CHUNK:
            yield pa.Table.from_batches(held)
            held = []
    if sum(map(len, held)):
        yield pa.Table.from_batches(held)


def partition() -> int:
    """The number of the partition that this Spark task works on."""
    from pyspark import TaskContext

    context = TaskContext.get()
    if context is None:
        raise QueryError("this runs in a Spark task only")
    return int(context.partitionId())


def prune(work: Work, batches: Iterable[pa.RecordBatch], number: int | None = None) -> Iterator[pa.RecordBatch]:
    """Rows of a partition that the switch let pass, with all their columns. number: by default the task's partition."""
    judge = JUDGES[work.operator]
    with Sender(work.address, work.query, partition() if number is None else number, work.second) as sender:
        for chunk in chunks(batches):
            yield from chunk.filter(pa.array(judge(work, sender, chunk))).to_batches()


def column(table: pa.Table, name: str) -> pa.Array:
    """One array of a chunk's column."""
    return table[name].combine_chunks()


def codes(work: Work, sender: Sender, table: pa.Table, *, exactly: bool = True) -> Keys:
    """The chunk's keys. exactly: keys whose hashes collide are an error; without it they only pass needlessly."""
    found = keys([column(table, name) for name in work.keys])
    if exactly and found.witness is not found.hashes:
        sender.channel.ask("witness", found.hashes.tobytes() + found.witness.tobytes(), query=sender.query)
    return found


# ---- one function an operator: (n,) bool, the rows that stay ----


def _filter(work: Work, sender: Sender, table: pa.Table) -> np.ndarray:
    values, present = numbers(table[work.value], work.value)
    kept = np.zeros(len(values), bool)
    kept[present] = sender.through(np.zeros(int(present.sum()), np.uint64), narrowed(values[present]), spread=True)
    return kept


def _top(work: Work, sender: Sender, table: pa.Table) -> np.ndarray:
    """NULLs sort last, so they matter only where there are too few values; up to N of a chunk stay."""
    values, present = numbers(table[work.value], work.value)
    small = narrowed(values[present])
    if not sender.opened and len(small):
        sender.channel.ask("ladder", query=work.query, rungs=rungs(order(small, work.flip), work.n))
    kept = np.zeros(len(values), bool)
    if len(small):
        kept[present] = sender.through(np.zeros(len(small), np.uint64), small, spread=True)
    kept[np.flatnonzero(~present)[: work.n]] = True
    return kept


def rungs(orders: np.ndarray, n: int) -> list[int]:
    """Thresholds from the first rows that anybody sends: these rows' N-th, and one in 2, 4, ... of them."""
    ranked = np.sort(orders)[::-1]
    ranks = {n - 1, *(len(ranked) >> shift for shift in range(1, RUNGS))}
    return sorted({int(ranked[r]) for r in ranks if r < len(ranked)}, reverse=True)


def _distinct(work: Work, sender: Sender, table: pa.Table) -> np.ndarray:
    found = codes(work, sender, table)
    passed = sender.through(found.hashes, np.zeros(len(found.hashes), np.float32))
    kept = found.codes < 0
    kept[first_rows(found)[passed]] = True
    return kept


def first_rows(found: Keys) -> np.ndarray:
    """(d,) the first row of each distinct key."""
    first = np.zeros(len(found.hashes), np.int64)
    place = np.flatnonzero(found.codes >= 0)[::-1]
    first[found.codes[place]] = place  # the last assignment counts, so the first row
    return first


def _extreme(work: Work, sender: Sender, table: pa.Table) -> np.ndarray:
    """Of each key the best of the chunk asks. A key whose values are all NULL still is a group: one row of it stays."""
    found = codes(work, sender, table)
    values, present = numbers(table[work.value], work.value)
    judged = present & (found.codes >= 0)
    place, small = found.codes[judged], narrowed(values[judged])
    orders = order(small, work.flip).astype(np.int64)
    best = np.full(len(found.hashes), -1, np.int64)
    np.maximum.at(best, place, orders)
    hits = np.flatnonzero(judged)[orders == best[place]]
    sample = np.zeros(len(found.hashes), np.int64)
    sample[found.codes[hits]] = hits
    asked = best >= 0
    passed = np.zeros(len(found.hashes), bool)
    passed[asked] = sender.through(found.hashes[asked], narrowed(values[sample[asked]]))
    kept = found.codes < 0
    kept[hits[passed[found.codes[hits]]]] = True
    kept[first_rows(found)[~asked]] = True
    return kept


def _having(work: Work, sender: Sender, table: pa.Table) -> np.ndarray:
    """First phase: an upper bound of each key's sum in the chunk, not below zero. Second: the keys ask.

    A sum is at most the sum of its chunks' parts above zero, so no group that qualifies is dropped, whatever its
    signs."""
    found = codes(work, sender, table, exactly=False)
    if work.second:
        passed = sender.through(found.hashes, np.zeros(len(found.hashes), np.float32))
        return (found.codes < 0) | passed[found.codes] if len(passed) else found.codes < 0
    values, present = numbers(table[work.value], work.value)
    judged = present & (found.codes >= 0)
    sender.through(found.hashes, upper_sums(found.codes[judged], values[judged], len(found.hashes)))
    return np.zeros(len(values), bool)


def upper_sums(place: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """(count,) float32, at least each key's sum and zero; NaN where the sum is. place (n,) names the key."""
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.bincount(place, weights=values, minlength=count)
        size = np.bincount(place, weights=np.abs(values), minlength=count)
        total = total + np.where(np.isfinite(size), size, 0) * np.bincount(place, minlength=count) * 2.0**-52
        small = total.astype(np.float32)
        small = np.where(small < total, np.nextafter(small, np.float32(np.inf)), small)
        return np.where(small < 0, np.float32(0), small)


def _join(work: Work, sender: Sender, table: pa.Table) -> np.ndarray:
    """NULL equals nothing, so its rows are dropped. A collision of hashes only lets a row pass."""
    found = codes(work, sender, table, exactly=False)
    passed = sender.through(found.hashes, np.zeros(len(found.hashes), np.float32))
    kept = found.codes >= 0
    kept[kept] = passed[found.codes[kept]] & work.second
    return kept


JUDGES: dict[str, Callable[[Work, Sender, pa.Table], np.ndarray]] = {
    "filter": _filter, "topn": _top, "distinct": _distinct, "group_extreme": _extreme, "having": _having, "join": _join,
}  # fmt: skip
