"""The Arrow entry point against DuckDB on the same table."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workers.query import arrow
from workers.query.errors import QueryError

SEED = 417


@pytest.fixture(scope="module")
def rack() -> arrow.Rack:
    return arrow.Rack(workers=3, cells=32, loss=0.02)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(SEED)
    price = rng.normal(size=20000) * 10.0 ** rng.integers(-3, 4, 20000)
    price[:6] = [np.nan, np.inf, -np.inf, 0.0, -0.0, np.nan]
    names = np.array([f"shop {n}" for n in range(900)])
    return pa.table({"id": np.arange(20000), "price": rng.permutation(price), "shop": names[rng.zipf(1.2, 20000) % 900],
                     "number": rng.integers(-500, 500, 20000), "clean": np.abs(rng.normal(size=20000))})


def sql(table: pa.Table, text: str) -> pa.Table:
    connection = duckdb.connect()
    connection.register("rows", table)
    return connection.sql(text).to_arrow_table()


@pytest.mark.parametrize("n, column", [(1, "price"), (50, "price"), (300, "number"), (30000, "clean")])
@pytest.mark.parametrize("smallest", [False, True])
def test_top(rack, table, n: int, column: str, smallest: bool) -> None:
    found = arrow.top(rack, table, column, n, smallest=smallest)
    direction = "ASC" if smallest else "DESC"
    expected = sql(table, f"SELECT {column} FROM rows ORDER BY {column} {direction} LIMIT {n}")
    np.testing.assert_array_equal(found[column].to_numpy(), expected[column].to_numpy())


@pytest.mark.parametrize("key, column", [("shop", "price"), ("number", "clean"), ("number", "id")])
@pytest.mark.parametrize("smallest", [False, True])
def test_group_extreme(rack, table, key: str, column: str, smallest: bool) -> None:
    found = arrow.group_extreme(rack, table, key, column, smallest=smallest)
    name = "min" if smallest else "max"
    expected = sql(table, f"SELECT {key} AS key, {name}({column}) AS value FROM rows GROUP BY key")
    assert len(found) == len(expected)
    ours, theirs = found.sort_by("key"), expected.sort_by("key")
    assert ours["key"].to_pylist() == theirs["key"].to_pylist()
    np.testing.assert_array_equal(ours["value"].to_numpy(), theirs["value"].to_numpy())


@pytest.mark.parametrize("key, column", [("shop", "clean"), ("number", "clean"), ("shop", "number")])
def test_group_sum(rack, table, key: str, column: str) -> None:
    found = arrow.group_sum(rack, table, key, column).sort_by("key")
    expected = sql(table, f"SELECT {key} AS key, fsum({column}) AS sum, count(*) AS n FROM rows GROUP BY key ORDER BY key")
    assert found["key"].to_pylist() == expected["key"].to_pylist()
    assert found["count"].to_pylist() == expected["n"].to_pylist()
    sums = expected["sum"].to_numpy()
    error = np.abs(found["sum"].to_numpy() - sums)
    assert (error <= found["bound"].to_numpy() + np.abs(sums) * 2.0**-52).all()
    assert (found["bound"].to_numpy() <= 1e-4 * found["count"].to_numpy()).all()


def test_rows_that_stay(rack, table) -> None:
    found = arrow.where_between(rack, table, "price", -1.5, 0.0)
    between = sql(table, "SELECT id FROM rows WHERE price BETWEEN -1.5 AND 0 ORDER BY id")
    assert found["id"].to_pylist() == between["id"].to_pylist()
    names = arrow.distinct(rack, table, "shop")
    assert sorted(names.to_pylist()) == sorted(set(table["shop"].to_pylist()))
    other = pa.table({"n": np.arange(-20, 20)})
    joined = arrow.semi_join(rack, table, "number", other, "n")
    between = sql(table, "SELECT id FROM rows WHERE number BETWEEN -20 AND 19 ORDER BY id")
    assert joined["id"].to_pylist() == between["id"].to_pylist()


def test_empty(rack, table) -> None:
    none = table.slice(0, 0)
    assert len(arrow.top(rack, none, "price", 3)) == len(arrow.group_sum(rack, none, "shop", "price")) == 0
    assert len(arrow.group_extreme(rack, none, "shop", "price")) == len(arrow.distinct(rack, none, "shop")) == 0


@pytest.mark.parametrize("column, says", [("nothing", "no column nothing; it has"), ("shop", "not a number")])
def test_errors(rack, table, column: str, says: str) -> None:
    with pytest.raises(QueryError, match=says):
        arrow.top(rack, table, column, 3)


SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e300, -1e300, 1.0, 1.0 + 2**-40, None]
names = st.sampled_from(["a", "b", "", "k", None]) | st.text(max_size=1)
pairs = st.lists(st.tuples(names, st.sampled_from(SPECIAL) | st.floats(width=64, min_value=-1e290, max_value=1e290)),
                 max_size=60)  # fmt: skip
usual = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def plain(rows: list[tuple]) -> list[tuple]:
    def one(value: object) -> object:
        return "nan" if isinstance(value, float) and np.isnan(value) else value + 0.0 if isinstance(value, float) else value

    return sorted((tuple(map(one, row)) for row in rows), key=repr)


def values_of(found: pa.Table) -> list[tuple]:
    return plain([tuple(row.values()) for row in found.to_pylist()])


@usual
@given(pairs, st.booleans())
def test_nulls(rack, rows, smallest: bool) -> None:
    """NULLs, NaN, infinities, zeros of both signs, numbers beyond binary32, any of them missing or alone."""
    table = pa.table({"k": pa.array([r[0] for r in rows], pa.string()), "v": pa.array([r[1] for r in rows], pa.float64())})
    best, direction = ("min", "ASC") if smallest else ("max", "DESC")

    def expected(text: str) -> list[tuple]:
        return values_of(sql(table, text))

    found = arrow.group_extreme(rack, table, "k", "v", smallest=smallest)
    assert values_of(found) == expected(f"SELECT k, {best}(v) FROM rows GROUP BY k")
    text = f"SELECT v FROM rows ORDER BY v {direction} NULLS LAST LIMIT 5"
    assert values_of(arrow.top(rack, table, "v", 5, smallest=smallest).select(["v"])) == expected(text)
    assert values_of(arrow.group_count(rack, table, "k")) == expected("SELECT k, count(*) FROM rows GROUP BY k")
    found = arrow.where_between(rack, table, "v", -1.0, 1e299)
    assert values_of(found) == expected("SELECT * FROM rows WHERE v BETWEEN -1 AND 1e299")
    assert plain([(v,) for v in arrow.distinct(rack, table, "k").to_pylist()]) == expected("SELECT DISTINCT k FROM rows")
    wanted = pa.table({"k": pa.array(["a", None, "k"])})
    found = arrow.semi_join(rack, table, "k", wanted, "k")
    assert values_of(found) == expected("SELECT * FROM rows WHERE k IN ('a', 'k')")
    sums(rack, table)


def sums(rack: arrow.Rack, table: pa.Table) -> None:
    groups: dict[str | None, list[float | None]] = {}
    for key, value in zip(table["k"].to_pylist(), table["v"].to_pylist(), strict=True):
        groups.setdefault(key, []).append(value)
    found = arrow.group_sum(rack, table, "k", "v").to_pylist()
    means = {row["key"]: row for row in arrow.group_mean(rack, table, "k", "v").to_pylist()}
    assert {row["key"] for row in found} == set(groups) and len(found) == len(groups)
    for row in found:
        values = [v for v in groups[row["key"]] if v is not None]
        assert row["count"] == len(values) and (row["sum"] is None) == (not values)
        if values and np.isfinite(values).all():
            exact = math.fsum(values)
            assert abs(row["sum"] - exact) <= row["bound"]
            mean = means[row["key"]]
            assert abs(mean["mean"] - exact / len(values)) <= mean["bound"] + abs(exact) * 2.0**-52
        elif values:
            with np.errstate(invalid="ignore"):
                expected = np.array([v for v in values if not np.isfinite(v)]).sum()
            assert np.array_equal(row["sum"], expected, equal_nan=True)
