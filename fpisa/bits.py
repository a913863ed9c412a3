"""Integer primitives of the number format, on Python's unbounded integers."""

from __future__ import annotations


def asr(value: int, distance: int) -> int:
    """Arithmetic right shift, toward minus infinity; any distance >= 0. Far shifts give 0 or -1 by sign."""
    return value >> distance


def shifted_out(value: int, distance: int) -> bool:
    """Whether `asr(value, distance)` drops a bit that is not zero; never where distance is 0."""
    return (value >> distance) << distance != value


def saturate(value: int, width: int) -> tuple[int, bool]:
    """`value` clamped to `width` bits of two's complement, and whether that changed it."""
    top = (1 << (width - 1)) - 1
    clamped = max(-top - 1, min(top, value))
    return clamped, clamped != value


def highest_bit(value: int) -> int:
    """Index of the highest set bit of a positive integer; bit 0 is the lowest."""
    return value.bit_length() - 1


def shift_round(value: int, distance: int, rounding: str) -> int:
    """`value` >= 0 times 2^-distance as an integer, by `rne` or `rtz`; exact for a negative distance."""
    if distance <= 0:
        return value << -distance
    kept = value >> distance
    if rounding == "rtz":
        return kept
    rest, half = value - (kept << distance), 1 << (distance - 1)
    return kept + (rest > half or (rest == half and kept & 1 == 1))
