"""Write requests: one update after another, with what each kind of atomicity promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controller.p4rt.protos import p4r
from controller.p4rt.status import Code
from emulator.switch.errors import ControlError
from emulator.switch.table import DEFAULT_SLOT

from . import state_write
from .bound import Bound
from .errors import Refused, from_control, invalid
from .meters import check_cleared, check_rates, set_rates
from .undo import Undo, nothing

_KINDS = {p4r.Update.INSERT: "INSERT", p4r.Update.MODIFY: "MODIFY", p4r.Update.DELETE: "DELETE"}
CONTINUE, ROLLBACK, ATOMIC = range(3)


class Writer:
    """Applies updates to one program's switch. The caller holds the device's lock."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._may: Callable[[Any], None] | None = None
        self._handlers: dict[str, Callable[[str, Any], Undo]] = {
            "table_entry": self._table,
            "action_profile_member": self._member,
            "action_profile_group": self._group,
            "meter_entry": self._meter,
            "direct_meter_entry": self._direct_meter,
            "counter_entry": self._counter,
            "direct_counter_entry": self._direct_counter,
            "packet_replication_engine_entry": self._replication,
            "value_set_entry": self._value_set,
            "register_entry": self._register,
            "digest_entry": self._digest,
            "extern_entry": self._extern,
        }

    def batch(self, updates: Any, atomicity: int, may: Callable[[Any], None] | None = None) -> list[Refused | None]:
        """What became of each update. Under ROLLBACK and ATOMIC a refusal undoes all that went before it, and
        every other update is reported as ABORTED. may: raises Refused for an entity outside the writer's role."""
        self._may = may
        if atomicity == CONTINUE:
            return [self._outcome(update)[0] for update in updates]
        undos: list[Undo] = []
        mark = self._bound.translations.mark()
        for place, update in enumerate(updates):
            refused, undo = self._outcome(update)
            if refused is not None:
                for back in reversed(undos):
                    back()
                self._bound.translations.rollback(mark)
                return _aborted(len(updates), place, refused)
            undos.append(undo)
        return [None] * len(updates)

    def _outcome(self, update: Any) -> tuple[Refused | None, Undo]:
        mark = self._bound.translations.mark()
        try:
            return None, self.apply(update)
        except Refused as error:
            refused = error
        except ControlError as error:
            refused = from_control(error)
        except (ValueError, IndexError) as error:  # the switch core's own checks of numbers
            refused = invalid(str(error))
        self._bound.translations.rollback(mark)
        return refused, _never

    def apply(self, update: Any) -> Undo:
        """Do one update; raises Refused or ControlError, and then nothing has changed."""
        kind = _KINDS.get(update.type)
        if kind is None:
            raise invalid("the update has no type", "set INSERT, MODIFY or DELETE")
        entity = update.entity
        which = entity.WhichOneof("entity")
        if which is None:
            raise invalid("the update has no entity", "set one of the entities")
        if self._may is not None:
            self._may(entity)
        return self._handlers[which](kind, getattr(entity, which))

    # -- one method per entity -------------------------------------------------------------------------------

    def _table(self, kind: str, entry: Any) -> Undo:
        table = self._bound.tables.get(entry.table_id)
        if table is None:
            table = self._bound.find("table", self._bound.tables, entry.table_id)
        return table.write(kind, entry)

    def _member(self, kind: str, message: Any) -> Undo:
        profile = self._bound.find("action profile", self._bound.profiles, message.action_profile_id)
        return profile.write_member(kind, message)

    def _group(self, kind: str, message: Any) -> Undo:
        profile = self._bound.find("action profile", self._bound.profiles, message.action_profile_id)
        return profile.write_group(kind, message)

    def _counter(self, kind: str, message: Any) -> Undo:
        info, control = self._bound.find("counter", self._bound.counters, message.counter_id)
        return state_write.write_counter(kind, message, info, control)

    def _meter(self, kind: str, message: Any) -> Undo:
        info, control = self._bound.find("meter", self._bound.meters, message.meter_id)
        return state_write.write_meter(kind, message, info, control)

    def _register(self, kind: str, message: Any) -> Undo:
        info, control = self._bound.find("register", self._bound.registers, message.register_id)
        value = self._bound.data_of(message.data, info.element, f"register {info.name}")
        return state_write.write_register(kind, message, info, control, value)

    def _value_set(self, kind: str, message: Any) -> Undo:
        found = self._bound.find("value set", self._bound.value_sets, message.value_set_id)
        state_write.only_modify(kind, f"value set {found.info.name}")
        return found.write(message)

    def _replication(self, kind: str, message: Any) -> Undo:
        return self._bound.replication.write(kind, message)

    def _digest(self, kind: str, message: Any) -> Undo:
        info, _ = self._bound.find("digest", self._bound.digests, message.digest_id)
        return self._bound.digest_settings.write(kind, message, info)

    def _extern(self, kind: str, message: Any) -> Undo:
        return self._bound.externs.write(kind, message)

    def _direct(self, kind: str, message: Any, what: str) -> tuple[Any, int]:
        """(table, slot) of the entry a direct counter or meter belongs to."""
        state_write.only_modify(kind, f"a direct {what}")
        entry = message.table_entry
        table = self._bound.find("table", self._bound.tables, entry.table_id)
        resource = table.control.direct_counter if what == "counter" else table.control.direct_meter
        if resource is None:
            raise invalid(f"table {table.info.name} has no direct {what}", "use another table")
        if entry.is_default_action:
            if entry.match or entry.priority:
                raise invalid(f"the default entry of table {table.info.name} has no match and no priority", "leave them out")
            return table, DEFAULT_SLOT
        return table, table.control.entry(table.find(entry)).slot

    def _direct_counter(self, kind: str, message: Any) -> Undo:
        table, slot = self._direct(kind, message, "counter")
        state_write.check_counts(message.data, f"direct counter of {table.info.name}")
        if not message.HasField("data"):
            return nothing
        counter = table.control.direct_counter
        before = counter.read(slot)
        counter.write(slot, message.data.packet_count, message.data.byte_count)
        return lambda: counter.write(slot, *before)

    def _direct_meter(self, kind: str, message: Any) -> Undo:
        table, slot = self._direct(kind, message, "meter")
        if message.HasField("config"):
            check_rates(message.config, table.direct.meter)
        if message.HasField("counter_data"):
            check_cleared(message.counter_data)
        meter = table.control.direct_meter
        before = meter.data[slot].copy()
        set_rates(meter, slot, message, table.direct.meter)
        if message.HasField("counter_data"):
            meter.clear_counts(slot)

        def undo() -> None:
            meter.data[slot] = before

        return undo


def _never() -> None:
    raise AssertionError("a refused update has nothing to undo")


def _aborted(count: int, place: int, refused: Refused) -> list[Refused | None]:
    other = Refused(
        Code.ABORTED,
        f"not done, because update {place} of the batch was refused",
        "correct that one and send all again",
    )
    return [refused if i == place else other for i in range(count)]
