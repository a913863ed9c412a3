"""fpisa.spark on Spark itself, local[2]: DataFrames in, DataFrames out, answers equal to DuckDB's."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed; `pip install 'fpisa[spark]'` brings it")
pytest.importorskip("pandas", reason="pandas is not installed; `pip install 'fpisa[spark]'` brings it")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java, and there is no program java", allow_module_level=True)

from fpisa import spark as fs  # noqa: E402

ROWS = 20_000


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    fs.use_this_python()
    builder = SparkSession.builder.master("local[2]").appName("fpisa tests")
    for name, value in {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", "spark.log.level": "OFF",
                        "spark.ui.showConsoleProgress": "false", "spark.default.parallelism": "2"}.items():  # fmt: skip
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def switch() -> Iterator[fs.Switch]:
    with fs.Switch.start(places=2, cells=64, loss=0.01) as switch:
        yield switch


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Zipf keys, values of both signs over decades; NULLs, NaN, infinities and both zeros among them."""
    rng = np.random.default_rng(7)
    price = rng.normal(size=ROWS) * 10.0 ** rng.integers(-3, 4, ROWS)
    price[:6] = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300]
    return pa.table({
        "id": np.arange(ROWS), "price": pa.array(rng.permutation(price), mask=rng.random(ROWS) < 0.01),
        "shop": pa.array([f"shop {n}" for n in rng.zipf(1.3, ROWS) % 3000], mask=rng.random(ROWS) < 0.005),
        "number": rng.integers(-500, 500, ROWS), "clean": np.round(rng.normal(size=ROWS), 3)})  # fmt: skip


@pytest.fixture(scope="module")
def df(session: Any, table: pa.Table) -> Any:
    return session.createDataFrame(table).repartition(3, "id").persist()


def plain(value: Any) -> Any:
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value + 0.0
    return value


def same(found: Any, table: pa.Table, text: str) -> None:
    connection = duckdb.connect()
    connection.register("rows", table)
    ours = sorted((tuple(map(plain, row)) for row in found.collect()), key=repr)
    theirs = sorted((tuple(map(plain, row)) for row in connection.sql(text).fetchall()), key=repr)
    assert ours == theirs


def test_pruned(switch: fs.Switch, df: Any, table: pa.Table) -> None:
    same(fs.top(switch, df, "price", 50).select("price"), table, "SELECT price FROM rows ORDER BY price DESC NULLS LAST LIMIT 50")
    assert switch.traffic["rows_delivered"] < ROWS / 4 and switch.traffic["rows_sent"] <= ROWS
    same(fs.having_sum(switch, df, "number", "clean", 10.0).select("number"), table,
         "SELECT number FROM rows GROUP BY number HAVING fsum(clean) > 10")  # fmt: skip


@pytest.mark.slow
def test_more_pruned(switch: fs.Switch, session: Any, df: Any, table: pa.Table) -> None:
    same(fs.group_extreme(switch, df, "shop", "price"), table, "SELECT shop, max(price) FROM rows GROUP BY shop")
    same(fs.distinct(switch, df, ["shop", "number"]), table, "SELECT DISTINCT shop, number FROM rows")
    same(fs.top(switch, df, "price", 5, smallest=True).select("price"), table,
         "SELECT price FROM rows ORDER BY price NULLS LAST LIMIT 5")  # fmt: skip
    same(fs.where_between(switch, df, "price", -1.5, 0.0), table, "SELECT * FROM rows WHERE price BETWEEN -1.5 AND 0")
    same(fs.group_extreme(switch, df, ["shop", "number"], "price", smallest=True), table,
         "SELECT shop, number, min(price) FROM rows GROUP BY shop, number")  # fmt: skip
    few = session.range(-20, 20)
    same(fs.semi_join(switch, df, "number", few, "id"), table, "SELECT * FROM rows WHERE number >= -20 AND number < 20")
    empty = df.where("id < 0")
    assert fs.top(switch, empty, "price", 3).count() == fs.distinct(switch, empty, "shop").count() == 0
    same(fs.group_count(switch, df, ["number", "shop"]), table, "SELECT number, shop, count(*) FROM rows GROUP BY 1, 2")


def test_sums(switch: fs.Switch, df: Any, table: pa.Table) -> None:
    finite = df.where("price IS NULL OR abs(price) < 1e9")
    found = fs.group_sum(switch, finite, "shop", "price").collect()
    assert switch.traffic["rows_pruned"] > 0
    groups: dict[str | None, list[float]] = {}
    for name, price in zip(table["shop"].to_pylist(), table["price"].to_pylist(), strict=True):
        if price is None or abs(price) < 1e9:
            groups.setdefault(name, []).extend([] if price is None else [price])
    assert {row.shop for row in found} == set(groups) and len(found) == len(groups)
    for row in found:
        values = groups[row.shop]
        assert row["count"] == len(values)
        assert (row.sum is None) == (not values) == (row.mean is None)
        assert not values or abs(row.sum - math.fsum(values)) <= row.bound < 1e-4
    same(fs.group_sum(switch, df.where("number > 400"), "number", "number").select("number", "sum"), table,
         "SELECT number, sum(number)::DOUBLE FROM rows WHERE number > 400 GROUP BY number")  # fmt: skip


def test_errors(switch: fs.Switch, df: Any) -> None:
    for call, says in ((lambda: fs.top(switch, df, "nothing", 3), "no column nothing; it has id, price"),
                       (lambda: fs.top(switch, df, "shop", 3), "not a number"),
                       (lambda: fs.top(switch, df, "id", 0), "at least 1"),
                       (lambda: fs.semi_join(switch, df, "shop", df, "id"), "a join takes equal types")):
        with pytest.raises(fs.QueryError, match=says):
            call()


def test_a_switch_that_ends_in_mid_query(df: Any) -> None:
    """The executors' sentence comes back, and no traceback."""
    from workers.query.dataframes import _run
    from workers.query.executor import Work, prune

    switch = fs.Switch.start(places=2)
    address = switch.address
    switch.close()
    from functools import partial

    with pytest.raises(fs.QueryError, match="no switch answers at") as raised:
        _run(df, partial(prune, Work(address, 1, "distinct", ("shop",))), df.schema)
    assert "\n" not in str(raised.value)
