"""Tables as Parquet files, and a worker's part of them.

A worker reads only the columns that go through the switch; what else the answer needs is fetched for surviving rows,
by row id, afterwards. DuckDB scans the files; Arrow tables carry what is fetched."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workers.query.duck import fresh, quoted
from workers.query.errors import QueryError
from workers.query.groups import by_prefix
from workers.query.keys import mix
from workers.query.scanned import Scanned, Wanted, gather
from workers.query.shelf import PART

LEAST_MEMORY = 64 << 20
"""Bytes without which DuckDB does little."""
GROUPED_TOGETHER = 1 << 16
"""Rows that DuckDB hands over at a time to be grouped."""
UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def granted(connection: duckdb.DuckDBPyConnection) -> int:
    """Bytes that a fresh DuckDB would take: four fifths of the machine's memory, or of its control group's."""
    found = connection.execute("SELECT current_setting('memory_limit')").fetchone()
    number, unit = str(found[0] if found else "1 GiB").split()
    return int(float(number) * UNITS[unit])


def connect(directory: Path, tables: list[str]) -> duckdb.DuckDBPyConnection:
    """DuckDB with each whole table as a view."""
    connection = fresh()
    for table in tables:
        path = quoted(directory / f"{table}.parquet")
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({path})")
    return connection


class Worker:
    """Rank `number` of `count`, with an equal run of every table's rows, as views with the column `row_id`.

    memory: bytes it may take, by default its share of the machine's or its control group's; half is DuckDB's, which goes on
    in files beyond that, a quarter is for each scan's columns. folder: of such files."""

    def __init__(self, directory: Path, tables: list[str], number: int, count: int, memory: int | None = None,
                 folder: Path | None = None):
        self.number = number
        self.seconds = 0.0  # spent in scans, fetches and queries
        self.side_bytes = 0  # Arrow bytes sent to the master past the switch
        self.folder = folder
        self.connection = fresh(folder)
        self.memory = memory or granted(self.connection) // count
        self.connection.execute(f"SET memory_limit = '{max(self.memory // 2, LEAST_MEMORY) // 1024}KiB'")
        for table in tables:
            path = directory / f"{table}.parquet"
            rows = pq.read_metadata(path).num_rows
            low, high = rows * number // count, rows * (number + 1) // count
            self.connection.execute(
                f"CREATE VIEW {table} AS SELECT * EXCLUDE (file_row_number), file_row_number AS row_id "
                f"FROM read_parquet({quoted(path)}, file_row_number=true) "
                f"WHERE file_row_number >= {low} AND file_row_number < {high}"
            )

    def scan(self, table: str, *, key: str | None = None, value: str | None = None, where: str = "true",
             hashed: bool = False, salt: int = 0) -> Scanned:
        """Row ids, keys and values by SQL expressions, of rows in file order; zeros where there is no expression.

        hashed: `key` may be of any type; otherwise it must be an integer. Raises QueryError for a null or a wrong
        type."""
        shown = None if key is None else f"{_hash(key, salt)}" if hashed else key
        columns = ["row_id", *([f"{shown} AS key"] if shown else []), *([f"{value} AS value"] if value else []),
                   *([f"{key} IS NULL AS missing"] if hashed else [])]  # fmt: skip
        text = f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"
        wanted = Wanted(table, key, value, self.memory // 4, self.folder)
        start = time.perf_counter()
        try:
            scanned = self._gather(text, wanted) or self._gather(text + " ORDER BY row_id", wanted)
        except (duckdb.Error, pa.ArrowException, OSError) as error:  # Arrow passes on what DuckDB fails with in mid-scan
            raise QueryError(f"a worker cannot scan its rows: {(str(error) or 'no reason given').splitlines()[0]}") from None
        finally:
            self.seconds += time.perf_counter() - start
        if scanned is None:
            raise QueryError(f"DuckDB does not put the rows of {table} in order")
        return replace(scanned, names=self._names(table, key, where, salt)) if hashed and key else scanned

    def _gather(self, text: str, wanted: Wanted) -> Scanned | None:
        """DuckDB keeps the order of what it reads, and may sort slowly: None where it did not keep it after all."""
        with self.connection.sql(text).to_arrow_reader(PART) as reader:  # a connection has one open result at a time
            return gather(reader, wanted)

    def _names(self, table: str, key: str, where: str, salt: int) -> pa.Table:
        """The dictionary: columns key (uint64) and name, one row for each distinct key."""
        names = self._sent(f"SELECT DISTINCT {_hash(key, salt)} AS key, {key} AS name "
                           f"FROM {table} WHERE {where}")
        return pa.table({"key": mix(names["key"].to_numpy()), "name": names["name"]})

    def fetch(self, table: str, rows: np.ndarray, columns: str) -> pa.Table:
        """Columns (an SQL list) of the rows with these ids, with their row_id, in the ids' ascending order."""
        self.connection.register("wanted", pa.table({"wanted_id": rows.astype(np.int64)}))
        try:
            return self._sent(f"SELECT row_id, {columns} FROM {table} JOIN wanted ON row_id = wanted_id ORDER BY row_id")
        finally:
            self.connection.unregister("wanted")

    def prepare(self, sql: str) -> None:
        """Says what `select` will want; workers that are processes begin."""

    def select(self, sql: str) -> pa.Table:
        """Any query over the worker's own rows."""
        return self._sent(sql)

    def keep(self, name: str, table: pa.Table) -> None:
        """A table sent to the worker, under a name for its later queries."""
        self.connection.register(name, table)

    def derive(self, name: str, sql: str) -> None:
        """A table of the worker's own for its later queries, until one of the same name is derived."""
        start = time.perf_counter()
        try:
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")
        except duckdb.Error as error:
            raise QueryError(f"a worker cannot scan its rows: {str(error).splitlines()[0]}") from None
        finally:
            self.seconds += time.perf_counter() - start

    def combine(self, name: str, table: str, column: str, characters: int, value: str, sql: str, rest: str) -> None:
        """A table of the worker's own like `derive`'s, of groups by the first characters of a column of text: `rest`, a query
        over `groups.by_prefix`'s columns, or what `sql` says where that cannot be had."""
        start = time.perf_counter()
        try:
            text = f"SELECT {column} AS name, {value} AS v FROM {table}"
            with self.connection.sql(text).to_arrow_reader(GROUPED_TOGETHER) as reader:
                found = by_prefix(reader, characters, self.memory // 4)
        except (duckdb.Error, pa.ArrowException, OSError):  # DuckDB's own grouping fails, too, or shows another way
            found = None
        finally:
            self.seconds += time.perf_counter() - start
        if found is None:
            self.derive(name, sql)
            return
        self.connection.register("prefix_groups", found)
        try:
            self.derive(name, f"SELECT {rest} FROM prefix_groups")
        finally:
            self.connection.unregister("prefix_groups")

    def _sent(self, sql: str) -> pa.Table:
        table = self._arrow(sql)
        self.side_bytes += table.nbytes
        return table

    def _arrow(self, sql: str) -> pa.Table:
        start = time.perf_counter()
        try:
            return self.connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(f"a worker cannot scan its rows: {str(error).splitlines()[0]}") from None
        finally:
            self.seconds += time.perf_counter() - start


def side_by_side(workers: Sequence[Worker], ask: Callable[[Worker], pa.Table]) -> list[pa.Table]:
    """What every worker answers; at once where they are processes, in turn where they are not."""
    pool = getattr(workers[0], "pool", None)
    return list(pool.map(ask, workers)) if pool is not None else [ask(worker) for worker in workers]


def _hash(key: str, salt: int) -> str:
    """SQL of a key's 64-bit hash. DuckDB's own first; with a salt over MD5, since it gives many pairs of texts that
    differ in a few places the same value, whatever it is mixed with."""
    return f"hash(md5('{salt}:' || ({key})::VARCHAR))" if salt else f"hash({key})"


def dictionary(parts: list[pa.Table]) -> pa.Table | None:
    """The workers' dictionaries as one; None if two different keys have the same hash."""
    merged = pa.concat_tables(parts).group_by(["key", "name"]).aggregate([])
    return merged if len(merged) == len(merged.group_by(["key"]).aggregate([])) else None
