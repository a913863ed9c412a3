"""RECONCILE_AND_COMMIT: what the old program's switch holds, written to the new one's before it takes over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controller.p4rt.protos import p4r
from controller.p4rt.status import Code
from emulator.switch.errors import ControlError
from emulator.switch.meters import COUNTS
from emulator.switch.table import DEFAULT_SLOT

from .bound import Bound
from .errors import Refused
from .read import Reader
from .write import Writer


def _patterns() -> list[tuple[str, Any]]:
    """What is carried over, users after what they use."""
    entries = p4r.Entity()
    entries.table_entry.counter_data.SetInParent()
    entries.table_entry.meter_config.SetInParent()
    defaults = p4r.Entity()
    defaults.table_entry.is_default_action = True
    groups, sessions = p4r.Entity(), p4r.Entity()
    groups.packet_replication_engine_entry.multicast_group_entry.SetInParent()
    sessions.packet_replication_engine_entry.clone_session_entry.SetInParent()
    simple = []
    for kind, name in (
        ("INSERT", "action_profile_member"),
        ("INSERT", "action_profile_group"),
        ("MODIFY", "value_set_entry"),
        ("INSERT", "digest_entry"),
        ("MODIFY", "counter_entry"),
        ("MODIFY", "meter_entry"),
    ):
        entity = p4r.Entity()
        getattr(entity, name).SetInParent()
        simple.append((kind, entity))
    return [("INSERT", groups), ("INSERT", sessions), *simple, ("MODIFY", defaults), ("INSERT", entries)]


def carry_over(old: Bound, new: Bound) -> None:
    """Raises INVALID_ARGUMENT, and then `new` must be thrown away, where something has no place in it."""
    writer = Writer(new)
    for number, table in new.tables.items():
        if table.info.has_initial_entries and number in old.tables:
            table.control.clear()  # it has what the old program's table has, not what it began with
    new.translations.copy_from(old.translations)
    for update in installed(old):
        try:
            writer.apply(update)
        except (Refused, ControlError, ValueError) as error:
            raise Refused(
                Code.INVALID_ARGUMENT,
                f"the new program cannot take over what is installed: {error}",
                "delete it first, or use VERIFY_AND_COMMIT, which starts empty",
            ) from None
    for name, register in old.control.registers.items():
        other = new.control.registers.get(name)
        if other is not None and (other.size, other.bitwidth) == (register.size, register.bitwidth):
            other.data[...] = register.data
    for number, table in new.tables.items():
        if number in old.tables:
            _carry_default(old.tables[number].control, table.control)
    for name, meter in old.control.meters.items():
        if name in new.control.meters and new.control.meters[name].size == meter.size:
            new.control.meters[name].data[:, COUNTS:] = meter.data[:, COUNTS:]


def _carry_default(old: Any, new: Any) -> None:
    """Direct counter and meter of a default entry, constant ones included."""
    if old.direct_counter is not None and new.direct_counter is not None:
        new.direct_counter.write(DEFAULT_SLOT, *old.direct_counter.read(DEFAULT_SLOT))
    if old.direct_meter is not None and new.direct_meter is not None and old.direct_meter.kind == new.direct_meter.kind:
        new.direct_meter.data[DEFAULT_SLOT] = old.direct_meter.data[DEFAULT_SLOT]


def installed(bound: Bound) -> Iterator[Any]:
    """Updates that bring another switch with the same program to what this one holds, users after what they use."""
    reader = Reader(bound)
    for kind, pattern in _patterns():
        for entity in reader.all_of(pattern):
            if not _pointless(entity, bound):
                yield p4r.Update(type=p4r.Update.Type.Value(kind), entity=entity)


def _pointless(entity: Any, old: Bound) -> bool:
    """Constant entries, unchanged defaults, empty cells: the program brings its own."""
    which = entity.WhichOneof("entity")
    if which == "counter_entry":
        data = entity.counter_entry.data
        return not (data.packet_count or data.byte_count)
    if which == "meter_entry":
        return not entity.meter_entry.HasField("config")
    if which == "value_set_entry":
        return not entity.value_set_entry.members
    if which != "table_entry":
        return False
    entry = entity.table_entry
    if not entry.is_default_action:
        return entry.is_const
    table = old.tables[entry.table_id]
    spec = table.control.spec.default
    program = (None, ()) if spec is None else (table.control.model.actions[spec.action].name, spec.args)
    plain = not entry.metadata and not entry.controller_metadata
    return (plain and table.control.default == program) or table.profile is not None
