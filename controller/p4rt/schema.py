"""P4Info by name: frozen dataclasses with what a client or a server asks of a program.

An object may be called by its full name ("Ingress.ipv4.fib"), its alias ("fib"), any suffix of the full name after a
dot that no other object of its kind shares, or its id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Generic, TypeVar


class Scope(Enum):
    """Where a table may use an action."""

    ANY = 0
    TABLE_ONLY = 1
    DEFAULT_ONLY = 2
    GROUP = 3


@dataclass(frozen=True)
class MatchField:
    """translation: the `type` whose values travel as text; bitwidth is 0 then."""

    id: int
    name: str
    bitwidth: int
    kind: str  # exact | lpm | ternary | range | optional
    translation: str = ""


@dataclass(frozen=True)
class Param:
    """Of an action or a controller header. translation: as in a MatchField."""

    id: int
    name: str
    bitwidth: int
    translation: str = ""


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
    """by_members: sizes count members, each of a weight up to `max_member_weight` (0: any), and not weights."""

    table_ids: tuple[int, ...]
    with_selector: bool
    size: int
    max_group_size: int
    by_members: bool = False
    max_member_weight: int = 0
    weights_allowed: bool = True


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
    type: str = "TWO_RATE_THREE_COLOR"


@dataclass(frozen=True)
class Member:
    """A leaf of a digest or register type: what it is called, how wide, whether signed.

    names: of an enum's or error's values, in order of their numbers. translation: the `type` whose values travel as text.
    members: of a struct, tuple or header, which may be part of a digest.
    """

    name: str
    bitwidth: int
    signed: bool = False
    kind: str = "bit"  # bit | bool | error | enum | serializable_enum | struct | tuple | header
    names: tuple[str, ...] = ()
    translation: str = ""
    members: tuple[Member, ...] = ()

    def leaves(self, prefix: str = "") -> Iterator[Member]:
        """The numbers that this consists of, in order; inside structs by their way from the outermost ("outer.inner")."""
        if self.kind not in COMPOUND:
            yield replace(self, name=prefix + self.name)
            return
        for member in self.members:
            yield from member.leaves(f"{prefix}{self.name}.")


COMPOUND = ("struct", "tuple", "header")


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
    """root: the type of a message. members: the numbers in it, those of inner structs by dotted names."""

    root: Member
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
