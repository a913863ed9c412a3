"""Accuracy of table look-up against table size, for the operations a pipeline has no unit for."""

from __future__ import annotations

import numpy as np

from fpisa.formats import FP32, Format
from fpisa.ops.tables import TABLE_KINDS, Table, exp2_table, log2_table, reciprocal_table, square_root_tables

INDEX_BITS = tuple(range(4, 19, 2))


def table_rows(fmt: Format = FP32, samples: int = 20_000, seed: int = 1) -> list[dict]:
    """For each operation, kind and index width: entries and bytes of all tables, worst and mean relative
    error.

    Samples are fractions drawn evenly, and both ends.
    """
    rng = np.random.default_rng(seed)
    fraction = np.concatenate([[0, fmt.fraction_mask], rng.integers(0, fmt.hidden, samples)])
    other = np.concatenate([[fmt.fraction_mask, 1], rng.integers(0, fmt.hidden, samples)])
    rows = []
    for bits in INDEX_BITS:
        for kind in TABLE_KINDS:
            table = reciprocal_table(fmt, bits, kind)
            rows.append(_row("reciprocal", kind, bits, [table], _reciprocal_errors(fmt, table, fraction)))
            roots = square_root_tables(fmt, bits, kind)
            rows.append(_row("square root", kind, bits, list(roots), _root_errors(fmt, roots, fraction)))
        places = fmt.fraction_bits + 3
        pair = [log2_table(fmt.fraction_bits, bits, places), exp2_table(places, bits, fmt.fraction_bits + 1)]
        errors = _product_errors(fmt, pair, fraction, other)
        rows.append(_row("multiplication", "logarithms", bits, pair, errors))
    return rows


def _row(operation: str, kind: str, bits: int, tables: list[Table], errors: np.ndarray) -> dict:
    entries = sum(table.size for table in tables)
    width = max(int(table.entries.max()).bit_length() for table in tables)
    return {
        "operation": operation,
        "kind": kind,
        "index_bits": bits,
        "entries": entries,
        "kbytes": entries * width / 8192,
        "max_relative": float(errors.max()),
        "mean_relative": float(errors.mean()),
    }


def _reciprocal_errors(fmt: Format, table: Table, fraction: np.ndarray) -> np.ndarray:
    exact = 1 / (1 + fraction / fmt.hidden)
    return np.abs(np.ldexp(table.look_up(fraction).astype(float), -table.out_places) / exact - 1)


def _root_errors(fmt: Format, tables: tuple[Table, Table], fraction: np.ndarray) -> np.ndarray:
    errors = []
    for odd, table in enumerate(tables):
        exact = np.sqrt((1 + odd) * (1 + fraction / fmt.hidden))
        errors.append(np.abs(np.ldexp(table.look_up(fraction).astype(float), -table.out_places) / exact - 1))
    return np.concatenate(errors)


def _product_errors(fmt: Format, pair: list[Table], left: np.ndarray, right: np.ndarray) -> np.ndarray:
    log2, exp2 = pair
    total = log2.look_up(left) + log2.look_up(right)
    exponent, fraction = total >> log2.out_places, total & ((1 << log2.out_places) - 1)
    product = np.ldexp(exp2.look_up(fraction).astype(float), exponent - exp2.out_places)
    return np.abs(product / ((1 + left / fmt.hidden) * (1 + right / fmt.hidden)) - 1)
