"""Sums as ordinary floating-point hardware makes them, in any format, and as other systems make them.

All take words (n, elements) of a format and return words (elements): rows are added in their order.
Narrow formats add in float32 and round once more, which equals their own addition: 24 >= 2p + 2 for p <= 11.
"""

from __future__ import annotations

import numpy as np

from fpisa import batch
from fpisa.batch import Array
from fpisa.formats import FP16, FP32, Format


def to_float32(fmt: Format, words: Array) -> Array:
    """The words' values as float32, exact for every format here."""
    if fmt.width == 32:
        return words.view(np.float32)
    if fmt.name == "bf16":
        return (words.astype(np.uint32) << 16).view(np.float32)
    if fmt.name == "fp16":
        return words.view(np.float16).astype(np.float32)
    return _fp8_values(fmt)[words]


def _fp8_values(fmt: Format) -> Array:
    """The 256 values of an 8-bit format."""
    from fpisa.codec import to_float

    return np.array([to_float(fmt, word) for word in range(256)], np.float32)


def from_float(fmt: Format, values: Array) -> Array:
    """float32 or float64 values as words of the format, rounded once to nearest even."""
    if fmt.width == 32:
        with np.errstate(over="ignore"):
            return values.astype(np.float32).view(np.uint32)
    with np.errstate(invalid="ignore"):
        wide = values.astype(np.float64)
    finite = np.isfinite(wide)
    fraction, exponent = np.frexp(np.where(finite, np.abs(wide), 0.0))
    magnitude = np.ldexp(fraction, 53).astype(np.uint64)
    packed, _ = batch.round_pack(fmt, magnitude, exponent - 53, "rne")
    packed = np.where(np.isinf(wide), fmt.overflowed, packed)
    signed = np.where(np.signbit(wide), packed | fmt.sign_bit, packed)
    is_nan = np.isnan(wide) | ((packed == fmt.nan) if fmt.finite else False)
    return np.where(is_nan, fmt.nan, signed).astype(batch.word_dtype(fmt))


def add(fmt: Format, left: Array, right: Array) -> Array:
    """One IEEE addition, to nearest even, element by element."""
    with np.errstate(over="ignore", invalid="ignore"):
        return from_float(fmt, to_float32(fmt, left) + to_float32(fmt, right))


def subtract(fmt: Format, left: Array, right: Array) -> Array:
    """left - right, rounded once."""
    return add(fmt, left, right ^ batch.word_dtype(fmt).type(fmt.sign_bit))


def sequential(fmt: Format, rows: Array) -> Array:
    """One after the other, as a parameter server or a ring does."""
    total = rows[0]
    for row in rows[1:]:
        total = add(fmt, total, row)
    return total


def pairwise(fmt: Format, rows: Array) -> Array:
    """In a balanced tree: neighbours first."""
    while len(rows) > 1:
        even = len(rows) // 2 * 2
        rows = np.concatenate([add(fmt, rows[0:even:2], rows[1:even:2]), rows[even:]])
    return rows[0]


def kahan(fmt: Format, rows: Array) -> Array:
    """Kahan's compensated sum: the rounding error of each addition is carried to the next."""
    total, compensation = rows[0], np.zeros_like(rows[0])
    for row in rows[1:]:
        corrected = subtract(fmt, row, compensation)
        grown = add(fmt, total, corrected)
        compensation = subtract(fmt, subtract(fmt, grown, total), corrected)
        total = grown
    return total


def fp16_ring(fmt: Format, rows: Array) -> Array:
    """fp16 compression over a ring: contributions rounded to fp16, chunk c summed from rank c."""
    half = from_float(FP16, to_float32(fmt, rows))
    ranks, elements = half.shape
    start = np.arange(elements) * ranks // max(elements, 1)
    columns = np.arange(elements)
    total = half[start, columns]
    for step in range(1, ranks):
        total = add(FP16, total, half[(start + step) % ranks, columns])
    return from_float(fmt, to_float32(FP16, total))


def switchml(fmt: Format, rows: Array, block: int = 64) -> Array:
    """SwitchML's fixed point: per block of `block` elements the largest exponent of all workers, int32 sums.

    With e the smallest power of two above the block's largest |x| and n workers, q = round(x * s),
    s = (2^31 - 1) / (n * 2^e) as float32; the result is sum(q) / s. fp32 only.
    """
    if fmt.name != FP32.name:
        raise ValueError("SwitchML's quantisation is defined for fp32")
    values = rows.view(np.float32)
    workers, elements = values.shape
    padded = np.pad(values, ((0, 0), (0, -elements % block))).reshape(workers, -1, block)
    largest = np.abs(padded).max(axis=(0, 2))
    field = largest.view(np.uint32) >> 23 & 0xFF
    exponent = np.clip(field.astype(np.int32) - 126, -128, 127)
    with np.errstate(over="ignore", invalid="ignore"):
        scale = (np.float64(2**31 - 1) / (workers * np.ldexp(1.0, exponent))).astype(np.float32)
        scale = np.minimum(scale, np.finfo(np.float32).max)[None, :, None]
        quantised = np.rint(padded * scale).astype(np.int64)
        total = (quantised.sum(axis=0).astype(np.float32) / scale[0]).reshape(-1)[:elements]
    return np.ascontiguousarray(total).view(np.uint32)
