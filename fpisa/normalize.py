"""The one exit door back to words: normalise, round, pack."""

from __future__ import annotations

from typing import NamedTuple

from fpisa.bits import highest_bit, shift_round
from fpisa.flags import INVALID, NAN, NINF, OVERFLOW, PINF, STATUS_MASK
from fpisa.formats import Format
from fpisa.register import Register


class Result(NamedTuple):
    """A word of the format and its status flags (INEXACT, OVERFLOW, INVALID)."""

    word: int
    flags: int


def read(fmt: Format, register: Register, rounding: str = "rne") -> Result:
    """The accumulator's value as a word, with the status of all its additions and of this read."""
    status = register.events & STATUS_MASK
    if register.special:
        word = special_word(fmt, register.special)
        return Result(word, status | INVALID * (word == fmt.nan))
    word, overflowed = round_pack(
        fmt, register.mantissa < 0, abs(register.mantissa), register.exponent + fmt.scale, rounding
    )
    return Result(word, status | (overflow_flags(fmt) if overflowed else 0))


def special_word(fmt: Format, special: int) -> int:
    """NaN, or infinities of both signs: the canonical NaN; otherwise the infinity seen, if there is one."""
    if fmt.finite or special & NAN or special == PINF | NINF:
        return fmt.nan
    return fmt.overflowed | (fmt.sign_bit if special == NINF else 0)


def overflow_flags(fmt: Format) -> int:
    """What a result too large raises; without infinities a NaN comes out, which is INVALID as well."""
    return OVERFLOW | INVALID * fmt.finite


def round_pack(fmt: Format, negative: bool, magnitude: int, exponent: int, rounding: str) -> tuple[int, bool]:
    """magnitude * 2^exponent as a word, and whether it overflowed; any magnitude >= 0, where 0 packs +0.

    The significand is rounded once, at the last bit the word can hold: a subnormal's is at a fixed place.
    A rounding carry runs into the exponent field by itself. Formats without infinities overflow to their NaN.
    """
    if magnitude == 0:
        return 0, False
    leading = highest_bit(magnitude)
    field = leading + exponent + fmt.bias
    distance = leading - fmt.fraction_bits + max(0, 1 - field)
    significand = shift_round(magnitude, distance, rounding)
    packed = (field << fmt.fraction_bits) + significand - fmt.hidden if field >= 1 else significand
    if packed > fmt.max_finite:
        word = fmt.nan if fmt.finite else fmt.overflowed | (fmt.sign_bit if negative else 0)
        return word, True
    return packed | (fmt.sign_bit if negative else 0), False
