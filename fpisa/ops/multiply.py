"""Products: exactly, where the target multiplies integers, and by logarithm tables, where it only adds."""

from __future__ import annotations

import functools

from fpisa.codec import unpack
from fpisa.flags import INVALID, NAN
from fpisa.formats import Format
from fpisa.normalize import Result, overflow_flags, round_pack
from fpisa.ops.convert import rounded
from fpisa.ops.tables import Table, exp2_table, log2_table


def special_product(fmt: Format, left: int, right: int) -> Result | None:
    """The product where a NaN, an infinity or a zero decides it; None for two nonzero numbers."""
    a, b = unpack(fmt, left), unpack(fmt, right)
    sign = (left ^ right) & fmt.sign_bit
    zero = any(part.mantissa == 0 and not part.special for part in (a, b))
    if NAN in (a.special, b.special) or ((a.special or b.special) and zero):
        return Result(fmt.nan, INVALID)
    if a.special or b.special:
        return Result(fmt.overflowed | sign, 0)
    return Result(sign, 0) if zero else None


def multiply(fmt: Format, left: int, right: int, rounding: str = "rne") -> Result:
    """The correctly rounded product, as IEEE 754 has it."""
    decided = special_product(fmt, left, right)
    if decided is not None:
        return decided
    a, b = unpack(fmt, left), unpack(fmt, right)
    product, exponent = a.mantissa * b.mantissa, a.exponent + b.exponent + 2 * fmt.scale
    return rounded(fmt, product < 0, abs(product), exponent, rounding)


@functools.cache
def _tables(fmt: Format, index_bits: int) -> tuple[Table, Table]:
    places = fmt.fraction_bits + 3
    log2 = log2_table(fmt.fraction_bits, index_bits, places)
    return log2, exp2_table(places, index_bits, fmt.fraction_bits + 1)


def multiply_by_tables(fmt: Format, left: int, right: int, index_bits: int, rounding: str = "rne") -> Result:
    """left * right as 2^(log2 |left| + log2 |right|): three look-ups in tables of `index_bits`, and
    additions.

    Subnormals are normalised first (a leading-one table, as the read has). Truncates; the error against table
    size is measured by `fpisa.accuracy.table_sweep`.
    """
    decided = special_product(fmt, left, right)
    if decided is not None:
        return decided
    log2, exp2 = _tables(fmt, index_bits)
    total = 0
    for word in (left, right):
        exponent, fraction = normalised(fmt, word)
        total += (exponent << log2.out_places) + log2.look_up(fraction)
    exponent, fraction = total >> log2.out_places, total & ((1 << log2.out_places) - 1)
    significand = exp2.look_up(fraction)
    negative = bool((left ^ right) & fmt.sign_bit)
    word, overflowed = round_pack(fmt, negative, significand, exponent - exp2.out_places, rounding)
    return Result(word, overflow_flags(fmt) if overflowed else 0)


def normalised(fmt: Format, word: int) -> tuple[int, int]:
    """(exponent of two, M fraction bits) with |word| = (1 + fraction / 2^M) * 2^exponent, not zero."""
    exponent, mantissa, _ = unpack(fmt.with_registers(64, 0), word)
    lead = abs(mantissa).bit_length() - 1
    fraction = (abs(mantissa) << (fmt.fraction_bits - lead)) - fmt.hidden
    return exponent - fmt.bias - fmt.fraction_bits + lead, fraction
