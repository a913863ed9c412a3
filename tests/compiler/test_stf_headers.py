"""Headers, stacks, unions and aggregates with packet tests: validity, assignment, equality, initialisers."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import full, small
from .stf_rows import StfRow, play

STACK = "h_t h; g_t[3] s;"
READ = "state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }"
UNION = ("header u1_t { bit<8> p; } header u2_t { bit<16> q; } header u3_t { bit<8> r; bit<8> t; } "
    "header_union Un { u1_t x; u2_t y; u3_t z; }")
IN = "01 02 03 04 0005 0006"
S2 = IN + "a0 a1"


def one(sent: str, left: str) -> str:
    return f"packet 0 {sent}; expect 0 {left}$"


def stack(ig: str, top: str = "", locs: str = "") -> str:
    return full(top=top, hdrs=STACK, parser=READ, ig=ig, locs=locs, dep="b.emit(h);")


def union(ig: str, locs: str = "", parser: str = "state start { b.extract(h.h); transition accept; }", hdrs: str =
    "h_t h; Un u; Un v;") -> str:
    return full(top=UNION, hdrs=hdrs, parser=parser, ig=ig, locs=locs, dep="b.emit(h);")


ROWS: list[StfRow] = [
    ("assigning an invalid header", full(ig="h.g.setValid(); h.g.v = 7; g_t z; h.g = z; if (h.g.isValid()) h.h.a = 9;",
        dep="b.emit(h);"),
     one(IN, IN)),
    ("validity survives a chain of copies", full(
        ig="g_t p; p = {v = 5}; g_t q = p; p.setInvalid(); h.g = q; q = p; if (!q.isValid() && h.g.isValid()) h.h.a "
        "= h.g.v;", dep="b.emit(h);"),
     one(IN, "05 02 03 04 0005 0006 05")),
    ("writing an invalid header does not emit it", full(ig="h.g.v = 7; h.h.a = 2;", dep="b.emit(h);"), one(IN,
        "02 02 03 04 0005 0006")),
    ("fields written before setValid are unspecified but the header is emitted", full(
        ig="h.g.setValid(); h.g.v = 1; h.g.setValid();"
        "h.h.b = h.g.v;", dep="b.emit(h);"), one(IN, "01 01 03 04 0005 0006 01")),
    ("setInvalid twice", full(ig="h.h.setInvalid(); h.h.setInvalid(); h.g = {3};", dep="b.emit(h);"), one(IN + "ff",
        "03 ff")),
    ("struct with two headers copied", small(
        top="header g_t { bit<8> v; } struct Q { g_t l; g_t r; bit<8> k; }", hdr="g_t x; g_t y;", meta="Q q;",
        ig="apply { h.x = {7}; m.q = {h.x, h.y, 4}; Q z = m.q; h.y = z.l; h.x = z.r; h.h.a = z.k; }"),
     one("01 02 0003", "04 02 0003 07")),
    ("structs compared field by field", full(
        top="struct Q { bit<8> k; bool f; bit<4> n; }", meta="Q q;",
        ig="Q z = {1, true, 3}; m.q = z; if (z == m.q) h.h.a = 0x10; m.q.n = 4; if (z != m.q) h.h.b = 0x20; "
        "if (z == (Q){1, true, 3}) h.h.c = 0x30;"),
     one(IN, "10 20 30 04 0005 0006")),
    ("headers compared", full(
        ig="h_t z; if (z == h.h) h.h.a = 0xf0; z = h.h; if (z == h.h) h.h.b = 0xf1; z.b = 0xf1; if (z != h.h) h.h.c = 0xf2;"
           " z.setInvalid(); h_t y; if (z == y) h.h.d = 0xf3; if (z == {#}) h.h.w = 7; if (h.g == {#}) h.h.x = 8;"),
     one(IN, "01 f1 03 f3 0007 0008")),
    ("tuples compared", full(
        ig="tuple<bit<8>, tuple<bit<8>, bool>> t = {h.h.a, {h.h.b, true}}; if (t == {1, {2, true}}) h.h.c = 9;"
           "if (t != {1, {2, false}}) h.h.d = 8; h.h.a = t[1][0];"), one(IN, "02 02 09 08 0005 0006")),
    ("stacks compared", stack(
        "g_t[3] z; if (z == h.s) h.h.a = 9; z = h.s; if (z == h.s) h.h.b = 9; z[1].v = 0; if (z != h.s) h.h.c = 9;"),
     one(S2, "01 09 09 04 0005 0006 a0 a1")),
    ("push then pop", stack("h.s.push_front(1); h.s[0] = {0x55}; h.s.pop_front(2); h.s.push_front(1);"), one(S2, IN + "a1")),
    ("push more than the size", stack("h.s.push_front(5); h.s[2] = {1};"), one(S2, IN + "01")),
    ("pop all", stack("h.s.pop_front(3); if (!h.s[0].isValid()) h.h.a = 9;"), one(S2, "09 02 03 04 0005 0006")),
    ("pop and push again in turn", stack(
        "h.s.pop_front(1); h.s.pop_front(1); h.s.push_front(2); h.s[1] = {3}; h.s[0].setValid(); h.s[0].v = 2;"),
     one(S2, IN + "02 03")),
    ("index of a stack from the packet", stack(
        "h.s[h.h.a].v = h.s[h.h.b - 2].v + 1; h.s[h.h.c - 1].setValid(); h.s[h.h.d - 2].v = 0x33;"),
     one(S2, IN + "a0 a1 33")),
    ("index by an enum and by a table", stack(
        "t.apply(); h.s[i].v = 0x77;",
        locs="bit<2> i = 3; action s(bit<2> k) { i = k; } table t { key = { h.h.a : exact; } actions = { s; } "
        "const entries = { 1 : s(1); 2 : s(0); } }"),
     f"packet 0 {S2}; expect 0 {IN}a077$; packet 0 02{S2[2:]}; expect 0 02{IN[2:]} 77a1$"),
    ("a stack out of its struct", stack("g_t[3] z = h.s; z[0].v = z[1].v; z[1].setInvalid(); h.s = z;"), one(S2, IN + "a1")),
    ("stack elements swapped at run time", stack(
        "bit<2> i = (bit<2>)h.h.a; g_t t = h.s[i]; h.s[i] = h.s[i - 1]; h.s[i - 1] = t;"), one(S2, IN + "a1 a0")),
    ("run-time index on a whole header from an initialiser", stack("h.s[h.h.b] = {v = 0x44}; h.s[h.h.a] = {#};"), one(S2, IN +
        "a0 44")),
    ("run-time index with validity", stack(
        "if (h.s[h.h.a].isValid()) h.h.c = 7; if (h.s[h.h.b].isValid()) h.h.d = 7; h.s[h.h.a - 1].setInvalid();"),
     one(S2, "01 02 07 04 0005 0006 a1")),
    ("run-time index in a slice", stack("h.s[h.h.a].v[3:0] = 5; h.s[h.h.a - 1].v[7:4] = h.s[h.h.a].v[3:0];"), one(S2, IN +
        "50 a5")),
    ("two indices in one expression", stack("h.h.c = h.s[h.h.a - 1].v - h.s[h.h.a].v; h.h.d = h.s[h.s[0].v - 0x9f].v;"),
     one(S2, "01 02 ff a1 0005 0006 a0 a1")),
    ("size and a loop over a stack", stack("bit<8> n = 0; for (bit<32> i = 0; i < h.s.size; "
        "i = i + 1) { if (h.s[i].isValid()) { n = n + h.s[i].v; } } h.h.a = n;"),
     one(S2, "41 02 03 04 0005 0006 a0 a1")),
    ("union: one member at a time", union(
        "h.u.x.setValid(); h.u.x.p = 1; h.u.y.setValid(); h.u.y.q = 0x0203; if (h.u.x.isValid()) h.h.a = 0xff;"),
     one(IN, IN + "0203")),
    ("union: copy and compare", union(
        "h.u.x = {9}; h.v = h.u; if (h.u == h.v) h.h.a = 0xaa; h.v.x.p = 8; if (h.u != h.v) h.h.b = 0xbb; "
        "h.u.z = {1, 2}; if (h.u != h.v) h.h.c = 0xcc;"),
     one(IN, "aa bb cc 04 0005 0006 0102 08")),
    ("union: extract over a valid member", union("if (h.u.z.isValid() && !h.u.x.isValid()) h.h.a = h.u.z.t;", parser=
        "state start { b.extract(h.h); b.extract(h.u.x); transition select(h.u.x.p) { 7: more; default: accept; } } "
        "state more { b.extract(h.u.z); transition accept; }"),
     f"packet 0 {IN} 07 0809; expect 0 09 {IN[3:]} 0809$; packet 0 {IN} 06 0809; expect 0 {IN} 06 0809$"),
    ("union in an action argument", union(
        "f(h.u); if (h.u.x.isValid()) h.h.b = h.u.x.p; g(h.u);", locs="action f(inout Un k) { k.x.setValid(); "
        "k.x.p = 3; h.h.a = 9; } action g(in Un k) { if (k.isValid()) h.h.c = 8; }"),
     one(IN, "09 03 08 04 0005 0006 03")),
    ("union: switch by validity", union(
        "if (h.u.x.isValid()) h.h.a = 1; else if (h.u.y.isValid()) h.h.a = 2; else if (h.u.z.isValid()) h.h.a = 3; "
        "else h.h.a = 4; h.u.z.setInvalid();", parser=
        "state start { b.extract(h.h); transition select(h.h.a) { 0x11: x; 0x12: y; 0x13: z; _: accept; } } "
        "state x { b.extract(h.u.x); transition accept; }"
        "state y { b.extract(h.u.y); transition accept; } state z { b.extract(h.u.z); transition accept; }"),
     "packet 0 11 02 03 04 0005 0006 99; expect 0 01 02 03 04 0005 0006$; packet 0 12 02 03 04 0005 0006 9988; "
     "expect 0 02 02 03 04 0005 0006$;"
     "packet 0 13 02 03 04 0005 0006 9988; expect 0 03 02 03 04 0005 0006$; packet 0 14 02 03 04 0005 0006 9988; "
     "expect 0 04 02 03 04 0005 0006 9988$"),
    ("stack of unions read by a loop", union(
        "if (h.w[0].x.isValid() && h.w[1].y.isValid()) { h.h.a = h.w[0].x.p; h.w[0].z = {1, h.h.a}; } "
        "h.w[2] = h.w[0];", hdrs="h_t h; Un[3] w;", parser=
        "state start { b.extract(h.h); transition n; } state n { transition select(b.lookahead<bit<8>>()) { 0: o; "
        "1: t; default: accept; } }"
        "state o { b.extract(h.w.next.x); transition n; } state t { b.extract(h.w.next.y); transition n; }"),
     f"packet 0 {IN} 00 0102 ff; expect 0 00 {IN[3:]} 0100 0102 0100 ff$"),
    ("default initialisers", full(
        top="struct Q { bit<8> k; bool f; g_t g; bit<4> n; }",
        ig="Q z = ...; Q y = {k = 7, ...}; h.g = ...; if (!z.f && z.k == 0 && !z.g.isValid() && y.k == 7 && y.n == "
        "0) h.h.a = 0x66; h_t q = {1, 2, ...}; h.h.b = q.b + q.c;", dep="b.emit(h);"),
     one(IN, "66 02 03 04 0005 0006")),
    ("nested initialisers by name and place", full(
        top="struct Q { bit<8> k; tuple<bit<8>, bit<8>> t; } struct R { Q q; bit<8> l; }",
        ig="R r = {l = 4, q = {k = 1, t = {2, 3}}}; R s = {{5, {6, 7}}, 8}; r.q.t = s.q.t; "
        "h.h.a = r.q.k + r.q.t[0] + r.l; h.h.b = s.q.t[1];"),
     one(IN, "0b 07 03 04 0005 0006")),
    ("initialiser reads what it replaces", full(
        ig="h.h = {d = h.h.a, c = h.h.b, b = h.h.c, a = h.h.d, w = h.h.x + 1, x = h.h.w};"),
     one(IN, "04 03 02 01 0007 0005")),
    ("invalid header literal", full(
        ig="h.h = {#}; h.g = {1}; if (h.h == {#}) h.g.v = 2; g_t z = (g_t){#}; "
        "if (!z.isValid()) h.g.v = h.g.v + 0x10;", dep="b.emit(h);"),
     one(IN + "cc", "12 cc")),
    ("int fields", full(
        top="header i_t { int<8> p; int<16> q; bool f; bit<7> r; }", hdrs="h_t h; i_t i;",
        parser="state start { b.extract(h.h); b.extract(h.i); transition accept; }",
        ig="if (h.i.p < 0) h.i.q = (int<16>)h.i.p * 2; h.i.f = !h.i.f; h.i.r = h.i.r |+| 100; "
        "if (h.i.q >>1 == -3) h.h.a = 9;", dep="b.emit(h);"),
     one(IN + "fd 0001 85", "09 02 03 04 0005 0006 fd fffa 69")),
    ("enum field of a header", full(
        top="enum bit<8> K { A = 1, B = 0x22, C = 255 } header e_t { K k; K l; }", hdrs="h_t h; e_t e;",
        parser="state start { b.extract(h.h); b.extract(h.e); transition select(h.e.k) { K.B: z; default: accept; } "
        "} state z { h.h.a = 0x10; transition accept; }",
        ig="if (h.e.l == K.C) h.e.l = K.A; else h.e.l = (K)(h.h.b + 0x20); h.h.b = h.e.k == K.B ? 8w9 : 8w8;",
        dep="b.emit(h);"),
     f"packet 0 {IN} 22 ff; expect 0 10 09 03 04 0005 0006 2201$; packet 0 {IN} 21 fe; expect 0 01 08 03 04 0005 0006 2122$"),
    ("nested struct in a header", full(
        top="struct in_t { bit<4> l; bit<4> m; } header n_t { in_t i; bit<8> z; }", hdrs="h_t h; n_t n;",
        parser="state start { b.extract(h.h); b.extract(h.n); transition accept; }",
        ig="in_t k = h.n.i; h.n.i.l = k.m; h.n.i.m = k.l; h.n.z = h.n.i.l ++ h.n.i.m; in_t q = {7, 8}; "
        "if (h.h.a == 2) h.n.i = q;", dep="b.emit(h);"),
     f"packet 0 {IN} 3c 00; expect 0 {IN} c3 c3$; packet 0 02 {IN[3:]} 3c00; expect 0 02 {IN[3:]} 78 c3$"),
    ("local header never written", full(ig="h_t z; h.h.a = z.isValid() ? 8w1 : 8w2; z.setValid(); z.a = 9; "
        "z.setInvalid(); h.h.b = z.isValid() ? 8w1 : 8w2; h.g.setValid(); h.g.v = 0; h.g.setInvalid();", dep="b.emit(h);"),
     one(IN, "02 02 03 04 0005 0006")),
    ("conditional header value", full(
        ig="g_t y = {1}; g_t z = {2}; bool c = h.h.a == 1; if (c) h.g = y; else h.g = z; h.g.v = h.g.v + 1;",
        dep="b.emit(h);"),
     f"packet 0 {IN}; expect 0 {IN} 02$; packet 0 09{IN[2:]}; expect 0 09{IN[2:]} 03$"),
    ("generic stack and header", small(
        top="header G<T> { T f; } struct S2<T> { G<T>[2] q; T last; }", hdr="G<bit<16>>[2] q; G<bit<8>> one;",
        meta="S2<bit<8>> s;",
        ig="apply { h.q[1] = {16w0x1234}; h.one = {f = 8w1}; m.s.q[0] = h.one; m.s.last = 5; "
        "h.h.a = m.s.q[0].f + m.s.last; }"), one("01 02 0003", "06 02 0003 1234 01")),
    ("emit twice and in another order", full(ig="h.g = {9};", dep="b.emit(h.g); b.emit(h.h); b.emit(h.g);"), one(IN,
        "09" + IN + "09")),
    ("emit of a stack element", full(hdrs=STACK, parser=READ, dep="b.emit(h.s[1]); b.emit(h.h); b.emit(h.s[0]);"), one(S2,
        "a1" + IN + "a0")),
    ("field names that are words", small(
        top="header k_t { bit<8> key; bit<8> actions; bit<8> entries; bit<8> list; bit<8> apply; bit<8> type; "
        "bit<8> priority; bit<8> size; }", hdr="k_t k;",
        ig="apply { h.k.setValid(); h.k.key = 1; h.k.actions = 2; h.k.entries = 3; h.k.list = 4; h.k.apply = 5; "
        "h.k.type = 6; h.k.priority = 7; h.k.size = 8; }"),
     one("01 02 0003", "01 02 0003 0102030405060708")),
    ("one-bit and wide fields", full(
        top="header w_t { bit<1> p; bit<127> q; bit<3> r; bit<253> s; }", hdrs="h_t h; w_t z;",
        parser="state start { b.extract(h.h); b.extract(h.z); transition accept; }",
        ig="h.z.p = ~h.z.p; h.z.q = h.z.q + 1; h.z.r = h.z.r - 1; h.z.s = h.z.s << 4;", dep="b.emit(h);"),
     one(IN + "ffffffffffffffffffffffffffffffff" + "0000000000000000000000000000000000000000000000000000000000000001",
         IN + "00000000000000000000000000000000" + "e000000000000000000000000000000000000000000000000000000000000010")),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_headers(row: StfRow, tmp_path: Path) -> None:
    play(row, tmp_path)
