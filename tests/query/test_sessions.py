"""Operators over a lossy rack against NumPy on all rows: what must reach the master does, once, and sums add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workers.query import operators
from workers.query.errors import QueryError
from workers.query.exchange import Link
from workers.query.floats import narrow, order
from workers.query.keys import mix, unmix
from workers.query.operators import Session
from workers.query.pack import Stream

RACKS: dict = {}
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, -1e-45, 3.4e38, -3.4e38, 1.0, -1.0]
values = st.lists(st.one_of(st.sampled_from(SPECIAL), st.floats(width=32)), max_size=60)
groups = st.integers(0, 2**32)
losses = st.sampled_from([0.0, 0.01, 0.2])
usual = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def session(loss: float, seed: int) -> Session:
    """Two workers, 16 cells a lane: fewer than the groups. Programs are compiled once."""
    return Session(2, cells=16, window=8, link=Link(loss, np.random.default_rng(seed)), racks=RACKS)


def table(numbers: list[float], seed: int, distinct: int = 5) -> tuple[list[Stream], np.ndarray, np.ndarray]:
    """Two workers' streams with skewed keys, and all keys and values together."""
    rng = np.random.default_rng(seed)
    column = np.array(numbers, np.float32)
    keys = mix(np.minimum(rng.zipf(1.5, len(column)), distinct))
    cut = len(column) // 3
    parts = [Stream(np.arange(len(k), dtype=np.uint32), k, v)
             for k, v in ((keys[:cut], column[:cut]), (keys[cut:], column[cut:]))]  # fmt: skip
    return parts, keys, column


@usual
@given(values, groups, losses, st.integers(1, 20), st.booleans(), st.booleans(), st.sampled_from([True, False, None]))
def test_top(numbers, seed, loss, n, smallest, ladder, matrix) -> None:
    parts, _, column = table(numbers, seed)
    found = operators.top(session(loss, seed), parts, n, smallest=smallest, use_ladder=ladder, use_matrix=matrix)
    expected = np.sort(order(column, smallest))[::-1][:n]
    assert np.sort(order(found.values, smallest))[::-1][:n].tolist() == expected.tolist()


@usual
@given(values, groups, losses, st.booleans(), st.integers(1, 400))
def test_extreme_and_distinct(numbers, seed, loss, smallest, distinct) -> None:
    parts, keys, column = table(numbers, seed, distinct)
    own = session(loss, seed)
    found = operators.extreme(own, parts, exact=True, smallest=smallest)

    def best(k, v):
        return {int(key): int(order(v[k == key], smallest).max()) for key in np.unique(k)}

    assert best(found.keys, found.values) == best(keys, column)
    assert set(operators.distinct(own, parts).keys.tolist()) == set(keys.tolist())


@usual
@given(values, groups, losses, st.sampled_from(SPECIAL), st.sampled_from(SPECIAL))
def test_filter(numbers, seed, loss, low, high) -> None:
    """Exactly the rows between, zeros equal and NaN above all, each once; of one lane's worth of rows or none."""
    parts, _, column = table(numbers, seed)
    found = operators.filtered(session(loss, seed), parts, np.float32(low), np.float32(high))
    least, most = (int(o) for o in order(np.array([low, high], np.float32)))
    cut = len(parts[0])
    expected = [n for n, o in enumerate(order(column).tolist()) if least <= o <= most]
    assert sorted((found.workers * cut + found.rows).astype(int).tolist()) == expected


@usual
@given(values, groups, losses, st.integers(1, 400))
def test_sums(numbers, seed, loss, distinct) -> None:
    parts, keys, column = table(numbers, seed, distinct)
    cells, rest = operators.summed(session(loss, seed), parts)
    total = operators.merge(cells, rest, rest.values.astype(np.float64))
    assert total.keys.tolist() == np.unique(keys).tolist()
    for key, found, bound, count in zip(total.keys, total.sums, total.bounds, total.counts, strict=True):
        terms = column[keys == key].astype(np.float64)
        assert count == len(terms)
        if np.isfinite(terms).all():
            assert abs(found - math.fsum(terms)) <= bound
        else:
            with np.errstate(invalid="ignore"):
                assert np.array_equal(found, terms[~np.isfinite(terms)].sum(), equal_nan=True)


