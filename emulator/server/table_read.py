"""Reading table entries, default entries, direct counters and direct meters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from emulator.switch.table import DEFAULT_SLOT

from .bound import Bound
from .entry_extras import Extra, extra_of
from .errors import invalid, not_found
from .meters import fill_colours, fill_counts, fill_rates
from .table_write import BoundTable


class TableReader:
    """Fills p4.v1.TableEntry messages. A pattern's unset fields match anything."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self.sees: Callable[[int], bool] = lambda number: True

    def _chosen(self, pattern: Any) -> list[BoundTable]:
        if pattern.table_id:
            found = self._bound.find("table", self._bound.tables, pattern.table_id)
            if pattern.HasField("time_since_last_hit") and not found.info.idle_timeout:
                raise invalid(f"table {found.info.name} has no idle timeout", "leave time_since_last_hit out")
            return [found] if self.sees(pattern.table_id) else []
        if pattern.match or pattern.priority:
            raise invalid("a match or priority without a table", "set table_id, or leave them out")
        return [table for number, table in self._bound.tables.items() if self.sees(number)]

    def _check_default(self, pattern: Any) -> None:
        """Refuse what a default entry does not have."""
        if pattern.match or pattern.priority:
            raise invalid("a default entry has no match and no priority", "leave them out")
        if pattern.idle_timeout_ns or pattern.HasField("time_since_last_hit"):
            raise invalid("a default entry has no timeout", "leave idle_timeout_ns and time_since_last_hit out")

    def entries(self, pattern: Any, out: Any) -> Iterator[None]:
        if pattern.is_default_action:
            self._check_default(pattern)
        for table in self._chosen(pattern):
            if pattern.is_default_action:
                if self._wants_default(table, pattern):
                    self._default(table, pattern, out.add().table_entry)
                    yield
                continue
            for entry in self._matching(table, pattern):
                self._fill(table, entry, pattern, out.add().table_entry)
                yield

    def direct_counters(self, message: Any, out: Any) -> Iterator[None]:
        for table, entry, slot in self._direct(message.table_entry, "direct_counter", "counter"):
            into = out.add().direct_counter_entry
            self._name(table, entry, into.table_entry)
            packets, octets = table.control.direct_counter.read(slot)
            fill_counts(into.data, packets, octets)
            yield

    def direct_meters(self, message: Any, out: Any) -> Iterator[None]:
        for table, entry, slot in self._direct(message.table_entry, "direct_meter", "meter"):
            into = out.add().direct_meter_entry
            self._name(table, entry, into.table_entry)
            if table.control.direct_meter.get_rates(slot) is not None:
                fill_rates(table.control.direct_meter, slot, into.config)
            if message.HasField("counter_data"):
                fill_colours(table.control.direct_meter, slot, into.counter_data)
            yield

    def _direct(self, pattern: Any, resource: str, what: str) -> Iterator[tuple[BoundTable, Any, int]]:
        """(table, entry, place in its counter or meter); the entry is None for the default one."""
        if pattern.is_default_action:
            self._check_default(pattern)
        for table in self._chosen(pattern):
            if getattr(table.control, resource) is None:
                if pattern.table_id:
                    raise invalid(f"table {table.info.name} has no direct {what}", "use another table")
                continue
            if pattern.is_default_action:
                if self._wants_default(table, pattern):
                    yield table, None, DEFAULT_SLOT
                continue
            found = 0
            for entry in self._matching(table, pattern):
                found += 1
                yield table, entry, entry.slot
            if pattern.match and not found:
                raise not_found(f"table {table.info.name} has no entry with this key", "read the table's entries")

    # -- which entries ---------------------------------------------------------------------------------------

    def _matching(self, table: BoundTable, pattern: Any) -> Iterator[Any]:
        if pattern.match:
            found = self._by_key(table, pattern)
        elif pattern.priority:
            found = (e for e in table.control.entries() if e.priority == pattern.priority)
        else:
            found = table.control.entries()
        return (entry for entry in found if self._wanted(table, entry, pattern))

    def _by_key(self, table: BoundTable, pattern: Any) -> Iterator[Any]:
        key = table.codec.decode(pattern.match)
        if table.info.needs_priority and not pattern.priority:
            wanted = table.control.checked_key(key)
            return (entry for entry in table.control.entries() if entry.key == wanted)
        handle = table.control.find(key, pattern.priority)
        return iter(() if handle is None else (table.control.entry(handle),))

    def _wanted(self, table: BoundTable, entry: Any, pattern: Any) -> bool:
        """The filters beside the key: metadata, constness, action."""
        if not _same_extra(extra_of(entry), pattern) or (pattern.is_const and not entry.is_const):
            return False
        which = pattern.action.WhichOneof("type")
        if which is None:
            return True
        if which == "action":
            return entry.action is not None and entry.action == self._named(pattern)
        profile = table.profile
        if which == "action_profile_member_id":
            number = pattern.action.action_profile_member_id
            return profile is not None and entry.member is not None and profile.members.get(number) == entry.member
        if which == "action_profile_group_id":
            number = pattern.action.action_profile_group_id
            return profile is not None and entry.group is not None and profile.groups.get(number) == entry.group
        return profile is not None and profile.one_shots.of(table.info.id, entry.handle) is not None

    def _named(self, pattern: Any) -> str | None:
        """The name of the action that a pattern asks for."""
        named = self._bound.schema.actions.by_id.get(pattern.action.action.action_id)
        return None if named is None else named.name

    def _wants_default(self, table: BoundTable, pattern: Any) -> bool:
        if not _same_extra(table.default.extra, pattern) or (pattern.is_const and not table.info.const_default_action_id):
            return False
        which = pattern.action.WhichOneof("type")
        return which is None or (which == "action" and table.control.default[0] == self._named(pattern))

    # -- what of them ----------------------------------------------------------------------------------------

    def _name(self, table: BoundTable, entry: Any, into: Any) -> None:
        """Table, key and priority: what names an entry (None: the default one)."""
        into.table_id = table.info.id
        if entry is None:
            into.is_default_action = True
            return
        table.codec.encode(entry.key, into.match)
        if table.info.needs_priority:
            into.priority = entry.priority

    def _fill(self, table: BoundTable, entry: Any, pattern: Any, into: Any) -> None:
        self._name(table, entry, into)
        self._fill_action(table, entry, into)
        if entry.is_const:
            into.is_const = True
        if entry.metadata is not None:
            extra = entry.metadata
            into.metadata, into.controller_metadata = extra.metadata, extra.controller_metadata
            into.idle_timeout_ns = extra.idle_timeout_ns
        self._fill_direct(table, entry.slot, pattern, into)
        if table.info.idle_timeout and pattern.HasField("time_since_last_hit"):
            now = self._bound.control.clock()
            into.time_since_last_hit.elapsed_ns = max(0, now - entry.last_hit_us) * 1000
            into.time_since_last_hit.SetInParent()

    def _fill_direct(self, table: BoundTable, slot: int, pattern: Any, into: Any) -> None:
        """Counter and meter, where they are asked for."""
        control = table.control
        if control.direct_counter is not None and pattern.HasField("counter_data"):
            fill_counts(into.counter_data, *control.direct_counter.read(slot))
        if control.direct_meter is not None and pattern.HasField("meter_config"):
            if control.direct_meter.get_rates(slot) is not None:
                fill_rates(control.direct_meter, slot, into.meter_config)
        if control.direct_meter is not None and pattern.HasField("meter_counter_data"):
            fill_colours(control.direct_meter, slot, into.meter_counter_data)

    def _fill_action(self, table: BoundTable, entry: Any, into: Any) -> None:
        profile = table.profile
        if entry.action is not None:
            self._bound.actions.encode(entry.action, entry.args, into.action.action)
        elif profile is None:
            return
        elif entry.member is not None:
            into.action.action_profile_member_id = profile.member_ids.get(entry.member, 0)
        elif (shot := profile.one_shots.of(table.info.id, entry.handle)) is not None:
            into.action.action_profile_action_set.SetInParent()
            profile.one_shots.encode(shot, into.action.action_profile_action_set)
        else:
            into.action.action_profile_group_id = profile.group_ids.get(entry.group, 0)

    def _default(self, table: BoundTable, pattern: Any, into: Any) -> None:
        into.table_id = table.info.id
        into.is_default_action = True
        into.metadata, into.controller_metadata = table.default.extra.metadata, table.default.extra.controller_metadata
        if table.info.const_default_action_id:
            into.is_const = True
        self._fill_direct(table, DEFAULT_SLOT, pattern, into)
        name, args = table.control.default
        if name is not None and self._bound.actions.known(name):
            self._bound.actions.encode(name, args, into.action.action)


def _same_extra(extra: Extra, pattern: Any) -> bool:
    """Whether an entry has the metadata that a pattern asks for, if it does."""
    if pattern.metadata and extra.metadata != pattern.metadata:
        return False
    return not pattern.controller_metadata or extra.controller_metadata == pattern.controller_metadata
