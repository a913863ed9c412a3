"""Finding the entry of a table that matches a key: one structure per match kind, none a scan of all entries.

- exact: one dictionary.
- lpm: a dictionary per prefix length, longest first.
- ternary: tuple space, a dictionary per combination of masks, best priority first; with many combinations
  a bit-vector index.
- range: the bit-vector index: each key part maps to the set of entries it matches (a Python integer, one bit
  an entry in order of preference); the intersection's lowest bit is the winner. Parts are cut into bytes,
  ranges into the elementary intervals between their ends.

Keys are tuples of integers (masked, invalid headers already 0), one per key part.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Protocol

from emulator.switch.keys import EntryKey, Lpm, Range, Ternary, full, prefix_mask
from emulator.switch.model import TableNode

MANY_MASKS = 48
Values = tuple[int, ...]


class Matchable(Protocol):
    """An entry, as far as matching goes: larger priority wins, then smaller handle."""

    key: EntryKey
    priority: int
    handle: int


class Index(Protocol):
    def insert(self, entry: Any) -> None: ...

    def remove(self, entry: Any) -> None: ...

    def lookup(self, values: Values) -> Any | None: ...


def index_for(table: TableNode) -> Index:
    widths = tuple(key.width for key in table.keys)
    if table.kind == "exact":
        return ExactIndex()
    if table.kind == "lpm":
        return LpmIndex(widths, next(i for i, key in enumerate(table.keys) if key.kind == "lpm"))
    if table.kind == "range":
        return BitVectorIndex(widths)
    return TernaryIndex(widths)


def preference(entry: Matchable) -> tuple[int, int]:
    return (-entry.priority, entry.handle)


class ExactIndex:
    def __init__(self) -> None:
        self._entries: dict[Values, Any] = {}
        self.lookup = self._entries.get

    def insert(self, entry: Any) -> None:
        self._entries[tuple([part[0] for part in entry.key])] = entry

    def remove(self, entry: Any) -> None:
        del self._entries[tuple([part[0] for part in entry.key])]


class LpmIndex:
    """Exact parts may stand beside the one lpm part at `position`."""

    def __init__(self, widths: tuple[int, ...], position: int):
        self._position = position
        self._width = widths[position]
        self._by_length: dict[int, dict[Values, Any]] = {}
        self._levels: list[tuple[int, dict[Values, Any]]] = []

    def _slot(self, entry: Any) -> tuple[int, Values]:
        return entry.key[self._position].prefix_len, tuple([part[0] for part in entry.key])

    def insert(self, entry: Any) -> None:
        length, values = self._slot(entry)
        if length not in self._by_length:
            self._by_length[length] = {}
            self._order()
        self._by_length[length][values] = entry

    def remove(self, entry: Any) -> None:
        length, values = self._slot(entry)
        del self._by_length[length][values]
        if not self._by_length[length]:
            del self._by_length[length]
            self._order()

    def _order(self) -> None:
        self._levels = [
            (prefix_mask(self._width, length), self._by_length[length])
            for length in sorted(self._by_length, reverse=True)
        ]

    def lookup(self, values: Values) -> Any | None:
        before, value, after = (
            values[: self._position],
            values[self._position],
            values[self._position + 1 :],
        )
        for mask, entries in self._levels:
            found = entries.get((*before, value & mask, *after))
            if found is not None:
                return found
        return None


def part_mask(part: Any, width: int) -> int:
    """The mask of an exact, lpm or ternary part."""
    if isinstance(part, Ternary):
        return part.mask
    return prefix_mask(width, part.prefix_len) if isinstance(part, Lpm) else full(width)


class _Tuple:
    """All entries with one combination of masks. best: the largest priority among them."""

    __slots__ = ("best", "buckets", "masks")

    def __init__(self, masks: Values):
        self.masks = masks
        self.buckets: dict[Values, list[Any]] = {}
        self.best = 0

    def refresh(self) -> None:
        self.best = max((b[0].priority for b in self.buckets.values()), default=0)


class TernaryIndex:
    def __init__(self, widths: tuple[int, ...]):
        self._widths = widths
        self._tuples: dict[Values, _Tuple] = {}
        self._order: list[_Tuple] = []
        self._sorted = True
        self._vectors: BitVectorIndex | None = None

    def _masks(self, entry: Any) -> Values:
        return tuple([part_mask(part, width) for part, width in zip(entry.key, self._widths)])

    def insert(self, entry: Any) -> None:
        masks = self._masks(entry)
        group = self._tuples.get(masks)
        if group is None:
            group = self._tuples[masks] = _Tuple(masks)
            self._order.append(group)
        bucket = group.buckets.setdefault(tuple([part[0] for part in entry.key]), [])
        bucket.append(entry)
        if len(bucket) > 1:
            bucket.sort(key=preference)
        if (len(group.buckets) == 1 and len(bucket) == 1) or entry.priority > group.best:
            group.best = entry.priority
            self._sorted = False
        if self._vectors is not None:
            self._vectors.insert(entry)
        elif len(self._tuples) > MANY_MASKS:
            self._vectors = BitVectorIndex(self._widths)
            for each in self._tuples.values():
                for entries in each.buckets.values():
                    for old in entries:
                        self._vectors.insert(old)

    def remove(self, entry: Any) -> None:
        masks = self._masks(entry)
        group = self._tuples[masks]
        values = tuple([part[0] for part in entry.key])
        group.buckets[values].remove(entry)
        if not group.buckets[values]:
            del group.buckets[values]
        if not group.buckets:
            del self._tuples[masks]
            self._order.remove(group)
        elif entry.priority == group.best:
            group.refresh()
            self._sorted = False
        if self._vectors is not None:
            self._vectors.remove(entry)
            if len(self._tuples) <= MANY_MASKS // 2:
                self._vectors = None

    def lookup(self, values: Values) -> Any | None:
        if self._vectors is not None:
            return self._vectors.lookup(values)
        if not self._sorted:
            self._order.sort(key=lambda g: -g.best)
            self._sorted = True
        winner = None
        for group in self._order:
            if winner is not None and group.best < winner.priority:
                break
            bucket = group.buckets.get(tuple([v & m for v, m in zip(values, group.masks)]))
            if bucket is not None and (winner is None or preference(bucket[0]) < preference(winner)):
                winner = bucket[0]
        return winner


def part_matches(part: Any, value: int, width: int) -> bool:
    if isinstance(part, Range):
        return part.low <= value <= part.high
    return value & part_mask(part, width) == part[0]


class BitVectorIndex:
    """Rebuilt lazily; entries inserted since the last build wait in a short list that is searched by hand."""

    def __init__(self, widths: tuple[int, ...]):
        self._widths = widths
        self._entries: dict[int, Any] = {}
        self._waiting: list[Any] = []
        self._ranked: list[Any] = []
        self._columns: list[_ByteColumn | _RangeColumn] = []

    def insert(self, entry: Any) -> None:
        self._entries[entry.handle] = entry
        self._waiting.append(entry)

    def remove(self, entry: Any) -> None:
        del self._entries[entry.handle]
        self._waiting = [e for e in self._waiting if e is not entry]

    def lookup(self, values: Values) -> Any | None:
        if len(self._waiting) > 16 + len(self._ranked) // 16:
            self._build()
        winner = self._indexed(values)
        for entry in self._waiting:
            if winner is not None and preference(winner) < preference(entry):
                continue
            if all(part_matches(p, v, w) for p, v, w in zip(entry.key, values, self._widths)):
                winner = entry
        return winner

    def _indexed(self, values: Values) -> Any | None:
        if not self._ranked:
            return None
        found = (1 << len(self._ranked)) - 1
        for column in self._columns:
            found &= column.matching(values[column.position])
            if not found:
                return None
        while found:
            lowest = found & -found
            entry = self._ranked[lowest.bit_length() - 1]
            if self._entries.get(entry.handle) is entry:
                return entry
            found ^= lowest
        return None

    def _build(self) -> None:
        self._waiting = []
        self._ranked = sorted(self._entries.values(), key=preference)
        self._columns = []
        for i, width in enumerate(self._widths):
            parts = [entry.key[i] for entry in self._ranked]
            if any(isinstance(part, Range) for part in parts):
                self._columns.append(_RangeColumn(i, parts, width))
                continue
            masks = [part_mask(part, width) for part in parts]
            for shift in range(0, width, 8):
                if any(mask >> shift & 0xFF for mask in masks):
                    self._columns.append(_ByteColumn(i, shift, [p[0] for p in parts], masks))


class _ByteColumn:
    """Eight bits of a key part: for each byte value the set of entries that it matches."""

    def __init__(self, position: int, shift: int, values: list[int], masks: list[int]):
        self.position = position
        self._shift = shift
        anything = 0
        sets = [0] * 256
        bit = 1
        for value, mask in zip(values, masks):
            mask = mask >> shift & 0xFF
            if not mask:
                anything |= bit
            else:
                for byte in _bytes_of(value >> shift & mask, mask):
                    sets[byte] |= bit
            bit <<= 1
        self._sets = [s | anything for s in sets]

    def matching(self, value: int) -> int:
        return self._sets[value >> self._shift & 0xFF]


def _bytes_of(value: int, mask: int) -> list[int]:
    return [value] if mask == 0xFF else [b for b in range(256) if b & mask == value]


class _RangeColumn:
    """Elementary intervals between the ends of all ranges: for each the set of entries that cover it."""

    def __init__(self, position: int, parts: list[Any], width: int):
        self.position = position
        spans = [(p.low, p.high) if isinstance(p, Range) else (p[0], p[0]) for p in parts]
        self._starts = sorted({0} | {low for low, _ in spans} | {high + 1 for _, high in spans})
        opening: dict[int, int] = {}
        for i, (low, high) in enumerate(spans):
            opening[low] = opening.get(low, 0) ^ (1 << i)
            opening[high + 1] = opening.get(high + 1, 0) ^ (1 << i)
        self._sets = []
        current = 0
        for start in self._starts:
            current ^= opening.get(start, 0)
            self._sets.append(current)

    def matching(self, value: int) -> int:
        return self._sets[bisect_right(self._starts, value) - 1]