@usual
@given(values, groups, losses, st.floats(0, 1e6), st.integers(1, 60))
def test_having_and_join(numbers, seed, loss, bound, distinct) -> None:
    parts, keys, column = table([abs(x) for x in numbers], seed, distinct)
    own = session(loss, seed)
    kept = operators.having(own, parts, bound).keys
    for key in np.unique(keys):
        terms = column[keys == key].astype(np.float64)
        if not np.isfinite(terms).all() or math.fsum(terms) > bound:
            assert (kept == key).sum() == len(terms)
    half = [p.part(0, len(p) // 2) for p in parts]
    build = np.concatenate([p.keys for p in half])
    found = operators.joined(own, half, parts)
    for number, part in enumerate(parts):
        assert set(np.flatnonzero(np.isin(part.keys, build))) <= set(found.of(number).tolist())
        assert len(found.of(number)) == len(set(found.of(number)))


def test_top_asks_again_when_the_matrix_was_too_small() -> None:
    """All great values share one matrix row of four: the first pass drops some, the second brings them."""
    rows = np.array([r for r in range(1 << 16) if r * 0x9E3779B1 % 2**32 >> 16 & 15 == 3][:48] * 1, np.uint32)
    order_in_lane = np.arange(48)[::-1]
    stream = Stream(rows, np.zeros(48, np.uint64), (order_in_lane + 1).astype(np.float32))
    empty = Stream(rows[:0], stream.keys[:0], stream.values[:0])
    lanes = Stream(*(np.repeat(a, 16) for a in (stream.rows, stream.keys, stream.values)))
    own = session(0.0, 1)
    found = operators.top(own, [lanes, empty], 200, use_ladder=False)
    assert np.sort(found.values)[-200:].tolist() == np.sort(lanes.values)[-200:].tolist()
    assert own.traffic.rows_sent == 2 * len(lanes)


def test_loss_repeats_packets_and_counts_rows_once() -> None:
    own = session(0.3, 5)
    parts, keys, _ = table(list(np.linspace(-5, 5, 3000)), 5, 3)
    cells, rest = operators.summed(own, parts)
    assert own.traffic.repeats > 100 and own.traffic.lost >= own.traffic.repeats
    assert int(cells.counts.sum()) + len(rest) == len(keys) == own.traffic.rows_sent
    assert len(rest) == own.traffic.rows_delivered


def test_a_switch_that_forgets_is_an_error() -> None:
    """Restarted in mid-query it admits nobody: the phase ends with one sentence, never with a partial answer."""
    own = Session(1, cells=16)
    parts, _, _ = table([1.0] * 100, 1)
    whole = [Stream(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("rows", "keys", "values")))]
    with pytest.raises(QueryError, match=r"round trips|restarted"), own.phase("group_sum") as (rack, phase):
        phase.run(whole)
        rack.switch.control.restart()
        phase.run(whole)


def test_limits_are_one_sentence() -> None:
    own = session(0.0, 1)
    parts, _, _ = table([-1.0], 1)
    with pytest.raises(QueryError, match="without negative numbers"):
        operators.having(own, parts, 1.0)
    with pytest.raises(QueryError, match="at least 1"):
        operators.top(own, parts, 0)
    with pytest.raises(QueryError, match="range of binary32"):
        narrow(np.array([1e39]), "x")
    with pytest.raises(QueryError, match="power of two"):
        Session(1, cells=12).rack("filter")


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_integer_keys_come_back(numbers) -> None:
    column = np.array(numbers, np.int64)
    assert unmix(mix(column)).view(np.int64).tolist() == numbers
