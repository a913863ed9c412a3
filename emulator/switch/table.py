"""One table at run time: its entries, default action, direct counters and meters, and the look-up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.switch.errors import ControlError
from emulator.switch.keys import EntryKey, Exact
from emulator.switch.lookup import index_for
from emulator.switch.meters import MeterArray
from emulator.switch.model import Model, TableNode
from emulator.switch.profile import ActionProfile
from emulator.switch.state import CounterArray, State
from emulator.switch.table_key import CHECKS

DEFAULT_SLOT = 0
"""Where a table's direct counter and meter keep what belongs to its default entry."""


@dataclass(slots=True, eq=False)
class Entry:
    """One entry. Either (action_id, args), or member, or group (handles in the table's action profile).

    slot: dense index of the entry, also its index in the table's direct counter and meter. ttl_us 0: never
    idle. last_hit_us: time of the last hit, or of insertion. metadata: the control plane's own."""

    handle: int
    key: EntryKey
    priority: int
    action_id: int
    args: tuple[int, ...]
    slot: int
    member: int | None = None
    group: int | None = None
    is_const: bool = False
    ttl_us: int = 0
    last_hit_us: int = 0
    metadata: Any = None
    table: Table | None = None
    notified_us: int = -1

    @property
    def action(self) -> str | None:
        """The action's name; None for an entry that names a member or group."""
        if self.table is None or self.member is not None or self.group is not None:
            return None
        return self.table.model.actions[self.action_id].name


