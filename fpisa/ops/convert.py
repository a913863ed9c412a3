"""Between floats and integers, and from one float format to another."""

from __future__ import annotations

from fpisa.bits import saturate, shift_round
from fpisa.codec import unpack
from fpisa.flags import INEXACT, INVALID, NAN, PINF
from fpisa.formats import Format
from fpisa.normalize import Result, overflow_flags, round_pack


def to_integer(fmt: Format, word: int, width: int = 32, rounding: str = "rtz") -> tuple[int, int]:
    """(signed integer of `width` bits, flags). Clamped where too large and 0 for NaN, both with INVALID."""
    exponent, mantissa, special = unpack(fmt, word)
    if special:
        limit = (1 << (width - 1)) - 1
        return (0 if special == NAN else limit if special == PINF else -limit - 1), INVALID
    places = -(exponent + fmt.scale)
    magnitude = shift_round(abs(mantissa), places, rounding)
    value, clamped = saturate(-magnitude if mantissa < 0 else magnitude, width)
    inexact = places > 0 and magnitude << places != abs(mantissa)
    return value, INVALID if clamped else INEXACT * inexact


def from_integer(fmt: Format, value: int, rounding: str = "rne") -> Result:
    """An integer of any size as the nearest word."""
    return rounded(fmt, value < 0, abs(value), 0, rounding)


def to_format(source: Format, target: Format, word: int, rounding: str = "rne") -> Result:
    """A word of one format as the nearest of another; infinities stay, NaN becomes canonical, -0 stays -0."""
    exponent, mantissa, special = unpack(source, word)
    sign = target.sign_bit if word & source.sign_bit else 0
    if special == NAN or (special and target.finite):
        return Result(target.nan, INVALID)
    if special:
        return Result(target.overflowed | sign, 0)
    result = rounded(target, mantissa < 0, abs(mantissa), exponent + source.scale, rounding)
    return result if mantissa else Result(sign, 0)


def rounded(fmt: Format, negative: bool, magnitude: int, exponent: int, rounding: str) -> Result:
    """magnitude * 2^exponent through the exit door, with INEXACT where it rounded."""
    word, overflowed = round_pack(fmt, negative, magnitude, exponent, rounding)
    if overflowed:
        return Result(word, overflow_flags(fmt) | INEXACT)
    back, mantissa, _ = unpack(fmt, word)
    shift = (back + fmt.scale) - exponent
    same = abs(mantissa) << shift == magnitude if shift >= 0 else abs(mantissa) == magnitude << -shift
    return Result(word, 0 if same else INEXACT)
