"""Calls with packet tests: what parameters are copied when, and ways out of bodies."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import full, small
from .stf_rows import StfRow, play

STACK = "h_t h; g_t[3] s;"
READ = "state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); b.extract(h.s.next); transition accept; }"
INC = "bit<8> inc(inout bit<8> x) { x = x + 1; return x; }"


def one(sent: str, left: str) -> str:
    """One packet in at port 0, one out there, exactly."""
    return f"packet 0 {sent}; expect 0 {left}$"


IN = "01 02 03 04 0005 0006"
S3 = IN + "a0 a1 a2"

ROWS: list[StfRow] = [
    ("exit through two actions", full(
        locs="action inner(inout bit<8> v) { v = 0x11; exit; } "
             "action outer(inout bit<8> v, out bit<8> o) { o = 0x22; inner(v); o = 0x33; }",
        ig="outer(h.h.a, h.h.b); h.h.c = 0;"), one(IN, "11 22 03 04 0005 0006")),
    ("exit through two controls", full(
        top="control Leaf(inout bit<8> v)(bit<8> k) { apply { v = k; if (k == 9) exit; v = v + 1; } }"
            "control Mid(inout h_t x) { Leaf(4) l1; Leaf(9) l2; apply { l1.apply(x.a); l2.apply(x.b); x.c = 0xff; } }",
        locs="Mid() m;", ig="m.apply(h.h); h.h.d = 0xff;"), one(IN, "05 09 03 04 0005 0006")),
    ("exit leaves a local copy behind", full(
        top="control Leaf(inout h_t v) { apply { v.a = 9; exit; } }",
        locs="Leaf() m;", ig="h_t cp = h.h; m.apply(cp); h.h = cp;"), one(IN, IN)),
    ("conditional return in an action", full(
        locs="action f(inout bit<8> x, in bool r) { x = x + 1; if (r) return; x = x + 0x10; }",
        ig="f(h.h.a, h.h.b == 2); f(h.h.b, h.h.b == 7);"), one(IN, "02 13 03 04 0005 0006")),
    ("header and its field as arguments", full(
        locs="action f(inout h_t x, inout bit<8> y) { x.a = 0x10; y = y + 1; x.b = y; }",
        ig="f(h.h, h.h.a);"), one(IN, "02 02 03 04 0005 0006")),
    ("field and its header as arguments", full(
        locs="action f(inout bit<8> y, inout h_t x) { x.a = 0x10; y = y + 1; x.b = y; }",
        ig="f(h.h.a, h.h);"), one(IN, "10 02 03 04 0005 0006")),
    ("action reads what its parameter copies", full(
        locs="action f(inout bit<8> y) { y = 9; h.h.b = h.h.a; }", ig="f(h.h.a);"), one(IN, "09 01 03 04 0005 0006")),
    ("action writes what its parameter copies", full(
        locs="action f(inout bit<8> y) { h.h.a = 0x77; h.h.b = y; y = y + 4; }", ig="f(h.h.a);"),
     one(IN, "05 01 03 04 0005 0006")),
    ("in parameter does not follow its argument", full(
        locs="action f(in bit<8> y) { h.h.a = 0x77; h.h.b = y; }", ig="f(h.h.a);"), one(IN, "77 01 03 04 0005 0006")),
    ("index of an argument stays", full(
        hdrs=STACK, parser=READ, dep="b.emit(h);",
        locs="bit<2> i = 0; action f(inout bit<8> v) { i = 2; v = v + 7; }", ig="f(h.s[i].v); h.h.a = (bit<8>)i;"),
     one(S3, "02 02 03 04 0005 0006 a7 a1 a2")),
    ("index changed by an earlier argument", full(
        hdrs=STACK, parser=READ, dep="b.emit(h);", top="void g(out bit<8> o, in bit<8> v) { o = v; }"
             "bit<8> next(inout bit<2> k) { k = k + 1; return 0x40; }",
        locs="bit<2> i = 0;", ig="g(h.s[i].v, next(i)); g(h.s[i].v, 0x50);"), one(S3, IN + "40 50 a2")),
    ("two slices as outputs", full(
        top="void f(out bit<4> hi, out bit<4> lo) { hi = 0xA; lo = 0xB; }",
        ig="f(h.h.a[7:4], h.h.a[3:0]); f(h.h.b[5:2], h.h.b[3:0]);"), one(IN, "AB 2B 03 04 0005 0006")),
    ("operands around a call", full(top=INC, ig="h.h.c = h.h.b + inc(h.h.b) * h.h.b;"),
     one(IN, "01 03 0b 04 0005 0006")),
    ("call in both sides of a comparison", full(top=INC, ig="if (inc(h.h.a) < inc(h.h.a)) { h.h.d = inc(h.h.a) - h.h.a; }"),
     one(IN, "04 02 03 00 0005 0006")),
    ("call as index", full(
        hdrs=STACK, parser=READ, dep="b.emit(h);", top=INC,
        ig="h.s[inc(h.h.a) - 1].v = inc(h.h.a); h.s[inc(h.h.a) - 2].v = h.s[h.h.b - 2].v;"),
     one(S3, "04 02 03 04 0005 0006 a0 03 a0")),
    ("struct result then field", full(
        top="struct P2 { bit<8> l; bit<8> r; } P2 mk(inout bit<8> k) { k = k + 1; return {k, k + 1}; }",
        ig="h.h.c = mk(h.h.a).r; P2 z = mk(h.h.a); h.h.d = z.l + z.r;"), one(IN, "03 02 03 07 0005 0006")),
    ("header result", full(
        top="h_t mk(in bit<8> k) { h_t z; z.setValid(); z = {k, k, k, k, 0, 0}; return z; } h_t bad() { h_t z; return z; }",
        ig="h.h = mk(h.h.b); if (bad().isValid()) h.h.a = 0xff; h_t q = bad(); if (!q.isValid()) h.h.d = 0xee;"),
     one(IN, "02 02 02 ee 0000 0000")),
    ("out header starts invalid", full(
        top="bool f(out h_t z) { return z.isValid(); } void gg(out g_t z, in bool yes) { if (yes) { z.setValid(); "
        "z.v = 6; } }",
        ig="h_t k = h.h; if (f(k)) h.h.a = 0xff; if (k.isValid()) h.h.b = 0xff; gg(h.g, h.h.c == 3); "
           "if (h.g.isValid()) h.h.c = h.g.v; gg(h.g, false); if (h.g.isValid()) h.h.d = 0xff;"),
     one(IN, "01 02 06 04 0005 0006")),
    ("early return from branches of a function", full(
        top="bit<8> f(inout bit<8> x, in bit<8> y) { if (y > 2) { x = y; if (y > 3) { return x + 1; } x = x + 2; } "
            "else { return 0; } x = x + 3; return x; }",
        ig="h.h.a = f(h.h.b, h.h.d); h.h.c = f(h.h.c, h.h.c); h.h.d = f(h.h.d, 1);"), one(IN, "05 04 08 00 0005 0006")),
    ("return of a call that writes", full(
        top=INC + "bit<8> twice(inout bit<8> x) { return inc(x) + inc(x); }",
        ig="h.h.b = twice(h.h.a); h.h.a = twice(h.h.a) + h.h.a;"), one(IN, "0e 05 03 04 0005 0006")),
    ("condition with effects in else-if", full(
        top="bool hit(inout bit<8> x, in bit<8> k) { x = x + 1; return x == k; }",
        ig="if (hit(h.h.a, 9)) h.h.c = 1; else if (hit(h.h.a, 3)) { h.h.c = 2; } else if (hit(h.h.a, 4)) h.h.c = 3;"),
     one(IN, "03 02 02 04 0005 0006")),
    ("nested ternaries with effects", full(
        top=INC, ig="h.h.c = h.h.a == 1 ? (inc(h.h.a) == 2 ? inc(h.h.b) : inc(h.h.d)) : inc(h.h.d);"
                    "h.h.d = (h.h.b > 5 ? inc(h.h.a) : h.h.b) + inc(h.h.b);"), one(IN, "02 04 03 07 0005 0006")),
    ("and of or with effects", full(
        top="bool t(inout bit<8> x) { x = x + 1; return true; } bool f(inout bit<8> x) { x = x + 0x10; return false; }",
        ig="bool r = (f(h.h.a) || t(h.h.b)) && (f(h.h.c) && t(h.h.d) || t(h.h.a)) && !f(h.h.b); h.h.x = r ? 16w1 : 16w2;"),
     one(IN, "12 13 13 04 0005 0001")),
    ("table between copies", full(
        top="control C(inout bit<8> v, inout h_t x) { action s() { x.b = v; v = 0x55; } table t { actions = { s; } "
            "default_action = s(); } apply { v = v + 1; t.apply(); x.c = v; } }",
        locs="C() c;", ig="c.apply(h.h.a, h.h);"), one(IN, "01 02 55 04 0005 0006")),
    ("action exits in a table of a sub-control", full(
        top="control C(inout bit<8> v) { action s() { v = 0x55; exit; } table t { key = { v : exact; } "
        "actions = { s; NoAction; } "
            "const entries = { 1 : s(); } } apply { t.apply(); v = v + 1; } }",
        locs="C() c;", ig="c.apply(h.h.a); h.h.b = 9;"), "packet 0 0102030400050006; expect 0 5502030400050006$;"
        "packet 0 0202030400050006; expect 0 0309030400050006$"),
    ("exit in switch in sub-control", full(
        top="control C(inout bit<8> v, in bit<8> k) { action s() { } action r() { } table t { key = { k : ternary; } "
            "actions = { s; r; } const entries = { 2 : s(); _ : r(); } const default_action = r(); } "
            "apply { switch (t.apply().action_run) { s: { v = 0x70; exit; } r: { v = 0x71; return; } } v = 0x72; } }",
        locs="C() c;", ig="c.apply(h.h.a, h.h.b); h.h.c = 9;"),
     "packet 0 0102030400050006; expect 0 7002030400050006$; packet 0 0103030400050006; expect 0 7103090400050006$"),
    ("exit in ingress does not touch egress", full(ig="h.h.a = 5; if (h.h.b == 2) { exit; } h.h.a = 6;",
                                                   eg="h.h.c = h.h.a; if (h.h.d == 4) exit; h.h.d = 0;"),
     "packet 0 0102030400050006; expect 0 0502050400050006$; packet 0 0103030500050006; expect 0 0603060000050006$"),
    ("named arguments out of order have effects as written", full(
        top=INC + "void f(in bit<8> x, in bit<8> y, out bit<8> z) { z = (x << 4) | y; }",
        ig="f(y = inc(h.h.a), x = inc(h.h.a), z = h.h.b);"), one(IN, "03 32 03 04 0005 0006")),
    ("default of a parameter", full(
        top="const bit<8> K = 6; bit<8> f(in bit<8> x = K, in bit<8> y = K + 1) { return x * y; }",
        ig="h.h.a = f(); h.h.b = f(2); h.h.c = f(y = 3);"), one(IN, "2a 0e 12 04 0005 0006")),
    ("swap through a tuple", full(ig="tuple<bit<8>, bit<8>> t = {h.h.b, h.h.a}; h.h.a = t[0]; h.h.b = t[1];"),
     one(IN, "02 01 03 04 0005 0006")),
    ("swap by a list of itself", full(
        top="struct P2 { bit<8> l; bit<8> r; }", ig="P2 p = {h.h.a, h.h.b}; p = {p.r, p.l}; h.h.a = p.l; h.h.b = p.r;"
        " h.h = {h.h.d, h.h.c, h.h.b, h.h.a, h.h.x, h.h.w};"), one(IN, "04 03 01 02 0006 0005")),
    ("rotation through inout arguments", full(
        top="void rot<T>(inout T x, inout T y, inout T z) { T t = x; x = y; y = z; z = t; }",
        ig="rot(h.h.a, h.h.b, h.h.c); rot(h.h.d, h.h.d, h.h.d);"), one(IN, "02 03 01 04 0005 0006")),
    ("out argument twice", full(
        top="void two(out bit<8> x, out bit<8> y) { x = 1; y = 2; }", ig="two(h.h.c, h.h.c);"), one(IN,
        "01 02 02 04 0005 0006")),
    ("actions with directionless parameters called", full(
        locs="action k(inout bit<8> x, bit<8> p, bit<16> q) { x = p + q[7:0]; } action j(bit<8> p) { k(h.h.a, p, 5); "
             "k(h.h.b, p + 1, h.h.w); }", ig="j(h.h.c);"), one(IN, "08 09 03 04 0005 0006")),
    ("one action direct and by table", full(
        locs="action a(bit<8> p) { h.h.a = h.h.a + p; } table t { key = { h.h.b : exact; } actions = { a; } "
             "default_action = a(0x20); }", ig="a(1); t.apply(); a(2);"),
     "add t h.h.b:7 a(p:0x40); packet 0 0102030400050006; expect 0 2402030400050006$;"
     "packet 0 0107030400050006; expect 0 4407030400050006$"),
    ("bound argument is read when the table is applied", full(
        locs="bit<8> z = 1; action a(in bit<8> x, bit<8> p) { h.h.a = x + p; } table t { actions = { a(z); } "
             "default_action = a(z, 3); }", ig="z = h.h.d; t.apply(); z = 0;"), one(IN, "07 02 03 04 0005 0006")),
    ("control instance twice keeps no state", full(
        top="control C(inout bit<8> v) { bit<8> k = 5; apply { v = v + k; k = k + 1; } }",
        locs="C() c;", ig="c.apply(h.h.a); c.apply(h.h.b);"), one(IN, "06 07 03 04 0005 0006")),
    ("sub-control with a register of its own", full(
        top="control C(inout bit<8> v) { register<bit<8>>(2) r; apply { bit<8> o; r.read(o, 1); o = o + v; "
        "r.write(1, o); v = o; } }",
        locs="C() c1; C() c2;", ig="c1.apply(h.h.a); c2.apply(h.h.b); c1.apply(h.h.c);"),
     "packet 0 0102030400050006; expect 0 0102040400050006$; packet 0 0102030400050006; expect 0 0504080400050006$"),
    ("effects of a discarded result", full(top=INC, ig="inc(h.h.a); bit<8> unused_ = inc(h.h.b);"),
     one(IN, "02 03 03 04 0005 0006")),
    ("function of a struct of headers", full(
        top="struct Q { g_t l; g_t r; } void f(inout Q q) { q.l = q.r; q.r.setInvalid(); q.l.v = q.l.v + 1; }",
        hdrs="h_t h; Q q;", parser="state start { b.extract(h.h); b.extract(h.q.r); transition accept; }",
        ig="f(h.q);", dep="b.emit(h);"), one(IN + "0a", IN + "0b")),
    ("parameter hides a field of the program", full(
        locs="bit<8> x = 1; action f(inout bit<8> x) { x = x + 1; { bit<8> x = 0x60; h.h.b = x; } h.h.c = x; }",
        ig="f(h.h.a); h.h.d = x;"), one(IN, "02 60 02 01 0005 0006")),
    ("deep chain of functions", small(
        top="bit<8> f0(in bit<8> x) { return x + 1; }" + "".join(
            f"bit<8> f{k}(in bit<8> x) {{ return f{k - 1}(x) + f{k - 1}(x); }}" for k in range(1, 6)),
        ig="apply { h.h.a = f5(h.h.b); }"), "packet 0 01020304; expect 0 60020304$"),
    ("generic function with inference from a result", full(
        top="T pick<T>(in bool c, in T x, in T y) { if (c) return x; return y; }",
        ig="h.h.a = pick(h.h.b == 2, h.h.c, 8w0); h.h.b = pick(false, 1, h.h.d); h.h.w = pick(true, {16w9}, {16w8})[0];"),
     one(IN, "03 04 03 04 0009 0006")),
    ("inout of an enum and a bool", full(
        top="enum E3 { X, Y, Z } void nx(inout E3 e, inout bool k) { if (e == E3.X) e = E3.Y; "
        "else if (e == E3.Y) { e = E3.Z; k = !k; } }",
        ig="E3 e = E3.X; bool k = false; nx(e, k); if (e == E3.Y && !k) h.h.a = 7; nx(e, k); if (e == E3.Z && k) h.h.b = 8;"),
     one(IN, "07 08 03 04 0005 0006")),
    ("constructor parameters as labels and priorities", full(
        top="control C(inout h_t x)(bit<8> k, int n) { const bit<8> K2 = k + 1; action set(bit<8> v) { x.b = v; } "
            "table t { key = { x.a : ternary; } actions = { set; } default_action = set(0); "
            "entries = { priority = n - 1 : _ : set(0x77); priority = n : k : set(K2); } } "
            "apply { t.apply(); switch (x.a) { k : { x.c = 0xc1; } K2 : { x.c = 0xc2; } } } }",
        locs="C(1, 9) c1; C(0, 9) c2;", ig="c1.apply(h.h); h.h.d = h.h.b; c2.apply(h.h);"),
     one(IN, "01 77 c2 02 0005 0006")),
    ("constructor parameters as labels of a parser", full(
        top="parser Sub(packet_in b, inout h_t x)(bit<8> k, bit<8> hi) { const bit<8> K2 = k + 1; "
            "state start { transition select(x.a, x.b) { (k, k .. hi) : one; (K2 &&& 0xff, _) : two; (_, K2) : two; "
            "_ : accept; } } "
            "state one { x.c = 0x11; transition accept; } state two { x.c = 0x22; transition accept; } }",
        parser="Sub(1, 2) s1; Sub(hi = 0, k = 0) s2; state start { b.extract(h.h); s1.apply(b, h.h); h.h.d = h.h.c; "
               "s2.apply(b, h.h); transition accept; }"), one(IN, "01 02 22 11 0005 0006")),
    ("a number of elements from a constructor", full(
        hdrs=STACK, parser=READ, dep="b.emit(h);",
        top="control Shift(inout g_t[3] s)(int n) { apply { s.pop_front(n); s.push_front(n - 1); } }",
        locs="Shift(2) c;", ig="c.apply(h.s); h.s[0] = {0xb0};"), one(S3, IN + "b0 a2")),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_calls(row: StfRow, tmp_path: Path) -> None:
    play(row, tmp_path)
