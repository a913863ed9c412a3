"""Names: generics, overloads, shadowing, the arguments of main."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import IN, SHORT, Row, check, full, small

ROWS: list[Row] = [
    ("top-level action", full(
        top="action a(inout bit<8> x) { x = 4; } action bb(inout bit<8> x) { a(x); }",
        locs="table t { actions = { bb(h.h.a); } default_action = bb(h.h.a); }",
        ig="a(h.h.b); t.apply();",
    ), (0, "0404030400050006"), IN),
    ("generic fn", full(
        top="T id<T>(in T x) { return x; } void sw<T>(inout T a, inout T c) { T t = a; a = c; c = t; }",
        ig="h.h.a = id<bit<8>>(h.h.b); h.h.c = id(h.h.d); sw(h.h.w, h.h.x);",
    ), (0, "0202040400060005"), IN),
    ("generic struct2", full(
        top="struct Pr<A, B> { A first; B second; } header gh<T> { T f; bit<8> z;}",
        hdrs="h_t h; gh<bit<8>> g;",
        ig="Pr<bit<8>, h_t> p = {h.h.b, h.h}; h.h.a = p.first; h.h.b = p.second.d; h.g = {3,4};",
        dep="b.emit(h);",
    ), (0, "02040304000500060304"), IN),
    ("generic control", full(
        top="control C<T>(inout T x, in T y) { apply { x = y; } }",
        locs="C<bit<8>>() c; C<h_t>() d;",
        ig="c.apply(h.h.a, 5); h_t z = h.h; z.b = 9; d.apply(h.h, z);",
    ), (0, "0509030400050006"), IN),
    ("generic ingress ctl", small(ig="apply { h.h.b = 7; }"), (0, "01070304"), SHORT),
    ("shadowing", small(
        ig=(
        "bit<8> x = 1; action a(bit<8> x) { h.h.a = x; } action c() { bit<8> x = 9; h.h.b = x; } apply { "
        "bit<8> x = 5; { bit<8> x = 6; a(x); } c(); h.h.w = (bit<16>)x; }"),
    ), (0, "06090005"), SHORT),
    ("same action name in two controls", small(
        ig="action a() { h.h.a = 5; } table t { actions = {a;} default_action = a(); } apply { t.apply(); }",
        eg="action a() { h.h.b = 6; } table t { actions = {a;} default_action = a(); } apply { t.apply(); }",
    ), (0, "05060304"), SHORT),
    ("nested generic call >>", small(
        ig="apply { gs<gs<bit<8>>> q; q.a.a = 16w0x1234 >> 8 == 0x12 ? 8w1 : 0; h.h.a = id<gs<bit<8>>>({5,6}).a; }",
        top="struct gs<T> { T a; T c; } T id<T>(in T x) { return x; }",
    ), (0, "05020304"), SHORT),
    ("overload fns2", small(
        ig="apply { h.h.a = f(h.h.a); h.h.b = f(3, 4); f(h.h.b); }",
        top="bit<8> f(in bit<8> x) { return x + 1; } bit<8> f(in bit<8> x, in bit<8> y) { return x + y; }",
    ), (0, "02070304"), SHORT),
    ("nested controls instances same names", full(
        top=(
        "control L(inout bit<8> a)(bit<8> k) { action s() { a = k; } table t { actions = { s; } "
        "default_action = s; } apply { t.apply(); } } control O(inout bit<8> a, inout bit<8> b) { L(4) "
        "l1; L(5) l2; apply { l1.apply(a); l2.apply(b); } }"),
        locs="O() o;",
        ig="o.apply(h.h.a, h.h.b);",
    ), (0, "0405030400050006"), IN),
    ("function overload", full(
        top=(
        "bit<8> f(bit<8> a) { return a; } bit<8> f(bit<8> a, bit<8> b) { return a + b; } bit<8> f(bit<8> "
        "c = 4, bit<8> d, bit<8> e) { return c + d + e; }"),
        ig="h.h.a = f(2) + f(3, 4); h.h.b = f(d = 1, e = 2);",
    ), (0, "0907030400050006"), IN),
    ("shadowing again", full(
        meta="bit<8> a;",
        locs="bit<8> x = 1; action a(bit<8> x) { h.h.a = x; } ",
        ig="{ bit<8> x = 3; h.h.b = x; { bit<8> x = 4; h.h.c = x; } h.h.d = x; } a(x);",
    ), (0, "0103040300050006"), IN),
    ("generic struct", full(
        top=(
        "struct G2<T, U> { T a; U b; } header GH<T> { T v; } struct S2 { G2<bit<8>, bit<16>> g; } "
        "G2<bit<8>, bit<16>> mk<T>(in T z) { return { 3, 4 }; }"),
        hdrs="h_t h; GH<bit<8>> gh;",
        ig=(
        "G2<bit<8>, G2<bit<16>, bool>> q = { 1, { 2, true } }; h.h.w = q.b.a; G2<bit<8>, bit<16>> r = "
        "mk<bit<4>>(2); h.h.a = r.a; h.gh.setValid(); h.gh.v = 8; "),
        dep="b.emit(h);",
    ), (0, "030203040002000608"), IN),
    ("NoAction redefined", full(
        locs=(
        "action NoAction() { h.h.a = 5; } table t { key = { h.h.b: exact; } actions = { NoAction; } "
        "default_action = NoAction; }"),
        ig="t.apply();",
    ), (0, "0502030400050006"), IN),
    ("NoAction redefined default", full(
        locs="action NoAction() { h.h.a = 5; } action z() {} table t { key = { h.h.b: exact; } actions = { z; } }",
        ig="t.apply();",
    ), (0, "0102030400050006"), IN),
    ("named main args", full(
        ig="h.h.a=2;",
        edits=[
            ("V1Switch(P(), V(), I(), E(), U(), Dd()) main",
             "V1Switch(p = P(), ig = I(), vr = V(), eg = E(), ck = U(), dep = Dd()) main"),
        ],
    ), (0, "0202030400050006"), IN),
    ("main type args", full(
        ig="h.h.a=2;",
        edits=[("V1Switch(P()", "V1Switch<H, M>(P()")],
    ), (0, "0202030400050006"), IN),
    ("top-level instances", full(
        top="control CC(inout bit<8> a)(bit<8> k) { apply { a = k; } } const bit<8> KK = 9; ",
        locs='CC(KK + 1) c1; @name("zz") CC(k = 4) c2;',
        ig="c1.apply(h.h.a); c2.apply(h.h.b);",
    ), (0, "0a04030400050006"), IN),
    ("generic main controls", full(
        ig="h.h.a=2;",
        edits=[("control V(inout H h, inout M m)", "control V<A, B>(inout A h, inout B m)"), ("V(), I()", "V<H, M>(), I()")],
    ), (0, "0202030400050006"), IN),
    ("shadowed global via dot", small(
        ig="bit<8> K = 3; apply { h.h.a = K + .K; }",
        top="const bit<8> K = 10;",
    ), (0, "0d020304"), SHORT),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_names(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
