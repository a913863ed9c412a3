"""Read requests: what the switch holds, entity by entity, with every wildcard the specification has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from controller.p4rt.protos import p4r

from .bound import Bound
from .errors import Refused, invalid
from .meters import fill_colours, fill_counts, fill_rates
from .numbers import canonical
from .register_read import response_bytes
from .state_write import index_of
from .table_read import TableReader

_CHUNK = 1000  # entities in one response, and
_BYTES = 1 << 20  # bytes after which it ends: with one more entity it stays far below the 4 MiB that a gRPC client takes
_CELLS = 32768  # of a register at a time, which are some twenty bytes each


class Out:
    """The response being filled. `add` gives the next entity to fill in place, which saves a copy of each; `add_bytes` takes
    entities serialised: responses one after the other are one response."""

    def __init__(self) -> None:
        self.response = p4r.ReadResponse()
        self.count = 0  # entities in it
        self.parts: list[bytes] = []  # what comes before it
        self.size = 0  # of those, and of the entities but the last
        self._last: Any = None

    def add(self) -> Any:
        self.count += 1
        if self._last is not None:
            self.size += self._last.ByteSize()
        self._last = self.response.entities.add()
        return self._last

    def add_bytes(self, data: bytes) -> None:
        if self.count:
            self._pack()
        self.parts.append(data)
        self.size += len(data)

    def _pack(self) -> None:
        self.parts.append(self.response.SerializeToString())
        self.size = sum(map(len, self.parts))
        self.response, self.count, self._last = p4r.ReadResponse(), 0, None

    @property
    def full(self) -> bool:
        return self.count >= _CHUNK or self.size >= _BYTES

    @property
    def empty(self) -> bool:
        return not self.count and not self.parts

    def take(self) -> bytes:
        """The response, serialised; an empty one is begun."""
        if self.count or not self.parts:
            self._pack()
        data = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        self.parts, self.size = [], 0
        return data

    def mark(self) -> tuple[int, int]:
        return len(self.parts), self.count

    def cut(self, mark: tuple[int, int]) -> None:
        """Takes back what came after `mark`."""
        parts, count = mark
        if len(self.parts) > parts:
            self.response = p4r.ReadResponse()
            if count:  # it was packed since, with what came after
                self.response.MergeFromString(self.parts[parts])
            self.parts = self.parts[:parts]
        del self.response.entities[count:]
        self.count, self._last = count, None
        self.size = sum(map(len, self.parts)) + self.response.ByteSize()


@dataclass(frozen=True)
class Answer:
    """responses: serialised p4.v1.ReadResponse messages. results: what became of each request, None if well."""

    responses: list[bytes]
    results: list[Refused | None]


class Reader:
    """Reads one program's switch. The caller holds the device's lock, so that no write comes between."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._tables = TableReader(bound)
        self._sees: Callable[[int], bool] = _everything
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

    def answer(self, entities: Any, sees: Callable[[int], bool] | None = None) -> Answer:
        """Every entity that one of `entities` asks for, in their order. A request that is refused yields nothing, and
        the others are answered. sees: whether the reader's role has the object of an id (None: all of them)."""
        self._sees = self._tables.sees = sees or _everything
        answer, out = Answer([], []), Out()
        for entity in entities:
            before, mark = out.mark(), self._bound.translations.mark()
            try:
                for _ in self._steps(entity, out):
                    if out.full:
                        answer.responses.append(out.take())
                        before = out.mark()
                answer.results.append(None)
            except Refused as refused:
                out.cut(before)
                answer.results.append(refused)
            self._bound.translations.rollback(mark)  # names that only a question had
        if not out.empty or not answer.responses:
            answer.responses.append(out.take())
        return answer

    def _steps(self, entity: Any, out: Out) -> Iterator[None]:
        which = entity.WhichOneof("entity")
        if which is None:
            raise invalid("an entity to read is empty", "set one of the entities")
        yield from self._handlers[which](getattr(entity, which), out)

    def all_of(self, entity: Any) -> list[Any]:
        """Every entity that matches one pattern, as messages. Raises Refused."""
        answer = self.answer([entity])
        for refused in answer.results:
            if refused is not None:
                raise refused
        return [found for data in answer.responses for found in p4r.ReadResponse.FromString(data).entities]

    # -- one method per entity -------------------------------------------------------------------------------

    def _chosen(self, kind: str, objects: dict[int, Any], number: int) -> list[Any]:
        if number:
            found = [self._bound.find(kind, objects, number)]
            return found if self._sees(number) else []
        return [found for key, found in objects.items() if self._sees(key)]

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
            for number in sorted(profile.groups):
                if message.group_id in (0, number):
                    into = out.add().action_profile_group
                    into.action_profile_id, into.group_id = profile.info.id, number
                    into.max_size = profile.max_sizes[number]
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
                if message.HasField("counter_data"):
                    fill_colours(control, index, into.counter_data)
                yield

    def _registers(self, message: Any, out: Out) -> Iterator[None]:
        for info, control in self._chosen("register", self._bound.registers, message.register_id):
            plain = info.element.kind == "bit" and not info.element.signed and not info.element.translation
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
                    self._bound.fill_data(value, info.element, into.data)
                yield

    def _value_sets(self, message: Any, out: Out) -> Iterator[None]:
        for found in self._chosen("value set", self._bound.value_sets, message.value_set_id):
            found.read(out.add().value_set_entry)
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
        for found in self._bound.externs.read(message, self._sees):
            out.add().extern_entry.CopyFrom(found)
            yield


def _whole(register_id: int, data: Any, out: Out) -> Iterator[None]:
    """All cells of an array of at most 64 bits."""
    for first in range(0, len(data), _CELLS):
        values = data[first : first + _CELLS]
        out.add_bytes(response_bytes(register_id, first, values))
        yield


def _everything(number: int) -> bool:
    return True
