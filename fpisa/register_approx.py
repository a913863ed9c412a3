"""The approximate shape: what a switch can do today, where a stored mantissa cannot be shifted.

The incoming mantissa is shifted left into the headroom instead; past the headroom it overwrites.
"""

from __future__ import annotations

from fpisa.bits import saturate
from fpisa.codec import unpack
from fpisa.flags import INEXACT, LEFT_OVERFLOW, OVERFLOW, OVERWRITTEN
from fpisa.formats import Format
from fpisa.register import Register, first
from fpisa.register import add as add_exact


def add(fmt: Format, register: Register | None, word: int) -> Register:
    """Add one word; `register` None starts a round. Differs from the exact shape only where the word's
    exponent is the larger one."""
    if register is None:
        return first(fmt, word)
    exponent, mantissa, special = unpack(fmt, word)
    distance = exponent - register.exponent
    if distance <= 0:
        return add_exact(fmt, register, word)
    sticky = register.special | special
    if distance > fmt.headroom:
        lost = (INEXACT | OVERWRITTEN) * (register.mantissa != 0)
        return Register(exponent, mantissa, sticky, register.events | lost)
    total, clamped = saturate(register.mantissa + (mantissa << distance), fmt.register_bits)
    events = (OVERFLOW | LEFT_OVERFLOW) * clamped
    return Register(register.exponent, total, sticky, register.events | events)
