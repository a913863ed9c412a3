"""Powers of two and averages: changes of the exponent, and one multiplication by a constant."""

from __future__ import annotations

from fpisa.codec import unpack
from fpisa.flags import STATUS_MASK
from fpisa.formats import Format
from fpisa.normalize import Result, overflow_flags, read, round_pack
from fpisa.ops.convert import rounded
from fpisa.register import Register


def times_power_of_two(fmt: Format, word: int, power: int, rounding: str = "rne") -> Result:
    """word * 2^power (division by a negative power), rounded only where the result is subnormal."""
    exponent, mantissa, special = unpack(fmt, word)
    if special:
        return read(fmt, Register(exponent, mantissa, special, 0))
    if mantissa == 0:
        return Result(word, 0)
    return rounded(fmt, mantissa < 0, abs(mantissa), exponent + fmt.scale + power, rounding)


def read_scaled(fmt: Format, register: Register, power: int, rounding: str = "rne") -> Result:
    """Read an accumulator times 2^power: the sum and the scaling round once, together."""
    return _read_magnitude(fmt, register, abs(register.mantissa), power, rounding)


def reciprocal_constant(count: int, bits: int = 32) -> tuple[int, int]:
    """(c, s) with c * 2^-s nearest to 1/count and c of `bits` bits: the controller's table entry for a job.

    Powers of two give c a single bit, so that their average is exact.
    """
    if count < 1:
        raise ValueError(f"an average needs a count of 1 or more, got {count}")
    shift = bits - 1 + (count - 1).bit_length()
    return ((1 << (shift + 1)) // count + 1) >> 1, shift


def read_average(
    fmt: Format, register: Register, count: int, rounding: str = "rne", bits: int = 32
) -> Result:
    """Read an accumulator divided by `count`, by the constant of `reciprocal_constant`.

    The product is exact, so the only errors are the constant's, 2^-bits relative, and the one rounding: with
    bits >= M + 8 within one ulp of the exact quotient's rounding, and equal to it for a power of two.
    """
    constant, shift = reciprocal_constant(count, bits)
    return _read_magnitude(fmt, register, abs(register.mantissa) * constant, -shift, rounding)


def _read_magnitude(fmt: Format, register: Register, magnitude: int, power: int, rounding: str) -> Result:
    if register.special:
        return read(fmt, register, rounding)
    exponent = register.exponent + fmt.scale + power
    word, overflowed = round_pack(fmt, register.mantissa < 0, magnitude, exponent, rounding)
    status = register.events & STATUS_MASK
    return Result(word, status | (overflow_flags(fmt) if overflowed else 0))
