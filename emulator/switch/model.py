"""The program a switch runs: bmv2 JSON as frozen dataclasses, every reference resolved and checked.

`load.load_model` builds it and is the only place that sees JSON. All cross references are dense indices into
the tuples of `Model`. Widths are in bits, lengths in bytes unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emulator.switch.expr import Expr, FieldRead
from emulator.switch.model_headers import (
    MAX_FIELD_WIDTH,
    MAX_VARBIT_BYTES,
    Field,
    Header,
    HeaderType,
    ModelError,
    Stack,
    Union,
    UnionStack,
)
from emulator.switch.model_state import (
    Calculation,
    CalculationInput,
    Checksum,
    ConstInput,
    Counter,
    FieldInput,
    HeaderInput,
    Meter,
    PayloadInput,
    Register,
)
from emulator.switch.model_steps import (
    Action,
    ActionCall,
    ActionParam,
    Advance,
    Deparser,
    ExternInstance,
    Extract,
    KeyPart,
    Parser,
    ParserOp,
    ParseState,
    Primitive,
    Set,
    StackNext,
    Transition,
    UnionStackNext,
    ValueSet,
    Verify,
)
from emulator.switch.model_tables import (
    ActionNode,
    ActionProfile,
    ConditionalNode,
    ConstEntry,
    Key,
    Node,
    Pipeline,
    TableNode,
    successors,
)

__all__ = [
    "MAX_FIELD_WIDTH",
    "MAX_VARBIT_BYTES",
    "Action",
    "ActionCall",
    "ActionNode",
    "ActionParam",
    "ActionProfile",
    "Advance",
    "Calculation",
    "CalculationInput",
    "Checksum",
    "ConditionalNode",
    "ConstEntry",
    "ConstInput",
    "Counter",
    "Deparser",
    "ExternInstance",
    "Extract",
    "Field",
    "FieldInput",
    "FieldList",
    "Header",
    "HeaderInput",
    "HeaderType",
    "Key",
    "KeyPart",
    "LearnList",
    "Meter",
    "Model",
    "ModelError",
    "Node",
    "ParseState",
    "Parser",
    "ParserOp",
    "PayloadInput",
    "Pipeline",
    "Primitive",
    "Register",
    "Set",
    "Stack",
    "StackNext",
    "StandardMetadata",
    "TableNode",
    "Transition",
    "Union",
    "UnionStack",
    "UnionStackNext",
    "ValueSet",
    "Verify",
    "successors",
]


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

    `header` is the header's index; the five of the second line are always there. elsewhere: fields that an older file has in
    another metadata header, by name; `place` heeds them."""

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
    elsewhere: Mapping[str, FieldRead] = field(default_factory=dict)

    def place(self, name: str) -> FieldRead | None:
        """Where a field is kept; None when the program has none of this name."""
        index = getattr(self, name)
        return self.elsewhere.get(name, None if index is None else FieldRead(self.header, index))


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
    extern_instances: tuple[ExternInstance, ...] = ()

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
