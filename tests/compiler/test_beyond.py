"""Beyond the reference target: one table at several places, run-time division, what reject does."""
from __future__ import annotations

from pathlib import Path

import pytest

from emulator.switch.switch import Switch

from .harness import compile_text, run, source

IN = "0102030400050006"
TABLE = ("action set(bit<8> v) { hdr.h.d = v; } table t { key = { hdr.h.a : exact; } actions = { set; NoAction; } "
         "const entries = { 1 : set(0x11); 2 : set(0x22); } const default_action = NoAction(); }")
REUSE = frozenset(["table-reuse"])


@pytest.mark.parametrize("body, wanted", [
    ("if (hdr.h.b == 2) { t.apply(); hdr.h.b = 7; } else { t.apply(); hdr.h.b = 8; }", "0107031100050006"),
    ("if (hdr.h.b == 3) { t.apply(); hdr.h.b = 7; } else { if (t.apply().hit) { hdr.h.b = 8; } }", "0108031100050006"),
    ("if (hdr.h.b == 3) { t.apply(); } else { switch (t.apply().action_run) { set: { hdr.h.c = 9; } } }",
     "0102091100050006"),
    ("t.apply(); hdr.h.c = hdr.h.d; hdr.h.a = 2; t.apply();", "0202112200050006"),
    ("t.apply(); hdr.h.c = hdr.h.d; hdr.h.a = 7; if (t.apply().miss) { hdr.h.b = 0; }", "0700111100050006"),
])
def test_places(body: str, wanted: str, tmp_path: Path) -> None:
    text = source(body, locals=TABLE)
    assert not compile_text(text, tmp_path).ok
    assert run(text, IN, tmp_path, allow=REUSE) == [(1, wanted)]


def test_instance_applied_twice(tmp_path: Path) -> None:
    top = ("control C(inout bit<8> v) { action inc(bit<8> k) { v = v + k; } table t { key = { v : exact; } actions = { inc; } "
           "const entries = { 1 : inc(4); 5 : inc(0x10); } const default_action = inc(1); } apply { t.apply(); } }")
    text = source("c.apply(hdr.h.a); c.apply(hdr.h.a); c.apply(hdr.h.b);", top=top, locals="C() c;")
    assert run(text, IN, tmp_path, allow=REUSE) == [(1, "1503030400050006")]


def test_table_with_entries_of_the_control_plane_is_marked(tmp_path: Path) -> None:
    table = TABLE.replace("const entries = { 1 : set(0x11); 2 : set(0x22); }", "")
    result = compile_text(source("t.apply(); hdr.h.a = 2; t.apply();", locals=table), tmp_path, allow=REUSE)
    assert result.json is not None
    marked = [t for t in result.json["pipelines"][0]["tables"] if t.get("shares_entries_with") == "Ig.t"]
    assert len(marked) == 1
    assert any("shares_entries_with" in d.message for d in result.diagnostics)


@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_places_share_entries_default_and_counter(engine: str, tmp_path: Path) -> None:
    table = TABLE.replace("const entries = { 1 : set(0x11); 2 : set(0x22); }", "counters = dc;").replace(
        "const default", "default").replace("table t", "direct_counter(CounterType.packets) dc; table t")
    body = """t.apply(); hdr.h.c = hdr.h.d; hdr.h.a = hdr.h.b;
              if (t.apply().hit) { hdr.h.b = 0x77; } else { hdr.h.b = 0x66; }"""
    result = compile_text(source(body, locals=table), tmp_path, allow=REUSE)
    assert result.json is not None
    switch = Switch.load(result.json, engine=engine)
    t = switch.control.tables["Ig.t"]
    assert not any("$apply" in name for name in switch.control.tables)
    assert switch.send(0, bytes.fromhex(IN)) == [(1, bytes.fromhex("0266040400050006"))]
    first = t.insert([1], "Ig.set", [0x11])
    second = t.insert([2], "Ig.set", [0x22])
    assert switch.send(0, bytes.fromhex(IN)) == [(1, bytes.fromhex("0277112200050006"))]
    assert t.direct_counter is not None
    assert [t.direct_counter.read(t.entry(h).slot)[0] for h in (first, second)] == [1, 1]
    t.delete(second)
    t.set_default("Ig.set", [0x33])
    assert switch.send(0, bytes.fromhex(IN)) == [(1, bytes.fromhex("0266113300050006"))]


def test_reject_ends_parsing_or_drops(tmp_path: Path) -> None:
    parser = ("state start { pkt.extract(hdr.h); transition select(hdr.h.a) { 1: reject; default: accept; } }")
    text = source("hdr.h.b = 9;", parser=parser)
    assert run(text, IN, tmp_path) == [(1, "0109030400050006")]
    assert run(text, IN, tmp_path, reject="drop") == []
    assert run(text, "02" + IN[2:], tmp_path, reject="drop") == [(1, "0209030400050006")]


def test_division_at_run_time(tmp_path: Path) -> None:
    text = source("hdr.h.w = hdr.h.x / (bit<16>)hdr.h.b; hdr.h.x = hdr.h.x % (bit<16>)hdr.h.d;")
    assert run(text, IN, tmp_path, allow=frozenset(["division"])) == [(1, "0102030400030002")]
