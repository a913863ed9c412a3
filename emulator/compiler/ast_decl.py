"""The syntax tree, second half: statements and declarations."""
from __future__ import annotations

from typing import Any

from .ast_expr import Annotations, Argument, Call, Expr, Node, TypeExpr, node


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
    decls: tuple[Any, ...] = ()


__all__ = [
    "Action", "ActionRef", "Assign", "Block", "Break", "CallStmt", "Const", "Continue", "Control", "Decl",
    "DirectApply", "Empty", "Entry", "EnumDecl", "ErrorDecl", "Exit", "ExternFunction", "ExternObject",
    "Field", "For", "ForIn", "Function", "If", "Instance", "KeyElement", "MatchKindDecl", "Method",
    "Param", "Parser", "Program", "Property", "Return", "SelectCase", "State", "Stmt", "StructDecl",
    "Switch", "SwitchCase", "Table", "Transition", "TypeDecl", "TypeParam", "TypedefDecl", "ValueSet",
    "Var",
]
