"""Words against an independent view of them: NumPy's and struct's own floats."""

import math
import struct
from fractions import Fraction

import numpy as np
import pytest

from fpisa import batch
from fpisa.accuracy.inputs import corner_words, random_words
from fpisa.codec import to_float, to_fraction, unpack
from fpisa.flags import NAN, NINF, PINF
from fpisa.formats import BF16, FORMATS, FP8_E4M3, FP8_E5M2, FP16, FP32
from fpisa.normalize import read
from fpisa.register import first


def independent_values(fmt):
    """All values of a narrow format as float64, by means that are not ours."""
    words = np.arange(1 << fmt.width, dtype=np.uint32)
    if fmt is FP16:
        return words.astype(np.uint16).view(np.float16).astype(np.float64)
    if fmt is BF16:
        return np.array([float(v) for v in (words << 16).view(np.float32)])
    if fmt is FP8_E5M2:
        return (words << 8).astype(np.uint16).view(np.float16).astype(np.float64)
    # E4M3 by the text of the OCP specification.
    values = []
    for word in words.tolist():
        exponent, fraction = word >> 3 & 15, word & 7
        magnitude = (fraction / 8 * 2.0**-6) if exponent == 0 else (1 + fraction / 8) * 2.0 ** (exponent - 7)
        values.append(math.copysign(math.nan if word & 0x7F == 0x7F else magnitude, -1 if word & 128 else 1))
    return np.array(values)


@pytest.mark.parametrize("fmt", [FP16, BF16, FP8_E4M3, FP8_E5M2], ids=lambda f: f.name)
def test_every_value_of_narrow_formats(fmt):
    expected = independent_values(fmt)
    for word, value in enumerate(expected.tolist()):
        exponent, mantissa, special = unpack(fmt, word)
        if math.isfinite(value):
            assert special == 0
            assert mantissa * Fraction(2) ** (exponent + fmt.scale) == Fraction(value), hex(word)
        else:
            assert (exponent, mantissa) == (1, 0)
            assert special == (NAN if math.isnan(value) else PINF if value > 0 else NINF)
        ours = to_float(fmt, word)
        assert ours == value or (math.isnan(ours) and math.isnan(value))
        assert math.isnan(value) or math.copysign(1, ours) == math.copysign(1, value)


@pytest.mark.parametrize("registers", [(32, 0), (32, 3), (64, 32), (16, 0)])
@pytest.mark.parametrize("fmt", [FP16, BF16, FP8_E4M3, FP8_E5M2], ids=lambda f: f.name)
@pytest.mark.parametrize("rounding", ["rne", "rtz"])
def test_one_contribution_reads_back_as_itself(fmt, registers, rounding):
    fmt = fmt.with_registers(*registers)
    for word in range(1 << fmt.width):
        result = read(fmt, first(fmt, word), rounding)
        special = unpack(fmt, word).special
        expected = fmt.nan if special & NAN else 0 if word == fmt.sign_bit else word
        assert result == (expected, 4 if special & NAN else 0), hex(word)


def test_fp32_reads_back_as_itself(rng):
    words = np.concatenate([corner_words(FP32), random_words(rng, FP32, 1_000_000)])
    results = batch.read(FP32, batch.first(FP32, words))
    values = words.view(np.float32)
    back = results.words.view(np.float32)
    same = (
        (results.words == words)
        | (np.isnan(values) & (results.words == FP32.nan))
        | (values == 0) & (back == 0)
    )
    assert same.all()


def test_fp32_values_against_struct(rng):
    for word in [*corner_words(FP32).tolist(), *random_words(rng, FP32, 5000).tolist()]:
        value = struct.unpack("<f", struct.pack("<I", word))[0]
        if math.isfinite(value):
            assert to_fraction(FP32, word) == Fraction(value)


def test_specials_have_no_fraction():
    for fmt in FORMATS.values():
        with pytest.raises(ValueError, match="is not a finite"):
            to_fraction(fmt, fmt.nan)
