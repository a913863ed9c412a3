"""torch twins of `fpisa.batch`, in plain int64 tensor operations; any device."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

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
from fpisa.torch_twin.words import WORD_DTYPES, words


class Registers(NamedTuple):
    """Accumulators of one shape: exponent and mantissa int64, special and events uint8."""

    exponent: Tensor
    mantissa: Tensor
    special: Tensor
    events: Tensor


class Results(NamedTuple):
    """Words (int32, int16 or uint8) and a status byte each."""

    words: Tensor
    flags: Tensor


def unpack(fmt: Format, tensor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(exponent int64, mantissa int64, special uint8); specials add nothing."""
    wide = words(fmt, tensor).to(torch.int64)
    field = wide >> fmt.fraction_bits & fmt.field_mask
    fraction = wide & fmt.fraction_mask
    negative = (wide & fmt.sign_bit) != 0
    special = special_of(fmt, negative, field, fraction)
    significand = torch.where(field == 0, fraction, fraction + fmt.hidden) << fmt.guard_bits
    mantissa = torch.where(negative, -significand, significand)
    number = special == 0
    return torch.where(number, field.clamp(min=1), 1), torch.where(number, mantissa, 0), special


def special_of(fmt: Format, negative: Tensor, field: Tensor, fraction: Tensor) -> Tensor:
    """PINF, NINF, NAN, or 0 for numbers (uint8)."""
    top = field == fmt.field_mask
    if fmt.finite:
        return torch.where(top & (fraction == fmt.fraction_mask), NAN, 0).to(torch.uint8)
    infinity = torch.where(negative, NINF, PINF)
    return torch.where(top, torch.where(fraction != 0, NAN, infinity), 0).to(torch.uint8)


def first(fmt: Format, tensor: Tensor) -> Registers:
    """The first contribution of a round overwrites whatever was there."""
    exponent, mantissa, special = unpack(fmt, tensor)
    return Registers(exponent, mantissa, special, torch.zeros_like(special))


def add(fmt: Format, registers: Registers | None, tensor: Tensor, shape: str = "exact") -> Registers:
    """Add words (or floats of the format) element by element; None starts a round."""
    check_shape(shape)
    if registers is None:
        return first(fmt, tensor)
    incoming = unpack(fmt, tensor)
    if incoming[1].shape != registers.mantissa.shape:
        raise FormatError(
            f"shapes differ: registers {tuple(registers.mantissa.shape)}, contribution {tuple(tensor.shape)}"
        )
    exponent, mantissa, events = (_add_exact if shape == "exact" else _add_approx)(
        fmt, registers, *incoming[:2]
    )
    return Registers(
        exponent, mantissa, registers.special | incoming[2], registers.events | events.to(torch.uint8)
    )


