"""Roles with configurations: what they may write, see and hear, and what they may not take from each other."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from controller.p4rt.entities import ActionCall, MulticastGroup, PacketIn, RegisterEntry, Replica, TableEntry
from controller.p4rt.protos import p4r
from controller.p4rt.role_config import RoleConfig
from controller.p4rt.status import Code, P4RuntimeError
from controller.p4rt.switch import P4Switch

WAIT = 10.0


def row(kind: int) -> TableEntry:
    return TableEntry("Ig.by_kind", {"kind": kind}, ActionCall("Ig.to", {"port": 1}), 1)


def ids(found: Any, *names: str) -> frozenset[int]:
    schema = found.client.schema
    return frozenset((schema.tables.get(n) or schema.registers[n]).id for n in names)


def client(found: Any, role: str, config: RoleConfig | None, election_id: int = 5) -> P4Switch:
    return P4Switch(found.server.address, role=role, role_config=config, election_id=election_id)


def until(condition: Callable[[], bool]) -> None:
    """Poll an outside condition for which there is no event."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


def codes(call: Any, *args: Any, **keywords: Any) -> list[Code]:
    with pytest.raises(P4RuntimeError) as caught:
        call(*args, **keywords)
    return [failure.code for failure in caught.value.failures] or [caught.value.code]


def test_a_role_writes_and_sees_its_own(live: Any) -> None:
    found = live("rules.p4", cpu_port=255)
    tables = ids(found, "Ig.by_kind", "moods")
    found.client.insert(row(7))
    with client(found, "edge", RoleConfig(shared=tables)) as edge:
        edge.insert(row(9), MulticastGroup(3, (Replica(1),)))
        edge.modify(RegisterEntry("moods", 0, 1))
        other = TableEntry("Ig.metered", {"kind": 1}, ActionCall("NoAction"))
        batch = [("INSERT", row(10)), ("INSERT", other), ("MODIFY", RegisterEntry("flags", 0, 1))]
        assert codes(edge.write, batch) == [Code.PERMISSION_DENIED] * 2
        assert codes(edge.write, batch, atomicity="ROLLBACK_ON_ERROR") == [Code.ALREADY_EXISTS, *[Code.ABORTED] * 2]
        seen = {type(item).__name__ + getattr(item, "table", "") for item in edge.read(TableEntry(), RegisterEntry())}
        assert seen == {"TableEntryIg.by_kind", "RegisterEntry"}
        assert {item.register for item in edge.read(RegisterEntry())} == {"Ig.moods"}
        assert list(edge.read(TableEntry("Ig.fixed"))) == []
        assert codes(edge.set_pipeline, found.p4info, found.json) == [Code.PERMISSION_DENIED]
    with client(found, "edge", RoleConfig(shared=tables, pushes_pipeline=True)) as edge:
        edge.set_pipeline(found.p4info, found.json)


def test_exclusive_ids_belong_to_one_role(live: Any) -> None:
    found = live("rules.p4")
    mine, both = ids(found, "Ig.by_kind"), ids(found, "Ig.by_vlan")
    with client(found, "a", RoleConfig(mine, both)):
        client(found, "b", RoleConfig(shared=both)).__enter__().close()
        for config in (RoleConfig(mine), RoleConfig(shared=mine), RoleConfig(both), RoleConfig(both, both)):
            with pytest.raises(P4RuntimeError) as caught:
                client(found, "b", config).__enter__()
            assert caught.value.code == Code.INVALID_ARGUMENT
    client(found, "b", RoleConfig(mine)).__enter__().close()
    with pytest.raises(P4RuntimeError):
        client(found, "", RoleConfig(mine)).__enter__()


def test_configurations_of_other_kinds_are_refused(live: Any) -> None:
    found = live("rules.p4")
    election = client(found, "a", RoleConfig()).election
    for url, value in (("type.googleapis.com/x.Y", b""), ("type.googleapis.com/stratum.P4RoleConfig", b"\xff\xff")):
        switch = client(found, "a", None)
        request = election.request()
        request.arbitration.role.config.type_url, request.arbitration.role.config.value = url, value
        ended: queue.Queue[P4RuntimeError] = queue.Queue()
        stream = switch.client.stream(lambda message: None, ended.put)
        stream.send(request)
        assert ended.get(timeout=WAIT).code == Code.INVALID_ARGUMENT
        switch.close()


def test_the_configuration_is_the_primarys_and_is_told(live: Any) -> None:
    found = live("rules.p4")
    table = ids(found, "Ig.by_kind")
    told: queue.Queue[Any] = queue.Queue()
    with client(found, "r", RoleConfig(table), 9) as primary, client(found, "r", RoleConfig(), 3) as backup:
        stream = client(found, "r", None, 2)
        second = stream.client.stream(told.put, lambda error: None)
        second.send(stream.election.request())
        update = told.get(timeout=WAIT).arbitration
        assert RoleConfig.decode(update.role.config) == RoleConfig(table)
        assert update.status.code == Code.ALREADY_EXISTS
        primary.insert(row(1))
        assert codes(backup.insert, row(2)) == [Code.PERMISSION_DENIED]
        stream.close()
    until(lambda: found.device.streams.config_of("r") is None)  # the server hears of their end after they do
    assert codes(found.client.client.write, [], primary.election) == [Code.NOT_FOUND], "a role without clients is none"


