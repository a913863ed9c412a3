"""Types, values and operators."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import IN, SHORT, Row, check, full, small

ROWS: list[Row] = [
    ("struct cast", full(
        top="struct s1 { bit<8> a; bit<8> b; }",
        ig="s1 q = (s1){a=1,b=2}; s1 z = (s1){ 7, 8 }; h.h.a = q.b; h.h.b = z.a; h.h.c = ((s1){b=4,a=5}).b;",
    ), (0, "0207040400050006"), IN),
    ("bool cast", full(
        ig="h.h.a = (bit<8>)(bit<1>)h.g.isValid(); h.h.b[0:0] = (bit<1>)true; h.h.c = (bool)(bit<1>)1 ? 8w1 : 2;",
    ), (0, "0003010400050006"), IN),
    ("dots default", full(
        top="struct s1 { bit<8> a; bit<8> b; bool c; }",
        ig="s1 q = {a=1, ...}; s1 r = { 5, ... }; s1 t = ...; h.h.a = q.a + q.b; h.h.b = r.a + r.b; h.h.c = t.a;",
    ), (0, "0105000400050006"), IN),
    ("nested init", full(
        top="struct s1 { bit<8> a; h_t hh; g_t[2] st; } ",
        ig="s1 q = { 5, {1,2,3,4,5,6}, {{7},{8}} }; h.h = q.hh; h.h.a = q.st[1].v; h.h.b = q.a;",
    ), (0, "0805030400050006"), IN),
    ("tuple", full(
        ig="tuple<bit<8>, bool> t = {h.h.a, true}; h.h.b = t[0]; t[0] = 9; if (t[1]) h.h.c = t[0]; tuple<> e = {}; ",
    ), (0, "0101090400050006"), IN),
    ("tuple eq", full(
        ig=(
        "tuple<bit<8>, bool> t = {h.h.a, true}; tuple<bit<8>,bool> u = t; if (u == t) h.h.a = 7; if (t "
        "== {1, true}) h.h.b=8;"),
    ), (0, "0708030400050006"), IN),
    ("signed", full(
        ig=(
        "int<8> a = -3; int<8> c = a >> 1; h.h.a = (bit<8>)c; int<8> m = a |-| 127; h.h.b = (bit<8>)m; "
        "h.h.c = (bit<8>)(a * 2); bit<8> q = 250; h.h.d = q |+| 10; int<16> w = (int<16>)a; h.h.w = "
        "(bit<16>)w; h.h.x = (bit<16>)(int<16>)(int<8>)h.h.d;"),
    ), (0, "fe80fafffffdffff"), IN),
    ("concat signed", full(
        ig=(
        "int<8> a = -1; int<4> z = 3; bit<16> t = (bit<16>)((int<12>)(z ++ a) ++ 4w0); h.h.w = t; h.h.x "
        "= 4w1 ++ 4w2 ++ 4w3 ++ 4w4;"),
    ), (0, "010203043ff01234"), IN),
    ("slice lvalue nested", full(
        ig="h.h.w[15:8][3:0] = 0xa; h.h.x[7:0] = h.h.w[11:8] ++ 4w1;",
    ), (0, "010203040a0500a1"), IN),
    ("slice on slice r", full(ig="h.h.a = h.h.w[15:4][7:0];"), (0, "0002030400050006"), IN),
    ("error fields", full(
        top="error { Mine, Other }",
        meta="error e;",
        parser=(
        "state start { b.extract(h.h); m.e = error.Mine; verify(h.h.a == 2, error.Other); transition "
        "accept; }"),
        ig=(
        "if (m.e == error.Mine) h.h.b = 9; if (sm.parser_error == error.Other) h.h.c = 8; if "
        "(sm.parser_error != error.NoError) h.h.d = 7;"),
    ), (0, "0109080700050006"), IN),
    ("plain enum", full(
        top="enum En { X, Y, Z }",
        meta="En e;",
        ig=(
        "m.e = En.Y; if (m.e == En.Y) h.h.a = 5; En f = m.e; if (f != En.X) h.h.b = 6; switch (f) { "
        "En.X: {h.h.c = 1;} En.Y: {h.h.c = 2;} En.Z: {h.h.c = 3;} }"),
    ), (0, "0506020400050006"), IN),
    ("match kind", full(top="match_kind { mine, other }", locs="", ig=""), (0, "0102030400050006"), IN),
    ("enum ser2", full(
        top="enum bit<8> En { A = 1, B = 2, C = 10 }",
        ig=(
        "En e = (En)h.h.a; if (e == En.A) h.h.b = (bit<8>)En.B; h.h.c = (bit<8>)En.C; bit<8> q = En.B; "
        "switch (e) { En.A: { h.h.d = 0x55; } default: {} }"),
    ), (0, "01020a5500050006"), IN),
    ("bit0", full(top="struct Z { bit<0> z; }", ig="bit<0> z = 0; h.h.a = 3;"), (0, "0302030400050006"), IN),
    ("big field", full(
        top="header big_t { bit<2048> x; }",
        hdrs="h_t h; big_t g;",
        ig="h.g.setValid(); h.g.x = (bit<2048>)h.h.a << 2040; h.g.x[7:0] = 5;",
        dep="b.emit(h);",
    ), (0, "010203040005000601" + "00" * 254 + "05"), IN),
    ("nested ternary", full(
        ig=(
        "h.h.a = h.h.a == 1 ? h.h.b == 3 ? 8w1 : 8w2 : 8w3; h.h.w = h.h.a > 1 && h.h.b < 5 || h.h.c == 0 "
        "? h.h.x : 0;"),
    ), (0, "0202030400060006"), IN),
    ("apostrophe in ifdef'd text", small(top="#if 0\nthis isn't P4 \" at all\n#endif"), (0, "01020304"), SHORT),
    ("value set struct", small(
        parser=(
        "value_set<vs_t>(4) vs; value_set<bit<8>>(4) v1; value_set<tuple<bit<8>,bit<8>>>(2) v2; state "
        "start { b.extract(h.h); transition select(h.h.a, h.h.w) { vs: n; _: n2; } } state n2 { "
        "transition select(h.h.a) { v1: n; 1: n3; } } state n3 { transition select(h.h.a, h.h.b) { v2: "
        "n; default: n; } } state n { h.h.a = 9; transition accept; }"),
        after="struct vs_t { @match(ternary) bit<8> f; bit<16> w; }",
    ), (0, "09020304"), SHORT),
    ("size methods", small(
        ig=(
        "apply { h.h.w = (bit<16>)(h.h.minSizeInBits()); h.h.a = (bit<8>)h.h.minSizeInBytes(); h.h.b = "
        "(bit<8>)(h.minSizeInBytes() + h.h.maxSizeInBytes() + h.h.maxSizeInBits()); const int Z = "
        "h.h.minSizeInBits(); }"),
    ), (0, "04280020"), SHORT),
    ("sizes", small(
        ig=(
        "apply { h.h.a = (bit<8>)h.v.minSizeInBits(); h.h.b = (bit<8>)h.v.maxSizeInBits(); h.h.w = "
        "(bit<16>)h.u.minSizeInBits() == 8 ? 16w0 : (bit<16>)h.u.maxSizeInBytes(); "
        "bit<(h_t.minSizeInBits())> z = 5; }"),
        top=(
        "header v_t { bit<8> n; varbit<32> o; } header a_t { bit<8> x; } header b_t { bit<24> y; } "
        "header_union un { a_t a; b_t b; }"),
        hdr="v_t v; un u;",
    ), (0, "08280000"), SHORT),
    ("dead code", small(
        ig="apply { if (false) { h.h.a = 1; } else { h.h.a = 2; } if (true) return; h.h.b = 9; }",
    ), (0, "02020304"), SHORT),
    ("empty if", small(
        ig="apply { if (h.h.a == 1) { } else { } if (h.h.a == 1) ; else h.h.b = 3; ; ; { } }",
    ), (0, "01020304"), SHORT),
    ("number formats", small(
        ig="apply { h.h.a = 0b101 + 0o17 + 0d9; h.h.b = 8w0xf + 8w0o7; h.h.w = 16w1_000; }",
    ), (0, "1d1603e8"), SHORT),
    ("casts", small(
        ig="apply { h.h.a = (bit<8>)(h.h.w[3:0] ++ 4w0); int<16> s = (int<16>)h.h.w; h.h.w = (bit<16>)(s >> 1); }",
    ), (0, "40020182"), SHORT),
    ("comparisons signed", small(
        ig=(
        "apply { int<8> a = (int<8>)h.h.a; int<8> c = -1; if (a > c) h.h.a = 9; if (c < 0) h.h.b = 8; if "
        "(c <= -1 && c >= -1) h.h.w = 1; }"),
    ), (0, "09080001"), SHORT),
    ("mul", small(
        ig="apply { h.h.a = h.h.a * 200 * 3; int<8> z = -3; z = z * 50; h.h.b = (bit<8>)z; }",
    ), (0, "586a0304"), SHORT),
    ("shift w int", small(
        ig="apply { bit<4> s = 3; h.h.w = (bit<16>)(32w1 << s) | (16w0x8000 >> s); }",
    ), (0, "01021008"), SHORT),
    ("neg", small(
        ig=(
        "apply { h.h.a = -h.h.a; h.h.b = ~h.h.b; h.h.w = -(h.h.w); bool b = !(h.h.a == 0xff); h.h.w[0:0] "
        "= (bit<1>)b; }"),
    ), (0, "fffdfcfc"), SHORT),
    ("xor and ops", small(
        ig="apply { h.h.a = h.h.a ^ 0xff; h.h.b = h.h.b & 0 | 7; h.h.w = h.h.w |-| 0x400; }",
    ), (0, "fe070000"), SHORT),
    ("compound", small(
        ig="apply { h.h.a += 5; h.h.b <<= 2; h.h.w[7:0] |= 0xf0; h.h.a |+|= 255; h.h.b ^= 1; }",
    ), (0, "ff0903f4"), SHORT),
    ("bool ops", small(
        ig=(
        "apply { bool a = h.h.a == 1; bool c = a && !(h.h.b == 1) || false; if (c != false) h.h.a = 7; "
        "if (c == a) h.h.b = 6; bool d = c ? a : !a; if (d) h.h.w = 0; }"),
    ), (0, "07060000"), SHORT),
    ("struct eq", small(
        ig=(
        "apply { s_t a = {1, 2}; s_t c = a; if (a == c) h.h.a = 9; c.y = 4; if (a != c) h.h.b = 8; if (a "
        "== {1, 2}) h.h.w = 3; if (a == (s_t){x = 1, y = 2}) h.h.w = h.h.w + 1; }"),
        top="struct s_t { bit<8> x; bit<8> y; }",
    ), (0, "09080004"), SHORT),
    ("struct swap", small(
        ig=(
        "apply { s_t a = {1, 2}; a = {a.y, a.x}; h.h.a = a.x; h.h.b = a.y; s_t c = {y = a.x, x = a.y}; "
        "h.h.w = (bit<16>)(c.x ++ c.y); h.h = {h.h.b, h.h.a, h.h.w}; }"),
        top="struct s_t { bit<8> x; bit<8> y; }",
    ), (0, "01020102"), SHORT),
    ("tuple nest", small(
        ig=(
        "apply { tuple<tuple<bit<8>, bool>, s_t> t = { {5, true}, {x=6, y=7} }; h.h.a = t[0][0]; h.h.b = "
        "t[1].y; t[0][0] = 9; h.h.w = (bit<16>)t[0][0]; }"),
        top="struct s_t { bit<8> x; bit<8> y; }",
    ), (0, "05070009"), SHORT),
    ("strings", small(
        ig='const string S = "a {}"; apply { log_msg(S, {h.h.a}); log_msg("q\\"uo"); }',
        top='const string T = "x";\n@foo("a" ++ "b") const bit<8> z = 1;',
    ), (0, "01020304"), SHORT),
    ("lt gt parse", small(
        ig=(
        "apply { bit<8> a = 1; bit<8> c = 2; if (a < c && c > (a)) h.h.a = 9; bool z = a < (c); if (z) "
        "h.h.b = 8; }"),
    ), (0, "09080304"), SHORT),
    ("scalar in H", small(
        hdr="bit<8> q; bool z;",
        parser="state start { b.extract(h.h); h.q = 3; transition accept; }",
        ig="apply { h.h.a = h.q; h.q = 4; h.z = true; }",
        eg="apply { h.h.b = h.q; if (h.z) h.h.w = 0; }",
        dep="apply { b.emit(h.h); }",
    ), (0, "03040000"), SHORT),
    ("literal overflow", small(
        ig="apply { h.h.a = 300; h.h.b = 8w256 + 8w2; bit<4> z = 17; h.h.w = (bit<16>)z; int<4> s = 9; }",
    ), (0, "2c020001"), SHORT),
    ("neg to unsigned", small(ig="apply { h.h.a = -1; h.h.b = 8w0 - 8w1; h.h.w = -16w2; }"), (0, "fffffffe"), SHORT),
    ("meta tuple", full(
        ig="m[0] = m[0] + 1; h.h.a = m[0];",
        edits=[("struct M {  }", "typedef tuple<bit<8>, bit<16>> M;")],
    ), (0, "0102030400050006"), IN),
    ("meta empty struct", full(ig="M q; h.h.a = 3;"), (0, "0302030400050006"), IN),
    ("uninit local", full(
        ig="bit<8> z; h_t q; h.h.a = z; bit<8> y = q.a; h.h.b = 3; bool f; if (f) { h.h.c = 1; } ",
    ), (0, "0003030400050006"), IN),
    ("uninit out", full(
        top="void f(out bit<8> z) { } bit<8> g(out bit<8> z) { return z; }",
        ig="f(h.h.a); h.h.c = g(h.h.b);",
    ), (0, "0000000400050006"), IN),
    ("shift var huge", full(
        ig="h.h.w = (bit<16>)((bit<128>)1 << (bit<64>)0xffffffffffff); h.h.x = h.h.x << (bit<64>)h.h.a;",
    ), (0, "010203040000000c"), IN),
    ("bool fields", full(
        meta="bool f; bool g;",
        ig=(
        "m.f = h.h.a == 1; m.g = !m.f || h.h.b > 1; if (m.f && m.g) h.h.a = 9; h.h.b = "
        "(bit<8>)(bit<1>)(m.f == m.g); bool q = m.f ? m.g : false; m.f = q;"),
    ), (0, "0901030400050006"), IN),
    ("bit<0>?", full(ig="h.h.a = h.h.a ++ 8w0 == 16w0x100 ? 8w7 : 8w8;"), (0, "0702030400050006"), IN),
    ("int literals", full(
        ig="h.h.a = 0b1010; h.h.b = 0o17; h.h.c = 8w0x_f_f; h.h.w = 1_000; h.h.x = (bit<16>)(-16s5);",
    ), (0, "0a0fff0403e8fffb"), IN),
    ("trailing commas", full(
        top="enum En { A, B, } error { Aa, Bb, } struct pp { bit<8> a; bit<8> b; }",
        ig="pp q = { 1, 2, }; pp r = { a = 3, b = 4, }; h.h.a = q.b; h.h.b = r.b;",
    ), (0, "0204030400050006"), IN),
    ("concat lvalue", full(
        ig=(
        "h.h.w[7:0] = h.h.a ++ 4w0 == 12w0x010 ? 8w9 : 8w1; h.h.x[15:8] = 8w3; h.h.a[7:7] = 1; "
        "h.h.a[0:0] = (bit<1>)(h.h.b == 2);"),
    ), (0, "8102030400090306"), IN),
    ("signed stuff", full(
        ig=(
        "int<8> a = (int<8>)h.h.a; int<8> c = -a; h.h.b = (bit<8>)(c >> 1); h.h.c = (bit<8>)(c < 0 ? 8s1 "
        ": 8s2); h.h.w = (bit<16>)(int<16>)c; int<16> p = (int<16>)a * -3; h.h.x = (bit<16>)p; h.h.d = "
        "(bit<8>)(-8s128);"),
    ), (0, "01ff0180fffffffd"), IN),
    ("saturating", full(
        ig=(
        "h.h.a = h.h.a |-| 5; h.h.b = 250 |+| h.h.d |+| 3; h.h.w = h.h.w |+| 0xfffe; int<8> q = "
        "(int<8>)h.h.c; q = q |-| 127 |-| 100; h.h.c = (bit<8>)q; h.h.d |+|= 255;"),
    ), (0, "00ff80ffffff0006"), IN),
    ("list of tuple types", full(
        top="tuple<bit<8>, bool> mk(in bit<8> a) { return { a, a == 1 }; }",
        ig="tuple<bit<8>, bool> t = mk(h.h.a); if (t[1]) h.h.b = t[0] + 7; tuple<> e = {}; ",
    ), (0, "0108030400050006"), IN),
    ("bit reuse", full(
        ig=(
        "bit<128> q = 128w0x123456789abcdef0123456789abcdef0; h.h.w = q[127:112]; q[15:0] = h.h.x; h.h.x "
        "= q[15:0] ^ q[31:16]; bit<33> z = 33w1 << 32; h.h.a = (bit<8>)z[32:32];"),
    ), (0, "0102030412349aba"), IN),
    ("many ternaries", full(
        ig="h.h.a = h.h.a == 0 ? 8w1 : h.h.b == 2 ? 8w3 : 8w4; h.h.b = (h.h.c > 2 ? h.h.c : 2) + 1;",
    ), (0, "0304030400050006"), IN),
    ("cast negative", full(
        ig=(
        "h.h.w = (bit<16>)-1; h.h.a = (bit<8>)-8s1; h.h.b = (bit<8>)~8w0; h.h.c = -1; h.h.d = "
        "(bit<8>)(int<8>)-128;"),
    ), (0, "ffffff80ffff0006"), IN),
    ("big literals", full(
        ig=(
        "bit<256> z = 256w0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff; h.h.w = "
        "z[200:185]; z = z + 1; h.h.x = z[15:0]; bit<64> q = 64w18446744073709551615; h.h.a = q[63:56];"),
    ), (0, "ff020304ffff0000"), IN),
    ("enum no rep equality/assign", full(
        top="enum C3 { R, G, B }",
        meta="C3 c; bit<8> z;",
        ig=(
        "if (m.c == C3.R) h.h.a = 9; m.c = C3.B; C3 d = m.c; if (d != C3.G) h.h.b = 9; m.c = d == C3.B ? "
        "C3.G : C3.R; if (m.c == C3.G) h.h.c = 9;"),
        locs=(
        "action z() { h.h.d = 9; } table t { key = { m.c : exact; } actions = { z; } const entries = { "
        "C3.R : z(); } }"),
    ), (0, "0909090400050006"), IN),
    ("error type var", full(
        meta="error e;",
        parser=(
        "state start { b.extract(h.h); m.e = error.NoMatch; error z = m.e; transition select(z) { "
        "error.NoMatch: s; default: accept; } } state s { h.h.a = 7; transition accept; }"),
        ig="if (m.e != error.NoError) h.h.b = 7;",
    ), (0, "0707030400050006"), IN),
    ("if-else chain w/ applies", full(
        locs=(
        "action a() { h.h.a = 7; } table t1 { actions = { a; } default_action = a; } table t2 { actions "
        "= { a; } default_action = a; }"),
        ig="if (h.h.b == 1) { t1.apply(); } else if (h.h.b == 2) { t2.apply(); } else { h.h.a = 0; } h.h.c = h.h.a;",
    ), (0, "0702070400050006"), IN),
    ("saturating assignment", full(
        ig="h.h.a |+|= 255; h.h.b |-|= 9; h.h.w <<= 4; h.h.x ^= 0xf; h.h.c %= 2; h.h.d /= 2;",
    ), (0, "ff00010200500009"), IN),
    ("deep nested init", full(
        top="struct i1 { bit<8> a; } struct i2 { i1 x; i1 y; h_t hh; }",
        ig=(
        "i2 z = { { 1 }, { a = 2 }, { 1,2,3,4,5,6 } }; i2 y = { x = z.y, y = z.x, hh = z.hh }; h.h.a = "
        "y.x.a; h.h.b = y.hh.b; y.hh = {#}; if (!y.hh.isValid()) h.h.c = 8;"),
    ), (0, "0202080400050006"), IN),
    ("default init ...", full(
        top="struct i1 { bit<8> a; bit<8> b; h_t q; } ",
        ig="i1 z = { a = 4, ... }; i1 y = ...; i1 x = { 3, ... }; h.h.a = z.a + z.b + y.a + x.a + x.b;",
    ), (0, "0702030400050006"), IN),
    ("list types", full(
        top="control LC(inout bit<8> x)(list<tuple<bit<8>, bit<8>>> l) { apply { x = 1; } }",
        locs="LC({ {1,2}, {3,4} }) c;",
        ig="c.apply(h.h.a);",
    ), (0, "0102030400050006"), IN),
    ("cmp bool lit", full(
        ig=(
        "if (true) { h.h.a = 2; } if (false) { h.h.b = 9; } if (h.h.isValid() == true) { h.h.c = 9; } if "
        "(true == (h.h.d == 4)) h.h.d = 1;"),
    ), (0, "0202090100050006"), IN),
    ("slice of slice lval; bool slices", full(
        ig="h.h.w[11:4][3:0] = 4w0xa; h.h.a[3:0] = h.h.b[3:0] == 4w2 ? 4w5 : 4w6;",
    ), (0, "0502030400a50006"), IN),
    ("id list etc", full(
        meta="bit<8> list; bit<8> size; bit<8> next; bit<8> last; bit<8> apply; bit<8> hit;",
        ig=(
        "m.list = 3; m.size = m.list; m.next = 1; m.last = m.next; m.apply = 4; m.hit = m.apply; bit<8> "
        "list = m.hit; h.h.a = list; bit<8> optional = 3; bit<8> exact = optional; h.h.b = exact; bit<8> "
        "pragma = 1; bit<8> match_kind_ = pragma;"),
    ), (0, "0403030400050006"), IN),
    ("bit alone", full(
        meta="bit f; bit<1> g;",
        ig="m.f = 1; m.g = m.f; h.h.a = 7w0 ++ m.g;",
    ), (0, "0102030400050006"), IN),
    ("int alone type param", full(
        top="bit<8> f<T>(in T x) { return 3; }",
        ig="h.h.a = f<bit<4>>(3); h.h.b = f(16w3);",
    ), (0, "0303030400050006"), IN),
    ("parens lvalue-ish & stmts", full(ig="if ((h.h.a) == (1)) { h.h.b = 3; } "), (0, "0103030400050006"), IN),
    ("nested ternary struct fields", full(
        top="struct s1 { bit<8> a; bit<8> b; }",
        ig="s1 x = { 1, 2 }; s1 y = { 3, 4 }; h.h.a = (h.h.b == 2 ? x : y).b; x = h.h.b == 3 ? x : y; h.h.b = x.a;",
    ), (0, "0203030400050006"), IN),
    ("struct w/ bool and enum eq", full(
        top="enum ce { A, B } struct s1 { bool f; ce c; error e; }",
        ig=(
        "s1 x = { true, ce.B, error.NoError }; s1 y; y.f = true; y.c = ce.B; y.e = error.NoError; if (x "
        "== y) h.h.a = 9;"),
    ), (0, "0902030400050006"), IN),
    ("if w/o braces and nested", full(
        ig="if (h.h.a == 1) if (h.h.b == 3) h.h.c = 1; else h.h.c = 2; else h.h.c = 3;",
    ), (0, "0102020400050006"), IN),
    ("wide arithmetic", full(
        top="header x_t { bit<512> v; }",
        hdrs="x_t x;",
        parser="state start { b.extract(h.x); transition accept; }",
        ig="h.x.v = h.x.v * 3 + (h.x.v >> 500); h.x.v[511:504] = h.x.v[7:0];",
        dep="b.emit(h);",
    ), (0, "03" + "00" * 62 + "03"), "" + "00" * 63 + "01"),
    ("tuple swap nested", full(
        ig="tuple<bit<8>, bit<8>> t = { h.h.a, h.h.b }; h.h.a = t[1]; h.h.b = t[0];",
    ), (0, "0201030400050006"), IN),
    ("xor swap", full(
        ig="h.h.a = h.h.a ^ h.h.b; h.h.b = h.h.a ^ h.h.b; h.h.a = h.h.a ^ h.h.b;",
    ), (0, "0201030400050006"), IN),
    ("ops on varied", full(
        ig=(
        "h.h.w = (bit<16>)(h.h.a ++ h.h.b) & 0x0ff0 | 0xf; h.h.x = h.h.x & ~h.h.x; h.h.a = -h.h.a; h.h.b "
        "= ~h.h.b & 0xf; h.h.c = +h.h.c; h.h.d = h.h.d & 6 == 4 ? 8w1 : 8w2;"),
    ), (0, "ff0d0301010f0000"), IN),
    ("meta through egress", full(
        meta="bit<8> k; error e;",
        ig="m.k = h.h.b; m.e = sm.parser_error;",
        eg="h.h.a = m.k; if (m.e == error.NoError) h.h.c = 9; h.h.d = (bit<8>)sm.egress_port;",
    ), (0, "0202090000050006"), IN),
    ("slice assign with rhs effect on same", full(
        top="bit<4> g(inout bit<8> x) { x = 0xff; return 2; }",
        ig="h.h.a[3:0] = g(h.h.a);",
    ), (0, "f202030400050006"), IN),
    ("int literal slice", small(
        ig="apply { h.h.a[3:0] = (0xab)[7:4]; h.h.b = 0xabcd[11:4]; }",
    ), (0, "0abc0304"), SHORT),
    ("mask prec", small(
        parser=(
        "state start { b.extract(h.h); transition select(h.h.w) { 0x0300 &&& 0xff << 8: m; default: "
        "accept; } } state m { h.h.a = 9; transition accept; }"),
    ), (0, "09020304"), SHORT),
    ("struct param by fields", small(
        ig="apply { s_t s; s.a = 1; upd(s, h.h.a); upd(x = s, y = h.h.b); h.h.w = (bit<16>)s.a; }",
        top=(
        "struct s_t { bit<8> a; bit<8> b; } void upd(inout s_t x, out bit<8> y) { x.a = x.a + 1; y = "
        "x.a; x.b = y; }"),
    ), (0, "02030003"), SHORT),
    ("if f()", small(
        ig="apply { if (f(h.h.a)) { h.h.b = 4; } else if (f(h.h.a)) { h.h.b = 5; } }",
        top="bool f(inout bit<8> x) { x = x + 1; return x == 3; }",
    ), (0, "03050304"), SHORT),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_values(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
