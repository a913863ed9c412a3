"""A program's P4Info tied to its switch's control plane: what every P4Runtime id stands for."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from controller.p4rt.entities.digest import data_kind, decode_member, encode_member, type_name
from controller.p4rt.schema import Member, Named, Schema
from emulator.switch.queues import MAX_PRIORITIES

from .actions import ActionCodec
from .choice import WatchPorts
from .errors import invalid, not_found
from .extern_entries import ExternEntries
from .match import KeyCodec
from .numbers import unsigned
from .profiles import Profile
from .program import Program, key_positions
from .replication import Replication
from .state_write import DigestSettings
from .table_write import BoundTable
from .translation import Translations
from .value_sets import BoundValueSet


class Bound:
    """Ids of P4Info to objects of the control plane. An id that leads nowhere is refused by `find`."""

    def __init__(
        self, program: Program, ports: Mapping[str, int] | None = None, numbers: Container[int] | None = None
    ) -> None:
        """ports: the switch's, by name. numbers: of all its ports; None where it has none of its own."""
        self.program = program
        self.schema: Schema = program.schema
        self.control: Any = program.switch.control
        control, schema = self.control, self.schema
        self.translations = Translations(schema.message, ports, program.switch.cpu_port)
        widths = {a.name: tuple(p.width for p in a.params) for a in control.model.actions}
        self.actions = ActionCodec(schema, self.translations, widths)
        watched = WatchPorts(self.translations.port, numbers)
        self.profiles = {
            info.id: Profile(
                info,
                control.action_profiles[info.name],
                self.actions,
                watched,
                [schema.tables.by_id[i] for i in info.table_ids if i in schema.tables.by_id],
            )
            for info in schema.profiles
            if info.name in control.action_profiles
        }
        self.tables = {
            info.id: self._table(info, control.tables[info.name])
            for info in schema.tables
            if info.name in control.tables
        }
        self.counters = self._pairs(schema.counters, control.counters)
        self.meters = self._pairs(schema.meters, control.meters)
        self.registers = self._pairs(schema.registers, control.registers)
        self.value_sets = {
            info.id: self._value_set(info, control.value_sets[info.name])
            for info in schema.value_sets
            if info.name in control.value_sets
        }
        self.externs = ExternEntries(schema.message, control.externs)
        self.digests = self._pairs(schema.digests, control.digests)
        priorities = control.queues.priorities
        classes = priorities if priorities > 1 else MAX_PRIORITIES  # with one queue they are metadata only
        self.replication = Replication(
            control.multicast, control.mirror, control.ports_down, self.translations.port, classes
        )
        control.port_listeners.append(self.replication.ports_changed)
        self.digest_settings = DigestSettings(control.digests)
        for _, digest in self.digests.values():
            digest.disable()

    def _table(self, info: Any, control: Any) -> BoundTable:
        keys = control.spec.keys
        widths = [key.width for key in keys] if len(keys) == len(info.fields) else None
        positions = key_positions(info.fields, keys)
        codec = KeyCodec(f"table {info.name}", info.fields, positions, self.translations, widths)
        meter = self.schema.direct_meters.by_id.get(info.direct_meter_id)
        return BoundTable(info, control, codec, self.actions, self.profiles.get(info.profile_id), meter)

    def _value_set(self, info: Any, control: Any) -> BoundValueSet:
        widths = control.spec.widths
        known = widths if len(widths) == len(info.fields) else None
        codec = KeyCodec(f"value set {info.name}", info.fields, range(len(info.fields)), self.translations, known)
        return BoundValueSet(info, control, codec)

    def fill_data(self, value: int, member: Member, into: Any) -> None:
        """Fill a P4Data from the bits of a register cell or a digest's member."""
        if member.translation:
            into.bitstring = self.translations.names(member.translation, 32).data(value)
        else:
            encode_member(value, member, into)

    def data_of(self, data: Any, member: Member, what: str) -> int:
        """The bits of a P4Data; Refused where it is not of the member's type."""
        kind, wanted = data.WhichOneof("data"), data_kind(member)
        if kind != wanted:
            raise invalid(
                f"{what} is of type {type_name(member)}, and the data is given as {kind or 'nothing'}", f"set data.{wanted}"
            )
        if member.translation:
            return self.translations.names(member.translation, 32).number(data.bitstring, what)
        if kind == "bitstring" and not member.signed:
            return unsigned(data.bitstring, member.bitwidth, what)
        try:
            return decode_member(data, member) & ((1 << member.bitwidth) - 1)
        except ValueError as error:
            raise invalid(f"{what}: {error}", f"its type is {type_name(member)}") from None

    @staticmethod
    def _pairs(infos: Any, controls: Any) -> dict[int, tuple[Any, Any]]:
        return {info.id: (info, controls[info.name]) for info in infos if info.name in controls}

    def find(self, kind: str, objects: Any, number: int) -> Any:
        """The object with this id; refused where the program has none."""
        found = objects.get(number)
        if found is not None:
            return found
        if not number:
            raise invalid(f"the {kind} id is not set", f"name a {kind} of the P4Info")
        named: Named | None = None
        for index in (
            self.schema.tables,
            self.schema.counters,
            self.schema.meters,
            self.schema.registers,
            self.schema.profiles,
            self.schema.digests,
            self.schema.value_sets,
        ):
            named = named or index.by_id.get(number)  # type: ignore[attr-defined]
        if named is not None and number >> 24 and kind in _PREFIXES and number >> 24 == _PREFIXES[kind]:
            raise not_found(
                f"{kind} {named.name} is in the P4Info but not in the program", "the compiler found it unused"
            )
        raise invalid(f"there is no {kind} with id 0x{number:08x}", "use the ids of the program's P4Info")


_PREFIXES = {
    "table": 2,
    "value set": 3,
    "action profile": 17,
    "counter": 18,
    "meter": 20,
    "register": 22,
    "digest": 23,
}
