"""Columns that wait in files are the columns that would have waited in memory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.query import data
from workers.query.errors import QueryError
from workers.query.exchange import CHUNK
from workers.query.floats import narrow
from workers.query.operators import Session
from workers.query.plans import PLANS
from workers.query.run import run
from workers.query.scanned import Scanned
from workers.query.shelf import PART, FileColumn, Shelf, parts
from workers.query.source import Worker

SEED = 20261121
DTYPES = (np.dtype(np.uint32), np.dtype(np.float64))


def filled(batches: list[int], room: int) -> tuple[list, list[np.ndarray]]:
    """A shelf's columns, and the same as arrays."""
    rng = np.random.default_rng(SEED)
    shelf, held = Shelf(DTYPES, room), [[np.zeros(0, d)] for d in DTYPES]
    for count in batches:
        made = [rng.integers(0, 2**32, count, np.uint32), rng.standard_normal(count)]
        shelf.add(*made)
        for column, part in zip(held, made, strict=True):
            column.append(part)
    return shelf.columns(), [np.concatenate(column) for column in held]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 500), max_size=6), st.sampled_from([0, 3000, 1 << 30]), st.integers(0, 2500),
       st.integers(0, 2500), st.integers(1, 700))  # fmt: skip
def test_slices_are_those_of_arrays(batches, room, start, stop, step) -> None:
    found, expected = filled(batches, room)
    for column, array in zip(found, expected, strict=True):
        assert isinstance(column, FileColumn) == (sum(batches) * 12 > room)
        assert column.dtype == array.dtype and len(column) == len(array)
        for place in (slice(start, stop), slice(start, stop, step), slice(None), slice(None, None, step)):
            assert column[place].tolist() == array[place].tolist()


def test_steps_across_what_is_read_together() -> None:
    found, expected = filled([PART + 100, 77], 0)
    for step in (3, 4096, PART - 1, PART + 5):
        assert (found[0][5::step] == expected[0][5::step]).all()
    assert [p.stop - p.start for p in parts(2 * PART + 1)] == [PART, PART, 1] and parts(0) == []


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    shelf = Shelf(DTYPES, 0, tmp_path / "nowhere")
    with pytest.raises(QueryError, match="do not fit into memory, nor into a file: No such file"):
        shelf.add(np.zeros(5), np.zeros(5))


def both_ways(folder: Path, table: pa.Table, **options: object) -> tuple[Scanned, Scanned]:
    pq.write_table(table, folder / "t.parquet", row_group_size=1000)
    found = [Worker(folder, ["t"], 1, 3, memory).scan("t", **options) for memory in (None, 4)]  # type: ignore[arg-type]
    assert isinstance(found[0].stream.rows, np.ndarray) and isinstance(found[1].stream.rows, FileColumn)
    return found[0], found[1]


@pytest.mark.parametrize("kind", ["float32", "float64", "whole", "int64", "decimal"])
def test_scans(tmp_path: Path, kind: str) -> None:
    """A worker that may hold nothing scans what one with memory does; and that is what NumPy makes of it."""
    rng = np.random.default_rng(SEED)
    wide = rng.standard_normal(9000) * 1000
    values = {"float32": wide.astype(np.float32), "float64": wide, "whole": np.rint(wide),
              "int64": rng.integers(-(2**60), 2**60, 9000), "decimal": np.rint(wide)}[kind]  # fmt: skip
    column = pa.array(values).cast(pa.decimal128(20, 2)) if kind == "decimal" else pa.array(values)
    table = pa.table({"k": pa.array(rng.integers(0, 50, 9000)), "v": column})
    held, filed = both_ways(tmp_path, table, key="k", value="v", where="k <> 7")
    chosen = np.flatnonzero(table["k"].to_numpy() != 7)
    chosen = chosen[(chosen >= 3000) & (chosen < 6000)]
    expected = narrow(values[chosen])
    for found in (held, filed):
        assert found.exact == expected.exact and found.largest == expected.largest
        assert np.isclose(found.total, values[chosen].astype(np.float64).sum(), rtol=1e-9, atol=1e-6)
        assert found.stream.rows[:].tolist() == chosen.tolist()
        assert found.stream.values[:].tolist() == expected.values.tolist()
        assert found.stream.least == expected.values.min()
        mixed = rng.permutation(chosen)[:500].astype(np.uint32)
        assert found.widen(mixed).tolist() == values[mixed].astype(np.float64).tolist()
    assert (held.stream.keys[:] == filed.stream.keys[:]).all()
    assert (held.stream.sample(37) == filed.stream.sample(37)).all()


def test_nothing_to_scan(tmp_path: Path) -> None:
    pq.write_table(pa.table({"k": pa.array([], pa.int64()), "v": pa.array([], pa.float64())}), tmp_path / "t.parquet")
    found = Worker(tmp_path, ["t"], 0, 1, 4).scan("t", key="k", value="v")
    assert len(found.stream) == 0 and found.exact and found.total == 0 and found.stream.least == np.inf
    assert len(found.widen(np.zeros(0, np.uint32))) == 0


@pytest.mark.parametrize("query", ["topn", "having-rows", "groupby-rows", "max", "filter", "join"])
def test_answers_of_workers_without_memory(tmp_path_factory: pytest.TempPathFactory, query: str) -> None:
    """Every column comes from a file; runs of a worker's rows are sent in several pieces."""
    made = tmp_path_factory.mktemp("bdb")
    data.bdb(made, 0.002)
    assert run(PLANS["bdb"][query], made, workers=2, memory=4, cells=256).answer_equal


def test_pieces_of_a_stream_are_sent_from_files(tmp_path: Path) -> None:
    """More rows than are packets at a time."""
    rows = CHUNK + 5000
    values = np.random.default_rng(SEED).random(rows, np.float32)
    pq.write_table(pa.table({"v": values}), tmp_path / "t.parquet")
    scan = Worker(tmp_path, ["t"], 0, 1, 4).scan("t", value="v")
    session = Session(1, cells=64)
    with session.phase("filter", a=0, b=0xFFFFFFFF) as (_, phase):
        found = phase.run([scan.stream])
    assert found.values.tolist() == values.tolist() and found.rows.tolist() == list(range(rows))


def test_no_file_is_left(tmp_path: Path) -> None:
    pq.write_table(pa.table({"v": np.ones(5000, np.float32)}), tmp_path / "t.parquet")
    folder = tmp_path / "files"
    folder.mkdir()
    scan = Worker(tmp_path, ["t"], 0, 1, 4, folder).scan("t", value="v")
    assert isinstance(scan.stream.values, FileColumn) and os.listdir(folder) == []
