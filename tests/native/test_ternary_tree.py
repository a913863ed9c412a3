"""Large ternary tables against a plain scan in NumPy: rule sets of several kinds, both forms of the search, entries that come
in bulk and one by one, and go."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from emulator.native.tables import EXACT, LPM, MISS, RANGE, TERNARY, NativeTable, TableError, use_plain

SEED = 20261121
Fields = list[tuple[int, int]]
FIVE: Fields = [(32, TERNARY), (32, LPM), (8, TERNARY), (16, RANGE), (16, TERNARY)]
SIX: Fields = [(64, TERNARY), (64, TERNARY), (8, EXACT), (16, RANGE), (16, RANGE), (63, TERNARY)]
WIDE: Fields = [(60, TERNARY)] * 11
ONE: Fields = [(32, TERNARY)]


@pytest.fixture(params=[False, True], ids=["own processor", "any processor"])
def form(request: pytest.FixtureRequest) -> Iterator[None]:
    use_plain(request.param)
    yield
    use_plain(False)


class Rules:
    """Rows of a table whose fields have at most 64 bits: values and masks, as key words; the plain scan."""

    def __init__(self, fields: Fields):
        self.fields = fields
        self.ranges = np.array([kind == RANGE for _, kind in fields])
        self.values = np.zeros((0, len(fields)), np.uint64)
        self.masks = np.zeros((0, len(fields)), np.uint64)
        self.priorities = np.zeros(0, np.int32)
        self.handles = np.zeros(0, np.uint32)

    def add(self, values: np.ndarray, masks: np.ndarray, priorities: np.ndarray, handles: np.ndarray) -> None:
        self.values, self.masks = np.concatenate([self.values, values]), np.concatenate([self.masks, masks])
        self.priorities = np.concatenate([self.priorities, priorities])
        self.handles = np.concatenate([self.handles, handles])

    def keep(self, rows: np.ndarray) -> None:
        self.values, self.masks = self.values[rows], self.masks[rows]
        self.priorities, self.handles = self.priorities[rows], self.handles[rows]

    def winner(self, key: np.ndarray) -> int:
        masked = (key & self.masks) == self.values
        within = (self.values <= key) & (key <= self.masks)
        rows = np.flatnonzero(np.where(self.ranges, within, masked).all(1))
        if not len(rows):
            return MISS
        return int(self.handles[rows[np.lexsort((self.handles[rows], -self.priorities[rows]))[0]]])


def words(rng: np.random.Generator, n: int, width: int) -> np.ndarray:
    return rng.integers(0, 1 << 64, n, dtype=np.uint64, endpoint=False) >> np.uint64(64 - width)


def prefixes(rng: np.random.Generator, n: int, width: int, lengths: list[int]) -> np.ndarray:
    ones = (1 << width) - 1
    return np.array([ones ^ (ones >> min(k, width)) for k in rng.choice(lengths, n).tolist()], np.uint64)


def access_rules(rng: np.random.Generator, n: int, width: int, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Prefixes below few common ones, values from a small set, ranges of ports."""
    known = words(rng, 24, width)
    value = rng.choice(known, n) ^ (words(rng, n, width) & np.uint64(0xFFF if width > 16 else 3))
    if kind == RANGE:
        other = np.where(rng.random(n) < 0.5, value, (1 << width) - 1).astype(np.uint64)
        low = np.where(rng.random(n) < 0.3, 0, value).astype(np.uint64)
        return np.minimum(low, other), np.maximum(low, other)
    mask = prefixes(rng, n, width, [0, 0, 8, 16, 20, 24, 28, 32, width, width])
    return value & mask, mask


