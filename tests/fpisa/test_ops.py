"""Operations against the machine's own floats and against exact fractions."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from fpisa import scalar
from fpisa.accuracy.inputs import corner_words, finite_only, random_words
from fpisa.codec import to_float, to_fraction, unpack
from fpisa.flags import INEXACT, INVALID, NAN, OVERFLOW
from fpisa.formats import FORMATS, FP8_E4M3, FP8_E5M2, FP16, FP32, FormatError, get_format
from fpisa.literals import from_fraction
from fpisa.ops import compare, convert, multiply, scale, tables
from fpisa.register import Register


def pairs(rng, fmt, count=3000):
    corners = rng.choice(corner_words(fmt), (count, 2))
    return np.concatenate([corners, random_words(rng, fmt, 2 * count).reshape(-1, 2)]).tolist()


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda f: f.name)
def test_comparisons_are_those_of_floats(fmt, rng):
    for left, right in pairs(rng, fmt):
        a, b = to_float(fmt, left), to_float(fmt, right)
        expected = None if math.isnan(a) or math.isnan(b) else (a > b) - (a < b)
        assert compare.compare(fmt, left, right) == expected
        assert compare.less(fmt, left, right) == (a < b)
        low, high = compare.minimum(fmt, left, right), compare.maximum(fmt, left, right)
        if expected is None:
            assert low == high == fmt.nan
        else:
            assert {low, high} == {left, right}
            assert to_float(fmt, low) <= to_float(fmt, high)


def test_keys_order_every_half():
    numbers = [word for word in range(1 << 16) if not unpack(FP16, word).special]
    by_key = sorted(numbers, key=lambda word: compare.order_key(FP16, word))
    values = [to_float(FP16, word) for word in by_key]
    assert values == sorted(values) and len({compare.order_key(FP16, word) for word in numbers}) == len(
        numbers
    )
    assert compare.minimum(FP16, 0x8000, 0) == 0x8000 and compare.maximum(FP16, 0x8000, 0) == 0


@pytest.mark.parametrize("name", FORMATS)
def test_to_integer_and_back(name, rng):
    fmt = get_format(name)
    for word in [*corner_words(fmt).tolist(), *random_words(rng, fmt, 2000).tolist()]:
        if unpack(fmt, word).special:
            assert convert.to_integer(fmt, word)[1] == INVALID
            continue
        exact = to_fraction(fmt, word)
        for rounding, whole in (("rtz", int(exact)), ("rne", round(exact))):
            value, flags = convert.to_integer(fmt, word, 32, rounding)
            clamped = min(max(whole, -(2**31)), 2**31 - 1)
            assert value == clamped
            assert flags == (INVALID if clamped != whole else INEXACT if exact != whole else 0)


@pytest.mark.parametrize(("fmt", "dtype"), [(FP32, np.float32), (FP16, np.float16)], ids=["fp32", "fp16"])
def test_from_integer_is_the_machines_own(fmt, dtype, rng):
    for value in [
        0,
        1,
        -1,
        65503,
        65504,
        65519,
        65520,
        2**31 - 1,
        -(2**31),
        *rng.integers(-(2**31), 2**31, 2000),
    ]:
        value = int(value) >> int(rng.integers(0, 24)) if abs(int(value)) > 65520 else int(value)
        with np.errstate(over="ignore"):
            expected = dtype(float(value))
        word, flags = convert.from_integer(fmt, value)
        assert word == int(expected.view(f"u{fmt.width // 8}"))
        assert bool(flags & INEXACT) == (float(expected) != value)
        assert bool(flags & OVERFLOW) == bool(np.isinf(expected))


@pytest.mark.parametrize("target", FORMATS.values(), ids=lambda f: f.name)
@pytest.mark.parametrize("source", FORMATS.values(), ids=lambda f: f.name)
def test_between_formats(source, target, rng):
    for word in [*corner_words(source).tolist(), *random_words(rng, source, 300).tolist()]:
        got, flags = convert.to_format(source, target, word)
        special = unpack(source, word).special
        if special:
            lost = special == NAN or target.finite
            assert got == target.nan if lost else unpack(target, got).special == special
            assert flags == (INVALID if lost else 0)
            continue
        exact = to_fraction(source, word)
        sign = target.sign_bit if word & source.sign_bit else 0
        assert got == (from_fraction(target, exact) or sign)
        if source is target:
            assert (got, flags) == (word, 0)


def test_fp32_to_fp16_is_numpys(rng):
    words = finite_only(FP32, random_words(rng, FP32, 3000))
    with np.errstate(over="ignore"):
        expected = words.view(np.float32).astype(np.float16).view(np.uint16)
    assert [convert.to_format(FP32, FP16, word)[0] for word in words.tolist()] == expected.tolist()


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda f: f.name)
def test_powers_of_two(fmt, rng):
    for word in finite_only(fmt, random_words(rng, fmt, 1500)).tolist():
        power = int(rng.integers(-40, 40))
        exact = to_fraction(fmt, word) * Fraction(2) ** power
        assert scale.times_power_of_two(fmt, word, power)[0] == (
            from_fraction(fmt, exact) or word & fmt.sign_bit
        )


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 12, 32, 1000, 1024])
def test_averages(count, rng):
    for _ in range(400):
        register = Register(int(rng.integers(40, 220)), int(rng.integers(-(2**31), 2**31)), 0, 0)
        exact = register.mantissa * Fraction(2) ** (register.exponent + FP32.scale) / count
        expected = from_fraction(FP32, exact)
        word, _ = scale.read_average(FP32, register, count)
        assert abs(word - expected) <= (0 if count & (count - 1) == 0 else 1)
        power = -(count - 1).bit_length()
        assert scale.read_scaled(FP32, register, power)[0] == from_fraction(
            FP32, exact * count * Fraction(2) ** power
        )


def test_average_of_a_sum_with_specials_and_flags():
    *_, state = scalar.accumulate(FP32, [0x7F800000, 0x3F800000])
    assert scale.read_average(FP32, state, 2) == (0x7F800000, 0)
    assert scale.read_average(FP32, Register(254, 1 << 30, 0, 1), 2) == (0x7F800000, OVERFLOW | INEXACT)
    with pytest.raises(ValueError, match="count of 1 or more"):
        scale.read_average(FP32, state, 0)


@pytest.mark.parametrize("fmt", [FP32, FP16, FP8_E4M3, FP8_E5M2], ids=lambda f: f.name)
def test_products_are_correctly_rounded(fmt, rng):
    for left, right in pairs(rng, fmt, 2000):
        word, flags = multiply.multiply(fmt, left, right)
        a, b = to_float(fmt, left), to_float(fmt, right)
        if not (math.isfinite(a) and math.isfinite(b)):
            product = a * b
            if math.isnan(product) or fmt.finite:
                assert (word, flags) == (fmt.nan, INVALID)
            else:
                assert to_float(fmt, word) == product
            continue
        exact = to_fraction(fmt, left) * to_fraction(fmt, right)
        sign = (left ^ right) & fmt.sign_bit
        assert word == (from_fraction(fmt, exact) or sign)
        if not flags & (OVERFLOW | INVALID):
            assert bool(flags & INEXACT) == (to_fraction(fmt, word) != exact)


@pytest.mark.parametrize("bits", [4, 8, 12, 16])
def test_table_errors_shrink_with_their_size(bits, rng):
    words = [int(w) for w in (rng.integers(0, 1 << 23, 500) | (rng.integers(60, 190, 500) << 23))]
    for word, other in itertools.pairwise(words):
        value, second = to_float(FP32, word), to_float(FP32, other)
        checks = [
            (tables.reciprocal(FP32, word, bits), 1 / value, 1.0),
            (tables.reciprocal(FP32, word, bits, "bipartite"), 1 / value, 8.0),
            (tables.square_root(FP32, word, bits), math.sqrt(value), 0.5),
            (tables.square_root(FP32, word, bits, "bipartite"), math.sqrt(value), 8.0),
            (multiply.multiply_by_tables(FP32, word, other, bits), value * second, 3.0),
        ]
        for (got, _), expected, factor in checks:
            if 1e-37 < expected < 3e38:
                assert abs(to_float(FP32, got) / expected - 1) <= factor * 2.0**-bits


def test_a_bipartite_table_of_half_a_size_beats_a_plain_one():
    plain, two = (tables.reciprocal_table(FP32, 12, "plain"), tables.reciprocal_table(FP32, 12, "bipartite"))
    fractions = np.arange(0, 1 << 23, 997)
    exact = 1 / (1 + fractions / 2**23)
    errors = [np.abs(t.look_up(fractions) / 2**t.out_places - exact).max() for t in (plain, two)]
    assert two.size < plain.size / 4 and errors[1] < 2 * errors[0]


def test_specials_of_tables():
    inf, zero = 0x7F800000, 0
    assert tables.reciprocal(FP32, inf, 8)[0] == 0 and tables.reciprocal(FP32, inf | 1 << 31, 8)[0] == 1 << 31
    assert tables.reciprocal(FP32, 1 << 31, 8) == (0xFF800000, OVERFLOW)
    assert tables.square_root(FP32, 0xBF800000, 8) == (FP32.nan, INVALID)
    assert tables.square_root(FP32, 1 << 31, 8) == (1 << 31, 0)
    assert tables.square_root(FP32, inf, 8) == (inf, 0)
    assert multiply.multiply_by_tables(FP32, zero, inf, 8) == (FP32.nan, INVALID)
    with pytest.raises(FormatError, match="not within 1"):
        tables.reciprocal(FP32, 1, 0)
