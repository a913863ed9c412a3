"""NumPy twins of the scalar reference: same names, arrays of words, equal on every bit.

Words come as unsigned integers of the format's width (`word_dtype`). Arithmetic runs in int64, which holds
every register of up to 32 bits with room to spare; only a 64-bit register needs its carry looked at.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpisa.batch_bits import asr, highest_bit, saturating_add, shift_round, shifted_out
from fpisa.flags import (
    INEXACT,
    INVALID,
    LEFT_OVERFLOW,
    NAN,
    NINF,
    OVERFLOW,
    OVERWRITTEN,
    PINF,
    STATUS_MASK,
)
from fpisa.formats import Format, FormatError, check_rounding, check_shape
from fpisa.normalize import overflow_flags

Array = NDArray[Any]


class Registers(NamedTuple):
    """Accumulators of one shape: exponent int32, mantissa int64, special and events uint8 (fpisa.flags)."""

    exponent: Array
    mantissa: Array
    special: Array
    events: Array


class Unpacked(NamedTuple):
    """What words add: exponent int32, mantissa int64, special uint8, all of the words' shape."""

    exponent: Array
    mantissa: Array
    special: Array


class Results(NamedTuple):
    """Words of the format and a status byte each (INEXACT, OVERFLOW, INVALID)."""

    words: Array
    flags: Array


def word_dtype(fmt: Format) -> np.dtype:
    """uint8, uint16 or uint32: how a word of `fmt` lies in memory."""
    return np.dtype(f"u{fmt.width // 8}")


def as_words(fmt: Format, values: Array) -> Array:
    """`values` seen as words of `fmt`: unsigned integers of its width pass, floats of its width are viewed.

    Raises FormatError for anything else, so integers are never taken for floats.
    """
    values = np.asarray(values)
    expected = word_dtype(fmt)
    if values.dtype == expected:
        return values
    if values.dtype.kind in "fV" and values.dtype.itemsize == expected.itemsize:
        return values.view(expected)
    raise FormatError(f"{fmt.name} words must be {expected} or floats of that width, got {values.dtype}")


def unpack(fmt: Format, words: Array) -> Unpacked:
    """Split words for adding; specials add nothing (mantissa 0 at exponent 1)."""
    wide = as_words(fmt, words).astype(np.int64)
    field = wide >> fmt.fraction_bits & fmt.field_mask
    fraction = wide & fmt.fraction_mask
    negative = (wide & fmt.sign_bit) != 0
    special = special_of(fmt, negative, field, fraction)
    significand = np.where(field == 0, fraction, fraction + fmt.hidden) << fmt.guard_bits
    mantissa = np.where(negative, -significand, significand)
    return Unpacked(
        np.where(special != 0, 1, np.maximum(field, 1)).astype(np.int32),
        np.where(special != 0, 0, mantissa),
        special,
    )


def special_of(fmt: Format, negative: Array, field: Array, fraction: Array) -> Array:
    """PINF, NINF, NAN, or 0 for numbers (uint8)."""
    top = field == fmt.field_mask
    if fmt.finite:
        return np.where(top & (fraction == fmt.fraction_mask), NAN, 0).astype(np.uint8)
    infinity = np.where(negative, NINF, PINF)
    return np.where(top, np.where(fraction != 0, NAN, infinity), 0).astype(np.uint8)


def first(fmt: Format, words: Array) -> Registers:
    """The first contribution of a round overwrites whatever was there."""
    unpacked = unpack(fmt, words)
    return Registers(*unpacked, events=np.zeros_like(unpacked.special))


def add(fmt: Format, registers: Registers | None, words: Array) -> Registers:
    """Exact shape, element by element; `registers` None starts a round. Arguments are not changed."""
    if registers is None:
        return first(fmt, words)
    return _add_unpacked(fmt, registers, check_same_shape(registers, unpack(fmt, words)))


def _add_unpacked(fmt: Format, registers: Registers, incoming: Unpacked) -> Registers:
    distance = incoming.exponent - registers.exponent
    grows = distance > 0
    moved = np.where(grows, registers.mantissa, incoming.mantissa)
    still = np.where(grows, incoming.mantissa, registers.mantissa)
    far = np.abs(distance)
    total, clamped = saturating_add(asr(moved, far), still, fmt.register_bits)
    events = shifted_out(moved, far) * INEXACT | clamped * OVERFLOW
    return Registers(
        np.maximum(incoming.exponent, registers.exponent),
        total,
        registers.special | incoming.special,
        registers.events | events.astype(np.uint8),
    )


def merge(fmt: Format, registers: Registers | None, other: Registers) -> Registers:
    """Add other accumulators as they are (fpisa.register.merge); `registers` None starts a round. Events of `other` are
    not taken over."""
    special = other.special != 0
    incoming = Unpacked(
        np.where(special, 1, other.exponent).astype(np.int32), np.where(special, 0, other.mantissa), other.special
    )
    if registers is None:
        return Registers(*incoming, events=np.zeros_like(other.special))
    return _add_unpacked(fmt, registers, check_same_shape(registers, incoming))


