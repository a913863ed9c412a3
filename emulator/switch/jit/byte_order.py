"""Bytes put in another order by masks, shifts and ors, found again as what they are.

P4 has no byte swap: programs write `v[7:0] ++ v[15:8] ++ ...`, which arrives here as a tree of `&`, `|`, `<<`, `>>`.
As one instruction it meets the swap of the field's extraction, and both vanish.
"""

from __future__ import annotations

from emulator.switch import expr as x

Places = tuple[int | None, ...]
"""For each byte of a value, the lowest first, which byte of the source it is; None for a byte of zeros."""

WIDEST = 8


def swapped(e: x.Expr) -> tuple[x.FieldRead, int] | None:
    """(field, number of bytes) where the expression is that many low bytes of the field in reverse, and zeros above."""
    found = _places(e)
    if found is None:
        return None
    source, places = found
    count = len(places)
    while count and places[count - 1] is None:
        count -= 1
    reverse = tuple(range(count - 1, -1, -1))
    return (source, count) if count in (2, 4, 8) and places[:count] == reverse else None


def _places(e: x.Expr) -> tuple[x.FieldRead, Places] | None:
    match e:
        case x.FieldRead():
            return e, tuple(range(WIDEST))
        case x.Binary("&", left, x.Const(mask)):
            return _masked(_places(left), mask)
        case x.Binary("<<", left, x.Const(by)) if by % 8 == 0:
            return _moved(_places(left), by // 8)
        case x.Binary(">>", left, x.Const(by)) if by % 8 == 0:
            return _moved(_places(left), -(by // 8))
        case x.Binary("|", left, right):
            return _joined(_places(left), _places(right))
    return None


def _masked(found: tuple[x.FieldRead, Places] | None, mask: int) -> tuple[x.FieldRead, Places] | None:
    if found is None or mask < 0 or mask >> 8 * WIDEST:
        return None
    kept = [(mask >> 8 * i) & 0xFF for i in range(WIDEST)]
    source, places = found
    if any(k not in (0, 0xFF) for k, place in zip(kept, places, strict=True) if place is not None):
        return None
    return source, tuple(place if k else None for k, place in zip(kept, places, strict=True))


def _moved(found: tuple[x.FieldRead, Places] | None, by: int) -> tuple[x.FieldRead, Places] | None:
    """Shifted up by that many bytes. What is lost at the top must have been zero; what comes in there is unknown."""
    if found is None:
        return None
    source, places = found
    if by >= 0:
        return None if any(p is not None for p in places[WIDEST - by :]) else (source, (None,) * by + places[: WIDEST - by])
    return source, places[-by:] + (None,) * -by


def _joined(
    a: tuple[x.FieldRead, Places] | None, b: tuple[x.FieldRead, Places] | None
) -> tuple[x.FieldRead, Places] | None:
    if a is None or b is None or a[0] != b[0]:
        return None
    if any(p is not None and q is not None for p, q in zip(a[1], b[1], strict=True)):
        return None
    return a[0], tuple(q if p is None else p for p, q in zip(a[1], b[1], strict=True))
