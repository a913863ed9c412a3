"""Whether Parquet files are what a query takes them for, asked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workers.query.columns import numeric
from workers.query.errors import QueryError

MARK = b"PAR1"
"""Begins and ends every Parquet file."""
MOST_ROWS = 1 << 32
EXPECTED = {"number": "a number", "integer": "an integer", "text": "text", "date": "a date", "key": "a value that has no parts"}
_TPCH_KEYS = ("custkey", "orderkey", "partkey", "suppkey", "nationkey")
_OTHERS = {
    "c_mktsegment": "text", "o_orderdate": "date", "l_shipdate": "date", "l_extendedprice": "number", "l_discount": "number",
    "l_quantity": "number", "ps_availqty": "number", "p_name": "text", "n_name": "text", "pageRank": "number",
}  # fmt: skip
_OF_QUERY = {
    "filter": {"pageURL": "key"},
    "topn": {"adRevenue": "number", "sourceIP": "key", "destURL": "key"},
    "groupby": {"adRevenue": "number", "sourceIP": "text"},
    "count": {"countryCode": "key"},
    "avg": {"adRevenue": "number", "countryCode": "key"},
    "max": {"adRevenue": "number", "countryCode": "key"},
    "min": {"adRevenue": "number", "countryCode": "key"},
    "distinct": {"userAgent": "key"},
    "having": {"adRevenue": "number", "destURL": "key"},
    "join": {"adRevenue": "number", "destURL": "text", "pageURL": "text", "visitDate": "date"},
}  # fmt: skip


def kind_of(query: str, column: str) -> str | None:
    """What a query takes a column for, a key of EXPECTED; None where it may be anything."""
    own = _OF_QUERY.get(query.removesuffix("-rows"), {})
    integer = "integer" if column.partition("_")[2] in _TPCH_KEYS else None
    return own.get(column) or _OTHERS.get(column) or integer


def fits(found: pa.DataType, kind: str) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    if kind == "number":
        return numeric(found)
    if kind == "integer":
        return bool(pa.types.is_integer(found))
    if kind == "date":
        return bool(pa.types.is_date(found) or pa.types.is_timestamp(found))
    if kind == "text":
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found))
    return not (pa.types.is_nested(found) or pa.types.is_null(found))


def check(directory: Path, needed: Mapping[str, list[str]], query: str = "") -> None:
    """Raises QueryError unless every table is a whole Parquet file with the needed columns, of the types that the query takes
    them for."""
    for table, columns in needed.items():
        path = directory / f"{table}.parquet"
        schema, rows = _footer(table, path)
        where = f"table {table}, {path},"
        for column in columns:
            if column not in schema.names:
                raise QueryError(f"{where} has no column {column}; it has {', '.join(schema.names)}")
            kind, found = kind_of(query, column), schema.field(column).type
            if kind is not None and not fits(found, kind):
                raise QueryError(f"column {column} of {where} is of type {found}, where {query} expects {EXPECTED[kind]}")
        if rows >= MOST_ROWS:
            raise QueryError(f"{where} has more rows than a 32-bit row id can name")


def _footer(table: str, path: Path) -> tuple[pa.Schema, int]:
    """A file's columns and number of rows."""
    if not path.is_file():
        raise QueryError(f"there is no table {table}: {path} does not exist")
    try:
        with path.open("rb") as file:
            begin = file.read(len(MARK))
            file.seek(max(0, path.stat().st_size - len(MARK)))
            end = file.read(len(MARK))
        if begin != MARK:
            raise QueryError(f"{path} is not a Parquet file: it does not begin with {MARK.decode()}")
        if end != MARK:
            raise QueryError(f"{path} is cut off: a Parquet file ends with {MARK.decode()}, and this one does not")
        with pq.ParquetFile(path) as parquet:
            metadata = parquet.metadata
            stored = sum(metadata.row_group(n).num_rows for n in range(metadata.num_row_groups))
            if stored != metadata.num_rows:
                raise QueryError(f"the footer of {path} is damaged: it says {metadata.num_rows} rows, its groups have {stored}")
            return parquet.schema_arrow, metadata.num_rows
    except OSError as error:
        if isinstance(error, pa.ArrowException) or error.strerror is None:
            raise QueryError(f"the footer of {path} is damaged") from None
        raise QueryError(f"{path} cannot be read: {error.strerror}") from None
    except (pa.ArrowException, ValueError):
        raise QueryError(f"the footer of {path} is damaged") from None
