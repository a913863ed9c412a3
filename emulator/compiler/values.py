"""What an expression or a name stands for while the program is being inlined.

Scalars are ir.Expr. Everything with parts (structs, headers, stacks, tuples) is one of the classes here; its
parts are again values, so a field access is a dictionary look-up and nothing of it is left at run time.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import ast, ir
from .types import Object, Struct, Type


@dataclass(eq=False, slots=True)
class StructV:
    type: Struct
    fields: dict[str, Any]


@dataclass(eq=False, slots=True)
class TupleV:
    type: Type
    items: list[Any]
    rest: bool = False


@dataclass(eq=False, slots=True)
class RecordV:
    """{ a = x } before it meets its type."""

    fields: dict[str, Any]
    rest: bool = False


@dataclass(eq=False, slots=True)
class HeaderV:
    """A header instance of the target."""

    type: Struct
    name: str
    union: UnionV | None = None


@dataclass(eq=False, slots=True)
class DynHeaderV:
    """A stack's element chosen at run time."""

    type: Struct
    stack: StackV
    index: ir.Expr


@dataclass(eq=False, slots=True)
class ChoiceV:
    """One of several unions, or of their members, by an index kept in a variable; past the end it is the last."""

    type: Struct
    parts: list[Any]
    index: ir.Expr


@dataclass(eq=False, slots=True)
class StackEndV:
    """stack.next or stack.last."""

    type: Struct
    stack: StackV
    end: str


@dataclass(eq=False, slots=True)
class UnionEndV:
    """A member of stack.next or stack.last, of a stack of unions (parser only)."""

    type: Struct
    stack: StackV
    member: str
    end: str


@dataclass(eq=False, slots=True)
class HeaderRV:
    """A header that is only a value: an initializer (fields) or {#} (fields None)."""

    type: Struct
    fields: dict[str, Any] | None


@dataclass(eq=False, slots=True)
class StackV:
    type: Any
    name: str
    elements: list[Any]


@dataclass(eq=False, slots=True)
class UnionV:
    type: Struct
    name: str
    members: dict[str, HeaderV]


@dataclass(eq=False, slots=True)
class StringV:
    value: str


@dataclass(eq=False, slots=True)
class EnumConst:
    """A member of an enum without representation that the target wants by name (HashAlgorithm.crc16)."""

    value: int


@dataclass(eq=False, slots=True)
class TypeV:
    type: Type


@dataclass(eq=False, slots=True)
class FunctionV:
    """One or several overloads of a function or extern function, with the scope they were declared in."""

    decls: list[Any]
    env: Env


@dataclass(eq=False, slots=True)
class ActionV:
    decl: ast.Action
    env: Env
    path: str


@dataclass(eq=False, slots=True)
class TableV:
    decl: ast.Table
    env: Env
    path: str
    owner: Any = None


@dataclass(eq=False, slots=True)
class InstanceV:
    """A control or parser instance: its constructor's arguments are bound in `env`."""

    type: Object
    env: Env
    path: str
    built: bool = False
    locals_env: Env | None = None
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class ExternV:
    type: Object
    name: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class ValueSetV:
    name: str
    type: Type


@dataclass(eq=False, slots=True)
class MethodV:
    base: Any
    name: str


@dataclass(eq=False, slots=True)
class ApplyV:
    """The result of table.apply() whose cases are still to be chosen."""

    table: TableV
    call: ast.Call


@dataclass(eq=False, slots=True)
class KeysetV:
    """default, mask or range in a select label or key set."""

    kind: str
    first: Any = None
    second: Any = None


@dataclass(eq=False, slots=True)
class DotsV:
    """`...`: the default value of whatever type is wanted."""


@dataclass(eq=False, slots=True)
class SavedV:
    """An inout argument whose place a later argument writes: the value it had when its turn came."""

    place: Any
    value: Any
    type: Any


class Env:
    """Names in scope; the chain of parents ends at the program's top level."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Env | None = None) -> None:
        self.names: dict[str, Any] = {}
        self.parent = parent

    def get(self, name: str) -> Any:
        env: Env | None = self
        while env is not None:
            if name in env.names:
                return env.names[name]
            env = env.parent
        return None

    def top(self) -> Env:
        env = self
        while env.parent is not None:
            env = env.parent
        return env

    def set(self, name: str, value: Any) -> None:
        self.names[name] = value


Value = Any
"""ir.Expr or one of the classes above."""
