# ruff: noqa: C408
"""More rows of the same form as test_programs: calls and table applications in unusual places, names, types, parsers."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .harness import run
from .test_programs import IN, Row, full

UNIONS = "header a_t { bit<8> p; } header b_t { bit<16> q; } header_union un { a_t a; b_t b; }"
UNION_STATES = "state start { b.extract(h.h); b.extract(h.us.next.a); b.extract(h.us.next.b); transition accept; }"

ROWS: list[Row] = [
    ("union stack: field by run-time index", dict(
        top=UNIONS, hdrs="h_t h; un[2] us;", parser=UNION_STATES,
        ig="bit<8> i = h.h.a; h.us[i].b.q = 0x7777; if (h.us[i].isValid()) { h.h.b = 9; } h.h.c = h.us[i - 1].a.p; "
           "if (!h.us[i - 1].b.isValid()) h.h.d = 7;",
    ), (0, "0109410700050006" "41" "7777"), IN + "414243"),
    ("union stack: validity by run-time index", dict(
        top=UNIONS, hdrs="h_t h; un[2] us;", parser=UNION_STATES,
        ig="bit<8> i = h.h.a; h.us[i].a.setValid(); h.us[i].a.p = 5; h.us[i - 1].a.setInvalid(); i = 7;",
    ), (0, IN + "05"), IN + "414243"),
    ("union stack: a union copied by run-time index", dict(
        top=UNIONS, hdrs="h_t h; un[2] us;", parser=UNION_STATES,
        ig="bit<8> i = h.h.a; h.us[i] = h.us[i - 1];",
    ), (0, IN + "4141"), IN + "414243"),
    ("union stack: a member copied, passed and compared", dict(
        top=UNIONS + " void f(inout b_t x) { x.q = x.q + 1; }", hdrs="h_t h; un[2] us;", parser=UNION_STATES,
        ig="bit<8> i = h.h.a; b_t q = h.us[i].b; f(h.us[i].b); h.us[i-1].a = {3}; if (h.us[i].b == q) h.h.b = 7; "
           "if (h.us[i-1].a == {3}) h.h.c = 9;",
    ), (0, "0102090400050006" "034244"), IN + "414243"),
    ("union last in parser", dict(
        top="header a_t { bit<8> p; } header b_t { bit<16> q; } header_union un { a_t a; b_t b; }",
        hdrs="h_t h; un[2] us;",
        parser=(
            "state start { b.extract(h.h); b.extract(h.us.next.a); transition select(h.us.last.a.p) "
            "{ 0x41: two; default: accept; } } state two { b.extract(h.us.next.b); h.h.a = "
            "(bit<8>)h.us.last.b.q; transition accept; }"),
        dep="b.emit(h);",
    ), (0, "4302030400050006414243"), "0102030400050006414243"),
    ("return struct slice", dict(
        top="struct rs { bit<8> a; bit<16> b; } rs f(in bit<8> x) { rs r; r.a = x; r.b = x ++ x; return r; }",
        ig="h.h.a = f(h.h.b).b[11:4]; h.h.w = f(7).b;",
    ), (0, "2002030407070006"), IN),
    ("function in key & entries", dict(
        top="bit<8> f(in bit<8> x) { return x + 1; }",
        locs=(
            'action s(bit<8> v) { h.h.a = v; } table t { key = { f(h.h.b) : exact @name("fk"); '
            'h.h.w[7:0] : ternary @name("z"); } actions = { s; } const entries = { (3, 5 &&& 0xf) : '
            "s(8); } }"),
        ig="t.apply();",
    ), (0, "0802030400050006"), IN),
    ("action calls in switch bodies with exit", dict(
        locs=(
            "action s(out bit<8> v) { v = 5; } action u() { s(h.h.a); } action s2() { } table t { "
            "actions = { u; s2; } default_action = u; }"),
        ig="switch (t.apply().action_run) { u: { s(h.h.b); exit; } s2: { } } h.h.c = 9;",
    ), (0, "0505030400050006"), IN),
    ("nested blocks returns", dict(
        top=(
            "bit<8> f(in bit<8> x) { if (x == 1) { return 1; } else { if (x == 2) { return 2; } } { "
            "return 3; } }"),
        ig="h.h.a = f(1) + f(2) + f(4);",
    ), (0, "0602030400050006"), IN),
    ("void func early return", dict(
        top="void f(inout bit<8> x) { if (x == 1) { x = 7; return; } x = 8; return; }",
        ig="f(h.h.a); f(h.h.b);",
    ), (0, "0708030400050006"), IN),
    ("const struct compare", dict(
        top="struct cs { bit<8> a; bit<8> b; } const cs K = { 1, 2 };",
        ig="cs l = { h.h.a, h.h.b }; if (l == K) h.h.c = 9; if (K != { 1, 3 }) h.h.d = 9;",
    ), (0, "0102090900050006"), IN),
    ("header init by cast tuple", dict(
        ig="h.g = { 5 }; h.h = h.h; h.g.v = h.g.v + 1; h.h.a = h.g.v;",
        dep="b.emit(h.h);",
    ), (0, "0602030400050006"), IN),
    ("int vars in for / const int", dict(
        top="const int N = 3; ",
        ig="for (bit<8> i = 0; i < N; i = i + 1) { h.h.a = h.h.a + i; }",
    ), (0, "0402030400050006"), IN),
    ("list types", dict(
        top="control LC(inout bit<8> x)(list<tuple<bit<8>, bit<8>>> l) { apply { x = 1; } }",
        locs="LC({ {1,2}, {3,4} }) c;",
        ig="c.apply(h.h.a);",
    ), (0, "0102030400050006"), IN),
    ("select tuple value", dict(
        parser=(
            "state start { b.extract(h.h); transition select({ h.h.a, h.h.b }) { { 1, 2 }: s; "
            "default: accept; } } state s { h.h.c = 9; transition accept; }"),
    ), (0, "0102090400050006"), IN),
    ("cmp bool lit", dict(
        ig=(
            "if (true) { h.h.a = 2; } if (false) { h.h.b = 9; } if (h.h.isValid() == true) { h.h.c = "
            "9; } if (true == (h.h.d == 4)) h.h.d = 1;"),
    ), (0, "0202090100050006"), IN),
    ("dead code after exit", dict(
        ig="h.h.a = 2; exit; h.h.a = 3;",
    ), (0, "0202030400050006"), IN),
    ("return before anything", dict(
        ig="return; h.h.a = 3;",
    ), (0, "0102030400050006"), IN),
    ("parser to same state loop w/ stack overflow", dict(
        hdrs="h_t h; g_t[2] s;",
        parser="state start { b.extract(h.h); transition l; } state l { b.extract(h.s.next); transition l; }",
        ig="if (sm.parser_error == error.StackOutOfBounds) h.h.a = 9;",
        dep="b.emit(h);",
    ), (0, "0902030400050006414243"), "0102030400050006414243"),
    ("stack push/pop, arr assign", dict(
        hdrs="h_t h; g_t[3] s; g_t[3] t;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }",
        ig=(
            "h.s.push_front(1); h.s[0].setValid(); h.s[0].v = 9; h.t = h.s; h.t.pop_front(2); "
            "h.s.pop_front(1); h.s[2] = h.t[0];"),
        dep="b.emit(h);",
    ), (0, "010203040005000641424242"), "01020304000500064142"),
    ("stack in struct in meta", dict(
        top="struct ms { g_t[2] s; bit<8> n; }",
        meta="ms z;",
        ig=(
            "m.z.s[0].setValid(); m.z.s[0].v = h.h.b; m.z.s[1] = m.z.s[0]; h.h.a = m.z.s[1].v; "
            "m.z.s[0].setInvalid(); if (!m.z.s[0].isValid() && m.z.s[1].isValid()) h.h.c = 9;"),
    ), (0, "0202090400050006"), IN),
    ("slice of slice lval; bool slices", dict(
        ig="h.h.w[11:4][3:0] = 4w0xa; h.h.a[3:0] = h.h.b[3:0] == 4w2 ? 4w5 : 4w6;",
    ), (0, "0502030400a50006"), IN),
    ("mixed compare const", dict(
        ig="if (h.h.a < 256w5[7:0]) h.h.a = 9; if (8 > h.h.b) h.h.b = 9; if (h.h.c == 8w3 + 0) h.h.c = 9;",
    ), (0, "0909090400050006"), IN),
    ("varbit in struct/func", dict(
        top="header v_t { bit<8> n; varbit<32> o; } void cp(inout v_t a, in v_t c) { a = c; a.n = 5; }",
        hdrs="v_t v; v_t w;",
        parser="state start { b.extract(h.v, 16); transition accept; }",
        ig="h.w.setValid(); cp(h.w, h.v);",
        dep="b.emit(h.v); b.emit(h.w);",
    ), (0, "01aabb05aabb"), "01aabb"),
    ("emit empty varbit", dict(
        top="header v_t { bit<8> n; varbit<32> o; }",
        hdrs="v_t v;",
        parser="state start { b.extract(h.v, 0); transition accept; }",
        ig="h.v.n = 2;",
        dep="b.emit(h.v);",
    ), (0, "02aabb"), "01aabb"),
    ("sub-parser w/ args expr", dict(
        top=(
            "parser SP(packet_in p, in bit<8> k, inout bit<8> o)(bit<8> c) { state start { "
            "transition select(k) { 1: a; default: z; } } state a { o = o + c; transition accept; } "
            "state z { o = 0; transition accept; } }"),
        parser=(
            "SP(5) s1; SP(c = 6) s2; state start { b.extract(h.h); s1.apply(b, h.h.a, h.h.b); "
            "transition select(h.h.b) { 7: n; default: accept; } } state n { s2.apply(b, h.h.a + 0, "
            "h.h.c); s1.apply(b, 9, h.h.d); transition accept; }"),
    ), (0, "0107090000050006"), IN),
    ("sub-parser reject/error inside", dict(
        top=(
            "parser SP(packet_in p, out g_t g) { state start { p.extract(g); verify(g.v == 9, "
            "error.NoMatch); transition accept; } }"),
        parser=(
            "SP() s1; state start { b.extract(h.h); s1.apply(b, h.g); transition n; } state n { "
            "h.h.a = 7; transition accept; }"),
        ig="if (sm.parser_error == error.NoMatch) h.h.b = 9;",
    ), (0, "010903040005000641"), "010203040005000641"),
    ("big switch on sm", dict(
        ig=(
            "switch (sm.ingress_port) { 0: { h.h.a = 9; } 1: 2: { h.h.a = 8; } default: { } } switch "
            "(h.h.w) { 16w5: {  switch (h.h.x) { 6: { h.h.b = 7; return; } } } } h.h.c = 1;"),
    ), (0, "0907030400050006"), IN),
    ("switch only default / empty", dict(
        ig="switch (h.h.a) { default: { h.h.b = 3; } } switch (h.h.a) { 1: 2: default: { h.h.c = 4; } }",
    ), (0, "0103040400050006"), IN),
    ("action const fold & unused param", dict(
        locs=(
            "action a(bit<8> u, bit<8> v) { h.h.a = v; } table t { key = { h.h.b: lpm; } actions = { "
            "a; } const entries = { 0x02 &&& 0xfe : a(1, 2); 2 : a(3, 4); } }"),
        ig="t.apply();",
    ), (0, "0402030400050006"), IN),
    ("entries exact masks w/ typedef/enum", dict(
        top="enum bit<8> E2 { X = 2 } const bit<8> ONE = 1; typedef bit<8> bt; type bit<8> nt;",
        locs=(
            'action a(bt v) { h.h.a = v; } table t { key = { (E2)h.h.b: exact @name("e"); h.h.a : '
            "exact; } actions = { a; } const entries = { (E2.X, ONE) : a(ONE + 4); } }"),
        ig="t.apply();",
    ), (0, "0502030400050006"), IN),
    ("newtype arithmetic in table", dict(
        top="type bit<8> nt; const nt NN = (nt)8w2;",
        meta="nt f;",
        locs=(
            "action a(nt v) { m.f = v; } table t { key = { m.f: exact; } actions = { a; } const "
            "entries = { (nt)8w2 : a((nt)8w6); } }"),
        ig="m.f = NN; t.apply(); h.h.a = (bit<8>)m.f; if (m.f == (nt)6) h.h.b = 7;",
    ), (0, "0607030400050006"), IN),
    ("id list etc", dict(
        meta="bit<8> list; bit<8> size; bit<8> next; bit<8> last; bit<8> apply; bit<8> hit;",
        ig=(
            "m.list = 3; m.size = m.list; m.next = 1; m.last = m.next; m.apply = 4; m.hit = m.apply; "
            "bit<8> list = m.hit; h.h.a = list; bit<8> optional = 3; bit<8> exact = optional; h.h.b "
            "= exact; bit<8> pragma = 1; bit<8> match_kind_ = pragma;"),
    ), (0, "0403030400050006"), IN),
    ("const error/header", dict(
        top=(
            "const error EE = error.NoMatch; const g_t GG = { 5 }; error { } const bool BB = true && "
            "!false; const bit<8> X1 = BB ? 8w3 : 8w4;"),
        ig=(
            "h.g = GG; h.h.a = h.g.v + X1; error e = EE; if (e == error.NoMatch && e == EE) h.h.b = "
            "9; h.h.c = GG.v;"),
        dep="b.emit(h.h);",
    ), (0, "0809050400050006"), IN),
    ("const inside parser/control/action/fn", dict(
        top="bit<8> f(in bit<8> x) { const bit<8> k = 4; return x + k; }",
        parser=(
            "const bit<8> one = 1; state start { const bit<8> two = 2; b.extract(h.h); transition "
            "select(h.h.a, h.h.b) { (one, 2): s; _: accept; } } state s { h.h.c = f(one); transition "
            "accept; }"),
        locs="const bit<8> z = 3; action a() { const bit<8> q = z + 1; h.h.a = q; }",
        ig="a();",
    ), (0, "0402050400050006"), IN),
    ("typedef struct tuple stack enum", dict(
        top=(
            "struct s1 { bit<8> a; } typedef s1 s2; typedef tuple<bit<8>, s2> t2; enum bit<4> ee { A "
            "= 1 } typedef ee e2; typedef error er;"),
        ig=(
            "s2 x = { 4 }; t2 y = { 1, { 3 } }; h.h.a = x.a + y[1].a; e2 z = ee.A; if (z == e2.A) "
            "h.h.b = 9; er k = error.NoError;"),
    ), (0, "0709030400050006"), IN),
    ("bit alone", dict(
        meta="bit f; bit<1> g;",
        ig="m.f = 1; m.g = m.f; h.h.a = 7w0 ++ m.g;",
    ), (0, "0102030400050006"), IN),
    ("int alone type param", dict(
        top="bit<8> f<T>(in T x) { return 3; }",
        ig="h.h.a = f<bit<4>>(3); h.h.b = f(16w3);",
    ), (0, "0303030400050006"), IN),
    ("parens lvalue-ish & stmts", dict(
        ig="if ((h.h.a) == (1)) { h.h.b = 3; } ",
    ), (0, "0103030400050006"), IN),
    ("nested ternary struct fields", dict(
        top="struct s1 { bit<8> a; bit<8> b; }",
        ig=(
            "s1 x = { 1, 2 }; s1 y = { 3, 4 }; h.h.a = (h.h.b == 2 ? x : y).b; x = h.h.b == 3 ? x : "
            "y; h.h.b = x.a;"),
    ), (0, "0203030400050006"), IN),
    ("header ternary", dict(
        ig="h_t q = { 9,9,9,9,9,9 }; h.h = h.h.a == 1 ? q : h.h;",
    ), (0, "0909090900090009"), IN),
    ("function w/ header arg copy", dict(
        top="h_t f(in h_t x) { h_t y = x; y.a = 7; return y; } bool v(in h_t x) { return x.isValid(); }",
        ig="h_t e; h.h = f(h.h); if (!v(e)) h.h.b = 9;",
    ), (0, "0709030400050006"), IN),
    ("struct w/ bool and enum eq", dict(
        top="enum ce { A, B } struct s1 { bool f; ce c; error e; }",
        ig=(
            "s1 x = { true, ce.B, error.NoError }; s1 y; y.f = true; y.c = ce.B; y.e = "
            "error.NoError; if (x == y) h.h.a = 9;"),
    ), (0, "0902030400050006"), IN),
    ("mask select wide keys", dict(
        top="header w_t { bit<48> m; bit<128> v6; }",
        hdrs="w_t w; h_t h;",
        parser=(
            "state start { b.extract(h.w); transition select(h.w.m, h.w.v6) { (0x010000000000 &&& "
            "0x010000000000, _): mc; (_, 0x20010db8_0000_0000_0000_0000_0000_0000 &&& "
            "0xffffffff_0000_0000_0000_0000_0000_0000): v; default: accept; } } state mc { h.w.m = "
            "1; transition accept; } state v { h.w.m = 2; transition accept; }"),
    ), (0, "00000000000220010db8000000000000000000000000"), "00000000000020010db8000000000000000000000000"),
    ("signed select/keys", dict(
        parser=(
            "state start { b.extract(h.h); transition select((int<8>)h.h.a) { -1: n; 0 .. 5: p; "
            "default: accept; } } state n { h.h.b = 1; transition accept; } state p { h.h.b = 9; "
            "transition accept; }"),
        locs=(
            "action a(int<8> v) { h.h.c = (bit<8>)v; } table t { key = { (int<8>)h.h.a : exact "
            '@name("k"); } actions = { a; } const entries = { 1 : a(-2); -1: a(3); } }'),
        ig="t.apply();",
    ), (0, "0109fe0400050006"), IN),
    ("if w/o braces and nested", dict(
        ig="if (h.h.a == 1) if (h.h.b == 3) h.h.c = 1; else h.h.c = 2; else h.h.c = 3;",
    ), (0, "0102020400050006"), IN),
    ("assign from table-keyed reg", dict(
        locs="register<bit<8>>(4) r; bit<8> t;",
        ig="@atomic { r.read(t, 0); t = t + 1; r.write(0, t); } h.h.a = t; ",
    ), (0, "0102030400050006"), IN),
    ("reg read into slice/struct/stack", dict(
        hdrs="h_t h; g_t[2] s;",
        locs="register<bit<4>>(4) r; register<bit<8>>(4) r8;",
        ig=(
            "r.write(1, 5); r.read(h.h.a[7:4], 1); r8.write(2, 9); h.s[0].setValid(); "
            "r8.read(h.s[0].v, 2); bit<8> i = h.h.b - 1; h.s[1].setValid(); r8.read(h.s[i].v, "
            "(bit<32>)h.h.b);"),
        dep="b.emit(h);",
    ), (0, "51020304000500060909"), IN),
    ("hash into slice", dict(
        ig=(
            "hash(h.h.w[7:0], HashAlgorithm.identity, 8w0, { h.h.b }, 8w100); hash(h.h.a, "
            "HashAlgorithm.crc16, 8w10, { h.h.b }, 8w1);"),
    ), (0, "0a02030400020006"), IN),
    ("expr stmt calls", dict(
        top="bit<8> f(inout bit<8> x) { x = x + 1; return x; }",
        ig="f(h.h.a); f(h.h.a);",
    ), (0, "0302030400050006"), IN),
    ("lookahead compare in if", dict(
        parser=(
            "state start { b.extract(h.h); if (b.lookahead<bit<8>>() == 0x41) { b.extract(h.g); } "
            "transition accept; }"),
        ig="h.h.a = h.g.v;",
    ), (0, "41020304000500064142"), "01020304000500064142"),
    ("multi verify & error eq", dict(
        top="error { E1, E2 }",
        parser=(
            "state start { b.extract(h.h); verify(h.h.a == 1, error.E1); verify(h.h.a == 2 && true, "
            "h.h.b == 2 ? error.E2 : error.E1); transition accept; }"),
        ig="if (sm.parser_error == error.E2) h.h.a = 9; h.h.b = sm.parser_error == error.NoError ? 8w1 : 8w2;",
    ), (0, "0902030400050006"), IN),
    ("drop port", dict(
        ig="sm.egress_spec = 511;",
    ), None, IN),
    ("egress drop", dict(
        eg="if (h.h.a == 1) mark_to_drop(sm);",
    ), None, IN),
    ("wide arithmetic", dict(
        top="header x_t { bit<512> v; }",
        hdrs="x_t x;",
        parser="state start { b.extract(h.x); transition accept; }",
        ig="h.x.v = h.x.v * 3 + (h.x.v >> 500); h.x.v[511:504] = h.x.v[7:0];",
        dep="b.emit(h);",
    ), (0, "03" + "00" * 62 + "03"), "00" * 63 + "01"),
    ("@name collisions", dict(
        top=(
            'control CX(inout bit<8> a) { @name("aa") action x() { a = 3; } @name("aa") table t { '
            "actions = { x; } default_action = x; } apply { t.apply(); } }"),
        locs="CX() c1; CX() c2;",
        ig="c1.apply(h.h.a); c2.apply(h.h.b);",
    ), (0, "0303030400050006"), IN),
    ("dup state and header names", dict(
        top=(
            "parser SP(packet_in p, inout h_t hh) { state start { transition s; } state s { hh.a = "
            "9; transition accept; } }"),
        parser=(
            "SP() sp; state start { b.extract(h.h); transition s; } state s { sp.apply(b, h.h); "
            "transition t; } state t { transition accept; }"),
    ), (0, "0902030400050006"), IN),
    ("scalars name clash", dict(
        top="struct scalars { bit<8> a; } header scalars_t { bit<8> z; }",
        hdrs="h_t h; scalars_t scalars; scalars_t standard_metadata;",
        ig="scalars q = { 3 }; h.h.a = q.a; h.scalars.setValid(); h.scalars.z = 7;",
        dep="b.emit(h);",
    ), (0, "030203040005000607"), IN),
    ("ext: mux w/ error in key", dict(
        ig="bool f = h.h.a == 1; bit<8> r = (bit<8>)(f ? 8w1 : 0) + (f ? 1 : 8w0); h.h.a = r;",
    ), (0, "0202030400050006"), IN),
    ("large switch with fallthrough default middle", dict(
        ig="switch (h.h.b) { 8w1: 8w2: { h.h.a = 9; } 8w3: default: { h.h.a = 7; } }",
    ), (0, "0902030400050006"), IN),
    ("tuple swap nested", dict(
        ig="tuple<bit<8>, bit<8>> t = { h.h.a, h.h.b }; h.h.a = t[1]; h.h.b = t[0];",
    ), (0, "0201030400050006"), IN),
    ("xor swap", dict(
        ig="h.h.a = h.h.a ^ h.h.b; h.h.b = h.h.a ^ h.h.b; h.h.a = h.h.a ^ h.h.b;",
    ), (0, "0201030400050006"), IN),
    ("apply in key", dict(
        locs=(
            "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = "
            "{ s; NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 "
            "{ key = { h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); } table "
            'k { key = { (t.apply().hit ? 8w1 : 8w2) : exact @name("x"); } actions = { s; } const '
            "entries = { 1 : s(1); 2 : s(2); } }"),
        ig="k.apply();",
    ), (0, "0102030d00050006"), IN),
    ("apply in exprs", dict(
        top="bit<8> f(in bool x, inout bit<8> z) { z = z + 1; return x ? 8w3 : 8w4; }",
        locs=(
            "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = "
            "{ s; NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 "
            "{ key = { h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); }"),
        ig="h.h.a = f(t.apply().hit, h.h.d) + (t2.apply().miss ? 8w16 : 8w32);",
    ), (0, "1302030d00050006"), IN),
    ("apply in and/or", dict(
        locs=(
            "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = "
            "{ s; NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 "
            "{ key = { h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); }"),
        ig="if (h.h.a == 1 && t.apply().hit || t2.apply().hit) h.h.a = 7; ",
    ), (0, "0702030c00050006"), IN),
    ("apply in switch expr", dict(
        locs=(
            "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = "
            "{ s; NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 "
            "{ key = { h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); }"),
        ig="switch (t.apply().hit ? 8w1 : 8w2) { 1: { h.h.a = 7; } 2: { h.h.a = 8; } }",
    ), (0, "0702030c00050006"), IN),
    ("apply in assign slice", dict(
        locs=(
            "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = "
            "{ s; NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 "
            "{ key = { h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); }"),
        ig="h.h.a[3:0] = t.apply().hit ? 4w5 : 4w6; bool x = !t2.apply().hit; h.h.b = x ? 8w1 : 0;",
    ), (0, "0501030c00050006"), IN),
    ("extern as ctor/apply param", dict(
        top=(
            "control CR(inout bit<8> a)(register<bit<8>> r) { apply { r.read(a, 0); r.write(0, a + "
            "1); } } control CA(inout bit<8> a, register<bit<8>> r) { apply { r.read(a, 0); } }"),
        locs="register<bit<8>>(2) rr; CR(rr) c; CA() d;",
        ig="c.apply(h.h.a); d.apply(h.h.b, rr);",
    ), (0, "0001030400050006"), IN),
    ("extern global", dict(
        top=(
            "register<bit<8>>(4) gr; counter(4, CounterType.packets) gc; action ga(inout bit<8> x) { "
            "gr.write(1, x); gc.count(1); x = 9; }"),
        ig="ga(h.h.a); gr.read(h.h.b, 1);",
    ), (0, "0901030400050006"), IN),
    ("function call idx lvalue", dict(
        hdrs="h_t h; g_t[3] s;",
        top="bit<8> ix(inout bit<8> v) { v = v + 1; return v; }",
        parser=(
            "state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); "
            "b.extract(h.s.next); transition accept; }"),
        ig=(
            "h.s[ix(h.h.a) - 1].v = h.h.a; h.s[ix(h.h.a) - 1] = { h.h.a }; bit<8> q = h.s[ix(h.h.d) "
            "- 5].v;  h.h.b = q; h.s[h.h.b - h.h.b].v = h.s[ix(h.h.c) - 3].v;"),
        dep="b.emit(h);",
    ), (0, "0341040500050006020203"), "0102030400050006414243"),
    ("idx bounded select", dict(
        hdrs="h_t h; g_t[2] s;",
        parser=(
            "state start { b.extract(h.h); b.extract(h.s[0]); transition select(h.s[0].v) { 0x41: n; "
            "default: accept; } } state n { b.extract(h.s[1]); h.s[0].v = h.s[1].v; transition "
            "accept; }"),
        ig="bit<1> i = (bit<1>)h.h.a; h.h.b = h.s[i].v; h.s[1w0].v = 3;",
        dep="b.emit(h);",
    ), (0, "01420304000500060342"), "01020304000500064142"),
    ("varbit in checksum/hash/digest", dict(
        top="header v_t { bit<8> n; varbit<64> o; }",
        hdrs="v_t v; h_t h;",
        parser="state start { b.extract(h.v, 24); b.extract(h.h); transition accept; }",
        upd="update_checksum(true, { h.v.n, h.v.o }, h.h.w, HashAlgorithm.csum16);",
        ig="hash(h.h.x, HashAlgorithm.csum16, 16w0, { h.v.n, h.v.o }, 32w65536);",
        dep="b.emit(h);",
    ), (0, "0102030401020304fbf9fbf9"), "010203040102030400050006"),
    ("exit in func-called?", dict(
        top=(
            "control CC(inout bit<8> a, inout bit<8> c) { action e() { a = 9; c = 8; exit; } table t "
            "{ actions = { e; } default_action = e; } apply { if (a == 1) { t.apply(); } c = 7; } }"),
        locs="CC() c1;",
        ig="bit<8> loc = h.h.a; c1.apply(loc, h.h.b); h.h.c = loc;",
    ), (0, "0108030400050006"), IN),
    ("copyout order alias", dict(
        top="void f(inout bit<8> x, inout bit<8> y, out bit<8> z) { x = 1; y = 2; z = 3; }",
        ig="f(h.h.a, h.h.a, h.h.a); f(h.h.b, h.h.b, h.h.c); ",
    ), (0, "0302030400050006"), IN),
    ("inout header & its field", dict(
        top="void f(inout h_t x, inout bit<8> y) { x.a = 5; y = 6; x.b = y; }",
        ig="f(h.h, h.h.a); f(h.h, h.h.c);",
    ), (0, "0506060400050006"), IN),
    ("valid in inout copies", dict(
        locs=(
            "action a(inout h_t x, in bool c) { x.setInvalid(); if (c) { x.setValid(); x.a = 4; } "
            "else { return; } }"),
        ig="a(h.h, h.h.a == 1); h_t q; a(q, true); h.h.b = q.a;",
    ), (0, "0404000000000000"), IN),
    ("ops on varied", dict(
        ig=(
            "h.h.w = (bit<16>)(h.h.a ++ h.h.b) & 0x0ff0 | 0xf; h.h.x = h.h.x & ~h.h.x; h.h.a = "
            "-h.h.a; h.h.b = ~h.h.b & 0xf; h.h.c = +h.h.c; h.h.d = h.h.d & 6 == 4 ? 8w1 : 8w2;"),
    ), (0, "ff0d0301010f0000"), IN),
    ("nested action ctl w/ table params", dict(
        top=(
            "control CC(inout h_t q, in bit<8> k) { action e(bit<8> v) { q.a = v + k; } table t { "
            'key = { q.b : exact; k : exact @name("kk"); } actions = { e; NoAction; } const entries '
            "= { (2, 3) : e(4); } default_action = NoAction; } apply { t.apply(); } }"),
        locs="CC() c1;",
        ig="c1.apply(h.h, h.h.c);",
    ), (0, "0702030400050006"), IN),
    ("same instance twice no tables", dict(
        top="control CC(inout bit<8> a) { bit<8> l; apply { l = a; a = l + 1; if (a == 2) return; a = 0; } }",
        locs="CC() c1;",
        ig="c1.apply(h.h.a); c1.apply(h.h.b);",
    ), (0, "0200030400050006"), IN),
    ("same instance twice w/ tables diff branches", dict(
        top=(
            "control CC(inout bit<8> a) { action e() { a = 7; } table t { actions = { e; } "
            "default_action = e; } apply { t.apply(); } }"),
        locs="CC() c1;",
        ig="if (h.h.b == 2) { c1.apply(h.h.a); } else { c1.apply(h.h.a); }",
    ), (0, "0702030400050006"), IN),
    ("table twice same succ", dict(
        locs=(
            "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = "
            "{ s; NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 "
            "{ key = { h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); }"),
        ig="if (h.h.a == 1) { t.apply(); } else { h.h.a = 3; t.apply(); }",
    ), (0, "0102030c00050006"), IN),
    ("meta through egress", dict(
        meta="bit<8> k; error e;",
        ig="m.k = h.h.b; m.e = sm.parser_error;",
        eg="h.h.a = m.k; if (m.e == error.NoError) h.h.c = 9; h.h.d = (bit<8>)sm.egress_port;",
    ), (0, "0202090000050006"), IN),
    ("fn with bool + short circuit order", dict(
        top="bool t(inout bit<8> c, in bool r) { c = c + 1; return r; }",
        ig=(
            "bool x = t(h.h.a, true) || t(h.h.a, true) && t(h.h.b, false); bool y = t(h.h.b, false) "
            "&& t(h.h.c, true) || !t(h.h.d, false); if (x != y) h.h.w = 1;"),
    ), (0, "0203030500050006"), IN),
    ("func arg evaluation w/ mux", dict(
        top=(
            "bit<8> f(in bit<8> a, in bit<8> b2, in bit<8> c) { return a * 16 + b2 * 4 + c; } bit<8> "
            "g(inout bit<8> x) { x = x + 1; return x; }"),
        ig="h.h.d = f(h.h.a, g(h.h.a), h.h.a);",
    ), (0, "0202031a00050006"), IN),
    ("compound with calls", dict(
        top="bit<8> g(inout bit<8> x) { x = x + 1; return x; }",
        ig="h.h.a += g(h.h.a); h.h.b = h.h.b + g(h.h.b) + h.h.b;",
    ), (0, "0308030400050006"), IN),
    ("slice assign with rhs effect on same", dict(
        top="bit<4> g(inout bit<8> x) { x = 0xff; return 2; }",
        ig="h.h.a[3:0] = g(h.h.a);",
    ), (0, "f202030400050006"), IN),
    ("header assign with effect", dict(
        top="bit<8> g(inout h_t x) { x.setInvalid(); return 2; }",
        ig="h_t q = h.h; h.h.a = g(q); if (!q.isValid()) h.h.b = 7; q = { g(h.h), 1,1,1,1,1 }; h.h = q;",
    ), (0, "0201010100010001"), IN),
    ("const shift int", dict(
        top=(
            "const bit<8> SH = 8w1 << 3; const int<8> SR = -8s16 >> 2; const bit<4> TR = "
            "(bit<4>)0xabc; const bit<8> CC = 4w1 ++ 4w2;"),
        ig="h.h.a = SH; h.h.b = (bit<8>)SR; h.h.c = 4w0 ++ TR; h.h.d = CC;",
    ), (0, "08fc0c1200050006"), IN),
]


@pytest.mark.parametrize(("name", "parts", "wanted", "packet"), ROWS, ids=[r[0] for r in ROWS])
def test_program(name: str, parts: dict[str, Any], wanted: tuple[int, str] | None, packet: str, tmp_path: Path) -> None:
    assert run(full(**parts), packet, tmp_path) == ([wanted] if wanted else [])
