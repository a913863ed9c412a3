"""Every extern, method and member that v1model.p4 and core.p4 declare: programs by hand, on both engines."""
from __future__ import annotations

from pathlib import Path

import pytest

from emulator.switch.model import ModelError
from emulator.switch.switch import Switch

from .harness import compile_text, source

IN = "0102030400050006"


def both(text: str, folder: Path, packet: str = IN) -> str:
    """The packet that leaves; both engines agree on it."""
    result = compile_text(text, folder)
    assert result.json is not None, result.text()
    assert result.p4info is not None
    out = [Switch.load(result.json, engine=engine, seed=3).send(0, bytes.fromhex(packet)) for engine in ("interp", "jit")]
    assert out[0] == out[1] and len(out[0]) == 1
    return out[0][0][1].hex()


def checks(verify: str = "", compute: str = "", body: str = "", **parts: str) -> str:
    """A program with checksum controls."""
    text = source(body, **parts)
    for name, code in (("Vf", verify), ("Ck", compute)):
        text = text.replace(f"control {name}(inout headers_t hdr, inout meta_t meta) {{ apply {{ }} }}",
                            f"control {name}(inout headers_t hdr, inout meta_t meta) {{ Checksum16() c; apply {{ {code} }} }}")
    return text


AB = "{hdr.h.a, hdr.h.b}"  # 0x0102; its ones' complement checksum is 0xfefd


@pytest.mark.parametrize(("algorithm", "wanted"), [
    ("csum16", "fefd"), ("identity", "0102"), ("xor16", "0102"), ("crc16", "5180"), ("crc16_custom", "5180"),
    # the CRC-32 of 01 02 is b6cc4292, the low half of it fits
    ("crc32", "4292"), ("crc32_custom", "4292"),
])
def test_algorithms(algorithm: str, wanted: str, tmp_path: Path) -> None:
    """As a hash, as a checksum verified and updated."""
    body = f"hash(hdr.h.x, HashAlgorithm.{algorithm}, 16w0, {AB}, 32w65536); hdr.h.c = (bit<8>)sm.checksum_error;"
    verify = f"verify_checksum(true, {AB}, 16w0x{wanted}, HashAlgorithm.{algorithm});"
    compute = f"update_checksum(true, {AB}, hdr.h.w, HashAlgorithm.{algorithm});"
    assert both(checks(verify, compute, body), tmp_path) == f"01020004{wanted}{wanted}"


def test_a_random_hash(tmp_path: Path) -> None:
    body = f"hash(hdr.h.x, HashAlgorithm.random, 16w5, {AB}, 32w10); if (hdr.h.x >= 5 && hdr.h.x < 15) hdr.h.x = 0x77;"
    assert both(source(body), tmp_path) == "0102030400050077"


@pytest.mark.parametrize(("base", "limit", "wanted"), [
    # identity of 01 02 is 0x0102 = 258
    ("0", "16w100", 58), ("8w3", "100", 61), ("16w0", "64w0x10000000000", 258), ("32w5", "8w7", 11), ("0", "0", 0),
    ("16s0", "16w3", 0), ("64w1", "48w99", 61), ("1", "128w0x100000000000000000000000000000", 259), ("hdr.h.c", "hdr.h.d", 5),
])
def test_base_and_max_of_a_hash(base: str, limit: str, wanted: int, tmp_path: Path) -> None:
    text = source(f"hash(hdr.h.w, HashAlgorithm.identity, {base}, {AB}, {limit});")
    assert both(text, tmp_path) == f"01020304{wanted:04x}0006"


def test_fields_of_invalid_headers_are_left_out_of_a_hash(tmp_path: Path) -> None:
    body = "hash(hdr.h.w, HashAlgorithm.identity, 16w0, {hdr.h.b, hdr.g.a, hdr.h.c}, 32w65536);"
    assert both(source(body), tmp_path) == "0102030402030006"


