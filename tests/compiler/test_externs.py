"""Externs of v1model.p4 in their older forms, and externs that the program brings along."""
from __future__ import annotations

from pathlib import Path

from emulator.switch.switch import Switch

from .harness import compile_text, source

IN = bytes.fromhex("0102030400050006")
TOP = """extern Sum { Sum(bit<8> start, string note); void add(in bit<8> x, out bit<16> y); }
extern void twice<T>(inout T v);"""
LOCALS = 'Sum(3, "n") sum;'
BODY = "sum.add(hdr.h.a + 1, hdr.h.w); twice(hdr.h.b[3:0]); twice(meta.n);"


def test_declared_externs_may_stand_unused(tmp_path: Path) -> None:
    result = compile_text(source("hdr.h.a = 2;", top=TOP, locals=LOCALS), tmp_path)
    assert result.ok and result.json is not None and result.json["extern_instances"] == []


def test_a_call_needs_the_flag(tmp_path: Path) -> None:
    result = compile_text(source(BODY, top=TOP, locals=LOCALS), tmp_path)
    assert not result.ok and "--emit-externs" in result.text()


def test_instances_and_calls(tmp_path: Path) -> None:
    result = compile_text(source(BODY, top=TOP, locals=LOCALS), tmp_path, emit_externs=True)
    assert result.json is not None, result.text()
    assert result.json["extern_instances"] == [{"name": "Ig.sum", "id": 0, "type": "Sum", "attribute_values": [
        {"name": "start", "type": "hexstr", "value": "0x3"}, {"name": "note", "type": "string", "value": "n"}]}]
    prims = [p for a in result.json["actions"] for p in a["primitives"]]
    add = next(p for p in prims if p["op"] == "_Sum_add")
    assert add["parameters"][0] == {"type": "extern", "value": "Ig.sum"}
    assert add["parameters"][2] == {"type": "field", "value": ["h", "w"]}
    calls = [p for p in prims if p["op"] == "twice"]
    assert [p["parameters"][0]["value"][0] for p in calls] == ["scalars", "scalars"]


def test_a_slice_given_to_an_extern_goes_by_way_of_a_variable(tmp_path: Path) -> None:
    result = compile_text(source("twice(hdr.h.b[3:0]);", top=TOP), tmp_path, emit_externs=True)
    assert result.json is not None, result.text()
    ops = [p["op"] for a in result.json["actions"] for p in a["primitives"]]
    assert ops[-3:] == ["assign", "twice", "assign"]


def test_resubmit_with_data(tmp_path: Path) -> None:
    body = """if (sm.instance_type == 0) { meta.m = 7; resubmit({ meta.m, sm.ingress_port }); meta.m = 9; }
              else { hdr.h.a = meta.m; hdr.h.b = (bit<8>)sm.instance_type; }"""
    result = compile_text(source(body), tmp_path)
    assert result.ok, result.text()
    assert Switch.load(result.json).send(0, IN) == [(1, bytes.fromhex("0906030400050006"))]


def test_recirculate_and_clone3(tmp_path: Path) -> None:
    egress = """if (hdr.h.b == 2) { hdr.h.b = 3; meta.m = 5; recirculate(meta); }
                else { hdr.h.a = meta.m; }"""
    result = compile_text(source("", egress=egress), tmp_path)
    assert result.ok, result.text()
    assert Switch.load(result.json).send(0, IN) == [(1, bytes.fromhex("0503030400050006"))]
    result = compile_text(source("clone3(CloneType.I2E, 5, { meta.n }); mark_to_drop();"), tmp_path)
    assert result.ok and result.json is not None and len(result.json["field_lists"]) == 1


def test_checksum_over_computed_data(tmp_path: Path) -> None:
    text = source("hdr.h.d = 1;").replace(
        "control Ck(inout headers_t hdr, inout meta_t meta) { apply { } }",
        """control Ck(inout headers_t hdr, inout meta_t meta) { apply {
            update_checksum(hdr.h.d == 1, { hdr.h.a ++ hdr.h.b[3:0] ++ 4w0, (bit<16>)hdr.h.c + 1 }, hdr.h.x,
                            HashAlgorithm.csum16); } }""").replace(
        "control Vf(inout headers_t hdr, inout meta_t meta) { apply { } }",
        """control Vf(inout headers_t hdr, inout meta_t meta) { apply {
            verify_checksum(true, { hdr.h.a ++ hdr.h.b, hdr.h.c + 1 ++ hdr.h.d }, hdr.h.w, HashAlgorithm.csum16); } }""")
    text = text.replace("hdr.h.d = 1;", "hdr.h.d = 1; hdr.h.c = hdr.h.c + (bit<8>)sm.checksum_error;")
    result = compile_text(text, tmp_path)
    assert result.ok, result.text()
    right = 0xFFFF - (0x0102 + 0x0404)
    for given, error in ((right, 0), (5, 1)):
        packet = bytes.fromhex("01020304") + given.to_bytes(2, "big") + bytes([0, 6])
        wanted = 0xFFFF - (0x0120 + 3 + error + 1)
        found = Switch.load(result.json).send(0, packet)
        assert found == [(1, bytes([1, 2, 3 + error, 1]) + given.to_bytes(2, "big") + wanted.to_bytes(2, "big"))]


def test_hash_of_nested_lists(tmp_path: Path) -> None:
    body = "hash(hdr.h.w, HashAlgorithm.identity, 16w0, { hdr.h.a + 1, { hdr.h.b } }, 32w65536);"
    result = compile_text(source(body), tmp_path)
    assert result.ok, result.text()
    assert Switch.load(result.json).send(0, IN) == [(1, bytes.fromhex("0102030402020006"))]


def test_user_files_are_found_beside_the_file_that_asks(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "deep.p4").write_text('#include "../other.p4"\nconst bit<8> DEEP = OTHER + 1;\n')
    (tmp_path / "other.p4").write_text("const bit<8> OTHER = 2;\n")
    result = compile_text('#include "sub/deep.p4"\n' + source("hdr.h.a = DEEP;"), tmp_path)
    assert result.ok, result.text()
    assert Switch.load(result.json).send(0, IN) == [(1, bytes.fromhex("0302030400050006"))]
