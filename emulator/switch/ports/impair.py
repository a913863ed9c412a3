"""Loss, duplication, reordering and delay on ports, as written on the command line.

    --impair in:loss=0.01,out:dup=0.001,reorder=0.02,seed=7

`in:` and `out:` hold for what follows, until the next one; before the first, both directions are meant.
Each port has its own sequence of random decisions in each direction, so the copies of one multicast fare
independently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

_TIME = re.compile(r"^(\d+(?:\.\d+)?)(us|ms|s)?$")
_SCALE = {"us": 1, "ms": 1000, "s": 1_000_000, None: 1}
KEYS = "loss, dup, reorder, gap, wait, delay, seed"


@dataclass(frozen=True)
class Impairment:
    """One direction of a port. loss, dup, reorder: probability per packet. gap: how many later packets
    overtake a reordered one; wait: for how long at most it waits for them (microseconds). delay: of every
    packet (microseconds)."""

    loss: float = 0.0
    dup: float = 0.0
    reorder: float = 0.0
    gap: int = 3
    wait: int = 2000
    delay: int = 0

    @property
    def active(self) -> bool:
        """Whether anything at all happens to packets."""
        return bool(self.loss or self.dup or self.reorder or self.delay)


@dataclass(frozen=True)
class Impairments:
    """Both directions and the seed of all decisions."""

    inward: Impairment = field(default_factory=Impairment)
    outward: Impairment = field(default_factory=Impairment)
    seed: int = 1


def parse_impairments(text: str) -> Impairments:
    """Reads the option's value. Raises ValueError with one sentence."""
    parsed = Impairments()
    directions: tuple[str, ...] = ("inward", "outward")
    for item in filter(None, (part.strip() for part in text.split(","))):
        prefix, colon, rest = item.partition(":")
        if colon:
            if prefix not in ("in", "out"):
                raise ValueError(f'--impair: "{prefix}:" is neither "in:" nor "out:"')
            directions = ("inward",) if prefix == "in" else ("outward",)
            item = rest
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            raise ValueError(f'--impair: "{item}" is not of the form key=value')
        if key == "seed":
            parsed = replace(parsed, seed=_integer(key, value))
            continue
        for direction in directions:
            changed = replace(getattr(parsed, direction), **{key: _value(key, value)})
            parsed = replace(parsed, **{direction: changed})
    return parsed


def _value(key: str, value: str) -> float | int:
    if key in ("loss", "dup", "reorder"):
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            raise ValueError(f'--impair: {key} must be a probability between 0 and 1, not "{value}"')
        return number
    if key == "gap":
        gap = _integer(key, value)
        if gap < 1:
            raise ValueError("--impair: gap must be at least 1")
        return gap
    if key in ("wait", "delay"):
        match = _TIME.match(value)
        if not match or float(match[1]) * _SCALE[match[2]] > 60_000_000:
            raise ValueError(f'--impair: {key} must be a time such as 500us or 2ms (at most 60s), not "{value}"')
        return int(float(match[1]) * _SCALE[match[2]])
    raise ValueError(f'--impair: unknown key "{key}" (known: {KEYS})')


def _integer(key: str, value: str) -> int:
    try:
        number = int(value, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 63:
        raise ValueError(f'--impair: {key} must be a whole number from 0, not "{value}"')
    return number
