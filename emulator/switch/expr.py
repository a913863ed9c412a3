"""Expression nodes of a loaded program: what bmv2 JSON's `expression`, `field`, `hexstr`, ... become.

All nodes are frozen. Things with a name (headers, stacks, registers, ...) are referred to by their dense
index in the corresponding tuple of `model.Model`, never by name, so an engine needs no look-ups.

Values are integers with the semantics of unbounded signed integers (bmv2's bignums); the compiler wrote the
masks. `widths.py` tells how many bits suffice for each node. Two deviations keep values bounded:
`a << n` is 0 for n >= SHIFT_LIMIT, and `a >> n` is a's sign for n >= SHIFT_LIMIT (`n` is read as an unsigned
32-bit number, as bmv2 does). `/` and `%` truncate towards zero; a zero divisor gives x / 0 = 0, x % 0 = x.
"""

from __future__ import annotations

from dataclasses import dataclass

SHIFT_LIMIT = 8192
"""Shifting left by this many bits or more gives 0 (fields are at most MAX_FIELD_WIDTH = 8192 bits wide)."""

VALID = -1
"""Field index of the hidden field `$valid$` (1 bit)."""


# --- Headers, unions: static or chosen by an index at run time ---


@dataclass(frozen=True, slots=True)
class HeaderRef:
    header: int


@dataclass(frozen=True, slots=True)
class StackElement:
    """`stack[index]` with an index computed per packet; out of range reads 0, is invalid, ignores writes."""

    stack: int
    index: Expr


@dataclass(frozen=True, slots=True)
class StackLast:
    """`stack.last`; of an empty stack: as an index out of range."""

    stack: int


@dataclass(frozen=True, slots=True)
class UnionMember:
    """Member number `member` of a union chosen at run time."""

    union: UnionStackElement | UnionStackLast
    member: int


@dataclass(frozen=True, slots=True)
class UnionRef:
    union: int


@dataclass(frozen=True, slots=True)
class UnionStackElement:
    union_stack: int
    index: Expr


@dataclass(frozen=True, slots=True)
class UnionStackLast:
    union_stack: int


HeaderExpr = HeaderRef | StackElement | StackLast | UnionMember
UnionExpr = UnionRef | UnionStackElement | UnionStackLast


# --- Data (integers) ---


@dataclass(frozen=True, slots=True)
class Const:
    value: int


@dataclass(frozen=True, slots=True)
class FieldRead:
    """Field `field` (index in the header's type, or VALID) of the header with index `header`.

    Also serves as an l-value. The value of a field of an invalid header is unspecified by the language;
    both engines read the bits the header last held in this packet (0 if none)."""

    header: int
    field: int


@dataclass(frozen=True, slots=True)
class DynamicField:
    """A field of a header chosen at run time; also an l-value. `header` is never a HeaderRef."""

    header: HeaderExpr
    field: int


@dataclass(frozen=True, slots=True)
class Param:
    """Action data number `index` of the running action (`runtime_data`, `local`)."""

    index: int


@dataclass(frozen=True, slots=True)
class RegisterRead:
    """`register` value inside an expression; out of range reads 0 and is counted."""

    register: int
    index: Expr


@dataclass(frozen=True, slots=True)
class Lookahead:
    """`width` bits of the packet, `offset` bits after the parser's position. Only in parser states."""

    offset: int
    width: int


@dataclass(frozen=True, slots=True)
class Unary:
    """op: `neg ~ b2d` on data/bool giving data."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary:
    """op: `+ - * / % << >> & | ^` on data; `two_comp_mod usat_cast sat_cast` (right: Const width)."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class LastStackIndex:
    """`stack.lastIndex`: number of elements in use minus 1 (all ones in 32 bits for an empty stack)."""

    stack: int
    is_union: bool = False


@dataclass(frozen=True, slots=True)
class Ternary:
    """`cond ? left : right`, lazy. Data when both sides are data, else bool, header or union."""

    cond: Expr
    left: Expr
    right: Expr


# --- Bool ---


@dataclass(frozen=True, slots=True)
class BoolConst:
    value: bool


@dataclass(frozen=True, slots=True)
class Compare:
    """op: `== != < <= > >=` on data."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Logic:
    """op: `and or == !=` on bool."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expr


@dataclass(frozen=True, slots=True)
class NonZero:
    """`d2b`: data to bool."""

    operand: Expr


@dataclass(frozen=True, slots=True)
class HeaderValid:
    """`valid`: whether the header is valid (bool)."""

    header: HeaderExpr


@dataclass(frozen=True, slots=True)
class UnionValid:
    """`valid_union`: whether any member is valid (bool)."""

    union: UnionExpr


@dataclass(frozen=True, slots=True)
class HeaderEqual:
    """Headers equal: both invalid, or both valid with all fields equal. `negated` for `!=`."""

    left: HeaderExpr
    right: HeaderExpr
    negated: bool = False


@dataclass(frozen=True, slots=True)
class UnionEqual:
    """Unions equal: both invalid, or the same member valid with equal fields. `negated` for `!=`."""

    left: UnionExpr
    right: UnionExpr
    negated: bool = False


DataExpr = (
    Const
    | FieldRead
    | DynamicField
    | Param
    | RegisterRead
    | Lookahead
    | Unary
    | Binary
    | LastStackIndex
    | Ternary
)
BoolExpr = (
    BoolConst
    | Compare
    | Logic
    | Not
    | NonZero
    | HeaderValid
    | UnionValid
    | HeaderEqual
    | UnionEqual
    | Ternary
)
Expr = DataExpr | BoolExpr
LValue = FieldRead | DynamicField


_BOOLS = (BoolConst, Compare, Logic, Not, NonZero, HeaderValid, UnionValid, HeaderEqual, UnionEqual)


def is_bool(expr: object) -> bool:
    """Whether an expression is of bool type."""
    return is_bool(expr.left) if isinstance(expr, Ternary) else isinstance(expr, _BOOLS)
