"""Native tables against brute force: random inserts, deletions and look-ups of every match kind."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest

from emulator.native.tables import EXACT, LPM, MISS, RANGE, TERNARY, NativeTable, TableError, key_words

SEED = 20261120


@dataclass(frozen=True)
class Row:
    values: tuple[int, ...]
    masks: tuple[int, ...]
    priority: int


class Brute:
    """What tables.h promises, entry by entry."""

    def __init__(self, fields: list[tuple[int, int]]) -> None:
        self.fields = fields
        kinds = {kind for _, kind in fields}
        self.ordered = bool(kinds & {TERNARY, RANGE})
        self.rows: dict[int, Row] = {}

    def matches(self, row: Row, key: tuple[int, ...]) -> bool:
        for (_, kind), value, mask, part in zip(self.fields, row.values, row.masks, key, strict=True):
            if kind == RANGE:
                if not value <= part <= mask:
                    return False
            elif kind == EXACT:
                if part != value:
                    return False
            elif part & mask != value:
                return False
        return True

    def rank(self, handle: int) -> tuple[int, int]:
        row = self.rows[handle]
        if self.ordered:
            return (-row.priority, handle)
        prefix = sum(m.bit_count() for (_, k), m in zip(self.fields, row.masks, strict=True) if k == LPM)
        return (-prefix, handle)

    def lookup(self, key: tuple[int, ...]) -> int:
        hits = [h for h, row in self.rows.items() if self.matches(row, key)]
        return min(hits, key=self.rank) if hits else MISS

    def has(self, row: Row) -> bool:
        def identity(r: Row) -> tuple:
            masks = tuple(m for (_, k), m in zip(self.fields, r.masks, strict=True) if k != EXACT)
            return (r.values, masks, r.priority if self.ordered else 0)

        return any(identity(r) == identity(row) for r in self.rows.values())


def random_row(rng: random.Random, fields: list[tuple[int, int]], palette: list[list[int]]) -> Row:
    values, masks = [], []
    for (width, kind), known in zip(fields, palette, strict=True):
        full = (1 << width) - 1
        value = rng.choice(known) if rng.random() < 0.7 else rng.getrandbits(width)
        mask = full
        if kind == LPM:
            mask = full & ~((1 << rng.randint(0, width)) - 1)
        elif kind == TERNARY:
            mask = rng.choice([full, 0, full >> (width // 2), rng.getrandbits(width)])
        elif kind == RANGE:
            other = rng.choice(known) if rng.random() < 0.5 else rng.getrandbits(width)
            value, mask = min(value, other), max(value, other)
        values.append(value if kind == RANGE else value & mask)
        masks.append(mask)
    return Row(tuple(values), tuple(masks), rng.randint(-3, 5))


def random_key(rng: random.Random, fields: list[tuple[int, int]], palette: list[list[int]]) -> tuple[int, ...]:
    key = []
    for (width, _), known in zip(fields, palette, strict=True):
        value = rng.choice(known) if rng.random() < 0.8 else rng.getrandbits(width)
        key.append(value ^ (1 << rng.randrange(width)) if rng.random() < 0.3 else value)
    return tuple(key)


SHAPES = {
    "exact_word": [(32, EXACT)],
    "exact_wide": [(9, EXACT), (128, EXACT), (48, EXACT)],
    "lpm_32": [(32, LPM)],
    "lpm_narrow": [(7, LPM)],
    "lpm_17": [(17, LPM)],
    "lpm_70": [(70, LPM)],
    "lpm_128": [(128, LPM)],
    "lpm_200": [(200, LPM)],
    "exact_lpm": [(16, EXACT), (32, LPM)],
    "ternary_word": [(32, TERNARY)],
    "ternary_64": [(64, TERNARY)],
    "acl": [(32, TERNARY), (32, LPM), (8, EXACT), (16, RANGE), (16, RANGE)],
    "range_word": [(16, RANGE)],
    "range_64": [(64, RANGE)],
    "range_wide": [(130, RANGE), (4, EXACT)],
    "no_key": [],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [6, 60, 400])
def test_random_operations_equal_brute_force(shape: str, size: int) -> None:
    fields = SHAPES[shape]
    rng = random.Random(f"{SEED} {shape} {size}")
    print("seed", SEED, shape, size)
    widths = [w for w, _ in fields]
    palette = [[rng.getrandbits(w) for _ in range(12)] + [0, (1 << w) - 1] for w in widths]
    table, brute = NativeTable(fields, args_words=2), Brute(fields)
    table.set_default(99, [7, 8])
    next_handle = 0
    for _ in range(size * 3):
        if len(brute.rows) < size and (not brute.rows or rng.random() < 0.7):
            row = random_row(rng, fields, palette)
            args = [rng.getrandbits(64), next_handle]
            words = (key_words(row.values, widths), key_words(row.masks, widths))
            if brute.has(row):
                with pytest.raises(TableError) as refused:
                    table.insert(*words, priority=row.priority, handle=next_handle, args=args)
                assert refused.value.status == -1
            else:
                table.insert(*words, priority=row.priority, handle=next_handle, action=next_handle % 5, args=args)
                brute.rows[next_handle] = row
            next_handle += 1
        else:
            handle = rng.choice(list(brute.rows))
            table.delete(handle)
            del brute.rows[handle]
        assert len(table) == len(brute.rows)
        for _ in range(2):
            key = random_key(rng, fields, palette)
            hit, handle, action, args = table.lookup(key_words(key, widths))
            want = brute.lookup(key)
            assert (handle, hit) == (want, want != MISS), (key, brute.rows.get(want), brute.rows.get(handle))
            assert (action, args[1]) == ((want % 5, want) if hit else (99, 8))


@pytest.mark.parametrize("width", [32, 128])
def test_many_prefixes_with_short_ones_coming_and_going(width: int) -> None:
    """More entries than the root index starts at, prefixes of every length, churn long enough to refill
    it."""
    rng = random.Random(SEED + width)
    full = (1 << width) - 1
    fields = [(width, LPM)]
    table, brute = NativeTable(fields), Brute(fields)
    bases = [rng.getrandbits(width) for _ in range(40)]
    seen: set[tuple[int, int]] = set()
    for handle in range(3000):
        mask = full & ~((1 << rng.randint(0, width)) - 1)
        value = (rng.choice(bases) ^ rng.getrandbits(width // 2)) & mask
        if (value, mask) in seen:
            continue
        seen.add((value, mask))
        table.insert(key_words([value], [width]), key_words([mask], [width]), handle=handle)
        brute.rows[handle] = Row((value,), (mask,), 0)
        if len(brute.rows) > 600:
            gone = rng.choice(list(brute.rows))
            row = brute.rows.pop(gone)
            seen.discard((row.values[0], row.masks[0]))
            table.delete(gone)
        key = rng.choice(bases) ^ rng.getrandbits(rng.randint(1, width))
        assert table.lookup(key_words([key], [width]))[1] == brute.lookup((key,))


def test_refused_writes_change_nothing() -> None:
    table = NativeTable([(9, LPM), (16, RANGE)], args_words=1)
    table.insert([0x100, 5], [0x180, 9], priority=1, handle=3, args=[11])
    refused = [
        ([0x200, 5], [0x180, 9], -3),  # wider than the field
        ([0x101, 5], [0x180, 9], -3),  # bits outside the mask
        ([0x100, 9], [0x180, 5], -3),  # low above high
        ([0x100, 5], [0x140, 9], -3),  # holes in the prefix
    ]
    for value, mask, status in refused:
        with pytest.raises(TableError) as error:
            table.insert(value, mask, handle=4)
        assert error.value.status == status
    with pytest.raises(TableError):
        table.insert([0, 5], [0, 9], handle=3)
    with pytest.raises(TableError):
        table.delete(4)
    with pytest.raises(TableError):
        table.modify(4, 1, [0])
    assert len(table) == 1
    assert table.lookup([0x17F, 7]) == (True, 3, 0, [11])
    table.modify(3, 6, [12])
    assert table.lookup([0x17F, 7]) == (True, 3, 6, [12])


def test_bulk_insert_counts_and_stops_at_the_first_refusal() -> None:
    table = NativeTable([(32, EXACT)], args_words=1)
    n = 1000
    keys = np.arange(n, dtype=np.uint64).reshape(n, 1)
    counters = np.zeros((n, 2), dtype=np.uint64)
    handles = np.arange(n, dtype=np.uint32)
    assert table.insert_many(keys, None, None, handles, handles % 7, keys * 3, counters) == n
    assert (table.lookup_many(keys[::-1]) == handles[::-1]).all()
    assert table.lookup_many(np.array([[n]], dtype=np.uint64))[0] == MISS
    again = np.array([[n], [5], [n + 1]], dtype=np.uint64)
    with pytest.raises(TableError):
        table.insert_many(again, None, None, np.arange(n, n + 3, dtype=np.uint32), np.zeros(3, dtype=np.uint32))
    assert len(table) == n + 1
    table.delete_many(handles[:500])
    assert len(table) == n + 1 - 500
    table.clear()
    assert len(table) == 0 and table.lookup([3])[0] is False


def test_many_masks_that_come_and_go_do_not_pile_up() -> None:
    rng = random.Random(SEED)
    table = NativeTable([(64, TERNARY)])
    keep = {}
    for handle in range(4000):
        mask = rng.getrandbits(64)
        table.insert([handle & mask], [mask], priority=handle, handle=handle)
        keep[handle] = mask
        if len(keep) > 50:
            gone = next(iter(keep))
            table.delete(gone)
            del keep[gone]
    for key in [rng.getrandbits(12) for _ in range(200)]:
        hits = [h for h, m in keep.items() if key & m == h & m]
        assert table.lookup([key])[1] == (max(hits) if hits else MISS)


def test_malformed_fields_are_refused() -> None:
    for fields in ([(0, EXACT)], [(4000, EXACT)], [(8, LPM), (8, LPM)], [(8, 9)]):
        with pytest.raises(ValueError):
            NativeTable(fields)
