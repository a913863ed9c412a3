"""Meters of every type, direct resources of default entries, arrays with a translated index, classes of service, ports as text
(programs/resources.p4)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from controller.p4rt.entities import (
    ActionCall,
    CloneSession,
    CounterEntry,
    DirectCounterEntry,
    DirectMeterEntry,
    MeterEntry,
    MeterRates,
    MulticastGroup,
    OneShot,
    RegisterEntry,
    Replica,
    TableEntry,
    Weighted,
)
from controller.p4rt.protos import p4r
from controller.p4rt.status import Code, P4RuntimeError
from emulator.server.device import Device
from emulator.server.program import SwitchOptions
from emulator.switch.queues import QueueSettings

GREEN, YELLOW, RED = range(3)
ENGINES = pytest.mark.parametrize("engine", ["interp", "jit"])
Start = Callable[..., Any]


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


def refused(call: Any, *args: Any) -> tuple[Code, str]:
    with pytest.raises(P4RuntimeError) as caught:
        call(*args)
    (failure,) = caught.value.failures or (caught.value,)  # type: ignore[misc]
    return failure.code, str(caught.value)


def frame(kind: int) -> bytes:
    return bytes([kind, 0, 0]) + b"payload"


def colours(found: Any, kind: int, count: int) -> list[int]:
    return [data[1] for _ in range(count) for port, data in found.device.switch.send(0, frame(kind))]


DEFAULT = TableEntry("Ig.metered", is_default=True)
CALL = ActionCall("Ig.paced", {"port": 7})


# -- meters ------------------------------------------------------------------------------------------------------


@ENGINES
def test_one_rate_with_an_excess_burst(live: Start, engine: str) -> None:
    clock = Clock()
    found = live("resources.p4", clock=clock, engine=engine)
    rates = MeterRates(1000, 2, 1000, 2, 3)
    found.client.modify(MeterEntry("one_rate", 1, rates))
    assert found.client.read_one(MeterEntry("one_rate", 1)).rates == rates
    assert colours(found, 0x81, 7) == [GREEN] * 2 + [YELLOW] * 3 + [RED] * 2
    clock.now = 3000  # three packets' worth: two for the committed bucket, the third flows over
    assert colours(found, 0x81, 4) == [GREEN] * 2 + [YELLOW, RED]
    clock.now = 3999
    assert colours(found, 0x81, 1) == [RED]
    clock.now = 4000
    assert colours(found, 0x81, 2) == [GREEN, RED]
    found.client.set_pipeline(found.p4info, found.json, action="RECONCILE_AND_COMMIT")
    assert found.client.read_one(MeterEntry("one_rate", 1)).rates == rates
    found.client.modify(MeterEntry("one_rate", 1))
    assert colours(found, 0x81, 9) == [GREEN] * 9


@ENGINES
def test_meters_in_real_time(live: Start, engine: str) -> None:
    found = live("resources.p4", engine=engine)
    found.client.modify(MeterEntry("one_rate", 1, MeterRates(0, 2, 0, 2, 1)))
    assert colours(found, 0x81, 4) == [GREEN, GREEN, YELLOW, RED], "nothing is refilled at rate 0"
    found.client.modify(MeterEntry("one_rate", 1, MeterRates(100, 1, 100, 1, 1)))
    seen, end = set(), time.monotonic() + 20
    while seen != {GREEN, YELLOW, RED} and time.monotonic() < end:
        seen |= set(colours(found, 0x81, 1))
    assert seen == {GREEN, YELLOW, RED}
    while colours(found, 0x81, 1) != [GREEN]:
        assert time.monotonic() < end, "the bucket is refilled as time passes"


@pytest.mark.parametrize(
    ("meter", "accepted", "wrong"),
    [
        ("one_rate", MeterRates(5, 6, 5, 6, 7), [MeterRates(5, 6, 9, 6, 7), MeterRates(5, 6, 5, 7), MeterRates(5, 6, 5, 6, -1)]),
        ("two_colours", MeterRates(5, 6, 5, 6), [MeterRates(5, 6, 5, 6, 7), MeterRates(5, 6, 9, 6), MeterRates(5, 6, 5, 7)]),
    ],
)
def test_what_each_type_of_meter_takes(live: Start, meter: str, accepted: MeterRates, wrong: list[MeterRates]) -> None:
    client = live("resources.p4").client
    client.modify(MeterEntry(meter, 0, accepted))
    for rates in wrong:
        assert refused(client.modify, MeterEntry(meter, 0, rates))[0] == Code.INVALID_ARGUMENT
    assert client.read_one(MeterEntry(meter, 0)).rates == accepted


# -- default entries ---------------------------------------------------------------------------------------------


@ENGINES
def test_misses_count_for_the_default_entry(live: Start, engine: str) -> None:
    found = live("resources.p4", clock=lambda: 0, engine=engine)
    client, send = found.client, found.device.switch.send
    client.insert(TableEntry("Ig.metered", {"kind": 1}, CALL))
    for kind in (1, 2, 2, 3):
        send(0, frame(kind))
    size = len(frame(0))
    assert client.read_one(TableEntry("Ig.metered", is_default=True, counter=(0, 0))).counter == (3, 3 * size)
    assert client.read_one(DirectCounterEntry(DEFAULT)).packets == 3
    assert [c.packets for c in client.read(DirectCounterEntry(TableEntry("Ig.metered")))] == [1], "entries only"
    assert client.read_one(DirectCounterEntry(TableEntry("Ig.keyless", is_default=True))).packets == 4
    assert client.read_one(DirectCounterEntry(TableEntry("Ig.spread", is_default=True))).packets == 4
    found.device.switch.send_batch([(0, frame(2)), (0, frame(1))])
    assert client.read_one(DirectCounterEntry(DEFAULT)).packets == 4
    client.modify(DirectCounterEntry(DEFAULT, 100, 7))
    send(0, frame(9))
    assert client.read_one(DirectCounterEntry(DEFAULT)).packets == 101
    client.set_pipeline(found.p4info, found.json, action="RECONCILE_AND_COMMIT")
    assert client.read_one(DirectCounterEntry(DEFAULT)) == DirectCounterEntry(DEFAULT, 101, 7 + size)
    assert client.read_one(DirectCounterEntry(TableEntry("Ig.keyless", is_default=True))).packets == 7


@ENGINES
def test_misses_are_metered_by_the_default_entry(live: Start, engine: str) -> None:
    found = live("resources.p4", clock=lambda: 0, engine=engine)
    client = found.client
    client.insert(TableEntry("Ig.metered", {"kind": 1}, CALL))
    assert colours(found, 1, 1) == [GREEN]
    assert colours(found, 2, 1) == [GREEN]
    client.modify(DirectMeterEntry(DEFAULT, MeterRates(0, 1, 0, 1, 2)))
    assert colours(found, 2, 5) == [GREEN, YELLOW, YELLOW, RED, RED]
    assert colours(found, 1, 1) == [GREEN]
    ask = p4r.Entity()
    ask.table_entry.table_id = client.schema.tables["Ig.metered"].id
    ask.table_entry.is_default_action = True
    for name in ("meter_config", "meter_counter_data", "counter_data"):
        getattr(ask.table_entry, name).SetInParent()
    (read,) = client.client.read([ask])
    entry = read.table_entry
    assert (entry.meter_config.cburst, entry.meter_config.eburst, entry.counter_data.packet_count) == (1, 2, 6)
    counts = entry.meter_counter_data
    assert [counts.green.packet_count, counts.yellow.packet_count, counts.red.packet_count] == [1, 2, 2]


def test_a_default_entry_is_written_like_any_other(live: Start) -> None:
    found = live("resources.p4", clock=lambda: 0)
    client = found.client
    full = TableEntry("Ig.metered", action=ActionCall("Ig.paced", {"port": 3}), is_default=True, metadata=b"m",
                      rates=(5, 6, 5, 6), counter=(8, 9))  # fmt: skip
    client.modify(full)
    asked = TableEntry("Ig.metered", is_default=True, rates=(0, 0, 0, 0), counter=(0, 0))
    assert client.read_one(asked) == full
    with pytest.raises(P4RuntimeError):
        client.write(
            [("MODIFY", TableEntry("Ig.metered", action=CALL, is_default=True, counter=(1, 1))),
             ("DELETE", TableEntry("Ig.metered", {"kind": 9}))],
            atomicity="ROLLBACK_ON_ERROR",
        )  # fmt: skip
    assert client.read_one(asked) == full, "an undo brings counter and meter back"
    client.modify(TableEntry("Ig.metered", action=full.action, is_default=True, metadata=b"m"))
    assert (client.read_one(asked).rates, client.read_one(asked).counter) == (None, (8, 9)), "as for any entry"
    client.modify(full)
    client.modify(TableEntry("Ig.metered", is_default=True))
    assert client.read_one(asked) == TableEntry("Ig.metered", action=CALL, is_default=True, counter=(0, 0)), "all put back"


def test_what_default_entries_cannot_have(live: Start) -> None:
    found = live("resources.p4", clock=lambda: 0)
    client = found.client
    for bad, code in (
        (TableEntry("Ig.metered", action=CALL, is_default=True, idle_timeout_ns=5), Code.INVALID_ARGUMENT),
        (TableEntry("Ig.spread", is_default=True, counter=(1, 1), action=ActionCall("NoAction")), Code.PERMISSION_DENIED),
        (TableEntry("Ig.keyless", is_default=True, counter=(1, 1)), Code.PERMISSION_DENIED),
        (TableEntry("Ig.keyless", is_default=True, rates=(1, 1, 1, 1)), Code.INVALID_ARGUMENT),
        (TableEntry("Ig.metered", action=CALL, is_default=True, counter=(-1, 0)), Code.INVALID_ARGUMENT),
        (TableEntry("Ig.metered", action=CALL, is_default=True, rates=(1, 1, 2, 1)), Code.INVALID_ARGUMENT),
        (DirectCounterEntry(TableEntry("Ig.metered", {"kind": 1}, is_default=True), 1, 1), Code.INVALID_ARGUMENT),
    ):
        assert refused(client.modify, bad)[0] == code, bad
    assert refused(client.read_one, TableEntry("Ig.metered", is_default=True, since_last_hit_ns=0))[0] == Code.INVALID_ARGUMENT
    assert refused(client.read_one, TableEntry("Ig.metered", {"kind": 1}, is_default=True))[0] == Code.INVALID_ARGUMENT
    client.modify(DirectCounterEntry(TableEntry("Ig.keyless", is_default=True), 5, 6))
    client.modify(DirectCounterEntry(TableEntry("Ig.spread", is_default=True), 5, 6))
    assert client.read_one(DirectCounterEntry(TableEntry("Ig.spread", is_default=True))).packets == 5


def test_default_entries_are_filtered_like_others(live: Start) -> None:
    client = live("resources.p4").client
    client.modify(TableEntry("Ig.metered", action=CALL, is_default=True, metadata=b"m"))

    def count(**fields: Any) -> int:
        return len(list(client.read(TableEntry("Ig.metered", is_default=True, **fields))))

    assert count() == count(metadata=b"m") == count(action=CALL) == 1
    assert count(metadata=b"x") == count(action=ActionCall("NoAction")) == count(is_const=True) == 0
    assert len(list(client.read(TableEntry("Ig.keyless", is_default=True, is_const=True)))) == 1


# -- arrays with a translated index --------------------------------------------------------------------------------


@ENGINES
def test_arrays_with_a_translated_index(live: Start, engine: str) -> None:
    found = live("resources.p4", engine=engine, clock=lambda: 0)
    client = found.client
    assert {x.index_type_name.name for x in (*found.p4info.counters, *found.p4info.registers)} == {"queue_t"}
    for kind in (1, 2, 2, 0x83):
        found.device.switch.send(0, frame(kind))
    assert [c.packets for c in client.read(CounterEntry("by_queue"))] == [0, 1, 2, 1]
    assert client.read_one(RegisterEntry("last", 3)).value == 0x83
    client.modify(RegisterEntry("last", 3, 77), CounterEntry("by_queue", 3, 9, 9))
    assert client.read_one(RegisterEntry("last", 3)).value == 77
    assert client.read_one(CounterEntry("by_queue", 3)).packets == 9
    for entry in (RegisterEntry("last", 4), CounterEntry("by_queue", 4), MeterEntry("one_rate", 4)):
        assert refused(client.read_one, entry)[0] == Code.OUT_OF_RANGE


# -- replication ---------------------------------------------------------------------------------------------------


@ENGINES
def test_clones_have_a_class_of_service(live: Start, engine: str) -> None:
    found = live("resources.p4", engine=engine, clock=lambda: 0)
    session = CloneSession(5, (Replica(4, 1), Replica(6, 2)), truncate=5, class_of_service=6)
    found.client.insert(session)
    assert list(found.client.read(CloneSession())) == [session]
    out = found.device.switch.send(0, frame(9))
    clones = [(port, data) for port, data in out if port != 7]
    assert clones == [(4, bytes([9, 0, 6]) + b"pa"), (6, bytes([9, 0, 6]) + b"pa")]
    assert [data[2] for port, data in out if port == 7] == [0]
    assert refused(found.client.insert, CloneSession(6, (), class_of_service=8))[0] == Code.INVALID_ARGUMENT


@ENGINES
def test_clones_of_a_higher_class_go_first(live: Start, engine: str) -> None:
    clock = Clock()
    found = live("resources.p4", engine=engine, clock=clock, queues=QueueSettings(3, 16, 0, {7: (None, 1000)}))
    found.client.insert(CloneSession(5, (Replica(7),), class_of_service=2))
    send = found.device.switch.send
    out = [*send(0, frame(1)), *send(0, frame(2)), *send(0, frame(9))]
    clock.now = 10_000
    out += found.device.switch.poll()
    assert [data[0] for _, data in out] == [1, 9, 2, 9]
    assert [data[2] for _, data in out] == [0, 2, 0, 0], "the clone overtook"
    assert refused(found.client.insert, CloneSession(6, (), class_of_service=3))[0] == Code.INVALID_ARGUMENT


def replica_bytes(group: Any, *ports: bytes) -> Any:
    entity = group.encode(None)
    rows = entity.packet_replication_engine_entry.multicast_group_entry.replicas
    for instance, port in enumerate(ports):
        rows.add(port=port, instance=instance)
    return entity


@ENGINES
def test_ports_beside_fields_are_as_the_program_has_them(live: Start, engine: str) -> None:
    """As text, because this program's port type is; and P4Runtime's own number for the CPU port."""
    found = live("resources.p4", engine=engine, cpu_port=255)
    group = replica_bytes(MulticastGroup(1), b"12", b"\x05", b"\xff\xff\xff\xfd")
    found.client.client.write([p4r.Update(type=1, entity=group)], found.client.election)
    assert [port for port, _ in found.control.multicast.group(1)] == [12, 5, 255]
    (read,) = found.client.client.read([MulticastGroup().encode(None)])
    assert read == group, "reads give what was written"
    bad = replica_bytes(MulticastGroup(2), b"nowhere")
    with pytest.raises(P4RuntimeError) as caught:
        found.client.client.write([p4r.Update(type=1, entity=bad)], found.client.election)
    assert "no port 'nowhere'" in str(caught.value)
    shot = TableEntry("Ig.spread", {"kind": 1}, OneShot((Weighted(ActionCall("Ig.send", {"port": "1"}), 1),))).encode(
        found.client.schema
    )
    shot.table_entry.action.action_profile_action_set.action_profile_actions[0].watch_port = b"12"
    shot.table_entry.action.action_profile_action_set.size_semantics = 2
    found.client.client.write([p4r.Update(type=1, entity=shot)], found.client.election)
    (read,) = found.client.client.read([TableEntry("Ig.spread").encode(found.client.schema)])
    assert read == shot
    assert [port for port, _ in found.device.switch.send(0, frame(1))] == [1]
    found.control.set_port(12, False)
    assert [port for port, _ in found.device.switch.send(0, frame(1))] == [7], "the group is empty: a miss"


def test_numbers_of_ports_where_the_program_has_no_names(live: Start) -> None:
    found = live("08_multicast")
    group = replica_bytes(MulticastGroup(1), b"5", b"\x00\x06")
    found.client.client.write([p4r.Update(type=1, entity=group)], found.client.election)
    assert [port for port, _ in found.control.multicast.group(1)] == [ord("5"), 6]


def test_a_packet_out_that_is_too_long_is_a_stream_error() -> None:
    class Runner:
        ports: dict[int, Any] = {}

        def inject(self, port: int, data: bytes) -> None:
            from emulator.switch.runner import RunnerError

            raise RunnerError("the queue is full")

    from emulator.server.errors import Refused

    device = Device(SwitchOptions(cpu_port=255), runner=Runner())
    for size, code in ((70_000, Code.INVALID_ARGUMENT), (60, Code.RESOURCE_EXHAUSTED)):
        with pytest.raises(Refused) as caught:
            device._inject(bytes(size))
        assert caught.value.code == code
