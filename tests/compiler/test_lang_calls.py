"""Calls: copy-in and copy-out, exit and return, sub-controls."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import IN, SHORT, Row, check, full, small

ROWS: list[Row] = [
    ("dontcare out arg", full(
        top="action f(out bit<8> x, in bit<8> y) { x = y; }",
        locs="action g(out bit<8> x) {x=3;}",
        ig="g(_); f(y = h.h.b, x = h.h.a);",
    ), (0, "0202030400050006"), IN),
    ("named ctor args", full(
        top="control C(inout bit<8> x)(bit<8> k, bit<8> j = 3) { apply { x = x + k + j; } }",
        locs="C(k=4) c; C(j=1,k=2) d;",
        ig="c.apply(h.h.a); d.apply(x = h.h.a);",
    ), (0, "0b02030400050006"), IN),
    ("default param fn", full(
        top="bit<8> f(in bit<8> x, in bit<8> y = 5) { return x + y; }",
        ig="h.h.a = f(1); h.h.b = f(y = 2, x = 3);",
    ), (0, "0605030400050006"), IN),
    ("default param action", full(
        locs="action ac(in bit<8> x = 9) { h.h.a = x; }",
        ig="ac();",
    ), (0, "0902030400050006"), IN),
    ("exit fn", full(
        locs="action ex() { h.h.a = 7; exit; } action cal(inout bit<8> x) { x = 5; ex(); x = 6; }",
        ig="cal(h.h.b); h.h.c = 1;",
    ), (0, "0705030400050006"), IN),
    ("exit in egress", full(
        locs="",
        ig="if (h.h.a==1) exit; h.h.a = 9;",
        eg="h.h.b = 8; exit;",
    ), (0, "0108030400050006"), IN),
    ("return control", full(
        locs="",
        ig="if (h.h.a==1) { h.h.a = 3; return; } h.h.b = 9;",
        eg="h.h.c = 8; return; ",
    ), (0, "0302080400050006"), IN),
    ("return action", full(
        locs=(
        "action a(bit<8> x) { if (h.h.a == 1) { h.h.b = x; return; } h.h.c = x; } table t { key = {} "
        "actions = {a;} default_action = a(9); }"),
        ig="t.apply();",
    ), (0, "0109030400050006"), IN),
    ("action bound param2", full(
        locs=(
        "action a(inout bit<8> x, in bit<8> y, bit<8> z) { x = y + z; } table t { key = {h.h.a:exact;} "
        "actions = {a(h.h.b, h.h.c);} default_action = a(h.h.b, h.h.c, 5); const entries = { 1: a(h.h.b, "
        "h.h.c, 6); } }"),
        ig="t.apply();",
    ), (0, "0109030400050006"), IN),
    ("action bound param3", full(
        locs=(
        "action a(inout bit<8> x, in bit<8> y, bit<8> z) { x = y + z; } table t { key = {h.h.a:exact;} "
        "actions = {a(h.h.b, h.h.c);} default_action = a(h.h.b, h.h.c, 5); const entries = { 1: a(6); } }"),
        ig="t.apply();",
    ), (0, "0109030400050006"), IN),
    ("action direct w directionless", full(
        locs="action a(inout bit<8> x, bit<8> z) { x = z; }",
        ig="a(h.h.b, 7); a(x = h.h.a, z = h.h.c);",
    ), (0, "0307030400050006"), IN),
    ("nested control arg", full(
        top=(
        "control C(inout bit<8> x) { apply { x = x + 1; } } control D(inout h_t x) { C() c; apply { "
        "c.apply(x.a); c.apply(x.b); } }"),
        locs="D() d;",
        ig="d.apply(h.h); d.apply(h.h);",
    ), (0, "0304030400050006"), IN),
    ("control slice arg", full(
        top="control C(inout bit<4> x) { apply { x = x + 1; } }",
        locs="C() d;",
        ig="d.apply(h.h.a[7:4]); d.apply(h.h.a[3:0]);",
    ), (0, "1202030400050006"), IN),
    ("same arg twice", full(
        top="void f(inout bit<8> x, inout bit<8> y) { x = x + 1; y = y + 2; } ",
        ig="f(h.h.a, h.h.a);",
    ), (0, "0302030400050006"), IN),
    ("out in order", full(
        top="void f(out bit<8> x, in bit<8> y) { x = 5; x = x + y; } ",
        ig="f(h.h.a, h.h.a);",
    ), (0, "0602030400050006"), IN),
    ("call in args", full(
        top="bit<8> f(inout bit<8> x) { x = x + 1; return x; } bit<8> g(in bit<8> a, in bit<8> c) { return a - c; }",
        ig="h.h.b = g(f(h.h.a), f(h.h.a)); h.h.c = f(h.h.c) + h.h.c + f(h.h.c);",
    ), (0, "03ff0d0400050006"), IN),
    ("short circuit", full(
        top="bool f(inout bit<8> x, in bool r) { x = x + 1; return r; }",
        ig=(
        "bool r = f(h.h.a, false) && f(h.h.b, true); r = f(h.h.c, true) || f(h.h.d, true); r = f(h.h.a, "
        "true) ? f(h.h.b,false) : f(h.h.d,false);"),
    ), (0, "0303040400050006"), IN),
    ("fn early return", full(
        top=(
        "bit<8> f(in bit<8> x) { if (x == 1) { return 9; } else if (x == 2) return 8; bit<8> y = x; y = "
        "y + 1; return y; }"),
        ig="h.h.a = f(h.h.a); h.h.b = f(h.h.b); h.h.c = f(h.h.c);",
    ), (0, "0908040400050006"), IN),
    ("same control vr & ck", small(
        main="V1Switch(p(), vrfy(), ingress(), egress(), vrfy(), deparser()) main;",
    ), (0, "01020304"), SHORT),
    ("hasReturned names", small(
        top="bit<8> retval() { bool hasReturned = true; bit<8> retval = 5; return retval; }",
        ig=(
        "bool hasExited; action tbl_prog() {} action noop() {} apply { h.h.a = retval(); noop(); "
        "tbl_prog(); h.h.b = 9; }"),
    ), (0, "05090304"), SHORT),
    ("uninit fn out", small(
        ig="apply { bit<8> q = 5; f(q); h.h.a = q; }",
        top="void f(out bit<8> x) { }",
    ), (0, "00020304"), SHORT),
    ("fn struct ret", small(
        ig=(
        "apply { s_t a = mk(3, 4); h.h.a = mk(5,6).x; h.h.b = a.y; s_t c = id(id(a)); h.h.w = "
        "(bit<16>)c.x; h_t hh = mh(); h.h.b = hh.a; }"),
        top=(
        "struct s_t { bit<8> x; bit<8> y; } s_t mk(in bit<8> a, in bit<8> c) { return {a, c}; } s_t "
        "id(in s_t q) { return q; }  header h2_t { bit<8> a; } h2_t mh() { return {9}; }"),
        edits=[("h_t hh = mh()", "h2_t hh = mh()")],
    ), (0, "05090003"), SHORT),
    ("fn calling fn", small(
        ig="apply { h.h.a = f3(h.h.a, h.h.b); }",
        top=(
        "bit<8> f1(inout bit<8> x) { x = x + 1; return x; } bit<8> f2(inout bit<8> x) { return f1(x) + "
        "f1(x); } bit<8> f3(inout bit<8> x, inout bit<8> y) { return f2(x) + f2(y) + f1(x); }"),
    ), (0, "10040304"), SHORT),
    ("copy in out order", small(
        ig="apply { bit<8> x = 1; f(x, x, x); h.h.a = x; }",
        top="void f(inout bit<8> a, out bit<8> c, inout bit<8> d) { d = d + 1; a = a + 5; c = d; }",
    ), (0, "02020304"), SHORT),
    ("exit copyout", small(
        ig="action a(inout bit<8> x) { x = 9; exit; } apply { a(h.h.a); h.h.b = 1; }",
    ), (0, "09020304"), SHORT),
    ("exit in ctl copyout", small(
        ig="C() c; apply { c.apply(h.h.a); h.h.b = 1; }",
        top="control C(inout bit<8> x) { apply { x = 7; if (x == 7) exit; x = 8; } }",
    ), (0, "07020304"), SHORT),
    ("action w const arg name clash", small(
        ig=(
        "action a(bit<8> x, bit<8> y) {h.h.a = x; h.h.b = y;} table t { actions = {a;} default_action = "
        "a(y = 3, x = 4); } apply { t.apply(); }"),
    ), (0, "04030304"), SHORT),
    ("call value ignored", small(
        ig="apply { f(h.h.a); h.h.isValid(); }",
        top="bit<8> f(inout bit<8> x) { x = x + 5; return x; }",
    ), (0, "06020304"), SHORT),
    ("action params enum bool", small(
        ig=(
        "action a(bool x, En e, En2 f, int<8> s) { if (x && e == En.B) h.h.a = (bit<8>)f; h.h.b = "
        "(bit<8>)s; } table t { actions = {a;} default_action = a(true, En.B, En2.Y, -2); } apply { "
        "t.apply(); }"),
        top="enum En {A, B} enum bit<8> En2 { X = 3, Y = 7}",
    ), (0, "07fe0304"), SHORT),
    ("nested controls 3", small(
        top="",
        ig="c2(1) j1; c2(10) j2; apply { j1.apply(h.h.a); j2.apply(h.h.b); }",
        before=(
        "control c3(inout bit<8> x)(bit<8> k) { action a() { x = x + k; } table t { actions = {a;} "
        "default_action = a(); } apply { t.apply(); } } control c2(inout bit<8> x)(bit<8> k) { c3(k) i1; "
        "c3(k + 1) i2; apply { i1.apply(x); i2.apply(x); } }"),
    ), (0, "04170304"), SHORT),
    ("fn w/ packet param", small(
        parser="state start { bit<8> z = la(b.lookahead<bit<8>>()); b.extract(h.h); h.h.b = z; transition accept; }",
        after="bit<8> la(in bit<8> x) { return x; }",
    ), (0, "01010304"), SHORT),
    ("exit in nested", full(
        locs="action ex(inout bit<8> q, in bit<8> r) { q = r; if (r == 2) { exit; } q = 0; } ",
        ig="ex(h.h.a, h.h.c); ex(h.h.b, h.h.b); h.h.d = 9;",
    ), (0, "0002030400050006"), IN),
    ("shift large", full(
        ig=(
        "h.h.a = h.h.b << 200; h.h.b = h.h.b >> 8w255; h.h.w = 16w1 << h.h.c; h.h.x = "
        "(bit<16>)((int<16>)0x8000 >> 20);"),
    ), (0, "000003040008ffff"), IN),
    ("control local vars persist not", full(
        top="control C(inout bit<8> a) { bit<8> loc = 3; apply { loc = loc + a; a = loc; } }",
        locs="C() c;",
        ig="c.apply(h.h.a); c.apply(h.h.b);",
    ), (0, "0405030400050006"), IN),
    ("action modifies param-bound", full(
        locs=(
        "action a(in bit<8> x, inout bit<8> y, out bit<8> z) { y = y + x; z = y + x; } action w(bit<8> "
        "q) { bit<8> t; a(q, h.h.b, t); h.h.a = t; } table t { key = { h.h.c : exact; } actions = { w; } "
        "const entries = { 3 : w(7); } }"),
        ig="t.apply();",
    ), (0, "1009030400050006"), IN),
    ("underscore arg", full(
        top="void f(out bit<8> a, out bit<8> b) { a = 1; b = 2; }",
        ig="f(_, h.h.a); f(b = _, a = h.h.b);",
    ), (0, "0201030400050006"), IN),
    ("default params", full(
        top=(
        "bit<8> f(in bit<8> a, in bit<8> b = 5) { return a + b; } control C(inout bit<8> v, in bit<8> k "
        "= 3)(bit<8> z = 2) { apply { v = v + k + z; } }"),
        locs="C() c; C(z = 9) d;",
        ig="h.h.a = f(1); c.apply(h.h.b); d.apply(h.h.c, 1);",
    ), (0, "06070d0400050006"), IN),
    ("exit in sub then", full(
        top=(
        "control C(inout h_t q, inout bit<8> z) { apply { q.a = 7; z = z + q.a; if (z > 3) { exit; } q.b "
        "= 8; } }"),
        ig="C.apply(h.h, h.h.d); h.h.c = 9;",
        eg="h.h.x = 0xff;",
    ), (0, "0702030b000500ff"), IN),
    ("assign to slice in action", full(
        locs="action a(inout bit<3> q) { q = 5; } ",
        ig="a(h.h.a[5:3]); a(h.h.w[15:13]);",
    ), (0, "29020304a0050006"), IN),
    ("return struct slice", full(
        top="struct rs { bit<8> a; bit<16> b; } rs f(in bit<8> x) { rs r; r.a = x; r.b = x ++ x; return r; }",
        ig="h.h.a = f(h.h.b).b[11:4]; h.h.w = f(7).b;",
    ), (0, "2002030407070006"), IN),
    ("nested blocks returns", full(
        top="bit<8> f(in bit<8> x) { if (x == 1) { return 1; } else { if (x == 2) { return 2; } } { return 3; } }",
        ig="h.h.a = f(1) + f(2) + f(4);",
    ), (0, "0602030400050006"), IN),
    ("void func early return", full(
        top="void f(inout bit<8> x) { if (x == 1) { x = 7; return; } x = 8; return; }",
        ig="f(h.h.a); f(h.h.b);",
    ), (0, "0708030400050006"), IN),
    ("dead code after exit", full(ig="h.h.a = 2; exit; h.h.a = 3;"), (0, "0202030400050006"), IN),
    ("return before anything", full(ig="return; h.h.a = 3;"), (0, "0102030400050006"), IN),
    ("action const fold & unused param", full(
        locs=(
        "action a(bit<8> u, bit<8> v) { h.h.a = v; } table t { key = { h.h.b: lpm; } actions = { a; } "
        "const entries = { 0x02 &&& 0xfe : a(1, 2); 2 : a(3, 4); } }"),
        ig="t.apply();",
    ), (0, "0402030400050006"), IN),
    ("function call idx lvalue", full(
        hdrs="h_t h; g_t[3] s;",
        top="bit<8> ix(inout bit<8> v) { v = v + 1; return v; }",
        parser=(
        "state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); b.extract(h.s.next); "
        "transition accept; }"),
        ig=(
        "h.s[ix(h.h.a) - 1].v = h.h.a; h.s[ix(h.h.a) - 1] = { h.h.a }; bit<8> q = h.s[ix(h.h.d) - 5].v;  "
        "h.h.b = q; h.s[h.h.b - h.h.b].v = h.s[ix(h.h.c) - 3].v;"),
        dep="b.emit(h);",
    ), (0, "0341040500050006020203"), "0102030400050006414243"),
    ("exit in func-called?", full(
        top=(
        "control CC(inout bit<8> a, inout bit<8> c) { action e() { a = 9; c = 8; exit; } table t { "
        "actions = { e; } default_action = e; } apply { if (a == 1) { t.apply(); } c = 7; } }"),
        locs="CC() c1;",
        ig="bit<8> loc = h.h.a; c1.apply(loc, h.h.b); h.h.c = loc;",
    ), (0, "0108030400050006"), IN),
    ("copyout order alias", full(
        top="void f(inout bit<8> x, inout bit<8> y, out bit<8> z) { x = 1; y = 2; z = 3; }",
        ig="f(h.h.a, h.h.a, h.h.a); f(h.h.b, h.h.b, h.h.c); ",
    ), (0, "0302030400050006"), IN),
    ("fn with bool + short circuit order", full(
        top="bool t(inout bit<8> c, in bool r) { c = c + 1; return r; }",
        ig=(
        "bool x = t(h.h.a, true) || t(h.h.a, true) && t(h.h.b, false); bool y = t(h.h.b, false) && "
        "t(h.h.c, true) || !t(h.h.d, false); if (x != y) h.h.w = 1;"),
    ), (0, "0203030500050006"), IN),
    ("func arg evaluation w/ mux", full(
        top=(
        "bit<8> f(in bit<8> a, in bit<8> b2, in bit<8> c) { return a * 16 + b2 * 4 + c; } bit<8> g(inout "
        "bit<8> x) { x = x + 1; return x; }"),
        ig="h.h.d = f(h.h.a, g(h.h.a), h.h.a);",
    ), (0, "0202031a00050006"), IN),
    ("compound with calls", full(
        top="bit<8> g(inout bit<8> x) { x = x + 1; return x; }",
        ig="h.h.a += g(h.h.a); h.h.b = h.h.b + g(h.h.b) + h.h.b;",
    ), (0, "0308030400050006"), IN),
    ("ctor default", small(
        ig="c(5) c1; c() c2; apply { c1.apply(h.h.a); c2.apply(h.h.b); }",
        top="control c(inout bit<8> x)(bit<8> k = 7) { apply { x = k; } }",
    ), (0, "05070304"), SHORT),
    ("local control decl order", small(
        ig="c() c1; apply { c1.apply(h.h.a); }",
        top=(
        "control d(inout bit<8> x) { apply { x = x + 1; } } control c(inout bit<8> x) { d() a; d() b; "
        "apply { a.apply(x); b.apply(x); } }"),
    ), (0, "03020304"), SHORT),
    ("const in action", small(
        ig="action a() { const bit<8> K = 9; h.h.a = K; } apply { const bit<8> K = 8; a(); h.h.b = K; }",
    ), (0, "09080304"), SHORT),
    ("return value unused ternary", small(
        ig="apply { h.h.a = (h.h.a == 1) ? f(h.h.b) : f(h.h.a); h.h.w = h.h.b == 7 ? 16w5 : 6; }",
        top="bit<8> f(inout bit<8> x) { x = 7; return 3; }",
    ), (0, "03070005"), SHORT),
    ("action data used twice & modified", small(
        ig=(
        "action a(bit<8> x) { bit<8> y = x; y = y + x; h.h.a = y; h.h.b = x; } table t { actions = { a; "
        "} default_action = a(5); } apply { t.apply(); }"),
    ), (0, "0a050304"), SHORT),
    ("wide action data", small(
        ig=(
        "action a(bit<128> x, int<16> s) { h.h.a = x[127:120]; h.h.b = x[7:0]; h.h.w = (bit<16>)(s >> "
        "1); } table t { actions = { a; } default_action = a(128w0xAB000000000000000000000000000000 | 7, "
        "-4); } apply { t.apply(); }"),
    ), (0, "ab07fffe"), SHORT),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_calls(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
