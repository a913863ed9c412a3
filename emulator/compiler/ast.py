"""The syntax tree: what the source says, nothing more.

Nodes are frozen and compared by identity, so later passes can hang facts on them in dictionaries.
`pos` is the place a diagnostic about the node points at.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

node = dataclass(frozen=True, eq=False, slots=True)


@node
class Node:
    pos: int


# -- annotations ----------------------------------------------------------------------------------------------------
@node
class Annotation(Node):
    """@name, @name(a, b), @name[k=v]. `args` are expressions when they parse as such; `text` is the raw body."""

    name: str
    args: tuple[Any, ...] = ()
    text: str | None = None
    brackets: bool = False


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


# -- statements -----------------------------------------------------------------------------------------------------
@node
class Stmt(Node):
    pass


@node
class Empty(Stmt):
    pass


@node
class Assign(Stmt):
    """target op= value; op is "" for plain assignment."""

    target: Expr
    value: Expr
    op: str = ""


@node
class CallStmt(Stmt):
    call: Call


@node
class DirectApply(Stmt):
    """Type.apply(args): an instance made on the spot."""

    type: TypeExpr
    args: tuple[Argument, ...]


@node
class Block(Stmt):
    body: tuple[Any, ...]
    annotations: Annotations = ()


@node
class If(Stmt):
    cond: Expr
    then: Stmt
    orelse: Stmt | None


@node
class Return(Stmt):
    value: Expr | None


@node
class Exit(Stmt):
    pass


@node
class Break(Stmt):
    pass


@node
class Continue(Stmt):
    pass


@node
class SwitchCase(Node):
    """label None is default; body None falls through."""

    label: Expr | None
    body: Block | None


@node
class Switch(Stmt):
    subject: Expr
    cases: tuple[SwitchCase, ...]


@node
class For(Stmt):
    init: tuple[Any, ...]
    cond: Expr
    update: tuple[Stmt, ...]
    body: Stmt
    annotations: Annotations = ()


@node
class ForIn(Stmt):
    """for (type name in collection); `type` None when the variable exists already."""

    type: TypeExpr | None
    name: str
    collection: Expr
    body: Stmt
    annotations: Annotations = ()


# -- declarations ---------------------------------------------------------------------------------------------------
@node
class Decl(Node):
    name: str
    annotations: Annotations


@node
class Const(Decl):
    type: TypeExpr
    value: Expr


@node
class Var(Decl):
    type: TypeExpr
    value: Expr | None


@node
class Instance(Decl):
    """Type(args) name { ... };"""

    type: TypeExpr
    args: tuple[Argument, ...]
    body: tuple[Any, ...] = ()


@node
class Param(Node):
    name: str
    annotations: Annotations
    direction: str
    type: TypeExpr
    default: Expr | None = None


@node
class TypeParam(Node):
    name: str


@node
class Method(Node):
    """A prototype inside an extern; the constructor has the extern's name and no result."""

    name: str
    annotations: Annotations
    result: TypeExpr | None
    type_params: tuple[TypeParam, ...]
    params: tuple[Param, ...]


@node
class ExternObject(Decl):
    type_params: tuple[TypeParam, ...]
    methods: tuple[Method, ...]


@node
class ExternFunction(Decl):
    result: TypeExpr
    type_params: tuple[TypeParam, ...]
    params: tuple[Param, ...]


@node
class Function(Decl):
    result: TypeExpr
    type_params: tuple[TypeParam, ...]
    params: tuple[Param, ...]
    body: Block


@node
class Action(Decl):
    params: tuple[Param, ...]
    body: Block


@node
class KeyElement(Node):
    expr: Expr
    match: str
    annotations: Annotations


@node
class ActionRef(Node):
    """name or name(args) in an actions list or as default_action."""

    name: str
    annotations: Annotations
    args: tuple[Argument, ...] | None = None
    dotted: bool = False


@node
class Entry(Node):
    keys: Expr
    action: ActionRef
    annotations: Annotations
    priority: Expr | None = None
    const: bool = False


@node
class Property(Node):
    """Any other property of a table."""

    name: str
    value: Any
    const: bool
    annotations: Annotations = ()


@node
class Table(Decl):
    keys: tuple[KeyElement, ...]
    actions: tuple[ActionRef, ...] | None
    default: ActionRef | None
    default_const: bool
    entries: tuple[Entry, ...] | None
    entries_const: bool
    properties: tuple[Property, ...]


@node
class Control(Decl):
    type_params: tuple[TypeParam, ...]
    params: tuple[Param, ...]
    ctor_params: tuple[Param, ...]
    locals: tuple[Any, ...]
    body: Block


@node
class SelectCase(Node):
    keys: Expr
    state: str


@node
class Transition(Node):
    """Unconditional when `keys` is None."""

    state: str
    keys: tuple[Expr, ...] | None = None
    cases: tuple[SelectCase, ...] = ()


@node
class State(Decl):
    body: tuple[Any, ...]
    transition: Transition


@node
class Parser(Decl):
    type_params: tuple[TypeParam, ...]
    params: tuple[Param, ...]
    ctor_params: tuple[Param, ...]
    locals: tuple[Any, ...]
    states: tuple[State, ...]


@node
class ValueSet(Decl):
    type: TypeExpr
    size: Expr


@node
class TypeDecl(Decl):
    """Prototype of a parser, control or package; kind tells which."""

    kind: str
    type_params: tuple[TypeParam, ...]
    params: tuple[Param, ...]


@node
class Field(Node):
    name: str
    annotations: Annotations
    type: TypeExpr


@node
class StructDecl(Decl):
    """kind: struct, header or header_union."""

    kind: str
    type_params: tuple[TypeParam, ...]
    fields: tuple[Field, ...]


@node
class EnumDecl(Decl):
    """`under` is the representation of a serializable enum; member values are then set."""

    under: TypeExpr | None
    members: tuple[tuple[str, int, Expr | None], ...]


@node
class ErrorDecl(Node):
    members: tuple[tuple[str, int], ...]


@node
class MatchKindDecl(Node):
    members: tuple[tuple[str, int], ...]


@node
class TypedefDecl(Decl):
    """new: `type` (a type of its own) rather than `typedef` (another name)."""

    new: bool
    type: TypeExpr


@node
class Program(Node):
    decls: tuple[Any, ...] = field(default_factory=tuple)


def annotation(annotations: Annotations, name: str) -> Annotation | None:
    """The last annotation of that name, or None."""
    for item in reversed(annotations):
        if item.name == name:
            return item
    return None


def string_annotation(annotations: Annotations, name: str) -> str | None:
    """The string argument of an annotation such as @name("x"), or None."""
    found = annotation(annotations, name)
    if found and found.args and isinstance(found.args[0], String):
        return found.args[0].value
    return None