def test_a_hash_reads_its_data_before_it_writes(tmp_path: Path) -> None:
    body = "hash(hdr.h.w, HashAlgorithm.identity, f(hdr.h.a), {hdr.h.a, hdr.h.w, hdr.h.isValid(), 7w1}, 64w0x100000000);"
    top = "bit<16> f(inout bit<8> v) { v = 7; return 0; }"
    assert both(source(body, top=top), tmp_path) == "0702030405810006"  # 07 0005 81, of which 16 bits fit


@pytest.mark.parametrize("width", [1, 8, 48, 64, 65, 128])
def test_random_at_all_widths(width: int, tmp_path: Path) -> None:
    top = (1 << width) - 1
    body = f"""bit<{width}> z; random(z, 0, {top}); bit<{width}> y; random(y, {top}, {top}); int<16> i; random(i, -5, 5);
               random(hdr.h.b[7:4], 3, 3); if (y == {top} && i >= -5 && i <= 5) hdr.h.a = 0x77;"""
    assert both(source(body), tmp_path) == "7732030400050006"


def test_checksum16_in_pipelines(tmp_path: Path) -> None:
    body = f"hdr.h.w = c.get({AB}); if (c.get(hdr.h.a) == 0xfeff) hdr.h.d = 9;"
    assert both(source(body, locals="Checksum16() c;"), tmp_path) == "01020309fefd0006"


def test_checksum16_as_older_programs_use_it(tmp_path: Path) -> None:
    text = checks(f"if (hdr.h.w != c.get({AB})) mark_to_drop();", f"if (hdr.h.isValid()) {{ hdr.h.w = c.get({AB}); }}",
                  "if (sm.egress_spec == 511) hdr.h.d = 0xdd; sm.egress_spec = 1;").replace("sm.egress_spec = 1;", "", 1)
    assert both(text, tmp_path) == "010203ddfefd0006"
    assert both(text, tmp_path, "01020304fefd0006") == "01020304fefd0006"


def test_checksums_with_payload(tmp_path: Path) -> None:
    """01 02 and 03 04 05 of payload: 0102 + 0304 + 0500 = 0906, its complement f6f9."""
    packet, verify = IN + "030405", f"verify_checksum_with_payload(true, {AB}, hdr.h.w, HashAlgorithm.csum16);"
    compute = f"update_checksum_with_payload(hdr.h.isValid(), {AB}, hdr.h.w, HashAlgorithm.csum16);"
    text = checks(verify, compute, "hdr.h.c = (bit<8>)sm.checksum_error;")
    assert both(text, tmp_path, packet) == "01020104f6f90006030405"
    assert both(text, tmp_path, "01020304f6f90006030405") == "01020004f6f90006030405"


@pytest.mark.parametrize(("compute", "wanted"), [
    # what changes the data afterwards does not change the checksum
    ("update_checksum(true, AB, hdr.h.w, HashAlgorithm.csum16); hdr.h.a = 7;", "07020304fefd0006"),
    # UDP's checksum of 0 is sent as ones
    ("update_checksum(true, AB, hdr.h.w, HashAlgorithm.csum16); if (hdr.h.w == 0xfefd) hdr.h.w = 0xffff;",
     "01020304ffff0006"),
    ("if (hdr.h.b == 2) { update_checksum(true, AB, hdr.h.w, HashAlgorithm.csum16); } hdr.h.d = hdr.h.w[7:0];",
     "010203fdfefd0006"),
    # one checksum over another
    ("update_checksum(true, AB, hdr.h.w, HashAlgorithm.csum16); update_checksum(true, hdr.h.w, hdr.h.x, HashAlgorithm.csum16);",
     "01020304fefd0102"),
    ("hdr.h.a = 0; update_checksum(hdr.h.b == 2, AB, hdr.h.w, HashAlgorithm.csum16);", "00020304fffd0006"),
])
def test_checksums_keep_the_order_of_statements(compute: str, wanted: str, tmp_path: Path) -> None:
    assert both(checks("", compute.replace("AB", AB)), tmp_path) == wanted


