"""Checks of a key's parts, one per match kind: (part, key description, table's name) -> canonical part.

A part may also be a plain integer (that value only) or None (anything, where the kind allows it)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.switch.errors import ControlError
from emulator.switch.keys import Exact, KeyPart, Lpm, Range, Ternary, full, prefix_mask
from emulator.switch.model import Key


def _fits(value: Any, key: Key, table: str) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << key.width:
        raise ControlError("invalid", f"table {table}, key {key.name}: {value} does not fit {key.width} bits")
    return value


def _wrong(part: Any, key: Key, table: str) -> ControlError:
    kind = type(part).__name__
    return ControlError("invalid", f"table {table}, key {key.name}: it is matched by {key.kind}, not {kind}")


def _exact(part: Any, key: Key, table: str) -> Exact:
    if isinstance(part, int):
        part = Exact(part)
    if not isinstance(part, Exact):
        raise _wrong(part, key, table)
    _fits(part.value, key, table)
    return part


def _lpm(part: Any, key: Key, table: str) -> Lpm:
    if part is None:
        return Lpm(0, 0)
    if isinstance(part, (int, Exact)):
        part = Lpm(part[0] if isinstance(part, Exact) else part, key.width)
    if not isinstance(part, Lpm) or not 0 <= part.prefix_len <= key.width:
        raise _wrong(part, key, table)
    return Lpm(_fits(part.value, key, table) & prefix_mask(key.width, part.prefix_len), part.prefix_len)


def _ternary(part: Any, key: Key, table: str) -> Ternary:
    if part is None:
        return Ternary(0, 0)
    if isinstance(part, (int, Exact)):
        part = Ternary(part[0] if isinstance(part, Exact) else part, full(key.width))
    if isinstance(part, Lpm):
        part = Ternary(part.value, prefix_mask(key.width, part.prefix_len))
    if not isinstance(part, Ternary):
        raise _wrong(part, key, table)
    mask = _fits(part.mask, key, table)
    if key.kind == "optional" and mask not in (0, full(key.width)):
        raise ControlError("invalid", f"table {table}, key {key.name}: an optional match has no partial mask")
    return Ternary(_fits(part.value, key, table) & mask, mask)


def _range(part: Any, key: Key, table: str) -> Range:
    if part is None:
        return Range(0, full(key.width))
    if isinstance(part, (int, Exact)):
        value = part[0] if isinstance(part, Exact) else part
        part = Range(value, value)
    if not isinstance(part, Range):
        raise _wrong(part, key, table)
    if _fits(part.low, key, table) > _fits(part.high, key, table):
        raise ControlError("invalid", f"table {table}, key {key.name}: the range {part.low}..{part.high} is empty")
    return part


CHECKS: dict[str, Callable[[Any, Key, str], KeyPart]] = {
    "exact": _exact,
    "lpm": _lpm,
    "ternary": _ternary,
    "optional": _ternary,
    "range": _range,
}
