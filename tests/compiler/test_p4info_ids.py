"""P4Info: instances of a program's own externs, headers in digests, actions of groups, and ids that contradict one another."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from .harness import compile_text, source


def errors(result: Any) -> list[str]:
    return [d.message for d in result.diagnostics if d.kind == "error"]


EXTERNS = """
extern Ring { Ring(bit<32> size); void push(in bit<32> v, out bit<32> n); }
extern Bag<T> { Bag(); void put(in T v); }
"""


def test_instances_of_the_programs_own_externs(tmp_path: Path) -> None:
    declared = """@brief("Small.") @size_class[1] Ring(16) small; @id(5) Ring(32) large; Bag<bit<8>>() bag;
                 counter<bit<8>>(4, CounterType.packets) c;"""
    body = "bit<32> n; small.push(1, n); large.push(n, n); bag.put((bit<8>)n); c.count((bit<8>)n);"
    text = "#define V1MODEL_VERSION 20200408\n" + source(body, top=EXTERNS, locals=declared)
    result = compile_text(text, tmp_path, emit_externs=True)
    assert result.ok, result.text()
    info = result.p4info
    by_name = {e.extern_type_name: e for e in info.externs}
    assert set(by_name) == {"Ring", "Bag"}
    assert all(0x81 <= e.extern_type_id <= 0xFE for e in info.externs)
    assert by_name["Ring"].extern_type_id != by_name["Bag"].extern_type_id
    small, large = (i.preamble for i in by_name["Ring"].instances)
    assert (small.name.split(".")[-1], small.alias, small.doc.brief) == ("small", "small", "Small.")
    assert small.structured_annotations[0].name == "size_class"
    assert large.id == by_name["Ring"].extern_type_id << 24 | 5
    assert {i.preamble.id >> 24 for e in info.externs for i in e.instances} == {e.extern_type_id for e in info.externs}


def test_what_ids_must_not_be(tmp_path: Path) -> None:
    declared = """
        @id(0x12) action a(@id(3) bit<8> x, @id(3) bit<8> y) { hdr.h.a = x + y; }
        @id(0x01000012) action b() { }
        @id(7) table t { key = { hdr.h.a : exact @id(4); hdr.h.b : ternary @id(4); } actions = { a; b; } }
        @id(7) table u { key = { hdr.h.a : exact; } actions = { a; @groupaction @tableonly b; } }
        @id(0x05000001) counter<bit<8>>(4, CounterType.packets) c;
        @id(7) register<bit<8>, bit<8>>(4) r;"""
    text = source("t.apply(); u.apply(); c.count(1); r.write(1, 2);", locals=declared)
    text = text.replace("V1Switch(", '@pkginfo(name="x", name="y") V1Switch(')
    found = errors(compile_text("#define V1MODEL_VERSION 20200408\n" + text, tmp_path))
    for wanted in (
        "has the id 0x12 of action",
        "has the id 0x3 of parameter x",
        "has the id 0x7 of table",
        "has the id 0x4 of key",
        "begins with 0x05; ids of its kind begin with 0x12",
        "cannot be both @groupaction and @tableonly",
        "@pkginfo has 'name' twice",
    ):
        assert any(wanted in message for message in found), (wanted, found)
    assert len(found) == 7, "a register may have a table's number"


def test_fields_of_headers_have_their_bits_whatever_their_type(tmp_path: Path) -> None:
    top = """enum bit<4> Mood { GLAD = 1 }
             type bit<12> tag_t;
             header odd_t { Mood mood; bool flag; bit<3> rest; tag_t tag; bit<4> pad; }
             struct whole_t { odd_t odd; bit<8> n; }"""
    body = "odd_t o; o.setValid(); o.mood = Mood.GLAD; o.flag = true; whole_t w = { o, 3 }; digest<whole_t>(1, w);"
    info = compile_text(source(body, top=top), tmp_path).p4info
    members = info.type_info.headers["odd_t"].members
    assert [(m.name, m.type_spec.bit.bitwidth) for m in members] == [
        ("mood", 4), ("flag", 1), ("rest", 3), ("tag", 12), ("pad", 4)]  # fmt: skip


def test_actions_of_groups(tmp_path: Path) -> None:
    declared = """action a() { } action b() { }
        action_selector(HashAlgorithm.crc16, 16, 8) sel;
        table t { key = { hdr.h.a : exact; hdr.h.b : selector; } actions = { a; @groupaction b; } implementation = sel; }"""
    info = compile_text(source("t.apply();", locals=declared), tmp_path).p4info
    scopes = {ref.id: ref.scope for ref in info.tables[0].action_refs}
    names = {a.preamble.id: a.preamble.alias for a in info.actions}
    assert {names[i]: s for i, s in scopes.items()} == {"a": 0, "b": 3, "NoAction": 2}