def test_checksums_of_values_and_of_what_is_no_field(tmp_path: Path) -> None:
    body = "hdr.h.c = (bit<8>)sm.checksum_error;"
    for given, error in (("16w0xfefd", "00"), ("hdr.h.w + 0xfef8", "00"), ("hdr.h.w + 1", "01")):
        text = checks(f"verify_checksum(true, {AB}, {given}, HashAlgorithm.csum16);", "", body)
        assert both(text, tmp_path) == f"0102{error}0400050006"
    result = compile_text(checks("", f"update_checksum(true, {AB}, hdr.h.w[7:0], HashAlgorithm.csum16);"), tmp_path)
    assert "the checksum to update must be a whole field" in result.text()
    result = compile_text(checks(f"verify_checksum(true, {AB}, hdr.h.w, HashAlgorithm.csum16); hdr.h.a = 4;"), tmp_path)
    assert "this changes what a checksum above verifies" in result.text()


@pytest.mark.parametrize(("kind", "value"), [
    ("bit<1>", "1"), ("bool", "true"), ("int<8>", "-3"), ("E", "E.B"), ("F", "F.Y"), ("bit<256>", "5"), ("T", "(T)7"),
    ("error", "error.NoMatch"), ("int<64>", "-1")])
def test_registers_of_every_kind_of_number(kind: str, value: str, tmp_path: Path) -> None:
    text = source(f"{kind} v; r.write(2, {value}); r.read(v, 2); if (v == {value}) hdr.h.a = 0xaa;",
                  locals=f"register<{kind}>(4) r;", top="enum E { A, B } enum bit<8> F { X = 1, Y = 2 } type bit<8> T;")
    assert both(text, tmp_path) == "aa02030400050006"


@pytest.mark.parametrize("index", ["bit<1>", "bit<32>", "bit<48>", "E", "T"])
def test_index_types_of_the_later_version(index: str, tmp_path: Path) -> None:
    body = f"""PortId_t p = sm.ingress_port; r.write(({index})0, (bit<8>)p + 5); r.read(hdr.h.a, ({index})0);
               c.count(({index})1); m.execute_meter(({index})0, hdr.h.b);"""
    objects = f"register<bit<8>, {index}>(4) r; counter<{index}>(4, CounterType.bytes) c; meter<{index}>(4, MeterType.bytes) m;"
    text = source(body, locals=objects, top="enum bit<8> E { A = 0 } type bit<8> T;")
    assert both("#define V1MODEL_VERSION 20200408\n" + text, tmp_path) == "0500030400050006"


TABLE = "table t { key = { hdr.h.a : exact; } actions = { x; y; NoAction; } %s const entries = { 1 : x(); 2 : y(); } }"


@pytest.mark.parametrize("kind", ["bit<2>", "bit<32>", "int<8>", "E", "bool"])
def test_direct_meters(kind: str, tmp_path: Path) -> None:
    """Unconfigured meters are green, 0; an action that does not read its meter sees nothing of it."""
    top, zero = "enum bit<8> E { A = 0, B = 9 }", {"E": "E.A", "bool": "false"}.get(kind, "0")
    start = {"E": "E.B", "bool": "true"}.get(kind, "1")
    code = f"direct_meter<{kind}>(MeterType.bytes) m; {kind} r = {start}; action x() {{ m.read(r); }} action y() {{ }}"
    body = f"t.apply(); if (r == {zero}) hdr.h.b = 0; else hdr.h.b = 1;"
    text = source(body, top=top, locals=code + TABLE % "meters = m;")
    assert both(text, tmp_path) == "0100030400050006"
    assert both(text, tmp_path, "02" + IN[2:]) == "0201030400050006"


