"""Numbers with packet tests: widths, signs, shifts, slices, saturation, casts, constants."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import full
from .stf_rows import StfRow, play

IN = "01 02 03 04 0005 0006"


def one(ig: str, left: str, sent: str = IN, **rest: str) -> tuple[str, str]:
    return full(ig=ig, **rest), f"packet 0 {sent}; expect 0 {left}$"


def wide(ig: str, sent: str, left: str, width: int = 512) -> tuple[str, str]:
    program = full(top=f"header w_t {{ bit<{width}> v; }}", hdrs="h_t h; w_t z;", ig=ig, dep="b.emit(h);",
                   parser="state start { b.extract(h.h); b.extract(h.z); transition accept; }")
    return program, f"packet 0 {IN} {sent}; expect 0 {left}$"


ROWS: list[StfRow] = [(name, *rest) for name, rest in {
    "shift by a runtime amount past the width": one(
        "h.h.a = h.h.b << h.h.w; h.h.w = h.h.x >> 20; h.h.b = h.h.b << h.h.c; h.h.x = 16w0xffff << (8w16 + h.h.d);",
        "40 10 03 04 0000 0000"),
    "shift of a negative number": one("int<8> k = -100; h.h.a = (bit<8>)(k >> 2); h.h.b = (bit<8>)(k >> 200); "
        "h.h.c = (bit<8>)(k << 1); h.h.d = (bit<8>)(k >> h.h.d);",
        "e7 ff 38 f9 0005 0006"),
    "wide run-time shift amounts": one("bit<64> k = (bit<64>)h.h.a << 32; h.h.b = h.h.b << k; int<8> n = -3; "
        "h.h.c = (bit<8>)(n >> k); h.h.d = h.h.d >> (k >> 32);", "01 00 ff 02 0005 0006"),
    "shift amount of another width": one("h.h.a = h.h.b << 1w1; h.h.b = h.h.b << (bit<64>)h.h.c; "
        "h.h.w = h.h.w << 64w0x100000000; h.h.c = h.h.c >> (128w1 << 100);",
        "04 10 00 04 0000 0006"),
    "signed comparisons": one("int<8> k = (int<8>)h.h.a; int<8> l = (int<8>)h.h.b; "
        "h.h.c = (k < l ? 8w1 : 0) + (k <= l ? 8w2 : 0) + (k > l ? 8w4 : 0) + (k >= l ? 8w8 : 0) + (k == l ? 8w16 : "
        "0) + (k != l ? 8w32 : 0);"
        "h.h.d = h.h.a < h.h.b ? 8w1 : 8w2;", "ff 02 23 02 0005 0006", "ff 02 03 04 0005 0006"),
    "sign extension and truncation": one("int<8> k = (int<8>)h.h.a; h.h.w = (bit<16>)(int<16>)k; "
        "h.h.x = (bit<16>)(bit<8>)k; int<4> n = (int<4>)k; h.h.b = (bit<8>)(int<8>)n; h.h.c = (bit<8>)(bit<4>)n; "
        "int<24> m = (int<24>)n; h.h.d = (bit<8>)(bit<24>)(m >> 16);",
        "98 f8 08 ff ff98 0098", "98 02 03 04 0005 0006"),
    "one-bit signed": one("int<1> k = (int<1>)h.h.a[0:0]; if (k < 0) h.h.b = 9; int<8> w = (int<8>)k; "
        "h.h.c = (bit<8>)w; k = -k; if (k == -1) h.h.d = 7;", "01 09 ff 07 0005 0006"),
    "saturating unsigned": one("h.h.a = h.h.a |-| h.h.b; h.h.b = 0xfe |+| h.h.b; h.h.c = h.h.c |+| 252; "
        "h.h.d = h.h.d |-| 4; h.h.w = 0xffff |+| h.h.w |-| 1;", "00 ff ff 00 fffe 0006"),
    "saturating signed": one("int<8> k = -120; int<8> l = (int<8>)h.h.a; h.h.a = (bit<8>)(k |-| 20); "
        "h.h.b = (bit<8>)(k |+| l); h.h.c = (bit<8>)(l |-| k); h.h.d = (bit<8>)(-128 |-| l |-| l);",
        "80 89 79 80 0005 0006"),
    "saturating 64 and 128 bits": one("bit<64> k = 0xffffffffffffffff; k = k |+| (bit<64>)h.h.a; h.h.a = k[63:56]; "
        "bit<128> l = 1; l = l |-| (bit<128>)h.h.b; h.h.b = l[7:0]; int<128> m = 1 << 126; m = m |+| m; "
        "if (m > 0) h.h.c = 0x7f; m = -m |-| 1 |-| 1; if (m < 0) h.h.d = 0x80;",
        "ff 00 7f 80 0005 0006"),
    "wide arithmetic": wide("h.z.v = h.z.v + 1; h.z.v = h.z.v * 3; h.z.v = h.z.v - 2;", "ff" * 63 + "fe", IN + "ff" * 63 +
        "fb"),
    "wide shifts and slices": wide("h.z.v = h.z.v << 500; h.h.a = h.z.v[511:504]; h.z.v = h.z.v >> 4; "
        "h.z.v[255:248] = h.h.a; h.z.v[3:0] = h.z.v[511:508] + 1;",
        "00" * 62 + "0abc", "ab 02 03 04 0005 0006" + "0abc" + "00" * 30 + "ab" + "00" * 30 + "01"),
    "wide compare and complement": wide("if (h.z.v > (512w1 << 511)) h.h.a = 9; h.z.v = ~h.z.v; "
        "if (h.z.v < 16) h.h.b = 9; h.z.v = -h.z.v; h.z.v = h.z.v ^ (h.z.v >> 256);",
        "ff" * 63 + "f0", "09 09 03 04 0005 0006" + "ff" * 32 + "00" * 31 + "0e"),
    "2048 bits": wide(
        "h.z.v = (h.z.v << 2047) | (h.z.v >> 1); h.h.a = h.z.v[2047:2040]; h.h.b = (bit<8>)(h.z.v >> 2000);", "00" * 255 +
        "03", "80 00 03 04 0005 0006" + "80" + "00" * 254 + "01", 2048),
    "concatenation of signs": one("int<8> k = -1; h.h.w = (bit<16>)(k ++ 8s1); h.h.x = h.h.a ++ (bit<8>)k; "
        "bit<4> n = 4w7; h.h.a = n ++ n; h.h.b = (bit<8>)(k[3:0] ++ 4w0);", "77 f0 03 04 ff01 01ff"),
    "concatenation of three in order": one(
        "h.h.w = h.h.a[3:0] ++ h.h.b ++ h.h.c[3:0]; h.h.x = (4w1 ++ 4w2) ++ (4w3 ++ 4w4);", "01 02 03 04 1023 1234"),
    "slices of slices": one(
        "h.h.a = h.h.w[11:0][9:2]; h.h.w[11:4][5:2] = 0xf; h.h.x[15:8][7:7] = 1; h.h.b[7:1][6:6] = h.h.x[15:15];",
        "c5 82 03 04 13d5 8006", "01 02 03 04 1315 0006"),
    "a slice of an expression": one("h.h.a = (h.h.w + h.h.x)[8:1]; h.h.b = ((int<16>)h.h.w)[7:0]; "
        "h.h.c = (h.h.a ++ h.h.b)[11:4]; h.h.d = (bit<8>)(-8w1)[7:6];", "05 05 50 03 0005 0006"),
    "slice of a whole value": one("h.h.w[15:0] = 7; h.h.x[0:0] = 1; h.h.a[7:0] = h.h.b[7:0];", "02 02 03 04 0007 0007"),
    "slice with base and width": one("h.h.a = h.h.w[4+:8]; h.h.w[8+:4] = 0xc; h.h.b = (bit<8>)h.h.x[0+:4];",
        "31 06 03 04 1c15 0006", "01 02 03 04 1315 0006"),
    "bit complement and negation": one("h.h.a = ~h.h.a; h.h.b = -h.h.b; h.h.c = -(~h.h.c); "
        "h.h.d = ~(-h.h.d) + +h.h.d; h.h.w = -16w1; h.h.x = ~16w0xf0f0;", "fe fe 04 07 ffff 0f0f"),
    "constants folded": one("h.h.a = (bit<8>)(7 / 2 * 10 + 7 % 4); h.h.b = (bit<8>)((1 << 10) >> 3) - 1; "
        "h.h.c = 8w255 + 8w3 - 8w1; h.h.d = (bit<8>)(8w200 * 8w2 / 8w3); h.h.w = (bit<16>)(0xfff & 0xf0f | 1); "
        "h.h.x = 16w10 % 16w4 ++ 8w0 == 24w0x200 ? 16w1 : 16w2;",
        "21 7f 01 30 0f0f 0001"),
    "division of constants by place of sign": one("const int P = -7; h.h.a = (bit<8>)(-(7 / 2)); "
        "h.h.b = (bit<8>)(P + 10); h.h.c = (bit<8>)(P * P); h.h.d = (bit<8>)(P >> 1); const bit<8> Q = (bit<8>)P; "
        "h.h.w = (bit<16>)Q;", "fd 03 31 fc 00f9 0006"),
    "big constants": one("const int B = 1 << 200; h.h.a = (bit<8>)((B - 1) >> 196); "
        "const bit<200> C = (bit<200>)(B - 1); h.h.b = C[199:192]; h.h.c = (bit<8>)(B >> 198) + (C == ~200w0 ? 8w1 : "
        "8w0); h.h.w = (bit<16>)(0x123456789abcdef0123456789abcdef >> 108);",
        "0f ff 05 04 1234 0006"),
    "power-of-two division at run time": one(
        "h.h.a = h.h.d / 2; h.h.b = h.h.w[7:0] % 4; h.h.x = h.h.x / 1; h.h.c = h.h.c % 1; h.h.w = h.h.w / 0x100;",
        "02 01 00 04 0013 0006", "01 02 03 04 1315 0006"),
    "multiplication wraps": one("h.h.a = h.h.c * h.h.d * 100; int<8> k = -3; h.h.b = (bit<8>)(k * (int<8>)h.h.d); "
        "h.h.w = h.h.w * 0xffff; bit<128> z = (128w1 << 127) * 3; h.h.x = (bit<16>)(z >> 120);", "b0 f4 03 04 fffb 0080"),
    "comparison chains": one("bool r = h.h.a < h.h.b == h.h.c < h.h.d; bool s = !(h.h.a == 1) != (h.h.b == 2); "
        "h.h.a = r ? 8w7 : 8w8; h.h.b = s && r || !s && !r ? 8w1 : 8w0;", "07 01 03 04 0005 0006"),
    "precedence": one("h.h.a = h.h.a + h.h.b << 1 & 0xff; h.h.b = h.h.b | h.h.c ^ h.h.d & 6; h.h.c = 1 + 2 * 3 - 4; "
        "h.h.w = (h.h.w & 1) == 1 ? 16w1 : 16w0;", "06 07 03 04 0001 0006"),
    "bool casts": one("bit<1> k = (bit<1>)(h.h.a == 1); bool l = (bool)h.h.b[1:1]; h.h.c = (bit<8>)k; "
        "h.h.d = l ? 8w9 : 8w8; m.f = (bool)(bit<1>)l; if (m.f == true && m.f != false) h.h.a = 0xf;",
        "0f 02 01 09 0005 0006", meta="bool f;"),
    "enums and numbers": one(
        "if (h.h.a != 0 && h.h.k == 9) h.h.b = 1; if (9 == h.h.k && K.A != 4 && K.B > 8) h.h.c = h.h.k & L.C; "
        "if (h.h.k & L.C != 0) h.h.d = K.A;", "01 01 01 05 0005 0006 09", "01 02 03 04 0005 0006 09",
        top="enum bit<8> L { C = 1 << 0, D = (1 << 1) }",
        edits=[("bit<16> x; }", "bit<16> x; K k; }"), ("header h_t", "enum bit<8> K { A = 5, B = 9 } header h_t")]),
    "enum casts": one("h.h.a = (bit<8>)K.B; K k = (K)(h.h.b + 7); h.h.b = k == K.B ? 8w1 : 8w0; K l = (K)8w77; "
        "h.h.c = (bit<8>)l; h.h.d = (bit<8>)K.A + 1; h.h.w = (bit<16>)(bit<8>)K.A;", "09 01 4d 06 0005 0006",
        top="enum bit<8> K { A = 5, B = 9 }"),
    "newtypes": one("A1 k = (A1)h.h.a; B1 l = (B1)(bit<8>)k; if ((A1)8w1 == k) h.h.b = (bit<8>)l + 1; "
        "C1 v = (C1)16w7; h.h.w = (bit<16>)v; k = (A1)(bit<8>)(l == (B1)8w1 ? 8w9 : 8w8); h.h.c = (bit<8>)k;",
        "01 02 09 04 0007 0006", top="type bit<8> A1; type bit<8> B1; typedef bit<16> W16; type W16 C1;"),
    "numbers as values of newtypes": one(
        "m.v = 4; if (m.v == 4 && m.v != ZERO) h.h.b = 6; t.apply(); if (m.v == (V1)9) h.h.a = (bit<8>)m.v; "
        "switch (m.v) { 9: { h.h.w = 5; } } m.v = next(2); S1 s = { 3, 4 }; h.h.x = (bit<16>)(bit<8>)(h.h.c == 3 ? s.v : m.v); "
        "h.h.d = (bit<8>)m.v;", "09 06 03 07 0005 0003", meta="V1 v; P1 p;",
        top="type bit<8> V1; type bit<9> P1; const V1 ZERO = 0; struct S1 { V1 v; bit<8> b; } V1 next(in V1 v) { return 7; }",
        parser="state start { b.extract(h.h); m.p = 7; transition select(m.p) { 510: reject; 7: accept; default: reject; } }",
        locs="P1 q = 5; action set(V1 k) { m.v = k; } table t { key = { m.v : exact; q : ternary; } actions = { set; NoAction; } "
        "const entries = { (4, 5) : set(9); } default_action = set(3); }"),
    "zero-width values": one("bit<0> z = 0; h.h.a = z ++ h.h.b; if (z == z) h.h.c = 9;", "02 02 09 04 0005 0006"),
    "width from a constant expression": one(
        "bit<(1 << 3)> k = 8w7; bit<W> l = 3; int<(W * 2)> n = -1; h.h.a = k + (bit<8>)l; h.h.b = (bit<8>)(bit<8>)n;",
        "0a ff 03 04 0005 0006", top="const int W = 2 + 2;"),
    "numbers as they are written": one("h.h.a = 8w0b1010_0101; h.h.b = 8w0xA_5" +
        "; h.h.c = 0o17; h.h.d = 0d10; h.h.w = 16w0D1_000; h.h.x = 0XFF0F & 0B1111_1111_1111_0000;", "a5 a5 0f 0a 03e8 ff00"),
    "compound assignment": one("h.h.a += 4; h.h.b -= 3; h.h.c *= h.h.c; h.h.d <<= 3; h.h.w |= 0xf000; h.h.x &= 4; "
        "h.h.a ^= 1; h.h.b |+|= 3; h.h.c |-|= 0x20; h.h.d >>= 1; h.h.w[3:0] += 1; h.h.x /= 2; h.h.w %= 0x8000;",
        "04 ff 00 10 7006 0002"),
    "compound assignment evaluates its target once": one("h.h.c[3:0] += 4; h.h.d += f(h.h.d); h.h.b = h.h.d;",
        "01 09 07 09 0005 0006", top="bit<8> f(inout bit<8> x) { x = x + 1; return x; }"),
    "infinite-precision parameters": one("const int N = 3; h.h.a = h.h.a + N; h.h.b = N - 1 + h.h.b; "
        "h.h.c = h.h.c << N; h.h.d = 256 - N + h.h.d - 250;", "04 04 18 07 0005 0006"),
    "min and max of widths": one("int<64> k = -0x8000000000000000; k = k - 1; h.h.a = (bit<8>)(bit<64>)(k >> 56); "
        "bit<64> l = 0; l = l - 1; h.h.b = l[63:56]; int<63> n = 0x3fffffffffffffff; n = n + 1; "
        "if (n < 0) h.h.c = 9; bit<65> p = (bit<65>)l + 1; h.h.d = (bit<8>)(p >> 60);", "7f ff 09 10 0005 0006"),
    "65-bit and 33-bit values": one("bit<33> k = (bit<33>)(bit<32>)h.h.w << 32 | 33w0x1_0000_0001 >> 1; "
        "h.h.a = (bit<8>)(k >> 31); int<33> s = -1; s = s << 31; h.h.b = (bit<8>)(bit<33>)(s >> 30); bit<65> q = 1; "
        "q = q << 64; q = q - 1; h.h.c = (bit<8>)(q >> 57); h.h.d = (bit<8>)(bit<65>)(q >> 64);", "03 fe 7f 00 0005 0006"),
    "ternary of different shapes": one("bit<8> k = h.h.a == 1 ? h.h.b == 3 ? 8w1 : h.h.c == 3 ? 8w2 : 8w3 : 8w4; "
        "h.h.a = k; h.h.b = (h.h.c > 2 ? h.h.c : h.h.d) + (false ? h.h.a : 1); h.h.w = true ? 16w1 : h.h.x;",
        "02 04 03 04 0001 0006"),
    "ternary of structs": one("P2 p = {1, 2}; P2 q = {3, 4}; P2 r; if (h.h.a == 1) { r = p; } else { r = q; } "
        "h.h.a = r.l; h.h.b = (h.h.b == 7 ? p.r : q.r);", "01 04 03 04 0005 0006", top="struct P2 { bit<8> l; bit<8> r; }"),
    "error values": one("error e = error.PacketTooShort; error f = error.Mine; if (e == f) h.h.a = 9; "
        "if (e != error.NoError) h.h.b = 9; e = sm.parser_error; if (e == error.NoError) h.h.c = 9; m.e = f; "
        "if (m.e == error.Mine) h.h.d = 9;", "01 09 09 09 0005 0006", top="error { Mine, Other }", meta="error e;"),
    "mixed literals and fields compared": one("if (h.h.a == 8w1 && 5 == h.h.w && 0x6 >= h.h.x) h.h.b = 1; "
        "if (2 > h.h.a) h.h.c = 1; if (h.h.d != 4) h.h.d = 1; if (0 - 1 < 0) h.h.a = 0x77;", "77 01 01 04 0005 0006"),
    "xor swap": one("h.h.a = h.h.a ^ h.h.b; h.h.b = h.h.a ^ h.h.b; h.h.a = h.h.a ^ h.h.b; h.h.w ^= h.h.x; "
        "h.h.x ^= h.h.w; h.h.w ^= h.h.x;", "02 01 03 04 0006 0005"),
    "list of constants indexed": one("const tuple<bit<8>, bit<16>> C = {8w3, 16w9}; h.h.a = C[0]; h.h.w = C[1]; "
        "const P2 D = {l = 4, r = 5}; h.h.b = D.l + D.r;", "03 09 03 04 0009 0006", top="struct P2 { bit<8> l; bit<8> r; }"),
    "dead code with undefined results": one("if (false) { h.h.a = 8w1 << 300; h.h.b = 9; } "
        "else if (1 == 1) { h.h.c = 5; } if (h.h.a != h.h.a) h.h.d = 9; bit<8> z = 0; z = z * h.h.a; h.h.a = z & 0;",
        "00 02 05 04 0005 0006"),
    "identities": one("h.h.a = h.h.a + 0 | 0; h.h.b = h.h.b * 1 & 0xff; h.h.c = h.h.c ^ h.h.c; "
        "h.h.d = (h.h.d << 0) - 0; h.h.w = (h.h.w / 1) ^ 0; h.h.x = h.h.x |-| 0;", "01 02 00 04 0005 0006"),
}.items()]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_values(row: StfRow, tmp_path: Path) -> None:
    play(row, tmp_path)
