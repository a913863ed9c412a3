"""The bits that travel beside a sum: sticky special values, and the events of its additions.

An add never raises; what happened to it is told in these bits, as the switch tells it in the packet.
"""

from __future__ import annotations

# Sticky special values of an accumulator.
PINF, NINF, NAN = 1, 2, 4

# Status flags as the result packet carries them.
INEXACT, OVERFLOW, INVALID = 1, 2, 4
STATUS_MASK = 7

# Finer events, for accuracy studies only; they never leave the host. OVERWRITTEN comes with INEXACT,
# LEFT_OVERFLOW (a clamp after the approximate shape's left shift) with OVERFLOW.
OVERWRITTEN, LEFT_OVERFLOW = 8, 16

FLAG_NAMES = {INEXACT: "inexact", OVERFLOW: "overflow", INVALID: "invalid"}
SPECIAL_NAMES = {PINF: "+inf", NINF: "-inf", NAN: "nan"}


def names(bits: int, table: dict[int, str]) -> list[str]:
    """The names of the bits set, in the table's order."""
    return [name for bit, name in table.items() if bits & bit]
