"""P4Info: every field that a program can fill, by hand."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.compiler.emit_entries import emit_entries

from .harness import compile_text, source

TOP = """
const bit<16> BIG = 5;
const bool YES = true;
@p4runtime_translation("example.org/port", string)
@p4runtime_translation_mappings({ {"CPU", 510}, {"drop", 511} })
type bit<9> port_id_t;
@p4runtime_translation("example.org/index", 24) type bit<8> index_t;
@p4runtime_translation("example.org/vrf", bit<10>) type bit<16> vrf_t;
type bit<8> plain_t;
@note[size = BIG] enum bit<8> Kind { A = 1, B = 2 }
@note[1] enum Bare { X, Y }
@tag struct sample_t { bit<8> a; Kind k; Bare b; bool f; error e; port_id_t p;
                      h_t h; u_t u; s_t[2] s; u_t[2] us; in_t inner; }
struct set_t { @match(ternary) @id(7) vrf_t vrf; @brief("kind") Kind k; @match(lpm) bit<32> ip; }
"""
LOCALS = """
@id(0x1234) @brief("Counts.") @description("Per port.") @level[1, "two", true, -3] counter<index_t>(8, CounterType.bytes) c;
@kv[a = 1 + 2, b = "x" ++ "y", c = YES, d = BIG] meter<index_t>(16, MeterType.packets) m;
@empty[] register<vrf_t, index_t>(32) r;
direct_counter(CounterType.packets_and_bytes) dc;
@max_group_size(BIG + 1) @selector_size_semantics("sum_of_members") @max_member_weight(3)
@other("z")
action_selector(HashAlgorithm.crc16, 64, 14) sel;
@max_group_size(7) @selector_size_semantics("sum_of_weights") @weights_disallowed
action_selector(HashAlgorithm.crc16, 64, 14) sel2;
@unknown_values[x = sm] @brief("Sets.") action set(@id(9) @brief("port") port_id_t port, @text[k = "v"] vrf_t v,
    plain_t p) {
    sm.egress_spec = (bit<9>)port; hdr.h.w = (bit<16>)v; hdr.h.a = (bit<8>)p;
}
@description("Main.") @id(77) table t {
    key = { (port_id_t)sm.ingress_port : exact @name("port") @brief("in"); hdr.h.w : ternary @name("w") @hint[1];
            (vrf_t)hdr.h.x : optional @name("vrf"); }
    actions = { @tableonly @why["because"] set; @defaultonly NoAction; }
    const default_action = NoAction; counters = dc; size = 12; support_timeout = true;
}
table chosen { key = { hdr.h.a : exact; hdr.h.b : selector; } actions = { set; NoAction; } implementation = sel; }
table other { key = { hdr.h.a : exact; hdr.h.b : selector; } actions = { set; NoAction; } implementation = sel2; }
"""
BODY = """t.apply(); chosen.apply(); other.apply(); c.count((index_t)0); m.execute_meter((index_t)1, hdr.h.b);
          r.write((index_t)0, (vrf_t)1);
          sample_t s = { 1, Kind.A, Bare.Y, true, error.NoError, (port_id_t)1, ... }; digest<sample_t>(1, s);"""
PARSER = """value_set<set_t>(4) many; @brief("One.") value_set<index_t>(2) one;
    state start { pkt.extract(hdr.h); transition select((vrf_t)hdr.h.w, (Kind)hdr.h.a, hdr.h.w ++ hdr.h.x)
        { many: s; default: accept; } }
    state s { transition select((index_t)hdr.h.a) { one: accept; default: accept; } }"""
NOTES = """@pkginfo(name = "router", version = "2.0") @pkginfo[organization = "O", contact = "a@b", url = "http://x"]
@platform_property(multicast_group_table_size = 100, multicast_group_table_total_replicas = 2000)
@platform_property[multicast_group_table_max_replicas_per_entry = BIG]
@brief("Short.") @description("Long.") @extra("e") @list[1, 2]
V1Switch("""


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> Any:
    text = "#define V1MODEL_VERSION 20200408\n" + source(BODY, top=TOP, locals=LOCALS, parser=PARSER).replace("V1Switch(", NOTES)
    result = compile_text(text, tmp_path_factory.mktemp("info"))
    assert result.ok, result.text()
    return result.p4info


def expressions(message: Any) -> list[Any]:
    return [getattr(e, e.WhichOneof("value")) for e in message.expression_list.expressions]


def pairs(message: Any) -> dict[str, Any]:
    return {p.key: getattr(p.value, p.value.WhichOneof("value")) for p in message.kv_pair_list.kv_pairs}


def test_the_package(info: Any) -> None:
    package = info.pkg_info
    assert (package.name, package.version, package.arch) == ("router", "2.0", "v1model")
    assert (package.organization, package.contact, package.url) == ("O", "a@b", "http://x")
    assert (package.doc.brief, package.doc.description) == ("Short.", "Long.")
    sizes = package.platform_properties
    assert (sizes.multicast_group_table_size, sizes.multicast_group_table_total_replicas,
            sizes.multicast_group_table_max_replicas_per_entry) == (100, 2000, 5)
    assert list(package.annotations) == ['@extra("e")']
    assert [(s.name, expressions(s)) for s in package.structured_annotations] == [("list", [1, 2])]


def test_structured_annotations(info: Any) -> None:
    counter, meter, register = info.counters[0].preamble, info.meters[0].preamble, info.registers[0].preamble
    assert (counter.id, counter.doc.brief, counter.doc.description) == (0x12001234, "Counts.", "Per port.")
    assert not counter.annotations and expressions(counter.structured_annotations[0]) == [1, "two", True, -3]
    assert pairs(meter.structured_annotations[0]) == {"a": 3, "b": "xy", "c": True, "d": 5}
    assert register.structured_annotations[0].name == "empty" and expressions(register.structured_annotations[0]) == []
    action = next(a for a in info.actions if a.preamble.alias == "set")
    assert list(action.preamble.annotations) == ["@unknown_values[x = sm]"], "what is not known stays text"
    assert pairs(action.params[1].structured_annotations[0]) == {"k": "v"}
    table = info.tables[0]
    assert expressions(table.match_fields[1].structured_annotations[0]) == [1]
    assert expressions(table.action_refs[0].structured_annotations[0]) == ["because"]
    assert list(table.action_refs[0].annotations) == ["@tableonly"]


def test_translated_types(info: Any) -> None:
    """A string has no width of bits; a number the width that the controller sees."""
    port, _, vrf = info.tables[0].match_fields
    assert (port.bitwidth, port.type_name.name, port.doc.brief) == (0, "port_id_t", "in")
    assert (vrf.bitwidth, vrf.type_name.name, vrf.match_type) == (10, "vrf_t", 6)
    action = next(a for a in info.actions if a.preamble.alias == "set")
    assert [(p.id, p.bitwidth, p.type_name.name) for p in action.params] == [
        (9, 0, "port_id_t"), (2, 10, "vrf_t"), (3, 8, "plain_t")]
    assert action.params[0].doc.brief == "port" and action.preamble.doc.brief == "Sets."
    for message in (info.counters[0], info.meters[0], info.registers[0]):
        assert message.index_type_name.name == "index_t"
    assert info.registers[0].type_spec.new_type.name == "vrf_t"
    types = info.type_info.new_types
    assert types["port_id_t"].translated_type.WhichOneof("sdn_type") == "sdn_string"
    assert types["port_id_t"].translated_type.uri == "example.org/port"
    assert list(types["port_id_t"].annotations) == ['@p4runtime_translation_mappings({ { "CPU" , 510 } , { "drop" , 511 } })']
    assert types["index_t"].translated_type.sdn_bitwidth == 24 and types["vrf_t"].translated_type.sdn_bitwidth == 10
    assert types["plain_t"].original_type.bitstring.bit.bitwidth == 8


def test_tables_and_profiles(info: Any) -> None:
    table = next(t for t in info.tables if t.preamble.alias == "t")
    assert (table.preamble.id & 0xFFFFFF, table.size, table.preamble.doc.description) == (77, 12, "Main.")
    assert [r.scope for r in table.action_refs] == [1, 2] and table.idle_timeout_behavior == 1
    assert table.const_default_action_id == table.action_refs[1].id
    assert table.direct_resource_ids[0] == info.direct_counters[0].preamble.id
    members, weights = info.action_profiles
    assert (members.max_group_size, members.sum_of_members.max_member_weight, members.weights_disallowed) == (6, 3, False)
    assert list(members.preamble.annotations) == ['@other("z")']
    assert (weights.max_group_size, weights.HasField("sum_of_weights"), weights.weights_disallowed) == (7, True, True)
    assert members.with_selector and weights.with_selector and members.size == 64


def test_types_and_value_sets(info: Any) -> None:
    types = info.type_info
    assert {"sample_t", "in_t"} <= set(types.structs) and "h_t" in types.headers and "u_t" in types.header_unions
    assert list(types.structs["sample_t"].annotations) == ["@tag"]
    specs = {m.name: m.type_spec.WhichOneof("type_spec") for m in types.structs["sample_t"].members}
    assert specs == {"a": "bitstring", "k": "serializable_enum", "b": "enum", "f": "bool", "e": "error", "p": "new_type",
                     "h": "header", "u": "header_union", "s": "header_stack", "us": "header_union_stack", "inner": "struct"}
    assert {"s_t", "u1_t", "u2_t"} <= set(types.headers), "headers in stacks and unions are described"
    assert list(types.error.members)[:3] == ["NoError", "PacketTooShort", "NoMatch"] and len(types.error.members) == 7
    assert pairs(types.serializable_enums["Kind"].structured_annotations[0]) == {"size": 5}
    assert expressions(types.enums["Bare"].structured_annotations[0]) == [1]
    many, one = info.value_sets
    assert [(m.id, m.name, m.bitwidth, m.match_type, m.type_name.name) for m in many.match] == [
        (7, "vrf", 10, 4, "vrf_t"), (2, "k", 8, 2, ""), (3, "ip", 32, 3, "")]
    assert many.match[1].doc.brief == "kind" and many.size == 4
    assert (one.match[0].bitwidth, one.match[0].type_name.name, one.preamble.doc.brief) == (24, "index_t", "One.")


def test_entries_of_the_program(tmp_path: Path) -> None:
    """const or initial, and priorities: the larger wins, as in P4Runtime."""
    code = """action a(bit<8> v) { hdr.h.a = v; }
      table fixed { key = { hdr.h.a : ternary; } actions = { a; } size = 9;
                    const entries = { 1 : a(1); 2 &&& 3 : a(2); _ : a(3); } }
      table open { key = { hdr.h.a : ternary; } actions = { a; } largest_priority_wins = false;
                   entries = { const priority = 20 : 1 : a(1); priority = 10 : 2 : a(2); } size = 9; }
      table exact_one { key = { hdr.h.a : exact; } actions = { a; } const entries = { 1 : a(1); } }
      table none { key = { hdr.h.a : exact; } actions = { a; } }"""
    text = source("fixed.apply(); open.apply(); exact_one.apply(); none.apply();", locals=code)
    result = compile_text(text, tmp_path)
    assert result.ok, result.text()
    flags = {t.preamble.alias: (t.is_const_table, t.has_initial_entries) for t in result.p4info.tables}
    assert flags == {"fixed": (True, True), "open": (False, True), "exact_one": (True, True), "none": (False, False)}
    names = {t.preamble.id: t.preamble.alias for t in result.p4info.tables}
    found = [(names[e.table_id], e.priority, e.is_const, e.action.action.params[0].value)
             for e in (u.entity.table_entry for u in emit_entries(result.program, result.p4info).updates)]
    rows = {name: [row[1:] for row in found if row[0] == name] for name in flags}
    assert [v for _, _, v in sorted(rows["fixed"], reverse=True)] == [b"\1", b"\2", b"\3"]
    assert all(const for _, const, _ in rows["fixed"] + rows["exact_one"]) and rows["exact_one"][0][0] == 0
    assert [(const, v) for _, const, v in sorted(rows["open"], reverse=True)] == [(False, b"\2"), (True, b"\1")]


def test_actions_of_the_top_level_come_first_in_the_pipeline_that_uses_them(tmp_path: Path) -> None:
    inner = """control Sub(inout headers_t hdr) { action two() { hdr.h.a = 2; }
        table t { key = { hdr.h.b : exact; } actions = { two; shared; } default_action = two; } apply { t.apply(); } }
        control Direct(inout headers_t hdr) { table t { actions = { late; shared; } default_action = late; }
        apply { t.apply(); } }"""
    text = source("u.apply(); s.apply(hdr); Direct.apply(hdr);", top="action late() { } action shared() { } " + inner,
                  locals="action one() { hdr.h.a = 1; } Sub() s; table u { key = { hdr.h.b : exact; } actions = { one; } }",
                  egress="Direct.apply(hdr);")
    result = compile_text(text, tmp_path)
    names = [action.preamble.name for action in result.p4info.actions]
    assert names == ["NoAction", "shared", "late", "Ig.one", "Ig.s.two"]
