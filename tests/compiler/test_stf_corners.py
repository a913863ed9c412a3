"""Corners of the language with packet tests that no chapter holds."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import full, small
from .stf_rows import StfRow, play

IN = "01 02 03 04 0005 0006"
INC = "bit<8> inc(inout bit<8> x) { x = x + 1; return x; } "
UNION = "header x_t { bit<8> k; } header y_t { bit<8> k; bit<8> v; } header_union Un { x_t x; y_t y; } "
START = "state start { b.extract(h.h); transition accept; }"


def one(ig: str, left: str, sent: str = IN, **rest: str) -> tuple[str, str]:
    return full(ig=ig, **rest), f"packet 0 {sent}; expect 0 {left}$"


def sm(ig: str, left: str, sent: str = "01 02 0003", **rest: str) -> tuple[str, str]:
    return small(ig=ig, **rest), f"packet 0 {sent}; expect 0 {left}$"


ROWS: list[StfRow] = [(name, *rest) for name, rest in {
    "sizes of headers and types": one("h.h.a = (bit<8>)h.h.minSizeInBytes(); h.h.b = (bit<8>)h.h.maxSizeInBits(); "
        "h.h.c = (bit<8>)h.g.minSizeInBits(); h.h.d = (bit<8>)h.v.maxSizeInBytes();", "08 40 08 09 0005 0006",
        top="header v_t { bit<8> n; varbit<64> o; }", hdrs="h_t h; g_t g; v_t v;"),
    "varbit compared": one(
        "if (h.v == h.u) h.h.a = 9; if (h.v.o == h.u.o) h.h.b = 9; h.u.n = 0; if (h.v != h.u) h.h.c = 9;",
        "09 09 09 04 0005 0006 99a1 00a1", IN + "99a1 99a1", top="header v_t { bit<8> n; varbit<64> o; }",
        hdrs="h_t h; v_t v; v_t u;",
        parser="state start { b.extract(h.h); b.extract(h.v, 8); b.extract(h.u, 8); transition accept; }", dep="b.emit(h);"),
    "default expression for tuples and stacks": one(
        "tuple<bit<8>, bool> t = ...; h.s = ...; if (!t[1] && t[0] == 0 && !h.s[0].isValid()) h.h.a = 9;",
        "09 02 03 04 0005 0006", hdrs="h_t h; g_t[2] s;"),
    "a stack from a list": one("h.s = {{1}, {2}, {#}}; h.h.a = h.s[1].v;", "02 02 03 04 0005 0006 01 02",
        hdrs="h_t h; g_t[3] s;", dep="b.emit(h);"),
    "typed stack expression": one("h.s = (g_t[2]){{1}, {2}}; h.h.a = h.s[1].v;", "02 02 03 04 0005 0006 01 02",
        hdrs="h_t h; g_t[2] s;", dep="b.emit(h);"),
    "next and last in a control": one("h.s.push_front(1); h.s[0].setValid(); h.s[0].v = 9; h.h.a = (bit<8>)h.s.size;",
        "02 02 03 04 0005 0006 09 11", IN + "11", hdrs="h_t h; g_t[2] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); transition accept; }", dep="b.emit(h);"),
    "struct as a key's source": one("m.q = {h.h.a, h.h.b}; t.apply();", "01 02 03 07 0005 0006",
        top="struct Q { bit<8> l; bit<8> r; }", meta="Q q;", locs="action s(bit<8> v) { h.h.d = v; } "
        "table t { key = { m.q.l : exact; m.q.r : exact; } actions = { s; } const entries = { (1, 2) : s(7); } }"),
    "entries with tuples of one": one("t.apply();", "01 02 03 07 0005 0006",
        locs="action s(bit<8> v) { h.h.d = v; } table t { key = { h.h.a : exact; } actions = { s; } "
        "const entries = { (1) : s(7); (2) : s(8); } }"),
    "hit of a table with const default": one("if (t.apply().hit) h.h.a = 5; else h.h.a = 6;", "06 02 03 07 0005 0006",
        locs="action s(bit<8> v) { h.h.d = v; } table t { key = { h.h.a : exact; } actions = { s; } "
        "const default_action = s(7); }"),
    "action run compared inside a function-like switch": one("switch (t.apply().action_run) { s: { h.h.a = 5; } }",
        "05 02 03 07 0005 0006", locs="action s(bit<8> v) { h.h.d = v; } table t { key = { h.h.a : exact; } "
        "actions = { s; NoAction; } const default_action = s(7); }"),
    "same name for table and action of two controls": sm(
        "action t() { h.h.a = 7; } table u { actions = { t; } default_action = t(); } apply { u.apply(); }",
        "07 09 0003", eg="action u() { h.h.b = 9; } table t { actions = { u; } default_action = u(); } apply { t.apply(); }"),
    "fields named like methods": one(
        "h.k.setValid(); h.k.isValid = 3; h.k.size = 4; h.k.next = h.k.size + h.k.isValid; h.k.last = 1;", IN +
        "03 04 07 01", top="header k_t { bit<8> isValid; bit<8> size; bit<8> next; bit<8> last; }",
        hdrs="h_t h; k_t k;", dep="b.emit(h);"),
    "copies of loops of structs": sm("apply { R r; r.q.k = h.h.a; r.q.t = h.h.w; R s = r; s.q.k = 9; "
        "r = {q = s.q, z = true}; h.h.b = r.q.k; if (r.z) h.h.w = s.q.t + 1; }", "01 09 0004",
        top="struct Q { bit<8> k; bit<16> t; } struct R { Q q; bool z; }"),
    "bool operators on conditions": one("bool p = h.h.a == 1; bool q = h.h.b == 1; if (p && q) h.h.a = 9; "
        "if (p || q) h.h.b = 9; if (p != q) h.h.c = 9;", "01 09 09 04 0005 0006"),
    "in argument of a slice of a call": one("h.h.c = g(inc(h.h.a)[3:0], h.h.b[7:4]);", "02 02 20 04 0005 0006", top=INC +
        "bit<8> g(in bit<4> x, in bit<4> y) { return x ++ y; }"),
    "slice of a slice as inout": one("f(h.h.w[11:4][5:2]); f(h.h.x[3:0]);", "01 02 03 04 0045 0007",
        top="void f(inout bit<4> x) { x = x + 1; }", sent="01 02 03 04 0005 0006") if False else one(
        "f(h.h.w[11:4][5:2]); f(h.h.x[3:0]);", "01 02 03 04 0045 0007", top="void f(inout bit<4> x) { x = x + 1; }"),
    "assign to a slice from itself": one(
        "h.h.w[15:8] = h.h.w[7:0]; h.h.w[7:0] = h.h.w[15:8] + 1; h.h.x[7:4] = h.h.x[3:0]; h.h.a[0:0] = ~h.h.a[0:0];",
        "00 02 03 04 0506 0066"),
    "assign one whole header to a stack at run time": one("h.s[h.h.a] = h.g; h.g = h.s[h.h.a - 1]; h.h.d = h.s[1].v;",
        "01 02 03 33 0005 0006 11 33 11", IN + "11 22 33", hdrs="h_t h; g_t[2] s; g_t g;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); b.extract(h.g); "
        "transition accept; }", dep="b.emit(h);"),
    "run-time index of a call's argument": one("f(h.s[h.h.a].v, h.s[h.h.b - 2].v); inc(h.s[inc(h.h.c) - 4].v);",
        "01 02 04 04 0005 0006 12 22", IN + "11 22", top=INC +
        "void f(inout bit<8> x, in bit<8> y) { x = x + y; x = x - y; }", hdrs="h_t h; g_t[2] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }",
        dep="b.emit(h);"),
    "out run-time element": one("f(h.s[h.h.a]); if (h.s[1].isValid()) h.h.b = h.s[1].v;",
        "01 07 03 04 0005 0006 11 07", IN + "11 22", top="void f(out g_t x) { x.setValid(); x.v = 7; }",
        hdrs="h_t h; g_t[2] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }",
        dep="b.emit(h);"),
    "union in functions": one("set(h.u, h.h.a == 1); Un k = h.u; k.y.v = 9; h.w = k; h.h.c = get(h.w);",
        "01 02 09 04 0005 0006 0506 0509", top=UNION + "void set(inout Un u, in bool two) { if (two) { "
        "u.y.setValid(); u.y = {5, 6}; } else { u.x = {7}; } } bit<8> get(in Un u) { if (u.y.isValid()) return "
        "u.y.v; else return 0xff; }", hdrs="h_t h; Un u; Un w;", dep="b.emit(h);"),
    "unions in a struct and in the metadata": one(
        "m.u.x = {9}; h.h.a = m.u.x.k; m.u.y = {1, 2}; if (!m.u.x.isValid()) h.h.b = m.u.y.v; h.q.u = m.u;",
        "09 02 03 04 0005 0006 0102", top=UNION + "struct Q { Un u; }", hdrs="h_t h; Q q;", meta="Un u;", dep="b.emit(h);"),
    "whole headers struct through a sub-control": sm(
        "C() c; apply { Headers k = h; c.apply(k); if (k.h.a == 9) h = k; }", "09 02 0003",
        after="control C(inout Headers z) { apply { z.h.a = 9; } }"),
    "a struct returned and taken apart": one("h.h = mk(h.h).y; h.h.d = mk(h.h).x;", "02 02 03 02 0005 0006",
        top="struct R { bit<8> x; h_t y; } R mk(in h_t z) { R r; r.x = z.a; r.y = z; r.y.a = z.b; return r; }"),
    "generic control over headers": one("p.apply(h.h.a);", "07 02 03 04 0005 0006",
        top="control G<T>(inout T x, in T y)(bool keep) { apply { if (!keep) { x = y; } } } "
        "control A1(inout bit<8> z) { G<bit<8>>(true) g; G<bit<8>>(false) k; apply { g.apply(z, 5); "
        "k.apply(z, z + 6); } }", locs="A1() p;"),
    "constructor parameters of every type": one("p.apply(h.h.a, h.h.b);", "07 0c 03 04 0005 0006",
        top="enum EE { A, B } struct P2 { bit<8> l; bit<8> r; } control C(inout bit<8> x, inout bit<8> y)(bool f, EE "
        "e, bit<8> k, int n, P2 p) { apply { if (f && e == EE.B) { x = k + (bit<8>)n; } y = y + p.l + p.r; } }",
        locs="C(true, EE.B, 3, 4, {4, 6}) p;"),
    "instances passed to constructors": one("p.apply(h.h.a);", "08 02 03 04 0005 0006",
        top="control Leaf(inout bit<8> x)(bit<8> k) { apply { x = x + k; } } "
        "control Mid(inout bit<8> x)(bit<8> k) { Leaf(k + 1) a; Leaf(k * 2) c; apply { a.apply(x); c.apply(x); } }",
        locs="Mid(2) p;"),
    "a register shared by two controls through the top": sm("C() c; D() d; apply { c.apply(h.h.a); d.apply(h.h.b); }",
        "01 01 0003", after="control C(in bit<8> x) { register<bit<8>>(2) r; apply { r.write(0, x); } } "
        "control D(inout bit<8> x) { register<bit<8>>(2) r; apply { bit<8> v; r.read(v, 0); x = x - 1 + v; } }"),
    "top-level register used by all": sm("apply { shared_r.write(1, h.h.a); }", "01 01 0003",
        after="register<bit<8>>(4) shared_r;", eg="apply { shared_r.read(h.h.b, 1); }") if False else sm(
        "register<bit<8>>(4) r; apply { r.write(1, h.h.a); bit<8> v; r.read(v, 1); h.h.b = v; }", "01 01 0003"),
    "if-else without braces, dangling": one("if (h.h.a == 1) if (h.h.b == 3) h.h.c = 1; else h.h.c = 2;",
        "01 02 02 04 0005 0006"),
    "long else-if chain": one("".join(f"if (h.h.d == {k}) h.h.a = {k + 0x10}; else " for k in range(30)) +
        "h.h.a = 0xff;", "14 02 03 04 0005 0006"),
    "many conditions on one path": one("".join(f"if (h.h.w[{k % 16}:{k % 16}] == 1) {{ h.h.a = h.h.a + {k}; "
        f"}} " for k in range(16)),
        "03 02 03 04 0005 0006"),
    "actions nested four deep with directions": one("a1(h.h.a, h.h.b);", "05 02 03 04 0005 0006",
        locs="action a4(inout bit<8> x, in bit<8> y) { x = x + y; } action a3(inout bit<8> x, inout bit<8> y) { "
        "a4(x, y); a4(x, 2); } action a2(inout bit<8> x, inout bit<8> y) { a3(x, y); } "
        "action a1(inout bit<8> x, inout bit<8> y) { a2(x, y); }"),
    "action with out parameters from data": one("t.apply(); h.h.c = k;", "05 06 05 04 0005 0006",
        locs="bit<8> k = 0; action s(out bit<8> o, inout bit<8> i, bit<8> d) { o = d; i = i + 4; k = d; } "
        "table t { actions = { s(h.h.a, h.h.b); } default_action = s(h.h.a, h.h.b, 5); }"),
    "return value through nested conditions": one("h.h.a = f(h.h.a, h.h.b); h.h.b = f(h.h.c, 0); h.h.c = f(2, 2);",
        "03 ff 04 04 0005 0006", top="bit<8> f(in bit<8> x, in bit<8> y) { bit<8> r = 0xff; "
        "if (y != 0) { if (x == y) { r = x + y; } else if (x < y) { return x + y; } } return r; }"),
    "ternary in every place": one("h.s[h.h.a == 1 ? 1 : 0].v = h.h.b == 2 ? h.h.c : h.h.d;" +
        "if (h.h.a == 1 ? h.h.b == 2 : h.h.c == 9) h.h.w = (h.h.x > 1 ? 16w1 : 16w2) + 1;",
        "01 02 03 04 0002 0006 11 03", IN + "11 22", hdrs="h_t h; g_t[2] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }",
        dep="b.emit(h);"),
    "exit inside a switch inside a table's action's caller": one(
        "switch (t.apply().action_run) { s: { if (h.h.a == 1) { h.h.b = 9; exit; } } default: { } } h.h.b = 8;",
        "01 09 03 07 0005 0006",
        locs="action s(bit<8> v) { h.h.d = v; } table t { actions = { s; } default_action = s(7); }"),
    "setValid on the result of nothing": one("h.g.setValid(); h.g.v = h.g.v & 0; h.g.v = h.g.v + 3;", IN + "03",
        dep="b.emit(h);"),
    "validity of members in conditions": one("if (h.g.isValid() || (h.h.isValid() && !h.g.isValid())) { h.h.a = 9; } "
        "bool k = h.g.isValid(); h.g = {1}; if (!k && h.g.isValid() == true) h.h.b = 9; "
        "h.h.c = (bit<8>)(bit<1>)h.g.isValid();", "09 09 01 04 0005 0006 01"),
    "isValid in arithmetic": one("bit<8> n = (h.h.isValid() ? 8w1 : 0) + (h.g.isValid() ? 8w1 : 0); h.h.a = n; "
        "m.f = h.h.isValid() && h.h.b == 2; h.h.b = m.f ? 8w7 : 8w8;", "01 07 03 04 0005 0006", meta="bool f;"),
    "lists as arguments of functions": one(
        "h.h.a = f({h.h.b, h.h.c}); h.h.b = f({l = 1, r = 1}); h.h.c = g({h.h.d, true});", "05 02 04 04 0005 0006",
        top="struct P2 { bit<8> l; bit<8> r; } bit<8> f(in P2 p) { return p.l + p.r; } "
        "bit<8> g(in tuple<bit<8>, bool> t) { return t[1] ? t[0] : 8w0; }"),
    "const struct of constants as default": one("h.h.a = D.q.l + D.z; h.h.b = f();", "06 03 03 04 0005 0006",
        top="struct P2 { bit<8> l; bit<8> r; } struct P3 { P2 q; bit<8> z; } const P3 D = {{1, 2}, 5}; "
        "bit<8> f(in P2 p = D.q) { return p.l + p.r; }"),
    "enum arithmetic by casts and switch": one("K k = (K)h.h.a; switch (k) { K.A: K.B: { h.h.b = 7; } "
        "default: { h.h.b = 8; } } k = (K)(bit<8>)((bit<8>)K.B + 1); if ((bit<8>)k == 3) h.h.c = 9; "
        "h.h.d = (bit<8>)(K)h.h.d;", "01 07 09 04 0005 0006", top="enum bit<8> K { A = 1, B = 2 }"),
    "plain enum switch": one(
        "EE e = EE.B; if (h.h.a == 1) e = EE.C; switch (e) { EE.A: { h.h.b = 7; } EE.C: { h.h.b = 8; } }",
        "01 08 03 04 0005 0006", top="enum EE { A, B, C }"),
    "enum fields in metadata and keys": one("m.e = h.h.a == 1 ? EE.B : EE.A; m.k = K.B; t.apply();",
        "01 02 03 07 0005 0006", top="enum EE { A, B } enum bit<4> K { A = 1, B = 9 }", meta="EE e; K k;",
        locs="action s(bit<8> v) { h.h.d = v; } table t { key = { m.e : exact; m.k : ternary; } actions = { s; } "
        "const entries = { (EE.A, _) : s(6); (EE.B, K.B) : s(7); } }"),
    "signed enum": one("K k = K.M; if ((int<8>)k < 0) h.h.a = 9; h.h.b = (bit<8>)(int<8>)k;", "09 fe 03 04 0005 0006",
        top="enum int<8> K { M = -2, P = 2 }"),
    "keyless lpm on a slice": one("t.apply();", "01 02 03 07 0005 0006",
        locs="action s(bit<8> v) { h.h.d = v; } table t { key = { h.h.w[11:0] : lpm; } actions = { s; } "
        "const entries = { 12w0x005 &&& 12w0xfff : s(7); 0x000 &&& 0xff0 : s(8); } }"),
    "ternary entries on bools and enums": one("t.apply();", "01 02 03 07 0005 0006",
        locs="action s(bit<8> v) { h.h.d = v; } bool f = true; table t { key = { f : ternary; "
        "h.h.isValid() : ternary; h.h.a : ternary; } actions = { s; } const entries = { (false, _, _) : s(6); "
        "(true, true, 1) : s(7); } }"),
    "int constants in entries and negative keys": one("k = (int<8>)h.h.a - 2; t.apply();", "01 02 03 07 0005 0006",
        locs="action s(bit<8> v) { h.h.d = v; } int<8> k; table t { key = { k : exact; } actions = { s; } "
        "const entries = { -1 : s(7); 1 : s(8); } }"),
}.items()]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_corners(row: StfRow, tmp_path: Path) -> None:
    play(row, tmp_path)
