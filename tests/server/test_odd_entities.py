"""Ranges in value sets, structs in digests, entries of a program's own externs (programs/odd_entities.p4)."""

from __future__ import annotations

import queue
import random
from collections import deque
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import StringValue, UInt32Value

from controller.p4rt.entities import DigestEntry, DigestList
from controller.p4rt.protos import p4r
from controller.p4rt.status import Code, P4RuntimeError
from emulator.server.value_sets import prefixes
from emulator.switch.keys import Range

WAIT = 10.0
ENGINES = pytest.mark.parametrize("engine", ["interp", "jit"])


class Ring:
    """The newest bytes, as the control plane sees and sets them."""

    def __init__(self, size: int) -> None:
        self._values: deque[int] = deque(maxlen=size)

    def push(self, v: Any) -> None:
        self._values.append(v.value)

    def p4runtime_read(self) -> list[UInt32Value]:
        return [UInt32Value(value=v) for v in self._values]

    def p4runtime_write(self, kind: str, entry: Any) -> Any:
        before = list(self._values)
        if kind == "DELETE":
            if not before:
                raise KeyError("the ring is empty")
            self._values.clear()
        else:
            value = UInt32Value()
            if not entry.Unpack(value):
                raise ValueError("an entry is a UInt32Value")
            if kind == "MODIFY":
                raise NotImplementedError("a ring is pushed to")
            self._values.append(value.value)

        def undo() -> None:
            self._values.clear()
            self._values.extend(before)

        return undo


EXTERNS = {"Ring": Ring}


def frame(kind: int, port: int, flow: int = 0) -> bytes:
    return bytes([kind, flow]) + port.to_bytes(2, "big")


def start(live: Any, engine: str = "interp", externs: Any = EXTERNS) -> Any:
    return live("odd_entities.p4", engine=engine, externs=externs)


def write(found: Any, *updates: tuple[str, Any], atomicity: int = 0) -> None:
    messages = [p4r.Update(type=p4r.Update.Type.Value(kind), entity=entity) for kind, entity in updates]
    found.client.client.write(messages, found.client.election, atomicity)


def refused(call: Any, *args: Any, **settings: Any) -> tuple[Code, str]:
    with pytest.raises(P4RuntimeError) as caught:
        call(*args, **settings)
    failure = next((f for f in caught.value.failures if f.code != Code.ABORTED), caught.value)
    return failure.code, str(caught.value)


def read(found: Any, entity: Any) -> list[Any]:
    request = p4r.ReadRequest(entities=[entity])
    answer = found.device.read(request)
    assert answer.results == [None], answer.results
    return [one for data in answer.responses for one in p4r.ReadResponse.FromString(data).entities]


def wanted(found: Any, *members: tuple[int, int, int | None]) -> Any:
    """A ValueSetEntry from (lowest port, highest port, kind or None for any) each."""
    entity = p4r.Entity()
    entity.value_set_entry.value_set_id = found.p4info.value_sets[0].preamble.id
    for low, high, kind in members:
        added = entity.value_set_entry.members.add()
        port = added.match.add(field_id=1).range
        port.low, port.high = (n.to_bytes(2, "big").lstrip(b"\0") or b"\0" for n in (low, high))
        if kind is not None:
            match = added.match.add(field_id=2).ternary
            match.value, match.mask = bytes([kind]), b"\xff"
    return entity


@ENGINES
def test_ranges_in_a_value_set(live: Any, engine: str) -> None:
    found = start(live, engine)
    message = wanted(found, (1000, 2000, 7), (5, 5, None), (0xFFF0, 0xFFFF, 1))
    write(found, ("MODIFY", message))
    assert read(found, p4r.Entity(value_set_entry=p4r.ValueSetEntry())) == [message]
    send = found.device.switch.send
    for port, kind, chosen in [(999, 7, 0), (1000, 7, 1), (1500, 7, 1), (2000, 7, 1), (2001, 7, 0), (1500, 8, 0), (5, 9, 1),
                               (0xFFEF, 1, 0), (0xFFF0, 1, 1), (0xFFFF, 1, 1), (0, 1, 0)]:  # fmt: skip
        assert send(0, frame(kind, port))[0][0] == 1 + chosen, (port, kind)
    code, text = refused(write, found, ("MODIFY", wanted(found, *[(n, n + 9, n) for n in range(5)])))
    assert code == Code.RESOURCE_EXHAUSTED and "holds 4 members, not 5" in text
    twice = wanted(found, (1, 3, 4), (1, 3, 4))
    assert refused(write, found, ("MODIFY", twice))[0] == Code.ALREADY_EXISTS
    bad = p4r.Entity(value_set_entry=p4r.ValueSetEntry(value_set_id=1))
    code, _ = refused(write, found, ("MODIFY", wanted(found)), ("MODIFY", bad), atomicity=1)
    assert code == Code.INVALID_ARGUMENT
    assert read(found, p4r.Entity(value_set_entry=p4r.ValueSetEntry())) == [message], "rolled back"
    assert send(0, frame(7, 1500))[0][0] == 2
    write(found, ("MODIFY", wanted(found)))
    assert send(0, frame(7, 1500))[0][0] == 1


