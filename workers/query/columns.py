"""Arrow columns as the switch sees them: 64-bit keys and binary32 values, and which rows cannot go through it.

A row with a NULL in a column that the switch judges by stays out of it; whoever completes the answer gets the row
as it is, and applies SQL's rules for NULL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workers.query.duck import fresh
from workers.query.errors import QueryError
from workers.query.keys import mix

SALTS = 8


@dataclass(frozen=True)
class Keys:
    """Of n rows: codes (n,) int64, the row's place among the distinct keys, -1 where a column is NULL;
    hashes (d,) uint64 and witness (d,) uint64, two hashes of each distinct key."""

    codes: np.ndarray
    hashes: np.ndarray
    witness: np.ndarray


def numeric(kind: pa.DataType) -> bool:
    """Whether values of this type can go through the switch."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def exact(kind: pa.DataType) -> bool:
    """Whether every value of this type is a binary32 number."""
    return kind in (pa.float16(), pa.float32(), pa.int8(), pa.int16(), pa.uint8(), pa.uint16())


def numbers(column: pa.Array | pa.ChunkedArray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(values (n,) float64, present (n,) bool); 0 where a value is NULL. Raises QueryError for other types."""
    kind = column.type
    if not numeric(kind):
        raise QueryError(f"column {name} is of type {kind}, not a number")
    wide = column.cast(pa.float64(), safe=False)
    if isinstance(wide, pa.ChunkedArray):
        wide = wide.combine_chunks()
    present = np.ones(len(wide), bool)
    if wide.null_count:
        present = np.asarray(wide.is_valid())
        wide = wide.fill_null(0.0)
    return wide.to_numpy(zero_copy_only=False), present


def narrowed(values: np.ndarray) -> np.ndarray:
    """To binary32 for comparisons: a <= b stays a <= b, and what is beyond its range becomes infinite."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def halves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two binary32 columns whose sum is within 2^-48 of each value, for sums that shall not lose binary64's digits.

    The second is 0 where the first is not finite."""
    high = narrowed(values)
    with np.errstate(invalid="ignore"):
        rest = values - high
    return high, np.where(np.isfinite(rest), rest, 0.0).astype(np.float32)


def keys(columns: Sequence[pa.Array]) -> Keys:
    """Keys of rows over one or several columns. Integers alone are mixed by a bijection; anything else is hashed."""
    column = columns[0] if len(columns) == 1 else None
    if column is not None and pa.types.is_floating(column.type):
        column = pc.add(column, pa.scalar(0.0, column.type))  # -0 becomes +0, which it equals
    if column is None:
        table = _nullless(columns)
        encoded = table.dictionary_encode()
    else:
        encoded = column.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    names = encoded.dictionary
    if column is not None and pa.types.is_integer(column.type):
        mixed = mix(names.to_numpy())
        return Keys(codes, mixed, mixed)
    return Keys(codes, *hashed(names))


def _nullless(columns: Sequence[pa.Array]) -> pa.Array:
    """Several columns as one of text, NULL where any is: lengths before parts keep different rows different."""
    parts: list[pa.Array] = []
    for column in columns:
        if pa.types.is_floating(column.type):
            column = pc.add(column, pa.scalar(0.0, column.type))
        text = column.cast(pa.string())
        parts += [pc.utf8_length(text).cast(pa.string()), text]
    return pc.binary_join_element_wise(*parts, ":")


def hashed(names: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(d,) uint64 each, of distinct values that are not NULL: a hash of their MD5, mixed, and DuckDB's own.

    The second alone would not do: texts that differ in a few places share it far too often."""
    if not len(names):
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    cursor = _hasher().cursor()  # a connection takes one call at a time, and threads may share it
    cursor.register("distinct_names", pa.table({"name": names}))
    try:
        found = cursor.sql("SELECT hash(md5(name::VARCHAR)) AS h, hash(name) AS w FROM distinct_names").to_arrow_table()
    except duckdb.Error as error:
        raise QueryError(f"a key column cannot be hashed: {str(error).splitlines()[0]}") from None
    finally:
        cursor.unregister("distinct_names")
    return mix(found["h"].to_numpy()), found["w"].to_numpy()


@lru_cache(maxsize=1)
def _hasher() -> duckdb.DuckDBPyConnection:
    connection = fresh()
    connection.execute("SET threads = 1")
    return connection
