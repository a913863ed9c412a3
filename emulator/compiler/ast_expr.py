"""The syntax tree, first half: annotations, types and expressions.

Nodes are frozen and compared by identity, so later passes can hang facts on them in dictionaries.
`pos` is the place a diagnostic about the node points at.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, dataclass_transform


@dataclass_transform(frozen_default=True, eq_default=False)
def node(cls: Any) -> Any:
    """A frozen dataclass with slots, compared by identity."""
    return dataclass(frozen=True, eq=False, slots=True)(cls)


@node
class Node:
    pos: int


# -- annotations ----------------------------------------------------------------------------------------------------
@node
class Annotation(Node):
    """@name, @name(a, b), @name[k=v]. `args` are expressions when they parse as such, `keys` their names when all have
    one; `text` is the raw body."""

    name: str
    args: tuple[Any, ...] = ()
    text: str | None = None
    brackets: bool = False
    keys: tuple[str, ...] = ()


Annotations = tuple[Annotation, ...]


# -- types ----------------------------------------------------------------------------------------------------------
@node
class TypeExpr(Node):
    pass


@node
class NamedType(TypeExpr):
    """A base type without size (bool, error, int, string, void, _) or a declared name."""

    name: str
    dotted: bool = False


@node
class SizedType(TypeExpr):
    """bit<n>, int<n>, varbit<n>; the width is an expression."""

    kind: str
    width: Expr


@node
class StackType(TypeExpr):
    element: TypeExpr
    size: Expr


@node
class TupleType(TypeExpr):
    kind: str
    members: tuple[TypeExpr, ...]


@node
class GenericType(TypeExpr):
    """Name<A, B>."""

    base: str
    args: tuple[TypeExpr, ...]


# -- expressions ----------------------------------------------------------------------------------------------------
@node
class Expr(Node):
    pass


@node
class Number(Expr):
    value: int
    width: int | None = None
    signed: bool = False


@node
class Bool(Expr):
    value: bool


@node
class String(Expr):
    value: str


@node
class Name(Expr):
    name: str
    dotted: bool = False


@node
class Member(Expr):
    base: Expr
    name: str
    name_pos: int = -1


@node
class TypeName(Expr):
    """A type where an expression stands: error.NoError, Kind.plain."""

    type: TypeExpr


@node
class Unary(Expr):
    op: str
    operand: Expr


@node
class Binary(Expr):
    """op_pos is where the operator stands."""

    op: str
    left: Expr
    right: Expr
    op_pos: int = -1


@node
class Ternary(Expr):
    cond: Expr
    yes: Expr
    no: Expr


@node
class Cast(Expr):
    type: TypeExpr
    operand: Expr


@node
class Index(Expr):
    base: Expr
    index: Expr


@node
class Slice(Expr):
    base: Expr
    high: Expr
    low: Expr


@node
class PlusSlice(Expr):
    """base[low +: width]; low may be known only at run time."""

    base: Expr
    low: Expr
    width: Expr


@node
class Argument(Node):
    """Positional when name is None; value None is `_` (no argument)."""

    name: str | None
    value: Expr | None


@node
class Call(Expr):
    func: Expr
    type_args: tuple[TypeExpr, ...]
    args: tuple[Argument, ...]


@node
class Construct(Expr):
    """Type(args): an object made by its constructor."""

    type: TypeExpr
    args: tuple[Argument, ...]


@node
class ListExpr(Expr):
    """{ a, b } or ( a, b ) in a select label or key set; `rest` when it ends in `...`."""

    items: tuple[Expr, ...]
    rest: bool = False


@node
class StructExpr(Expr):
    """{ a = x, b = y }."""

    names: tuple[str, ...]
    values: tuple[Expr, ...]
    rest: bool = False


@node
class InvalidHeader(Expr):
    """{#}."""


@node
class Dots(Expr):
    """`...` as a value: the default of its type."""


@node
class Default(Expr):
    """default or _ in a select label or key set."""


@node
class Mask(Expr):
    value: Expr
    mask: Expr


@node
class Range(Expr):
    low: Expr
    high: Expr


__all__ = [
    "Annotation", "Annotations", "Argument", "Binary", "Bool", "Call", "Cast", "Construct", "Default",
    "Dots", "Expr", "GenericType", "Index", "InvalidHeader", "ListExpr", "Mask", "Member", "Name",
    "NamedType", "Node", "Number", "PlusSlice", "Range", "SizedType", "Slice", "StackType", "String", "StructExpr",
    "Ternary", "TupleType", "TypeExpr", "TypeName", "Unary",
]
