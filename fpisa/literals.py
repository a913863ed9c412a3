"""Text to words: what a person types for a float, and hexadecimal words."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction

from fpisa.formats import Format
from fpisa.normalize import round_pack

HEX_WORD = re.compile(r"0[xX][0-9a-fA-F]+")


def parse_value(fmt: Format, text: str) -> int:
    """A word from `0x7f800000` (the word itself), a decimal, a hexadecimal float (`0x1.8p3`), inf or nan.

    Decimals are rounded once, to nearest even, from their exact value. Raises ValueError with a sentence.
    """
    text = text.strip()
    if HEX_WORD.fullmatch(text):
        return parse_word(fmt, text)
    try:
        approximate = float.fromhex(text) if re.search("[xX]", text) else float(text)
    except OverflowError:
        approximate = -math.inf if text.startswith("-") else math.inf
    except ValueError:
        raise ValueError(f"{text!r} is neither a number, inf, nan nor a word such as 0x{fmt.nan:x}") from None
    if math.isnan(approximate):
        return fmt.nan
    sign = fmt.sign_bit if math.copysign(1.0, approximate) < 0 else 0
    if math.isinf(approximate):
        return special_literal(fmt, sign)
    if approximate == 0 or re.search("[xX]", text):
        exact = Fraction(approximate)
    else:
        exact = Fraction(Decimal(text))
    return from_fraction(fmt, exact) or sign


def special_literal(fmt: Format, sign: int) -> int:
    """Infinity of the given sign bit, or NaN in a format without infinities."""
    return fmt.nan if fmt.finite else fmt.overflowed | sign


def from_fraction(fmt: Format, value: Fraction, rounding: str = "rne") -> int:
    """The word nearest to an exact value; the format's infinity (or NaN) where it is too large; +0 for 0."""
    numerator, denominator = abs(value.numerator), value.denominator
    # Enough quotient bits below the leading one that the division's remainder only matters as a sticky bit.
    places = max(0, denominator.bit_length() - numerator.bit_length() + fmt.width + 2)
    quotient, remainder = divmod(numerator << places, denominator)
    return round_pack(fmt, value < 0, quotient << 1 | (remainder != 0), -places - 1, rounding)[0]


def parse_word(fmt: Format, text: str) -> int:
    """A word in hexadecimal, with or without 0x. Raises ValueError with a sentence."""
    try:
        if not re.fullmatch("(0[xX])?[0-9a-fA-F]+", text):
            raise ValueError
        word = int(text, 16)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a hexadecimal word") from None
    if word >> fmt.width:
        raise ValueError(f"{text[:40]!r} does not fit in the {fmt.width} bits of {fmt.name}")
    return word


def show(fmt: Format, word: int) -> str:
    """A word in zero-padded lower-case hexadecimal, without 0x."""
    return f"{word:0{fmt.width // 4}x}"
