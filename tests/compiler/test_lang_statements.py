"""Statements: loops, and what leaves them."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import IN, SHORT, Row, check, full, small

ROWS: list[Row] = [
    ("parser loop extract start", small(
        top="header g_t { bit<8> v; }",
        hdr="g_t[5] s;",
        parser="state start { b.extract(h.s.next); transition select(h.s.last.v) { 0: accept; default: start; } }",
        dep="apply { b.emit(h.s); }",
    ), (0, "010200ff"), "010200ff"),
    ("for c", small(
        ig=(
        "apply { bit<8> s = 0; for (bit<8> k = 0; k < 4; k = k + 1) { s = s + k; } h.h.a = s; for "
        "(bit<8> a = 0, bit<8> c = 10; a < c; a += 1, c -= 1) { h.h.b += 1; } }"),
    ), (0, "06070304"), SHORT),
    ("for runtime", small(
        ig=(
        "apply { bit<8> s = 0; for (bit<8> k = 0; k < h.h.b; k += 1) { s += 3; if (s > 100) break; } "
        "h.h.a = s; for (bit<8> z = 0; h.h.a > 2; z += 0) { h.h.a = h.h.a - 1; } }"),
    ), (0, "02020304"), SHORT),
    ("for in range", small(
        ig="apply { for (bit<8> k in 1..3) { h.h.a += k; } for (bit<8> n in 8w0..2) { h.h.b += n; } }",
    ), (0, "07050304"), SHORT),
    ("for in list", small(
        ig="apply { for (bit<8> k in (list<bit<8>>){1, 2, 3}) { if (k == 2) continue; h.h.a += k; } }",
    ), (0, "05020304"), SHORT),
    ("for in stack", small(
        ig="apply { g_t[3] s; s[0] = {1}; s[1] = {2}; s[2] = {3}; for (g_t e in s) { h.h.a += e.v; } }",
        top="header g_t { bit<8> v; }",
    ), (0, "07020304"), SHORT),
    ("for nested", small(
        ig=(
        "apply { bit<8> c = 0; for (bit<8> a in 0..3) { for (bit<8> d in 0..3) { if (d > a) break; if (a "
        "== 2) continue; c += 1; } } h.h.a = c; }"),
    ), (0, "07020304"), SHORT),
    ("for in fn return", small(
        ig="apply { h.h.a = f(3); h.h.b = f(30); }",
        top="bit<8> f(in bit<8> x) { for (bit<8> k in 0..10) { if (k == x) return k + 100; } return 1; }",
    ), (0, "67010304"), SHORT),
    ("for in action", small(
        ig=(
        "action a(bit<8> x) { for (bit<8> k = 0; k < x; k += 1) { h.h.a += 2; } } table t { actions = "
        "{a;} default_action = a(4); } apply { t.apply(); }"),
    ), (0, "09020304"), SHORT),
    ("for parser", small(
        parser="state start { b.extract(h.h); for (bit<8> k in 0..2) { h.h.a += k; } transition accept; }",
    ), (0, "04020304"), SHORT),
    ("for table", small(
        ig=(
        "action a() { h.h.a = h.h.a + 1; } table t { actions = {a;} default_action = a(); } apply { for "
        "(bit<8> k in 0..2) { if (k == 1) t.apply(); } }"),
    ), (0, "02020304"), SHORT),
    ("unroll annot", small(
        ig=(
        "apply { @unroll for (bit<8> k = 0; k < 4; k += 1) { h.h.a += k; } @nounroll for (bit<8> q in "
        "0..1) h.h.b += 1; }"),
    ), (0, "07040304"), SHORT),
    ("subparser in loop", small(
        top="header g_t { bit<8> v; }",
        hdr="g_t[4] s;",
        parser=(
        "q() s; state start { b.extract(h.h); transition n; } state n { s.apply(b, h); transition "
        "select(h.s.lastIndex) { 3: accept; default: n; } }"),
        after=(
        "parser q(packet_in b, inout Headers h) { state start { b.extract(h.s.next); transition "
        "select(h.s.last.v) { 0: accept; default: start; } } }"),
    ), (0, "0102030401000300"), "0102030401000300"),
    ("list const loop", full(
        ig=(
        "for (bit<8> i in { 1, 2, 3 }) { h.h.a = h.h.a + i; } for (bit<8> j in 8w1 .. 8w4) { if (j == 3) "
        "{ continue; } h.h.b = h.h.b + j; } for (bit<8> k = 0, bit<8> q = 5; k < 10; k = k + 1, q += 1) "
        "{ if (k == 4) break; h.h.c = q; }"),
    ), (0, "0709080400050006"), IN),
    ("parser var and loops", full(
        parser=(
        "bit<8> cnt = 0; state start { cnt = cnt + 1; transition select(cnt) { 1 .. 3: start; default: "
        "fin; } } state fin { b.extract(h.h); h.h.a = cnt; transition accept; }"),
    ), (0, "0402030400050006"), IN),
    ("int vars in for / const int", full(
        top="const int N = 3; ",
        ig="for (bit<8> i = 0; i < N; i = i + 1) { h.h.a = h.h.a + i; }",
    ), (0, "0402030400050006"), IN),
    ("parser to same state loop w/ stack overflow", full(
        hdrs="h_t h; g_t[2] s;",
        parser="state start { b.extract(h.h); transition l; } state l { b.extract(h.s.next); transition l; }",
        ig="if (sm.parser_error == error.StackOutOfBounds) h.h.a = 9;",
        dep="b.emit(h);",
    ), (0, "0902030400050006414243"), "0102030400050006414243"),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_statements(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
