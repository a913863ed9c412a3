"""P4Info by name, over every recorded P4Info."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.p4rt.p4info import from_p4info, read_p4info
from controller.p4rt.protos import p4i
from controller.p4rt.schema import Schema

GOLDEN = Path(__file__).parents[1] / "golden"


def load(case: str) -> Schema:
    return from_p4info(read_p4info(GOLDEN / case / "program.p4info.txtpb"))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/program.p4info.txtpb")), ids=lambda p: p.parent.name)
def test_every_recorded_p4info_loads(path: Path) -> None:
    message = read_p4info(path)
    schema = from_p4info(message)
    assert [t.name for t in schema.tables] == [t.preamble.name for t in message.tables]
    for table in schema.tables:
        assert schema.tables[table.id] is schema.tables[table.name] is table
        for action_id in table.scopes:
            assert schema.actions[action_id].id == action_id
    again = read_p4info(message.SerializeToString())
    assert again == message


def test_names_by_alias_and_suffix() -> None:
    schema = load("34_cpu_names")
    table = schema.tables["Ig.l2.exact_table"]
    assert schema.tables["exact_table"] is table
    assert schema.tables["l2.exact_table"] is table
    assert table.field("dst_mac").bitwidth == 48
    assert schema.action_of(table, "to_port").name == "Ig.to_port"
    assert [f.name for f in schema.headers["packet_in"].fields] == ["ingress_port", "pad", "reason"]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    schema = load("34_cpu_names")
    with pytest.raises(ValueError, match=r"no table 'nope'; it has: Ig.l2.exact_table, root_table"):
        schema.tables["nope"]
    with pytest.raises(ValueError, match=r"no match field 'x'; its fields: dst_mac"):
        schema.tables["exact_table"].field("x")
    with pytest.raises(ValueError, match="has no action 'punt2'"):
        schema.action_of(schema.tables["exact_table"], "punt2")


def test_digest_members_have_their_types() -> None:
    digest = next(iter(load("11_digest").digests))
    assert digest.root.kind == "struct"
    assert all(member.bitwidth for member in digest.members)


def test_contradictions_are_refused() -> None:
    message = p4i.P4Info()
    message.tables.add().preamble.id = 1
    message.actions.add().preamble.id = 1
    with pytest.raises(ValueError, match="id 0x00000001 belongs to both"):
        from_p4info(message)
    message = p4i.P4Info()
    table = message.tables.add()
    table.preamble.id, table.preamble.name = 5, "t"
    table.action_refs.add(id=9)
    with pytest.raises(ValueError, match="table 't' refers to action id 0x00000009"):
        from_p4info(message)


def test_files_that_are_no_p4info(tmp_path: Path) -> None:
    text = tmp_path / "a.txtpb"
    text.write_text("tables { nonsense")
    with pytest.raises(ValueError, match=r"a\.txtpb: not a P4Info text file"):
        read_p4info(text)
    binary = tmp_path / "a.bin"
    binary.write_bytes(b"\xff\xff\xff")
    with pytest.raises(ValueError, match="not a binary P4Info"):
        read_p4info(binary)
