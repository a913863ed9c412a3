"""P4Info by name: frozen dataclasses with what a client or a server asks of a program.

An object may be called by its full name ("Ingress.ipv4.fib"), its alias ("fib"), any suffix of the full name after a
dot that no other object of its kind shares, or its id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Generic, TypeVar

from .protos import DecodeError, p4i, parse_text

# The types below are stated here once and used by every entity: match kinds in the words of P4.
_MATCH_KINDS = {2: "exact", 3: "lpm", 4: "ternary", 5: "range", 6: "optional"}


class Scope(Enum):
    """Where a table may use an action."""

    ANY = 0
    TABLE_ONLY = 1
    DEFAULT_ONLY = 2
    GROUP = 3


@dataclass(frozen=True)
class MatchField:
    id: int
    name: str
    bitwidth: int
    kind: str  # exact | lpm | ternary | range | optional


@dataclass(frozen=True)
class Param:
    id: int
    name: str
    bitwidth: int


@dataclass(frozen=True)
class Named:
    id: int
    name: str
    alias: str


@dataclass(frozen=True)
class Action(Named):
    params: tuple[Param, ...]

    def param(self, name: str | int) -> Param:
        for one in self.params:
            if name in (one.name, one.id):
                return one
        known = ", ".join(p.name for p in self.params) or "none"
        raise ValueError(f"action {self.name} has no parameter {name!r}; its parameters: {known}")


@dataclass(frozen=True)
class Table(Named):
    fields: tuple[MatchField, ...]
    scopes: dict[int, Scope]  # action id -> scope
    size: int
    profile_id: int  # 0: its actions are its own
    direct_counter_id: int
    direct_meter_id: int
    idle_timeout: bool
    is_const: bool
    const_default_action_id: int
    has_initial_entries: bool

    @property
    def needs_priority(self) -> bool:
        return any(f.kind in ("ternary", "range", "optional") for f in self.fields)

    def field(self, name: str | int) -> MatchField:
        for one in self.fields:
            if name in (one.name, one.id):
                return one
        tails = [f for f in self.fields if isinstance(name, str) and f.name.endswith("." + name)]
        if len(tails) == 1:
            return tails[0]
        known = ", ".join(f.name for f in self.fields) or "none"
        raise ValueError(f"table {self.name} has no match field {name!r}; its fields: {known}")


@dataclass(frozen=True)
class ActionProfile(Named):
    table_ids: tuple[int, ...]
    with_selector: bool
    size: int
    max_group_size: int


@dataclass(frozen=True)
class Counter(Named):
    unit: str  # BYTES | PACKETS | BOTH
    size: int  # 0 for a direct one
    table_id: int = 0  # of a direct one


@dataclass(frozen=True)
class Meter(Named):
    unit: str
    size: int
    table_id: int = 0


@dataclass(frozen=True)
class Member:
    """A leaf of a digest or register type: what it is called, how wide, whether signed."""

    name: str
    bitwidth: int
    signed: bool = False
    kind: str = "bit"  # bit | bool | error | enum


@dataclass(frozen=True)
class Register(Named):
    element: Member
    size: int


@dataclass(frozen=True)
class ValueSet(Named):
    fields: tuple[MatchField, ...]
    size: int


@dataclass(frozen=True)
class Digest(Named):
    shape: str  # struct | tuple | scalar
    members: tuple[Member, ...]


@dataclass(frozen=True)
class ControllerHeader(Named):
    fields: tuple[Param, ...]


N = TypeVar("N", bound=Named)


class Index(Generic[N]):
    """The objects of one kind, in P4Info's order, by id or by any of their names."""

    def __init__(self, kind: str, items: Sequence[N]) -> None:
        self.kind = kind
        self._items = tuple(items)
        self.by_id = {item.id: item for item in items}
        self._names: dict[str, N] = {}
        self._fill()

    def _fill(self) -> None:
        suffixes: dict[str, list[N]] = {}
        for item in self._items:
            parts = item.name.split(".")
            for start in range(1, len(parts)):
                suffixes.setdefault(".".join(parts[start:]), []).append(item)
        self._names.update({name: found[0] for name, found in suffixes.items() if len(found) == 1})
        self._names.update({item.alias: item for item in self._items if item.alias})
        self._names.update({item.name: item for item in self._items})

    def __getitem__(self, name: str | int) -> N:
        found = self.by_id.get(name) if isinstance(name, int) else self._names.get(name)
        if found is not None:
            return found
        known = ", ".join(item.name for item in self._items[:12]) or "none"
        more = f" and {len(self._items) - 12} more" if len(self._items) > 12 else ""
        raise ValueError(f"the program has no {self.kind} {name!r}; it has: {known}{more}")

    def get(self, name: str | int) -> N | None:
        return self.by_id.get(name) if isinstance(name, int) else self._names.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self.by_id or name in self._names

    def __iter__(self) -> Iterator[N]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


