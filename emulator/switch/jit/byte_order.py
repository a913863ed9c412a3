"""Bytes put in another order by masks, shifts and ors, found again as what they are.

P4 has no byte swap: programs write `v[7:0] ++ v[15:8] ++ ...`, which arrives here as a tree of `&`, `|`, `<<`, `>>`.
As one instruction it meets the swap of the field's extraction, and both vanish.
"""

from __future__ import annotations

from collections.abc import Callable

from emulator.switch import expr as x

Bytes = tuple[int | None, ...]
"""For each byte of a value, the lowest first, which byte of the field it is; None for a byte of zeros."""
Found = tuple[x.FieldRead, Bytes] | None

WIDEST = 16
"""Bytes looked at: a field of eight, shifted by eight at most."""


def swapped(e: x.Expr, size_of: Callable[[x.FieldRead], int | None]) -> tuple[x.FieldRead, int] | None:
    """(field, its number of bytes) where the expression is a whole field with its bytes in reverse.

    size_of: the bytes of an unsigned field of whole bytes, else None."""
    found = _bytes(e, size_of)
    if found is None:
        return None
    field, places = found
    size = size_of(field)
    if size not in (2, 4, 8) or places != _padded(tuple(range(size - 1, -1, -1))):
        return None
    return field, size


def _padded(places: Bytes) -> Bytes:
    return places + (None,) * (WIDEST - len(places))


def _bytes(e: x.Expr, size_of: Callable[[x.FieldRead], int | None]) -> Found:
    match e:
        case x.FieldRead():
            size = size_of(e)
            return None if size is None or size > WIDEST // 2 else (e, _padded(tuple(range(size))))
        case x.Binary("&", left, x.Const(mask)):
            return _masked(_bytes(left, size_of), mask)
        case x.Binary("<<", left, x.Const(by)) if by % 8 == 0 and by >= 0:
            return _raised(_bytes(left, size_of), by // 8)
        case x.Binary(">>", left, x.Const(by)) if by % 8 == 0 and by >= 0:
            return _lowered(_bytes(left, size_of), by // 8)
        case x.Binary("|", left, right):
            return _joined(_bytes(left, size_of), _bytes(right, size_of))
    return None


def _masked(found: Found, mask: int) -> Found:
    if found is None or mask < 0:
        return None
    field, places = found
    kept = [(mask >> 8 * i) & 0xFF for i in range(WIDEST)]
    if any(place is not None and keep not in (0, 0xFF) for place, keep in zip(places, kept, strict=True)):
        return None
    return field, tuple(place if keep else None for place, keep in zip(places, kept, strict=True))


def _raised(found: Found, by: int) -> Found:
    if found is None or any(place is not None for place in found[1][max(0, WIDEST - by) :]):
        return None
    return found[0], ((None,) * by + found[1])[:WIDEST]


def _lowered(found: Found, by: int) -> Found:
    return None if found is None else (found[0], _padded(found[1][by:]))


def _joined(a: Found, b: Found) -> Found:
    if a is None or b is None or a[0] != b[0]:
        return None
    if any(p is not None and q is not None for p, q in zip(a[1], b[1], strict=True)):
        return None
    return a[0], tuple(q if p is None else p for p, q in zip(a[1], b[1], strict=True))
