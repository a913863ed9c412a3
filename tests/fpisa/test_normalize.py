"""Reading against the rounding of the machine's own floats."""

import math
from fractions import Fraction

import numpy as np
import pytest

from fpisa.flags import INVALID, NAN, NINF, OVERFLOW, PINF
from fpisa.formats import FORMATS, FP8_E4M3, FP16, FP32, get_format
from fpisa.normalize import read, round_pack
from fpisa.register import Register


def mantissas(rng, fmt, count):
    """Registers of every length of leading zeros, ends of the range, and long runs that round up."""
    lengths = rng.integers(0, fmt.register_bits, count)
    values = [int(rng.integers(0, 1 << 62)) >> max(0, 62 - int(n)) for n in lengths]
    values += [(1 << n) - 1 for n in range(fmt.register_bits)] + [
        1 << n for n in range(fmt.register_bits - 1)
    ]
    return [sign * value for value in values for sign in (1, -1)] + [fmt.mantissa_min, fmt.mantissa_max]


@pytest.mark.parametrize("guard_bits", [0, 3])
@pytest.mark.parametrize(("fmt", "dtype"), [(FP32, np.float32), (FP16, np.float16)], ids=["fp32", "fp16"])
def test_rne_is_the_machines_own(fmt, dtype, guard_bits, rng):
    fmt = fmt.with_registers(32, guard_bits)
    for mantissa in mantissas(rng, fmt, 4000):
        exponent = int(rng.integers(1, fmt.field_mask + 1))
        with np.errstate(over="ignore"):
            expected = dtype(math.ldexp(mantissa, exponent + fmt.scale))
        word, flags = read(fmt, Register(exponent, mantissa, 0, 0))
        assert word == int(expected.view(f"u{fmt.width // 8}")), (exponent, mantissa)
        assert flags == (OVERFLOW if np.isinf(expected) else 0)


@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize("rounding", ["rne", "rtz"])
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "fp32"])
def test_rounding_picks_the_right_neighbour(name, rounding, bits, rng):
    fmt = get_format(name, bits)
    values = [Fraction(0)] + [round_trip(fmt, word) for word in range(1, fmt.max_finite + 1)]
    for mantissa in mantissas(rng, fmt, 40):
        exponent = int(rng.integers(1, fmt.field_mask + 1))
        exact = abs(mantissa) * Fraction(2) ** (exponent + fmt.scale)
        word, _ = read(fmt, Register(exponent, mantissa, 0, 0), rounding)
        magnitude = word & (fmt.sign_bit - 1)
        assert mantissa >= 0 or magnitude == fmt.nan or word & fmt.sign_bit
        if magnitude > fmt.max_finite:
            step = values[-1] - values[-2]
            # 464, halfway from 448 to where the NaN stands, is a tie and goes to 448, whose last bit is 0.
            limit = values[-1] + (step / 2 if rounding == "rne" else step)
            assert exact > limit if fmt.finite and rounding == "rne" else exact >= limit
            continue
        value = values[magnitude]
        assert value <= exact if rounding == "rtz" else True
        for other in (magnitude - 1, magnitude + 1):
            if 0 <= other < len(values):
                if rounding == "rne":
                    assert abs(value - exact) <= abs(values[other] - exact)
                    assert abs(value - exact) < abs(values[other] - exact) or magnitude % 2 == 0
                else:
                    assert other < magnitude or values[other] > exact


def round_trip(fmt, word):
    from fpisa.codec import to_fraction

    return to_fraction(fmt, word)


def test_zero_is_plus_zero_and_flags_of_the_adds_pass_through():
    assert read(FP32, Register(200, 0, 0, 0)) == (0, 0)
    assert read(FP32, Register(127, 1 << 23, 0, 1 | 8)) == (0x3F800000, 1)


@pytest.mark.parametrize("special", range(1, 8))
def test_specials(special):
    for fmt in FORMATS.values():
        word, flags = read(fmt, Register(100, -5, special, 0))
        nan = special & NAN or special == PINF | NINF or fmt.finite
        expected = fmt.nan if nan else fmt.overflowed | (fmt.sign_bit if special == NINF else 0)
        assert (word, flags) == (expected, INVALID if nan else 0)


@pytest.mark.parametrize("rounding", ["rne", "rtz"])
def test_too_large_gives_infinity_in_both_roundings(rounding):
    assert read(FP32, Register(254, 1 << 30, 0, 0), rounding) == (0x7F800000, OVERFLOW)
    assert read(FP32, Register(254, -(1 << 24), 0, 0), rounding) == (0xFF800000, OVERFLOW)
    assert read(FP8_E4M3, Register(15, 1 << 10, 0, 0), rounding) == (0x7F, OVERFLOW | INVALID)


def test_rounding_up_carries_into_the_exponent():
    assert round_pack(FP32, False, (1 << 25) - 1, -25, "rne") == (0x3F800000, False)
    assert round_pack(FP32, True, (1 << 24) - 1, -150, "rne") == (0x80800000, False)
    assert round_pack(FP32, False, (1 << 25) - 1, 103, "rne") == (0x7F800000, True)
    assert round_pack(FP32, False, (1 << 25) - 1, 103, "rtz") == (0x7F7FFFFF, False)
