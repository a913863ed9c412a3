"""The exact shape: an accumulator that may shift its stored mantissa (read-shift-add-write)."""

from __future__ import annotations

from typing import NamedTuple

from fpisa.bits import asr, saturate, shifted_out
from fpisa.codec import unpack
from fpisa.flags import INEXACT, OVERFLOW
from fpisa.formats import Format


class Register(NamedTuple):
    """An accumulator: value = mantissa * 2^(exponent + fmt.scale), sticky specials, events so far."""

    exponent: int
    mantissa: int
    special: int
    events: int


def first(fmt: Format, word: int) -> Register:
    """The first contribution of a round overwrites whatever was there."""
    return Register(*unpack(fmt, word), events=0)


def add(fmt: Format, register: Register | None, word: int) -> Register:
    """Add one word; `register` None starts a round. The operand of the smaller exponent is shifted right."""
    if register is None:
        return first(fmt, word)
    return add_unpacked(fmt, register, *unpack(fmt, word))


def merge(fmt: Format, register: Register | None, other: Register) -> Register:
    """Add another accumulator as it is, neither normalised nor rounded; `register` None starts a round. Its events are
    not taken over: they travel as flags. A special one adds nothing but its sticky bits, as a special word does."""
    incoming = (1, 0, other.special) if other.special else (other.exponent, other.mantissa, 0)
    if register is None:
        return Register(*incoming, events=0)
    return add_unpacked(fmt, register, *incoming)


def add_unpacked(fmt: Format, register: Register, exponent: int, mantissa: int, special: int) -> Register:
    """The format's shift rule: the mantissa with the smaller exponent is shifted right, then they are added."""
    distance = exponent - register.exponent
    if distance > 0:
        moved, still = register.mantissa, mantissa
    else:
        moved, still = mantissa, register.mantissa
    total, clamped = saturate(asr(moved, abs(distance)) + still, fmt.register_bits)
    events = INEXACT * shifted_out(moved, abs(distance)) | OVERFLOW * clamped
    return Register(
        max(exponent, register.exponent), total, register.special | special, register.events | events
    )
