"""Expressions of the core program (ir.py), and what else may be an argument of a primitive. All are values: equal parts make them
equal."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, dataclass_transform

from .types import BOOL, Type


@dataclass_transform(frozen_default=True)
def node(cls: Any) -> Any:
    """A frozen dataclass with slots, compared by value."""
    return dataclass(frozen=True, slots=True)(cls)


class Expr:
    __slots__ = ()
    type: Type


@node
class Const(Expr):
    value: int
    type: Type


@node
class Field(Expr):
    """A field of a header instance; name "$valid$" is the header's validity (type bool)."""

    header: str
    name: str
    type: Type


@node
class DynField(Expr):
    """A field of a stack's element chosen at run time."""

    stack: str
    index: Expr
    name: str
    type: Type


@node
class LastField(Expr):
    """A field of the stack element extracted last (parser only)."""

    stack: str
    name: str
    type: Type


@node
class LastUnionField(Expr):
    """A field of a member of the union extracted last (parser only)."""

    stack: str
    member: str
    name: str
    type: Type


@node
class Data(Expr):
    """Argument number `index` of the action."""

    index: int
    type: Type


@node
class Op(Expr):
    """P4 operators by their sign; others by name:

    "neg", "slice" (value, high, low), "window" (value, low), "cast", "and", "or", "not", "?" (cond, a, b)."""

    op: str
    args: tuple[Expr, ...]
    type: Type


@node
class Lookahead(Expr):
    offset: int
    width: int
    type: Type


@node
class LastIndex(Expr):
    stack: str
    type: Type


@node
class ValidUnion(Expr):
    union: str
    type: Type = BOOL


# -- arguments of primitives that are not scalars -----------------------------------------------------------------
@node
class HeaderArg:
    name: str


@node
class DynHeaderArg:
    stack: str
    index: Expr


@node
class StackArg:
    name: str


@node
class UnionArg:
    name: str


@node
class LastHeaderArg:
    """The next free (op "next") or last element of a stack (op "last")."""

    stack: str


@node
class UnionMemberArg:
    """A member of the next union of a stack of unions."""

    stack: str
    member: str


@node
class ObjectArg:
    """register_array, counter_array, meter_array or calculation by name."""

    kind: str
    name: str


@node
class Returned:
    """The next `count` arguments are fields that take what an extern of the program returns."""

    count: int


@node
class Raw:
    """A parameter of the JSON file as it is."""

    value: Any
