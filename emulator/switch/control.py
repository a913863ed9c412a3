"""The control plane of one switch in one process: everything that can be written or read from outside.

Names are those of the JSON file. Every refusal is a ControlError and changes nothing. An engine that mirrors
tables registers a listener; inside `with control.batch():` listeners are told once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from emulator.switch.digests import Digests
from emulator.switch.errors import ControlError
from emulator.switch.externs import Externs
from emulator.switch.hash_state import HashState
from emulator.switch.keys import Exact, Lpm, Range, Ternary
from emulator.switch.model import Model
from emulator.switch.profile import ActionProfile, Group, Member, Place
from emulator.switch.queues import Queues, QueueSettings
from emulator.switch.replication import Mirror, Multicast, Replica
from emulator.switch.state import State
from emulator.switch.table import Entry, Table
from emulator.switch.value_set import ValueSetState

Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Change:
    """kind: table, profile, value_set, multicast, mirror, hash. op: insert, modify, delete, default, ...
    item: the entry, member, group, ... concerned, if any."""

    kind: str
    name: str
    op: str
    item: Any = None


class Control:
    """tables, registers, counters, meters, action_profiles, value_sets, digests: by name. queues: by port."""

    def __init__(
        self,
        model: Model,
        state: State,
        clock: Clock,
        queues: QueueSettings | None = None,
        externs: Mapping[str, Any] | None = None,
    ):
        self.model = model
        self.state = state
        self.clock = clock
        self.ports_down: set[int] = set()
        self.listeners: list[Callable[[list[Change]], None]] = []
        self.port_listeners: list[Callable[[], None]] = []
        """Called when `ports_down` has changed."""
        self._batch: list[Change] | None = None
        self.refresh_hits: Callable[[Table], None] = lambda table: None
        """An engine that notes hits elsewhere brings `last_hit_us` of a table's entries up to date."""
        profiles = [ActionProfile(model, i, self.ports_down) for i in range(len(model.action_profiles))]
        self.action_profiles = {p.name: p for p in profiles}
        self.profile_list = profiles
        self.table_list = [
            Table(model, i, state, None if t.profile is None else profiles[t.profile], clock)
            for i, t in enumerate(model.tables)
        ]
        self.tables = {table.name: table for table in self.table_list}
        self.registers = {r.name: r for r in state.registers}
        self.counters = {c.name: c for c, m in zip(state.counters, model.counters) if m.table is None}
        self.meters = {m.name: m for m, spec in zip(state.meters, model.meters) if spec.table is None}
        self.value_set_list = [ValueSetState(v) for v in model.value_sets]
        self.value_sets = {v.name: v for v in self.value_set_list}
        self.multicast = Multicast()
        self.mirror = Mirror(self.multicast)
        self.hashes = HashState(model)
        self.digests = Digests(model, clock)
        self.queues = Queues(queues)
        self.externs = Externs(model.extern_instances, externs or {}, state.event)
        self._connect()

    def _connect(self) -> None:
        for table in self.table_list:
            table.changed = lambda t, op, item: self._tell("table", t.name, op, item)
        for profile in self.profile_list:
            profile.changed = lambda p, op, item: self._tell("profile", p.name, op, item)
        for value_set in self.value_set_list:
            value_set.changed = lambda v, op, item: self._tell("value_set", v.name, op, item)
        self.multicast.changed = lambda gid, op: self._tell("multicast", str(gid), op, gid)
        self.mirror.changed = lambda session, op: self._tell("mirror", str(session), op, session)
        self.hashes.changed = lambda name: self._tell("hash", name, "modify", None)

    def _tell(self, kind: str, name: str, op: str, item: Any) -> None:
        if self._batch is not None:
            if self.listeners:
                self._batch.append(Change(kind, name, op, item))
        elif self.listeners:
            changes = [Change(kind, name, op, item)]
            for listener in self.listeners:
                listener(changes)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Groups changes: listeners hear of all of them together when the block ends, even by an exception."""
        if self._batch is not None:
            yield
            return
        self._batch = []
        try:
            yield
        finally:
            changes, self._batch = self._batch, None
            if changes:
                for listener in self.listeners:
                    listener(changes)

    def set_port(self, port: int, up: bool) -> None:
        """A port changed its state: groups stop or resume choosing members that watch it."""
        if up == (port not in self.ports_down):
            return
        (self.ports_down.discard if up else self.ports_down.add)(port)
        for profile in self.profile_list:
            profile.refresh()
        for port_listener in self.port_listeners:
            port_listener()

    def restart(self) -> None:
        """As after loading: no state, constant entries only."""
        with self.batch():
            for table in self.table_list:
                table.restart()
                self._tell("table", table.name, "restart", None)
            for profile in self.profile_list:
                profile.clear()
            self.state.reset()
            for value_set in self.value_set_list:
                value_set.clear()
            self.multicast.clear()
            self.mirror.clear()
            self.queues.clear()
            self.externs.restart()

    def idle_entries(self) -> Iterator[tuple[Table, list[Entry]]]:
        """Per table the entries that were not hit for their time to live; each is named again only after
        another such time."""
        now = self.clock()
        for table in self.table_list:
            if table.spec.support_timeout:
                self.refresh_hits(table)
                idle = [e for e in table.entries() if e.ttl_us and now - e.last_hit_us >= e.ttl_us]
                idle = [e for e in idle if table.notify_due(e, now)]
                if idle:
                    yield table, idle


__all__ = [
    "Change",
    "Control",
    "ControlError",
    "Entry",
    "Exact",
    "Group",
    "Lpm",
    "Member",
    "Place",
    "Range",
    "Replica",
    "Table",
    "Ternary",
]
