"""Words to exponent and signed mantissa, and words to the numbers they stand for."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from fpisa.flags import NAN, NINF, PINF
from fpisa.formats import Format


class Unpacked(NamedTuple):
    """What a word adds: value = mantissa * 2^(exponent + fmt.scale), or sticky bits (PINF, NINF, NAN)."""

    exponent: int
    mantissa: int
    special: int


def fields(fmt: Format, word: int) -> tuple[int, int, int]:
    """Sign (0 or 1), exponent field and fraction of a word."""
    return (
        word >> (fmt.width - 1) & 1,
        word >> fmt.fraction_bits & fmt.field_mask,
        word & fmt.fraction_mask,
    )


def special_of(fmt: Format, sign: int, field: int, fraction: int) -> int:
    """PINF, NINF, NAN, or 0 for a number."""
    if fmt.finite:
        return NAN if field == fmt.field_mask and fraction == fmt.fraction_mask else 0
    if field != fmt.field_mask:
        return 0
    if fraction:
        return NAN
    return NINF if sign else PINF


def unpack(fmt: Format, word: int) -> Unpacked:
    """Split a word of `fmt` for adding. A special adds nothing: mantissa 0 at exponent 1."""
    sign, field, fraction = fields(fmt, word)
    special = special_of(fmt, sign, field, fraction)
    if special:
        return Unpacked(1, 0, special)
    significand = (fraction if field == 0 else fmt.hidden + fraction) << fmt.guard_bits
    return Unpacked(max(field, 1), -significand if sign else significand, 0)


def to_fraction(fmt: Format, word: int) -> Fraction:
    """The exact value of a finite word (both zeros give 0). Raises ValueError for infinities and NaN."""
    exponent, mantissa, special = unpack(fmt, word)
    if special:
        raise ValueError(f"{word:#x} is not a finite {fmt.name} number")
    return mantissa * Fraction(2) ** (exponent + fmt.scale)


def to_float(fmt: Format, word: int) -> float:
    """The word's value as a Python float; exact, since every format here is narrower than a double."""
    exponent, mantissa, special = unpack(fmt, word)
    sign = -1.0 if word & fmt.sign_bit else 1.0
    if special & NAN:
        return math.nan
    if special:
        return sign * math.inf
    return math.copysign(math.ldexp(mantissa, exponent + fmt.scale), sign)