def test_a_range_is_its_prefixes() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    corners = [(0, 0), (0, 255), (255, 255), (1, 254), (127, 128), (128, 255), (0, 127)]
    for low, high in [*corners, *(sorted(rng.choices(range(256), k=2)) for _ in range(200))]:
        found = list(prefixes(Range(low, high), 8))
        assert [n for n in range(256) if any(n & m == v for v, m in found)] == list(range(low, high + 1))
        assert len(found) <= 14, "2 bits - 2 at most"


@ENGINES
def test_digests_of_structs_in_structs(live: Any, engine: str) -> None:
    found = start(live, engine)
    heard: queue.Queue[DigestList] = queue.Queue()
    found.client.on_digest = heard.put
    (digest,) = found.client.schema.digests
    assert [m.name for m in digest.members] == [
        "inner.kind", "inner.large", "inner.mood", "port", "small.mood", "small.odd", "small.rest"]  # fmt: skip
    found.client.insert(DigestEntry(digest.name, max_list_size=2, max_timeout_ns=10**12))
    for kind, port in ((3, 4), (5, 1000)):
        found.device.switch.send(0, frame(kind, port))
    first, second = heard.get(timeout=WAIT).messages
    assert list(first.values()) == [3, 0, 1, 4, 9, 1, 5]
    assert list(second.values()) == [5, 1, 1, 1000, 9, 1, 5]


def ring_entry(found: Any, message: Any = None) -> Any:
    (extern,) = found.p4info.externs
    entity = p4r.Entity()
    entity.extern_entry.extern_type_id = extern.extern_type_id
    entity.extern_entry.extern_id = extern.instances[0].preamble.id
    if message is not None:
        entity.extern_entry.entry.type_url = f"type.googleapis.com/{message.DESCRIPTOR.full_name}"
        entity.extern_entry.entry.value = message.SerializeToString()
    return entity


def held(found: Any, pattern: Any = None) -> list[int]:
    entries = read(found, pattern or p4r.Entity(extern_entry=p4r.ExternEntry()))
    assert all(e.extern_entry.extern_id == ring_entry(found).extern_entry.extern_id for e in entries)
    return [UInt32Value.FromString(e.extern_entry.entry.value).value for e in entries]


def test_entries_of_the_programs_own_externs(live: Any) -> None:
    found = start(live)
    found.device.switch.send(0, frame(1, 2, flow=33))
    write(found, ("INSERT", ring_entry(found, UInt32Value(value=44))))
    assert held(found) == held(found, ring_entry(found)) == [33, 44]
    of_type = ring_entry(found)
    of_type.extern_entry.extern_id = 0
    assert held(found, of_type) == [33, 44]
    code, text = refused(write, found, ("INSERT", ring_entry(found, StringValue(value="x"))))
    assert code == Code.INVALID_ARGUMENT and "an entry is a UInt32Value" in text
    code, text = refused(write, found, ("MODIFY", ring_entry(found, UInt32Value(value=1))))
    assert code == Code.UNIMPLEMENTED and "a ring is pushed to" in text
    code, _ = refused(
        write, found, ("DELETE", ring_entry(found)), ("DELETE", ring_entry(found)), atomicity=p4r.WriteRequest.ROLLBACK_ON_ERROR
    )
    assert code == Code.NOT_FOUND and held(found) == [33, 44], "undone"
    write(found, ("DELETE", ring_entry(found)))
    assert held(found) == []


def test_externs_that_are_not_there_or_have_no_entries(live: Any) -> None:
    class Plain:
        def __init__(self, size: int) -> None: ...

        def push(self, v: Any) -> None: ...

    found = start(live, externs={"Ring": Plain})
    code, text = refused(write, found, ("INSERT", ring_entry(found)))
    assert code == Code.UNIMPLEMENTED and "give its class a method p4runtime_write" in text
    assert held(found) == [], "a question for all has an empty answer"
    for field in ("extern_type_id", "extern_id"):
        wrong = ring_entry(found)
        setattr(wrong.extern_entry, field, 0x1234)
        code, _ = refused(write, found, ("INSERT", wrong))
        assert code == Code.INVALID_ARGUMENT
        (result,) = found.device.read(p4r.ReadRequest(entities=[wrong])).results
        assert result.code == Code.INVALID_ARGUMENT
    (result,) = found.device.read(p4r.ReadRequest(entities=[ring_entry(found)])).results
    assert result.code == Code.UNIMPLEMENTED
