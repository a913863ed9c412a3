"""Both shapes against a model of values and floors: fractions of integers instead of shifts."""

import math
from fractions import Fraction

import numpy as np
import pytest

from fpisa import scalar
from fpisa.accuracy.inputs import corner_words, finite_only, random_words
from fpisa.codec import to_fraction, unpack
from fpisa.flags import INEXACT, LEFT_OVERFLOW, OVERFLOW, OVERWRITTEN
from fpisa.formats import FORMATS, get_format
from fpisa.reference import exact_word

CASES = [
    get_format(*case)
    for case in (
        ("fp32", 32, 0), ("fp32", 32, 3), ("fp32", 64, 32), ("fp32", 64, 0), ("fp16", 16, 0), ("fp16", 32, 2),
        ("bf16", 16, 0), ("bf16", 32, 0), ("fp8_e4m3", 16, 0), ("fp8_e5m2", 16, 4),
    )
]  # fmt: skip
ids = [f"{f.name}-{f.register_bits}-{f.guard_bits}" for f in CASES]


def model_add(fmt, state, word, shape):
    """(exponent, integer mantissa, events) after adding: values over the kept exponent's unit, floored."""
    exponent, value = max(1, word >> fmt.fraction_bits & fmt.field_mask), to_fraction(fmt, word)
    if state is None:
        return exponent, value / unit(fmt, exponent), 0
    kept, mantissa, events = state
    distance = exponent - kept
    if shape == "approx" and distance > fmt.headroom:
        lost = (INEXACT | OVERWRITTEN) if mantissa else 0
        return exponent, value / unit(fmt, exponent), events | lost
    top = max(exponent, kept) if shape == "exact" else kept
    parts = [mantissa * unit(fmt, kept) / unit(fmt, top), value / unit(fmt, top)]
    floored = [math.floor(part) for part in parts]
    total = sum(floored)
    low, high = -(2 ** (fmt.register_bits - 1)), 2 ** (fmt.register_bits - 1) - 1
    clamped = min(max(total, low), high)
    if floored != parts:
        events |= INEXACT
    if clamped != total:
        events |= OVERFLOW | (LEFT_OVERFLOW if shape == "approx" and distance > 0 else 0)
    return top, clamped, events


def unit(fmt, exponent):
    return Fraction(2) ** (exponent - fmt.bias - fmt.fraction_bits - fmt.guard_bits)


@pytest.mark.parametrize("shape", ["exact", "approx"])
@pytest.mark.parametrize("fmt", CASES, ids=ids)
def test_add_against_the_model(fmt, shape, rng):
    words = finite_only(fmt, random_words(rng, fmt, 12_000)).reshape(-1, 8).tolist()
    for sequence in words:
        state = None
        for word, register in zip(sequence, scalar.accumulate(fmt, sequence, shape)):
            state = model_add(fmt, state, word, shape)
            assert (register.exponent, register.mantissa, register.events) == state


@pytest.mark.parametrize("shape", ["exact", "approx"])
def test_sticky_specials_leave_the_number_alone(shape):
    for fmt in FORMATS.values():
        specials = [word for word in corner_words(fmt).tolist() if unpack(fmt, word).special]
        one = fmt.bias << fmt.fraction_bits
        for word in specials:
            before, after = list(scalar.accumulate(fmt, [one, word], shape))
            assert (after.exponent, after.mantissa) == (before.exponent, before.mantissa)
            assert after.special == unpack(fmt, word).special and after.events == 0
            # Started by a special, a register is an exact zero at exponent 1.
            assert next(scalar.accumulate(fmt, [word], shape))[:2] == (1, 0)


def test_infinities_and_nan_come_out_as_ieee_has_them():
    fmt = get_format("fp32")
    inf, one = fmt.overflowed, 0x3F800000
    minus_inf = inf | fmt.sign_bit
    assert scalar.sum_words(fmt, [one, inf]) == (inf, 0)
    assert scalar.sum_words(fmt, [minus_inf, one, minus_inf]) == (minus_inf, 0)
    assert scalar.sum_words(fmt, [inf, one, minus_inf]) == (fmt.nan, 4)
    assert scalar.sum_words(fmt, [0xFFC12345, one]) == (fmt.nan, 4)


@pytest.mark.parametrize("shape", ["exact", "approx"])
def test_clear_flags_mean_the_correctly_rounded_sum_in_any_order(shape, rng):
    """Held against sums of fractions; windows of exponents make flags stay clear often enough to tell."""
    told = 0
    for fmt in CASES:
        # Every batch draws a window of exponents of its own.
        batches = [finite_only(fmt, random_words(rng, fmt, 300)) for _ in range(20)]
        for sequence in np.concatenate(batches).reshape(-1, 3).tolist():
            word, flags = scalar.sum_words(fmt, sequence, shape)
            if flags & (INEXACT | OVERFLOW) == 0:
                told += 1
                assert word == exact_word(fmt, sequence), (fmt, [hex(w) for w in sequence])
                shuffled = [sequence[index] for index in rng.permutation(3)]
                again, flags = scalar.sum_words(fmt, shuffled, shape)
                if flags & (INEXACT | OVERFLOW) == 0:
                    assert again == word
    assert told > 1000


def ordinal(fmt, word):
    """Words of finite numbers counted in the order of their values."""
    magnitude = word & (fmt.sign_bit - 1)
    return -magnitude if word & fmt.sign_bit else magnitude


@pytest.mark.parametrize("guard_bits", [2, 3, 6])
def test_two_contributions_with_guard_bits_are_within_an_ulp_of_ieee(guard_bits, rng):
    fmt = get_format("fp32", 32, guard_bits)
    for left, right in finite_only(fmt, random_words(rng, fmt, 40_000)).reshape(-1, 2).tolist():
        word, flags = scalar.sum_words(fmt, [left, right])
        if not flags & OVERFLOW:
            assert abs(ordinal(fmt, word) - ordinal(fmt, exact_word(fmt, [left, right]))) <= 1


@pytest.mark.parametrize("fmt", CASES, ids=ids)
def test_equal_exponents_are_exact_up_to_the_headroom(fmt, rng):
    count = min(2**fmt.headroom, 128)
    for trial in range(20):
        field = int(rng.integers(1, fmt.field_mask - 8 if fmt.field_mask > 16 else fmt.field_mask))
        fractions = rng.integers(0, fmt.hidden, count) if trial else [fmt.fraction_mask] * count
        sign = rng.integers(0, 2, count) if trial > 1 else [trial] * count
        words = [int(s) * fmt.sign_bit | field << fmt.fraction_bits | int(f) for s, f in zip(sign, fractions)]
        word, flags = scalar.sum_words(fmt, words)
        assert flags & INEXACT == 0
        assert word == exact_word(fmt, words)
