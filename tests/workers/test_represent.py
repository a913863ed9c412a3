"""Blocks, block exponents and quantisation, against slow and obvious computations."""

import math
from fractions import Fraction

import numpy as np
import pytest

from workers.represent import (
    Blocks,
    RepresentationError,
    block_exponents,
    dequantise,
    quantise,
    scale_of,
)

SEED = 20261120
LARGEST = np.finfo(np.float32).max / 2  # below 2^127


def corner_values():
    """Zeros of both signs, subnormals, powers of two and their neighbours, both signs."""
    powers = np.ldexp(np.float32(1), np.arange(-149, 127)).astype(np.float32)
    values = np.concatenate([[0.0, -0.0], powers, np.nextafter(powers, np.float32(np.inf)), [LARGEST]])
    return np.concatenate([values, -values]).astype(np.float32)


def slow_exponent(block):
    """The smallest e with 2^e above every magnitude, but at least -126."""
    largest = max(abs(Fraction(float(x))) for x in block)
    if largest < Fraction(2) ** -126:
        return -126
    return math.frexp(float(largest))[1]


@pytest.mark.parametrize("length", [1, 31, 32, 33, 64, 1000])
def test_blocks_keep_order_and_pad_with_zeros(length):
    flat = np.arange(1, length + 1, dtype=np.uint32)
    blocks = Blocks(flat, 32)
    assert blocks.count == -(-length // 32)
    everything = np.arange(blocks.count)
    rows = blocks.get(everything)
    assert rows.shape == (blocks.count, 32)
    assert rows.reshape(-1)[:length].tolist() == flat.tolist()
    assert not rows.reshape(-1)[length:].any()
    blocks.put(everything[::-1], rows[::-1] + 1)
    assert flat.tolist() == list(range(2, length + 2))


def test_block_exponents_bound_every_value():
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    corners = corner_values()
    flat = np.concatenate([rng.permutation(corners), rng.standard_normal(501).astype(np.float32)])
    for elements in (1, 2, 7, 32):
        blocks = Blocks(flat, elements)
        got = block_exponents(blocks)
        for index, exponent in enumerate(got.tolist()):
            assert exponent == slow_exponent(flat[index * elements : (index + 1) * elements])


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 2.0**127, -3e38])
def test_what_has_no_exponent_is_refused(bad):
    for position in (0, 40):
        flat = np.ones(41, np.float32)
        flat[position] = bad
        with pytest.raises(RepresentationError, match="cannot carry infinities, NaN or magnitudes of"):
            block_exponents(Blocks(flat, 32))


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 8, 17, 31, 32])
def test_the_sum_of_all_workers_fits_int32(workers):
    """The worst block of every exponent, times the number of workers."""
    for exponent in range(-126, 128):
        worst = np.nextafter(np.float32(2.0**exponent) if exponent < 128 else np.inf, np.float32(0))
        scale = scale_of(np.int8([exponent]), workers)
        q = int(quantise(np.float32([[worst, -worst]]), scale)[0, 0])
        assert q * workers <= 2**31 - 1


def test_rounding_is_to_nearest_even():
    values = np.float32([[0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997, 1e-30]])
    assert quantise(values, np.float32([1.0])).tolist() == [[0, 2, 2, 0, -2, -2, 0, 0]]


def test_the_way_there_and_back_is_within_half_a_quantum():
    rng = np.random.default_rng(SEED)
    for exponent in (-90, -3, 0, 7, 100):
        values = (rng.uniform(-1, 1, (8, 32)) * 2.0**exponent).astype(np.float32)
        scales = scale_of(np.full(8, exponent, np.int8), 4)
        back = dequantise(quantise(values, scales), scales)
        bound = 0.5 / scales[0].astype(np.float64) + np.abs(values) * 2.0**-23
        assert np.all(np.abs(back.astype(np.float64) - values) <= bound)


def test_blocks_too_small_to_scale_come_back_as_zeros():
    scales = scale_of(np.int8([-126]), 2)
    assert scales.tolist() == [0.0]
    q = quantise(np.float32([[1e-39, 1e-38]]), scales)
    assert q.tolist() == [[0, 0]] and dequantise(q, scales).tolist() == [[0.0, 0.0]]
