"""The program a switch runs: bmv2 JSON as frozen dataclasses, every reference resolved and checked.

`load.load_model` builds it and is the only place that sees JSON. All cross references are dense indices into
the tuples of `Model`. Widths are in bits, lengths in bytes unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emulator.switch.expr import BoolExpr, Expr, FieldRead, LValue

MAX_FIELD_WIDTH = 8192
MAX_VARBIT_BYTES = 8191


class ModelError(ValueError):
    """The JSON cannot be run; the message is one clear sentence that names the culprit."""


# --- Headers ---


@dataclass(frozen=True, slots=True)
class Field:
    """width: bits (for a varbit the largest width). offset: bits from the header's start, counting the
    varbit as 0 bits wide; so fields behind the varbit lie at offset + its present width."""

    name: str
    width: int
    signed: bool = False
    saturating: bool = False
    varbit: bool = False
    offset: int = 0


@dataclass(frozen=True, slots=True)
class HeaderType:
    """fixed_bits: width of all fields but the varbit. varbit: index of the varbit field or None."""

    name: str
    fields: tuple[Field, ...]
    fixed_bits: int
    varbit: int | None = None
    max_length: int | None = None
    length_expr: Expr | None = None

    def field_index(self, name: str) -> int:
        return next(i for i, f in enumerate(self.fields) if f.name == name)


@dataclass(frozen=True, slots=True)
class Header:
    """stack / union: (index, position) when the header is an element of a stack or a member of a union."""

    name: str
    type: int
    metadata: bool
    stack: tuple[int, int] | None = None
    union: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    name: str
    type: int
    headers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Union:
    """headers: member headers in order. stack: (union stack, position) if it is an element of one."""

    name: str
    members: tuple[str, ...]
    headers: tuple[int, ...]
    stack: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class UnionStack:
    name: str
    unions: tuple[int, ...]


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


# --- Calculations ---


@dataclass(frozen=True, slots=True)
class FieldInput:
    """Left out while its header is invalid."""

    field: FieldRead


@dataclass(frozen=True, slots=True)
class ConstInput:
    value: int
    width: int


@dataclass(frozen=True, slots=True)
class HeaderInput:
    """A whole header, left out while invalid."""

    header: int


@dataclass(frozen=True, slots=True)
class PayloadInput:
    """The bytes behind the parsed headers; starts on a byte."""


CalculationInput = FieldInput | ConstInput | HeaderInput | PayloadInput


@dataclass(frozen=True, slots=True)
class Calculation:
    """algo: a name known to hashes.py. Bits are packed back to back, the last byte padded with zero bits."""

    name: str
    algo: str
    inputs: tuple[CalculationInput, ...]


@dataclass(frozen=True, slots=True)
class Checksum:
    name: str
    target: FieldRead
    calculation: int
    verify: bool
    update: bool
    cond: BoolExpr | None


# --- State ---


@dataclass(frozen=True, slots=True)
class Register:
    name: str
    width: int
    size: int


@dataclass(frozen=True, slots=True)
class Counter:
    """table: index of the table of a direct counter, None for an indexed one."""

    name: str
    size: int
    table: int | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """kind: "packets" or "bytes". table and target (where the colour goes) only for a direct meter."""

    name: str
    size: int
    kind: str
    table: int | None = None
    target: FieldRead | None = None


# --- Pipelines ---


@dataclass(frozen=True, slots=True)
class Key:
    """kind: exact, lpm, ternary, range or optional (bmv2 JSON writes optional as ternary). mask: applied to
    the field before matching, or None. A field of an invalid header counts as 0 (but for `$valid$`)."""

    name: str
    kind: str
    field: FieldRead
    width: int
    mask: int | None = None


@dataclass(frozen=True, slots=True)
class ConstEntry:
    """An entry of the JSON file. key parts as in keys.py; the larger priority wins (JSON's turned round)."""

    key: tuple[object, ...]
    priority: int
    call: ActionCall


@dataclass(frozen=True, slots=True)
class TableNode:
    """next: node after each action, parallel to `actions`; if hit_next/miss_next are used (`branches`),
    they decide instead. miss without default action: base_next. kind: the table's match kind.
    profile: index of its action profile; selector: whether entries may name groups."""

    name: str
    id: int
    kind: str
    keys: tuple[Key, ...]
    actions: tuple[int, ...]
    next: tuple[int | None, ...]
    max_size: int
    base_next: int | None = None
    branches: bool = False
    hit_next: int | None = None
    miss_next: int | None = None
    default: ActionCall | None = None
    default_const: bool = False
    default_args_const: bool = False
    entries: tuple[ConstEntry, ...] = ()
    const_entries: bool = False
    with_counters: bool = False
    support_timeout: bool = False
    meter: int | None = None
    counter: int | None = None
    profile: int | None = None
    selector: bool = False
    pipeline: int = 0
    table: int = 0


@dataclass(frozen=True, slots=True)
class ConditionalNode:
    name: str
    cond: BoolExpr
    true_next: int | None
    false_next: int | None


@dataclass(frozen=True, slots=True)
class ActionNode:
    """An action run without a table (`action_calls`)."""

    name: str
    call: ActionCall
    next: int | None


Node = TableNode | ConditionalNode | ActionNode


def successors(node: Node) -> tuple[int, ...]:
    """Nodes that may come after a node."""
    if isinstance(node, ConditionalNode):
        found: tuple[int | None, ...] = (node.true_next, node.false_next)
    elif isinstance(node, ActionNode):
        found = (node.next,)
    elif node.branches:
        found = (node.hit_next, node.miss_next)
    else:
        found = (*node.next, node.base_next)
    return tuple(dict.fromkeys(i for i in found if i is not None))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """nodes refer to one another by index in `nodes`; first: node to begin with, None for an empty one."""

    name: str
    nodes: tuple[Node, ...]
    first: int | None


@dataclass(frozen=True, slots=True)
class ActionProfile:
    """selector_algo None: no selector. inputs: the selector's hash input."""

    name: str
    max_size: int
    selector_algo: str | None = None
    inputs: tuple[CalculationInput, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldList:
    """fields kept over clone, resubmit, recirculate; id as written in the JSON file."""

    name: str
    id: int
    elements: tuple[FieldRead | int, ...]


@dataclass(frozen=True, slots=True)
class LearnList:
    """elements: (expression, width in bits) in the order of the digest's struct."""

    name: str
    id: int
    elements: tuple[tuple[Expr, int], ...]


@dataclass(frozen=True, slots=True)
class StandardMetadata:
    """Field indices in the header `standard_metadata` (None when the program has no such field).

    `header` is the header's index; the five of the second line are always there."""

    header: int
    ingress_port: int
    egress_spec: int
    egress_port: int
    instance_type: int
    packet_length: int
    enq_timestamp: int | None = None
    enq_qdepth: int | None = None
    deq_timedelta: int | None = None
    deq_qdepth: int | None = None
    ingress_global_timestamp: int | None = None
    egress_global_timestamp: int | None = None
    mcast_grp: int | None = None
    egress_rid: int | None = None
    checksum_error: int | None = None
    parser_error: int | None = None
    priority: int | None = None


@dataclass(frozen=True)
class Model:
    """A whole program. Everything is in file order; `tables` lists all TableNodes (ingress first), and a
    TableNode knows its own place (pipeline, table)."""

    program: str
    header_types: tuple[HeaderType, ...]
    headers: tuple[Header, ...]
    stacks: tuple[Stack, ...]
    unions: tuple[Union, ...]
    union_stacks: tuple[UnionStack, ...]
    errors: Mapping[str, int]
    enums: Mapping[str, Mapping[str, int]]
    value_sets: tuple[ValueSet, ...]
    parser: Parser
    deparser: Deparser
    calculations: tuple[Calculation, ...]
    checksums: tuple[Checksum, ...]
    registers: tuple[Register, ...]
    counters: tuple[Counter, ...]
    meters: tuple[Meter, ...]
    actions: tuple[Action, ...]
    action_profiles: tuple[ActionProfile, ...]
    ingress: Pipeline
    egress: Pipeline
    tables: tuple[TableNode, ...]
    field_lists: tuple[FieldList, ...]
    learn_lists: tuple[LearnList, ...]
    standard: StandardMetadata
    aliases: Mapping[str, FieldRead] = field(default_factory=dict)
    strict_select: bool = False

    @property
    def parser_error_names(self) -> dict[int, str]:
        return {value: name for name, value in self.errors.items()}

    def header_type(self, header: int) -> HeaderType:
        return self.header_types[self.headers[header].type]

    def field(self, ref: FieldRead) -> Field:
        """The field's description; `$valid$` is a 1-bit field."""
        if ref.field < 0:
            return Field("$valid$", 1)
        return self.header_type(ref.header).fields[ref.field]

    def field_name(self, ref: FieldRead) -> str:
        return f"{self.headers[ref.header].name}.{self.field(ref).name}"

    def header_named(self, name: str) -> int:
        return next(i for i, h in enumerate(self.headers) if h.name == name)