@dataclass(frozen=True)
class Schema:
    """All of a P4Info, by name. `message` is the protobuf it came from."""

    message: Any
    tables: Index[Table]
    actions: Index[Action]
    profiles: Index[ActionProfile]
    counters: Index[Counter]
    direct_counters: Index[Counter]
    meters: Index[Meter]
    direct_meters: Index[Meter]
    registers: Index[Register]
    value_sets: Index[ValueSet]
    digests: Index[Digest]
    headers: Index[ControllerHeader] = field(repr=False)

    def action_of(self, table: Table, name: str | int) -> Action:
        """The action `name` of this table; names are looked up among the table's own actions first."""
        own = [self.actions.by_id[i] for i in table.scopes if i in self.actions.by_id]
        for action in own:
            if name in (action.id, action.name, action.alias):
                return action
        tails = [a for a in own if isinstance(name, str) and a.name.endswith("." + name)]
        if len(tails) == 1:
            return tails[0]
        known = ", ".join(a.name for a in own)
        raise ValueError(f"table {table.name} has no action {name!r}; its actions: {known}")


def _preamble(message: Any) -> tuple[int, str, str]:
    return message.preamble.id, message.preamble.name, message.preamble.alias


def _fields(messages: Any, owner: str) -> tuple[MatchField, ...]:
    found = []
    for m in messages:
        kind = _MATCH_KINDS.get(m.match_type)
        if kind is None:
            raise ValueError(f"P4Info: match field {m.name!r} of {owner} has an unknown match type")
        found.append(MatchField(m.id, m.name, m.bitwidth, kind))
    return tuple(found)


def _table(t: Any, direct_counters: set[int], direct_meters: set[int]) -> Table:
    resources = list(t.direct_resource_ids)
    return Table(
        *_preamble(t),
        fields=_fields(t.match_fields, t.preamble.name),
        scopes={ref.id: Scope(ref.scope) for ref in t.action_refs},
        size=t.size,
        profile_id=t.implementation_id,
        direct_counter_id=next((i for i in resources if i in direct_counters), 0),
        direct_meter_id=next((i for i in resources if i in direct_meters), 0),
        idle_timeout=t.idle_timeout_behavior == 1,
        is_const=t.is_const_table,
        const_default_action_id=t.const_default_action_id,
        has_initial_entries=t.has_initial_entries,
    )


def _leaf(name: str, spec: Any, types: Any) -> Member:
    kind = spec.WhichOneof("type_spec")
    if kind == "bitstring":
        bits = spec.bitstring
        which = bits.WhichOneof("type_spec")
        if which == "varbit":
            raise ValueError(f"P4Info: {name!r} is a varbit, which registers and digests cannot hold")
        return Member(name, getattr(bits, which).bitwidth if which else 0, which == "int")
    if kind == "bool":
        return Member(name, 1, kind="bool")
    if kind == "serializable_enum":
        known = types.serializable_enums[spec.serializable_enum.name]
        return Member(name, known.underlying_type.bitwidth)
    if kind == "new_type":
        known = types.new_types[spec.new_type.name]
        if known.WhichOneof("representation") == "original_type":
            return _leaf(name, known.original_type, types)
        return Member(name, known.translated_type.sdn_bitwidth)
    if kind in ("enum", "error"):
        return Member(name, 32, kind=kind)
    raise ValueError(f"P4Info: {name!r} has a type that is not supported ({kind})")


def _digest(d: Any, types: Any) -> Digest:
    spec = d.type_spec
    kind = spec.WhichOneof("type_spec")
    if kind == "struct":
        members = types.structs[spec.struct.name].members
        leaves = tuple(_leaf(m.name, m.type_spec, types) for m in members)
        return Digest(*_preamble(d), shape="struct", members=leaves)
    if kind == "tuple":
        leaves = tuple(_leaf(f"f{i}", m, types) for i, m in enumerate(spec.tuple.members))
        return Digest(*_preamble(d), shape="tuple", members=leaves)
    return Digest(*_preamble(d), shape="scalar", members=(_leaf(d.preamble.name, spec, types),))


