"""Floats in the order of integers: what a range or ternary match can decide."""

from __future__ import annotations

from fpisa.codec import fields, special_of
from fpisa.flags import NAN
from fpisa.formats import Format


def order_key(fmt: Format, word: int) -> int:
    """An unsigned integer of the word's width that orders all words as their values.

    Positive words get their sign bit set, negative ones have all bits flipped: -NaN < -inf < ... < -0 < +0 <
    ... < +inf < NaN, the total order of IEEE 754 section 5.10.
    """
    return word ^ (2 * fmt.sign_bit - 1) if word & fmt.sign_bit else word | fmt.sign_bit


def is_nan(fmt: Format, word: int) -> bool:
    return special_of(fmt, *fields(fmt, word)) == NAN


def compare(fmt: Format, left: int, right: int) -> int | None:
    """-1, 0 or 1 as values compare (zeros of both signs are equal); None where a NaN is among them."""
    if is_nan(fmt, left) or is_nan(fmt, right):
        return None
    if (left | right) & (fmt.sign_bit - 1) == 0:
        return 0
    a, b = order_key(fmt, left), order_key(fmt, right)
    return (a > b) - (a < b)


def less(fmt: Format, left: int, right: int) -> bool:
    """left < right; false where a NaN is among them."""
    return compare(fmt, left, right) == -1


def minimum(fmt: Format, left: int, right: int) -> int:
    """The smaller word, -0 below +0; the canonical NaN where one is among them (IEEE 754-2019 minimum)."""
    if is_nan(fmt, left) or is_nan(fmt, right):
        return fmt.nan
    return min(left, right, key=lambda word: order_key(fmt, word))


def maximum(fmt: Format, left: int, right: int) -> int:
    """The larger word, +0 above -0; the canonical NaN where one is among them (IEEE 754-2019 maximum)."""
    if is_nan(fmt, left) or is_nan(fmt, right):
        return fmt.nan
    return max(left, right, key=lambda word: order_key(fmt, word))
