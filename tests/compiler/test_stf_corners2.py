"""Corners of syntax and of the architecture's blocks with packet tests."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import full, small
from .stf_rows import StfRow, play

IN = "01 02 03 04 0005 0006"
INC = "bit<8> inc(inout bit<8> x) { x = x + 1; return x; } "
START = "state start { b.extract(h.h); transition accept; }"
SUM = "header c_t { bit<16> p; bit<16> q; bit<16> sum; } "
SUMP = "state start { b.extract(h.h); b.extract(h.c); transition accept; }"


def one(ig: str, left: str, sent: str = IN, **rest: str) -> tuple[str, str]:
    return full(ig=ig, **rest), f"packet 0 {sent}; expect 0 {left}$"


def sm(ig: str, left: str, sent: str = "01 02 0003", **rest: str) -> tuple[str, str]:
    return small(ig=ig, **rest), f"packet 0 {sent}; expect 0 {left}$"


ROWS: list[StfRow] = [(name, *rest) for name, rest in {
    "names of the top scope": one(".put(h.h.a, .K); h.h.b = .f(.K); t.apply(); .B z = 9; h.h.d = z;",
        "05 06 07 09 0005 0006", top="const bit<8> K = 5; typedef bit<8> B; bit<8> f(in .B x) { return x + 1; } "
        "action put(out bit<8> x, in bit<8> y) { x = y; }",
        locs="const bit<8> K = 6; action s() { h.h.c = 7; } table t { actions = { .NoAction; s; } default_action = s; }"),
    "default action without parentheses": one("t.apply(); u.apply();", "07 02 03 04 0005 0006",
        locs="action s() { h.h.a = 7; } table t { actions = { s; } default_action = s; } "
        "table u { key = { h.h.b : exact; } actions = { NoAction; s; } default_action = NoAction; }"),
    "empty entries": one("t.apply();", "07 02 03 04 0005 0006", locs="action s() { h.h.a = 7; } table t { key = { "
        "h.h.b : exact; } actions = { s; } default_action = s; const entries = { } }"),
    "empty struct and header": one("m.e = e; E0 z = {}; e = z; h.n.setValid(); if (h.n.isValid()) h.h.a = 9; f(e);",
        "09 02 03 04 0005 0006", top="struct E0 { } header N0 { } void f(in E0 x) { }", hdrs="h_t h; N0 n;",
        meta="E0 e;", locs="E0 e;", dep="b.emit(h);"),
    "union of one member": one("h.u.x = {7}; h.h.a = h.u.isValid() ? h.u.x.k : 8w0;", "07 02 03 04 0005 0006 07",
        top="header x_t { bit<8> k; } header_union Un { x_t x; }", hdrs="h_t h; Un u;", dep="b.emit(h);"),
    "unary chains": one("h.h.a = ~~h.h.a; h.h.b = - -h.h.b; bool k = !!(h.h.c == 3); h.h.c = k ? -8w1 : 8w0; "
        "h.h.d = -~h.h.d; h.h.w = (bit<16>)-1; h.h.x = -(bit<16>)h.h.a;", "01 02 ff 05 ffff ffff"),
    "slices of everything": one("h.h.b = (h.h.a ++ h.h.b)[11:4]; h.h.c = f(h.h.c)[7:0]; h.h.d = (bit<8>)h.h.d[2:2]; "
        "h.h.a = (h.h.a)[3:0] ++ h.h.a[3:0];", "11 10 03 01 0005 0006", top="bit<16> f(in bit<8> x) { return 8w0 ++ x; }"),
    "cast of a negative constant": one("h.h.a = (bit<8>)(int<8>)-1; int<8> k = (int<8>)(bit<8>)0x80; "
        "h.h.b = k < 0 ? 8w1 : 8w0; h.h.c = (bit<8>)(bit<4>)-1; h.h.w = (bit<16>)(int<16>)(int<8>)-2;",
        "ff 01 0f 04 fffe 0006"),
    "type parameters with widths computed": one("r.write(0, h.h.w); bit<(1 << 4)> z; r.read(z, 0); h.h.x = z + 1;",
        "01 02 03 04 0005 0006", locs="register<bit<(2 * 8)>>(1 << 2) r;"),
    "inline counter of a table": one("t.apply();", "07 02 03 04 0005 0006",
        locs="action s() { h.h.a = 7; } table t { key = { h.h.b : exact; } actions = { s; } default_action = s; "
        "counters = direct_counter(CounterType.packets); }"),
    "annotated name of nothing else": (full(ig="t.apply();", locs='@name(".foo.bar") action s(bit<8> v) { h.h.a = v; '
        '} @name("tt") table t { key = { h.h.b : exact @name("the.key1"); h.h.c : ternary @name("h.c2"); } '
        'actions = { s; } }'), f"add I.tt 1 key1:2 c2:0x0* foo.bar(v:8); packet 0 {IN}; expect 0 08"),
    "misses and hits in an else-if": one(
        "if (t.apply().miss) { if (u.apply().hit) h.h.a = 1; else h.h.a = 9; } else if (h.h.b == 2) { h.h.a = 3; }",
        "09 02 03 04 0005 0006", locs="table t { key = { h.h.a : exact; } actions = { NoAction; } "
        "const entries = { 7 : NoAction(); } } table u { key = { h.h.b : exact; } actions = { NoAction; } "
        "const entries = { 7 : NoAction(); } }"),
    "checksum inside a condition": (full(top=SUM, hdrs="h_t h; c_t c;", parser=SUMP, dep="b.emit(h);",
        upd="if (h.c.isValid() && h.h.a == 1) { update_checksum(true, {h.c.p, h.c.q}, h.c.sum, "
        "HashAlgorithm.csum16); } else { update_checksum(h.h.a == 2, {h.c.q}, h.c.sum, HashAlgorithm.csum16); }"),
        f"packet 0 {IN} 0102 0304 0000; expect 0 {IN} 0102 0304 fbf9$; packet 0 02{IN[2:]} 0102 0304 9999; "
        f"expect 0 02{IN[2:]} 0102 0304 fcfb$; packet 0 03{IN[2:]} 0102 0304 9999; expect 0 03{IN[2:]} 0102 0304 9999$"),
    "checksum of computed data": (full(top=SUM, hdrs="h_t h; c_t c;", parser=SUMP, dep="b.emit(h);",
        upd="update_checksum(h.h.a + 1 == 2, {h.c.p + 1, h.h.b ++ h.h.c, (bit<16>)h.h.d}, h.c.sum, HashAlgorithm.csum16);"),
        f"packet 0 {IN} 0102 0304 0000; expect 0 {IN} 0102 0304 fcf5$".replace("fcf5", "fcf5")),
    "checksum through a sub-control and locals": (full(top=SUM +
        "control Ck(inout c_t c) { apply { update_checksum(c.isValid(), {c.p, c.q}, c.sum, HashAlgorithm.csum16); } }",
        hdrs="h_t h; c_t c;", parser=SUMP, dep="b.emit(h);", upd="k.apply(h.c);", edits=[(
        "control U(inout H h, inout M m) { apply", "control U(inout H h, inout M m) { Ck() k; apply")]),
        f"packet 0 {IN} 0102 0304 0000; expect 0 {IN} 0102 0304 fbf9$"),
    "two checksums where one feeds the other": (full(top=SUM, hdrs="h_t h; c_t c;", parser=SUMP, dep="b.emit(h);",
        upd="update_checksum(true, {h.c.p}, h.c.q, HashAlgorithm.csum16); update_checksum(true, {h.c.p, h.c.q}, "
        "h.c.sum, HashAlgorithm.csum16);"),
        f"packet 0 {IN} 0102 0304 0000; expect 0 {IN} 0102 fefd 0000$"),
    "checksum by another algorithm": (full(top=SUM, hdrs="h_t h; c_t c;", parser=SUMP, dep="b.emit(h);",
        upd="update_checksum(true, {h.h.a, h.h.b, h.h.c, h.h.d}, h.c.sum, HashAlgorithm.crc16);"),
        f"packet 0 {IN} 0102 0304 0000; expect 0 {IN} 0102 0304 0fa1$"),
    "old forms of drop and copies": (full(meta="bit<8> k; bit<16> l;", ig="if (h.h.a == 1) { m.k = 5; m.l = 6; "
        "clone3(CloneType.I2E, 5, {m.k, m.l}); mark_to_drop(); } else { sm.egress_spec = 2; }",
        eg="if (sm.instance_type == 1) { h.h.b = m.k; h.h.w = m.l; }"),
        f"mirroring_add 5 7; packet 0 {IN}; expect 7 01 05 03 04 0006 0006$; packet 0 02{IN[2:]}; expect 2 02"),
    "old resubmit with a struct": (full(top="struct K { bit<8> k; bit<8> l; }", meta="K q; bit<8> z;",
        ig="if (sm.instance_type == 0) { m.q = {3, 4}; m.z = 5; resubmit(m.q); } else { h.h.a = m.q.k; "
        "h.h.b = m.q.l; h.h.c = m.z; }"), f"packet 0 {IN}; expect 0 03 04 00 04 0005 0006$"),
    "old recirculate with whole metadata": (full(meta="bit<8> k;", ig="m.k = m.k + 1; sm.egress_spec = 1;",
        eg="if (h.h.a == 1) { h.h.a = 2; recirculate(m); } h.h.b = m.k;"), f"packet 0 {IN}; expect 1 02 02 03 04 0005 0006$"),
    "resubmit without data": (full(ig="if (sm.instance_type == 0) { h.h.a = 9; resubmit({}); } else { h.h.b = 9; }"),
        f"packet 0 {IN}; expect 0 01 09 03 04 0005 0006$"),
    "arguments of externs with effects": one("hash(h.h.w, HashAlgorithm.identity, (bit<16>)inc(h.h.a), {inc(h.h.a)}, "
        "(bit<16>)inc(h.h.a) + 100); r.write((bit<32>)inc(h.h.b), inc(h.h.b)); bit<8> v; "
        "r.read(v, (bit<32>)inc(h.h.b) - 2); h.h.c = v; random(h.h.d, inc(h.h.b), h.h.b);", "04 06 04 06 0005 0006", top=INC,
        locs="register<bit<8>>(9) r;"),
    "extern writes into a slice and an element": one("r.write(0, 0xa5); r.read(h.h.w[11:4], 0); "
        "r.read(h.s[h.h.a].v, 0); hash(h.h.x[7:0], HashAlgorithm.identity, 8w0, {h.h.b}, 8w200);",
        "01 02 03 04 0a55 0002 11 a5", IN + "11 22", locs="register<bit<8>>(9) r;", hdrs="h_t h; g_t[2] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }",
        dep="b.emit(h);"),
    "verify with a call": one("if (sm.parser_error == error.Mine) h.h.b = 9;", "02 09 03 04 0005 0006",
        top="error { Mine } bool odd(inout bit<8> x) { x = x + 1; return x[0:0] == 1; }",
        parser="state start { b.extract(h.h); verify(odd(h.h.a), error.Mine); h.h.c = 9; transition accept; }"),
    "a call as a select key": one("h.h.d = m.n;", "02 02 03 01 0005 0006", top=INC, meta="bit<8> n;",
        parser="state start { b.extract(h.h); transition select(inc(h.h.a), h.h.a) { (2, 2): p; default: q; } } "
        "state p { m.n = 1; transition accept; } state q { m.n = 2; transition accept; }"),
    "constants as select keys": one("h.h.d = m.n;", "01 02 03 01 0005 0006", meta="bit<8> n;",
        parser="state start { b.extract(h.h); transition select(1w1, true) { (1, true): p; default: q; } } "
        "state p { m.n = 1; transition accept; } state q { m.n = 2; transition accept; }"),
    "blocks and constants inside states": one("h.h.d = m.n;", "01 02 03 07 0005 0006", meta="bit<8> n;",
        parser="state start { { bit<8> k = 3; { m.n = k; } ; } b.extract(h.h); const bit<8> Q = 4; m.n = m.n + Q; "
        "transition accept; }"),
    "signed select": one("h.h.d = m.n;", "ff 02 03 01 0005 0006", "ff" + IN[2:], meta="bit<8> n;",
        parser="state start { b.extract(h.h); int<8> k = (int<8>)h.h.a; transition select(k) { -1: p; 1 .. 5: q; "
        "default: accept; } } state p { m.n = 1; transition accept; } state q { m.n = 2; transition accept; }"),
    "select by a wide mask": one("h.h.d = h.g.isValid() ? 8w1 : 8w0;", "01 02 03 01 0005 0006 77", IN + "77",
        parser="state start { transition select(b.lookahead<bit<64>>()) { 0x0102030000000000 &&& 0xffffff0000000000: "
        "p; default: reject; } } state p { b.extract(h.h); b.extract(h.g); transition accept; }", dep="b.emit(h);"),
    "stack element by lastIndex": one("h.h.d = m.n;", "01 02 03 12 0005 0006 11 12", IN + "11 12", meta="bit<8> n;",
        hdrs="h_t h; g_t[3] s;", parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); "
        "m.n = h.s[h.s.lastIndex].v; transition accept; }", dep="b.emit(h);"),
    "a parser's array chosen at run time": one("h.h.d = m.n;", "01 02 03 12 0005 0006 11 12", IN + "11 12",
        meta="bit<8> n;", hdrs="h_t h; g_t[3] s;",
        parser="state start { b.extract(h.h); b.extract(h.s[0]); b.extract(h.s[1]); m.n = h.s[h.h.a].v; "
        "transition accept; }", dep="b.emit(h);"),
    "extract at a fixed index then next": one("h.h.d = h.s[0].v + h.s[1].v;", "01 02 03 23 0005 0006 11 12", IN +
        "11 12", hdrs="h_t h; g_t[3] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s[1]); transition accept; }",
        dep="b.emit(h);"),
    "sub-parser twice with a shared stack": one("h.h.d = (bit<8>)m.n;", "01 02 03 02 0005 0006 11 12 13", IN +
        "11 12 13", top="parser Two(packet_in b, out g_t x, out g_t y) { state start { b.extract(x); "
        "transition more; } state more { b.extract(y); transition accept; } }", meta="bit<8> n;",
        hdrs="h_t h; g_t[4] s; g_t g;",
        parser="Two() two; state start { b.extract(h.h); m.n = m.n + 1; two.apply(b, h.s[0], h.s[1]); "
        "transition again; } state again { m.n = m.n + 1; g_t dump; two.apply(b, h.g, dump); transition accept; }",
        dep="b.emit(h);") if False else
        one("h.h.d = m.n;", "01 02 03 02 0005 0006 11 12 13", IN + "11 12 13 14",
        top="parser Two(packet_in b, out g_t x, out g_t y) { state start { b.extract(x); transition more; } "
        "state more { b.extract(y); transition accept; } }", meta="bit<8> n;", hdrs="h_t h; g_t[4] s; g_t g;",
        parser="Two() two; state start { b.extract(h.h); m.n = m.n + 1; two.apply(b, h.s[0], h.s[1]); "
        "transition again; } state again { m.n = m.n + 1; g_t dump; two.apply(b, h.g, dump); transition accept; }",
        dep="b.emit(h);"),
    "sub-parser called in two ways to one state": (full(top="parser G(packet_in b, out g_t g, in bit<8> k) { state "
        "start { transition select(k) { 1: yes; default: accept; } } state yes { b.extract(g); transition accept; } }",
        hdrs="h_t h; g_t g; g_t q;", dep="b.emit(h);",
        parser="G() s; state start { b.extract(h.h); transition select(h.h.b) { 2: x; default: y; } } "
        "state x { s.apply(b, h.g, h.h.a); transition z; } state y { s.apply(b, h.q, h.h.a); transition z; } "
        "state z { h.h.d = 9; transition accept; }", ig="if (h.q.isValid()) h.h.c = 8; if (h.g.isValid()) h.h.c = 7;"),
        f"packet 0 {IN} 55; expect 0 01 02 07 09 0005 0006 55$; packet 0 01 03 03 04 0005 0006 55; "
        f"expect 0 01 03 08 09 0005 0006 55$; packet 0 02 03 03 04 0005 0006 55; expect 0 02 03 03 09 0005 0006 55$"),
    "range loop with step by hand and unsigned wrap": one(
        "bit<8> n = 0; for (bit<3> i = 6; i != 1; i = i + 1) { n = n + (bit<8>)i; } h.h.a = n;", "0d 02 03 04 0005 0006"),
    "loops three deep with both jumps": one("bit<8> n = 0; for (bit<8> i in 0 .. 2) { for (bit<8> j in 0 .. 2) { if "
        "(j == i) continue; for (bit<8> k in 0 .. 3) { if (k == 2) break; n = n + 1; } } } h.h.a = n;",
        "0c 02 03 04 0005 0006"),
    "loop variable outside": one("bit<8> i; for (i = 1; i < 100; i = i * 2) { if (i > h.h.d) break; } h.h.a = i;",
        "08 02 03 04 0005 0006"),
    "action with a loop and a table's data": one("t.apply();", "0c 02 03 04 0005 0006",
        locs="action s(bit<8> n) { h.h.a = 0; for (bit<8> i = 0; i < n; i = i + 1) { h.h.a = h.h.a + n; } } "
        "table t { actions = { s; } default_action = s(4); }", ) if False else one("t.apply();",
        "10 02 03 04 0005 0006", locs="action s(bit<8> n) { h.h.a = 0; for (bit<8> i = 0; i < n; "
        "i = i + 1) { h.h.a = h.h.a + n; } } table t { actions = { s; } default_action = s(4); }"),
    "switch inside a loop": one("bit<8> n = 0; for (bit<8> i in 0 .. 4) { switch (i) { 1: { n = n + 1; } "
        "3: { n = n + 0x10; } default: { if (i == 4) { break; } n = n + 0x40; } } } h.h.a = n;", "91 02 03 04 0005 0006"),
    "local instances in apply order": sm("action a() { h.h.a = h.h.a + 1; } C() c1; bit<8> k = 3; C() c2; "
        "apply { a(); c1.apply(h.h.a); c2.apply(k); h.h.b = k; }", "04 05 0003",
        after="control C(inout bit<8> x) { apply { x = x + 2; } }"),
    "actions calling actions declared before": sm("bit<8> z = 0; action a() { z = z + 1; } action b2() { a(); a(); } "
        "action c3() { b2(); a(); h.h.a = z; } apply { c3(); c3(); }", "06 02 0003"),
    "tables with the same keys and shared actions": sm("action s(bit<8> v) { h.h.a = h.h.a + v; } "
        "table t1 { key = { h.h.b : exact; } actions = { s; } const entries = { 2 : s(1); } } "
        "table t2 { key = { h.h.b : exact; } actions = { s; NoAction; } const entries = { 2 : s(0x10); } "
        "default_action = NoAction(); } apply { t1.apply(); t2.apply(); }", "12 02 0003"),
    "P4_14 style metadata everywhere": sm("action set_nhop(bit<8> nhop, bit<9> port) { m.nhop = nhop; "
        "sm.egress_spec = port; h.h.b = h.h.b |-| 1; } table lpm { actions = { set_nhop; NoAction; } "
        "key = { h.h.w : lpm; } size = 1024; default_action = NoAction(); } "
        "apply { if (h.h.isValid() && h.h.b > 0) { lpm.apply(); } }", "01 02 0003", meta="bit<8> nhop;"),
    "include of the project's own file twice": one("h.h.a = 9;", "09 02 03 04 0005 0006",
        prefix="#include <core.p4>\n#include <v1model.p4>\n#include <v1model.p4>\n"),
    "warnings and pragmas": one("h.h.a = 9;", "09 02 03 04 0005 0006",
        prefix="#pragma once\n#warning careful\n#line 5 \"x.p4\"\n"),
    "stringified argument with commas": one('log_msg(S(a, b "c")); h.h.a = 2;', "02 02 03 04 0005 0006",
        prefix="#define S(...) #__VA_ARGS__\n"),
    "variadic macro": one("h.h = M4(9, 8, 7, 6);", "09 08 07 06 0001 0002",
        prefix="#define M4(x, ...) {x, __VA_ARGS__, 1, 2}\n"),
    "nested macro calls": one("h.h.a = F(F(F(1)));", "04 02 03 04 0005 0006",
        prefix="#define F(x) G(x)\n#define G(y) (y + 1)\n"),
    "function-like macro without call": one("bit<8> F = 4; h.h.a = F;", "04 02 03 04 0005 0006", prefix="#define F(x) (x)\n"),
}.items()]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_corners(row: StfRow, tmp_path: Path) -> None:
    play(row, tmp_path)
