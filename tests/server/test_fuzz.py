"""Requests nobody would write: the server answers each with a status, and a refused one changes no register.

Messages are grown from the schema of the messages themselves, with ids and values that are often right, so that most
get past the first check. The slow run makes 50,000.
"""

from __future__ import annotations

import gc
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.p4rt.p4info import from_p4info
from controller.p4rt.protos import p4r
from controller.p4rt.status import Code
from emulator.server.device import Device
from emulator.server.errors import Refused
from emulator.server.program import SwitchOptions, build
from tests.server.conftest import compiled

from pathlib import Path  # isort: skip

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = ("03_acl_ternary", "05_registers", "06_counters", "07_meters", "11_digest", "12_action_profile",
         "13_action_selector", "18_select_lookahead", "34_cpu_names", "rules.p4", "selectors.p4")  # fmt: skip
NUMBERS = (0, 1, 2, 3, 5, 255, 511, 512, 65535, 1 << 31, (1 << 32) - 1)
BYTES = (b"", b"\x00", b"\x01", b"\x02", b"\x03", b"\x00\x01", b"\x00" * 9 + b"\x01", b"\xff", b"\xff" * 20)


class Grower:
    """Random protobuf messages of a program."""

    def __init__(self, rng: random.Random, schema: Any) -> None:
        self.rng = rng
        self._schema = schema
        self._tables = [t for t in schema.tables if t.fields]
        self.ids = {
            "table_id": [t.id for t in schema.tables], "action_id": [a.id for a in schema.actions],
            "action_profile_id": [p.id for p in schema.profiles], "counter_id": [c.id for c in schema.counters],
            "meter_id": [m.id for m in schema.meters], "register_id": [r.id for r in schema.registers],
            "digest_id": [d.id for d in schema.digests], "value_set_id": [v.id for v in schema.value_sets],
        }  # fmt: skip

    def grow(self, message: Any, depth: int = 0) -> Any:
        """Fill in fields at random, one of each oneof, and an update's type nearly always."""
        chosen = {self.rng.choice(one.fields).name for one in message.DESCRIPTOR.oneofs}
        for field in message.DESCRIPTOR.fields:
            if field.containing_oneof is not None:
                wanted = field.name in chosen
            else:
                likely = 0.97 if field.name in self.ids or field.name in ("type", "entity", "index") else 0.6
                wanted = self.rng.random() < likely
            if wanted:
                for _ in range(self.rng.choice((0, 1, 1, 1, 2)) if field.is_repeated else 1):
                    self._set(message, field, field.is_repeated, depth)
        return message

    def update(self) -> Any:
        """An update that is random, or of a table entry that is nearly right."""
        if self.rng.random() < 0.5 or not self._tables:
            return self.grow(p4r.Update())
        update = p4r.Update(type=self.rng.randrange(1, 4))
        self._entry(self.rng.choice(self._tables), update.entity.table_entry)
        if self.rng.random() < 0.4:
            self._spoil(update)
        return update

    def _entry(self, table: Any, entry: Any) -> None:
        entry.table_id, entry.priority = table.id, self.rng.randrange(1, 3) if table.needs_priority else 0
        for field in table.fields:
            match, value = entry.match.add(field_id=field.id), bytes([self.rng.randrange(2)])
            part = getattr(match, field.kind)
            if field.translation:
                value = self.rng.choice((b"1", b"2", b"a", b"b"))
            if field.kind == "range":
                part.low, part.high = value, b"\x01"
            else:
                part.value = value
            if field.kind == "lpm":
                part.prefix_len = field.bitwidth
            if field.kind == "ternary":
                part.mask = b"\x01"
        if table.profile_id:
            kind = self.rng.choice(("action_profile_member_id", "action_profile_group_id", "action_profile_action_set"))
            if kind != "action_profile_action_set":
                setattr(entry.action, kind, self.rng.randrange(1, 4))
                return
            shot = entry.action.action_profile_action_set
            for _ in range(self.rng.randrange(1, 3)):
                self._call(table, shot.action_profile_actions.add(weight=1).action)
            if self.rng.random() < 0.4:
                shot.action_selection_mode, shot.size_semantics = self.rng.randrange(4), self.rng.randrange(4)
                self._call(table, shot.group_action)
        else:
            self._call(table, entry.action.action)

    def _call(self, table: Any, into: Any) -> None:
        action = self._schema.actions[self.rng.choice(list(table.scopes))]
        into.action_id = action.id
        for param in action.params:
            value = b"1" if param.translation else bytes([self.rng.randrange(2)])
            into.params.add(param_id=param.id, value=value)

    def _spoil(self, message: Any) -> None:
        """Change one field somewhere below."""
        while True:
            present = [(f, v) for f, v in message.ListFields() if f.message_type is not None]
            if not present or self.rng.random() < 0.2:
                break
            field, value = self.rng.choice(present)
            message = self.rng.choice(list(value)) if field.is_repeated else value
        field = self.rng.choice(message.DESCRIPTOR.fields)
        self._set(message, field, field.is_repeated, 5)

    def _set(self, message: Any, field: Any, repeated: bool, depth: int) -> None:
        if field.message_type is not None:
            if depth < 9 and field.message_type.full_name != "google.protobuf.Any":
                self.grow(getattr(message, field.name).add() if repeated else getattr(message, field.name), depth + 1)
                if not repeated:
                    getattr(message, field.name).SetInParent()
            return
        value = self._value(field)
        if repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)

    def _value(self, field: Any) -> Any:
        known = self.ids.get(field.name)
        if known and self.rng.random() < 0.95:
            return self.rng.choice(known)
        if field.type == field.TYPE_BYTES:
            return self.rng.choice(BYTES)
        if field.type == field.TYPE_BOOL:
            return self.rng.random() < 0.15
        if field.type == field.TYPE_STRING:
            return self.rng.choice(("", "x"))
        if field.enum_type is not None:
            numbers = [v.number for v in field.enum_type.values]
            return self.rng.choice(numbers[1:] if len(numbers) > 1 and self.rng.random() < 0.95 else numbers)
        small = self.rng.choice((0, 1, 1, 1, 2, 3))
        value = small if self.rng.random() < 0.85 else self.rng.choice(NUMBERS)
        return min(value, (1 << 31) - 1) if field.type in (field.TYPE_INT32, field.TYPE_INT64) else value