def test_direct_objects_in_every_shape(tmp_path: Path) -> None:
    actions = "action x() { hdr.h.b = 5; } action y() { }"
    never_read = actions + "direct_meter<bit<8>>(MeterType.packets) m;" + TABLE % "meters = m;"
    assert both(source("t.apply();", locals=never_read), tmp_path) == "0105030400050006"
    inline = actions + TABLE % "counters = direct_counter(CounterType.packets_and_bytes);"
    assert both(source("t.apply();", locals=inline), tmp_path) == "0105030400050006"
    table = TABLE % "counters = c;"
    two = actions + "direct_counter(CounterType.bytes) c;" + table + table.replace("t {", "u {", 1)
    result = compile_text(source("t.apply(); u.apply();", locals=two), tmp_path)
    assert "Ig.c belongs to table Ig.t; each table needs its own direct_counter" in result.text()


@pytest.mark.parametrize("kind", ["action_profile(8)", "action_selector(HashAlgorithm.crc16, 8, 14)"])
def test_default_actions_beside_profiles(kind: str, tmp_path: Path) -> None:
    code = f"""{kind} s; action x(bit<8> v) {{ hdr.h.a = v; }}
               table t {{ key = {{ hdr.h.b : exact; hdr.h.c : selector; }} actions = {{ x; NoAction; }}
                          implementation = s; default_action = x(5); }}"""
    if "profile" in kind:
        code = code.replace(" hdr.h.c : selector;", "")
    assert both(source("if (t.apply().miss) hdr.h.d = 0xdd;", locals=code), tmp_path) == "050203dd00050006"


def test_messages_assertions_and_lengths(tmp_path: Path) -> None:
    body = """log_msg("one"); log_msg("{} {}", {hdr.h.a, hdr.h.isValid()}); log_msg("{}", hdr.h.b);
              log_msg("{}" ++ "!", {5, 8w6});
              log_msg(data = {sm.parser_error}, msg = "e {}"); assert(hdr.h.isValid()); assume(hdr.h.a == 2); truncate(6);
              static_assert(V1MODEL_VERSION >= 20180101, "old"); if (static_assert(1 < 2)) hdr.h.c = 9; NoAction();"""
    result = compile_text(source(body), tmp_path)
    assert result.json is not None, result.text()
    for engine in ("interp", "jit"):
        switch = Switch.load(result.json, engine=engine)  # type: ignore[arg-type]
        seen: list[str] = []
        switch.on_log = seen.append
        assert switch.send(0, bytes.fromhex(IN)) == [(1, bytes.fromhex("010209040005"))]
        assert seen == ["one", "1 1", "2", "5!", "e 0"] and switch.events["assume_failed"] == 1
    result = compile_text(source('static_assert(1 == 2, "no" ++ " good");'), tmp_path)
    assert "static_assert failed: no good" in result.text()


def test_what_profiles_leave_to_the_control_plane(tmp_path: Path) -> None:
    code = """%s s; action x(bit<8> v) { hdr.h.a = v; }
              table t { key = { hdr.h.b : exact; %s } actions = { x; NoAction; } implementation = s; %s }"""
    entries = "const entries = { 2 : x(7); }"
    result = compile_text(source("t.apply();", locals=code % ("action_profile(8)", "", entries)), tmp_path)
    assert "the entries of table t name members of its profile, which only the control plane makes" in result.text()
    result = compile_text(source("t.apply();", locals=code % ("action_profile(8)", "hdr.h.c : selector;", "")), tmp_path)
    assert result.ok and "a selector key means nothing to a table without an action_selector [unused]" in result.text()
    selector = "action_selector(HashAlgorithm.crc16, 8, 14)"
    result = compile_text(source("t.apply();", locals=code % (selector, "hdr.h.c : selector;", "")), tmp_path)
    assert result.json is not None and not result.diagnostics
    table = next(t for t in result.json["pipelines"][0]["tables"] if t["name"] == "Ig.t")
    table["entries"] = [{"match_key": [{"match_type": "exact", "key": "0x02"}], "priority": 1,
                         "action_entry": {"action_id": table["action_ids"][0], "action_data": ["0x7"]}}]
    with pytest.raises(ModelError, match="has its entries from the control plane only"):
        Switch.load(result.json)