def any_masks(rng: np.random.Generator, n: int, width: int, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Every bit is compared or not, as it comes."""
    if kind in (RANGE, LPM):
        return access_rules(rng, n, width, kind)
    mask = words(rng, n, width)
    return words(rng, n, width) & mask & words(rng, n, width), mask


def hardly_anything(rng: np.random.Generator, n: int, width: int, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Rules that compare two or three bits, all over one another: no bits tell them apart."""
    if kind in (RANGE, LPM):
        return np.zeros(n, np.uint64), np.full(n, (1 << width) - 1 if kind == RANGE else 0, np.uint64)
    mask = np.uint64(1) << rng.integers(0, width, n, dtype=np.uint64)
    return words(rng, n, width) & mask, mask


def nested(rng: np.random.Generator, n: int, width: int, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Prefixes of every length of one value."""
    if kind == RANGE:
        return np.arange(n, dtype=np.uint64) % (1 << (width - 1)), np.full(n, (1 << width) - 1, np.uint64)
    mask = prefixes(rng, n, width, list(range(width + 1)))
    return words(np.random.default_rng(1), 1, width) & mask, mask


Kind = Callable[[np.random.Generator, int, int, int], tuple[np.ndarray, np.ndarray]]


def draw(rng: np.random.Generator, fields: Fields, kind: Kind, n: int) -> tuple[np.ndarray, np.ndarray]:
    columns = [kind(rng, n, width, EXACT if k == EXACT else k) for width, k in fields]
    values, masks = np.stack([c[0] for c in columns], 1), np.stack([c[1] for c in columns], 1)
    for at, (width, k) in enumerate(fields):
        if k == EXACT:
            values[:, at], masks[:, at] = values[:, at] & np.uint64(1), np.uint64((1 << width) - 1)
    return values, masks


def check(table: NativeTable, rules: Rules, rng: np.random.Generator, n: int) -> None:
    """Both ways of looking up, for keys near the rules and for any."""
    tops = np.array([(1 << w) - 1 for w, _ in rules.fields], np.uint64)
    keys = rng.integers(0, 1 << 64, (n, len(tops)), dtype=np.uint64, endpoint=False) & tops
    if len(rules.handles):
        chosen = rng.integers(0, len(rules.handles), n)
        near = np.where(rules.ranges, rules.values[chosen], rules.values[chosen] | (keys & ~rules.masks[chosen]))
        flips = np.uint64(1) << rng.integers(0, 64, near.shape, dtype=np.uint64)
        near = np.where(rng.random(near.shape) < 0.05, near ^ flips, near) & tops
        keys = np.where(rng.random((n, 1)) < 0.9, near, keys)
    wanted = [rules.winner(key) for key in keys]
    assert table.lookup_many(keys).tolist() == wanted
    for key, handle in zip(keys[:20].tolist(), wanted[:20], strict=True):
        assert table.lookup(key)[1] == handle


def bulk(table: NativeTable, rules: Rules, rng: np.random.Generator, kind: Kind, n: int, first: int) -> None:
    values, masks = draw(rng, rules.fields, kind, n)
    priorities = rng.integers(-5, 40, n).astype(np.int32)
    _, fresh = np.unique(np.column_stack([values, masks, priorities.astype(np.int64).view(np.uint64)]), axis=0, return_index=True)
    fresh.sort()
    handles = np.arange(first, first + n, dtype=np.uint32)
    some = [a[fresh] for a in (values, masks, priorities, handles)]
    table.insert_many(*some, np.zeros(len(fresh), np.uint32))
    rules.add(*some)


CASES = [(FIVE, access_rules), (FIVE, any_masks), (FIVE, hardly_anything), (FIVE, nested), (SIX, access_rules),
         (WIDE, any_masks), (WIDE, access_rules), (ONE, any_masks), (ONE, nested)]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CASES)))
@pytest.mark.parametrize("n", [40, 1500])
def test_equals_the_plain_scan(form: None, number: int, n: int) -> None:
    fields, kind = CASES[number]
    print("seed", SEED, kind.__name__, n)
    rng = np.random.default_rng([SEED, number, n])
    table, rules = NativeTable(fields), Rules(fields)
    bulk(table, rules, rng, kind, n, 0)
    check(table, rules, rng, 120)
    handle = n
    for turn in range(3):  # one by one: in, out, and refused
        values, masks = draw(rng, fields, access_rules if turn == 1 else kind, n // 8)
        for value, mask in zip(values, masks, strict=True):
            equal = (rules.values == value).all(1) & (rules.masks == mask).all(1) & (rules.priorities == turn)
            if equal.any():
                with pytest.raises(TableError):
                    table.insert(value.tolist(), mask.tolist(), priority=turn, handle=handle)
                continue
            table.insert(value.tolist(), mask.tolist(), priority=turn, handle=handle)
            rules.add(value[None], mask[None], np.array([turn], np.int32), np.array([handle], np.uint32))
            handle += 1
        check(table, rules, rng, 60)
        gone = rng.random(len(rules.handles)) < 0.4
        for one in rules.handles[gone].tolist():
            table.delete(one)
        rules.keep(~gone)
        assert len(table) == len(rules.handles)
        check(table, rules, rng, 60)
    table.delete_many(rules.handles)
    assert len(table) == 0 and table.lookup([0] * len(fields))[1] == MISS


def test_bulk_that_stops_in_the_middle_leaves_what_came_before() -> None:
    rng = random.Random(SEED)
    table = NativeTable(ONE)
    values = np.array([[rng.getrandbits(32)] for _ in range(200)], np.uint64)
    values[150] = values[3]
    masks = np.full_like(values, 0xFFFFFFFF)
    numbers = np.arange(200, dtype=np.uint32)
    with pytest.raises(TableError):
        table.insert_many(values, masks, np.zeros(200, np.int32), numbers, numbers)
    assert len(table) == 150
    assert table.lookup_many(values).tolist() == [*range(150), 3, *[MISS] * 49]
