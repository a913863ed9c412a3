"""A worker's groups by a prefix of text: C beside DuckDB, on text of all lengths and alphabets."""

from __future__ import annotations

import math
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.query.groups import MOST_CHARACTERS, by_prefix
from workers.query.plans_combined import Prefix
from workers.query.source import Worker

ROOM = 1 << 24
SQL = ("SELECT substr(name, 1, {n}) AS name, count(*) AS visits, count(v) AS numbers, sum(v::DOUBLE) AS total, "
       "sum(abs(v::DOUBLE)) AS size FROM rows GROUP BY 1")  # fmt: skip
texts = st.text(st.sampled_from("ab.1\0é€\U0001d11e\u0301"), max_size=20) | st.none()
values = st.floats(width=32) | st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, None, 2.0**-149, 3.4028234663852886e38])


def shown(table: pa.Table) -> dict[object, tuple[object, ...]]:
    """NaN is shown as text, so that it equals itself."""
    return {row["name"]: (row["visits"], row["numbers"], repr(row["total"]), repr(row["size"])) for row in table.to_pylist()}


def by_duckdb(rows: pa.Table, characters: int) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")  # sums are in the rows' order then
        connection.register("rows", rows)
        return connection.sql(SQL.format(n=characters)).to_arrow_table()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(texts, values), max_size=60), st.integers(1, MOST_CHARACTERS), st.integers(0, 9), st.booleans())
def test_groups_are_duckdbs(rows: list[tuple[str | None, float | None]], characters: int, skipped: int, wide: bool) -> None:
    """Batches may begin anywhere in their buffers."""
    kind = pa.float64() if wide else pa.float32()
    table = pa.table({"name": pa.array([r[0] for r in rows], pa.string()), "v": pa.array([r[1] for r in rows], kind)})
    table = table.slice(skipped)
    found = by_prefix(pa.RecordBatchReader.from_batches(table.schema, table.to_batches(7)), characters, ROOM)
    assert found is not None
    assert shown(found) == shown(by_duckdb(table, characters))


def many(count: int) -> pa.Table:
    return pa.table({"name": [f"{n:07d}" for n in range(count)] * 2, "v": np.ones(2 * count, np.float32)})


def test_more_groups_than_room() -> None:
    """None, so that DuckDB takes over, which can go on in files."""
    rows = many(20_000)
    whole = by_prefix(rows.to_reader(), 8, ROOM)
    assert whole is not None and len(whole) == 20_000 and whole["visits"].unique().to_pylist() == [2]
    assert by_prefix(rows.to_reader(), 8, 1 << 20) is None
    assert by_prefix(rows.to_reader(), 9, ROOM) is None


@pytest.mark.parametrize("columns", [{"name": [1, 2], "v": [1.0, 2.0]}, {"name": ["a", "b"], "v": [1, 2]},
                                     {"name": pa.array(["a", "b"], pa.large_string()), "v": [1.0, 2.0]}])  # fmt: skip
def test_other_types_are_duckdbs(columns: dict[str, object]) -> None:
    assert by_prefix(pa.table(columns).to_reader(), 5, ROOM) is None


@pytest.mark.parametrize("memory", [None, 64 << 10])
def test_a_workers_table_either_way(tmp_path: Path, memory: int | None) -> None:
    """With memory enough for the groups, and without."""
    rows = many(3000)
    pq.write_table(rows, tmp_path / "rows.parquet")
    worker = Worker(tmp_path, ["rows"], 0, 1, memory)
    key = Prefix("name", 6)
    sql = SQL.format(n=6)
    worker.combine("combined", "rows", key.column, key.characters, "v", sql, "name, visits, numbers, total, size")
    assert str(key) == "substr(name, 1, 6)"
    assert shown(worker.select("SELECT * FROM combined")) == shown(by_duckdb(rows, 6))