def add_approx(fmt: Format, registers: Registers | None, words: Array) -> Registers:
    """Approximate shape, element by element; `registers` None starts a round. Arguments are not changed."""
    if registers is None:
        return first(fmt, words)
    incoming = check_same_shape(registers, unpack(fmt, words))
    exact = _add_unpacked(fmt, registers, incoming)
    distance = incoming.exponent - registers.exponent
    left = (distance > 0) & (distance <= fmt.headroom)
    over = distance > fmt.headroom
    shifted = incoming.mantissa << np.where(left, distance, 0)
    total, clamped = saturating_add(registers.mantissa, shifted, fmt.register_bits)
    left_events = clamped * (OVERFLOW | LEFT_OVERFLOW)
    over_events = (registers.mantissa != 0) * (INEXACT | OVERWRITTEN)
    events = np.where(left, left_events, over_events).astype(np.uint8) | registers.events
    return Registers(
        np.where(left, registers.exponent, exact.exponent),
        np.where(left, total, np.where(over, incoming.mantissa, exact.mantissa)),
        exact.special,
        np.where(left | over, events, exact.events),
    )


ADD = {"exact": add, "approx": add_approx}


def check_same_shape(registers: Registers, incoming: Unpacked) -> Unpacked:
    """`incoming` itself; FormatError where its shape is not the registers'."""
    if registers.mantissa.shape != incoming.mantissa.shape:
        raise FormatError(
            f"shapes differ: registers {registers.mantissa.shape}, contribution {incoming.mantissa.shape}"
        )
    return incoming


def read(fmt: Format, registers: Registers, rounding: str = "rne") -> Results:
    """Normalise, round and pack every accumulator."""
    check_rounding(rounding)
    mantissa = registers.mantissa
    magnitude = np.abs(mantissa).view(np.uint64)  # |-2^63| wraps onto itself, which is 2^63 unsigned
    packed, overflowed = round_pack(fmt, magnitude, registers.exponent + fmt.scale, rounding)
    words = np.where(mantissa < 0, packed | fmt.sign_bit, packed)
    if fmt.finite:
        words = np.where(overflowed, fmt.nan, words)
    words, nan = _with_specials(fmt, words, registers.special)
    number = registers.special == 0
    flags = registers.events & STATUS_MASK | (overflowed & number) * overflow_flags(fmt) | nan * INVALID
    return Results(words.astype(word_dtype(fmt)), flags.astype(np.uint8))


def _with_specials(fmt: Format, words: Array, special: Array) -> tuple[Array, Array]:
    """Words with sticky specials in their place, and where a sticky bit made a NaN."""
    nan = (special & NAN != 0) | (special == PINF | NINF) | ((special != 0) & fmt.finite)
    words = np.where(special == PINF, fmt.overflowed, words)
    words = np.where(special == NINF, fmt.overflowed | fmt.sign_bit, words)
    return np.where(nan, fmt.nan, words), nan


def round_pack(fmt: Format, magnitude: Array, exponent: Array, rounding: str) -> tuple[Array, Array]:
    """magnitude (uint64) * 2^exponent as words without sign (int64), and where they overflowed."""
    leading = highest_bit(magnitude)
    field = leading + exponent + fmt.bias
    distance = leading - fmt.fraction_bits + np.maximum(0, 1 - field)
    significand = shift_round(magnitude, distance, rounding).astype(np.int64)
    normal = (field.astype(np.int64) << fmt.fraction_bits) + significand - fmt.hidden
    packed = np.where(magnitude == 0, 0, np.where(field >= 1, normal, significand))
    overflowed = packed > fmt.max_finite
    return np.where(overflowed, fmt.overflowed, packed), overflowed


def sum_rows(fmt: Format, rows: Array, shape: str = "exact", rounding: str = "rne") -> Results:
    """Sums along axis 0, row after row: `rows` (n, ...) words, n >= 1, gives (...) results."""
    add_one, state = ADD[check_shape(shape)], None
    for row in rows:
        state = add_one(fmt, state, row)
    if state is None:
        raise FormatError("a sum needs at least one row of words")
    return read(fmt, state, rounding)


def sum_ragged(
    fmt: Format, words: Array, lengths: Array, shape: str = "exact", rounding: str = "rne"
) -> Results:
    """Many sums of different lengths: sum i adds the next `lengths[i]` (>= 1) of the flat `words`, in order.

    Sums are put in order of falling length, so step k is one vector addition to the sums still running.
    """
    words, lengths = as_words(fmt, words), np.asarray(lengths, np.int64)
    if lengths.size and lengths.min() < 1:
        raise FormatError("a sum needs at least one word")
    order = np.argsort(-lengths, kind="stable")
    starts = (np.cumsum(lengths) - lengths)[order]
    running = np.searchsorted(-lengths[order], -np.arange(lengths.max(initial=0)), side="left")
    add_one = ADD[check_shape(shape)]
    state = first(fmt, words[starts])
    for step, count in enumerate(running[1:], start=1):
        live = add_one(fmt, Registers(*(part[:count] for part in state)), words[starts[:count] + step])
        for whole, part in zip(state, live):
            whole[:count] = part
    results = read(fmt, state, rounding)
    back = np.empty_like(order)
    back[order] = np.arange(order.size)
    return Results(results.words[back], results.flags[back])
