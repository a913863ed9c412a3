"""Parsers: select, sub-parsers, lookahead, errors."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import IN, SHORT, Row, check, full, small

ROWS: list[Row] = [
    ("extract _", full(
        parser="state start { b.extract<g_t>(_); b.extract(h.h); transition accept; }",
    ), (0, "0102030400050006"), "ff0102030400050006"),
    ("union extract next", full(
        top="header u1_t { bit<8> p; } header u2_t { bit<16> q; } header_union Un { u1_t x; u2_t y; }",
        hdrs="h_t h; Un[2] u; g_t g;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.u.next.x); b.extract(h.u.next.y); transition "
        "select(h.u.last.isValid()) { true: accept; default: z; } } state z { h.h.a = 99; transition "
        "accept;}"),
        ig="if (h.u[1].y.isValid()) h.h.b = 4;",
        dep="b.emit(h);",
    ), (0, "010403040005000611aabb"), "010203040005000611aabb"),
    ("parser decl", small(
        top=(
        "parser pt<H>(packet_in b, out H h); control ct<H>(inout H h); extern E1 { E1(); void m(); "
        "abstract void z(in bit<8> x); } extern bit<8> ext1(in bit<8> x); extern void ext2<T>(in T x);"),
    ), (0, "01020304"), SHORT),
    ("empty parser", small(parser="state start { transition accept; }"), (0, "01020304"), SHORT),
    ("empty deparser", small(dep="apply { }"), (0, ""), SHORT),
    ("deparser no extract", small(dep="apply { }"), (0, "ffff"), "01020304ffff"),
    ("parser locals", small(
        parser=(
        "bit<8> x = 5; h_t z; const bit<8> C = 3; state start { b.extract(h.h); z = h.h; x = x + z.a + "
        "C; bit<8> y = x; h.h.a = y; transition select(y, x) { (9, 1..20): s2; default: accept; } } "
        "state s2 { h.h.b = h.h.b + x; transition accept; }"),
    ), (0, "090b0304"), SHORT),
    ("subparser2", small(
        hdr="h_t g;",
        parser=(
        "q(3) q1; bit<8> c = 0; state start { q1.apply(b, h.h, c); transition n; } state n { q1.apply(b, "
        "h.g, c); h.h.w[7:0] = c; transition accept; }"),
        after=(
        "parser q(packet_in b, out h_t x, inout bit<8> c)(bit<8> k) { bit<8> l = k; state start { "
        "b.extract(x); l = l + 1; c = c + l; transition select(x.a) { 1: s; default: accept; } } state s "
        "{ x.b = 7; transition accept; } }"),
    ), (0, "0107030805060708"), "0102030405060708"),
    ("subparser direct", small(
        hdr="h_t g;",
        parser=(
        "state start { q.apply(b, h.h); transition n; } state n { q.apply(b, h.g); h.g.a = 0; transition "
        "accept; }"),
        after="parser q(packet_in b, out h_t x) { state start { b.extract(x); transition accept; } }",
    ), (0, "0102030400060708"), "0102030405060708"),
    ("verify error", small(
        meta="error e;",
        ig=(
        "apply { if (sm.parser_error == error.PacketTooShort) h.h.a = 1; m.e = sm.parser_error; "
        "h.h.setValid(); if (m.e == error.PacketTooShort) {h.h.b = 6;} }"),
    ), (0, "0006000001"), "01"),
    ("extract rt", small(
        top="header g_t { bit<8> v; }",
        hdr="g_t[3] s;",
        meta="bit<8> x;",
        parser=(
        "state start { b.extract(h.h); transition select(h.h.a) { 1: n; default: accept; } } state n { "
        "b.extract(h.s[m.x]); m.x = m.x + 1; transition select(m.x) { 3: accept; default: n; } }"),
    ), (0, "010203040a0b0c0d"), "010203040a0b0c0d"),
    ("select masks", small(
        parser=(
        "const bit<8> K = 1; state start { b.extract(h.h); transition select(h.h.a, h.h.b) { (K, 2 &&& "
        "2): n; (0..255, 3): accept; } } state n { h.h.a = 9; transition select(h.h.b ++ 8w0 ++ h.h.a) { "
        "0x020009 &&& 0xff00ff : n2; } } state n2 { h.h.b = 8; transition select(true) { true: accept; } "
        "}"),
    ), (0, "09080304"), SHORT),
    ("select one default", small(
        parser=(
        "state start { b.extract(h.h); transition select(h.h.a) { default: n; } } state n { h.h.a = 9; "
        "transition select(h.h.b) { _ : n2; 3: accept; } } state n2 { transition select(h.h.a, h.h.b) { "
        "(_, _) : n3; } } state n3 { h.h.b = 7; transition accept; }"),
    ), (0, "09070304"), SHORT),
    ("parser fn", small(
        top="bit<8> f(in bit<8> x) { if (x == 1) return 5; return 7; }",
        parser="state start { b.extract(h.h); h.h.a = f(h.h.a); h.h.b = f(h.h.b); transition accept; }",
    ), (0, "05070304"), SHORT),
    ("meta in deparser", small(
        dep="bit<8> q; action a() { q = 3; } apply { a(); b.emit(h.h); }",
    ), (0, "01020304"), SHORT),
    ("union in select", small(
        top="header a_t { bit<8> x; } header b_t { bit<16> y; } header_union un { a_t a; b_t b; }",
        hdr="un u;",
        parser=(
        "state start { b.extract(h.h); transition select(h.h.a) { 1: one; 2: two; } } state one { "
        "b.extract(h.u.a); transition select(h.u.a.x) { 5: accept; default: two; } } state two { "
        "b.extract(h.u.b); transition accept; }"),
        ig="apply { if (h.u.a.isValid()) h.u.a.x = 0xaa; else if (h.u.b.isValid()) h.u.b.y = 0xbbbb; }",
    ), (0, "01020304aa06"), "010203040506"),
    ("subparser twice in state", small(
        hdr="h_t g;",
        parser=(
        "q() s; state start { s.apply(b, h.h); h.h.a = 7; s.apply(b, h.g); h.g.a = 8; transition "
        "select(h.g.b) { 6: n; default: accept; } } state n { h.h.b = 0x66; transition accept; }"),
        after="parser q(packet_in b, out h_t x) { state start { b.extract(x); transition accept; } }",
    ), (0, "0766030408060708"), "0102030405060708"),
    ("lookahead in select & args", small(
        parser=(
        "state start { transition select(b.lookahead<bit<8>>(), b.lookahead<tuple<bit<8>,bit<8>>>()[1]) "
        "{ (1, 2): n; default: accept; } } state n { b.extract(h.h); transition accept; }"),
        dep="apply { b.emit(h.h); b.emit(h.h); }",
    ), (0, "0102030401020304"), SHORT),
    ("odd header lookahead", small(
        top="header odd_t { bit<4> x; }",
        parser=(
        "state start { bit<4> z = b.lookahead<odd_t>().x; b.extract(h.h); h.h.b = (bit<8>)z; transition "
        "accept; }"),
    ), (0, "12010304"), "12020304"),
    ("if in parser w extract", small(
        top="header g_t { bit<8> v; }",
        hdr="g_t g;",
        parser="state start { b.extract(h.h); if (h.h.a == 1) { b.extract(h.g); } transition accept; }",
    ), (0, "0102030405"), "0102030405"),
    ("deparser sub", small(
        top="",
        ig="apply {}",
        before="control sub(packet_out b, in h_t q) { apply { b.emit(q); } }",
        dep="sub() s; apply { s.apply(b, h.h); sub.apply(b, h.h); }",
    ), (0, "0102030401020304"), SHORT),
    ("parser shares name", small(
        parser=(
        "state start { transition start_0; } state start_0 { b.extract(h.h); transition parse; } state "
        "parse { transition p; } state p { transition accept; }"),
    ), (0, "01020304"), SHORT),
    ("states w/ same names in subparsers", small(
        hdr="h_t g;",
        parser=(
        "q() q1; r() q2; state start { q1.apply(b, h.h); transition n; } state n { q2.apply(b, h.g); "
        "transition accept; }"),
        after=(
        "parser q(packet_in b, out h_t x) { state start { transition n; } state n { b.extract(x); "
        "transition accept; } } parser r(packet_in b, out h_t x) { q() q1; state start { transition n; } "
        "state n { q1.apply(b, x); transition accept; } }"),
    ), (0, "0102030401020304"), "0102030401020304"),
    ("parser assign whole hdr", small(
        parser="h_t t; Headers hh; state start { b.extract(t); hh.h = t; h = hh; h.h.a = 9; transition accept; }",
    ), (0, "09020304"), SHORT),
    ("parser sm", small(
        parser=(
        "state start { b.extract(h.h); sm.egress_spec = 5; m.x = (bit<16>)sm.ingress_port + 1; h.h.b = "
        "(bit<8>)sm.packet_length; transition accept; }"),
        meta="bit<16> x;",
        ig="apply { h.h.w = m.x; }",
    ), (5, "01040001"), SHORT),
    ("extract into local hdr cond", small(
        parser=(
        "h_t t; state start { b.extract(t); transition select(t.a, t.isValid()) { (1, true): n; default: "
        "accept; } } state n { h.h = t; h.h.b = 0; transition accept; }"),
    ), (0, "01000304"), SHORT),
    ("select key sideeffects", small(
        parser=(
        "state start { b.extract(h.h); transition select(h.h.a, f(h.h.a)) { (1, 2): n; default: accept; "
        "} } state n { h.h.b = 0x77; transition accept; }"),
        after="bit<8> f(inout bit<8> x) { x = x + 1; return x; }",
    ), (0, "02770304"), SHORT),
    ("select on lookahead and struct", full(
        top="struct lk { bit<4> a; bit<4> b; bit<8> c; }",
        parser=(
        "state start { lk l = b.lookahead<lk>(); transition select(l.b, l.c, b.lookahead<bit<8>>()) { "
        "(1, 2, 1): go; _: accept; } } state go { b.extract(h.h); transition accept; }"),
    ), (0, "0102030400050006"), IN),
    ("verify errors", full(
        top="error { Mine, Other }",
        parser="state start { b.extract(h.h); verify(h.h.a == 2, error.Mine); h.h.b = 9; transition accept; }",
        ig="if (sm.parser_error == error.Mine) { h.h.c = 7; }",
    ), (0, "0102070400050006"), IN),
    ("tooshort", full(
        parser="state start { b.extract(h.h); b.extract(h.g); transition accept; }",
        ig="if (sm.parser_error == error.PacketTooShort) { h.h.c = 7; }",
    ), (0, "0102070400050006"), IN),
    ("empty statements", full(
        top=";",
        ig=";; h.h.a = 2; ; if (h.h.b == 2) ; else { h.h.a = 3; } {} ",
    ), (0, "0202030400050006"), IN),
    ("select no default", full(
        parser="state start { b.extract(h.h); transition select(h.h.a) { 7: x; } } state x { transition accept; }",
        ig="if (sm.parser_error == error.NoMatch) h.h.b = 9; else h.h.b = 8;",
    ), (0, "0108030400050006"), IN),
    ("reject explicit", full(
        parser="state start { b.extract(h.h); transition select(h.h.a) { 1: reject; default: accept; } }",
        ig="h.h.b = 8;",
    ), (0, "0108030400050006"), IN),
    ("state without transition", full(
        parser="state start { b.extract(h.h); }",
        ig="h.h.b = 8;",
    ), (0, "0108030400050006"), IN),
    ("advance", full(
        parser=(
        "state start { b.advance(16); b.advance((bit<32>)b.lookahead<bit<8>>() * 0); b.extract<g_t>(_); "
        "b.extract(h.h); transition accept; }"),
    ), (0, "0102030400050006"), "ffffee0102030400050006"),
    ("parser if/ternary/function", full(
        top="bit<8> inc(in bit<8> x) { if (x == 1) { return 5; } return x + 1; }",
        parser=(
        "state start { b.extract(h.h); bit<8> q = h.h.b; if (h.h.a == 1) { q = inc(h.h.a); } else { q = "
        "3; } h.h.c = h.h.a == 1 ? inc(q) : 2; transition accept; }"),
    ), (0, "0102060400050006"), IN),
    ("select mask const exprs", full(
        top="const bit<8> X = 1; const bit<8> MK = 0xf;",
        parser=(
        "state start { b.extract(h.h); transition select(h.h.a, h.h.b) { (X + 1, _): accept; (X &&& MK, "
        '2 .. X + 3): s1; (_, _): accept; } } @name("qq") state s1 { h.h.c = 9; transition s2; } state '
        "s2 { transition accept; }"),
    ), (0, "0102090400050006"), IN),
    ("select enum", full(
        top="enum bit<8> X { A = 1, B = 2 }",
        parser=(
        "state start { b.extract(h.h); transition select((X)h.h.a, h.h.b) { (X.A, 2): s; default: "
        "accept; } } state s { h.h.a = 7; transition accept; }"),
    ), (0, "0702030400050006"), IN),
    ("multi-extract lookahead hdr", full(
        parser=(
        "state start { h.g = b.lookahead<g_t>(); b.extract(h.h); bit<16> k = b.lookahead<bit<16>>(); "
        "h.h.w = k; transition accept; }"),
        ig="if (h.g.isValid()) { h.h.a = h.g.v + 1; }",
        dep="b.emit(h.h); b.emit(h.g);",
    ), (0, "0202030477880006017788"), "01020304000500067788"),
    ("short lookahead", full(
        parser="state start { b.extract(h.h); bit<16> k = b.lookahead<bit<16>>(); h.h.w = k; transition accept; }",
        ig="if (sm.parser_error == error.PacketTooShort) h.h.a = 9;",
    ), (0, "0902030400050006"), IN),
    ("union last in parser", full(
        top="header a_t { bit<8> p; } header b_t { bit<16> q; } header_union un { a_t a; b_t b; }",
        hdrs="h_t h; un[2] us;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.us.next.a); transition select(h.us.last.a.p) { 0x41: "
        "two; default: accept; } } state two { b.extract(h.us.next.b); h.h.a = (bit<8>)h.us.last.b.q; "
        "transition accept; }"),
        dep="b.emit(h);",
    ), (0, "4302030400050006414243"), "0102030400050006414243"),
    ("select tuple value", full(
        parser=(
        "state start { b.extract(h.h); transition select({ h.h.a, h.h.b }) { { 1, 2 }: s; default: "
        "accept; } } state s { h.h.c = 9; transition accept; }"),
    ), (0, "0102090400050006"), IN),
    ("sub-parser w/ args expr", full(
        top=(
        "parser SP(packet_in p, in bit<8> k, inout bit<8> o)(bit<8> c) { state start { transition "
        "select(k) { 1: a; default: z; } } state a { o = o + c; transition accept; } state z { o = 0; "
        "transition accept; } }"),
        parser=(
        "SP(5) s1; SP(c = 6) s2; state start { b.extract(h.h); s1.apply(b, h.h.a, h.h.b); transition "
        "select(h.h.b) { 7: n; default: accept; } } state n { s2.apply(b, h.h.a + 0, h.h.c); s1.apply(b, "
        "9, h.h.d); transition accept; }"),
    ), (0, "0107090000050006"), IN),
    ("sub-parser reject/error inside", full(
        top=(
        "parser SP(packet_in p, out g_t g) { state start { p.extract(g); verify(g.v == 9, "
        "error.NoMatch); transition accept; } }"),
        parser=(
        "SP() s1; state start { b.extract(h.h); s1.apply(b, h.g); transition n; } state n { h.h.a = 7; "
        "transition accept; }"),
        ig="if (sm.parser_error == error.NoMatch) h.h.b = 9;",
    ), (0, "010903040005000641"), "010203040005000641"),
    ("const inside parser/control/action/fn", full(
        top="bit<8> f(in bit<8> x) { const bit<8> k = 4; return x + k; }",
        parser=(
        "const bit<8> one = 1; state start { const bit<8> two = 2; b.extract(h.h); transition "
        "select(h.h.a, h.h.b) { (one, 2): s; _: accept; } } state s { h.h.c = f(one); transition accept; "
        "}"),
        locs="const bit<8> z = 3; action a() { const bit<8> q = z + 1; h.h.a = q; }",
        ig="a();",
    ), (0, "0402050400050006"), IN),
    ("mask select wide keys", full(
        top="header w_t { bit<48> m; bit<128> v6; }",
        hdrs="w_t w; h_t h;",
        parser=(
        "state start { b.extract(h.w); transition select(h.w.m, h.w.v6) { (0x010000000000 &&& "
        "0x010000000000, _): mc; (_, 0x20010db8_0000_0000_0000_0000_0000_0000 &&& "
        "0xffffffff_0000_0000_0000_0000_0000_0000): v; default: accept; } } state mc { h.w.m = 1; "
        "transition accept; } state v { h.w.m = 2; transition accept; }"),
    ), (0, "00000000000220010db8000000000000000000000000"), "00000000000020010db8000000000000000000000000"),
    ("signed select/keys", full(
        parser=(
        "state start { b.extract(h.h); transition select((int<8>)h.h.a) { -1: n; 0 .. 5: p; default: "
        "accept; } } state n { h.h.b = 1; transition accept; } state p { h.h.b = 9; transition accept; }"),
        locs=(
        'action a(int<8> v) { h.h.c = (bit<8>)v; } table t { key = { (int<8>)h.h.a : exact @name("k"); } '
        "actions = { a; } const entries = { 1 : a(-2); -1: a(3); } }"),
        ig="t.apply();",
    ), (0, "0109fe0400050006"), IN),
    ("lookahead compare in if", full(
        parser=(
        "state start { b.extract(h.h); if (b.lookahead<bit<8>>() == 0x41) { b.extract(h.g); } transition "
        "accept; }"),
        ig="h.h.a = h.g.v;",
    ), (0, "41020304000500064142"), "01020304000500064142"),
    ("multi verify & error eq", full(
        top="error { E1, E2 }",
        parser=(
        "state start { b.extract(h.h); verify(h.h.a == 1, error.E1); verify(h.h.a == 2 && true, h.h.b == "
        "2 ? error.E2 : error.E1); transition accept; }"),
        ig="if (sm.parser_error == error.E2) h.h.a = 9; h.h.b = sm.parser_error == error.NoError ? 8w1 : 8w2;",
    ), (0, "0902030400050006"), IN),
    ("dup state and header names", full(
        top=(
        "parser SP(packet_in p, inout h_t hh) { state start { transition s; } state s { hh.a = 9; "
        "transition accept; } }"),
        parser=(
        "SP() sp; state start { b.extract(h.h); transition s; } state s { sp.apply(b, h.h); transition "
        "t; } state t { transition accept; }"),
    ), (0, "0902030400050006"), IN),
    ("idx bounded select", full(
        hdrs="h_t h; g_t[2] s;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.s[0]); transition select(h.s[0].v) { 0x41: n; "
        "default: accept; } } state n { b.extract(h.s[1]); h.s[0].v = h.s[1].v; transition accept; }"),
        ig="bit<1> i = (bit<1>)h.h.a; h.h.b = h.s[i].v; h.s[1w0].v = 3;",
        dep="b.emit(h);",
    ), (0, "01420304000500060342"), "01020304000500064142"),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_parsers(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
