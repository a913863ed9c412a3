# ruff: noqa: C408
"""One row for each corner of the language; expectations are worked out by hand from the specification.

The packet is the header h: a b c d (8 bits each), w, x (16 bits each); in comes 01 02 03 04 0005 0006.
"""
from __future__ import annotations

import pytest

from .harness import run, source

IN = "0102030400050006"

ROWS: list[tuple[str, dict[str, str], str]] = [
    # -- order of evaluation and copying
    ("left operand read before the call", dict(
        top="bit<8> f(inout bit<8> v) { v = v + 1; return v; }",
        body="hdr.h.b = hdr.h.a + f(hdr.h.a);"), "0203030400050006"),
    ("two calls left to right", dict(
        top="bit<8> f(inout bit<8> v) { v = v * 2; return v + 1; }",
        body="hdr.h.b = f(hdr.h.a) * 10 + f(hdr.h.a);"), "0423030400050006"),
    ("same place given twice as inout: the last copy-out wins", dict(
        top="void f(inout bit<8> p, inout bit<8> q) { p = 7; q = q + 1; }",
        body="f(hdr.h.a, hdr.h.a);"), "0202030400050006"),
    ("in argument is a copy", dict(
        top="void f(in bit<8> p, inout bit<8> q) { q = 9; q = q + p; }",
        body="f(hdr.h.a, hdr.h.a);"), "0a02030400050006"),
    ("action argument is a copy of what the action changes", dict(
        locals="action act(in bit<8> p, out bit<8> r) { hdr.h.a = 0x55; r = p; }",
        body="act(hdr.h.a, hdr.h.b);"), "5501030400050006"),
    ("inout argument of an action is copied out at the end", dict(
        locals="action act(inout bit<8> p) { p = 9; hdr.h.a = 0x55; }",
        body="act(hdr.h.a);"), "0902030400050006"),
    ("slice as inout argument", dict(
        top="void f(inout bit<4> v) { v = v + 1; }",
        body="f(hdr.h.a[7:4]); f(hdr.h.a[3:0]);"), "1202030400050006"),
    ("stack index of the target is evaluated first", dict(
        parser="state start { pkt.extract(hdr.h); pkt.extract(hdr.s[0]); pkt.extract(hdr.s[1]); transition accept; }",
        top="bit<8> f(inout bit<8> v) { v = v + 1; return 0xee; }",
        body="hdr.h.a = 0; hdr.s[hdr.h.a].v = f(hdr.h.a);"), "0102030400050006ee08"),
    ("assignment of a struct from its own fields swaps", dict(
        body="in_t t = { 1, 2 }; tuple<bit<8>, bit<8>> q = { 3, 4 }; q = { q[1], q[0] };"
             "hdr.h.a = q[0]; hdr.h.b = q[1]; hdr.h.w = t.n;"), "0403030400020006"),
    ("header from its own fields", dict(
        body="hdr.h = { hdr.h.b, hdr.h.a, hdr.h.d, hdr.h.c, hdr.h.x, hdr.h.w };"), "0201040300060005"),
    ("short circuit keeps the second call away", dict(
        top="bool t(inout bit<8> v) { v = v + 1; return true; }",
        body="bool r = false && t(hdr.h.a); r = true || t(hdr.h.a); r = hdr.h.b == 2 && t(hdr.h.c);"
             "if (hdr.h.b == 3 && t(hdr.h.d)) { hdr.h.a = 0; }"), "0102040400050006"),
    ("choice evaluates one side", dict(
        top="bit<8> f(inout bit<8> v) { v = v + 1; return 7; }",
        body="hdr.h.d = hdr.h.a == 1 ? f(hdr.h.b) : f(hdr.h.c);"), "0103030700050006"),
    ("nested calls", dict(
        top="bit<8> f(inout bit<8> v) { v = v + 1; return v; } bit<8> g(in bit<8> p, inout bit<8> q) "
            "{ q = q + p; return q; }",
        body="hdr.h.d = g(f(hdr.h.a), hdr.h.b) + g(f(hdr.h.a), hdr.h.b);"), "0307030b00050006"),
    # -- leaving
    ("return in nested branches", dict(
        top="bit<8> f(in bit<8> v) { if (v > 5) { if (v > 10) { return 1; } return 2; } else if (v == 1) { return 3; }"
            " return 4; }",
        body="hdr.h.a = f(11); hdr.h.b = f(6); hdr.h.c = f(1); hdr.h.d = f(2);"), "0102030400050006"),
    ("exit in an action leaves everything but egress runs", dict(
        locals="action act() { hdr.h.a = 9; if (hdr.h.b == 2) { exit; } hdr.h.a = 8; }",
        body="act(); hdr.h.b = 7;", egress="hdr.h.d = 0xff;"), "090203ff00050006"),
    ("copy-out happens on exit", dict(
        locals="action act(inout bit<8> p) { p = 0x77; exit; }",
        body="act(hdr.h.a); hdr.h.b = 7;"), "7702030400050006"),
    ("copy-out happens on exit through a sub-control", dict(
        top="control Sub(inout bit<8> p, inout bit<8> q) { apply { p = 0x11; q = 0x22; exit; } }",
        locals="Sub() sub;", body="sub.apply(hdr.h.a, hdr.h.a); hdr.h.b = 7;"), "2202030400050006"),
    ("exit in a table's action with copies pending", dict(
        top="control Sub(inout bit<8> p, in bit<8> q) { action stop() { p = 0x33; exit; }"
            " table t { actions = { stop; } default_action = stop(); } apply { p = 0x11; t.apply(); p = 0x44; } }",
        locals="Sub() sub;", body="sub.apply(hdr.h.a, hdr.h.a); hdr.h.b = 7;"), "3302030400050006"),
    ("return in a sub-control ends only it", dict(
        top="control Sub(inout bit<8> p) { apply { p = 5; if (p == 5) { return; } p = 6; } }",
        locals="Sub() sub;", body="sub.apply(hdr.h.a); hdr.h.b = 9;"), "0509030400050006"),
    ("return in an action ends only it", dict(
        locals="action act() { hdr.h.a = 5; if (hdr.h.b == 2) { return; } hdr.h.a = 6; }",
        body="act(); hdr.h.b = 9;"), "0509030400050006"),
    # -- headers
    ("setValid through an inout argument", dict(
        top="void f(inout h_t x) { x.setValid(); x.a = 0xaa; x.b = 0; x.c = 0; x.d = 0; x.w = 0; x.x = 1; }",
        body="f(hdr.g); hdr.h.setInvalid();"), "aa00000000000001"),
    ("out header argument starts invalid", dict(
        top="void f(out h_t x) { if (x.isValid()) { x.a = 1; } }", body="f(hdr.h);"), ""),
    ("invalid header copied over a valid one", dict(body="hdr.h = hdr.g;"), ""),
    ("function that returns a header", dict(
        top="h_t f(in h_t x) { h_t y = x; y.a = 0x99; return y; }", body="hdr.g = f(hdr.h);"),
        "01020304000500069902030400050006"),
    ("function that returns a struct", dict(
        top="in_t f(in bit<8> v) { in_t r; r.m = v + 1; r.n = (bit<16>)v; return r; }",
        body="in_t r = f(hdr.h.a); hdr.h.b = r.m; hdr.h.w = f(7).n;"), "0102030400070006"),
    ("choice between structs", dict(
        body="in_t p = { 1, 2 }; in_t q = { 3, 4 }; in_t r = hdr.h.a == 2 ? p : q; hdr.h.a = r.m; hdr.h.w = r.n;"),
        "0302030400040006"),
    ("invalid headers are equal, a valid one differs", dict(
        body="h_t k; if (k == hdr.g) { hdr.h.a = 0x10; } if (k == hdr.h) { hdr.h.a = 0x20; } k = hdr.h;"
             "if (k == hdr.h) { hdr.h.b = 0x30; }"), "1030030400050006"),
    ("header invalidated by {#}", dict(body="hdr.h = {#};"), ""),
    ("comparison with an initializer", dict(
        body="meta.i = { 5, 6 }; if (meta.i == { 5, 6 }) { hdr.h.a = 9; } if (meta.i != { 5, 7 }) { hdr.h.b = 9; }"),
        "0909030400050006"),
    ("union: the last valid member stays", dict(
        body="hdr.u.u1.setValid(); hdr.u.u1.p = 1; hdr.u.u2.setValid(); hdr.u.u2.q = 0x1234;"
             "if (hdr.u.isValid()) { hdr.h.a = 9; } if (hdr.u.u1.isValid()) { hdr.h.b = 9; }"),
        "0902030400050006" + "1234"),
    ("stack: push, pop and copies", dict(
        body="hdr.s[0].setValid(); hdr.s[0].v = 0x10; hdr.s.push_front(1); hdr.s[0].setValid(); hdr.s[0].v = 0x20;"
             "hdr.s[2] = hdr.s[0]; hdr.s[2].v = 0x30;"), "0102030400050006" + "201030"),
    ("stack as an argument", dict(
        top="void f(inout s_t[3] t) { t[1].setValid(); t[1].v = 0x42; }", body="f(hdr.s);"), "010203040005000642"),
    ("stack element chosen at run time, as inout argument", dict(
        top="void f(inout bit<8> v) { v = v + 1; }",
        body="hdr.s[1].setValid(); hdr.s[1].v = 0x20; f(hdr.s[hdr.h.a].v);"), "010203040005000621"),
    # -- numbers
    ("slices of slices, and as targets", dict(
        body="hdr.h.w[7:0] = 0xab; hdr.h.w[11:8] = 0xc; hdr.h.a = hdr.h.w[11:4][5:2] ++ 4w5;"), "25020304" + "0cab0006"),
    ("saturation", dict(
        body="hdr.h.a = 250 |+| hdr.h.b |+| 9; hdr.h.b = hdr.h.b |-| 5; int<8> s = (int<8>)hdr.h.c; s = s |+| 126;"
             "hdr.h.c = (bit<8>)s; s = -100; s = s |-| 100; hdr.h.d = (bit<8>)s;"), "ff007f8000050006"),
    ("signed comparison and shift", dict(
        body="int<8> s = -2; if (s < 0) { hdr.h.a = 9; } hdr.h.b = (bit<8>)(s >> 1); hdr.h.c = (bit<8>)s >> 1;"
             "hdr.h.w = (bit<16>)(int<16>)s;"), "09ff7f04fffe0006"),
    ("shift past the width", dict(
        body="hdr.h.a = hdr.h.b << 9; hdr.h.b = hdr.h.c >> hdr.h.d << 200; int<8> s = -1; s = s >> 100;"
             "hdr.h.c = (bit<8>)s;"), "0000ff0400050006"),
    ("constants fold with their widths", dict(
        body="hdr.h.a = 8w255 + 8w2; hdr.h.b = (bit<8>)(3 * 100 - 1) / 2; hdr.h.c = -8w1; hdr.h.d = 1 + 2 * 3 % 4;"),
        "0115ff0300050006"),
    ("concatenation and casts", dict(
        body="hdr.h.w = hdr.h.a ++ hdr.h.b; hdr.h.x = (bit<16>)(bit<1>)(hdr.h.a == 1) ; hdr.h.d = (bit<8>)hdr.h.w[9:1];"),
        "0102038101020001"),
    ("bool in metadata and comparisons of bools", dict(
        body="meta.f = hdr.h.a == 1; bool g = meta.f != (hdr.h.b == 2); if (g == false) { hdr.h.a = 9; }"
             "if (!g && meta.f) { hdr.h.b = 8; }"), "0908030400050006"),
    ("compound assignment", dict(
        body="hdr.h.a += 4; hdr.h.b <<= 2; hdr.h.c |= 0x10; hdr.h.d -= 5; hdr.h.w ^= 0xffff; hdr.h.x &= 4;"
             "hdr.h.a |+|= 255; hdr.h.x >>= 1;"), "ff0813fffffa0002"),
    ("mask precedence binds tighter than comparison", dict(
        body="if (hdr.h.a & 1 == 1) { hdr.h.b = 9; }"), "0109030400050006"),
    ("division by powers of two", dict(body="hdr.h.w = 1000 / 8; hdr.h.x = hdr.h.x * 100 % 64;"), "01020304007d0018"),
    # -- tables
    ("table keyed by a call and a slice, with const entries", dict(
        top="bit<8> inc(in bit<8> v) { return v + 1; }",
        locals="action set(bit<8> v) { hdr.h.d = v; } table t { key = { inc(hdr.h.a) : exact @name(\"k\"); hdr.h.b[3:0] "
               ": exact @name(\"l\"); } actions = { set; NoAction; } const entries = { (2, 2) : set(0x77); } "
               "default_action = NoAction; }",
        body="t.apply();"), "0102037700050006"),
    ("switch on the action, fall-through and default", dict(
        locals="action a1() { } action a2() { } table t { key = { hdr.h.a : exact; } actions = { a1; a2; } "
               "const entries = { 1 : a2(); } default_action = a1(); }",
        body="switch (t.apply().action_run) { a1: { hdr.h.b = 1; } a2: default: { hdr.h.b = 0x22; } }"),
        "0122030400050006"),
    ("hit as a value in an expression", dict(
        locals="table t { key = { hdr.h.a : exact; } actions = { NoAction; } const entries = { 1 : NoAction(); } }"
               "table s { key = { hdr.h.a : exact; } actions = { NoAction; } const entries = { 2 : NoAction(); } }",
        body="if (t.apply().hit && !s.apply().hit) { hdr.h.b = 0x44; }"), "0144030400050006"),
    ("entries with masks and prefixes", dict(
        locals="action set(bit<8> v) { hdr.h.d = v; } table t { key = { hdr.h.a : ternary; hdr.h.w : lpm; } "
               "actions = { set; } const entries = { (2 &&& 2, _) : set(1); (_, 4 &&& 0xfffe) : set(2); } "
               "default_action = set(3); }",
        body="t.apply();"), "0102030200050006"),
    ("switch on a value", dict(
        body="switch (hdr.h.a + 1) { 1: { hdr.h.b = 1; } 2: 3: { hdr.h.b = 0x23; } default: { hdr.h.b = 0xdd; } }"
             "switch (hdr.h.c) { 9: { hdr.h.d = 9; } }"), "0123030400050006"),
    ("action that calls an action", dict(
        locals="action in1(inout bit<8> v) { v = v + 1; } action out1() { in1(hdr.h.a); in1(hdr.h.a); }"
               "table t { actions = { out1; } default_action = out1(); }", body="t.apply();"), "0302030400050006"),
    ("directed parameter bound in the table's list", dict(
        locals="action act(inout bit<8> p, bit<8> v) { p = p + v; } table t { actions = { act(hdr.h.c); } "
               "default_action = act(hdr.h.c, 5); }", body="t.apply();"), "0102080400050006"),
    # -- generics, constructors, loops
    ("generic function, control and struct", dict(
        top="struct box<T> { T item; } T pick<T>(in bool c, in T x, in T y) { if (c) { return x; } return y; }"
            "control Put<T>(inout T x, in T y) { apply { x = y; } }",
        locals="Put<bit<16>>() put; box<bit<8>> b;",
        body="b.item = pick(hdr.h.a == 1, hdr.h.c, 8w9); hdr.h.b = b.item; put.apply(hdr.h.w, 0x1234);"),
        "0103030412340006"),
    ("constructor parameters", dict(
        top="control Add(inout bit<8> v)(bit<8> k, bool twice) { apply { v = v + k; if (twice) { v = v + k; } } }",
        locals="Add(3, false) one; Add(5, true) two;", body="one.apply(hdr.h.a); two.apply(hdr.h.b);"),
        "040c030400050006"),
    ("sub-control made on the spot", dict(
        top="control Add(inout bit<8> v) { apply { v = v + 1; } }", body="Add.apply(hdr.h.a); Add.apply(hdr.h.a);"),
        "0302030400050006"),
    ("named arguments", dict(
        top="bit<8> sub(in bit<8> p, in bit<8> q) { return p - q; }", body="hdr.h.a = sub(q = 1, p = hdr.h.d);"),
        "0302030400050006"),
    ("loops: nested, break, continue, index in a stack", dict(
        body="for (bit<8> i = 0; i < 3; i = i + 1) { hdr.s[i].setValid(); hdr.s[i].v = i; if (i == 1) { continue; }"
             "for (bit<8> j = 0; j < 10; j += 1) { if (j == 4) { break; } hdr.h.a = hdr.h.a + 1; } }"
             "for (bit<8> k in 8w1 .. 8w3) { hdr.h.b = hdr.h.b + k; }"), "0908030400050006" + "000102"),
    ("loop bounded at run time, in an action", dict(
        locals="action act() { for (bit<8> i = 0; i < hdr.h.d; i = i + 1) { hdr.h.a = hdr.h.a + 1; "
               "if (hdr.h.a == 4) { break; } } }", body="act();"), "0402030400050006"),
    ("return from inside an unrolled loop", dict(
        top="bit<8> f(in bit<8> v) { for (bit<8> i = 0; i < 8; i = i + 1) { if (v[7:0] == i) { return i + 0x10; } }"
            " return 0xff; }", body="hdr.h.a = f(hdr.h.b); hdr.h.b = f(9);"), "12ff030400050006"),
    # -- parser
    ("branch, call and sub-parser inside a state", dict(
        top="bit<8> inc(in bit<8> v) { return v + 1; } parser Sub(packet_in pkt, inout bit<8> v, out s_t s) { state start {"
            " pkt.extract(s); v = v + s.v; transition select(s.v) { 0x10: more; default: accept; } } state more { v = 0xee; "
            "transition accept; } }",
        parser="Sub() sub; state start { pkt.extract(hdr.h); if (hdr.h.a == 1) { hdr.h.b = inc(hdr.h.b); } else { "
               "hdr.h.b = 0; } sub.apply(pkt, hdr.h.c, hdr.s[0]); sub.apply(pkt, hdr.h.d, hdr.s[1]); hdr.h.x = 9; "
               "transition accept; }", body=""), "010308ee000500090510"),
    ("select on a tuple of expressions, ranges and masks", dict(
        parser="state start { pkt.extract(hdr.h); transition select(hdr.h.a + 1, hdr.h.w) { (2, 4 .. 6): yes; "
               "default: accept; } } state yes { hdr.h.b = 0x99; transition select(hdr.h.c, hdr.h.d) { (3 &&& 3, _): two; "
               "(_, _): accept; } } state two { hdr.h.c = 0x88; transition accept; }", body=""), "0199880400050006"),
    ("stack filled in a loop, last and lastIndex", dict(
        parser="state start { pkt.extract(hdr.h); transition next; } state next { pkt.extract(hdr.s.next); "
               "hdr.h.b = (bit<8>)hdr.s.lastIndex; transition select(hdr.s.last.v) { 0: accept; default: next; } }",
        body="hdr.h.c = hdr.s[1].v;"), "0101000400050006" + "0500"),
]
TAILS = {"stack index of the target is evaluated first": "0708", "branch, call and sub-parser inside a state": "0510",
         "stack filled in a loop, last and lastIndex": "0500"}


@pytest.mark.parametrize("row", ROWS, ids=[r[0] for r in ROWS])
def test_language(row: tuple[str, dict[str, str], str], tmp_path) -> None:
    name, parts, expected = row
    found = run(source(**parts), IN + TAILS.get(name, ""), tmp_path)
    assert found == [(1, expected)]
