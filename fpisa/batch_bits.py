"""NumPy twins of the integer primitives, on int64 and uint64 arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def asr(value: Array, distance: Array) -> Array:
    """Arithmetic right shift of int64 by any distance >= 0; far shifts give 0 or -1 by sign."""
    return value >> np.minimum(distance, 63)


def shifted_out(value: Array, distance: Array) -> Array:
    """Whether `asr(value, distance)` drops a bit that is not zero."""
    near = np.minimum(distance, 63)
    return ((value >> near) << near != value) | ((distance > 63) & (value != 0))


def saturating_add(left: Array, right: Array, width: int) -> tuple[Array, Array]:
    """left + right clamped to `width` bits of two's complement, and where that changed it."""
    total = left + right
    top = (1 << (width - 1)) - 1
    if width < 64:
        return np.clip(total, -top - 1, top), (total > top) | (total < -top - 1)
    wrapped = ((left ^ total) & (right ^ total)) < 0
    return np.where(wrapped, np.where(right < 0, -top - 1, top), total), wrapped


def highest_bit(value: Array) -> Array:
    """Index (int64) of the highest set bit of uint64 values; -1 for 0."""
    high = value >> np.uint64(32)
    part = np.where(high != 0, high, value)  # below 2^32, so exact as a double
    return np.frexp(part.astype(np.float64))[1].astype(np.int64) - 1 + 32 * (high != 0)


def shift_round(value: Array, distance: Array, rounding: str) -> Array:
    """uint64 values times 2^-distance, rounded by `rne` or `rtz`; a negative distance is exact.

    Distances lie within -63..63: no register has its leading one farther from the fraction's.
    """
    right = np.clip(distance, 0, 63).astype(np.uint64)
    left = np.clip(-distance, 0, 63).astype(np.uint64)
    kept = value >> right
    if rounding == "rne":
        rest = value - (kept << right)
        half = np.uint64(1) << np.where(right > 0, right - np.uint64(1), 0).astype(np.uint64)
        odd = kept & np.uint64(1) == 1
        kept = kept + ((right > 0) & ((rest > half) | ((rest == half) & odd)))
    return np.where(distance < 0, value << left, kept)
