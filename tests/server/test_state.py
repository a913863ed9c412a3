"""Registers, counters, meters, value sets, replication, profiles: written, read with wildcards, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.p4rt.entities import (
    ActionCall,
    CloneSession,
    CounterEntry,
    DirectCounterEntry,
    DirectMeterEntry,
    GroupMember,
    GroupRef,
    MemberRef,
    MeterEntry,
    MeterRates,
    MulticastGroup,
    OneShot,
    ProfileGroup,
    ProfileMember,
    RegisterEntry,
    Replica,
    TableEntry,
    ValueSetEntry,
    Weighted,
)
from controller.p4rt.p4info import from_p4info, read_p4info
from controller.p4rt.status import Code, P4RuntimeError

GOLDEN = Path(__file__).parents[1] / "golden"
with_value_sets = [
    path.parent.name for path in sorted(GOLDEN.glob("*/program.p4info.txtpb"))
    if len(from_p4info(read_p4info(path)).value_sets)
]  # fmt: skip


def refused(call: Any, *args: Any) -> tuple[Code, str]:
    with pytest.raises(P4RuntimeError) as caught:
        call(*args)
    (failure,) = caught.value.failures or (caught.value,)  # type: ignore[misc]
    return failure.code, str(caught.value)


def test_registers_of_every_width(live: Any) -> None:
    found = live("05_registers")
    client = found.client
    for register in client.schema.registers:
        width, signed = register.element.bitwidth, register.element.signed
        extremes = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
        for value in extremes:
            client.modify(RegisterEntry(register.name, register.size - 1, value))
            (cell,) = client.read(RegisterEntry(register.name, register.size - 1))
            assert cell.value == value
            assert found.control.registers[register.name].read(register.size - 1) == value & ((1 << width) - 1)
        assert len(list(client.read(RegisterEntry(register.name)))) == register.size
        client.modify(RegisterEntry(register.name, None, extremes[1]))
        assert {c.value for c in client.read(RegisterEntry(register.name))} == {extremes[1]}
        code, text = refused(client.modify, RegisterEntry(register.name, register.size, 0))
        assert code == Code.OUT_OF_RANGE and f"its indices are 0..{register.size - 1}" in text
    everything = list(client.read(RegisterEntry()))
    assert len(everything) == sum(r.size for r in client.schema.registers)
    assert refused(client.insert, RegisterEntry(register.name, 0, 0))[0] == Code.INVALID_ARGUMENT


def test_counters(live: Any) -> None:
    client = live("06_counters").client
    counter = next(iter(client.schema.counters))
    client.modify(CounterEntry(counter.name, 1, packets=5, bytes=500))
    assert client.read_one(CounterEntry(counter.name, 1)) == CounterEntry(counter.name, 1, 5, 500)
    cells = list(client.read(CounterEntry(counter.name)))
    assert len(cells) == counter.size and sum(c.packets for c in cells) == 5
    assert len(list(client.read(CounterEntry()))) == sum(c.size for c in client.schema.counters)
    assert refused(client.delete, CounterEntry(counter.name, 1))[0] == Code.INVALID_ARGUMENT
    assert refused(client.modify, CounterEntry(counter.name, 1, -1, 0))[0] == Code.INVALID_ARGUMENT
    client.modify(CounterEntry(counter.name, None, 1, 2))
    assert {(c.packets, c.bytes) for c in client.read(CounterEntry(counter.name))} == {(1, 2)}
    assert refused(client.modify, CounterEntry(counter.name, -1, 1, 0))[0] == Code.INVALID_ARGUMENT
    assert refused(client.modify, CounterEntry(counter.name, counter.size, 1, 0))[0] == Code.OUT_OF_RANGE


def entry_of(client: Any, table: Any, value: int = 1) -> TableEntry:
    action = next(client.schema.actions[i] for i, scope in table.scopes.items() if scope.name != "DEFAULT_ONLY")
    return TableEntry(
        table.name,
        {f.name: value for f in table.fields},
        ActionCall(action.name, {p.name: 1 for p in action.params}),
        priority=1 if table.needs_priority else 0,
    )


def test_direct_counters(live: Any) -> None:
    client = live("06_counters").client
    table = next(t for t in client.schema.tables if t.direct_counter_id and not t.has_initial_entries)
    entry = entry_of(client, table)
    client.insert(entry)
    client.modify(DirectCounterEntry(entry, 7, 700))
    (read,) = client.read(DirectCounterEntry(TableEntry(table.name)))
    assert (read.packets, read.bytes) == (7, 700)
    (row,) = client.read(TableEntry(table.name, counter=(0, 0)))
    assert row.counter == (7, 700)
    (row,) = client.read(TableEntry(table.name))
    assert row.counter is None, "only what was asked for"
    assert list(client.read(DirectCounterEntry(TableEntry())))
    other = entry_of(client, table, 2)
    assert refused(client.modify, DirectCounterEntry(other, 1, 1))[0] == Code.NOT_FOUND


def test_meters(live: Any) -> None:
    client = live("07_meters").client
    meter = next(iter(client.schema.meters))
    rates = MeterRates(1, 2, 3, 4)
    client.modify(MeterEntry(meter.name, 0, rates))
    assert client.read_one(MeterEntry(meter.name, 0)).rates == rates
    client.modify(MeterEntry(meter.name, 0))
    assert client.read_one(MeterEntry(meter.name, 0)).rates is None
    assert len(list(client.read(MeterEntry()))) == sum(m.size for m in client.schema.meters)
    assert "above the peak rate" in refused(client.modify, MeterEntry(meter.name, 0, MeterRates(9, 1, 3, 1)))[1]
    assert refused(client.insert, MeterEntry(meter.name, 0, rates))[0] == Code.INVALID_ARGUMENT


def test_direct_meters(live: Any) -> None:
    client = live("07_meters").client
    table = next(t for t in client.schema.tables if t.direct_meter_id)
    entry = entry_of(client, table)
    client.insert(entry)
    rates = MeterRates(1, 2, 3, 4)
    client.modify(DirectMeterEntry(entry, rates))
    assert [d.rates for d in client.read(DirectMeterEntry(TableEntry(table.name)))] == [rates]
    (row,) = client.read(TableEntry(table.name, rates=(0, 0, 0, 0)))
    assert row.rates == (1, 2, 3, 4)


@pytest.mark.parametrize("case", with_value_sets)
def test_value_sets(live: Any, case: str) -> None:
    client = live(case).client
    for info in client.schema.value_sets:
        members = tuple({f.name: i + 1 for f in info.fields} for i in range(2))
        client.modify(ValueSetEntry(info.name, members))
        assert client.read_one(ValueSetEntry(info.name)).members == members
        code, _ = refused(client.modify, ValueSetEntry(info.name, (members[0], members[0])))
        assert code == Code.ALREADY_EXISTS
        assert client.read_one(ValueSetEntry(info.name)).members == members
        client.modify(ValueSetEntry(info.name))
        assert client.read_one(ValueSetEntry(info.name)).members == ()


def test_there_is_a_program_with_value_sets() -> None:
    assert with_value_sets


@pytest.mark.parametrize("kind", [MulticastGroup, CloneSession])
def test_replication(live: Any, kind: Any) -> None:
    client = live("08_multicast").client
    one, two = kind(1, (Replica(1, 0), Replica(1, 1), Replica(2, 0))), kind(2, (Replica(3, 0),))
    client.insert(one, two)
    assert list(client.read(kind())) == [one, two]
    assert list(client.read(kind(2))) == [two]
    changed = kind(2, ())
    client.modify(changed)
    assert list(client.read(kind(2))) == [changed]
    assert refused(client.insert, one)[0] == Code.ALREADY_EXISTS
    assert refused(client.modify, kind(3))[0] == Code.NOT_FOUND
    assert "given twice" in refused(client.modify, kind(1, (Replica(1, 0), Replica(1, 0))))[1]
    assert "no port 512" in refused(client.modify, kind(1, (Replica(512, 0),)))[1]
    assert refused(client.insert, kind(70000, (Replica(1),)))[0] == Code.OUT_OF_RANGE
    assert list(client.read(kind(1))) == [one], "a refused change changes nothing"
    client.delete(one, two)
    assert list(client.read(kind())) == []


def test_truncation_of_clones(live: Any) -> None:
    found = live("09_clone")
    found.client.insert(CloneSession(5, (Replica(1),), truncate=40))
    assert found.control.mirror.session(5).truncate == 40


def ones(table: Any) -> dict[str, Any]:
    """The key in which every field is 1, in the form in which it is read back."""
    full = {f.name: (1 << f.bitwidth) - 1 for f in table.fields}
    return {
        f.name: {"lpm": (1, f.bitwidth), "ternary": (1, full[f.name]), "range": (1, 1)}.get(f.kind, 1)
        for f in table.fields
    }


def profile_program(live: Any) -> tuple[Any, Any, Any, ActionCall]:
    client = live("13_action_selector").client
    profile = next(p for p in client.schema.profiles if p.with_selector)
    table = client.schema.tables[profile.table_ids[0]]
    action = next(client.schema.actions[i] for i in table.scopes if client.schema.actions[i].params)
    return client, profile, table, ActionCall(action.name, {p.name: 1 for p in action.params})


def test_members_and_groups(live: Any) -> None:
    client, profile, table, call = profile_program(live)
    members = [ProfileMember(profile.name, i, call) for i in (20, 10)]
    client.insert(*members)
    group = ProfileGroup(profile.name, 1, (GroupMember(10, 2), GroupMember(20, 1, watch_port=3)), 4)
    client.insert(group)
    assert list(client.read(ProfileGroup())) == [group]
    assert {m.id for m in client.read(ProfileMember(profile.name))} == {10, 20}
    entry = TableEntry(table.name, ones(table), GroupRef(1),
                       priority=1 if table.needs_priority else 0)  # fmt: skip
    client.insert(entry)
    assert list(client.read(TableEntry(table.name))) == [entry]
    assert "is in use" in refused(client.delete, group)[1]
    assert "is in use" in refused(client.delete, members[0])[1]
    direct = TableEntry(table.name, entry.match, MemberRef(20), entry.priority)
    client.modify(direct)
    assert list(client.read(TableEntry(table.name))) == [direct]
    client.delete(direct, group, *members)
    assert list(client.read(TableEntry(table.name), ProfileGroup(), ProfileMember())) == []


def test_profile_refusals(live: Any) -> None:
    client, profile, _, call = profile_program(live)
    client.insert(ProfileMember(profile.name, 1, call))
    assert refused(client.insert, ProfileMember(profile.name, 1, call))[0] == Code.ALREADY_EXISTS
    assert refused(client.delete, ProfileMember(profile.name, 9))[0] == Code.NOT_FOUND
    bad = ProfileGroup(profile.name, 1, (GroupMember(9),))
    assert "insert the member before its users" in refused(client.insert, bad)[1]
    zero = ProfileGroup(profile.name, 1, (GroupMember(1, 0),))
    assert "weight 0 is below 1" in refused(client.insert, zero)[1]
    large = ProfileGroup(profile.name, 1, (GroupMember(1, 5),), 4)
    assert refused(client.insert, large)[0] == Code.RESOURCE_EXHAUSTED
    assert list(client.read(ProfileGroup())) == []


def test_one_shots(live: Any) -> None:
    found = live("13_action_selector")
    client = found.client
    profile = next(p for p in client.schema.profiles if p.with_selector)
    table = client.schema.tables[profile.table_ids[0]]
    action = next(client.schema.actions[i] for i in table.scopes if client.schema.actions[i].params)
    calls = [ActionCall(action.name, {p.name: n for p in action.params}) for n in (1, 2)]
    shot = OneShot((Weighted(calls[0], 2), Weighted(calls[1], 1, watch_port=3)))
    entry = TableEntry(table.name, ones(table), shot,
                       priority=1 if table.needs_priority else 0)  # fmt: skip
    client.insert(entry)
    assert list(client.read(TableEntry(table.name))) == [entry]
    assert list(client.read(ProfileMember(), ProfileGroup())) == [], "they belong to the entry"
    assert refused(client.insert, entry)[0] == Code.ALREADY_EXISTS
    other = TableEntry(table.name, entry.match, OneShot((Weighted(calls[1]),)), entry.priority)
    client.modify(other)
    assert list(client.read(TableEntry(table.name))) == [other]
    client.delete(other)
    control = found.control.action_profiles[profile.name]
    assert (control.members(), control.groups()) == ([], []), "nothing is left behind"
