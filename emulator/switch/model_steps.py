"""What a packet does: primitives and actions, parser states, the deparser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.switch.expr import BoolExpr, Expr, LValue

# --- Actions ---


@dataclass(frozen=True, slots=True)
class Primitive:
    """One step of an action or `primitive` of a parser state. `primitives.CORE[op]` gives the kinds
    of args: "data"/"bool" -> Expr; "lvalue" -> FieldRead | DynamicField; "header" -> HeaderExpr;
    "union" -> UnionExpr; "stack"/"union_stack"/"register"/"counter"/"meter"/"calculation" -> index (int);
    "field_list" -> index into Model.field_lists or None for none; "learn_list" -> index into
    Model.learn_lists or None (no digest); "int" -> int; "string" -> str; "vector" -> tuple of Expr."""

    op: str
    args: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class ExternInstance:
    """An object of an extern type that the program declares; attributes: numbers and strings by name."""

    name: str
    type: str
    attributes: Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class ActionParam:
    name: str
    width: int


@dataclass(frozen=True, slots=True)
class Action:
    """Jumps (`_jump`, `_jump_if_zero`) carry the index of a primitive; len(body) means the end."""

    name: str
    id: int
    params: tuple[ActionParam, ...]
    body: tuple[Primitive, ...]


@dataclass(frozen=True, slots=True)
class ActionCall:
    action: int
    args: tuple[int, ...]


# --- Parser ---


@dataclass(frozen=True, slots=True)
class StackNext:
    stack: int


@dataclass(frozen=True, slots=True)
class UnionStackNext:
    union_stack: int
    member: int


@dataclass(frozen=True, slots=True)
class Extract:
    """target: header index, or the next element of a stack. bits: width of the varbit part (None: none)."""

    target: int | StackNext | UnionStackNext
    bits: Expr | None = None


@dataclass(frozen=True, slots=True)
class Set:
    target: LValue
    value: Expr


@dataclass(frozen=True, slots=True)
class Verify:
    cond: BoolExpr
    error: Expr


@dataclass(frozen=True, slots=True)
class Advance:
    bits: Expr


ParserOp = Extract | Set | Verify | Advance | Primitive


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One part of a select key: its value masked to `width` bits."""

    expr: Expr
    width: int


@dataclass(frozen=True, slots=True)
class Transition:
    """Taken when all key parts match: (part & mask) == value for each part (values are already masked),
    or, with `value_set` (index), when a member equals the key (under `masks`). next: state or None (accept).
    default: always taken."""

    next: int | None
    default: bool = False
    values: tuple[int, ...] = ()
    masks: tuple[int, ...] = ()
    value_set: int | None = None


@dataclass(frozen=True, slots=True)
class ParseState:
    """No transition matches: accept (or parser error NoMatch when Model.strict_select)."""

    name: str
    ops: tuple[ParserOp, ...]
    key: tuple[KeyPart, ...]
    transitions: tuple[Transition, ...]


@dataclass(frozen=True, slots=True)
class Parser:
    name: str
    init_state: int | None
    states: tuple[ParseState, ...]


@dataclass(frozen=True, slots=True)
class ValueSet:
    """widths: of the parts of the key it is used with (its whole width alone when it is never used)."""

    name: str
    width: int
    max_size: int
    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Deparser:
    name: str
    order: tuple[int, ...]
    body: tuple[Primitive, ...] = ()
