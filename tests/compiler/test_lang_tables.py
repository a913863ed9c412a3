"""Tables, keys, entries."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import IN, SHORT, Row, check, full, small

ROWS: list[Row] = [
    ("hit in expr", full(
        locs=(
        "action a1() {h.h.b = 1;} table t { key={h.h.a:exact;} actions = {a1; NoAction;} const entries = "
        "{1: a1();} }"),
        ig="bool hh = t.apply().hit; if (hh && h.h.b == 1) h.h.c = 8;",
    ), (0, "0101080400050006"), IN),
    ("miss in expr2", full(
        locs=(
        "action a1() {h.h.b = 1;} table t { key={h.h.a:exact;} actions = {a1; NoAction;} const entries = "
        "{2: a1();} }"),
        ig="if (h.h.a == 2 || t.apply().miss) h.h.c = 8; ",
    ), (0, "0102080400050006"), IN),
    ("hit ternary", full(
        locs=(
        "action a1() {h.h.b = 1;} table t { key={h.h.a:exact;} actions = {a1; NoAction;} const entries = "
        "{1: a1();} }"),
        ig="h.h.c = t.apply().hit ? 8w7 : 8w5;",
    ), (0, "0101070400050006"), IN),
    ("hit as arg", full(
        top="bit<8> f(in bool x) { if (x) return 3; return 4; }",
        locs=(
        "action a1() {h.h.b = 1;} table t { key={h.h.a:exact;} actions = {a1; NoAction;} const entries = "
        "{1: a1();} }"),
        ig="h.h.c = f(t.apply().hit);",
    ), (0, "0101030400050006"), IN),
    ("entries priority", full(
        locs=(
        "action a(bit<8> x) { h.h.b = x; } table t { key = { h.h.a : ternary; } actions = {a; NoAction;} "
        "const default_action = NoAction(); largest_priority_wins = false; entries = { priority=10: 0 "
        "&&& 0 : a(6); priority = 5: 1 &&& 0xf: a(7);} }"),
        ig="t.apply();",
    ), (0, "0107030400050006"), IN),
    ("entries priority2", full(
        locs=(
        "action a(bit<8> x) { h.h.b = x; } table t { key = { h.h.a : ternary; } actions = {a; NoAction;} "
        "const default_action = NoAction(); entries = { priority=10: 0 &&& 0 : a(6); priority = 5: 1 &&& "
        "0xf: a(7);} }"),
        ig="t.apply();",
    ), (0, "0106030400050006"), IN),
    ("entries priority delta", full(
        locs=(
        "action a(bit<8> x) { h.h.b = x; } table t { key = { h.h.a : ternary; } actions = {a; NoAction;} "
        "const default_action = NoAction(); priority_delta = 10; largest_priority_wins=false; entries = "
        "{ priority=10: _ : a(6); 1 &&& 0xf: a(7); priority=5: 3: a(8); 1: a(9);} }"),
        ig="t.apply();",
    ), (0, "0106030400050006"), IN),
    ("entries range2", full(
        locs=(
        "action a(bit<8> x) { h.h.b = x; } table t { key = { h.h.a : range; h.h.b: ternary; h.h.c:lpm; "
        'h.h.d: exact; h.g.isValid():exact @name("gv"); } actions = {a; NoAction;} const entries = { '
        "(0..5, _, 3, 4, false): a(9); (default, 1, 0x10 &&& 0xf0, 4, true): a(1);} }"),
        ig="t.apply();",
    ), (0, "0109030400050006"), IN),
    ("table key fn", full(
        top="bit<8> f(inout bit<8> x) { x = x + 1; return x; }",
        locs=(
        'action a(bit<8> x) { h.h.b = x; } table t { key = { f(h.h.a) : exact @name("k"); h.h.a + 1: '
        'exact @name("k2"); h.h.w[7:0] : ternary; (h.h.a ++ h.h.b) & 0xff: exact @name("kk");} actions = '
        "{a; NoAction;} const entries = { (2, 3, 5, 2): a(9); } }"),
        ig="t.apply();",
    ), (0, "0209030400050006"), IN),
    ("table key const", full(
        locs=(
        'action a(bit<8> x) { h.h.b = x; } table t { key = { 8w5 : exact @name("k"); true : exact '
        '@name("q"); } actions = {a; NoAction;} const entries = { (5, true): a(9); } }'),
        ig="t.apply();",
    ), (0, "0109030400050006"), IN),
    ("sub control tables", full(
        top=(
        "control C(inout h_t x)(bit<8> k) { action a(bit<8> z) { x.b = z + k; } table t { key = { x.a : "
        "exact; } actions = {a; NoAction;} const entries = { 1: a(3); } } apply { t.apply(); } }"),
        locs="C(4) c1; C(5) c2;",
        ig="c1.apply(h.h); h.h.d = h.h.b; c2.apply(h.h);",
    ), (0, "0108030700050006"), IN),
    ("direct type apply", full(
        top="control C(inout h_t x) { apply { x.a = 8; } }",
        ig="C.apply(h.h); ",
    ), (0, "0802030400050006"), IN),
    ("field names like keywords", small(
        hdr="",
        top=(
        "header k_t { bit<8> key; bit<8> actions; bit<8> state; bit<8> entries; bit<8> type; bit<8> "
        "apply; bit<8> priority; bit<8> list; bit<8> default_action; bit<8> size; bit<8> this; bit<8> "
        "pragma; bit<8> abstract_; }"),
        ig=(
        "k_t k; apply { k.setValid(); k.key = 1; k.actions = 2; k.state = k.key; k.entries = 4; k.type = "
        "5; k.apply = 6; k.priority = 4; k.list = 7; k.size = 8; k.this = 8; k.default_action = 1; "
        "bit<8> key = 3; bit<8> actions = key; bit<8> state = 4; bit<8> entries = 4; bit<8> apply = 3; "
        "bit<8> priority = 8; bit<8> size = 1; bit<8> type = 9; bit<8> list = 1; h.h.a = type + state + "
        "list; h.h.b = k.type + k.apply; }"),
    ), (0, "0e0b0304"), SHORT),
    ("nested if table", small(
        ig=(
        "action a() {h.h.b=9;} table t { key = {h.h.a:exact;} actions = {a;NoAction;} const entries = { "
        "1: a(); } } apply { if (h.h.isValid()) if (t.apply().hit) { h.h.a = 4; } else h.h.a = 5; }"),
    ), (0, "04090304"), SHORT),
    ("egress table only", small(
        eg=(
        "action a(bit<8> x) {h.h.b=x;} table t { key = {sm.egress_port:exact; h.h.a: lpm;} actions = "
        "{a;NoAction;} const entries = { (0, 0x00 &&& 0xf0): a(7); } } apply { t.apply(); }"),
    ), (0, "01070304"), SHORT),
    ("exit table act", small(
        ig=(
        "action ex() { h.h.a = 3; exit; } table t { actions = {ex;} default_action = ex; } apply { "
        "t.apply(); h.h.b = 1; }"),
        eg="apply { h.h.w = 5; }",
    ), (0, "03020005"), SHORT),
    ("table in action arg", small(
        ig=(
        "action a(bit<8> x) {h.h.b = x;} table t { actions = {a;} default_action = a(3); } apply { if "
        "(t.apply().hit) {} h.h.a = h.h.b; }"),
    ), (0, "03030304"), SHORT),
    ("table key types", small(
        ig=(
        "action a() {h.h.b = 9;} table t { key = { h.h.isValid(): exact; m.f: exact; m.e : exact; "
        'sm.parser_error: exact; m.s : ternary; h.h.a == 1 : exact @name("eq"); En.B : exact '
        '@name("en"); } actions = {a; NoAction;} const entries = { (true, false, En.A, error.NoError, '
        "-3, true, En.B): a(); } } apply { m.s = -3; t.apply(); }"),
        top="enum En {A, B}",
        meta="bool f; En e; int<8> s;",
    ), (0, "01090304"), SHORT),
    ("table ser enum key", small(
        ig=(
        'action a() {h.h.b = 9;} table t { key = { (En)h.h.a: exact @name("k"); m.e: ternary; } actions '
        "= {a; NoAction;} const entries = { (En.A, En.Z &&& En.Z): a(); (En.A, _) : a(); } } apply { "
        "t.apply(); }"),
        top="enum bit<8> En {A = 1, B = 2, Z = 0}",
        meta="En e;",
    ), (0, "01090304"), SHORT),
    ("table no key no default", small(
        ig="action a() { h.h.a = 9; } table t { actions = {a;} } apply { t.apply(); }",
    ), (0, "01020304"), SHORT),
    ("same action in two tables diff data", small(
        ig=(
        "action a(bit<8> x) {h.h.b = h.h.b + x;} table t { actions = {a;} default_action=a(1); } table u "
        "{ actions = {a;} default_action = a(2); } apply { t.apply(); u.apply(); }"),
    ), (0, "01050304"), SHORT),
    ("key names dup", small(
        ig=(
        'action a() {h.h.b=9;} table t { key={h.h.a:exact; h.h.a: ternary @name("x"); h.h.w[15:8]:exact; '
        "h.h.w[7:0] : exact;} actions = {a;NoAction;} const entries = {(1, _, 3, 4):a();} } apply { "
        "t.apply(); }"),
    ), (0, "01090304"), SHORT),
    ("lpm+exact+ternary", small(
        ig=(
        "action a(bit<8> x) {h.h.b=x;} table t { key={h.h.a:exact; h.h.w:lpm;} actions = {a;NoAction;} "
        "const entries = {(1, 0x0300 &&& 0xff00):a(1); (1, 0x304):a(2); (1, _): a(3);} } apply { "
        "t.apply(); }"),
    ), (0, "01020304"), SHORT),
    ("optional key", small(
        ig=(
        "action a(bit<8> x) {h.h.b=x;} table t { key={h.h.a:optional; h.h.w:optional;} actions = "
        "{a;NoAction;} const entries = {(2, _):a(1); (_, 0x304):a(2); (_, _): a(3);} } apply { "
        "t.apply(); }"),
    ), (0, "01020304"), SHORT),
    ("range key", small(
        ig=(
        "action a(bit<8> x) {h.h.b=x;} table t { key={h.h.a:range; h.h.w:range;} actions = {a;NoAction;} "
        "const entries = {(2..9, _):a(1); (0..1, 0x300..0x310):a(2); (_, _): a(3);} } apply { t.apply(); "
        "}"),
    ), (0, "01020304"), SHORT),
    ("table in function-like action arg", full(
        locs=(
        "action a(bit<8> v) { h.h.a = v; } action a2() {} table t { key = { h.h.b : exact; } actions = { "
        "a; NoAction; } const entries = { 2 : a(0x22); } const default_action = NoAction(); size = 4; } "
        "table t2 { actions = { a2; NoAction; } default_action = a2(); }"),
        ig=(
        "if (t.apply().hit && h.h.a == 0x22) { h.h.c = 1; } switch (t2.apply().action_run) { a2: { h.h.d "
        "= 0x44; } default: { h.h.d = 0x55; } }"),
    ), (0, "2202014400050006"), IN),
    ("action with dir params in table", full(
        locs=(
        "action a(in bit<8> x, inout bit<8> y, bit<8> z) { y = y + x + z; } table t { key = { h.h.c : "
        "exact; } actions = { a(h.h.a, h.h.b); } default_action = a(h.h.a, h.h.b, 5); const entries = { "
        "9 : a(h.h.a, h.h.b, 7); } }"),
        ig="t.apply();",
    ), (0, "0108030400050006"), IN),
    ("ternary with tables effects", full(
        top="bit<8> g(inout bit<8> v) { v = v + 1; return v; }",
        ig=(
        "h.h.d = (h.h.a == 1 ? g(h.h.b) : g(h.h.c)) + (h.h.a == 2 ? g(h.h.b) : g(h.h.c)); h.h.w = "
        "(g(h.h.a) == 2 && g(h.h.a) == 4) || g(h.h.a) == 4 ? 16w1 : 16w2;"),
    ), (0, "0403040700010006"), IN),
    ("const expr table size, key annots", full(
        top="const int SZ = 1 << 4; \n#define X 3\n",
        locs=(
        'action n(@name("zz") @optional bit<8> a) { } table t { key = { h.h.a : exact @name("a.b") @foo; '
        'h.h.b + 1 : ternary @name("e"); h.h.c[3:0] : lpm @name("l"); h.g.isValid() : exact; h.h.w & '
        '0xff : ternary @name("m"); } actions = { n; NoAction; } size = SZ * 2; default_action = '
        "NoAction; }"),
        ig="t.apply();",
    ), (0, "0102030400050006"), IN),
    ("if apply hit nested else", full(
        locs=(
        "action a() { h.h.a = 9; } table t { key = { h.h.b : exact; } actions = { a; } const entries = { "
        "2 : a(); } } table u { key = { h.h.b : exact; } actions = { a; } }"),
        ig="if (!t.apply().hit) { h.h.c = 1; } else if (u.apply().miss) { h.h.c = 2; } bool q = false; ",
    ), (0, "0902020400050006"), IN),
    ("apply().hit into bool var", full(
        locs=(
        "action a() { h.h.a = 9; } table t { key = { h.h.b : exact; } actions = { a; } const entries = { "
        "2 : a(); } }"),
        ig="bool q = t.apply().hit; if (q) h.h.c = 2; ",
    ), (0, "0902020400050006"), IN),
    ("return in apply", full(ig="if (h.h.a == 1) { h.h.a = 2; return; } h.h.a = 3;"), (0, "0202030400050006"), IN),
    ("empty keys/actions", full(
        locs=(
        "action z() { h.h.a = 2; } table t { key = { } actions = { z; } const default_action = z(); } "
        "table e { actions = { } }"),
        ig="t.apply(); e.apply();",
    ), (0, "0202030400050006"), IN),
    ("decl after apply? order", full(
        locs="bit<8> v1 = 3; action z() { h.h.a = v1; v1 = v1 + 1; }",
        ig="z(); z(); h.h.b = v1;",
    ), (0, "0405030400050006"), IN),
    ("local const/locals in apply", full(
        locs="const bit<8> q = 4; const tuple<bit<8>> tt = {3};",
        ig="const bit<8> r = q + 1; h.h.a = r; const bool ff = true; if (ff) { h.h.b = tt[0]; }",
    ), (0, "0503030400050006"), IN),
    ("action with many tables shared", full(
        locs=(
        "action set(bit<8> v) { h.h.a = h.h.a + v; } table t { key = { h.h.b : exact; } actions = { set; "
        "@defaultonly NoAction; } const default_action = NoAction(); const entries = { 8w2 : set(3); } } "
        "table u { key = { h.h.b : exact; } actions = { set; NoAction; } const entries = { 2 : set(4); } "
        "default_action = NoAction; }"),
        ig="t.apply(); u.apply();",
    ), (0, "0802030400050006"), IN),
    ("ternary/lpm entries", full(
        locs=(
        "action set(bit<8> v) { h.h.a = v; } table t { key = { h.h.b : ternary; h.h.w : lpm; } actions = "
        "{ set; } const entries = { (8w2 &&& 8w3, 16w0 &&& 0xff00) : set(3); (_, 16w5): set(9); _ : "
        "set(4); } }"),
        ig="t.apply();",
    ), (0, "0302030400050006"), IN),
    ("bool key entries", full(
        locs=(
        'action set(bit<8> v) { h.h.a = v; } table t { key = { h.h.b == 2 : exact @name("k"); '
        "h.g.isValid() : ternary; } actions = { set; } const entries = { (true, false) : set(3); } }"),
        ig="t.apply();",
    ), (0, "0302030400050006"), IN),
    ("function in key & entries", full(
        top="bit<8> f(in bit<8> x) { return x + 1; }",
        locs=(
        'action s(bit<8> v) { h.h.a = v; } table t { key = { f(h.h.b) : exact @name("fk"); h.h.w[7:0] : '
        'ternary @name("z"); } actions = { s; } const entries = { (3, 5 &&& 0xf) : s(8); } }'),
        ig="t.apply();",
    ), (0, "0802030400050006"), IN),
    ("entries exact masks w/ typedef/enum", full(
        top="enum bit<8> E2 { X = 2 } const bit<8> ONE = 1; typedef bit<8> bt; type bit<8> nt;",
        locs=(
        'action a(bt v) { h.h.a = v; } table t { key = { (E2)h.h.b: exact @name("e"); h.h.a : exact; } '
        "actions = { a; } const entries = { (E2.X, ONE) : a(ONE + 4); } }"),
        ig="t.apply();",
    ), (0, "0502030400050006"), IN),
    ("newtype arithmetic in table", full(
        top="type bit<8> nt; const nt NN = (nt)8w2;",
        meta="nt f;",
        locs=(
        "action a(nt v) { m.f = v; } table t { key = { m.f: exact; } actions = { a; } const entries = { "
        "(nt)8w2 : a((nt)8w6); } }"),
        ig="m.f = NN; t.apply(); h.h.a = (bit<8>)m.f; if (m.f == (nt)6) h.h.b = 7;",
    ), (0, "0607030400050006"), IN),
    ("assign from table-keyed reg", full(
        locs="register<bit<8>>(4) r; bit<8> t;",
        ig="@atomic { r.read(t, 0); t = t + 1; r.write(0, t); } h.h.a = t; ",
    ), (0, "0102030400050006"), IN),
    ("ext: mux w/ error in key", full(
        ig="bool f = h.h.a == 1; bit<8> r = (bit<8>)(f ? 8w1 : 0) + (f ? 1 : 8w0); h.h.a = r;",
    ), (0, "0202030400050006"), IN),
    ("apply in key", full(
        locs=(
        "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = { s; "
        "NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 { key = { "
        "h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); } table k { key = { "
        '(t.apply().hit ? 8w1 : 8w2) : exact @name("x"); } actions = { s; } const entries = { 1 : s(1); '
        "2 : s(2); } }"),
        ig="k.apply();",
    ), (0, "0102030d00050006"), IN),
    ("apply in exprs", full(
        top="bit<8> f(in bool x, inout bit<8> z) { z = z + 1; return x ? 8w3 : 8w4; }",
        locs=(
        "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = { s; "
        "NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 { key = { "
        "h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); }"),
        ig="h.h.a = f(t.apply().hit, h.h.d) + (t2.apply().miss ? 8w16 : 8w32);",
    ), (0, "1302030d00050006"), IN),
    ("apply in and/or", full(
        locs=(
        "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = { s; "
        "NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 { key = { "
        "h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); }"),
        ig="if (h.h.a == 1 && t.apply().hit || t2.apply().hit) h.h.a = 7; ",
    ), (0, "0702030c00050006"), IN),
    ("apply in assign slice", full(
        locs=(
        "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = { s; "
        "NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 { key = { "
        "h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); }"),
        ig="h.h.a[3:0] = t.apply().hit ? 4w5 : 4w6; bool x = !t2.apply().hit; h.h.b = x ? 8w1 : 0;",
    ), (0, "0501030c00050006"), IN),
    ("nested action ctl w/ table params", full(
        top=(
        "control CC(inout h_t q, in bit<8> k) { action e(bit<8> v) { q.a = v + k; } table t { key = { "
        'q.b : exact; k : exact @name("kk"); } actions = { e; NoAction; } const entries = { (2, 3) : '
        "e(4); } default_action = NoAction; } apply { t.apply(); } }"),
        locs="CC() c1;",
        ig="c1.apply(h.h, h.h.c);",
    ), (0, "0702030400050006"), IN),
    ("same instance twice no tables", full(
        top="control CC(inout bit<8> a) { bit<8> l; apply { l = a; a = l + 1; if (a == 2) return; a = 0; } }",
        locs="CC() c1;",
        ig="c1.apply(h.h.a); c1.apply(h.h.b);",
    ), (0, "0200030400050006"), IN),
    ("same instance twice w/ tables diff branches", full(
        top=(
        "control CC(inout bit<8> a) { action e() { a = 7; } table t { actions = { e; } default_action = "
        "e; } apply { t.apply(); } }"),
        locs="CC() c1;",
        ig="if (h.h.b == 2) { c1.apply(h.h.a); } else { c1.apply(h.h.a); }",
    ), (0, "0702030400050006"), IN),
    ("table twice same succ", full(
        locs=(
        "action s(bit<8> v) { h.h.d = h.h.d + v; } table t { key = { h.h.b : exact; } actions = { s; "
        "NoAction; } const entries = { 2 : s(8); } default_action = NoAction(); } table t2 { key = { "
        "h.h.c : exact; } actions = { NoAction; } default_action = NoAction(); }"),
        ig="if (h.h.a == 1) { t.apply(); } else { h.h.a = 3; t.apply(); }",
    ), (0, "0102030c00050006"), IN),
    ("range parens", small(
        parser=(
        "state start { b.extract(h.h); transition select(h.h.a, h.h.b) { (0..3, (1 + 1)): n; (_, _): "
        "accept; } } state n { transition select(h.h.w) { (0x300 .. 0x305): m; default: accept; } } "
        "state m { h.h.a = 9; transition accept; }"),
    ), (0, "09020304"), SHORT),
    ("table default with args exprs", small(
        ig=(
        "action a(bit<8> x, bit<16> y) { h.h.a = x; h.h.w = y; } table t { key = { h.h.b : exact; } "
        "actions = { a; } default_action = a(K + 1, K == 4 ? 16w9 : 16w8); } apply { t.apply(); }"),
        top="const bit<8> K = 4;",
    ), (0, "05020009"), SHORT),
    ("empty action table hit", small(
        ig=(
        "table t { key = { h.h.a : exact; } actions = { NoAction; } const entries = { 1 : NoAction(); } "
        "} table t2 { actions = { NoAction; } } apply { if (t.apply().hit) h.h.b = 1; if "
        "(t2.apply().miss) h.h.a = 7; }"),
    ), (0, "07010304"), SHORT),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_tables(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
