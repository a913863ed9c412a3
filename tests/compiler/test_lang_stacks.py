"""Header stacks: pushes and pops, next and last, indices known only at run time, copies."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import IN, SHORT, Row, check, full, small

ROWS: list[Row] = [
    ("stack ops", full(
        hdrs="h_t h; g_t[4] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }",
        ig="h.s.push_front(1); h.s[0].setValid(); h.s[0].v = 9; h.s.pop_front(2);",
        dep="b.emit(h);",
    ), (0, "010203040005000602"), "01020304000500060102"),
    ("stack size", full(
        hdrs="h_t h; g_t[4] s;",
        ig="h.h.a = (bit<8>)h.s.size; h.h.b = 4w3 ++ 4w2; bit<32> k = h.s.size; h.h.c = k[7:0];",
        dep="b.emit(h);",
    ), (0, "0432040400050006"), IN),
    ("stack push big", full(
        hdrs="h_t h; g_t[3] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }",
        ig="h.s.push_front(3);",
        dep="b.emit(h);",
    ), (0, "0102030400050006"), "01020304000500060102"),
    ("stack last in state", full(
        hdrs="h_t h; g_t[3] s;",
        parser=(
        "state start { b.extract(h.h); transition n; } state n { b.extract(h.s.next); h.s.last.v = "
        "h.s.last.v + 1; transition select(h.s.lastIndex) { 2: accept; default: n; } }"),
        dep="b.emit(h);",
    ), (0, "0102030400050006020304"), "0102030400050006010203"),
    ("stack overflow", small(
        top="header g_t { bit<8> v; }",
        hdr="g_t[2] s;",
        parser="state start { b.extract(h.s.next); transition select(h.s.last.v) { 0: accept; default: start; } }",
        ig="apply { if (sm.parser_error == error.StackOutOfBounds) h.s[0].v = 0xee; }",
        dep="apply { b.emit(h.s); }",
    ), (0, "ee020300ff"), "01020300ff"),
    ("stack eq", small(
        ig=(
        "apply { g_t[2] a; g_t[2] c; a[0] = {1}; c[0] = {1}; if (a == c) h.h.a = 9; c[1] = {2}; if (a != "
        "c) h.h.b = 8; }"),
        top="header g_t { bit<8> v; }",
    ), (0, "09080304"), SHORT),
    ("stack in meta", small(
        ig="apply { m.s[0].setValid(); m.s[0].v = 3; m.s[m.i].v = m.s[m.i].v + 1; h.h.a = m.s[0].v; }",
        top="header g_t { bit<8> v; }",
        meta="g_t[2] s; bit<8> i;",
    ), (0, "04020304"), SHORT),
    ("stack copy", small(
        top="header g_t { bit<8> v; }",
        hdr="g_t[2] s; g_t[2] t;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }",
        ig="apply { h.t = h.s; h.s[0].setInvalid(); g_t[2] l = h.t; l[0].v = 9; h.t = l; f(h.s, h.t); }",
        edits=[("header h_t", "void f(inout g_t[2] a, in g_t[2] c) { a[1] = c[0]; }\nheader h_t")],
    ), (0, "01020304090906"), "010203040506"),
    ("stack init list", small(
        ig=(
        "apply { g_t[3] s = {{1}, {2}}; g_t[3] q = (g_t[3]){{1},{2},{3}}; h.h.a = s[1].v; if "
        "(!s[2].isValid()) h.h.b = q[2].v; s = {{5}, {#}, {7}}; if (!s[1].isValid()) h.h.w = "
        "(bit<16>)s[2].v; }"),
        top="header g_t { bit<8> v; }",
    ), (0, "02030007"), SHORT),
    ("stack runtime index", full(
        hdrs="h_t h; g_t[4] s;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); b.extract(h.s.next); "
        "transition accept; }"),
        locs="action sw(inout bit<8> q) { q = q + 1; } bit<8> i;",
        ig=(
        "i = h.h.a; h.s[i].v = h.s[i+1].v; sw(h.s[h.h.b].v); h.s[3].setValid(); h.s[h.h.c].v = 0x44; "
        "h.s[i-1] = h.s[h.h.c]; if (h.s[h.h.c].isValid()) { h.h.d = 7; } h.s[i].setInvalid();"),
        dep="b.emit(h);",
    ), (0, "0102030700050006444444"), "0102030400050006414243"),
    ("header stack last outside", full(
        hdrs="h_t h; g_t[2] s;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.s.next); transition more; } state more { transition "
        "select(h.s.last.v) { 0x41: again; default: accept; } } state again { b.extract(h.s.next); h.h.a "
        "= (bit<8>)h.s.lastIndex; h.h.b = h.s.last.v; h.s.last.v = 0x99; transition accept; }"),
        ig="h.h.c = (bit<8>)h.s.size;",
        dep="b.emit(h);",
    ), (0, "01420204000500064199"), "01020304000500064142"),
    ("stack push/pop, arr assign", full(
        hdrs="h_t h; g_t[3] s; g_t[3] t;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }",
        ig=(
        "h.s.push_front(1); h.s[0].setValid(); h.s[0].v = 9; h.t = h.s; h.t.pop_front(2); "
        "h.s.pop_front(1); h.s[2] = h.t[0];"),
        dep="b.emit(h);",
    ), (0, "010203040005000641424242"), "01020304000500064142"),
    ("stack in struct in meta", full(
        top="struct ms { g_t[2] s; bit<8> n; }",
        meta="ms z;",
        ig=(
        "m.z.s[0].setValid(); m.z.s[0].v = h.h.b; m.z.s[1] = m.z.s[0]; h.h.a = m.z.s[1].v; "
        "m.z.s[0].setInvalid(); if (!m.z.s[0].isValid() && m.z.s[1].isValid()) h.h.c = 9;"),
    ), (0, "0202090400050006"), IN),
    ("typedef struct tuple stack enum", full(
        top=(
        "struct s1 { bit<8> a; } typedef s1 s2; typedef tuple<bit<8>, s2> t2; enum bit<4> ee { A = 1 } "
        "typedef ee e2; typedef error er;"),
        ig=(
        "s2 x = { 4 }; t2 y = { 1, { 3 } }; h.h.a = x.a + y[1].a; e2 z = ee.A; if (z == e2.A) h.h.b = 9; "
        "er k = error.NoError;"),
    ), (0, "0709030400050006"), IN),
    ("reg read into slice/struct/stack", full(
        hdrs="h_t h; g_t[2] s;",
        locs="register<bit<4>>(4) r; register<bit<8>>(4) r8;",
        ig=(
        "r.write(1, 5); r.read(h.h.a[7:4], 1); r8.write(2, 9); h.s[0].setValid(); r8.read(h.s[0].v, 2); "
        "bit<8> i = h.h.b - 1; h.s[1].setValid(); r8.read(h.s[i].v, (bit<32>)h.h.b);"),
        dep="b.emit(h);",
    ), (0, "51020304000500060909"), IN),
    ("assign in out of header in stack elem", small(
        top=(
        "header g_t { bit<8> v; } void f(inout bit<8> x) { x = x + 3; } void g(inout g_t x) { if "
        "(!x.isValid()) x.setValid(); x.v = x.v + 1; }"),
        hdr="g_t[2] s;",
        ig="apply { h.s[0].setValid(); f(h.s[0].v); g(h.s[h.h.a - 1]); g(h.s[1]); }",
    ), (0, "010203040401"), SHORT),
    ("runtime idx", full(
        hdrs="h_t h; g_t[4] s;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); b.extract(h.s.next); "
        "transition accept; }"),
        ig=(
        "h.s[h.h.a].v = h.s[h.h.b].v + 1; h.s[h.h.c].setValid(); h.s[(bit<2>)h.h.c].v=7; if "
        "(h.s[h.h.a].isValid()) h.h.d = 1;"),
        dep="b.emit(h);",
    ), (0, "01020301000500060a0d0c07"), "01020304000500060a0b0c"),
    ("push beyond", small(
        top="header g_t { bit<8> v; }",
        hdr="g_t[3] s;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); b.extract(h.s.next); "
        "transition accept; }"),
        ig="apply { h.s.push_front(7); if (!h.s[0].isValid() && !h.s[2].isValid()) h.h.a = 9; }",
    ), (0, "09020304"), "01020304050607"),
    ("pop beyond", small(
        top="header g_t { bit<8> v; }",
        hdr="g_t[3] s;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); b.extract(h.s.next); "
        "transition accept; }"),
        ig="apply { h.s.pop_front(9); h.s.push_front(1); h.s[0].setValid(); }",
    ), (0, "0102030400"), "01020304050607"),
    ("push keeps order", small(
        top="header g_t { bit<8> v; }",
        hdr="g_t[3] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }",
        ig="apply { h.s.push_front(2); h.s[0] = {1}; h.s[1] = {2}; }",
    ), (0, "01020304010205"), "010203040506"),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_stacks(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
