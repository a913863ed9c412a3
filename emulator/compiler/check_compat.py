"""Which types can be compared, and which cast to which."""
from __future__ import annotations

from .checker import Checker
from .types import BOOL, INT, VOID, ApplyResult, Bits, Enum, NewType, Type, Varbit, strip


def comparable(ck: Checker, left: Type, right: Type) -> bool:
    if isinstance(left, ApplyResult) or (isinstance(left, Varbit) and not isinstance(right, Varbit)):
        return False
    if left is VOID or right is VOID:
        return False
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Enum) and one.under is not None and other is INT:
            return True
    return ck.assignable(left, right) or ck.assignable(right, left)


def castable(ck: Checker, target: Type, source: Type) -> bool:
    if ck.assignable(target, source):
        return True
    a, b = strip(target), strip(source)
    if isinstance(target, (NewType, Enum)) or isinstance(source, (NewType, Enum)):
        return (target is not source) and (a == b or b is INT or (isinstance(a, Bits) and isinstance(b, Bits)
                                           and a.signed == b.signed) or (a is INT and isinstance(b, Bits)))
    if isinstance(a, Bits) and isinstance(b, Bits):
        return a.width == b.width or a.signed == b.signed
    if isinstance(a, Bits) and b is BOOL:
        return a.width == 1 and not a.signed
    if a is BOOL:
        return (isinstance(b, Bits) and b.width == 1) or b is INT
    return a is INT and isinstance(b, Bits)


def same_width(want: Type, kind: Type) -> bool:
    a, b = strip(want), strip(kind)
    return isinstance(a, Bits) and isinstance(b, Bits) and a.width == b.width
