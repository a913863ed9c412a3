"""Exactly rounded sums: the slow oracle, by integers wide enough for every bit a format can hold.

A sum lives in 32-bit limbs of a fixed-point number whose last bit is the format's smallest subnormal; nothing
is ever shifted out. `round_sums` rounds once.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from fpisa import batch
from fpisa.batch import Array
from fpisa.codec import to_fraction
from fpisa.flags import NAN, NINF, PINF
from fpisa.formats import Format
from fpisa.literals import from_fraction

LIMB = 32


class ExactSums(NamedTuple):
    """Sums as sign, leading 64 bits with a sticky last bit, exponent of that last bit, and specials seen."""

    negative: Array
    magnitude: Array
    exponent: Array
    special: Array


def exact_fraction(fmt: Format, words: list[int]) -> Fraction:
    """The exact sum of finite words."""
    return sum((to_fraction(fmt, word) for word in words), Fraction(0))


def exact_word(fmt: Format, words: list[int]) -> int:
    """The correctly rounded sum of finite words (a sum of zero gives +0)."""
    return from_fraction(fmt, exact_fraction(fmt, words))


def exact_sums(fmt: Format, rows: Array) -> ExactSums:
    """Exact sums along axis 0 of words (n, elements), n < 2^31."""
    limbs = _accumulate_limbs(fmt, rows)
    special = np.bitwise_or.reduce(batch.unpack(fmt, rows).special, axis=0)
    negative = _carry(limbs)
    magnitude, position = _leading_bits(limbs)
    unit = 1 - fmt.bias - fmt.fraction_bits
    return ExactSums(negative, magnitude, position + unit, special)


def _accumulate_limbs(fmt: Format, rows: Array) -> Array:
    """Signed limbs (limb, element), lowest first, not yet carried."""
    bits = fmt.field_mask + fmt.fraction_bits + 1 + len(rows).bit_length() + 1
    limbs = np.zeros((bits // LIMB + 2, rows.shape[1]), np.int64)
    columns = np.arange(rows.shape[1])
    guarded = fmt.with_registers(64, 0)
    for row in rows:
        exponent, mantissa, _ = batch.unpack(guarded, row)
        limb, shift = np.divmod(exponent - 1, LIMB)
        shifted = np.abs(mantissa) << shift  # at most 24 + 31 bits
        sign = np.sign(mantissa)
        limbs[limb, columns] += sign * (shifted & 0xFFFFFFFF)
        limbs[limb + 1, columns] += sign * (shifted >> LIMB)
    return limbs


def _carry(limbs: Array) -> Array:
    """Bring limbs into 0..2^32-1 in place, as the magnitude of the sum; returns where it was negative."""
    _propagate(limbs)
    negative = limbs[-1] < 0
    limbs[:, negative] *= -1
    _propagate(limbs)
    return negative


def _propagate(limbs: Array) -> None:
    for index in range(len(limbs) - 1):
        carry = limbs[index] >> LIMB
        limbs[index] -= carry << LIMB
        limbs[index + 1] += carry


def _leading_bits(limbs: Array) -> tuple[Array, Array]:
    """The 64 bits from the leading one down, sticky in the last, and the position of the last."""
    count, elements = limbs.shape
    columns = np.arange(elements)
    top = count - 1 - np.argmax(limbs[::-1] != 0, axis=0)
    padded = np.concatenate([np.zeros((2, elements), np.int64), limbs]).astype(np.uint64)
    high, middle, low = (padded[top + offset, columns] for offset in (2, 1, 0))
    lead = batch.highest_bit(np.maximum(high, 1)).astype(np.uint64)
    room = np.uint64(31) - lead
    window = (high << np.uint64(32) | middle) << room | low >> (np.uint64(32) - room)
    below = np.cumsum(padded != 0, axis=0)[np.maximum(top - 1, 0), columns] * (top >= 1) > 0
    sticky = (low & ((np.uint64(1) << (np.uint64(32) - room)) - np.uint64(1)) != 0) | below
    return window | sticky, LIMB * (top.astype(np.int64) - 1) - room.astype(np.int64)


def round_sums(fmt: Format, sums: ExactSums, rounding: str = "rne") -> Array:
    """Exact sums rounded once to words of `fmt` (any format); specials as an IEEE sum gives them."""
    packed, overflowed = batch.round_pack(fmt, sums.magnitude, sums.exponent, rounding)
    words = np.where(sums.negative & (sums.magnitude != 0), packed | fmt.sign_bit, packed)
    nan = (sums.special & NAN != 0) | (sums.special == PINF | NINF) | (overflowed & fmt.finite)
    infinity = np.where(sums.special == NINF, fmt.overflowed | fmt.sign_bit, fmt.overflowed)
    words = np.where(nan, fmt.nan, np.where(sums.special != 0, infinity, words))
    return words.astype(batch.word_dtype(fmt))


def to_float64(sums: ExactSums) -> Array:
    """Exact sums of finite words to about 2^-52 relative, as float64."""
    values = np.ldexp(sums.magnitude.astype(np.float64), sums.exponent.astype(np.int32))
    return np.where(sums.negative, -values, values)


def fsum_words(fmt: Format, rows: Array) -> Array:
    """The same by math.fsum, which rounds to double first; for cross-checks, slow."""
    from fpisa.codec import to_float

    totals = [math.fsum(to_float(fmt, int(word)) for word in column) for column in rows.T]
    return np.array(totals)
