"""Functions of one fraction by look-up: one table, or two whose entries are added (bipartite).

A pipeline without multiplier or divider still has tables in SRAM and an adder. The bipartite method (Das
Sarma and Matula, "Faithful bipartite ROM reciprocal tables", ARITH 1995) cuts the index into x0 x1 x2 and
reads f(x0 x1) from one table and the slope's share f'(x0) * x2 from another: two small tables for one of 3/2
the index.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpisa.codec import unpack
from fpisa.flags import INVALID, NAN, NINF
from fpisa.formats import Format, FormatError
from fpisa.normalize import Result, overflow_flags, round_pack

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Table:
    """f on [0, 1): the first `index_bits` of an `in_bits` fraction pick an entry of `out_places` fraction
    bits.

    `slopes` is empty for a plain table. A bipartite one has entries for x0 x1 and slopes for x0 x2, with the
    three parts of the index in `cut`.
    """

    in_bits: int
    index_bits: int
    out_places: int
    entries: np.ndarray
    slopes: np.ndarray
    cut: tuple[int, int, int] = (0, 0, 0)

    @property
    def size(self) -> int:
        """Entries of all its tables together."""
        return self.entries.size + self.slopes.size

    def look_up(self, fraction: Any) -> Any:
        """f of a fraction of `in_bits` (int or array) as an integer of `out_places` fraction bits."""
        index = fraction >> (self.in_bits - self.index_bits)
        if not self.slopes.size:
            value = self.entries[index]
        else:
            _, middle, low = self.cut
            tail = index & ((1 << low) - 1)
            value = self.entries[index >> low] + self.slopes[(index >> (middle + low) << low) | tail]
        return value if isinstance(fraction, np.ndarray) else int(value)


def plain_table(function: Function, in_bits: int, index_bits: int, out_places: int) -> Table:
    """One entry per index: f at the middle of what the index leaves open."""
    index_bits = check_bits(in_bits, index_bits)
    middle = (np.arange(1 << index_bits) + (0.5 if index_bits < in_bits else 0.0)) / (1 << index_bits)
    entries = np.rint(function(middle) * (1 << out_places)).astype(np.int64)
    return Table(in_bits, index_bits, out_places, entries, np.empty(0, np.int64))


def bipartite_table(function: Function, in_bits: int, index_bits: int, out_places: int) -> Table:
    """Two tables for `index_bits` (3 or more) cut into thirds."""
    index_bits = check_bits(in_bits, index_bits)
    if index_bits < 3:
        raise FormatError(f"a bipartite table needs 3 index bits or more, got {index_bits}")
    high, low = index_bits - 2 * (index_bits // 3), index_bits // 3
    middle = index_bits - high - low
    open_tail = 0.5 / (1 << index_bits) if index_bits < in_bits else 0.0
    span = 1.0 / (1 << (high + middle))
    base = np.arange(1 << (high + middle)) * span + span / 2
    tail = (np.arange(1 << low) / (1 << low)) * span + open_tail - span / 2
    step, block = 1e-6, (np.arange(1 << high) + 0.5) / (1 << high)
    slope = (function(block + step) - function(block - step)) / (2 * step)
    entries = np.rint(function(base) * (1 << out_places)).astype(np.int64)
    slopes = np.rint(np.outer(slope, tail).reshape(-1) * (1 << out_places)).astype(np.int64)
    return Table(in_bits, index_bits, out_places, entries, slopes, (high, middle, low))


def check_bits(in_bits: int, index_bits: int) -> int:
    """`index_bits`, at most `in_bits`; FormatError outside 1..20."""
    if not 1 <= index_bits <= 20:
        raise FormatError(f"{index_bits} index bits are not within 1..20")
    return min(index_bits, in_bits)


TABLE_KINDS = {"plain": plain_table, "bipartite": bipartite_table}


def log2_table(in_bits: int, index_bits: int, out_places: int) -> Table:
    return plain_table(lambda x: np.log2(1 + x), in_bits, index_bits, out_places)


def exp2_table(in_bits: int, index_bits: int, out_places: int) -> Table:
    return plain_table(np.exp2, in_bits, index_bits, out_places)


@functools.cache
def reciprocal_table(fmt: Format, index_bits: int, kind: str = "plain") -> Table:
    """1 / (1 + x), with one bit more than the format's significand since it lies in (1/2, 1]."""
    return TABLE_KINDS[kind](lambda x: 1 / (1 + x), fmt.fraction_bits, index_bits, fmt.fraction_bits + 2)


@functools.cache
def square_root_tables(fmt: Format, index_bits: int, kind: str = "plain") -> tuple[Table, Table]:
    """sqrt(1 + x) and sqrt(2 + 2x): for even and odd exponents."""
    make, places = TABLE_KINDS[kind], fmt.fraction_bits + 1
    return (
        make(lambda x: np.sqrt(1 + x), fmt.fraction_bits, index_bits, places),
        make(lambda x: np.sqrt(2 * (1 + x)), fmt.fraction_bits, index_bits, places),
    )


def reciprocal(
    fmt: Format, word: int, index_bits: int, kind: str = "plain", rounding: str = "rne"
) -> Result:
    """1 / word by table. Zeros give infinities and infinities zeros, with their signs; NaN gives NaN."""
    from fpisa.ops.multiply import normalised

    _, mantissa, special = unpack(fmt, word)
    sign = word & fmt.sign_bit
    if special == NAN:
        return Result(fmt.nan, INVALID)
    if special:
        return Result(sign, 0)
    if mantissa == 0:
        return Result(fmt.overflowed | sign if not fmt.finite else fmt.nan, overflow_flags(fmt))
    exponent, fraction = normalised(fmt, word)
    table = reciprocal_table(fmt, index_bits, kind)
    out, overflowed = round_pack(
        fmt, bool(sign), table.look_up(fraction), -exponent - table.out_places, rounding
    )
    return Result(out, overflow_flags(fmt) if overflowed else 0)


def square_root(
    fmt: Format, word: int, index_bits: int, kind: str = "plain", rounding: str = "rne"
) -> Result:
    """sqrt(word) by table. Zeros stay; NaN and what is below zero give NaN."""
    from fpisa.ops.multiply import normalised

    _, mantissa, special = unpack(fmt, word)
    if special in (NAN, NINF) or mantissa < 0:
        return Result(fmt.nan, INVALID)
    if special or mantissa == 0:
        return Result(word, 0)
    exponent, fraction = normalised(fmt, word)
    table = square_root_tables(fmt, index_bits, kind)[exponent & 1]
    out, _ = round_pack(fmt, False, table.look_up(fraction), (exponent >> 1) - table.out_places, rounding)
    return Result(out, 0)


def ideal(name: str, value: float) -> float:
    """The function a table stands for, on doubles."""
    return 1 / value if name == "reciprocal" else math.sqrt(value)
