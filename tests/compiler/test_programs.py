# ruff: noqa: C408
"""One small program for each form the language allows; what leaves is worked out by hand from the specification.

The parts go into a program around the header h (a b c d of 8 bits, w and x of 16); in comes 01 02 03 04 0005 0006.
`edits` replaces text of the whole program. A row: name, parts, what leaves as (port, hex) or None, the packet.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.compiler.emit_entries import emit_entries

from .harness import compile_text, run

IN = "0102030400050006"
START = "state start { b.extract(h.h); transition accept; }"


def full(*, top: str = "", parser: str = START, ig: str = "", dep: str = "b.emit(h);", hdrs: str = "h_t h; g_t g;",
         meta: str = "", locs: str = "", ver: str = "", upd: str = "", eg: str = "", prefix: str = "",
         edits: list[tuple[str, str]] | None = None) -> str:
    text = f"""
#include <core.p4>
#include <v1model.p4>
header h_t {{ bit<8> a; bit<8> b; bit<8> c; bit<8> d; bit<16> w; bit<16> x; }}
header g_t {{ bit<8> v; }}
{top}
struct H {{ {hdrs} }}
struct M {{ {meta} }}
parser P(packet_in b, out H h, inout M m, inout standard_metadata_t sm) {{ {parser} }}
control V(inout H h, inout M m) {{ apply {{ {ver} }} }}
control I(inout H h, inout M m, inout standard_metadata_t sm) {{ {locs} apply {{ {ig} }} }}
control E(inout H h, inout M m, inout standard_metadata_t sm) {{ apply {{ {eg} }} }}
control U(inout H h, inout M m) {{ apply {{ {upd} }} }}
control Dd(packet_out b, in H h) {{ apply {{ {dep} }} }}
V1Switch(P(), V(), I(), E(), U(), Dd()) main;
"""
    for old, new in edits or []:
        assert old in text
        text = text.replace(old, new)
    return prefix + text


Row = tuple[str, dict[str, Any], tuple[int, str] | None, str]
ROWS: list[Row] = [
    ("cond emit", dict(
        dep="if (h.h.a == 1) { b.emit(h.h); } else { b.emit(h.g); }",
        ig="h.g.setValid(); h.g.v = 7;",
    ), (0, "0102030400050006"), IN),
    ("cond emit2", dict(
        dep="if (h.h.a == 2) { b.emit(h.h); } else { b.emit(h.g); }",
        ig="h.g.setValid(); h.g.v = 7;",
    ), (0, "07"), IN),
    ("emit list", dict(
        dep="b.emit({h.g, h.h}); b.emit(h.g);",
        ig="h.g.setValid(); h.g.v = 7;",
    ), (0, "07010203040005000607"), IN),
    ("emit in subcontrol", dict(
        top="control Sd(packet_out b, in g_t g) { apply { b.emit(g); } }",
        dep="Sd.apply(b, h.g); b.emit(h.h);",
        ig="h.g.setValid(); h.g.v = 7;",
    ), (0, "070102030400050006"), IN),
    ("header with struct", dict(
        top="struct in2 { bit<8> a; bit<16> b; } header k_t { in2 i; bool f; bit<7> r; }",
        hdrs="k_t k; h_t h;",
        parser="state start { b.extract(h.k); b.extract(h.h); transition accept; }",
        dep="b.emit(h);",
        ig=(
            "in2 q = h.k.i; q.a = q.a + 1; h.k.i = q; h.k.f = !h.k.f; h.h = {1,2,3,4,5,6}; if (h.k.i "
            "== {2, 0x203}) { h.h.d = 0x99; }"),
    ), (0, "020203840102039900050006"), "010203040102030400050006"),
    ("empty header", dict(
        top="header e_t { }",
        hdrs="e_t e; h_t h; g_t g;",
        ig="h.e.setValid(); if (h.e.isValid()) { h.h.a = 9; }",
        dep="b.emit(h);",
    ), (0, "0902030400050006"), IN),
    ("nested header struct", dict(
        top="struct HH { h_t h; g_t[2] s; }",
        hdrs="HH n; g_t g;",
        parser="state start { b.extract(h.n.h); b.extract(h.n.s.next); transition accept; }",
        ig="h.n.s[1].setValid(); h.n.s[1].v = h.n.h.b; HH k = h.n; k.h.a = 8; h.n = k;",
    ), (0, "0802030400050006aa02"), "0102030400050006aa"),
    ("meta header", dict(
        meta="h_t h; bit<8> z; g_t[2] s;",
        parser="state start { b.extract(m.h); h.h.setValid(); h.h = m.h; transition accept; }",
        ig="h.h.a = m.h.b; m.s[1].setValid(); m.s[1].v = 3; h.h.d = m.s[1].v;",
    ), (0, "0202030300050006"), IN),
    ("headers not struct", dict(
        edits=[("struct H { h_t h; g_t g; }", "header H { bit<8> a; bit<56> w; }"),
               ("b.extract(h.h)", "b.extract(h)")],
    ), (0, "0102030400050006"), IN),
    ("meta scalar typedef", dict(
        ig="m = m + 1; h.h.a = m;",
        edits=[("struct M {  }", "typedef bit<8> M;")],
    ), (0, "0102030400050006"), IN),
    ("meta tuple", dict(
        ig="m[0] = m[0] + 1; h.h.a = m[0];",
        edits=[("struct M {  }", "typedef tuple<bit<8>, bit<16>> M;")],
    ), (0, "0102030400050006"), IN),
    ("meta empty struct", dict(
        ig="M q; h.h.a = 3;",
    ), (0, "0302030400050006"), IN),
    ("enum in header", dict(
        top="enum bit<8> En { A = 1, B = 5 } header q_t { En e; bit<8> z; }",
        hdrs="q_t q; h_t h;",
        parser=(
            "state start { b.extract(h.q); transition select(h.q.e) { En.A: one; En.B: two; default: "
            "accept; } } state one { h.h.setValid(); transition accept; } state two { transition "
            "accept; }"),
        ig="if (h.q.e == En.A) { h.q.z = 9; h.q.e = En.B; } else if (h.q.e > 3) { h.q.z = 1; }",
        dep="b.emit(h.q);",
    ), (0, "0509030400050006"), IN),
    ("varbit", dict(
        top="header v_t { bit<8> n; varbit<64> o; }",
        hdrs="v_t v; v_t w; h_t h;",
        parser="state start { b.extract(h.v, (bit<32>)((bit<8>)b.lookahead<bit<8>>() * 8)); transition accept; }",
        ig=(
            "h.w = h.v; h.w.n = 7; varbit<64> t; t = h.v.o; h.v.o = t; if (h.w == h.v) { h.v.n = 1; "
            "} h.w.n = h.v.n; if (h.w == h.v) { h.w.n = 0x77; }"),
        dep="b.emit(h.v); b.emit(h.w);",
    ), (0, "03aabbcc77aabbccee"), "03aabbccee"),
    ("table in function-like action arg", dict(
        locs=(
            "action a(bit<8> v) { h.h.a = v; } action a2() {} table t { key = { h.h.b : exact; } "
            "actions = { a; NoAction; } const entries = { 2 : a(0x22); } const default_action = "
            "NoAction(); size = 4; } table t2 { actions = { a2; NoAction; } default_action = a2(); }"),
        ig=(
            "if (t.apply().hit && h.h.a == 0x22) { h.h.c = 1; } switch (t2.apply().action_run) { a2: "
            "{ h.h.d = 0x44; } default: { h.h.d = 0x55; } }"),
    ), (0, "2202014400050006"), IN),
    ("nested switch with apply", dict(
        locs=(
            "action a() { h.h.a = 9; } action c() { h.h.c = 8; } table t { key = { h.h.b : exact; } "
            "actions = { a; c; @defaultonly NoAction; } const entries = { 2 : a(); } } table u { key "
            '= { h.h.a : exact @name("q"); } actions = { a; c; } const entries = { 9 : c(); } '
            "default_action = a(); }"),
        ig=(
            "switch (t.apply().action_run) { a: { switch (u.apply().action_run) { c: { h.h.d = 0x44; "
            "return; } a: { h.h.d = 0x55; } } } c: NoAction: { h.h.d = 0x66; } } h.h.x = 1;"),
    ), (0, "0902084400050006"), IN),
    ("exit in nested", dict(
        locs="action ex(inout bit<8> q, in bit<8> r) { q = r; if (r == 2) { exit; } q = 0; } ",
        ig="ex(h.h.a, h.h.c); ex(h.h.b, h.h.b); h.h.d = 9;",
    ), (0, "0002030400050006"), IN),
    ("uninit local", dict(
        ig="bit<8> z; h_t q; h.h.a = z; bit<8> y = q.a; h.h.b = 3; bool f; if (f) { h.h.c = 1; } ",
    ), (0, "0003030400050006"), IN),
    ("uninit out", dict(
        top="void f(out bit<8> z) { } bit<8> g(out bit<8> z) { return z; }",
        ig="f(h.h.a); h.h.c = g(h.h.b);",
    ), (0, "0000000400050006"), IN),
    ("write invalid then valid", dict(
        ig="h.g.v = 5; h.g.setValid(); h.h.a = h.g.v;",
        dep="b.emit(h.h);",
    ), (0, "0002030400050006"), IN),
    ("shift large", dict(
        ig=(
            "h.h.a = h.h.b << 200; h.h.b = h.h.b >> 8w255; h.h.w = 16w1 << h.h.c; h.h.x = "
            "(bit<16>)((int<16>)0x8000 >> 20);"),
    ), (0, "000003040008ffff"), IN),
    ("shift var huge", dict(
        ig="h.h.w = (bit<16>)((bit<128>)1 << (bit<64>)0xffffffffffff); h.h.x = h.h.x << (bit<64>)h.h.a;",
    ), (0, "010203040000000c"), IN),
    ("div const", dict(
        top="const bit<16> N = 100; const int K = 7 / 2;",
        ig="h.h.w = N / 7 + K; h.h.x = N % 7; h.h.a = h.h.a / 1; h.h.b = h.h.b % 1;",
    ), (0, "0100030400110002"), IN),
    ("bool fields", dict(
        meta="bool f; bool g;",
        ig=(
            "m.f = h.h.a == 1; m.g = !m.f || h.h.b > 1; if (m.f && m.g) h.h.a = 9; h.h.b = "
            "(bit<8>)(bit<1>)(m.f == m.g); bool q = m.f ? m.g : false; m.f = q;"),
    ), (0, "0901030400050006"), IN),
    ("const tuple", dict(
        top=(
            "const tuple<bit<8>, bit<8>> T = { 3, 4 }; struct cs { bit<8> a; bit<16> b; } const cs C "
            "= { 5, 6 }; const cs C2 = { a = 7, b = 8 };"),
        ig="h.h.a = T[1]; h.h.w = C.b; h.h.b = C2.a; cs l = C; l.a = l.a + 1; h.h.c = l.a;",
    ), (0, "0407060400060006"), IN),
    ("list const loop", dict(
        ig=(
            "for (bit<8> i in { 1, 2, 3 }) { h.h.a = h.h.a + i; } for (bit<8> j in 8w1 .. 8w4) { if "
            "(j == 3) { continue; } h.h.b = h.h.b + j; } for (bit<8> k = 0, bit<8> q = 5; k < 10; k "
            "= k + 1, q += 1) { if (k == 4) break; h.h.c = q; }"),
    ), (0, "0709080400050006"), IN),
    ("typedef'd header", dict(
        top="typedef g_t gg; typedef gg[2] st_t;",
        hdrs="h_t h; gg g; st_t s;",
        ig="h.s[0].setValid(); h.s[0] = { 7 };",
        dep="b.emit(h);",
    ), (0, "010203040005000607"), IN),
    ("select on lookahead and struct", dict(
        top="struct lk { bit<4> a; bit<4> b; bit<8> c; }",
        parser=(
            "state start { lk l = b.lookahead<lk>(); transition select(l.b, l.c, "
            "b.lookahead<bit<8>>()) { (1, 2, 1): go; _: accept; } } state go { b.extract(h.h); "
            "transition accept; }"),
    ), (0, "0102030400050006"), IN),
    ("verify errors", dict(
        top="error { Mine, Other }",
        parser="state start { b.extract(h.h); verify(h.h.a == 2, error.Mine); h.h.b = 9; transition accept; }",
        ig="if (sm.parser_error == error.Mine) { h.h.c = 7; }",
    ), (0, "0102070400050006"), IN),
    ("tooshort", dict(
        parser="state start { b.extract(h.h); b.extract(h.g); transition accept; }",
        ig="if (sm.parser_error == error.PacketTooShort) { h.h.c = 7; }",
    ), (0, "0102070400050006"), IN),
    ("digest", dict(
        top="struct dg { bit<8> a; bit<16> b; }",
        ig="digest<dg>(1, { h.h.a + 1, h.h.w }); digest(1, { h.h.a, h.h.b }); dg k = {1, 2}; digest(2, k);",
    ), (0, "0102030400050006"), IN),
    ("control local vars persist not", dict(
        top="control C(inout bit<8> a) { bit<8> loc = 3; apply { loc = loc + a; a = loc; } }",
        locs="C() c;",
        ig="c.apply(h.h.a); c.apply(h.h.b);",
    ), (0, "0405030400050006"), IN),
    ("nested controls instances same names", dict(
        top=(
            "control L(inout bit<8> a)(bit<8> k) { action s() { a = k; } table t { actions = { s; } "
            "default_action = s; } apply { t.apply(); } } control O(inout bit<8> a, inout bit<8> b) "
            "{ L(4) l1; L(5) l2; apply { l1.apply(a); l2.apply(b); } }"),
        locs="O() o;",
        ig="o.apply(h.h.a, h.h.b);",
    ), (0, "0405030400050006"), IN),
    ("action modifies param-bound", dict(
        locs=(
            "action a(in bit<8> x, inout bit<8> y, out bit<8> z) { y = y + x; z = y + x; } action "
            "w(bit<8> q) { bit<8> t; a(q, h.h.b, t); h.h.a = t; } table t { key = { h.h.c : exact; } "
            "actions = { w; } const entries = { 3 : w(7); } }"),
        ig="t.apply();",
    ), (0, "1009030400050006"), IN),
    ("action with dir params in table", dict(
        locs=(
            "action a(in bit<8> x, inout bit<8> y, bit<8> z) { y = y + x + z; } table t { key = { "
            "h.h.c : exact; } actions = { a(h.h.a, h.h.b); } default_action = a(h.h.a, h.h.b, 5); "
            "const entries = { 9 : a(h.h.a, h.h.b, 7); } }"),
        ig="t.apply();",
    ), (0, "0108030400050006"), IN),
    ("string annotations", dict(
        top='@name("foo.bar") @xx("a", "b") header zz_t { @name("q") bit<8> z; }',
        locs=(
            '@name(".glob") action a() { h.h.a = 1; } @name("tt") table t { key = { h.h.a : exact '
            '@name("kk"); } actions = { a; } }'),
        ig="t.apply();",
    ), (0, "0102030400050006"), IN),
    ("underscore arg", dict(
        top="void f(out bit<8> a, out bit<8> b) { a = 1; b = 2; }",
        ig="f(_, h.h.a); f(b = _, a = h.h.b);",
    ), (0, "0201030400050006"), IN),
    ("function overload", dict(
        top=(
            "bit<8> f(bit<8> a) { return a; } bit<8> f(bit<8> a, bit<8> b) { return a + b; } bit<8> "
            "f(bit<8> c = 4, bit<8> d, bit<8> e) { return c + d + e; }"),
        ig="h.h.a = f(2) + f(3, 4); h.h.b = f(d = 1, e = 2);",
    ), (0, "0907030400050006"), IN),
    ("default params", dict(
        top=(
            "bit<8> f(in bit<8> a, in bit<8> b = 5) { return a + b; } control C(inout bit<8> v, in "
            "bit<8> k = 3)(bit<8> z = 2) { apply { v = v + k + z; } }"),
        locs="C() c; C(z = 9) d;",
        ig="h.h.a = f(1); c.apply(h.h.b); d.apply(h.h.c, 1);",
    ), (0, "06070d0400050006"), IN),
    ("bit<0>?", dict(
        ig="h.h.a = h.h.a ++ 8w0 == 16w0x100 ? 8w7 : 8w8;",
    ), (0, "0702030400050006"), IN),
    ("int literals", dict(
        ig="h.h.a = 0b1010; h.h.b = 0o17; h.h.c = 8w0x_f_f; h.h.w = 1_000; h.h.x = (bit<16>)(-16s5);",
    ), (0, "0a0fff0403e8fffb"), IN),
    ("ternary with tables effects", dict(
        top="bit<8> g(inout bit<8> v) { v = v + 1; return v; }",
        ig=(
            "h.h.d = (h.h.a == 1 ? g(h.h.b) : g(h.h.c)) + (h.h.a == 2 ? g(h.h.b) : g(h.h.c)); h.h.w "
            "= (g(h.h.a) == 2 && g(h.h.a) == 4) || g(h.h.a) == 4 ? 16w1 : 16w2;"),
    ), (0, "0403040700010006"), IN),
    ("extern decl unused", dict(
        top=(
            "extern Foo { Foo(bit<8> a); void m(in bit<8> x, out bit<16> y); abstract bit<8> q(in "
            "bit<8> z); } extern void ef(in bit<8> a); extern bit<32> eg2<T>(in T a); @foo extern "
            "Bar<T> { Bar(); Bar(T x, bit<32> s); T get(); }"),
        ig="h.h.a = 2;",
    ), (0, "0202030400050006"), IN),
    ("extern inst unused", dict(
        top="extern Foo { Foo(bit<8> a); void m(in bit<8> x, out bit<16> y); }",
        locs="Foo(3) f;",
        ig="h.h.a = 2;",
    ), (0, "0202030400050006"), IN),
    ("names as ids", dict(
        locs=(
            "action key(bit<8> size) { h.h.a = size; } table entries { key = { h.h.b : exact; } "
            "actions = { key; } const entries = { 2 : key(4); } } bit<8> apply_; bit<8> type; bit<8> "
            "priority = 2; bit<8> state2;"),
        ig="type = 5; entries.apply(); h.h.b = type + priority; bit<8> actions = 3; h.h.c = actions;",
    ), (0, "0407030400050006"), IN),
    ("shadowing", dict(
        meta="bit<8> a;",
        locs="bit<8> x = 1; action a(bit<8> x) { h.h.a = x; } ",
        ig="{ bit<8> x = 3; h.h.b = x; { bit<8> x = 4; h.h.c = x; } h.h.d = x; } a(x);",
    ), (0, "0103040300050006"), IN),
    ("empty statements", dict(
        top=";",
        ig=";; h.h.a = 2; ; if (h.h.b == 2) ; else { h.h.a = 3; } {} ",
    ), (0, "0202030400050006"), IN),
    ("trailing commas", dict(
        top="enum En { A, B, } error { Aa, Bb, } struct pp { bit<8> a; bit<8> b; }",
        ig="pp q = { 1, 2, }; pp r = { a = 3, b = 4, }; h.h.a = q.b; h.h.b = r.b;",
    ), (0, "0204030400050006"), IN),
    ("const expr table size, key annots", dict(
        top="const int SZ = 1 << 4; \n#define X 3\n",
        locs=(
            'action n(@name("zz") @optional bit<8> a) { } table t { key = { h.h.a : exact '
            '@name("a.b") @foo; h.h.b + 1 : ternary @name("e"); h.h.c[3:0] : lpm @name("l"); '
            'h.g.isValid() : exact; h.h.w & 0xff : ternary @name("m"); } actions = { n; NoAction; } '
            "size = SZ * 2; default_action = NoAction; }"),
        ig="t.apply();",
    ), (0, "0102030400050006"), IN),
    ("select no default", dict(
        parser=(
            "state start { b.extract(h.h); transition select(h.h.a) { 7: x; } } state x { transition "
            "accept; }"),
        ig="if (sm.parser_error == error.NoMatch) h.h.b = 9; else h.h.b = 8;",
    ), (0, "0108030400050006"), IN),
    ("reject explicit", dict(
        parser="state start { b.extract(h.h); transition select(h.h.a) { 1: reject; default: accept; } }",
        ig="h.h.b = 8;",
    ), (0, "0108030400050006"), IN),
    ("state without transition", dict(
        parser="state start { b.extract(h.h); }",
        ig="h.h.b = 8;",
    ), (0, "0108030400050006"), IN),
    ("concat lvalue", dict(
        ig=(
            "h.h.w[7:0] = h.h.a ++ 4w0 == 12w0x010 ? 8w9 : 8w1; h.h.x[15:8] = 8w3; h.h.a[7:7] = 1; "
            "h.h.a[0:0] = (bit<1>)(h.h.b == 2);"),
    ), (0, "8102030400090306"), IN),
    ("signed stuff", dict(
        ig=(
            "int<8> a = (int<8>)h.h.a; int<8> c = -a; h.h.b = (bit<8>)(c >> 1); h.h.c = (bit<8>)(c < "
            "0 ? 8s1 : 8s2); h.h.w = (bit<16>)(int<16>)c; int<16> p = (int<16>)a * -3; h.h.x = "
            "(bit<16>)p; h.h.d = (bit<8>)(-8s128);"),
    ), (0, "01ff0180fffffffd"), IN),
    ("saturating", dict(
        ig=(
            "h.h.a = h.h.a |-| 5; h.h.b = 250 |+| h.h.d |+| 3; h.h.w = h.h.w |+| 0xfffe; int<8> q = "
            "(int<8>)h.h.c; q = q |-| 127 |-| 100; h.h.c = (bit<8>)q; h.h.d |+|= 255;"),
    ), (0, "00ff80ffffff0006"), IN),
    ("int<W> const compare", dict(
        top="const int<8> K = -5;",
        ig="if ((int<8>)h.h.a > K) h.h.a = 9; if (K == -5) h.h.b = 9; bit<8> u = (bit<8>)K; h.h.c = u;",
    ), (0, "0909fb0400050006"), IN),
    ("stack runtime index", dict(
        hdrs="h_t h; g_t[4] s;",
        parser=(
            "state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); "
            "b.extract(h.s.next); transition accept; }"),
        locs="action sw(inout bit<8> q) { q = q + 1; } bit<8> i;",
        ig=(
            "i = h.h.a; h.s[i].v = h.s[i+1].v; sw(h.s[h.h.b].v); h.s[3].setValid(); h.s[h.h.c].v = "
            "0x44; h.s[i-1] = h.s[h.h.c]; if (h.s[h.h.c].isValid()) { h.h.d = 7; } "
            "h.s[i].setInvalid();"),
        dep="b.emit(h);",
    ), (0, "0102030700050006444444"), "0102030400050006414243"),
    ("header stack last outside", dict(
        hdrs="h_t h; g_t[2] s;",
        parser=(
            "state start { b.extract(h.h); b.extract(h.s.next); transition more; } state more { "
            "transition select(h.s.last.v) { 0x41: again; default: accept; } } state again { "
            "b.extract(h.s.next); h.h.a = (bit<8>)h.s.lastIndex; h.h.b = h.s.last.v; h.s.last.v = "
            "0x99; transition accept; }"),
        ig="h.h.c = (bit<8>)h.s.size;",
        dep="b.emit(h);",
    ), (0, "01420204000500064199"), "01020304000500064142"),
    ("union", dict(
        top="header a_t { bit<8> p; } header b_t { bit<16> q; } header_union un { a_t a; b_t b; }",
        hdrs="h_t h; un u; un[2] us;",
        parser=(
            "state start { b.extract(h.h); transition select(h.h.a) { 1: pa; default: pb; } } state "
            "pa { b.extract(h.u.a); b.extract(h.us.next.b); b.extract(h.us.next.a); transition "
            "accept; } state pb { b.extract(h.u.b); transition accept; }"),
        ig=(
            "if (h.u.a.isValid()) { bit<8> t = h.u.a.p; h.u.b.setValid(); h.u.b.q = t ++ t; } if "
            "(h.us[1].isValid()) { h.us[1].a.setInvalid(); } if (!h.us[1].isValid()) h.h.b = 9; un "
            "loc = h.us[0]; h.us[1] = loc; h.us[0].b.q = 0x5555;"),
        dep="b.emit(h);",
    ), (0, "0109030400050006414155554243"), "010203040005000641424344"),
    ("union eq", dict(
        top="header a_t { bit<8> p; } header b_t { bit<16> q; } header_union un { a_t a; b_t b; }",
        hdrs="h_t h; un u; un v;",
        ig=(
            "if (h.u == h.v) h.h.a = 9; h.u.a.setValid(); h.u.a.p = 3; if (h.u == h.v) h.h.b = 9; "
            "h.v.a = h.u.a; if (h.u == h.v) h.h.c = 9; h.v = h.u; h.u.a = {4}; h.u = {#};"),
        dep="b.emit(h);",
    ), (0, "090209040005000603"), IN),
    ("struct of headers copy", dict(
        top="struct PP { h_t h; g_t g; }",
        hdrs="PP p; PP q;",
        parser="state start { b.extract(h.p.h); transition accept; }",
        ig=(
            "h.q = h.p; h.q.h.a = 9; if (h.q == h.p) h.q.h.b = 9; PP r = { h.p.h, {#} }; h.p = { { "
            "1,2,3,4,5,6 }, { 8 } }; if (r.g.isValid()) h.q.h.c = 9;"),
        dep="b.emit(h.p); b.emit(h.q);",
    ), (0, "0102030400050006080902030400050006"), IN),
    ("list of tuple types", dict(
        top="tuple<bit<8>, bool> mk(in bit<8> a) { return { a, a == 1 }; }",
        ig="tuple<bit<8>, bool> t = mk(h.h.a); if (t[1]) h.h.b = t[0] + 7; tuple<> e = {}; ",
    ), (0, "0108030400050006"), IN),
    ("generic struct", dict(
        top=(
            "struct G2<T, U> { T a; U b; } header GH<T> { T v; } struct S2 { G2<bit<8>, bit<16>> g; "
            "} G2<bit<8>, bit<16>> mk<T>(in T z) { return { 3, 4 }; }"),
        hdrs="h_t h; GH<bit<8>> gh;",
        ig=(
            "G2<bit<8>, G2<bit<16>, bool>> q = { 1, { 2, true } }; h.h.w = q.b.a; G2<bit<8>, "
            "bit<16>> r = mk<bit<4>>(2); h.h.a = r.a; h.gh.setValid(); h.gh.v = 8; "),
        dep="b.emit(h);",
    ), (0, "030203040002000608"), IN),
    ("if apply hit nested else", dict(
        locs=(
            "action a() { h.h.a = 9; } table t { key = { h.h.b : exact; } actions = { a; } const "
            "entries = { 2 : a(); } } table u { key = { h.h.b : exact; } actions = { a; } }"),
        ig="if (!t.apply().hit) { h.h.c = 1; } else if (u.apply().miss) { h.h.c = 2; } bool q = false; ",
    ), (0, "0902020400050006"), IN),
    ("apply().hit into bool var", dict(
        locs=(
            "action a() { h.h.a = 9; } table t { key = { h.h.b : exact; } actions = { a; } const "
            "entries = { 2 : a(); } }"),
        ig="bool q = t.apply().hit; if (q) h.h.c = 2; ",
    ), (0, "0902020400050006"), IN),
    ("exit in sub then", dict(
        top=(
            "control C(inout h_t q, inout bit<8> z) { apply { q.a = 7; z = z + q.a; if (z > 3) { "
            "exit; } q.b = 8; } }"),
        ig="C.apply(h.h, h.h.d); h.h.c = 9;",
        eg="h.h.x = 0xff;",
    ), (0, "0702030b000500ff"), IN),
    ("return in apply", dict(
        ig="if (h.h.a == 1) { h.h.a = 2; return; } h.h.a = 3;",
    ), (0, "0202030400050006"), IN),
    ("assign to slice in action", dict(
        locs="action a(inout bit<3> q) { q = 5; } ",
        ig="a(h.h.a[5:3]); a(h.h.w[15:13]);",
    ), (0, "29020304a0050006"), IN),
    ("bit reuse", dict(
        ig=(
            "bit<128> q = 128w0x123456789abcdef0123456789abcdef0; h.h.w = q[127:112]; q[15:0] = "
            "h.h.x; h.h.x = q[15:0] ^ q[31:16]; bit<33> z = 33w1 << 32; h.h.a = (bit<8>)z[32:32];"),
    ), (0, "0102030412349aba"), IN),
    ("many ternaries", dict(
        ig="h.h.a = h.h.a == 0 ? 8w1 : h.h.b == 2 ? 8w3 : 8w4; h.h.b = (h.h.c > 2 ? h.h.c : 2) + 1;",
    ), (0, "0304030400050006"), IN),
    ("meter,counter,register types", dict(
        top="typedef bit<4> ix;",
        locs=(
            "register<bit<8>>(10) r; register<bool>(2) rb; register<int<8>>(3) ri; counter(5, "
            "CounterType.packets) c; meter(3, MeterType.bytes) m2; direct_counter(CounterType.bytes) "
            "dc; direct_meter<bit<8>>(MeterType.packets) dm; action a() { dc.count(); "
            "dm.read(h.h.d); } table t { key = { h.h.a: exact; } actions = { a; } counters = dc; "
            "meters = dm; }"),
        ig=(
            "r.write(3, h.h.a + 4); bit<8> v; r.read(v, (bit<32>)h.h.c); h.h.b = v; c.count(2); "
            "m2.execute_meter(1, h.h.c); t.apply(); bool f; rb.write(1, true); rb.read(f, 1); if (f) "
            "h.h.x = 1; int<8> s; ri.write(0, -3); ri.read(s, 0); if (s < 0) h.h.w = 2; "),
    ), (0, "0105000400020001"), IN),
    ("V1MODEL 2020", dict(
        locs=(
            "register<bit<8>, bit<4>>(10) r; counter<bit<3>>(5, CounterType.packets_and_bytes) c; "
            "meter<PortId_t>(3, MeterType.bytes) m2; PortId_t p = 1;"),
        ig="r.write(3, 7); r.read(h.h.a, 3); c.count(1); m2.execute_meter<bit<8>>(p, h.h.b);",
        prefix="#define V1MODEL_VERSION 20200408\n",
    ), (0, "0700030400050006"), IN),
    ("parser var and loops", dict(
        parser=(
            "bit<8> cnt = 0; state start { cnt = cnt + 1; transition select(cnt) { 1 .. 3: start; "
            "default: fin; } } state fin { b.extract(h.h); h.h.a = cnt; transition accept; }"),
    ), (0, "0402030400050006"), IN),
    ("advance", dict(
        parser=(
            "state start { b.advance(16); b.advance((bit<32>)b.lookahead<bit<8>>() * 0); "
            "b.extract<g_t>(_); b.extract(h.h); transition accept; }"),
    ), (0, "0102030400050006"), "ffffee0102030400050006"),
    ("parser if/ternary/function", dict(
        top="bit<8> inc(in bit<8> x) { if (x == 1) { return 5; } return x + 1; }",
        parser=(
            "state start { b.extract(h.h); bit<8> q = h.h.b; if (h.h.a == 1) { q = inc(h.h.a); } "
            "else { q = 3; } h.h.c = h.h.a == 1 ? inc(q) : 2; transition accept; }"),
    ), (0, "0102060400050006"), IN),
    ("NoAction redefined", dict(
        locs=(
            "action NoAction() { h.h.a = 5; } table t { key = { h.h.b: exact; } actions = { "
            "NoAction; } default_action = NoAction; }"),
        ig="t.apply();",
    ), (0, "0502030400050006"), IN),
    ("NoAction redefined default", dict(
        locs=(
            "action NoAction() { h.h.a = 5; } action z() {} table t { key = { h.h.b: exact; } "
            "actions = { z; } }"),
        ig="t.apply();",
    ), (0, "0102030400050006"), IN),
    ("empty keys/actions", dict(
        locs=(
            "action z() { h.h.a = 2; } table t { key = { } actions = { z; } const default_action = "
            "z(); } table e { actions = { } }"),
        ig="t.apply(); e.apply();",
    ), (0, "0202030400050006"), IN),
    ("cast negative", dict(
        ig=(
            "h.h.w = (bit<16>)-1; h.h.a = (bit<8>)-8s1; h.h.b = (bit<8>)~8w0; h.h.c = -1; h.h.d = "
            "(bit<8>)(int<8>)-128;"),
    ), (0, "ffffff80ffff0006"), IN),
    ("const expr widths", dict(
        top="const bit<32> W = 8; typedef bit<(W * 2)> w_t; typedef bit<W> w2; \n#define ZZ 4\n",
        ig="w_t x = 0x123; h.h.w = x; bit<ZZ> q = 3; bit<(ZZ+4)> r = 9; h.h.a = r; h.h.b = (bit<8>)q;",
    ), (0, "0903030401230006"), IN),
    ("direct counter inline", dict(
        locs=(
            "action z() { h.h.a = 2; } table t { key = { h.h.a : exact; } actions = { z; } "
            "default_action = z(); counters = direct_counter(CounterType.packets); size = 10; "
            "support_timeout = true; } table u { key = { h.h.a : exact; h.h.b : selector; } actions "
            "= { z; } implementation = action_selector(HashAlgorithm.crc16, 32w10, 32w4); } table v "
            "{ key = { h.h.a : exact; } actions = { z; } implementation = action_profile(32); }"),
        ig="t.apply(); u.apply(); v.apply();",
    ), (0, "0202030400050006"), IN),
    ("stdmeta pass", dict(
        top=(
            "void f(inout standard_metadata_t s, in bit<9> p) { s.egress_spec = p; } control Q(inout "
            "standard_metadata_t s) { apply { s.egress_spec = s.egress_spec + 1; } }"),
        locs="action d(inout standard_metadata_t s) { mark_to_drop(s); }",
        ig="f(sm, 3); Q.apply(sm); sm.egress_spec[0:0] = 1; if (h.h.a == 2) { d(sm); }",
    ), (5, "0102030400050006"), IN),
    ("drop by action", dict(
        locs=(
            "action d(inout standard_metadata_t s) { mark_to_drop(s); } action dd() { "
            "mark_to_drop(sm); } table t { actions = { dd; } default_action = dd; }"),
        ig="d(sm); t.apply();",
    ), None, IN),
    ("named main args", dict(
        ig="h.h.a=2;",
        edits=[("V1Switch(P(), V(), I(), E(), U(), Dd()) main",
                "V1Switch(p = P(), ig = I(), vr = V(), eg = E(), ck = U(), dep = Dd()) main")],
    ), (0, "0202030400050006"), IN),
    ("main type args", dict(
        ig="h.h.a=2;",
        edits=[("V1Switch(P()", "V1Switch<H, M>(P()")],
    ), (0, "0202030400050006"), IN),
    ("top-level instances", dict(
        top="control CC(inout bit<8> a)(bit<8> k) { apply { a = k; } } const bit<8> KK = 9; ",
        locs='CC(KK + 1) c1; @name("zz") CC(k = 4) c2;',
        ig="c1.apply(h.h.a); c2.apply(h.h.b);",
    ), (0, "0a04030400050006"), IN),
    ("generic main controls", dict(
        ig="h.h.a=2;",
        edits=[("control V(inout H h, inout M m)", "control V<A, B>(inout A h, inout B m)"),
               ("V(), I()", "V<H, M>(), I()")],
    ), (0, "0202030400050006"), IN),
    ("select mask const exprs", dict(
        top="const bit<8> X = 1; const bit<8> MK = 0xf;",
        parser=(
            "state start { b.extract(h.h); transition select(h.h.a, h.h.b) { (X + 1, _): accept; (X "
            '&&& MK, 2 .. X + 3): s1; (_, _): accept; } } @name("qq") state s1 { h.h.c = 9; '
            "transition s2; } state s2 { transition accept; }"),
    ), (0, "0102090400050006"), IN),
    ("big literals", dict(
        ig=(
            "bit<256> z = 256w0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff; "
            "h.h.w = z[200:185]; z = z + 1; h.h.x = z[15:0]; bit<64> q = 64w18446744073709551615; "
            "h.h.a = q[63:56];"),
    ), (0, "ff020304ffff0000"), IN),
    ("decl after apply? order", dict(
        locs="bit<8> v1 = 3; action z() { h.h.a = v1; v1 = v1 + 1; }",
        ig="z(); z(); h.h.b = v1;",
    ), (0, "0405030400050006"), IN),
    ("local const/locals in apply", dict(
        locs="const bit<8> q = 4; const tuple<bit<8>> tt = {3};",
        ig="const bit<8> r = q + 1; h.h.a = r; const bool ff = true; if (ff) { h.h.b = tt[0]; }",
    ), (0, "0503030400050006"), IN),
    ("enum no rep equality/assign", dict(
        top="enum C3 { R, G, B }",
        meta="C3 c; bit<8> z;",
        ig=(
            "if (m.c == C3.R) h.h.a = 9; m.c = C3.B; C3 d = m.c; if (d != C3.G) h.h.b = 9; m.c = d "
            "== C3.B ? C3.G : C3.R; if (m.c == C3.G) h.h.c = 9;"),
        locs=(
            "action z() { h.h.d = 9; } table t { key = { m.c : exact; } actions = { z; } const "
            "entries = { C3.R : z(); } }"),
    ), (0, "0909090400050006"), IN),
    ("error type var", dict(
        meta="error e;",
        parser=(
            "state start { b.extract(h.h); m.e = error.NoMatch; error z = m.e; transition select(z) "
            "{ error.NoMatch: s; default: accept; } } state s { h.h.a = 7; transition accept; }"),
        ig="if (m.e != error.NoError) h.h.b = 7;",
    ), (0, "0707030400050006"), IN),
    ("select enum", dict(
        top="enum bit<8> X { A = 1, B = 2 }",
        parser=(
            "state start { b.extract(h.h); transition select((X)h.h.a, h.h.b) { (X.A, 2): s; "
            "default: accept; } } state s { h.h.a = 7; transition accept; }"),
    ), (0, "0702030400050006"), IN),
    ("multi-extract lookahead hdr", dict(
        parser=(
            "state start { h.g = b.lookahead<g_t>(); b.extract(h.h); bit<16> k = "
            "b.lookahead<bit<16>>(); h.h.w = k; transition accept; }"),
        ig="if (h.g.isValid()) { h.h.a = h.g.v + 1; }",
        dep="b.emit(h.h); b.emit(h.g);",
    ), (0, "0202030477880006017788"), "01020304000500067788"),
    ("short lookahead", dict(
        parser=(
            "state start { b.extract(h.h); bit<16> k = b.lookahead<bit<16>>(); h.h.w = k; transition "
            "accept; }"),
        ig="if (sm.parser_error == error.PacketTooShort) h.h.a = 9;",
    ), (0, "0902030400050006"), IN),
    ("varbit oversized", dict(
        top="header v_t { varbit<16> o; }",
        hdrs="h_t h; v_t v;",
        parser="state start { b.extract(h.h); b.extract(h.v, (bit<32>)h.h.a * 32); transition accept; }",
        ig=(
            "if (sm.parser_error == error.HeaderTooShort) h.h.a = 9; else if (sm.parser_error != "
            "error.NoError) h.h.a = 8;"),
        dep="b.emit(h);",
    ), (0, "090203040005000600000000"), "010203040005000600000000"),
    ("tuple of header list arg", dict(
        top=(
            "void f(in tuple<bit<8>, bit<16>> t, out bit<8> r) { r = t[0]; } struct st { bit<8> a; "
            "bit<8> b; } bit<8> g(in st s) { return s.b; }"),
        ig="f({ h.h.b, 16w3 }, h.h.a); h.h.c = g({ 1, 7 }); h.h.d = g({ b = 8, a = 3 });",
    ), (0, "0202070800050006"), IN),
    ("out struct w header", dict(
        top=(
            "struct st { h_t q; bit<8> b; } void f(out st s) { if (s.q.isValid()) { s.b = 9; } "
            "s.q.setValid(); s.q.a = 3; }"),
        ig="st s; s.q.setValid(); s.b = 7; f(s); h.h.a = s.q.a; h.h.b = s.b;",
    ), (0, "0300030400050006"), IN),
    ("line continuation macro", dict(
        top=(
            "#define MM(x) \\\n  h.h.a = x; \\\n  h.h.b = x\n#ifdef MM\n#else\n#error no\n#endif\n#undef "
            "ZZZ\n#if 1 + 1 == 2 && !defined(ZZZ) || 0\n#define OK 1\n#endif\n"),
        ig="MM(4); h.h.c = OK;",
    ), (0, "0404010400050006"), IN),
    ("string concat annotations", dict(
        top=(
            '@foo("a" "b") @bar(x=1) @baz([1,2]) @p4runtime_translation("x/y", 32) type bit<9> pt; '
            '@p4runtime_translation("", string) type bit<9> pt2;'),
        ig="h.h.a = 2;",
    ), (0, "0202030400050006"), IN),
    ("@noWarn etc on stmt", dict(
        locs='@noWarn("unused") bit<8> zz;',
        ig="@foo { h.h.a = 2; } if (h.h.a == 2) { h.h.b = 3; }",
    ), (0, "0203030400050006"), IN),
    ("action with many tables shared", dict(
        locs=(
            "action set(bit<8> v) { h.h.a = h.h.a + v; } table t { key = { h.h.b : exact; } actions "
            "= { set; @defaultonly NoAction; } const default_action = NoAction(); const entries = { "
            "8w2 : set(3); } } table u { key = { h.h.b : exact; } actions = { set; NoAction; } const "
            "entries = { 2 : set(4); } default_action = NoAction; }"),
        ig="t.apply(); u.apply();",
    ), (0, "0802030400050006"), IN),
    ("ternary/lpm entries", dict(
        locs=(
            "action set(bit<8> v) { h.h.a = v; } table t { key = { h.h.b : ternary; h.h.w : lpm; } "
            "actions = { set; } const entries = { (8w2 &&& 8w3, 16w0 &&& 0xff00) : set(3); (_, "
            "16w5): set(9); _ : set(4); } }"),
        ig="t.apply();",
    ), (0, "0302030400050006"), IN),
    ("bool key entries", dict(
        locs=(
            'action set(bit<8> v) { h.h.a = v; } table t { key = { h.h.b == 2 : exact @name("k"); '
            "h.g.isValid() : ternary; } actions = { set; } const entries = { (true, false) : set(3); "
            "} }"),
        ig="t.apply();",
    ), (0, "0302030400050006"), IN),
    ("if-else chain w/ applies", dict(
        locs=(
            "action a() { h.h.a = 7; } table t1 { actions = { a; } default_action = a; } table t2 { "
            "actions = { a; } default_action = a; }"),
        ig=(
            "if (h.h.b == 1) { t1.apply(); } else if (h.h.b == 2) { t2.apply(); } else { h.h.a = 0; "
            "} h.h.c = h.h.a;"),
    ), (0, "0702070400050006"), IN),
    ("counter idx expr", dict(
        locs=(
            "counter(256, CounterType.packets) c; register<bit<16>>(16) r; action z(bit<32> i) { "
            "c.count(i + 1); r.write(i, h.h.w + 1); r.read(h.h.x, i); } table t { actions = { z; } "
            "default_action = z(3); }"),
        ig="c.count((bit<32>)h.h.a); t.apply();",
    ), (0, "0102030400050006"), IN),
    ("saturating assignment", dict(
        ig="h.h.a |+|= 255; h.h.b |-|= 9; h.h.w <<= 4; h.h.x ^= 0xf; h.h.c %= 2; h.h.d /= 2;",
    ), (0, "ff00010200500009"), IN),
    ("deep nested init", dict(
        top="struct i1 { bit<8> a; } struct i2 { i1 x; i1 y; h_t hh; }",
        ig=(
            "i2 z = { { 1 }, { a = 2 }, { 1,2,3,4,5,6 } }; i2 y = { x = z.y, y = z.x, hh = z.hh }; "
            "h.h.a = y.x.a; h.h.b = y.hh.b; y.hh = {#}; if (!y.hh.isValid()) h.h.c = 8;"),
    ), (0, "0202080400050006"), IN),
    ("default init ...", dict(
        top="struct i1 { bit<8> a; bit<8> b; h_t q; } ",
        ig="i1 z = { a = 4, ... }; i1 y = ...; i1 x = { 3, ... }; h.h.a = z.a + z.b + y.a + x.a + x.b;",
    ), (0, "0702030400050006"), IN),
    ("typed struct expr", dict(
        top="struct i1 { bit<8> a; bit<8> b; } i1 mk() { return (i1){ a = 1, b = 5 }; }",
        ig=(
            "h.h.a = ((i1){ 3, 4 }).b; h.h.b = mk().b; h.h = (h_t){ a = h.h.a, b = h.h.b, c = 1, d = "
            "1, w = 1, x = 1 };"),
    ), (0, "0405010100010001"), IN),
]


@pytest.mark.parametrize(("name", "parts", "wanted", "packet"), ROWS, ids=[r[0] for r in ROWS])
def test_program(name: str, parts: dict[str, Any], wanted: tuple[int, str] | None, packet: str, tmp_path: Path) -> None:
    text = full(**parts)
    assert run(text, packet, tmp_path) == ([wanted] if wanted else [])
    result = compile_text(text, tmp_path)
    emit_entries(result.program, result.p4info)
