"""Read requests: what the switch holds, entity by entity, with every wildcard the specification has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import RLock
from typing import Any

from controller.p4rt.entities.digest import encode_member
from controller.p4rt.protos import p4r

from .bound import Bound
from .errors import invalid, unimplemented
from .match import canonical
from .meters import fill_counts, fill_rates
from .register_read import response_bytes
from .state_write import index_of
from .table_read import TableReader

_CHUNK = 1000  # entities in one response: far below gRPC's 4 MiB default, whatever the entity
_CELLS = 16384  # of a register in one response, which are some twenty bytes each


class Out:
    """The response being filled. `add` gives the next entity to fill in place, which saves a copy of each."""

    def __init__(self) -> None:
        self.response = p4r.ReadResponse()
        self.count = 0

    def add(self) -> Any:
        self.count += 1
        return self.response.entities.add()


class Reader:
    """Reads one program's switch. A generator step is taken under `lock`, a response is sent without it."""

    def __init__(self, bound: Bound, lock: RLock) -> None:
        self._bound = bound
        self._lock = lock
        self._tables = TableReader(bound)
        self._handlers: dict[str, Callable[[Any, Out], Iterable[None]]] = {
            "table_entry": self._tables.entries,
            "action_profile_member": self._members,
            "action_profile_group": self._groups,
            "meter_entry": self._meters,
            "direct_meter_entry": self._tables.direct_meters,
            "counter_entry": self._counters,
            "direct_counter_entry": self._tables.direct_counters,
            "packet_replication_engine_entry": self._replication,
            "value_set_entry": self._value_sets,
            "register_entry": self._registers,
            "digest_entry": self._digests,
            "extern_entry": self._externs,
        }

    def responses(self, entities: Any) -> Iterator[Any]:
        """p4.v1.ReadResponse messages for the requested entities, in their order. Raises Refused."""
        out = Out()
        steps = self._steps(entities, out)
        while True:
            with self._lock:
                ended = all(out.count < _CHUNK for _ in steps)
            if out.count or ended:
                yield out.response
            if ended:
                return
            out.response, out.count = p4r.ReadResponse(), 0

    def _steps(self, entities: Any, out: Out) -> Iterator[None]:
        for entity in entities:
            which = entity.WhichOneof("entity")
            if which is None:
                raise invalid("an entity to read is empty", "set one of the entities")
            yield from self._handlers[which](getattr(entity, which), out)

    def all_of(self, entity: Any) -> list[Any]:
        """Every entity that matches one pattern, as messages."""
        return [found for response in self.responses([entity]) for found in response.entities]

    # -- one method per entity -------------------------------------------------------------------------------

    def _chosen(self, kind: str, objects: dict[int, Any], number: int) -> list[Any]:
        return list(objects.values()) if not number else [self._bound.find(kind, objects, number)]

    def _members(self, message: Any, out: Out) -> Iterator[None]:
        for profile in self._chosen("action profile", self._bound.profiles, message.action_profile_id):
            for number, handle in sorted(profile.members.items()):
                if message.member_id in (0, number):
                    found = profile.control.member(handle)
                    into = out.add().action_profile_member
                    into.action_profile_id, into.member_id = profile.info.id, number
                    name = profile.control.model.actions[found.action_id].name
                    self._bound.actions.encode(name, found.args, into.action)
                    yield

    def _groups(self, message: Any, out: Out) -> Iterator[None]:
        for profile in self._chosen("action profile", self._bound.profiles, message.action_profile_id):
            for number, handle in sorted(profile.groups.items()):
                if message.group_id in (0, number):
                    into = out.add().action_profile_group
                    into.action_profile_id, into.group_id = profile.info.id, number
                    into.max_size = profile.control.group(handle).max_size
                    profile.fill_group(number, into)
                    yield

    def _cells(self, message: Any, size: int, what: str) -> Iterable[int]:
        return [index_of(message, size, what)] if message.HasField("index") else range(size)

    def _counters(self, message: Any, out: Out) -> Iterator[None]:
        for info, control in self._chosen("counter", self._bound.counters, message.counter_id):
            if not message.HasField("index"):
                rows: Iterable[Any] = enumerate(control.read_all())
            else:
                index = index_of(message, control.size, f"counter {info.name}")
                rows = [(index, control.read(index))]
            for index, (packets, octets) in rows:
                into = out.add().counter_entry
                into.counter_id = info.id
                into.index.index = index
                fill_counts(into.data, packets, octets)
                yield

    def _meters(self, message: Any, out: Out) -> Iterator[None]:
        for info, control in self._chosen("meter", self._bound.meters, message.meter_id):
            for index in self._cells(message, control.size, f"meter {info.name}"):
                into = out.add().meter_entry
                into.meter_id = info.id
                into.index.index = index
                if control.get_rates(index) is not None:
                    fill_rates(control, index, into.config)
                yield

    def _registers(self, message: Any, out: Out) -> Iterator[None]:
        for info, control in self._chosen("register", self._bound.registers, message.register_id):
            plain = not info.element.signed and info.element.kind != "bool"
            if not message.HasField("index"):
                if plain and control.data.ndim == 1:
                    yield from _whole(info.id, control.data, out)
                    continue
                rows: Iterable[Any] = enumerate(control.read_all())
            else:
                index = index_of(message, control.size, f"register {info.name}")
                rows = [(index, control.read(index))]
            for index, value in rows:
                into = out.add().register_entry
                into.register_id = info.id
                into.index.index = index
                if plain:
                    into.data.bitstring = canonical(value)
                else:
                    encode_member(value, info.element, into.data)
                yield

    def _value_sets(self, message: Any, out: Out) -> Iterator[None]:
        for info, control, _ in self._chosen("value set", self._bound.value_sets, message.value_set_id):
            into = out.add().value_set_entry
            into.value_set_id = info.id
            for member in control.members():
                added = into.members.add()
                for field, (value, mask) in zip(info.fields, member):
                    _fill_member(added.match, field, value, mask)
            yield

    def _digests(self, message: Any, out: Out) -> Iterator[None]:
        settings = self._bound.digest_settings.configs
        for info, _ in self._chosen("digest", self._bound.digests, message.digest_id):
            if info.id in settings:
                into = out.add().digest_entry
                into.digest_id = info.id
                into.config.CopyFrom(settings[info.id])
                into.config.SetInParent()
                yield

    def _replication(self, message: Any, out: Out) -> Iterator[None]:
        which = message.WhichOneof("type")
        if which is None:
            raise invalid("the replication entry is empty", "name a multicast group or a clone session")
        kind = "group" if which == "multicast_group_entry" else "session"
        inner = getattr(message, which)
        number = inner.multicast_group_id if kind == "group" else inner.session_id
        for (of, known), found in sorted(self._bound.replication.remembered.items()):
            if of == kind and number in (0, known):
                into = out.add().packet_replication_engine_entry
                getattr(into, which).CopyFrom(found)
                yield

    def _externs(self, message: Any, out: Out) -> Iterator[None]:
        raise unimplemented("the program has no externs of its own", "v1model's have entities of their own")


def _whole(register_id: int, data: Any, out: Out) -> Iterator[None]:
    """All cells of an array of at most 64 bits."""
    for first in range(0, len(data), _CELLS):
        values = data[first : first + _CELLS]
        out.response.MergeFromString(response_bytes(register_id, first, values))
        out.count += len(values)
        yield


def _fill_member(into: Any, field: Any, value: int, mask: int) -> None:
    if field.kind == "exact":
        into.add(field_id=field.id).exact.value = canonical(value)
    elif field.kind == "optional":
        if mask:
            into.add(field_id=field.id).optional.value = canonical(value)
    elif field.kind == "lpm":
        if mask:
            lpm = into.add(field_id=field.id).lpm
            lpm.value, lpm.prefix_len = canonical(value), mask.bit_count()
    elif field.kind == "range":
        between = into.add(field_id=field.id).range
        between.low = between.high = canonical(value)
    elif mask:
        ternary = into.add(field_id=field.id).ternary
        ternary.value, ternary.mask = canonical(value), canonical(mask)