def test_packets_go_to_roles_that_want_them(live: Any) -> None:
    found = live("rules.p4", cpu_port=255)
    found.client.insert(TableEntry("Ig.by_kind", {"kind": 8}, ActionCall("Ig.punt"), 9))
    metadata = {f.name: f.id for f in found.client.schema.headers["packet_in"].fields}
    heard: dict[str, queue.Queue[PacketIn]] = {}
    configs = {
        "none": RoleConfig(),
        "all": RoleConfig(receives_packets=True),
        "some": RoleConfig(receives_packets=True, packet_filter=(metadata["vlan"], b"\x00\x05")),
    }
    clients = [client(found, role, config) for role, config in configs.items()]
    for switch, role in zip(clients, configs):
        switch.connect()
        switch.schema  # noqa: B018 - the callback must not wait for it
        heard[role] = queue.Queue()
        switch.on_packet_in = heard[role].put
    for vlan in (4, 5):
        found.device.switch.send(1, bytes([8, 0, 0, vlan]))
    vlans = {
        role: [heard[role].get(timeout=WAIT).metadata["vlan"] for _ in range(n)]
        for role, n in (("all", 2), ("some", 1))
    }
    assert vlans == {"all": [4, 5], "some": [5]}
    assert heard["none"].empty() and heard["some"].empty()
    for switch in clients:
        switch.close()


def test_a_new_primary_waits_for_the_writes_of_the_old(live: Any) -> None:
    """The writer's lock stands for a request in flight: the election is not settled before it is released."""
    found = live("rules.p4")
    later = client(found, "", None, 1 << 20)
    settled = threading.Event()
    later.on_election = lambda election: settled.set()
    with found.device.lock:
        stream = later.client.stream(later._received, later._lost)
        stream.send(later.election.request())
        assert not settled.wait(0.2)
    assert settled.wait(WAIT) and later.election.primary
    assert codes(found.client.insert, row(1)) == [Code.PERMISSION_DENIED]
    stream.close()
    later.close()


def test_a_read_answers_what_it_can(live: Any) -> None:
    found = live("rules.p4")
    good, bad, empty = p4r.Entity(), p4r.Entity(), p4r.Entity()
    good.table_entry.table_id = next(iter(ids(found, "Ig.fixed")))
    bad.table_entry.table_id = 0x02FFFFFF
    arrived = []
    with pytest.raises(P4RuntimeError) as caught:
        for entity in found.client.client.read([good, bad, empty, good]):
            arrived.append(entity)
    assert len(arrived) == 4
    assert caught.value.code == Code.UNKNOWN
    assert [(f.index, f.code) for f in caught.value.failures] == [
        (1, Code.INVALID_ARGUMENT),
        (2, Code.INVALID_ARGUMENT),
    ]
    extern = p4r.Entity()
    extern.extern_entry.SetInParent()
    assert list(found.client.client.read([extern])) == []


def test_a_saved_program_is_what_reads_and_writes_are_about(live: Any) -> None:
    found, other = live("rules.p4"), live("01_l2_forward")
    client, send = found.client, found.device.switch.send
    client.insert(row(8))
    client.set_pipeline(found.p4info, found.json, action="VERIFY_AND_SAVE")
    assert [r.match["kind"] for r in client.read(TableEntry("Ig.by_kind"))] == [(1, 255), (2, 255), (4, 4)]
    client.insert(row(9))
    assert [bool(send(0, bytes([kind, 0, 0, 0]))) for kind in (8, 9)] == [True, False], "the old program runs on"
    with pytest.raises(P4RuntimeError) as caught:
        client.set_pipeline(other.p4info, other.json, action="COMMIT")
    assert caught.value.code == Code.INVALID_ARGUMENT
    client.set_pipeline(None, b"", action="COMMIT")
    send = found.device.switch.send
    assert [bool(send(0, bytes([kind, 0, 0, 0]))) for kind in (8, 9)] == [False, True]
    with pytest.raises(P4RuntimeError) as caught:
        client.set_pipeline(None, b"", action="COMMIT")
    assert caught.value.code == Code.NOT_FOUND


def test_programs_that_ask_for_more_than_there_is(live: Any) -> None:
    found = live("rules.p4")
    info = type(found.p4info)()
    info.CopyFrom(found.p4info)
    info.pkg_info.platform_properties.multicast_group_table_size = 70000
    with pytest.raises(P4RuntimeError) as caught:
        found.client.set_pipeline(info, found.json)
    assert "70000 multicast groups" in str(caught.value)
