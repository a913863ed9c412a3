"""Odd but correct texts, and programs that must be refused with the right words."""
from __future__ import annotations

from pathlib import Path

import pytest

from emulator.compiler.api import compile_file

from .harness import compile_text
from .programs import IN, SHORT, START, Row, check, full, refused, small

UNION = "header u1_t { bit<8> p; } header u2_t { bit<16> q; } header_union Un { u1_t x; u2_t y; }"
CELL = "header g_t { bit<8> v; }"
TWICE = "V1Switch(p(), vrfy(), ingress(), ingress(), update(), deparser()) main;"
SET = "value_set<bit<8>>(4) s; state start { b.extract(h.h); transition select(h.h.w) { s: accept; } }"

ROWS: list[Row] = [
    ("no line end", small().rstrip() + " // the end", (0, SHORT), SHORT),
    ("carriage returns", small().replace("\n", "\r\n"), (0, SHORT), SHORT),
    ("byte order mark", "\ufeff" + small(), (0, SHORT), SHORT),
    ("no headers at all", small(edits=[("h_t h; ", ""), ("b.extract(h.h);", "")]), (0, SHORT), SHORT),
    ("everything unused", small(
        after="const bit<8> CC = 1; struct uu { bit<8> x; } header hh { bit<4> a; } extern Foo { Foo(); bit<8> m(in bit<8> x); }"
              "enum e1 { A } typedef bit<8> tt; parser up(packet_in b, out h_t x) { state start { transition accept; } }"
              "control uc(inout bit<8> x) { apply { } } bit<8> uf(in bit<8> x) { return x; } action ua() { }",
        ig="action u1() { } table u2 { key = { h.h.a : exact; } actions = { u1; } } bit<8> z; apply { }",
    ), (0, SHORT), SHORT),
    ("elements at the end of a stack", small(
        top=CELL, hdr="g_t[3] s; g_t o;",
        parser="state start { b.extract(h.h); h.s.next = {7}; b.extract(h.o); h.s.next = h.o; b.extract(h.s.next); "
               "h.s.last = {h.s.last.v + 2}; h.s.next.setValid(); g_t z = h.s.last; h.h.a = z.v; "
               "if (h.s.next == h.s.last) { h.h.b = 1; } h.s.last.setInvalid(); transition accept; }",
    ), (0, "cd02030400bb"), SHORT + "bbcb"),
    ("validity of one of a union", full(
        top=UNION, hdrs="h_t h; Un u; g_t g;",
        ig="h.u.x.setValid(); h.u.x.p = 5; h.u.y.setInvalid(); if (!h.u.isValid()) h.h.a = 0xaa; Un v; v.y = {3}; h.u = v; "
           "if (h.u == v) h.h.b = 1; v.x = {1}; if (h.u != v) h.h.c = 7;",
        dep="b.emit(h);",
    ), (0, "aa010704000500060003"), IN),
    ("lookahead", small(
        top="struct la { bit<8> x; bit<4> y; bit<4> z; }",
        parser="bit<8> z; state start { la l = b.lookahead<la>(); h_t hh = b.lookahead<h_t>(); z = (bit<8>)l.y + l.x + hh.b; "
               "transition select(b.lookahead<bit<16>>()[7:0]) { 0x02: n; default: accept; } } "
               "state n { b.extract(h.h); h.h.a = z; "
               "transition select(b.lookahead<bit<24>>()[23:16]) { 5: q; _: accept; } }"
               "state q { b.advance(8); b.advance((bit<32>)h.h.b * 8 - 8); transition accept; }",
    ), (0, "0302030407"), "01020304050607"),
    ("a member of a union as argument", full(
        top=UNION + " void f(inout u1_t a) { a.setValid(); a = {#}; }", hdrs="h_t h; Un u;",
        ig="h.u.y = {0x1234}; f(h.u.x);", dep="b.emit(h);",
    ), (0, IN), IN),
    ("500 operators", small(ig="apply { h.h.a = " + " ^ ".join(["h.h.b", "h.h.a"] * 251) + "; }"),
     (0, "03020304"), SHORT),
    ("500 conditions", small(ig="apply { if (" + " && ".join(["h.h.b == 2", "h.h.a != 7"] * 250) + ") h.h.a = 9; }"),
     (0, "09020304"), SHORT),
    ("400 variables", small(ig="apply { bit<8> t0 = h.h.a; " + "".join(
        f"bit<8> t{k} = t{k - 1} + h.h.b;" for k in range(1, 400)) + " h.h.a = t399; }"), (0, "1f020304"), SHORT),
    ("256 numbers in one", small(
        top="header big_t { bit<2048> z; }", hdr="big_t z;",
        ig="apply { h.z.setValid(); h.z.z = " + " ++ ".join(["h.h.a"] * 256) + "; }"), (0, SHORT + "01" * 256), SHORT),
    ("two instances of one control", small(
        before="control c(inout bit<8> x) { action a() { x = x + 1; } table t { actions = { a; } default_action = a; } "
               "apply { t.apply(); } }",
        ig="c() c1; c() c2; apply { c1.apply(h.h.a); c2.apply(h.h.a); }",
    ), (0, "03020304"), SHORT),
]