def _add_exact(
    fmt: Format, registers: Registers, e_in: Tensor, m_in: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    distance = e_in - registers.exponent
    grows = distance > 0
    moved = torch.where(grows, registers.mantissa, m_in)
    still = torch.where(grows, m_in, registers.mantissa)
    far = distance.abs()
    near = far.clamp(max=63)
    shifted = moved >> near
    lost = (shifted << near != moved) | ((far > 63) & (moved != 0))
    total, clamped = saturating_add(shifted, still, fmt.register_bits)
    return torch.maximum(e_in, registers.exponent), total, lost * INEXACT | clamped * OVERFLOW


def _add_approx(
    fmt: Format, registers: Registers, e_in: Tensor, m_in: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    exact_e, exact_m, exact_events = _add_exact(fmt, registers, e_in, m_in)
    distance = e_in - registers.exponent
    left, over = (distance > 0) & (distance <= fmt.headroom), distance > fmt.headroom
    shifted = m_in << torch.where(left, distance, 0)
    total, clamped = saturating_add(registers.mantissa, shifted, fmt.register_bits)
    lost = (registers.mantissa != 0) * (INEXACT | OVERWRITTEN)
    events = torch.where(left, clamped * (OVERFLOW | LEFT_OVERFLOW), torch.where(over, lost, exact_events))
    mantissa = torch.where(left, total, torch.where(over, m_in, exact_m))
    return torch.where(left, registers.exponent, exact_e), mantissa, events


def saturating_add(left: Tensor, right: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """left + right clamped to `width` bits of two's complement, and where that changed it."""
    total, top = left + right, (1 << (width - 1)) - 1
    if width < 64:
        clamped = total.clamp(-top - 1, top)
        return clamped, clamped != total
    wrapped = ((left ^ total) & (right ^ total)) < 0
    return torch.where(wrapped, torch.where(right < 0, -top - 1, top), total), wrapped


def read(fmt: Format, registers: Registers, rounding: str = "rne") -> Results:
    """Normalise, round and pack every accumulator."""
    check_rounding(rounding)
    exponent, mantissa = registers.exponent + fmt.scale, registers.mantissa
    # |-2^63| has no int64: it is 2^62 at the next exponent, without a bit to lose.
    lowest = mantissa == -(1 << 63)
    magnitude = torch.where(lowest, 1 << 62, mantissa.abs())
    packed, overflowed = round_pack(fmt, magnitude, exponent + lowest, rounding)
    out = torch.where(mantissa < 0, packed | fmt.sign_bit, packed)
    special = registers.special
    nan = (special & NAN != 0) | (special == PINF | NINF) | ((special != 0) & fmt.finite)
    out = torch.where(special == PINF, fmt.overflowed, out)
    out = torch.where(special == NINF, fmt.overflowed | fmt.sign_bit, out)
    out = torch.where(nan | (overflowed & fmt.finite & (special == 0)), fmt.nan, out)
    flags = (
        registers.events & STATUS_MASK | (overflowed & (special == 0)) * overflow_flags(fmt) | nan * INVALID
    )
    return Results(out.to(WORD_DTYPES[fmt.width]), flags.to(torch.uint8))


def round_pack(fmt: Format, magnitude: Tensor, exponent: Tensor, rounding: str) -> tuple[Tensor, Tensor]:
    """magnitude (int64 >= 0) * 2^exponent as words without sign, and where they overflowed."""
    leading = highest_bit(magnitude)
    field = leading + exponent + fmt.bias
    distance = leading - fmt.fraction_bits + (1 - field).clamp(min=0)
    significand = shift_round(magnitude, distance, rounding)
    normal = (field << fmt.fraction_bits) + significand - fmt.hidden
    packed = torch.where(magnitude == 0, 0, torch.where(field >= 1, normal, significand))
    overflowed = packed > fmt.max_finite
    return torch.where(overflowed, fmt.overflowed, packed), overflowed


def highest_bit(value: Tensor) -> Tensor:
    """Index of the highest set bit of int64 values >= 0; -1 for 0. Halves below 2^32 are exact as doubles."""
    high = value >> 32
    part = torch.where(high != 0, high, value).to(torch.float64)
    return torch.frexp(part)[1].to(torch.int64) - 1 + 32 * (high != 0)


def shift_round(value: Tensor, distance: Tensor, rounding: str) -> Tensor:
    """int64 values >= 0 times 2^-distance, rounded by `rne` or `rtz`; a negative distance is exact."""
    right, left = distance.clamp(0, 62), (-distance).clamp(0, 62)
    kept = value >> right
    if rounding == "rne":
        rest = value - (kept << right)
        half = torch.where(right > 0, torch.ones_like(right) << (right - 1).clamp(min=0), 0)
        up = (rest > half) | ((rest == half) & (kept & 1 == 1))
        kept = kept + ((right > 0) & up)
    return torch.where(distance < 0, value << left, kept)


def sum_rows(fmt: Format, rows: Tensor, shape: str = "exact", rounding: str = "rne") -> Results:
    """Sums along dimension 0 of (n, ...) words or floats, n >= 1."""
    state = None
    for row in rows:
        state = add(fmt, state, row, shape)
    if state is None:
        raise FormatError("a sum needs at least one row of words")
    return read(fmt, state, rounding)