_UNITS = {0: "BOTH", 1: "BYTES", 2: "PACKETS", 3: "BOTH"}


def from_p4info(message: Any) -> Schema:
    """A Schema of a p4.config.v1.P4Info; ValueError, one sentence, where it contradicts itself."""
    types = message.type_info
    counter_ids = {c.preamble.id for c in message.direct_counters}
    meter_ids = {m.preamble.id for m in message.direct_meters}
    _check_ids(message)
    return Schema(
        message=message,
        tables=Index("table", [_table(t, counter_ids, meter_ids) for t in message.tables]),
        actions=Index(
            "action",
            [
                Action(*_preamble(a), params=tuple(Param(p.id, p.name, p.bitwidth) for p in a.params))
                for a in message.actions
            ],
        ),
        profiles=Index(
            "action profile",
            [
                ActionProfile(*_preamble(p), tuple(p.table_ids), p.with_selector, p.size, p.max_group_size)
                for p in message.action_profiles
            ],
        ),
        counters=Index(
            "counter",
            [Counter(*_preamble(c), _UNITS.get(c.spec.unit, "BOTH"), c.size) for c in message.counters],
        ),
        direct_counters=Index(
            "direct counter",
            [
                Counter(*_preamble(c), _UNITS.get(c.spec.unit, "BOTH"), 0, c.direct_table_id)
                for c in message.direct_counters
            ],
        ),
        meters=Index("meter", [Meter(*_preamble(m), _UNITS.get(m.spec.unit, "BYTES"), m.size) for m in message.meters]),
        direct_meters=Index(
            "direct meter",
            [
                Meter(*_preamble(m), _UNITS.get(m.spec.unit, "BYTES"), 0, m.direct_table_id)
                for m in message.direct_meters
            ],
        ),
        registers=Index(
            "register",
            [Register(*_preamble(r), _leaf(r.preamble.name, r.type_spec, types), r.size) for r in message.registers],
        ),
        value_sets=Index(
            "value set",
            [ValueSet(*_preamble(v), _fields(v.match, v.preamble.name), v.size) for v in message.value_sets],
        ),
        digests=Index("digest", [_digest(d, types) for d in message.digests]),
        headers=Index(
            "controller header",
            [
                ControllerHeader(*_preamble(h), tuple(Param(m.id, m.name, m.bitwidth) for m in h.metadata))
                for h in message.controller_packet_metadata
            ],
        ),
    )


def _check_ids(message: Any) -> None:
    """Ids are unique and references lead somewhere; a P4Info may come from anyone."""
    groups = (
        "tables",
        "actions",
        "action_profiles",
        "counters",
        "direct_counters",
        "meters",
        "direct_meters",
        "registers",
        "value_sets",
        "digests",
        "controller_packet_metadata",
    )
    seen: dict[int, str] = {}
    for group in groups:
        for item in getattr(message, group):
            number, name = item.preamble.id, item.preamble.name
            if not number:
                raise ValueError(f"P4Info: {name!r} in {group} has no id")
            if number in seen:
                raise ValueError(f"P4Info: id 0x{number:08x} belongs to both {seen[number]!r} and {name!r}")
            seen[number] = name
    actions = {a.preamble.id for a in message.actions}
    profiles = {p.preamble.id for p in message.action_profiles}
    for table in message.tables:
        for ref in table.action_refs:
            if ref.id not in actions:
                raise ValueError(
                    f"P4Info: table {table.preamble.name!r} refers to action id 0x{ref.id:08x}, which does not exist"
                )
        if table.implementation_id and table.implementation_id not in profiles:
            raise ValueError(
                f"P4Info: table {table.preamble.name!r} refers to action profile id"
                f" 0x{table.implementation_id:08x}, which does not exist"
            )


def read_p4info(source: str | Path | bytes) -> Any:
    """A P4Info message from a file (text, or binary when it ends in .bin) or from binary bytes."""
    if isinstance(source, bytes):
        return _from_binary(source, "P4Info")
    path = Path(source)
    if path.suffix in (".bin", ".pb"):
        return _from_binary(path.read_bytes(), str(path))
    try:
        return parse_text(path.read_text(encoding="utf-8"), p4i.P4Info())
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a P4Info text file: {error}") from None


def _from_binary(data: bytes, name: str) -> Any:
    try:
        return p4i.P4Info.FromString(data)
    except DecodeError:
        raise ValueError(f"{name}: not a binary P4Info") from None