def devices() -> dict[str, Device]:
    found = {}
    for case in CASES:
        from controller.p4rt.p4info import read_p4info

        own = compiled(case) if case.endswith(".p4") else None
        info, data = own or (
            read_p4info(GOLDEN / case / "program.p4info.txtpb"), (GOLDEN / case / "program.json").read_bytes()
        )  # fmt: skip
        config = p4r.ForwardingPipelineConfig(p4_device_config=data)
        config.p4info.CopyFrom(info)
        device = Device(SwitchOptions("interp"))
        device.commit(build(config, device.options))
        found[case] = device
    return found


@pytest.fixture(scope="module")
def fleet() -> Any:
    found = devices()
    yield found
    for device in found.values():
        device.close()


def registers(device: Device) -> list[list[int]]:
    return [register.read_all() for register in device.switch.control.registers.values()]


def one(device: Device, seed: int) -> bool:
    """Send one random request; whether anything in it was refused."""
    rng = random.Random(seed)
    assert device.bound is not None
    grower = Grower(rng, from_p4info(device.bound.schema.message))
    if rng.random() < 0.3:
        request = p4r.ReadRequest()
        for _ in range(rng.randrange(1, 4)):
            grower.grow(request.entities.add(), 1)
        before = [device.bound.translations.mark(), registers(device)]
        answer = device.read(request)
        assert len(answer.results) == len(request.entities)
        for response in answer.responses:
            p4r.ReadResponse.FromString(response)
        assert [device.bound.translations.mark(), registers(device)] == before
        return any(result is not None for result in answer.results)
    request = p4r.WriteRequest(atomicity=rng.randrange(3))
    for _ in range(rng.randrange(1, 5)):
        request.updates.add().CopyFrom(grower.update())
    before = registers(device)
    results = device.write(request)
    assert len(results) == len(request.updates)
    assert all(r is None or (r.code != Code.INTERNAL and str(r)) for r in results)
    refused = [i for i, r in enumerate(results) if r is not None]
    touched = {u.entity.register_entry.register_id for i, u in enumerate(request.updates) if i not in refused}
    if len(refused) == len(results) or not any(touched):
        assert registers(device) == before, f"seed {seed}"
    return bool(refused)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=st.sampled_from(CASES), seed=st.integers(0, 1 << 60))
def test_requests(fleet: Any, case: str, seed: int) -> None:
    one(fleet[case], seed)


@pytest.mark.slow
def test_many_requests(fleet: Any) -> None:
    base = random.randrange(1 << 40)
    print(f"seeds from {base}")
    refused, living = 0, []
    for i in range(50_000):
        refused += one(fleet[CASES[i % len(CASES)]], base + i)
        if i in (25_000, 49_999):
            gc.collect()
            living.append(len(gc.get_objects()))
    assert 1_000 < refused < 49_900, "the requests are neither all wrong nor all right"
    assert living[1] - living[0] < 2_000, "what a request leaves behind is bounded by the tables' sizes"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_program(data: bytes) -> None:
    config = p4r.ForwardingPipelineConfig(p4_device_config=data)
    with pytest.raises(Refused):
        build(config, SwitchOptions("interp"))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=st.sampled_from(CASES), seed=st.integers(0, 1 << 60))
def test_stream_messages(fleet: Any, case: str, seed: int) -> None:
    from emulator.server.stream import Session

    device, rng = fleet[case], random.Random(seed)
    session = Session("test")
    device.streams.opened(session)
    for _ in range(3):
        message = Grower(rng, device.bound.schema).grow(p4r.StreamMessageRequest(), 0)
        device.streams.received(session, message)
    device.streams.closed(session)
    assert len(device.streams.elections) == 0