REFUSED: dict[str, tuple[str, str]] = {
    "a string without its end": (small(ig='@name("foo) action a() { } apply { a(); }'), "this string is not closed"),
    "a string that ends in the next one": (small(ig='@name("foo) action a() { }\n@name("bar") action b() { } apply { b(); }'),
                                           "this string is not closed"),
    "another value for a newtype": (small(top="type bit<8> N;", meta="N n;", ig="apply { m.n = 8w3; }"), "a cast is needed: (N)"),
    "no type": (small(ig="apply { _ k = 3; }"), "expected"),
    "one control in both pipelines": (small(
        ig='action a() { } @name(".t") table t { actions = { a; } } apply { t.apply(); }', main=TWICE), "the name of two tables"),
    "two registers of one name": (small(
        ig='@name("r") register<bit<8>>(1) q; register<bit<8>>(1) r; apply { q.write(0, 1); r.write(0, 1); }'),
        "the name of two extern objects"),
    "a false static_assert": (small(ig='apply { static_assert(1 > 2, "no"); }'), "static_assert failed: no"),
    "a false static_assert in a constant": (small(after="const bool x = static_assert(false);"), "static_assert failed"),
    "a counter without its index type": (small(
        first="#define V1MODEL_VERSION 20200408\n", ig="counter(2, CounterType.bytes) c; apply { }"), "type arguments <I>"),
    "header of four bits": (small(top="header o_t { bit<4> x; }", hdr="o_t o;"), "not a whole number of bytes"),
    "a width below zero": (small(ig="apply { tuple<bit<-1>, bool> t = {1, true}; }"), "a width of -1 is not possible"),
    "a width beyond the target": (small(after="struct s_t { bit<9000> x; }"), "a width of 9000 is not possible"),
    "value set of another width": (small(parser=SET), "value set s holds 8 bits, the select's keys have 16"),
    "length without varbit": (small(parser="state start { b.extract(h.h, 8); transition accept; }"), "no varbit field"),
    "empty range": (small(
        ig="table t { key = { h.h.a : range; } actions = { NoAction; } const entries = { 3..1 : NoAction(); } } "
           "apply { t.apply(); }"), "the range 3..1 is empty"),
    "too large a register": (small(ig="register<bit<8>>(-1) r; apply { r.write(0, 1); }"), "more than the target holds"),
    "a struct from the control plane": (small(
        top="struct s_t { bit<8> a; }", ig="action a(s_t x) { } table t { actions = { a; } } apply { t.apply(); }"),
        "a table fills in numbers, bools and enums, not x of type s_t"),
    "the older language": (small(top="header_type h_t { fields { a : 8; } }"), "'header_type' is P4_14"),
    "operands of different widths": (full(ig="h.h.c = (bit<8>)(4w1 ++ 4w2 + 4w1);"), "the operands of '+' differ"),
    "shift of a bare number": (small(ig="apply { h.h.a = 1 << h.h.b; }"), "cannot be shifted by a run-time amount"),
    "variable of another state": (small(
        parser=START.replace("transition accept", "bit<8> z = 1; transition n") + "state n { h.h.a = z; transition accept; }"),
        "'z' is not declared"),
}

WARNED: dict[str, tuple[str, str]] = {
    "uninitialized": ("bit<8> q; h.h.a = q;", "'q' is read before anything is written"),
    "read in the other branch": ("bit<8> q; if (h.h.a == 1) { q = 1; } else { h.h.b = q; }", "'q' is read before"),
    "read after a way out": ("bit<8> q; if (h.h.a == 1) { q = 1; return; } h.h.b = q;", "'q' is read before"),
    "overflow": ("h.h.a = 300;", "300 does not fit bit<8>"),
    "overflow in a comparison": ("if (h.h.a == 256) h.h.b = 1;", "256 does not fit bit<8> [overflow]"),
    "mismatch": ("h.h.a = -1;", "-1 is negative"),
    "deprecated": ("mark_to_drop();", "use mark_to_drop(standard_metadata)"),
    "unreachable": ("return; h.h.a = 1;", "never reached"),
    "unused": ("bit<8> q = 1;", "'q' is never used"),
    "ordering": ("switch (h.h.a) { default: { h.h.b = 1; } 3: { } }", "after default"),
}

QUIET = [
    "bit<8> q; if (h.h.a == 1) { q = 1; } h.h.b = q;",
    "bit<8> q; if (h.h.a == 1) { q = 1; } else { return; } h.h.b = q;",
    "bit<8> q; switch (h.h.a) { 1: { q = 1; } default: { q = 2; } } h.h.b = q;",
    "bit<8> q; for (bit<8> k in 0..3) { q = k; } h.h.b = q;",
    "bit<8> q; q[3:0] = 1; h.h.b = q;",
    "h_t q; q.a = 1; h.h.b = q.a;",
    "h.h.a = 255; h.h.b = h.h.b - 1; int<8> k = -128; h.h.w = (bit<16>)(bit<8>)k;",
]
"""What may be right is not warned of."""

