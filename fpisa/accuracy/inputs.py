"""Inputs to sum: designed words where arithmetic breaks, random words that meet, and gradients.

Words are arrays of the format's `word_dtype`; gradients are float32 of shape (workers, elements).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fpisa.batch import Array, word_dtype
from fpisa.formats import Format


def corner_words(fmt: Format) -> Array:
    """Every mix of a telling exponent field, a telling fraction and a sign, each once.

    Zeros, subnormals, the smallest and largest normals, around one, infinities and NaN payloads; fractions of
    no, one, two and all bits, walking ones and runs.
    """
    fields = {
        0,
        1,
        2,
        fmt.bias - 1,
        fmt.bias,
        fmt.bias + 1,
        fmt.field_mask - 2,
        fmt.field_mask - 1,
        fmt.field_mask,
    }
    steps = (fmt.headroom, fmt.headroom + 1, fmt.fraction_bits, fmt.fraction_bits + 1, fmt.register_bits)
    fields |= {fmt.bias + sign * step for step in steps for sign in (-1, 1)}
    fractions = {0, fmt.fraction_mask, fmt.hidden >> 1, (fmt.hidden >> 1) - 1, fmt.fraction_mask - 1}
    fractions |= {1 << bit for bit in range(fmt.fraction_bits)}
    fractions |= {fmt.fraction_mask >> bit for bit in range(fmt.fraction_bits)}
    words = {
        sign | field << fmt.fraction_bits | fraction
        for sign in (0, fmt.sign_bit)
        for field in fields
        if 0 <= field <= fmt.field_mask
        for fraction in fractions
    }
    return np.array(sorted(words), word_dtype(fmt))


def random_words(rng: np.random.Generator, fmt: Format, size: int) -> Array:
    """A mix by quarters: uniform bits, corners, exponents within a window, near-opposites of a neighbour."""
    uniform = rng.integers(0, 1 << fmt.width, size, dtype=np.int64)
    corners = rng.choice(corner_words(fmt), size).astype(np.int64)
    base, spread = rng.integers(0, fmt.field_mask), rng.integers(1, fmt.register_bits + 2)
    field = np.clip(base + rng.integers(0, spread, size), 0, fmt.field_mask)
    window = uniform & ~(fmt.field_mask << fmt.fraction_bits) | field << fmt.fraction_bits
    opposite = np.roll(window, 1) ^ fmt.sign_bit ^ rng.integers(0, 4, size)
    kind = rng.integers(0, 4, size)
    return np.choose(kind, [uniform, corners, window, opposite]).astype(word_dtype(fmt))


def finite_only(fmt: Format, words: Array) -> Array:
    """The same words with the lowest exponent bit of infinities and NaNs cleared, which makes them finite."""
    magnitude = words & word_dtype(fmt).type(fmt.sign_bit - 1)
    flip = word_dtype(fmt).type(1 << fmt.fraction_bits)
    return np.where(magnitude > fmt.max_finite, words ^ flip, words)


def normal(rng: np.random.Generator, workers: int, elements: int) -> Array:
    """Normal gradients, scaled by layer and element as `_scaled` says."""
    return _scaled(rng, rng.standard_normal((workers, elements)))


def laplace(rng: np.random.Generator, workers: int, elements: int) -> Array:
    """Laplace-distributed gradients: sharper peak and longer tails than normal."""
    return _scaled(rng, rng.laplace(size=(workers, elements)))


def lognormal(rng: np.random.Generator, workers: int, elements: int) -> Array:
    """Heavy tails: random signs, log-normal magnitudes with sigma 2 for each worker's own draw."""
    signs = rng.choice([-1.0, 1.0], (workers, elements))
    return _scaled(rng, signs * rng.lognormal(0.0, 2.0, (workers, elements)))


def sparse(rng: np.random.Generator, workers: int, elements: int) -> Array:
    """Nine of ten contributions are zero, the rest normal: embedding-like gradients."""
    dense = rng.standard_normal((workers, elements))
    return _scaled(rng, np.where(rng.random((workers, elements)) < 0.9, 0.0, dense))


LAYERS = 16


def _scaled(rng: np.random.Generator, values: Array) -> Array:
    """Times a scale that all workers share: each of 16 layers (runs of neighbours) has one between 10^-6 and 10^-2,
    log-uniform, as gradients of trained layers lie; its elements vary around it log-normally with sigma 1."""
    elements = values.shape[1]
    layer = 10.0 ** rng.uniform(-6, -2, LAYERS)[np.arange(elements) * LAYERS // max(elements, 1)]
    return (values * layer * rng.lognormal(0.0, 1.0, elements)).astype(np.float32)


GRADIENTS: dict[str, Callable[[np.random.Generator, int, int], Array]] = {
    "normal": normal,
    "laplace": laplace,
    "lognormal": lognormal,
    "sparse": sparse,
}


def designed(rng: np.random.Generator, workers: int, elements: int) -> Array:
    """fp32 corner values and random words that meet, finite, small enough that 1024 of them stay finite."""
    from fpisa.formats import FP32

    words = finite_only(FP32, random_words(rng, FP32, workers * elements))
    values = words.view(np.float32).reshape(workers, elements)
    limit = np.float32(2.0**116)
    return np.where(np.abs(values) > limit, np.float32(2.0**-20) * values, values)