class Table:
    """Changes raise ControlError and then change nothing.

    `version` rises with every change of entries or default; `changed` (set by Control) is called after each."""

    def __init__(self, model: Model, number: int, state: State, profile: ActionProfile | None, clock: Any):
        self.model = model
        self.spec: TableNode = model.tables[number]
        self.name = self.spec.name
        self.profile = profile
        self.version = 0
        self.changed: Any = lambda table, op, entry: None
        self._clock = clock
        self._index = index_for(self.spec)
        self._entries: dict[int, Entry] = {}
        self._by_key: dict[tuple[EntryKey, int], Entry] = {}
        self._next_handle = 0
        self._free_slots: list[int] = []
        self._next_slot = DEFAULT_SLOT + 1
        self.direct_counter: CounterArray | None = (
            None if self.spec.counter is None else state.counters[self.spec.counter]
        )
        self.direct_meter: MeterArray | None = None if self.spec.meter is None else state.meters[self.spec.meter]
        self._actions = {
            model.actions[a].name: (a, tuple(p.width for p in model.actions[a].params)) for a in self.spec.actions
        }
        self._prioritised = self.spec.kind in ("ternary", "range")
        self._checks = tuple((CHECKS[key.kind], key) for key in self.spec.keys)
        self._all_exact = bool(self.spec.keys) and all(key.kind == "exact" for key in self.spec.keys)
        self._limits = tuple(1 << key.width for key in self.spec.keys)
        self.default_id: int | None = None
        self.default_args: tuple[int, ...] = ()
        self.restart()

    def restart(self) -> None:
        """As after loading: the program's entries and default only."""
        for entry in list(self._entries.values()):
            self._drop(entry)
        self._set_program_default()
        for const in self.spec.entries:
            self._add(const.key, const.priority, const.call.action, const.call.args, is_const=const.const, initial=True)  # type: ignore[arg-type]

    # --- Entries ---

    def insert(
        self,
        key: Sequence[Any],
        action: str,
        args: Sequence[int] = (),
        priority: int = 0,
        *,
        ttl_us: int = 0,
        canonical: bool = False,
    ) -> int:
        """Adds an entry and returns its handle. A key part may also be a plain integer (that value only) or
        None (anything). Among matching entries the larger priority wins, then the older one. canonical: the key is what
        `checked_key` would give."""
        if self.profile is not None:
            raise ControlError("invalid", f"table {self.name} has an action profile: its entries name members")
        self._changeable()
        action_id, values = self.checked_action(action, args)
        found = tuple(key) if canonical else self.checked_key(key)
        entry = self._add(found, priority, action_id, values, ttl_us=ttl_us)
        self.changed(self, "insert", entry)
        return entry.handle

    def insert_many(self, rows: Iterable[tuple[Sequence[Any], str, Sequence[int], int]]) -> list[int]:
        """insert() for rows of (key, action, args, priority); stops at the first that is refused."""
        return [self.insert(key, action, args, priority) for key, action, args, priority in rows]

    def insert_member(self, key: Sequence[Any], member: int, priority: int = 0, *, ttl_us: int = 0) -> int:
        profile = self._indirect()
        profile.member(member)
        entry = self._add(self.checked_key(key), priority, -1, (), member=member, ttl_us=ttl_us)
        profile.hold(member, None, 1)
        self.changed(self, "insert", entry)
        return entry.handle

    def insert_group(self, key: Sequence[Any], group: int, priority: int = 0, *, ttl_us: int = 0) -> int:
        profile = self._indirect()
        if not self.spec.selector:
            raise ControlError("invalid", f"table {self.name} has no selector, so an entry cannot name a group")
        profile.group(group)
        entry = self._add(self.checked_key(key), priority, -1, (), group=group, ttl_us=ttl_us)
        profile.hold(None, group, 1)
        self.changed(self, "insert", entry)
        return entry.handle

    def modify(self, handle: int, action: str, args: Sequence[int] = (), *, ttl_us: int | None = None) -> None:
        entry = self._own(handle)
        if self.profile is not None:
            raise ControlError("invalid", f"table {self.name} has an action profile: its entries name members")
        entry.action_id, entry.args = self.checked_action(action, args)
        self._modified(entry, ttl_us)

    def modify_member(self, handle: int, member: int, *, ttl_us: int | None = None) -> None:
        self._redirect(handle, member, None, ttl_us)

    def modify_group(self, handle: int, group: int, *, ttl_us: int | None = None) -> None:
        self._redirect(handle, None, group, ttl_us)

    def delete(self, handle: int) -> None:
        entry = self._own(handle)
        self._drop(entry)
        if self.profile is not None:
            self.profile.hold(entry.member, entry.group, -1)
        self.changed(self, "delete", entry)

    def clear(self) -> None:
        """Deletes all entries that are not constant."""
        for entry in [e for e in self._entries.values() if not e.is_const]:
            self.delete(entry.handle)

    def entry(self, handle: int) -> Entry:
        found = self._entries.get(handle)
        if found is None:
            raise ControlError("not_found", f"table {self.name} has no entry with handle {handle}")
        return found

    def entries(self) -> Iterator[Entry]:
        """In order of insertion."""
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Sequence[Any], priority: int = 0) -> int | None:
        """Handle of the entry with exactly this key (and priority, where the table has priorities)."""
        found = self._by_key.get((self.checked_key(key), priority if self._prioritised else 0))
        return None if found is None else found.handle

    def lookup(self, values: tuple[int, ...]) -> Entry | None:
        """The entry that wins for these key values (masked, invalid headers 0)."""
        return self._index.lookup(values) if self.spec.keys else None

    def notify_due(self, entry: Entry, now: int) -> bool:
        """Whether an idle entry is to be reported: once per time to live since it was last hit."""
        if entry.notified_us >= entry.last_hit_us and now - entry.notified_us < entry.ttl_us:
            return False
        entry.notified_us = now
        return True

    # --- Default action ---

    @property
    def default(self) -> tuple[str | None, tuple[int, ...]]:
        """(action, args); the action is None when a miss does nothing."""
        if self.default_id is None:
            return None, ()
        return self.model.actions[self.default_id].name, self.default_args

    def set_default(self, action: str, args: Sequence[int] = ()) -> None:
        if self.profile is not None:
            raise ControlError("unsupported", f"table {self.name} has an action profile, so no default of its own")
        action_id, values = self.checked_action(action, args)
        if self.spec.default_const and (action_id, values) != (self.default_id, self.default_args):
            raise ControlError("const", f"the default action of table {self.name} is constant")
        self.default_id, self.default_args = action_id, values
        self.version += 1
        self.changed(self, "default", None)

    def reset_default(self) -> None:
        """The program's default again."""
        self._set_program_default()
        self.version += 1
        self.changed(self, "default", None)

    def _set_program_default(self) -> None:
        call = self.spec.default
        self.default_id, self.default_args = (None, ()) if call is None else (call.action, call.args)

    # --- Checks ---

    def checked_key(self, key: Sequence[Any]) -> EntryKey:
        """The key in canonical form (bits outside a mask 0), or ControlError."""
        if len(key) != len(self._checks):
            raise ControlError("invalid", f"table {self.name} has {len(self._checks)} keys, not {len(key)}")
        if self._all_exact:
            for part, limit in zip(key, self._limits):
                if part.__class__ is not Exact or not 0 <= part[0] < limit:
                    break
            else:
                return tuple(key)
        return tuple([check(part, spec, self.name) for part, (check, spec) in zip(key, self._checks)])

    def checked_action(self, action: str, args: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """(index of the action, arguments), or ControlError."""
        found = self._actions.get(action)
        if found is None:
            raise ControlError("invalid", f"table {self.name} has no action {action!r}")
        action_id, widths = found
        if len(args) != len(widths):
            raise ControlError("invalid", f"action {action} takes {len(widths)} arguments, not {len(args)}")
        for value, width in zip(args, widths):
            if not 0 <= value < 1 << width:
                raise ControlError("invalid", f"argument {value} of action {action} does not fit {width} bits")
        return action_id, tuple(args)

    def _changeable(self) -> None:
        if self.spec.const_entries:
            raise ControlError("const", f"the entries of table {self.name} are constant")
        if not self.spec.keys:
            raise ControlError("invalid", f"table {self.name} has no key, so it takes no entries")

    def _indirect(self) -> ActionProfile:
        if self.profile is None:
            raise ControlError("invalid", f"table {self.name} has no action profile: its entries name actions")
        self._changeable()
        return self.profile

    def _own(self, handle: int) -> Entry:
        entry = self.entry(handle)
        if entry.is_const:
            raise ControlError("const", f"the entries of table {self.name} are constant")
        return entry

    # --- Bookkeeping ---

    def _add(
        self,
        key: EntryKey,
        priority: int,
        action_id: int,
        args: tuple[int, ...],
        *,
        member: int | None = None,
        group: int | None = None,
        is_const: bool = False,
        initial: bool = False,
        ttl_us: int = 0,
    ) -> Entry:
        if not self._prioritised and not initial:
            priority = 0
        place = (key, priority if self._prioritised else 0)
        if place in self._by_key:
            if initial:  # the first of equal entries of the program wins
                return self._by_key[place]
            raise ControlError("exists", f"table {self.name} has an entry with this key already")
        if len(self._entries) >= self.spec.max_size and not initial:
            raise ControlError("full", f"table {self.name} is full: it holds {self.spec.max_size} entries")
        entry = Entry(self._next_handle, key, priority, action_id, args, self._slot(), member, group, is_const)
        entry.table, entry.ttl_us, entry.last_hit_us = self, ttl_us, self._clock()
        self._next_handle += 1
        self._entries[entry.handle] = entry
        self._by_key[place] = entry
        self._index.insert(entry)
        self.version += 1
        return entry

    def _drop(self, entry: Entry) -> None:
        del self._entries[entry.handle]
        del self._by_key[(entry.key, entry.priority if self._prioritised else 0)]
        self._index.remove(entry)
        self._free_slots.append(entry.slot)
        self.version += 1

    def _slot(self) -> int:
        """A free slot with its direct counter and meter cleared."""
        if self._free_slots:
            slot = self._free_slots.pop()
        else:
            slot, self._next_slot = self._next_slot, self._next_slot + 1
        for array in (self.direct_counter, self.direct_meter):
            if array is not None:
                if slot >= array.size:
                    array.grow(max(2 * array.size, slot + 1))
                array.data[slot] = 0
        return slot

    def _modified(self, entry: Entry, ttl_us: int | None) -> None:
        if ttl_us is not None:
            entry.ttl_us = ttl_us
        entry.last_hit_us = self._clock()
        self.version += 1
        self.changed(self, "modify", entry)

    def _redirect(self, handle: int, member: int | None, group: int | None, ttl_us: int | None) -> None:
        profile, entry = self._indirect(), self._own(handle)
        if member is not None:
            profile.member(member)
        elif not self.spec.selector:
            raise ControlError("invalid", f"table {self.name} has no selector, so an entry cannot name a group")
        else:
            profile.group(group)
        profile.hold(entry.member, entry.group, -1)
        entry.member, entry.group = member, group
        profile.hold(member, group, 1)
        self._modified(entry, ttl_us)
