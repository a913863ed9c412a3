"""Unusual but correct texts with packet tests: the preprocessor, words as names, annotations, old syntax, scopes, loops."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import full, small
from .stf_rows import StfRow, play

IN = "01 02 03 04 0005 0006"


def one(ig: str, left: str, sent: str = IN, **rest: str) -> tuple[str, str]:
    return full(ig=ig, **rest), f"packet 0 {sent}; expect 0 {left}$"


def sm(ig: str, left: str, sent: str = "01 02 0003", **rest: str) -> tuple[str, str]:
    return small(ig=ig, **rest), f"packet 0 {sent}; expect 0 {left}$"


ROWS: list[StfRow] = [(name, *rest) for name, rest in {
    "include guards and #ifndef": one("h.h.a = A + B;", "05 02 03 04 0005 0006",
        prefix="#ifndef A\n#define A 2\n#endif\n#ifndef A\n#define A 9\n#endif\n#ifdef A\n#define B 3\n#else\n#error "
        "no\n#endif\n"),
    "#if with every operator": one("h.h.a = VAL;", "07 02 03 04 0005 0006",
        prefix="#define X 3\n#if defined(X) && !defined Y && (X + 2 * 3 == 9 || 0) && X % 2 && (X << 2) >= 12 && ~X "
        "< 0 && (X > 1 ? 1 : 0)\n#define VAL 7\n#elif 1\n#define VAL 8\n#else\n#define VAL 9\n#endif\n"),
    "#elif chain": one("h.h.a = VAL;", "08 02 03 04 0005 0006", prefix="#define X 0x10\n#if X == 1\n#define VAL "
        "7\n#elif X == 16\n#define VAL 8\n#elif X == 16\n#define VAL 9\n#else\n#error x\n#endif\n"),
    "undefined names in #if are 0": one("h.h.a = VAL;", "03 02 03 04 0005 0006",
        prefix="#if FOO == 0 && !BAR\n#define VAL 3\n#else\n#define VAL 4\n#endif\n"),
    "macros with arguments": one("SETF(a, ADD(h.h.b, MUL(2, 3))) SETF(b, 7)", "08 07 03 04 0005 0006",
        prefix="#define ADD(x, y) ((x) + (y))\n#define MUL(x,y) (x * y)\n#define SETF(f, v) h.h.f = v;\n"),
    "pasting of names": one("bit<8> v1 = 5; bit<8> v2 = 6; h.h.a = GET(1) + GET(2); h.h.NAME(b) = 1;",
        "0b 01 03 04 0005 0006", prefix="#define GET(n) v##n\n#define NAME(x) x\n"),
    "names as strings": one("log_msg(STR(a b)); h.h.a = 2;", "02 02 03 04 0005 0006", prefix="#define STR(x) #x\n"),
    "macro over several lines": one("TWO", "07 08 03 04 0005 0006", prefix="#define TWO h.h.a = 7; \\\n   h.h.b \\\n = 8;\n"),
    "macro that names itself": one("bit<8> x = 3; h.h.a = x;", "04 02 03 04 0005 0006", prefix="#define x (x + 1)\n", edits=[(
        "bit<16> x;", "bit<16> xx;"), ("bit<8> (x + 1)", "bit<8> x")] if False else [("bit<8> x = 3; h.h.a = x;",
        "\n#undef x\nbit<8> x = 3;\n#define x (x + 1)\nh.h.a = x;")]) if False else one("bit<8> yy = 3; h.h.a = Y1;",
        "04 02 03 04 0005 0006", prefix="#define yy yy\n#define Y1 (yy + 1)\n"),
    "macro undefined again": one("bit<8> N = 3; h.h.a = N;", "03 02 03 04 0005 0006",
        prefix="#define N 9\n#undef N\n#undef NEVER\n"),
    "macro as a type and a keyword": one("BYTE z = 4; IFF (h.h.a == 1) h.h.a = z;", "04 02 03 04 0005 0006",
        prefix="#define BYTE bit<8>\n#define IFF if\n"),
    "conditional text inside a block": one(
        "h.h.a = 2;\n#if 0\n garbage ' \" here\n#else\nh.h.b = 3;\n#endif\n#ifdef NOPE\n h.h.c = 9;\n#endif\n",
        "02 03 03 04 0005 0006"),
    "line numbers as values": one("h.h.w = (__LINE__ > 0) ? 16w1 : 16w2;", "01 02 03 04 0001 0006"),
    "comments in odd places": one("h.h /* a */ . /* b\n c */ a = // d\n 8w5 ;" +
        "/* // */ h.h.b = 6; // /* x\n h.h.c = 7; /**/", "05 06 07 04 0005 0006"),
    "tabs, form feeds and no spaces": one("h.h.a=h.h.b+h.h.c;\tif(h.h.a==5){h.h.b=1;}else{h.h.b=2;}\f\v",
        "05 01 03 04 0005 0006"),
    "version macro": one("h.h.a = VAL;", "01 02 03 04 0005 0006", prefix="#define V1MODEL_VERSION 20200408\n", edits=[(
        "struct H", "#if V1MODEL_VERSION >= 20200408\nconst bit<8> VAL = 1; typedef PortId_t Prt;\n#else\nconst "
        "bit<8> VAL = 2;\n#endif\nstruct H")]),
    "words that are names in some places": sm("bit<8> apply_ = 1; bit<8> key = 2; bit<8> actions = 3; "
        "bit<8> type = 5; bit<8> priority = 6; bit<8> list = 7; bit<8> entries = 8; bit<8> size = 9; "
        "apply { h.h.a = key + actions + type + priority + list + entries + size + apply_; }", "29 02 0003"),
    "an action and a table named by words": sm("action key() { h.h.a = 9; } table entries { key = { h.h.b : exact; } "
        "actions = { key; @defaultonly NoAction; } const entries = { 2 : key(); } } apply { entries.apply(); }",
        "09 02 0003"),
    "a parameter named list and one named type": sm("apply { h.h.a = f(list = 8w2, type = 8w3); }", "05 02 0003",
        after="bit<8> f(in bit<8> list, in bit<8> type) { return list + type; }"),
    "a struct with fields named by words": sm("apply { K k = {key = 1, actions = 2, entries = 3, priority = 4, type "
        "= 5, list = 6}; h.h.a = k.key + k.actions + k.entries + k.priority + k.type + k.list; }", "15 02 0003",
        after="struct K { bit<8> key; bit<8> actions; bit<8> entries; bit<8> priority; bit<8> type; bit<8> list; }"),
    "annotations everywhere": one('@note("x") { @a @b[1, 2] bit<8> k = 3; h.h.a = k; }' +
        " if (h.h.a == 3) @unlikely() { h.h.b = 9; }", "03 09 03 04 0005 0006",
        top='@t("s") typedef bit<8> B8;' + '@pure bit<8> ff(@x in bit<8> q) { return q; } @on enum EE { @m AA, BB } '
        '@on enum bit<8> FF { @m AA = 1, @k["a"] BB = 2 } error { Ee } struct SS { @s bit<8> x; @u(1, "2") bit<8> y; }'),
    "annotations with structured bodies": sm('@tags[1, 2, 3] @kv[a = 1, b = "x"] @raw(a b (c) { d } ; '
        '<>) @empty() @none action a() { h.h.a = 2; } @hidden table t { key = { h.h.b : exact @name("bb") @x(1); } '
        'actions = { @y a; @defaultonly @z NoAction; } size = 4; default_action = a(); } apply { t.apply(); }', "02 02 0003"),
    "annotated table properties": sm("action a() { h.h.a = 2; } table t { @k key = { h.h.b : exact; } "
        "@q actions = { a; } @s size = 4; @d const default_action = a(); @e const entries = { 7 : a(); } } "
        "apply { t.apply(); }", "02 02 0003"),
    "empty statements and blocks": one(
        "; ;; {} {;} if (h.h.a == 1) ; else {} { { { h.h.a = 2; } } } ; if (h.h.b == 2) {} else { h.h.c = 9; }",
        "02 02 03 04 0005 0006"),
    "trailing commas": one("P2 p = {1, 2,}; P2 q = {l = 3, r = 4,}; h.h.a = p.l + q.r; "
        "tuple<bit<8>, bit<8>> t = {5, 6,}; h.h.b = t[1]; switch (h.h.c) { 3: { h.h.c = 7; } }",
        "05 06 07 04 0005 0006", top="struct P2 { bit<8> l; bit<8> r; } enum EE { A, B } error { Aa, Bb }"),
    "trailing comma in enums": one("if (EE.B == EE.B) h.h.a = 4;", "04 02 03 04 0005 0006",
        top="enum EE { A, B, } enum bit<4> FF { A = 1, B = 2, } error { Aa, Bb, }"),
    "shadowing in every scope": one("bit<8> k = 1; { bit<8> k = 2; { bit<8> k = k + 1; h.h.a = k; } h.h.b = k; } "
        "h.h.c = k; if (true) { bit<8> k = 9; h.h.d = k; }", "03 02 01 09 0005 0006",
        locs="const bit<8> k = 5; action zz() { bit<8> k = 4; h.h.a = k; }"),
    "declaration after use of an outer name": one("h.h.a = k; bit<8> k = 2; h.h.b = k;", "05 02 03 04 0005 0006",
        top="const bit<8> k = 5;"),
    "names with dollar-like parts and underscores": one("bit<8> _x = 1; bit<8> __ = 2; bit<8> x_1_2 = 3; "
        "bit<8> tmp = 4; bit<8> tmp_0 = 5; h.h.a = _x + __ + x_1_2 + tmp + tmp_0;", "0f 02 03 04 0005 0006"),
    "unicode in comments and strings": one("// gr\u00fc\u00df\n log_msg(\"\u00e9 \\\" {}\", {h.h.a}); h.h.a = 2;",
        "02 02 03 04 0005 0006"),
    "headers struct nested twice": sm(
        "apply { h.n.o.p.v = 3; h.n.o.p.setValid(); h.n.o.p.v = h.h.a; h.n.q.setValid(); h.n.q = h.n.o.p; }",
        "01 02 0003 01 01", top="header g_t { bit<8> v; } struct oo { g_t p; } struct nn { oo o; g_t q; }", hdr="nn n;"),
    "metadata nested, arrays and bools": sm("apply { m.i.f = h.h.a == 1; m.i.j.k = m.i.f ? 8w5 : 8w6; m.i.e = EE.B; "
        "m.i.s[1].v = 7; m.i.s[1].setValid(); h.h.b = m.i.j.k + m.i.s[1].v; if (m.i.e == EE.B) h.h.a = 0x11; }",
        "11 07 0003", top="header g_t { bit<8> v; } enum EE { A, B } struct jj { bit<8> k; } struct ii { bool f; "
        "jj j; EE e; g_t[2] s; }", meta="ii i;") if False else sm("apply { m.i.f = h.h.a == 1; m.i.j.k = m.i.f ? 8w5 "
        ": 8w6; m.i.e = EE.B; m.i.s[1].setValid(); m.i.s[1].v = 7; h.h.b = m.i.j.k + m.i.s[1].v; "
        "if (m.i.e == EE.B) h.h.a = 0x11; }", "11 0c 0003", top="header g_t { bit<8> v; } enum EE { A, B } "
        "struct jj { bit<8> k; } struct ii { bool f; jj j; EE e; g_t[2] s; }", meta="ii i;"),
    "for with several clauses": one("bit<8> n = 0; for (bit<8> i = 0, bit<8> j = 10; i < j; "
        "i = i + 1, j = j - 1) { n = n + 1; } h.h.a = n; for (; n != 2;) { n = n - 1; } h.h.b = n;", "05 02 03 04 0005 0006"),
    "for in with break and continue": one("bit<8> n = 0; for (bit<8> i in 1 .. 9) { if (i == 3) continue; "
        "if (i == 6) break; for (bit<8> j in 0 .. 1) { if (j == 1) break; n = n + i; } } h.h.a = n;",
        "0c 02 03 04 0005 0006"),
    "for over a list and a stack": sm("apply { bit<8> n = 0; for (bit<8> i in (list<bit<8>>){1, 5, 7}) { n = n + i; "
        "} for (g_t q in h.s) { if (q.isValid()) n = n + q.v; } h.h.a = n; }", "12 02 0003 02 03", "01 02 0003 02 03",
        top="header g_t { bit<8> v; }", hdr="g_t[3] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }"),
    "return inside loops of a function": one("h.h.a = f(h.h.c); h.h.b = f(9);", "06 ff 03 04 0005 0006",
        top="bit<8> f(in bit<8> k) { bit<8> n = 0; for (bit<8> i in 0 .. 5) { n = n + i; if (i == k) { return n; } } "
        "return 0xff; }"),
    "loop with a run-time bound": one(
        "bit<8> n = 0; for (bit<8> i = 0; i < h.h.d; i = i + 1) { n = n + h.h.b; } h.h.a = n;", "08 02 03 04 0005 0006"),
    "exit inside a loop": one("for (bit<8> i in 0 .. 5) { h.h.a = i; if (i == h.h.c) { exit; } } h.h.b = 9;",
        "03 02 03 04 0005 0006"),
    "table inside a loop body taken once": one("for (bit<8> i in 0 .. 0) { t.apply(); }", "07 02 03 04 0005 0006",
        locs="action s() { h.h.a = 7; } table t { actions = { s; } default_action = s(); }"),
    "P4_14-style names": one("modify_field(h.h.a, h.h.b);", "02 02 03 04 0005 0006",
        locs="action modify_field(out bit<8> d, in bit<8> s) { d = s; }"),
    "instance annotations and abstract": one("h.h.a = 3;", "03 02 03 04 0005 0006",
        top="extern Virt { Virt(); @synchronous(go) abstract bit<8> go(in bit<8> x); bit<8> run(in bit<8> y); }"),
    "own match kinds": one("h.h.a = 3;", "03 02 03 04 0005 0006", top="match_kind { fuzzy, nearest }"),
    "constant expressions of every kind": one(
        "h.h.a = A; h.h.b = B ? 8w1 : 8w0; h.h.c = C[7:0]; h.h.d = D.l; h.h.w = E1; h.h.x = (bit<16>)F;",
        "0a 01 cd 05 0304 0006",
        top="struct P2 { bit<8> l; bit<8> r; } const bit<8> A = (1 << 3) + 2; const bool B = A > 9 && !(A == 11); "
        "const bit<16> C = 8w0xab ++ 8w0xcd; const P2 D = {r = 1, l = A / 2}; const bit<16> E1 = 8w3 ++ 8w4; "
        "const bit<4> F = (bit<4>)6;"),
    "forward use of types in one scope": one("h.h.a = (bit<8>)g(h.h.b);", "03 02 03 04 0005 0006",
        top="typedef bit<8> B1; typedef B1 B2; B2 f(in B2 x) { return x + 1; } B1 g(in B1 y) { return f(y); }"),
    "type arguments written out": one("h.h.a = id<bit<8>>(3); Bx<bit<8>, bit<16>> k = {1, 2}; h.h.b = k.x; "
        "sw<bit<8>>(h.h.c, h.h.d); Bx<Bx<bit<8>,bit<8>>,bool> z = {{4, 5}, true}; h.h.w = (bit<16>)z.x.y;",
        "03 01 04 03 0005 0006", top="T id<T>(in T x) { return x; } struct Bx<A, B> { A x; B y; } "
        "void sw<T>(inout T p, inout T q) { T t = p; p = q; q = t; }"),
    "less-than beside type arguments": one("bool r = h.h.a < h.h.b && h.h.c > (h.h.b); if (r) h.h.a = 9; "
        "h.h.b = (h.h.a >> 1) >> 1; bit<8> q = h.h.c<h.h.d ? 8w1:8w0; h.h.c = q;", "09 02 01 04 0005 0006"),
    "switch on run-time values with labels in braces": one("switch (h.h.a ++ h.h.b) { 0x0102: { h.h.c = 1; } "
        "16w0x0103 : { h.h.c = 2; } default : {} } switch (h.h.a == 1) { true: { h.h.d = 5; } false: { h.h.d = 6; } }",
        "01 02 01 05 0005 0006"),
    "control with only declarations": one("x.apply(); h.h.a = 3;", "03 02 03 04 0005 0006",
        top="control Nil() { apply { } }", locs="Nil() x;"),
    "direct application of types": one("Inc.apply(h.h.a); Inc.apply(h.h.a); Add.apply(h.h.b, 5);",
        "03 07 03 04 0005 0006", top="control Inc(inout bit<8> x) { apply { x = x + 1; } } "
        "control Add(inout bit<8> x, in bit<8> y) { Inc() i; apply { x = x + y - 1; i.apply(x); } }"),
    "package arguments by name": small(ig="apply { h.h.a = 4; }",
        main="V1Switch(dep = deparser(), p = p(), vr = vrfy(), ig = ingress(), ck = update(), eg = egress()) main;") and sm(
        "apply { h.h.a = 4; }", "04 02 0003",
        main="V1Switch(dep = deparser(), p = p(), vr = vrfy(), ig = ingress(), ck = update(), eg = egress()) main;"),
    "blocks with type and constructor parameters": sm("apply { h.h.a = 4; }", "04 05 0003",
        main="V1Switch(p(), vrfy(), ingress(), eg2(3w5), update(), deparser()) main;",
        after="control eg2(inout Headers h, inout Meta m, inout standard_metadata_t sm)(bit<3> k) { apply { h.h.b = "
        "(bit<8>)k; } }"),
    "asserts and log messages": one(
        'assert(h.h.a == 1); assume(h.h.b < 9); log_msg("a"); log_msg("v = {} {}", {h.h.a, h.h.w}); h.h.a = 2;',
        "02 02 03 04 0005 0006"),
}.items()]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_odd_texts(row: StfRow, tmp_path: Path) -> None:
    play(row, tmp_path)
