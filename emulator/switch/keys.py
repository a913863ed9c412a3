"""Parts of a table key. Values are integers of the key's width; a mask's 1 bits are compared."""

from __future__ import annotations

from typing import NamedTuple


class Exact(NamedTuple):
    value: int


class Lpm(NamedTuple):
    value: int
    prefix_len: int


class Ternary(NamedTuple):
    """Also an optional match: full mask or mask 0."""

    value: int
    mask: int


class Range(NamedTuple):
    """Both ends included."""

    low: int
    high: int


KeyPart = Exact | Lpm | Ternary | Range
EntryKey = tuple[KeyPart, ...]


def prefix_mask(width: int, prefix_len: int) -> int:
    """Ones in the top `prefix_len` of `width` bits."""
    return ((1 << prefix_len) - 1) << (width - prefix_len)


def full(width: int) -> int:
    return (1 << width) - 1
