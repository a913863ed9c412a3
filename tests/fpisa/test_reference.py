"""Exact sums against fractions and math.fsum; other systems' sums against the machine."""

import math

import numpy as np
import pytest

from fpisa import reference
from fpisa.accuracy import ieee
from fpisa.accuracy.inputs import GRADIENTS, corner_words, finite_only, random_words
from fpisa.formats import BF16, FORMATS, FP8_E4M3, FP8_E5M2, FP16, FP32


@pytest.mark.parametrize("count", [1, 2, 3, 9, 40])
@pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda f: f.name)
def test_exact_sums_are_the_fractions(fmt, count, rng):
    rows = finite_only(fmt, random_words(rng, fmt, count * 150)).reshape(count, 150)
    sums = reference.exact_sums(fmt, rows)
    words = reference.round_sums(fmt, sums).tolist()
    assert words == [reference.exact_word(fmt, column) for column in rows.T.tolist()]


@pytest.mark.parametrize("count", [2, 17, 300])
def test_exact_sums_are_fsums(count, rng):
    rows = finite_only(FP32, random_words(rng, FP32, count * 200)).reshape(count, 200)
    rows[:, :50] = GRADIENTS["normal"](rng, count, 50).view(np.uint32)
    expected = reference.fsum_words(FP32, rows)
    assert expected.tolist() == [math.fsum(column) for column in rows.view(np.float32).T.tolist()]
    assert np.allclose(
        reference.to_float64(reference.exact_sums(FP32, rows)), expected, rtol=2.0**-51, atol=0
    )


def test_specials_of_exact_sums():
    inf, ninf, nan, one = 0x7F800000, 0xFF800000, 0x7FC00001, 0x3F800000
    rows = np.array([[inf, inf, nan, ninf, one], [one, ninf, one, one, one | 1 << 31]], np.uint32)
    words = reference.round_sums(FP32, reference.exact_sums(FP32, rows))
    assert words.tolist() == [inf, FP32.nan, FP32.nan, ninf, 0]


@pytest.mark.parametrize("fmt", [FP16, BF16, FP8_E4M3, FP8_E5M2], ids=lambda f: f.name)
def test_narrow_values_go_to_float_and_back(fmt):
    words = np.arange(1 << fmt.width, dtype=np.uint32).astype(f"u{fmt.width // 8}")
    values = ieee.to_float32(fmt, words)
    back = ieee.from_float(fmt, values)
    assert ((back == words) | np.isnan(values)).all()
    assert (back[np.isnan(values)] == fmt.nan).all()


def test_narrow_addition_is_correctly_rounded(rng):
    for fmt in (FP16, BF16, FP8_E4M3, FP8_E5M2):
        rows = finite_only(fmt, random_words(rng, fmt, 2 * 2000)).reshape(2, 2000)
        expected = reference.round_sums(fmt, reference.exact_sums(fmt, rows))
        got = ieee.add(fmt, *rows)
        minus_zero = (got == fmt.sign_bit) & (expected == 0)  # IEEE keeps the sign of a sum of -0 alone
        assert ((got == expected) | minus_zero).all()


def test_half_addition_is_numpys(rng):
    rows = random_words(rng, FP16, 4000).reshape(2, 2000).view(np.float16)
    with np.errstate(all="ignore"):
        expected = rows[0] + rows[1]
    got = ieee.add(FP16, *rows.view(np.uint16)).view(np.float16)
    assert ((got == expected) | (np.isnan(got) & np.isnan(expected))).all()


def test_orders_of_addition(rng):
    rows = GRADIENTS["normal"](rng, 7, 500)
    words = rows.view(np.uint32)
    loop = rows[0].copy()
    for row in rows[1:]:
        loop += row
    assert (ieee.sequential(FP32, words).view(np.float32) == loop).all()
    tree = ((rows[0] + rows[1]) + (rows[2] + rows[3])) + ((rows[4] + rows[5]) + rows[6])
    assert (ieee.pairwise(FP32, words).view(np.float32) == tree).all()


def test_kahan_beats_the_plain_loop(rng):
    words = GRADIENTS["normal"](rng, 500, 300).view(np.uint32)
    exact = reference.to_float64(reference.exact_sums(FP32, words))
    plain, kahan = (
        np.abs(how(FP32, words).view(np.float32) - exact).mean() for how in (ieee.sequential, ieee.kahan)
    )
    assert kahan < plain / 3


def test_switchml_is_its_formula_on_one_block():
    values = np.array([[1.0, -0.25, 3e-9], [0.5, 0.75, 0.0]], np.float32)
    scale = np.float32((2**31 - 1) / (2 * 2.0))  # the smallest power above 1.0 is 2
    expected = [
        (round(float(a) * float(scale)) + round(float(b) * float(scale))) / float(scale) for a, b in values.T
    ]
    got = ieee.switchml(FP32, values.view(np.uint32)).view(np.float32)
    assert np.allclose(got, expected, rtol=1e-6, atol=0)
    assert (ieee.switchml(FP32, np.zeros((3, 70), np.uint32)) == 0).all()
    with pytest.raises(ValueError, match="fp32"):
        ieee.switchml(FP16, np.zeros((2, 2), np.uint16))


def test_switchml_never_overflows_its_integers(rng):
    for workers in (2, 7, 32):
        values = np.full((workers, 64), np.float32(1.9999999), np.float32)
        got = ieee.switchml(FP32, values.view(np.uint32)).view(np.float32)
        assert np.allclose(got, workers * values[0], rtol=1e-6)


def test_fp16_ring_sums_every_rank_once():
    values = np.array([[1.0], [2.0], [4.0], [8.0]], np.float32).repeat(9, axis=1)
    assert (ieee.fp16_ring(FP32, values.view(np.uint32)).view(np.float32) == 15).all()


def test_corners_hold_what_they_promise():
    words = set(corner_words(FP32).tolist())
    assert {0, 1, 0x80000000, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000} <= words
    assert {0x7F800001, 0xFFFFFFFF, 0x3F800000, 0x3F7FFFFF, 0x3F800001} <= words
