"""Entities to protobuf and back, and the words of refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.p4rt.entities import (
    ActionCall,
    CloneSession,
    CounterEntry,
    Encodable,
    GroupMember,
    MeterEntry,
    MeterRates,
    MulticastGroup,
    PacketIn,
    PacketOut,
    ProfileGroup,
    ProfileMember,
    RegisterEntry,
    Replica,
    TableEntry,
    decode,
)
from controller.p4rt.p4info import from_p4info, read_p4info
from controller.p4rt.protos import p4r
from controller.p4rt.schema import Schema

GOLDEN = Path(__file__).parents[1] / "golden"


def load(case: str) -> Schema:
    return from_p4info(read_p4info(GOLDEN / case / "program.p4info.txtpb"))


@pytest.mark.parametrize(
    ("case", "item"),
    [
        ("01_l2_forward", MulticastGroup(7, (Replica(1, 0), Replica(2, 5)))),
        ("01_l2_forward", CloneSession(3, (Replica(9, 1),), truncate=64)),
        ("06_counters", CounterEntry("Ig.by_port", 3, packets=1, bytes=60)),
        ("07_meters", MeterEntry("Ig.m", 0, MeterRates(1, 2, 3, 4))),
        ("34_cpu_names", TableEntry(
            "Ig.l2.exact_table", {"dst_mac": 5}, ActionCall("Ig.to_port", {"out_port": 3}), metadata=b"m"
        )),
    ],
)  # fmt: skip
def test_round_trip(case: str, item: Encodable) -> None:
    schema = load(case)
    if isinstance(item, CounterEntry):
        item = CounterEntry(next(iter(schema.counters)).name, item.index, item.packets, item.bytes)
    if isinstance(item, MeterEntry):
        item = MeterEntry(next(iter(schema.meters)).name, item.index, item.rates)
    entity = item.encode(schema)
    assert decode(schema, p4r.Entity.FromString(entity.SerializeToString())) == item


def test_registers_signed_and_unsigned() -> None:
    schema = load("05_registers")
    for register in schema.registers:
        width = register.element.bitwidth
        low = -(1 << (width - 1)) if register.element.signed else (1 << width) - 1
        entry = RegisterEntry(register.name, 0, low)
        assert decode(schema, entry.encode(schema)) == entry


def test_profiles() -> None:
    schema = load("13_action_selector")
    profile = next(iter(schema.profiles))
    group = ProfileGroup(profile.name, 2, (GroupMember(1, 3), GroupMember(2, 1, watch_port=7)), 8)
    assert decode(schema, group.encode(schema)) == group
    assert decode(load("13_action_selector"), ProfileMember(
        profile.name, 1, ActionCall(next(a.name for a in schema.actions if not a.params))
    ).encode(schema))  # fmt: skip


def test_match_kinds_leave_out_what_matches_anything() -> None:
    schema = load("03_acl_ternary")
    for table in schema.tables:
        empty = TableEntry(table.name, {f.name: None for f in table.fields}).encode(schema)
        assert not empty.table_entry.match


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (TableEntry("nope"), "no table 'nope'"),
        (TableEntry("exact_table", {"dst_mac": 1 << 48}), "exact_table.dst_mac: invalid value for bit<48>"),
        (TableEntry("exact_table", {"dst": 1}), "no match field 'dst'"),
        (TableEntry("exact_table", {"dst_mac": 1}, ActionCall("to_port", {})), "lacks out_port"),
        (TableEntry("exact_table", {"dst_mac": 1}, ActionCall("to_port", {"out_port": 512})), "to_port.out_port"),
        (TableEntry("exact_table", {"dst_mac": 1}, ActionCall("to_port", {"x": 1})), "no parameter .x."),
        (RegisterEntry("nope"), "no register 'nope'; it has: none"),
    ],
)
def test_refusals_name_the_culprit(item: Encodable, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        item.encode(load("34_cpu_names"))


def test_packets() -> None:
    schema = load("34_cpu_names")
    request = PacketOut(b"abc", {"egress_port": 3}).encode(schema)
    assert [m.value for m in request.packet.metadata] == [b"\x03", b"\x00", b"\x00"]
    with pytest.raises(ValueError, match="packet_out has no metadata nope"):
        PacketOut(b"", {"nope": 1}).encode(schema)
    message = p4r.PacketIn(payload=b"x")
    message.metadata.add(metadata_id=1, value=b"\x05")
    assert PacketIn.decode(schema, message) == PacketIn(b"x", {"ingress_port": 5})
