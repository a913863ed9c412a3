"""The core program: what is left when everything has been inlined and every name is a field.

Expressions are scalars (bit, int, bool). Control flow is structured: a Block has a label, and Jump leaves the
block of that label, so `return`, `break` and `continue` need no flags. Each statement carries the source position.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .ir_expr import (  # noqa: F401  all are known as ir.Const, ir.Data, ...
    Const,
    Data,
    DynField,
    DynHeaderArg,
    Expr,
    Field,
    HeaderArg,
    LastField,
    LastHeaderArg,
    LastIndex,
    LastUnionField,
    Lookahead,
    ObjectArg,
    Op,
    Raw,
    Returned,
    StackArg,
    UnionArg,
    UnionMemberArg,
    ValidUnion,
    node,
)
from .types import Type


# -- statements -----------------------------------------------------------------------------------------------------
class Stmt:
    __slots__ = ()
    pos: int


@node
class Assign(Stmt):
    target: Expr
    value: Expr
    pos: int


@node
class Prim(Stmt):
    """A primitive of the target, or an operation of the parser (extract, extract_VL, advance, verify)."""

    op: str
    args: tuple[Any, ...]
    pos: int


@node
class If(Stmt):
    cond: Expr
    then: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]
    pos: int


@node
class Block(Stmt):
    label: int
    body: tuple[Stmt, ...]
    pos: int


@node
class Jump(Stmt):
    label: int
    pos: int


@node
class Loop(Stmt):
    """Repeat the body until something jumps to the label."""

    label: int
    body: tuple[Stmt, ...]
    pos: int


@node
class Exit(Stmt):
    pos: int


@node
class Apply(Stmt):
    """Apply a table. `cases` maps action names, or "__HIT__"/"__MISS__", to what follows; None is the default."""

    table: str
    cases: tuple[tuple[str | None, tuple[Stmt, ...]], ...]
    pos: int


# -- the program ----------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class HeaderType:
    """fields: (name, type); types are Bits, BOOL or Varbit."""

    name: str
    fields: list[tuple[str, Type]]
    decl: Any = None


@dataclass(slots=True)
class Header:
    name: str
    type: str
    metadata: bool = False


@dataclass(slots=True)
class HeaderStack:
    name: str
    type: str
    size: int
    headers: list[str]
    union: bool = False


@dataclass(slots=True)
class HeaderUnion:
    name: str
    type: str
    headers: list[str]


@dataclass(slots=True)
class Action:
    """`name` as the control plane knows it; `params`: (name, type, annotations)."""

    name: str
    params: list[tuple[str, Type, Any]]
    body: tuple[Stmt, ...]
    decl: Any
    hidden: bool = False
    key: Any = None


@dataclass(slots=True)
class Key:
    name: str
    match: str
    target: Expr
    mask: int | None
    type: Type
    annotations: Any = ()
    named: bool = False
    source: Any = None


@dataclass(slots=True)
class ActionUse:
    action: Action
    annotations: Any = ()
    args: list[int] | None = None


@dataclass(slots=True)
class TableEntry:
    keys: list[tuple[Any, ...]]
    action: ActionUse
    priority: int
    annotations: Any = ()
    const: bool = False
    pos: int = -1


@dataclass(slots=True)
class Table:
    """A table with everything resolved. `properties` holds implementation, counters, meters as object names."""

    name: str
    pipeline: str
    keys: list[Key]
    selector: list[Expr]
    actions: list[ActionUse]
    default: ActionUse | None
    default_const: bool
    entries: list[TableEntry] | None
    entries_const: bool
    size: int
    decl: Any
    support_timeout: bool = False
    implementation: str | None = None
    counter: str | None = None
    meter: str | None = None
    hidden: bool = False
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Instance:
    """An extern object: kind is the extern's name, values its constructor's arguments by parameter name."""

    name: str
    kind: str
    values: dict[str, Any]
    type_args: tuple[Type, ...]
    decl: Any
    pipeline: str = ""
    binding: str | None = None
    result: Expr | None = None


@dataclass(slots=True)
class State:
    """A parser state. transitions: (key values or None, masks, next state); set names stand for value sets."""

    name: str
    body: tuple[Stmt, ...]
    keys: list[Expr]
    cases: list[tuple[Any, str]]
    pos: int


@dataclass(slots=True)
class ValueSet:
    name: str
    type: Type
    size: int
    decl: Any


@dataclass(slots=True)
class Calculation:
    name: str
    algorithm: str
    input: list[Any]


@dataclass(slots=True)
class Checksum:
    calculation: str
    target: Expr
    cond: Expr
    verify: bool
    update: bool
    pos: int


@dataclass(slots=True)
class Program:
    """Everything the emitters need."""

    name: str
    header_types: dict[str, HeaderType] = field(default_factory=dict)
    headers: dict[str, Header] = field(default_factory=dict)
    stacks: dict[str, HeaderStack] = field(default_factory=dict)
    union_types: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    unions: dict[str, HeaderUnion] = field(default_factory=dict)
    union_stacks: dict[str, HeaderStack] = field(default_factory=dict)
    scalars: dict[str, Type] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    enums: list[tuple[str, list[tuple[str, int]]]] = field(default_factory=list)
    field_lists: dict[int, list[Expr]] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    value_sets: list[ValueSet] = field(default_factory=list)
    deparser: list[str] = field(default_factory=list)
    deparser_body: list[Stmt] = field(default_factory=list)
    verify_body: list[Stmt] = field(default_factory=list)
    instances: dict[str, Instance] = field(default_factory=dict)
    calculations: list[Calculation] = field(default_factory=list)
    checksums: list[Checksum] = field(default_factory=list)
    learn_lists: list[tuple[str, list[Expr], Type]] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=dict)
    ingress: tuple[Stmt, ...] = ()
    egress: tuple[Stmt, ...] = ()
    controller_headers: list[Any] = field(default_factory=list)
    used_types: list[Type] = field(default_factory=list)
    parser_names: dict[str, str] = field(default_factory=dict)
    architecture: str = "v1model"
    user_scalars: set[str] = field(default_factory=set)
    calls_externs: bool = False
    notes: Any = ()
    """Annotations of main."""
    constants: dict[str, int | bool | str] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    front: int = 0
    """Where actions of the top level stand among them: in front of what the pipeline's control holds that uses them."""
    called: list[tuple[str, Any, list[tuple[str, Type, Any]]]] = field(default_factory=list)