BESIDE = [
    "bit<8> q; table t { key = { q : exact; } actions = { NoAction; } } apply { q = 1; t.apply(); }",
    "bit<8> q; action a() { h.h.b = q; } apply { q = h.h.a; a(); }",
    "bit<8> q; action r() { h.h.b = q; } action w() { q = 1; } table t { actions = { w; } default_action = w; } "
    "table u { actions = { r; } default_action = r; } apply { t.apply(); u.apply(); }",
    "bit<8> q; bit<8> z; action a() { z = q; } action b() { a(); } apply { q = 7; b(); h.h.b = z; }",
]
"""Actions and tables read a control's variables when they run, not where they are written down."""

DECLARED: dict[str, tuple[dict[str, str], str]] = {
    "unused action": ({"ig": "action a() { } apply { }"}, "action a is never used [unused]"),
    "unused table": ({"ig": "table t { actions = { NoAction; } } apply { }"}, "table t is never applied [unused]"),
    "unused object": ({"ig": "register<bit<8>>(4) r; apply { }"}, "object r is never used [unused]"),
    "output never written": ({"after": "void f(out bit<8> x) { }", "ig": "apply { f(h.h.a); }"}, "is never written [uninit"),
    "output read first": ({"after": "void f(out bit<8> x) { x = x + 1; }", "ig": "apply { f(h.h.a); }"}, "'x' is read before"),
    "key without a value": (
        {"ig": "bit<8> q; table t { key = { q : exact; } actions = { NoAction; } } apply { t.apply(); q = 1; }"},
        "'q' is read before"),
    "action without a value": ({"ig": "bit<8> q; action a() { h.h.b = q; } action b() { a(); } apply { b(); q = 1; }"},
                               "'q' is read before"),
    "reject": ({"parser": "state start { transition reject; }"}, "reject ends parsing and the packet goes on"),
    "no transition": ({"parser": "state start { b.extract(h.h); }"}, "has no transition, which means reject [parser-trans"),
    "state nobody goes to": ({"parser": START + " state z { transition accept; }"}, "state 'z' is never reached [unreachable]"),
}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_odd(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)


@pytest.mark.parametrize(("program", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(program: str, words: str, tmp_path: Path) -> None:
    refused(program, words, tmp_path)


@pytest.mark.parametrize(("statement", "words"), WARNED.values(), ids=WARNED.keys())
def test_statement_is_warned_of(statement: str, words: str, tmp_path: Path) -> None:
    result = compile_text(small(ig=f"apply {{ {statement} }}"), tmp_path)
    assert result.ok and words in result.text(), result.text()


@pytest.mark.parametrize("statement", QUIET)
def test_nothing_is_said_of_what_may_be_right(statement: str, tmp_path: Path) -> None:
    assert compile_text(small(ig=f"apply {{ {statement} }}"), tmp_path).text() == ""


@pytest.mark.parametrize("control", BESIDE)
def test_nothing_is_said_of_variables_written_in_time(control: str, tmp_path: Path) -> None:
    assert compile_text(small(ig=control), tmp_path).text() == ""


@pytest.mark.parametrize(("parts", "words"), DECLARED.values(), ids=DECLARED.keys())
def test_declaration_is_warned_of(parts: dict[str, str], words: str, tmp_path: Path) -> None:
    result = compile_text(small(**parts), tmp_path)  # type: ignore[arg-type]
    assert result.ok and words in result.text(), result.text()


@pytest.mark.parametrize("encoding", ["latin-1", "gbk", "shift_jis"])
def test_comments_in_other_encodings(encoding: str, tmp_path: Path) -> None:
    words = {"latin-1": "gr\u00fc\u00df", "gbk": "\u5b9a\u4e49", "shift_jis": "\u8868\u8868"}[encoding]
    path = tmp_path / "a.p4"
    path.write_bytes(small(ig=f"apply {{ // {words} *\\/\n /* {words} */ h.h.a = 2; }}").encode(encoding))
    (tmp_path / "b.p4").write_text(small(ig="apply { // x\n /* x */ h.h.a = 2; }"))
    found, plain = (compile_file(tmp_path / f"{name}.p4") for name in "ab")
    assert found.ok and plain.ok, found.text()
    assert found.json["actions"][0]["primitives"] == plain.json["actions"][0]["primitives"] != []


def test_several_errors_in_one_run(tmp_path: Path) -> None:
    program = small(ig="apply { h.h.q = 1; h.h.a = true; undeclared(h.h.b); h.h.w = h.h.a; }")
    result = compile_text(program, tmp_path)
    assert sum(d.kind == "error" for d in result.diagnostics) == 4
    assert all(d.line and d.column for d in result.diagnostics)
