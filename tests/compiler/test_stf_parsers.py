"""Parsers and deparsers with packet tests: select, look-ahead, errors, loops, sub-parsers, varbit, value sets."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import full, small
from .stf_rows import StfRow, play

IN = "01 02 03 04 0005 0006"
TLV = "header tlv_t { bit<8> kind; bit<8> len; } header v_t { bit<8> n; varbit<64> o; } header b_t { bit<8> v; } "


def one(sent: str, left: str) -> str:
    return f"packet 0 {sent}; expect 0 {left}$"


def err(kind: str) -> str:
    return f"if (sm.parser_error == error.{kind}) h.h.a = 0xee; "


def prs(parser: str, ig: str = "", hdrs: str = "h_t h; g_t g;", top: str = "",
        meta: str = "bit<8> n; bit<16> k;", **rest: str) -> str:
    return full(top=top, hdrs=hdrs, parser=parser, ig=ig, meta=meta, dep="b.emit(h);", **rest)


ROWS: list[StfRow] = [
    ("select on several keys in order", prs(
        "state start { b.extract(h.h); transition select(h.h.a, h.h.b[3:0], h.h.w) { (1, 2, 5 .. 6): p; "
        "(1, _, 0x0000 &&& 0xff00): q; (1 .. 3, default, _): r; _: accept; } }"
        "state p { m.n = 1; transition accept; } state q { m.n = 2; transition accept; } state r { m.n = 3; "
        "transition accept; }", "h.h.d = m.n;"),
     "packet 0 01f2030400060000; expect 0 01f203010006; packet 0 0103030400060000; expect 0 01030302; "
     "packet 0 0202030401000000; expect 0 02020303; packet 0 0402030400000000; expect 0 04020300"),
    ("select on expressions and casts", prs(
        "state start { b.extract(h.h); transition select(h.h.a + h.h.b, (bit<4>)h.h.w, h.h.c == 3) { (3, 5, true): "
        "p; (_, _, false): q; default: accept; } } state p { m.n = 1; transition accept; } state q { m.n = 2; "
        "transition accept; }", "h.h.d = m.n;"),
     "packet 0 0102030400050006; expect 0 01020301; packet 0 0102040400050006; expect 0 01020402; "
     "packet 0 0202030400050006; expect 0 02020300"),
    ("select on constants and enums", prs(
        "state start { b.extract(h.h); K k = (K)h.h.a; transition select(k, h.h.w) { (K.A, FIVE): p; "
        "(K.B, FIVE + 1): q; (K.B, _): r; } } state p { m.n = 1; transition accept; } state q { m.n = 2; "
        "transition accept; } state r { m.n = 3; transition accept; }",
        "h.h.d = m.n;", top="enum bit<8> K { A = 1, B = 2 } const bit<16> FIVE = 5;"),
     "packet 0 0102030400050006; expect 0 01020301; packet 0 0202030400060006; expect 0 02020302; "
     "packet 0 0202030400090006; expect 0 02020303; packet 0 0902030400090006; expect 0 09020300"),
    ("a state loops over options", prs(
        "state start { b.extract(h.h); m.n = 0; transition next; } state next { transition "
        "select(b.lookahead<bit<8>>()) { 0: done; 1: pad; default: opt; } }"
        "state pad { b.extract(h.s.next); m.n = m.n + 1; transition next; } state opt { tlv_t t; b.extract(t); "
        "b.advance((bit<32>)t.len * 8); m.n = m.n + 0x10; transition next; } state done { b.extract(h.g); "
        "transition accept; }",
        "h.h.d = m.n;", "h_t h; b_t[4] s; g_t g;", TLV), one(IN + "01 05 02 aabb 01 00 77",
        "01 02 03 12 0005 0006 01 01 00 77")),
    ("stack full", prs("state start { b.extract(h.h); transition n; } state n { b.extract(h.s.next); "
        "transition select(h.s.last.v) { 0: accept; default: n; } }",
        err("StackOutOfBounds"), "h_t h; g_t[2] s;"),
        f"packet 0 {IN} 0100; expect 0 {IN} 0100$; packet 0 {IN} 010200; expect 0 ee {IN[3:]} 010200$"),
    ("too short in the second header", prs("state start { b.extract(h.h); b.extract(h.z); transition accept; }", err(
        "PacketTooShort") + "if (h.z.isValid()) h.h.b = 9;", "h_t h; z_t z;", "header z_t { bit<16> v; }"),
     f"packet 0 {IN} 01; expect 0 ee {IN[3:]} 01$; packet 0 {IN} 0102; expect 0 0109{IN[5:]}0102$"),
    ("verify with an own error", prs("state start { b.extract(h.h); verify(h.h.a < 5, error.Big); "
        "verify(h.h.b != 0, error.Zero); m.n = 7; transition accept; }",
        "h.h.d = m.n; " + err("Big") + "else if (sm.parser_error == error.Zero) h.h.a = 0xdd;", top="error { Big, Zero }"),
     "packet 0 0102030400050006; expect 0 01020307; packet 0 0500030400050006; expect 0 ee000300; "
     "packet 0 0400030400050006; expect 0 dd000300"),
    ("verify in a sub-parser", prs(
        "S() s; state start { b.extract(h.h); s.apply(b, h.g, h.h.a); m.n = 1; transition accept; }", "h.h.d = m.n; " + err(
        "Odd"),
        top="error { Odd } header g2_t { bit<8> v; }" "parser S(packet_in b, out g_t g, in bit<8> k) { state start { "
        "verify(k[0:0] == 0, error.Odd); b.extract(g); transition accept; } }"),
     f"packet 0 {IN} 55; expect 0 ee020300 00050006 55$; packet 0 02{IN[2:]} 55; expect 0 02020301 00050006 55$"),
    ("sub-parser with states and constructor parameter", prs("Opt(3) o; Opt(k = 1) q; state start { b.extract(h.h); "
        "o.apply(b, h.s, m.n); transition select(m.n) { 3: more; default: accept; } } "
        "state more { q.apply(b, h.r, m.n); transition accept; }",
        "h.h.d = m.n;", "h_t h; g_t[3] s; g_t[3] r;", "parser Opt(packet_in b, out g_t[3] s, inout bit<8> n)(bit<8> "
        "k) { state start { n = 0; transition go; } state go { transition select(n == k) { true: accept; false: one; "
        "} } state one { b.extract(s.next); n = n + 1; transition go; } }"),
     one(IN + "0a0b0c0d0e", "01 02 03 01 0005 0006 0a0b0c0d0e")),
    ("lookahead of a struct and a header", prs("state start { L l = b.lookahead<L>(); g2_t q = b.lookahead<g2_t>(); "
        "b.extract(h.h); h.h.c = l.p ++ l.q; h.h.d = q.v; transition select(b.lookahead<bit<16>>()) { 0xaabb: p; "
        "default: accept; } } state p { b.extract(h.g); transition accept; }",
        top="struct L { bit<4> q; bit<4> p; } header g2_t { bit<8> u; bit<8> v; }"), one("12 34 00 00 0000 0000 aabb",
        "12 34 21 34 0000 0000 aabb")),
    ("lookahead beyond the end", prs(
        "state start { b.extract(h.h); m.k = b.lookahead<bit<16>>(); h.h.w = m.k; transition accept; }", err(
        "PacketTooShort")),
     f"packet 0 {IN} 01; expect 0 ee {IN[3:]} 01$; packet 0 {IN} 0102; expect 0 01 02 03 04 0102 0006 0102$"),
    ("advance over bytes that are lost", prs("state start { b.advance(16); b.extract(h.h); transition accept; }"), one(
        "aabb" + IN + "cc", IN + "cc")),
    ("advance past the end", prs(
        "state start { b.extract(h.h); b.advance((bit<32>)h.h.d << 3); m.n = 9; transition accept; }", err(
        "PacketTooShort") + "h.h.c = m.n;"),
     f"packet 0 {IN} 01020304; expect 0 01 02 09 04 0005 0006$; packet 0 {IN} 010203; expect 0 ee 02 00 04 0005 0006****"),
    ("varbit of every length", prs(
        "state start { b.extract(h.h); b.extract(h.v, (bit<32>)(h.h.a * 8)); b.extract(h.g); transition accept; }",
        "h.h.d = h.v.n; h.g.v = h.g.v + 1;", "h_t h; v_t v; g_t g;", TLV),
     "packet 0 00 02 03 04 0005 0006 99 10; expect 0 00 02 03 99 0005 0006 99 11$; "
     "packet 0 03 02 03 04 0005 0006 99 a1a2a3 10; expect 0 03 02 03 99 0005 0006 99 a1a2a3 11$;"
     "packet 0 08 02 03 04 0005 0006 99 a1a2a3a4a5a6a7a8 10 77; expect 0 08 02 03 99 0005 0006 99 a1a2a3a4a5a6a7a8 11 77$"),
    ("varbit too long or not whole bytes", prs(
        "state start { b.extract(h.h); b.extract(h.v, (bit<32>)h.h.a); transition accept; }",
        "if (sm.parser_error == error.HeaderTooShort) h.h.b = 0xe1; if (sm.parser_error == "
        "error.ParserInvalidArgument) h.h.b = 0xe2; if (h.v.isValid()) h.h.c = 9;", "h_t h; v_t v;", TLV),
     "packet 0 48 02 03 04 0005 0006 99 a1a2a3a4a5a6a7a8a9; expect 0 48 e1 03; "
     "packet 0 09 02 03 04 0005 0006 99 a1a2; expect 0 09 e2 03; packet 0 10 02 03 04 0005 0006 99 a1a2; "
     "expect 0 10 02 09 04 0005 0006 99a1a2$"),
    ("varbit header copied and emptied", prs("state start { b.extract(h.h); b.extract(h.v, 16); transition accept; }",
        "h.u = h.v; h.v.setInvalid(); h.u.n = 7; if (h.h.a == 2) { h.v = h.u; h.u.setInvalid(); h.v.n = 6; }",
        "h_t h; v_t v; v_t u;", TLV),
     f"packet 0 {IN} 99 a1a2 cc; expect 0 {IN} 07 a1a2 cc$; packet 0 02{IN[2:]} 99 a1a2 cc; expect 0 02{IN[2:]} 06 a1a2 cc$"),
    ("IP with options", small(
        top="header ip_t { bit<4> ver; bit<4> ihl; bit<8> tos; bit<16> len; varbit<320> opt; } "
        "header p_t { bit<8> v; }", hdr="ip_t ip; p_t p;",
        parser="state start { b.extract(h.h); transition select(h.h.w) { 0x0800: ip; default: accept; } } "
        "state ip { b.extract(h.ip, ((bit<32>)(b.lookahead<bit<8>>()[3:0]) - 1) * 32); "
        "verify(h.ip.ver == 4, error.NoMatch); b.extract(h.p); transition accept; }",
        ig="apply { if (h.ip.isValid()) { h.p.v = (bit<8>)h.ip.ihl; h.ip.tos = 0xff; } "
        "if (sm.parser_error != error.NoError) { h.h.a = 0xee; } }"),
     "packet 0 0102 0800 43 00 0010 aabbccdd 11223344 00 ff; expect 0 0102 0800 43 ff 0010 aabbccdd 11223344 03 ff$; "
     "packet 0 0102 0800 51 00 0010 00; expect 0 ee02 0800 51 ff 0010 00$; packet 0 0102 0801 43; expect 0 0102 0801 43$"),
    ("extract into a header twice", prs(
        "state start { b.extract(h.h); b.extract(h.g); b.extract(h.g); transition accept; }"), one(IN + "0102", IN + "02")),
    ("extract and throw away", prs(
        "state start { b.extract<g_t>(_); b.extract(h.h); b.extract<g_t>(_); b.extract(h.g); transition accept; }"), one(
        "aa" + IN + "bbcc", IN + "cc")),
    ("local variables, constants and functions in a parser", prs("const bit<8> K = 3; bit<8> z = K + 1; bit<16> y; "
        "state start { b.extract(h.h); y = f(z, h.h.b); z = z + 1; transition n; } state n { bit<8> w = z; "
        "h.h.w = y; h.h.a = w; transition accept; }",
        top="bit<16> f(in bit<8> p, in bit<8> q) { return p ++ q; }"), one(IN, "05 02 03 04 0402 0006")),
    ("conditions inside a state", prs("state start { b.extract(h.h); if (h.h.a == 1) { b.extract(h.g); "
        "if (h.g.v > 5) { m.n = 1; } else { m.n = 2; } } h.h.d = m.n; transition select(m.n) { 1: p; "
        "default: accept; } } state p { b.extract(h.q); transition accept; }", hdrs="h_t h; g_t g; g_t q;"),
     f"packet 0 {IN} 0611; expect 0 01 02 03 01 0005 0006 0611$; packet 0 {IN} 0511; "
     f"expect 0 01020302 00050006 0511$; packet 0 02{IN[2:]} 06; expect 0 02020300 00050006 06$"),
    ("reject is told to ingress", prs("state start { b.extract(h.h); transition select(h.h.a) { 1: accept; "
        "2: reject; default: n; } } state n { b.extract(h.g); transition reject; }", "h.h.d = h.g.isValid() ? 8w1 : 8w2;"),
     f"packet 0 {IN}; expect 0 01020302; packet 0 02{IN[2:]} 77; expect 0 02020302 00050006 77$; packet 0 03{IN[2:]} "
     f"77; expect 0 03020301 00050006 77$"),
    ("states with names of other things", prs("state start { transition h_t_; } state h_t_ { b.extract(h.h); "
        "transition g; } state g { b.extract(h.g); transition m_; } state m_ { transition accept; }", "h.h.a = h.g.v;"), one(IN +
        "09", "09 02 03 04 0005 0006 09")),
    ("union chosen by lookahead", prs("state start { b.extract(h.h); transition select(b.lookahead<bit<4>>()) { 4: "
        "four; 6: six; default: accept; } } state four { b.extract(h.u.four); transition accept; } "
        "state six { b.extract(h.u.six); transition accept; }",
        "if (h.u.four.isValid()) { h.u.four.rest = 1; } else if (h.u.six.isValid()) { bit<20> r = h.u.six.rest; "
        "h.u.four.setValid(); h.u.four.ver = 4; h.u.four.rest = (bit<12>)r; }", "h_t h; Un u;",
        "header four_t { bit<4> ver; bit<12> rest; } header six_t { bit<4> ver; bit<20> rest; } "
        "header_union Un { four_t four; six_t six; }"),
     f"packet 0 {IN} 4123; expect 0 {IN} 4001$; packet 0 {IN} 612345; expect 0 {IN} 4345$; packet 0 {IN} 7123; "
     f"expect 0 {IN} 7123$"),
    ("stack of unions as options", prs("bit<8> n = 0; state start { b.extract(h.h); transition loop; } "
        "state loop { transition select(h.h.a - n) { 0: accept; default: opt; } } state opt { n = n + 1; "
        "transition select(b.lookahead<bit<8>>()) { 1: a; 2: c; default: reject; } } "
        "state a { b.extract(h.o.next.x); transition loop; } state c { b.extract(h.o.next.y); transition loop; }",
        "if (h.o[0].y.isValid()) h.h.d = h.o[0].y.v; if (h.o[1].x.isValid()) h.o[1].x.setInvalid();", "h_t h; O[3] o;",
        "header x_t { bit<8> k; } header y_t { bit<8> k; bit<8> v; } header_union O { x_t x; y_t y; }"),
     "packet 0 03 02 03 04 0005 0006 02aa 01 02bb cc; expect 0 03 02 03 aa 0005 0006 02aa 02bb cc$"),
    ("lastIndex and last", prs("state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); "
        "h.h.c = (bit<8>)h.s.lastIndex; h.h.d = h.s.last.v; h.s.last.v = 0x55; "
        "transition select(h.s.lastIndex) { 1: n; default: accept; } } state n { b.extract(h.s.next); "
        "h.h.b = h.s[1].v + h.s.last.v; transition accept; }", hdrs="h_t h; g_t[4] s;"),
     one(IN + "101112", "01 67 01 11 0005 0006 10 55 12")),
    ("value set set by the program only", prs("value_set<bit<8>>(4) vs; state start { b.extract(h.h); "
        "transition select(h.h.a) { vs: p; default: accept; } } state p { m.n = 1; transition accept; }",
        "h.h.d = m.n + 1;"), one(IN, "01020301 00050006")),
    ("value set of a tuple", prs("value_set<tuple<bit<8>, bit<16>>>(4) vs; state start { b.extract(h.h); "
        "transition select(h.h.a, h.h.w) { vs: p; (1, 5): q; default: accept; } } state p { m.n = 1; "
        "transition accept; } state q { m.n = 2; transition accept; }", "h.h.d = m.n;"), one(IN, "01020302 00050006")),
    ("standard metadata in the parser", prs("state start { b.extract(h.h); h.h.c = (bit<8>)sm.ingress_port; "
        "h.h.w = (bit<16>)sm.packet_length; sm.egress_spec = 6; transition accept; }"),
        f"packet 5 {IN} aabb; expect 6 01 02 05 04 000a 0006 aabb$"),
    ("length of the packet", prs(
        "state start { m.k = (bit<16>)b.length(); b.extract(h.h); h.h.w = m.k; transition accept; }"), one(IN + "aabb",
        "01 02 03 04 000a 0006 aabb")),
    ("metadata survives from the parser", prs(
        "state start { b.extract(h.h); m.n = h.h.a; m.k = h.h.w; m.k[15:8] = 0x77; transition accept; }",
        "h.h.b = m.n; h.h.x = m.k;"), one(IN, "01 01 03 04 0005 7705")),
    ("header assigned in the parser", prs("state start { b.extract(h.h); h.g = {h.h.a + 5}; h.s[1] = {9}; "
        "h.s[0].setValid(); h.s[0] = h.g; transition select(h.g.isValid(), h.s[1].isValid()) { (true, true): z; "
        "_: accept; } } state z { h.g.setInvalid(); transition accept; }", hdrs="h_t h; g_t g; g_t[2] s;"), one(IN, IN +
        "06 09")),
    ("parser loop bounded by a counter", prs("bit<8> k; state start { b.extract(h.h); k = h.h.a; transition loop; } "
        "state loop { transition select(k) { 0: accept; _: body; } } state body { k = k - 1; b.extract(h.s.next); "
        "h.h.d = h.h.d + h.s.last.v; transition loop; }", hdrs="h_t h; g_t[5] s;"),
     "packet 0 03 02 03 00 0005 0006 010203; expect 0 03 02 03 06 0005 0006 010203$; "
     "packet 0 00 02 03 00 0005 0006 010203; expect 0 00 02 03 00 0005 0006 010203$"),
    ("many states", prs("state start { b.extract(h.h); transition s0; } " + " ".join(
        f"state s{k} {{ m.n = m.n + h.h.b; transition select(h.h.a) {{ {k}: accept; default: s{k + 1}; }} }}"
        for k in range(30)) +
        " state s30 { transition accept; }", "h.h.d = m.n;"),
     "packet 0 0502030400050006; expect 0 0502030c; packet 0 4002030400050006; expect 0 4002033c"),
    ("deparser by conditions", full(
        dep="if (h.h.a == 1) { b.emit(h.h); b.emit(h.g); } else { b.emit(h.g); b.emit(h.h); }", ig="h.g = {0x99};"),
        f"packet 0 {IN}; expect 0 {IN} 99$; packet 0 02{IN[2:]}; expect 0 99 02{IN[2:]}$"),
    ("deparser with a sub-control and nested structs", small(
        top="header p_t { bit<8> v; } struct in_t { p_t x; p_t y; }", hdr="in_t n; p_t[2] s;", before="",
        ig="apply { h.n = {{1}, {2}}; h.s[1] = {3}; }",
        dep="Sub() sub; apply { sub.apply(b, h.n); b.emit(h.h); b.emit(h.s); b.emit({h.n.y, h.n.x}); }",
        after="control Sub(packet_out b, in in_t n) { apply { b.emit(n.y); b.emit(n.x); } }"),
     one("01020003", "0201 01020003 03 02 01")),
    ("packet shorter than the first header", prs("state start { b.extract(h.h); transition accept; }",
        "sm.egress_spec = 3; if (sm.parser_error == error.PacketTooShort) { h.g = {0xee}; }"),
        f"packet 0 0102; expect 3 ee 0102$; packet 0 {IN}; expect 3 {IN}$"),
    ("tuple and struct of keys in select", prs("state start { b.extract(h.h); transition select(h.h.a, h.h.b, h.h.c) "
        "{ (1, 2, 3): p; default: accept; } } state p { m.n = 9; transition accept; }", "h.h.d = m.n;"), one(IN,
        "01020309 00050006")),
    ("error enumerators as keys", prs("state start { b.extract(h.h); transition accept; }", "t.apply();",
        locs="action s(bit<8> v) { h.h.d = v; } table t { key = { sm.parser_error : exact; } actions = { s; } "
        "const entries = { error.NoError : s(7); error.PacketTooShort : s(8); } }"), one(IN, "01020307 00050006")),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_parsers(row: StfRow, tmp_path: Path) -> None:
    play(row, tmp_path)
