"""Look-ups against a search of all entries by hand, for every match kind, while entries come and go."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from emulator.switch.expr import FieldRead
from emulator.switch.keys import Exact, KeyPart, Lpm, Range, Ternary, full, prefix_mask
from emulator.switch.lookup import index_for
from emulator.switch.model import Key, TableNode

WIDTHS = {
    "exact": [("exact", 4), ("exact", 48)],
    "lpm": [("exact", 2), ("lpm", 12)],
    "ternary": [("ternary", 16), ("exact", 2), ("lpm", 9)],
    "range": [("range", 10), ("ternary", 9), ("range", 16)],
}


@dataclass(eq=False)
class Row:
    key: tuple[KeyPart, ...]
    priority: int
    handle: int


def table(kind: str) -> TableNode:
    keys = tuple(Key(f"k{i}", k, FieldRead(0, i), w) for i, (k, w) in enumerate(WIDTHS[kind]))
    return TableNode("t", 0, kind, keys, (), (), 1 << 20)


def random_part(rng: random.Random, kind: str, width: int, few_masks: bool) -> KeyPart:
    value = rng.choice((0, full(width), rng.getrandbits(width), rng.getrandbits(min(width, 3))))
    if kind == "exact":
        return Exact(value)
    if kind == "lpm":
        length = rng.choice((0, width, rng.randint(0, width)))
        return Lpm(value & prefix_mask(width, length), length)
    if kind == "range":
        low, high = sorted((value, rng.getrandbits(width)))
        return Range(
            *rng.choice(((low, high), (low, low), (0, full(width)), (low, min(full(width), low + 3))))
        )
    mask = rng.choice((0, full(width))) if few_masks else rng.getrandbits(width)
    return Ternary(value & mask, mask)


def matches(part: KeyPart, value: int, width: int) -> bool:
    if isinstance(part, Range):
        return part.low <= value <= part.high
    if isinstance(part, Exact):
        return value == part.value
    if isinstance(part, Lpm):
        return value >> (width - part.prefix_len) == part.value >> (width - part.prefix_len)
    return value & part.mask == part.value


def by_hand(rows: list[Row], values: tuple[int, ...], kind: str) -> Row | None:
    widths = [w for _, w in WIDTHS[kind]]
    found = [r for r in rows if all(matches(p, v, w) for p, v, w in zip(r.key, values, widths))]
    if kind == "lpm":
        return max(found, key=lambda r: r.key[1].prefix_len, default=None)  # type: ignore[union-attr]
    return min(found, key=lambda r: (-r.priority, r.handle), default=None)


def probe(rng: random.Random, rows: list[Row], kind: str) -> tuple[int, ...]:
    """Values near an entry's, so that there are hits."""
    row = rng.choice(rows) if rows else None
    values = []
    for i, (_, width) in enumerate(WIDTHS[kind]):
        value = rng.getrandbits(width)
        if row is not None and rng.random() < 0.85:
            part = row.key[i]
            value = rng.choice((part.low, part.high)) if isinstance(part, Range) else part[0]
            if rng.random() < 0.2:
                value ^= 1 << rng.randrange(width)
        values.append(value)
    return tuple(values)


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("few_masks", [True, False])
@pytest.mark.parametrize("kind", WIDTHS)
def test_finds_the_best_entry(kind: str, few_masks: bool, number: int) -> None:
    rng = random.Random(f"{kind} {few_masks} {number}")
    index = index_for(table(kind))
    rows: list[Row] = []
    taken = set()
    hits = 0
    for handle in range(220):
        key = tuple(random_part(rng, k, w, few_masks) for k, w in WIDTHS[kind])
        priority = rng.choice((1, 5, rng.randrange(100))) if kind in ("ternary", "range") else 0
        if (key, priority) not in taken:
            taken.add((key, priority))
            rows.append(Row(key, priority, handle))
            index.insert(rows[-1])
        if rows and rng.random() < 0.3:
            row = rows.pop(rng.randrange(len(rows)))
            taken.discard((row.key, row.priority))
            index.remove(row)
        for _ in range(3):
            values = probe(rng, rows, kind)
            expected = by_hand(rows, values, kind)
            assert index.lookup(values) is expected, f"{kind} {few_masks} {number}: {values}"
            hits += expected is not None
    assert hits > 100


def test_longest_prefix_wins() -> None:
    index = index_for(table("lpm"))
    rows = [Row((Exact(1), Lpm(0x800 & prefix_mask(12, n), n)), 0, n) for n in (0, 1, 7, 12)]
    for row in rows:
        index.insert(row)
    assert index.lookup((1, 0x800)) is rows[3]
    assert index.lookup((1, 0x801)) is rows[2]
    assert index.lookup((1, 0xFFF)) is rows[1]
    assert index.lookup((1, 0x7FF)) is rows[0]
    assert index.lookup((2, 0x800)) is None


def probes_per_lookup(kind: str, count: int) -> float:
    """Entries or dictionaries touched by one look-up, counted by the size of the structure that is walked."""
    rng = random.Random(count)
    index = index_for(table(kind))
    for handle in range(count):
        key = tuple(random_part(rng, k, w, True) for k, w in WIDTHS[kind])
        index.insert(Row(key, rng.randrange(1 << 20), handle))
    index.lookup((0,) * len(WIDTHS[kind]))
    if kind == "lpm":
        return len(index._levels)  # type: ignore[attr-defined]
    if kind == "ternary":
        return len(index._order) if index._vectors is None else len(index._vectors._columns)  # type: ignore[attr-defined]
    return len(index._columns)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kind", "limit"), [("lpm", 13), ("ternary", 48), ("range", 6)])
def test_work_does_not_grow_with_entries(kind: str, limit: int) -> None:
    assert probes_per_lookup(kind, 3000) <= limit
