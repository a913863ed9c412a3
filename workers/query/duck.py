"""DuckDB as this package opens it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import duckdb


def fresh(folder: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A database in memory that goes on in files of `folder` where that is short. It says nothing on standard output, which
    it would use for the progress of a long query."""
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET temp_directory = {quoted(folder or _spill())}")
    return connection


def quoted(path: Path) -> str:
    """An SQL text."""
    return "'" + str(path).replace("'", "''") + "'"


def _spill() -> Path:
    """DuckDB makes the folder when it needs one, and removes it."""
    return Path(tempfile.gettempdir()) / f"fpisa-query-{os.getpid()}"
