"""What a plan is and gives, and the steps that plans share between scans at the workers and DuckDB at the master."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import duckdb
import numpy as np
import pyarrow as pa

from workers.query import operators
from workers.query.duck import fresh
from workers.query.errors import QueryError
from workers.query.exchange import Survivors
from workers.query.operators import Session, Sums
from workers.query.source import Scanned, Worker, dictionary, side_by_side


@dataclass
class Answer:
    """rows; bounds: column -> (n,) float64, how far a float may be from the exact sum; fetched: rows the master fetched
    by id or took as a build side, beyond those that came through the switch; dictionary: distinct keys sent."""

    rows: pa.Table
    bounds: dict[str, np.ndarray] = field(default_factory=dict)
    fetched: int = 0
    dictionary: int = 0


@dataclass(frozen=True)
class Plan:
    """keys: columns that identify a row of the answer (for comparing); needed: table -> columns."""

    name: str
    says: str
    sql: str
    needed: dict[str, list[str]]
    keys: tuple[str, ...]
    run: Callable[[Session, Sequence[Worker]], Answer]


def streams(scanned: Sequence[Scanned]) -> list:
    return [s.stream for s in scanned]


def fetch(workers: Sequence[Worker], found: Survivors, table: str, columns: str) -> pa.Table:
    """The survivors' columns, from the workers that hold them, in order of worker and row id."""
    return pa.concat_tables(side_by_side(workers, lambda w: w.fetch(table, found.of(w.number), columns)))


def master(**tables: pa.Table) -> duckdb.DuckDBPyConnection:
    """DuckDB at the master with the given Arrow tables."""
    connection = _engine().cursor()
    for name, table in tables.items():
        connection.register(name, table)
    return connection


@lru_cache(maxsize=1)
def _engine() -> duckdb.DuckDBPyConnection:
    """Making one takes 10 ms; cursors see nothing of each other's tables."""
    return fresh()


def hashed(workers: Sequence[Worker], table: str, key: str, value: str = "0") -> tuple[list[Scanned], pa.Table]:
    """All workers' scans and the dictionary they agree on: another salt is tried when two keys collide."""
    for salt in range(8):
        scanned = [w.scan(table, key=key, value=value, hashed=True, salt=salt) for w in workers]
        names = dictionary([s.names for s in scanned if s.names is not None])
        if names is not None:
            return scanned, names
    raise QueryError(f"keys of {table}.{key} collide under eight different hashes")


def wide(scanned: Sequence[Scanned], found: Survivors) -> np.ndarray:
    """The survivors' values before narrowing, as the master fetches them by row id."""
    values = np.zeros(len(found))
    for number, scan in enumerate(scanned):
        own = found.workers == number
        values[own] = scan.widen(found.rows[own])
    return values


def sums(session: Session, scanned: Sequence[Scanned]) -> tuple[Sums, int]:
    """Sums by key with their bounds; the second: rows fetched for their full width."""
    cells, found = operators.summed(session, streams(scanned))
    largest = max((s.largest for s in scanned), default=0.0)
    exact = all(s.exact for s in scanned)
    narrowing = np.zeros(len(cells.keys)) if exact else cells.counts * max(largest * 2.0**-24, 2.0**-150)
    cells = Sums(cells.keys, cells.sums, cells.bounds + narrowing, cells.counts)
    full = found.values.astype(np.float64) if exact else wide(scanned, found)
    return operators.merge(cells, found, full), 0 if exact else len(found)
