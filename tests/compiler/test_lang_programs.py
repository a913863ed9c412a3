"""Programs as a whole: names, annotations, macros, constants."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import IN, SHORT, Row, check, full, small

ROWS: list[Row] = [
    ("opt param pkg", full(), (0, "0102030400050006"), IN),
    ("const exprs", full(
        top=(
        "const int N = 3; const bit<(N*2+2)> Q = (N << 2) | 1; const bool BB = N > 2; struct cs { bit<8> "
        "a; bit<8> b; } const cs CC = {1, N}; const tuple<bit<8>, bool> TT = {7, true};"),
        ig=(
        "h.h.a = Q; h.h.b = CC.b; if (BB) h.h.c = TT[0]; h.h.d = (bit<8>)(N % 2 + 7 / 2 - -3); bit<N> z "
        "= 7; h.h.w = (bit<16>)(bit<N>)(z + 1);"),
    ), (0, "0d03070700000006"), IN),
    ("int consts", full(
        ig=(
        "h.h.a = 5 == 5 ? 8w1 : 2; h.h.b = (bit<8>)(100 * 3 % 256); h.h.c = 8w255 + 8w2; h.h.d = 1 << 3; "
        "h.h.w = 16w0xFFFF >> 4; h.h.x = -1;"),
    ), (0, "012c01080fffffff"), IN),
    ("named main", small(
        main="V1Switch(p=p(), vr=vrfy(), dep=deparser(), ck=update(), ig=ingress(), eg=egress()) main;",
    ), (0, "01020304"), SHORT),
    ("typed main", small(
        main="V1Switch<Headers, Meta>(p(), vrfy(), ingress(), egress(), update(), deparser()) main;",
    ), (0, "01020304"), SHORT),
    ("named insts", small(
        main="p() pi; ingress() ii; V1Switch(pi, vrfy(), ii, egress(), update(), deparser()) main;",
    ), (0, "01020304"), SHORT),
    ("pkg wrapper", small(
        top="",
        main=(
        "control CC(inout Headers h); package top(CC c); control cc(inout Headers h) { apply{} } "
        "V1Switch(p(), vrfy(), ingress(), egress(), update(), deparser()) main;"),
    ), (0, "01020304"), SHORT),
    ("crlf", small(edits=[("\n", "\r\n")]), (0, "01020304"), SHORT),
    ("utf8 bom", small(first="\ufeff"), (0, "01020304"), SHORT),
    ("pragma lines", small(
        top="#pragma once\n#pragma foo bar\n@pragma baz 1 2\nconst bit<8> Z = 1;",
    ), (0, "01020304"), SHORT),
    ("line directive", small(top='# 1 "foo.p4"\n#line 7\n'), (0, "01020304"), SHORT),
    ("macros", small(
        top=(
        "#define ADD(x, y) ((x) + (y))\n#define N 4\n#define W bit<N*2>\n#define CAT(a,b) a##b\n#define "
        "FIELD h.h.CAT(,a)\n#if defined(N) && (N >= 4) && !defined(FOO)\nconst W Q = ADD(N, \\\n 2);\n#elif "
        "FOO\n#error no\n#else\n#error no\n#endif\n#ifdef FOO\n#error bad 'quote\n#endif\n#undef N\n#ifndef N\n"
        "#define N 1\n#endif\n"),
        ig="apply { h.h.a = Q + N; h.h.b = __LINE__ > 0 ? 8w1 : 0; }",
    ), (0, "07010304"), SHORT),
    ("static", small(
        ig="const bool y = static_assert(true); apply { static_assert(P4C_X == 3); }",
        top='#define P4C_X 3\nconst bool x = static_assert(V1MODEL_VERSION >= 20180101, "bad");',
    ), (0, "01020304"), SHORT),
    ("const struct use", small(
        ig=(
        "action a(bit<8> x) { h.h.b = x; } table t { key = { h.h.a: exact; h.h.w : exact; } actions = "
        "{a;} const entries = { (CC.a, T[1]): a(CC.b); } } apply { t.apply(); bit<(CC.b)> z = 5; h.h.a = "
        "(bit<8>)z; switch (h.h.w) { T[1]: { h.h.w = 1; } } }"),
        top=(
        "struct cs { bit<8> a; bit<8> b; } const cs CC = {1, 7}; const cs DD = CC; const tuple<bit<8>, "
        "bit<16>> T = {1, 0x304};"),
    ), (0, "05070001"), SHORT),
    ("const list", small(
        ig="apply { }",
        top=(
        "const list<bit<8>> L = {1,2,3}; const list<tuple<bit<8>, bool>> L2 = (list<tuple<bit<8>, "
        "bool>>){ {1, true}, {2, false} };"),
    ), (0, "01020304"), SHORT),
    ("param named like type", small(
        ig="action Meta2(bit<8> Headers) { h.h.a = Headers; } apply { Meta2(5); }",
    ), (0, "05020304"), SHORT),
    ("while consts", small(ig="apply { if (1 == 2 || true && 3 > 2) h.h.a = 9; }"), (0, "09020304"), SHORT),
    ("big consts", small(
        ig=(
        "apply { bit<128> x = 128w0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF; h.h.a = x[127:120]; "
        "bit<128> y = x + 1; h.h.b = y[7:0]; int<64> z = -64s1; h.h.w = (bit<16>)(z[63:48]); bit<8> k = "
        "8w0b1010_1010; }"),
    ), (0, "ff00ffff"), SHORT),
    ("div const", small(
        ig=(
        "apply { h.h.a = h.h.b / 2; h.h.b = h.h.w[7:0] % 4; h.h.w = 100 / 7; const bit<8> z = 9; h.h.a = "
        "h.h.a + z / 2 + z % 4; }"),
    ), (0, "0600000e"), SHORT),
    ("annots", small(
        ig=(
        '@name("in.x") @hidden action a(@name("p") bit<8> x) { h.h.a = x; } @name(".abs") table t { key '
        '= { h.h.a : exact @name("k"); h.h.b : ternary @name("b.c"); } actions = { @name("zz") a; '
        'NoAction; } @name("def") default_action = a(3); size = 1 << 4; @foo ways = 3; } @name("q") '
        "bit<8> z; apply { t.apply(); }"),
        top=(
        '@foo[a=1, b="x"] @bar[1,2,3] @baz() @match(x y { z } ; 3) struct an { @field bit<8> x; } '
        '@unknown("x") header ah { @name("yy") bit<8> y; }\n@noWarn("unused") const bit<1> Q = 1;'),
    ), (0, "03020304"), SHORT),
    ("typedef chain", small(
        ig=(
        "apply { t3 q = 5; h.h.a = q; t4 z = (t4)7; t3 w = (t3)z; h.h.b = w + q; hh k = h.h; h.h = k; st "
        "a = {{3}, {4}}; h.h.w = (bit<16>)a[1].v; }"),
        top=(
        "header g_t { bit<8> v; } typedef bit<8> t1; typedef t1 t2; typedef t2 t3; type t3 t4; typedef "
        "g_t[2] st;\n"),
        edits=[("struct Headers", "typedef h_t hh;\nstruct Headers")],
    ), (0, "050c0004"), SHORT),
    ("bool const expr", small(
        ig="apply { const bool z = (1 < 2) == true; if (z) h.h.a = 9; const bit<8> q = z ? 8w3 : 4; h.h.b = q; }",
    ), (0, "09030304"), SHORT),
    ("meta scalar typedef", full(
        ig="m = m + 1; h.h.a = m;",
        edits=[("struct M {  }", "typedef bit<8> M;")],
    ), (0, "0102030400050006"), IN),
    ("div const again", full(
        top="const bit<16> N = 100; const int K = 7 / 2;",
        ig="h.h.w = N / 7 + K; h.h.x = N % 7; h.h.a = h.h.a / 1; h.h.b = h.h.b % 1;",
    ), (0, "0100030400110002"), IN),
    ("const tuple", full(
        top=(
        "const tuple<bit<8>, bit<8>> T = { 3, 4 }; struct cs { bit<8> a; bit<16> b; } const cs C = { 5, "
        "6 }; const cs C2 = { a = 7, b = 8 };"),
        ig="h.h.a = T[1]; h.h.w = C.b; h.h.b = C2.a; cs l = C; l.a = l.a + 1; h.h.c = l.a;",
    ), (0, "0407060400060006"), IN),
    ("string annotations", full(
        top='@name("foo.bar") @xx("a", "b") header zz_t { @name("q") bit<8> z; }',
        locs=(
        '@name(".glob") action a() { h.h.a = 1; } @name("tt") table t { key = { h.h.a : exact '
        '@name("kk"); } actions = { a; } }'),
        ig="t.apply();",
    ), (0, "0102030400050006"), IN),
    ("names as ids", full(
        locs=(
        "action key(bit<8> size) { h.h.a = size; } table entries { key = { h.h.b : exact; } actions = { "
        "key; } const entries = { 2 : key(4); } } bit<8> apply_; bit<8> type; bit<8> priority = 2; "
        "bit<8> state2;"),
        ig="type = 5; entries.apply(); h.h.b = type + priority; bit<8> actions = 3; h.h.c = actions;",
    ), (0, "0407030400050006"), IN),
    ("int<W> const compare", full(
        top="const int<8> K = -5;",
        ig="if ((int<8>)h.h.a > K) h.h.a = 9; if (K == -5) h.h.b = 9; bit<8> u = (bit<8>)K; h.h.c = u;",
    ), (0, "0909fb0400050006"), IN),
    ("const expr widths", full(
        top="const bit<32> W = 8; typedef bit<(W * 2)> w_t; typedef bit<W> w2; \n#define ZZ 4\n",
        ig="w_t x = 0x123; h.h.w = x; bit<ZZ> q = 3; bit<(ZZ+4)> r = 9; h.h.a = r; h.h.b = (bit<8>)q;",
    ), (0, "0903030401230006"), IN),
    ("line continuation macro", full(
        top=(
        "#define MM(x) \\\n  h.h.a = x; \\\n  h.h.b = x\n#ifdef MM\n#else\n#error no\n#endif\n#undef ZZZ\n#if 1 + "
        "1 == 2 && !defined(ZZZ) || 0\n#define OK 1\n#endif\n"),
        ig="MM(4); h.h.c = OK;",
    ), (0, "0404010400050006"), IN),
    ("string concat annotations", full(
        top=(
        '@foo("a" "b") @bar(x=1) @baz([1,2]) @p4runtime_translation("x/y", 32) type bit<9> pt; '
        '@p4runtime_translation("", string) type bit<9> pt2;'),
        ig="h.h.a = 2;",
    ), (0, "0202030400050006"), IN),
    ("@noWarn etc on stmt", full(
        locs='@noWarn("unused") bit<8> zz;',
        ig="@foo { h.h.a = 2; } if (h.h.a == 2) { h.h.b = 3; }",
    ), (0, "0203030400050006"), IN),
    ("typed struct expr", full(
        top="struct i1 { bit<8> a; bit<8> b; } i1 mk() { return (i1){ a = 1, b = 5 }; }",
        ig=(
        "h.h.a = ((i1){ 3, 4 }).b; h.h.b = mk().b; h.h = (h_t){ a = h.h.a, b = h.h.b, c = 1, d = 1, w = "
        "1, x = 1 };"),
    ), (0, "0405010100010001"), IN),
    ("const struct compare", full(
        top="struct cs { bit<8> a; bit<8> b; } const cs K = { 1, 2 };",
        ig="cs l = { h.h.a, h.h.b }; if (l == K) h.h.c = 9; if (K != { 1, 3 }) h.h.d = 9;",
    ), (0, "0102090900050006"), IN),
    ("mixed compare const", full(
        ig="if (h.h.a < 256w5[7:0]) h.h.a = 9; if (8 > h.h.b) h.h.b = 9; if (h.h.c == 8w3 + 0) h.h.c = 9;",
    ), (0, "0909090400050006"), IN),
    ("@name collisions", full(
        top=(
        'control CX(inout bit<8> a) { @name("aa") action x() { a = 3; } @name("aa") table t { actions = '
        "{ x; } default_action = x; } apply { t.apply(); } }"),
        locs="CX() c1; CX() c2;",
        ig="c1.apply(h.h.a); c2.apply(h.h.b);",
    ), (0, "0303030400050006"), IN),
    ("scalars name clash", full(
        top="struct scalars { bit<8> a; } header scalars_t { bit<8> z; }",
        hdrs="h_t h; scalars_t scalars; scalars_t standard_metadata;",
        ig="scalars q = { 3 }; h.h.a = q.a; h.scalars.setValid(); h.scalars.z = 7;",
        dep="b.emit(h);",
    ), (0, "030203040005000607"), IN),
    ("const shift int", full(
        top=(
        "const bit<8> SH = 8w1 << 3; const int<8> SR = -8s16 >> 2; const bit<4> TR = (bit<4>)0xabc; "
        "const bit<8> CC = 4w1 ++ 4w2;"),
        ig="h.h.a = SH; h.h.b = (bit<8>)SR; h.h.c = 4w0 ++ TR; h.h.d = CC;",
    ), (0, "08fc0c1200050006"), IN),
    ("const slices", small(
        ig=(
        "apply { h.h.a = 8w0x5a[7:4] ++ (4w3)[3:0]; h.h.b = 6w0 ++ (bit<2>)(8w0xff)[1:0]; h.h.w = (h.h.a "
        "++ h.h.b)[11:4] ++ (~h.h.a)[7:0]; bit<4> z = (h.h.a > 3 ? h.h.a : 8w0)[3:0]; h.h.b[3:0] = z; "
        "h.h.b[4:4] = f(h.h.a)[0:0]; h.h.b[7:5] = ((bit<8>)7)[2:0] ; }"),
        top="bit<8> f(in bit<8> x) { return x; }",
    ), (0, "53f330ac"), SHORT),
    ("neg const slice", small(
        ig=(
        "apply { h.h.a = (-8w5)[7:0]; h.h.b = (8s5 - 8s9)[7:0]; int<8> q = -3; h.h.w = q[7:4] ++ 4w0 ++ "
        "q[7:0]; }"),
    ), (0, "fbfcf0fd"), SHORT),
    ("dotted names", small(
        ig=(
        ".C() c; action a() { h.h.b = 9; } table t { actions = { .top_a(h.h.a); a; .NoAction; } "
        "default_action = .top_a(h.h.a); } apply { .h_t q = h.h; h.h.w[7:0] = .f(q.a); switch "
        "(t.apply().action_run) { .top_a: { h.h.b = 5; } a: {} } c.apply(h.h.w); .NoAction(); }"),
        top=(
        "bit<8> f(in bit<8> x) { return x + 1; } action top_a(inout bit<8> x) { x = 8; } control C(inout "
        "bit<16> x) { apply { x = x + 0x100; } }"),
    ), (0, "08050402"), SHORT),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_programs(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
