"""The blocks of a program: one control in two places, copies of headers and their checksums, fields of variable width."""
from __future__ import annotations

from pathlib import Path

import pytest

from emulator.switch.switch import Switch

from .harness import compile_text, run, source

IN = "0102030400050006"
CONTROL = """control Ig(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t sm) {
    register<bit<8>>(2) r; C() c;
    action x() { bit<8> v; r.read(v, 0); r.write(0, v + 3); hdr.h.a = hdr.h.a + v; }
    table t { key = { hdr.h.b : exact; } actions = { x; NoAction; } }
    apply { sm.egress_spec = 1; t.apply(); c.apply(hdr.h.c); }
}
"""
INNER = """control C(inout bit<8> v) { action y(bit<8> n) { v = n; }
    table t { key = { v : exact; } actions = { y; NoAction; } const entries = { 3 : y(4); 4 : y(6); } } apply { t.apply(); } }
"""


def twice(main: str) -> str:
    text = source("").replace("V1Switch(P(), Vf(), Ig(), Eg(), Ck(), Dp()) main;", main)
    start, end = text.index("control Ig"), text.index("control Eg")
    return text[:start] + INNER + CONTROL + text[end:]


@pytest.mark.parametrize(("main", "names"), [
    ("V1Switch(P(), Vf(), Ig(), Ig(), Ck(), Dp()) main;", ("Ig", "Ig_eg")),
    ("Ig() one; V1Switch(P(), Vf(), one, Ig(), Ck(), Dp()) main;", ("one", "Ig")),
    ("Ig() one; Ig() two; V1Switch(P(), Vf(), one, two, Ck(), Dp()) main;", ("one", "two")),
])
def test_one_control_in_both_pipelines(main: str, names: tuple[str, str], tmp_path: Path) -> None:
    """Each place has its own tables, actions and registers, with names of their own in P4Info, too."""
    result = compile_text(twice(main), tmp_path)
    assert result.json is not None, result.text()
    first, second = names
    assert {t.preamble.name for t in result.p4info.tables} == {f"{n}.{t}" for n in names for t in ("t", "c.t")}
    assert [r.preamble.name for r in result.p4info.registers] == [f"{first}.r", f"{second}.r"]
    for engine in ("interp", "jit"):
        switch = Switch.load(result.json, engine=engine, p4info=result.p4info)  # type: ignore[arg-type]
        switch.control.tables[f"{second}.t"].set_default(f"{second}.x", ())
        # egress: register 0, then 3 and 6; the inner tables make 3 of c a 4, then a 6
        assert [switch.send(0, bytes.fromhex(IN))[0][1].hex()[:8] for _ in range(3)] == ["01020604", "04020604", "07020604"]
        assert switch.control.registers[f"{first}.r"].read(0) == 0


def test_one_instance_is_no_two(tmp_path: Path) -> None:
    result = compile_text(twice("Ig() i; V1Switch(P(), Vf(), i, i, Ck(), Dp()) main;"), tmp_path)
    assert "i has tables or objects, and this target has them in one place each; make a second instance" in result.text()
    assert compile_text(source("").replace("Vf(), Ig(), Eg(), Ck()", "v, Ig(), Eg(), v").replace(
        "V1Switch", "Ck() v; V1Switch"), tmp_path).ok


UPDATE = "update_checksum(hdr.h.isValid(), {hdr.h.a, hdr.h.b}, hdr.h.w, HashAlgorithm.csum16);"


@pytest.mark.parametrize(("body", "emits", "wanted"), [
    # the sum of 01 02 is 0102 (fefd), of 04 02 it is 0402 (fbfd)
    ("h_t q = hdr.h; q.a = 4; hdr.h = q;", "pkt.emit(hdr);", "04020304fbfd0006"),
    ("", "h_t q = hdr.h; q.d = 9; pkt.emit(q);", "01020309fefd0006"),
    ("", "h_t q = hdr.h; pkt.emit(q); q.a = 9; pkt.emit(q);", "01020304fefd000609020304fefd0006"),
    ("", "if (hdr.h.a == 1) pkt.emit(hdr.h);", "01020304fefd0006"),
    ("", "if (hdr.h.w == 0xfefd) { pkt.emit(hdr.h); } else { h_t q = hdr.h; q.a = 0xff; pkt.emit(q); }", "01020304fefd0006"),
    ("", "pkt.emit(hdr.h); pkt.emit(hdr.h);", "01020304fefd000601020304fefd0006"),
])
def test_copies_of_a_header_with_a_checksum(body: str, emits: str, wanted: str, tmp_path: Path) -> None:
    text = source(body).replace("meta_t meta) { apply { } }\ncontrol Dp", f"meta_t meta) {{ apply {{ {UPDATE} }} }}\ncontrol Dp")
    text = text.replace("pkt.emit(hdr);", emits)
    assert UPDATE in text
    for engine in ("interp", "jit"):
        assert run(text, IN, tmp_path, engine) == [(1, wanted)]


SHORT = "hdr.h.b = (bit<8>)(bit<1>)(sm.parser_error == error.HeaderTooShort ? 1w1 : 1w0);"


@pytest.mark.parametrize(("width", "extract", "body", "wanted"), [
    (0, "pkt.extract(hdr.s.next, 0);", "hdr.h.b = hdr.s[0].v;", "0107030400050006070809"),
    (0, "pkt.extract(hdr.s.next, 8);", SHORT, "0101030400050006070809"),
    (16, "pkt.extract(hdr.s.next, 16);", "s_t q = hdr.s[0]; q.v = 5; hdr.s[1] = q;", IN + "070809050809"),
    (16, "", "hdr.s[0].setValid(); hdr.s[0].v = 5;", IN + "05070809"),
    (16, "", "s_t q; q.setValid(); q.v = 5; hdr.s[1] = q; if (hdr.s[1] == q) hdr.h.b = 9;", "010903040005000605070809"),
    # a length in whole bytes of which 12 bits hold one
    (12, "pkt.extract(hdr.s.next, 8);", SHORT, "0100030400050006070809"),
    (12, "pkt.extract(hdr.s.next, 16);", SHORT, "0101030400050006070809"),
])
def test_fields_of_variable_width(width: int, extract: str, body: str, wanted: str, tmp_path: Path) -> None:
    text = source(body, parser=f"state start {{ pkt.extract(hdr.h); {extract} transition accept; }}").replace(
        "header s_t { bit<8> v; }", f"header s_t {{ bit<8> v; varbit<{width}> z; }}")
    for engine in ("interp", "jit"):
        assert run(text, IN + "070809", tmp_path, engine) == [(1, wanted)]


def test_extract_wants_a_varbits_length(tmp_path: Path) -> None:
    text = source("", parser="state start { pkt.extract(hdr.h); pkt.extract(hdr.s.next); transition accept; }").replace(
        "header s_t { bit<8> v; }", "header s_t { bit<8> v; varbit<16> z; }")
    assert "s_t has a varbit field, whose length in bits extract takes as second argument" in compile_text(text, tmp_path).text()
