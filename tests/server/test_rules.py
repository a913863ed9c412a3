"""Rules of the specification about entries, resources and replicas, with a program made for them (programs/rules.p4)."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from controller.p4rt.entities import (
    ActionCall,
    CloneSession,
    GroupMember,
    MeterEntry,
    MeterRates,
    MulticastGroup,
    OneShot,
    PacketIn,
    ProfileGroup,
    ProfileMember,
    RegisterEntry,
    Replica,
    TableEntry,
    Weighted,
)
from controller.p4rt.protos import p4r
from controller.p4rt.status import Code, P4RuntimeError

WAIT = 10.0


def refused(call: Any, *args: Any) -> tuple[Code, str]:
    with pytest.raises(P4RuntimeError) as caught:
        call(*args)
    (failure,) = caught.value.failures or (caught.value,)  # type: ignore[misc]
    return failure.code, str(caught.value)


def frame(kind: int, vlan: int = 0, mood: int = 0) -> bytes:
    return bytes([kind, mood]) + vlan.to_bytes(2, "big") + b"payload"


@pytest.fixture
def rules(live: Any) -> Any:
    return live("rules.p4", cpu_port=255)


def to(port: int) -> ActionCall:
    return ActionCall("Ig.to", {"port": port})


def kind_entry(kind: int, port: int, priority: int) -> TableEntry:
    return TableEntry("Ig.by_kind", {"kind": kind}, to(port), priority)


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_initial_entries_may_be_changed_unless_they_are_const(live: Any, engine: str) -> None:
    found = live("rules.p4", cpu_port=255, engine=engine)
    client, send = found.client, found.device.switch.send
    rows = {row.match["kind"]: row for row in client.read(TableEntry("Ig.by_kind"))}
    assert {k: (r.priority, r.is_const) for k, r in rows.items()} == {
        (1, 255): (3, False),
        (2, 255): (2, True),
        (4, 4): (1, False),
    }
    assert [send(0, frame(k))[0][0] for k in (1, 2, 4, 5)] == [1, 2, 3, 3]
    client.insert(kind_entry(5, 7, 2))
    client.modify(kind_entry(1, 8, 3))
    assert [send(0, frame(k))[0][0] for k in (1, 2, 4, 5)] == [8, 2, 3, 7]
    assert refused(client.modify, kind_entry(2, 8, 2))[0] == Code.PERMISSION_DENIED
    assert refused(client.delete, kind_entry(2, 8, 2))[0] == Code.PERMISSION_DENIED
    client.delete(kind_entry(1, 0, 3))
    assert send(0, frame(1)) == []
    (const,) = client.read(TableEntry("Ig.by_kind", is_const=True))
    assert const.match["kind"] == (2, 255)


def test_constant_tables_let_their_counters_be_set(rules: Any) -> None:
    client = rules.client
    entry = TableEntry("Ig.fixed", {"kind": 1}, counter=(5, 0))
    client.modify(entry)
    (row,) = client.read(TableEntry("Ig.fixed", {"kind": 1}, counter=(0, 0)))
    assert row.counter == (5, 0) and row.is_const
    action = ActionCall("NoAction")
    assert refused(client.modify, TableEntry("Ig.fixed", {"kind": 1}, action))[0] == Code.PERMISSION_DENIED
    assert refused(client.insert, TableEntry("Ig.fixed", {"kind": 9}, action))[0] == Code.PERMISSION_DENIED
    assert refused(client.delete, TableEntry("Ig.fixed", {"kind": 1}))[0] == Code.PERMISSION_DENIED
    assert (
        refused(client.modify, TableEntry("Ig.by_kind", {"kind": 1}, to(1), 3, is_const=True))[0]
        == Code.INVALID_ARGUMENT
    )


def test_a_modify_without_an_action_keeps_it(rules: Any) -> None:
    client = rules.client
    client.insert(TableEntry("metered", {"kind": 1}, ActionCall("paced"), rates=(1, 2, 3, 4), metadata=b"a"))
    client.modify(TableEntry("metered", {"kind": 1}, metadata=b"b"))
    (row,) = client.read(TableEntry("metered", rates=(0, 0, 0, 0)))
    assert (row.action.name, row.metadata, row.rates) == ("Ig.paced", b"b", None)
    assert "has no action" in refused(client.insert, TableEntry("metered", {"kind": 2}))[1]
    updates = [
        ("MODIFY", TableEntry("metered", {"kind": 1}, metadata=b"c")),
        ("DELETE", TableEntry("metered", {"kind": 9})),
    ]
    with pytest.raises(P4RuntimeError):
        client.write(updates, atomicity="ROLLBACK_ON_ERROR")
    assert client.read_one(TableEntry("metered")) == row


def test_default_entries_keep_metadata_until_reset(rules: Any) -> None:
    client = rules.client
    client.modify(TableEntry("Ig.by_kind", action=to(4), is_default=True, metadata=b"m"))
    (row,) = client.read(TableEntry("Ig.by_kind", is_default=True))
    assert (row.metadata, row.action) == (b"m", to(4))
    rules.client.set_pipeline(rules.p4info, rules.json, action="RECONCILE_AND_COMMIT")
    assert client.read_one(TableEntry("Ig.by_kind", is_default=True)) == row
    assert refused(client.read_one, TableEntry("Ig.by_kind", since_last_hit_ns=0))[0] == Code.INVALID_ARGUMENT
    client.modify(TableEntry("Ig.by_kind", is_default=True))
    (row,) = client.read(TableEntry("Ig.by_kind", is_default=True))
    assert (row.metadata, row.action.name) == (b"", "Ig.drop")
    for kind in (client.insert, client.delete):
        assert refused(kind, TableEntry("Ig.by_kind", action=to(4), is_default=True))[0] == Code.INVALID_ARGUMENT
    assert refused(client.modify, TableEntry("Ig.by_kind", {"kind": 1}, to(4), 1, True))[0] == Code.INVALID_ARGUMENT
    assert len(list(client.read(TableEntry(is_default=True)))) == len(client.schema.tables)


# -- meters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_colours_are_counted(live: Any, engine: str) -> None:
    found = live("rules.p4", cpu_port=255, engine=engine, clock=lambda: 0)
    client = found.client
    client.modify(MeterEntry("pace", 1, MeterRates(0, 1, 0, 2)))
    client.insert(TableEntry("metered", {"kind": 1}, ActionCall("paced")))
    for _ in range(5):
        found.device.switch.send(0, frame(1))

    def ask(message: Any) -> Any:
        (entity,) = found.client.client.read([message])
        return entity

    cell = p4r.Entity()
    cell.meter_entry.meter_id = client.schema.meters["pace"].id
    cell.meter_entry.index.index = 1
    assert not ask(cell).meter_entry.HasField("counter_data")
    cell.meter_entry.counter_data.SetInParent()
    data = ask(cell).meter_entry.counter_data
    assert [getattr(data, c).packet_count for c in ("green", "yellow", "red")] == [1, 1, 3]
    assert data.red.byte_count == 3 * len(frame(1))
    direct = p4r.Entity()
    direct.direct_meter_entry.table_entry.table_id = client.schema.tables["metered"].id
    direct.direct_meter_entry.counter_data.SetInParent()
    assert ask(direct).direct_meter_entry.counter_data.green.packet_count == 5
    client.set_pipeline(found.p4info, found.json, action="RECONCILE_AND_COMMIT")
    assert ask(cell).meter_entry.counter_data == data
    cell.meter_entry.counter_data.green.packet_count = 1
    with pytest.raises(P4RuntimeError) as caught:
        client.client.write([p4r.Update(type=2, entity=cell)], client.election)
    assert caught.value.failures[0].code == Code.INVALID_ARGUMENT
    cell.meter_entry.counter_data.green.packet_count = 0
    client.client.write([p4r.Update(type=2, entity=cell)], client.election)
    assert ask(cell).meter_entry.counter_data.red.packet_count == 0


def test_meter_configs_fit_the_kind_of_meter(rules: Any) -> None:
    from controller.p4rt.p4info import from_p4info
    from emulator.server.errors import Refused
    from emulator.server.meters import check_rates

    info = type(rules.p4info)()
    info.CopyFrom(rules.p4info)
    config = p4r.MeterConfig(cir=1, cburst=2, pir=1, pburst=2)
    for kind, wrong in enumerate((("eburst", 5), ("pir", 9), ("eburst", 5))):
        info.meters[0].spec.type = kind
        meter = from_p4info(info).meters["pace"]
        check_rates(config, meter)
        spoiled = p4r.MeterConfig()
        spoiled.CopyFrom(config)
        setattr(spoiled, *wrong)
        with pytest.raises(Refused) as caught:
            check_rates(spoiled, meter)
        assert caught.value.code == Code.INVALID_ARGUMENT
    rules.client.modify(MeterEntry("pace", None, MeterRates(1, 2, 3, 4)))
    assert {m.rates for m in rules.client.read(MeterEntry("pace"))} == {MeterRates(1, 2, 3, 4)}
    assert refused(rules.client.modify, MeterEntry("pace", -1))[0] == Code.INVALID_ARGUMENT


# -- replicas ----------------------------------------------------------------------------------------------------


def test_backups_take_over_while_a_port_is_down(rules: Any) -> None:
    client, switch = rules.client, rules.device.switch
    group = MulticastGroup(1, (Replica(1, 1, ((2, 5), (3, 6))), Replica(4, 2)))
    client.insert(group, CloneSession(9, (Replica(1, 1, ((2, 5),)),)))
    client.insert(TableEntry("Ig.by_kind", {"kind": 9}, ActionCall("Ig.group", {"number": 1}), 1))
    assert list(client.read(MulticastGroup())) == [group]

    def ports() -> list[int]:
        return sorted(port for port, _ in switch.send(0, frame(9)))

    seen = [ports()]
    for port, up in ((1, False), (2, False), (3, False), (3, True), (1, True)):
        switch.control.set_port(port, up)
        seen.append(ports())
    assert seen == [[1, 4], [2, 4], [3, 4], [1, 4], [3, 4], [1, 4]]
    assert list(client.read(MulticastGroup())) == [group], "reads give what was written"
    for bad in (Replica(1, 1, ((1, 2),)), Replica(1, 1, ((2, 5), (2, 6)))):
        assert refused(client.modify, MulticastGroup(1, (bad,)))[0] == Code.INVALID_ARGUMENT
    twice = MulticastGroup(1, (Replica(1, 1, ((2, 5),)), Replica(2, 5)))
    assert "given twice" in refused(client.modify, twice)[1]
    switch.control.set_port(1, False)
    client.set_pipeline(rules.p4info, rules.json, action="RECONCILE_AND_COMMIT")
    switch = rules.device.switch
    assert ports() == [3, 4], "a new program finds the ports as they are"
    assert refused(client.insert, MulticastGroup(0))[0] == Code.INVALID_ARGUMENT
    assert refused(client.insert, CloneSession(0))[0] == Code.INVALID_ARGUMENT


# -- action profiles -----------------------------------------------------------------------------------------------


def test_members_and_groups_in_use_stay(rules: Any) -> None:
    client = rules.client
    member = ProfileMember("Ig.ways", 1, to(1))
    group = ProfileGroup("Ig.ways", 1, (GroupMember(1),), max_size=8)
    client.insert(member)
    client.insert(group)
    assert refused(client.delete, member)[0] == Code.FAILED_PRECONDITION
    from controller.p4rt.entities import GroupRef

    client.insert(TableEntry("Ig.spread", {"kind": 1}, GroupRef(1)))
    assert refused(client.delete, group)[0] == Code.FAILED_PRECONDITION
    assert client.read_one(ProfileGroup()) == group
    assert refused(client.insert, ProfileMember("Ig.ways", 0, to(1)))[0] == Code.INVALID_ARGUMENT
    assert refused(client.modify, ProfileGroup("Ig.ways", 1, (), max_size=4))[0] == Code.INVALID_ARGUMENT
    one_shot = TableEntry("Ig.spread", {"kind": 2}, OneShot((Weighted(to(1)),)))
    assert (
        "takes no one-shots" in refused(client.insert, one_shot)[1]
        or "take no one-shots" in refused(client.insert, one_shot)[1]
    )


def test_one_shots_exclude_members_and_may_be_empty(rules: Any) -> None:
    client = rules.client
    shots = TableEntry("Ig.spread", {"kind": 2}, OneShot((Weighted(to(1), 2, 5), Weighted(to(1)))))
    empty = TableEntry("Ig.spread", {"kind": 3}, OneShot(()))
    client.insert(shots, empty)
    assert list(client.read(TableEntry("Ig.spread"))) == [shots, empty]
    assert rules.device.switch.send(0, frame(3)) == []
    assert refused(client.insert, ProfileMember("Ig.ways", 1, to(1)))[0] == Code.INVALID_ARGUMENT
    too_far = TableEntry("Ig.spread", {"kind": 4}, OneShot((Weighted(to(1), 1, 512),)))
    assert "no port 512" in refused(client.insert, too_far)[1]


def test_sizes_of_groups_by_members(live: Any) -> None:
    found = live("rules.p4")
    info = type(found.p4info)()
    info.CopyFrom(found.p4info)
    profile = info.action_profiles[0]
    profile.max_group_size = 2
    profile.sum_of_members.max_member_weight = 5
    client = found.client
    client.set_pipeline(info, found.json)
    client.insert(TableEntry("Ig.spread", {"kind": 1}, OneShot((Weighted(to(1), 5), Weighted(to(2), 4)))))
    three = OneShot(tuple(Weighted(to(n)) for n in (1, 2, 3)))
    assert refused(client.insert, TableEntry("Ig.spread", {"kind": 2}, three))[0] == Code.INVALID_ARGUMENT
    heavy = OneShot((Weighted(to(1), 6),))
    assert "above 5" in refused(client.insert, TableEntry("Ig.spread", {"kind": 2}, heavy))[1]
    assert len(list(client.read(TableEntry("Ig.spread")))) == 1


# -- registers and translated values --------------------------------------------------------------------------------


def test_registers_of_enums_and_bools(rules: Any) -> None:
    client = rules.client
    client.modify(RegisterEntry("moods", 1, 7), RegisterEntry("flags", 2, 1))
    assert [c.value for c in client.read(RegisterEntry("moods"))] == [0, 7, 0, 0]
    assert [c.value for c in client.read(RegisterEntry("flags"))] == [0, 0, 1, 0]
    (entity,) = client.client.read([RegisterEntry("moods", 1).encode(client.schema)])
    assert entity.register_entry.data.enum_value == b"\x07"
    entity.register_entry.data.bitstring = b"\x07"
    with pytest.raises(P4RuntimeError) as caught:
        client.client.write([p4r.Update(type=2, entity=entity)], client.election)
    assert "serializable enum" in str(caught.value.failures[0].message)


def test_names_stand_for_ports(live: Any) -> None:
    from emulator.server.bound import Bound
    from emulator.server.device import _serve

    rules = live("rules.p4", cpu_port=255)
    client, switch = rules.client, rules.device.switch
    rules.device._install(_serve(Bound(rules.device.bound.program, {"eth0": 7})))
    entry = TableEntry("Ig.by_vlan", {"vlan": 9, "kind": 8}, ActionCall("Ig.forward", {"port": "eth0"}), 1)
    other = TableEntry("Ig.by_vlan", {"kind": 9}, ActionCall("Ig.forward", {"port": "12"}), 1)
    client.insert(entry, other)
    assert list(client.read(TableEntry("Ig.by_vlan"))) == [entry, other]
    assert [switch.send(0, frame(*f))[0][0] for f in ((8, 9), (9, 9))] == [7, 12]
    client.packet_out(frame(1), port="eth0")
    client.packet_out(frame(1), port="31")
    heard: queue.Queue[PacketIn] = queue.Queue()
    client.on_packet_in = heard.put
    client.insert(TableEntry("Ig.by_kind", {"kind": 10}, ActionCall("Ig.punt"), 9))
    for ingress, name in ((17, "17"), (7, "eth0")):
        switch.send(ingress, frame(10, 0x123))
        packet = heard.get(timeout=WAIT)
        assert (packet.metadata["port"], packet.metadata["vlan"]) == (name, 0x123)
        assert packet.payload == frame(10, 0x123)
    settled: queue.Queue[Any] = queue.Queue()
    client.on_election = settled.put
    client._send(client.election.request())  # answered after the packets before it
    settled.get(timeout=WAIT)
    assert [found for found, _ in rules.outputs] == [7, 31]
    wide = TableEntry("Ig.by_vlan", {"vlan": 4096, "kind": 1}, entry.action, 1)
    assert refused(client.insert, wide)[0] == Code.INVALID_ARGUMENT
    lost = TableEntry("Ig.by_vlan", {"kind": 1}, ActionCall("Ig.forward", {"port": "eth9"}), 1)
    assert "there are eth0; a port also goes by its number" in refused(client.insert, lost)[1]


def test_names_of_refused_updates_are_forgotten(rules: Any) -> None:
    client, names = rules.client, rules.device.bound.translations
    before = names.mark()

    def tenant(name: str, port: int = 1) -> TableEntry:
        return TableEntry("Ig.by_tenant", {"tenant": name}, to(port))

    assert list(client.read(tenant("nobody"))) == []
    assert refused(client.delete, tenant("nobody"))[0] == Code.NOT_FOUND
    with pytest.raises(P4RuntimeError):
        client.write([("INSERT", tenant("red")), ("INSERT", tenant("red"))], atomicity="DATAPLANE_ATOMIC")
    assert names.mark() == before
    client.insert(tenant("red"), tenant("blue", 2), tenant("3", 4))
    assert rules.device.switch.send(0, bytes([0, 0, 15 << 4, 0]))[0][0] == 1
    assert rules.device.switch.send(0, bytes([0, 0, 3 << 4, 0]))[0][0] == 4
    client.set_pipeline(rules.p4info, rules.json, action="RECONCILE_AND_COMMIT")
    assert list(client.read(TableEntry("Ig.by_tenant"))) == [tenant("red"), tenant("blue", 2), tenant("3", 4)]
    assert rules.device.switch.send(0, bytes([0, 0, 15 << 4, 0]))[0][0] == 1
    client.insert(*(tenant(f"t{n}") for n in range(13)))
    assert refused(client.insert, tenant("one too many"))[0] == Code.RESOURCE_EXHAUSTED


def test_names_take_every_number_once() -> None:
    from emulator.server.errors import Refused
    from emulator.server.translation import Names

    names = Names("t", 3, [("fixed", 2)])
    assert (names.number(b"fixed", ""), names.data(2), names.data(5)) == (2, b"fixed", b"5")
    given = {text: names.number(text, "") for text in (b"5", b"a", b"7", b"007", b"2", b"0", b"1")}
    assert given[b"5"] == 5 and sorted([*given.values(), 2]) == list(range(8))
    assert all(names.data(number) == text for text, number in given.items())
    with pytest.raises(Refused) as caught:
        names.number(b"one too many", "field")
    assert caught.value.code == Code.RESOURCE_EXHAUSTED
    names.forget(1)
    assert len(names) == 1 and names.number(b"one too many", "") == 7
    for wrong in (b"", b"\xff", b"x" * 2000):
        with pytest.raises(Refused):
            names.number(wrong, "field")
