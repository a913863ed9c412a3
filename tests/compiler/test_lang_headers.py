"""Headers, stacks, unions, varbit, and how they are emitted."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import IN, SHORT, Row, check, full, small

ROWS: list[Row] = [
    ("struct cast header2", full(
        ig="h.g = (g_t){v = 8}; ",
        dep="b.emit(h.g); b.emit(h.h);",
    ), (0, "080102030400050006"), IN),
    ("dots header", full(
        ig="h.g = ...; h.h = {a=1, ...};",
        dep="b.emit(h.g); b.emit(h.h);",
    ), (0, "0100000000000000"), IN),
    ("inout header", full(
        top="void f(inout h_t x, in h_t y) { x = y; x.a = 5; }",
        ig="h_t z = h.h; z.b = 9; f(h.h, z);",
    ), (0, "0509030400050006"), IN),
    ("varbit local", full(
        top="header v_t { varbit<32> o; }",
        hdrs="v_t v; v_t w; h_t h;",
        parser="state start { b.extract(h.v, 16); b.extract(h.h); transition accept; }",
        ig="h.w = h.v;",
        dep="b.emit(h);",
    ), (0, "aabbaabb0102030400050006"), "aabb0102030400050006"),
    ("union in stack", full(
        top="header u1_t { bit<8> p; } header u2_t { bit<16> q; } header_union Un { u1_t x; u2_t y; }",
        hdrs="h_t h; Un[2] u; g_t g;",
        ig=(
        "h.u[0].x.setValid(); h.u[0].x.p = 5; h.u[1].y = {0x1234}; if (h.u[0].isValid()) h.h.a = 0xaa; "
        "h.u[0].y.setValid(); if (!h.u[0].x.isValid()) h.h.b = 0xbb;"),
        dep="b.emit(h);",
    ), (0, "aabb03040005000600001234"), IN),
    ("type named header", small(
        top="typedef bit<8> key; type bit<8> T8; typedef T8 T8b;",
        ig="key q = 3; T8 t = (T8)8w5; T8b tt = t; apply { if (t == tt) h.h.a = (bit<8>)t; h.h.b = q; }",
    ), (0, "05030304"), SHORT),
    ("dep emit twice", small(dep="apply { b.emit(h.h); b.emit(h.h); }"), (0, "0102030401020304"), SHORT),
    ("union last", small(
        top="header a_t { bit<8> x; } header b_t { bit<8> y; bit<8> z; } header_union un { a_t a; b_t b; }",
        hdr="un[3] u;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.u.next.a); b.extract(h.u.next.b); h.u.last.b.z = "
        "h.u.last.b.y + 1; transition select(h.u.last.b.isValid(), h.u.last.a.isValid(), "
        "h.u.last.isValid(), h.u.lastIndex, h.u.size) { (true, false, true, 1, 3): n; default: accept; } "
        "} state n { h.u.next.a.setValid(); h.u.next.a.x = 9; h.h.a = 0x99; transition accept; }"),
    ), (0, "99020304aabbbc09"), "01020304aabbcc"),
    ("emit struct nested", small(
        top="header g_t { bit<8> v; } struct in_t { g_t x; g_t[2] y; }",
        hdr="in_t n;",
        parser="state start { b.extract(h.h); b.extract(h.n.x); b.extract(h.n.y.next); transition accept; }",
        dep="apply { b.emit(h.n); b.emit(h.h); }",
    ), (0, "050601020304"), "010203040506"),
    ("shadow hdr", small(
        ig="apply { bit<8> h_t_ = 3; { Headers h2 = h; h2.h.a = 7; h = h2; } }",
    ), (0, "07020304"), SHORT),
    ("header eq", small(
        ig=(
        "apply { h_t a = h.h; if (a == h.h) h.h.a = 9; if (a == {1, 2, 0x304}) h.h.b = 8; "
        "a.setInvalid(); h_t c; if (a == c) h.h.w = 7; }"),
    ), (0, "09080007"), SHORT),
    ("stack1", small(
        top="header g_t { bit<8> v; }",
        hdr="g_t[1] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); transition accept; }",
        ig=(
        "apply { h.s[0].v = h.s[0].v + 1; h.s.pop_front(1); if (!h.s[0].isValid()) h.h.a = 9; "
        "h.s.push_front(1); h.s[0].setValid(); bit<1> k = 0; h.s[k].v = 7; }"),
    ), (0, "0902030407"), "0102030405"),
    ("header invalid expr", small(
        ig="apply { h.h = {#}; if (h.h == {#}) h.g.setValid(); h.g = (g_t){v = 5}; h.q = (h_t){#}; }",
        top="header g_t { bit<8> v; }",
        hdr="g_t g; h_t q;",
    ), (0, "05"), SHORT),
    ("varbit ops", small(
        top="header v_t { bit<8> l; varbit<64> d; bit<8> e; }",
        hdr="v_t v; v_t w;",
        parser="state start { b.extract(h.v, (bit<32>)(b.lookahead<bit<8>>() << 3)); transition accept; }",
        ig=(
        "apply { if (h.v.isValid()) { h.w = h.v; h.w.e = 9; if (h.w.d == h.v.d) h.v.e = 7; if (h.w != "
        "h.v) h.w.l = 3; } }"),
    ), (0, "020a0b07030a0b09"), "020a0b0c"),
    ("varbit too long", small(
        top="header v_t { bit<8> l; varbit<16> d; }",
        hdr="v_t v;",
        parser="state start { b.extract(h.v, 24); transition accept; }",
        ig="apply { h.h.setValid(); if (sm.parser_error == error.HeaderTooShort) h.h.a = 1; }",
    ), (0, "010000000102030405"), "0102030405"),
    ("varbit struct", small(
        ig="apply { vs a; vs c = a; m.v = c; }",
        top="struct vs { varbit<32> x; bit<8> y; }",
        meta="vs v;",
    ), (0, "01020304"), SHORT),
    ("varbit zero", small(
        top="header v_t { bit<8> l; varbit<32> d; }",
        hdr="v_t v;",
        parser="state start { b.extract(h.v, 0); b.extract(h.h); transition accept; }",
        dep="apply { b.emit(h.v); b.emit(h.h);}",
    ), (0, "0901020304"), "0901020304"),
    ("union in struct copy", small(
        top=(
        "header a_t { bit<8> x; } header b_t { bit<16> y; } header_union un { a_t a; b_t b; } struct "
        "in_t { un u; bit<8> z; }"),
        hdr="un u;",
        meta="in_t i;",
        parser="state start { b.extract(h.h); b.extract(h.u.b); transition accept; }",
        ig=(
        "apply { in_t l; l.u = h.u; l.u.a.setValid(); l.u.a.x = 3; m.i = l; h.u = m.i.u; if "
        "(h.u.isValid() && !h.u.b.isValid()) h.h.a = 9; f(h.u); }"),
        edits=[("header h_t", "void f(inout un u) { u.a.x = u.a.x + 1; }\nheader h_t")],
    ), (0, "0902030404"), "010203040506"),
    ("struct headers nested arrays", small(
        top="header g_t { bit<8> v; } struct lv2 { g_t a; g_t[2] s; } struct lv1 { lv2 x; lv2 y; }",
        hdr="lv1 l;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.l.x.a); b.extract(h.l.y.s.next); "
        "b.extract(h.l.x.s.next); transition accept; }"),
        ig="apply { lv2 t = h.l.x; h.l.x = h.l.y; h.l.y = t; sw(h.l); }",
        edits=[("header h_t", "void sw(inout lv1 l) { l.x.a = l.y.a; }\nheader h_t")],
    ), (0, "0102030405060507"), "01020304050607"),
    ("header type generic", small(
        top="header gh<T> { T x; bit<8> y; } struct gs<T> { T a; T c; }",
        hdr="gh<bit<16>> g;",
        parser="state start { b.extract(h.h); b.extract(h.g); transition accept; }",
        ig="apply { gs<bit<8>> s = {1,2}; h.g.x = (bit<16>)s.c; gs<gs<bit<8>>> n = {{1,2},{3,4}}; h.g.y = n.c.a; }",
    ), (0, "01020304000203"), "01020304050607"),
    ("signed hdr field", small(
        top="header i_t { int<8> x; int<4> y; bit<4> z; }",
        hdr="i_t i;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.i); transition select(h.i.x) { -1: n; default: "
        "accept; } } state n { h.h.a = 9; transition select(h.i.y) { -8..-1: n2; default: accept; } } "
        "state n2 { h.h.b = 9; transition accept; }"),
        ig="apply { h.i.x = h.i.x - 1; if (h.i.y < 0) h.i.y = h.i.y + 1; }",
    ), (0, "09090304fef3"), "01020304ffe3"),
    ("odd header unused", small(top="header odd_t { bit<4> x; } header og<T> { T x; }"), (0, "01020304"), SHORT),
    ("cond emit", full(
        dep="if (h.h.a == 1) { b.emit(h.h); } else { b.emit(h.g); }",
        ig="h.g.setValid(); h.g.v = 7;",
    ), (0, "0102030400050006"), IN),
    ("cond emit2", full(
        dep="if (h.h.a == 2) { b.emit(h.h); } else { b.emit(h.g); }",
        ig="h.g.setValid(); h.g.v = 7;",
    ), (0, "07"), IN),
    ("emit list", full(
        dep="b.emit({h.g, h.h}); b.emit(h.g);",
        ig="h.g.setValid(); h.g.v = 7;",
    ), (0, "07010203040005000607"), IN),
    ("emit in subcontrol", full(
        top="control Sd(packet_out b, in g_t g) { apply { b.emit(g); } }",
        dep="Sd.apply(b, h.g); b.emit(h.h);",
        ig="h.g.setValid(); h.g.v = 7;",
    ), (0, "070102030400050006"), IN),
    ("header with struct", full(
        top="struct in2 { bit<8> a; bit<16> b; } header k_t { in2 i; bool f; bit<7> r; }",
        hdrs="k_t k; h_t h;",
        parser="state start { b.extract(h.k); b.extract(h.h); transition accept; }",
        dep="b.emit(h);",
        ig=(
        "in2 q = h.k.i; q.a = q.a + 1; h.k.i = q; h.k.f = !h.k.f; h.h = {1,2,3,4,5,6}; if (h.k.i == {2, "
        "0x203}) { h.h.d = 0x99; }"),
    ), (0, "020203840102039900050006"), "010203040102030400050006"),
    ("empty header", full(
        top="header e_t { }",
        hdrs="e_t e; h_t h; g_t g;",
        ig="h.e.setValid(); if (h.e.isValid()) { h.h.a = 9; }",
        dep="b.emit(h);",
    ), (0, "0902030400050006"), IN),
    ("nested header struct", full(
        top="struct HH { h_t h; g_t[2] s; }",
        hdrs="HH n; g_t g;",
        parser="state start { b.extract(h.n.h); b.extract(h.n.s.next); transition accept; }",
        ig="h.n.s[1].setValid(); h.n.s[1].v = h.n.h.b; HH k = h.n; k.h.a = 8; h.n = k;",
    ), (0, "0802030400050006aa02"), "0102030400050006aa"),
    ("meta header", full(
        meta="h_t h; bit<8> z; g_t[2] s;",
        parser="state start { b.extract(m.h); h.h.setValid(); h.h = m.h; transition accept; }",
        ig="h.h.a = m.h.b; m.s[1].setValid(); m.s[1].v = 3; h.h.d = m.s[1].v;",
    ), (0, "0202030300050006"), IN),
    ("headers not struct", full(
        edits=[("struct H { h_t h; g_t g; }", "header H { bit<8> a; bit<56> w; }"), ("b.extract(h.h)", "b.extract(h)")],
    ), (0, "0102030400050006"), IN),
    ("enum in header", full(
        top="enum bit<8> En { A = 1, B = 5 } header q_t { En e; bit<8> z; }",
        hdrs="q_t q; h_t h;",
        parser=(
        "state start { b.extract(h.q); transition select(h.q.e) { En.A: one; En.B: two; default: accept; "
        "} } state one { h.h.setValid(); transition accept; } state two { transition accept; }"),
        ig="if (h.q.e == En.A) { h.q.z = 9; h.q.e = En.B; } else if (h.q.e > 3) { h.q.z = 1; }",
        dep="b.emit(h.q);",
    ), (0, "0509030400050006"), IN),
    ("varbit", full(
        top="header v_t { bit<8> n; varbit<64> o; }",
        hdrs="v_t v; v_t w; h_t h;",
        parser="state start { b.extract(h.v, (bit<32>)((bit<8>)b.lookahead<bit<8>>() * 8)); transition accept; }",
        ig=(
        "h.w = h.v; h.w.n = 7; varbit<64> t; t = h.v.o; h.v.o = t; if (h.w == h.v) { h.v.n = 1; } h.w.n "
        "= h.v.n; if (h.w == h.v) { h.w.n = 0x77; }"),
        dep="b.emit(h.v); b.emit(h.w);",
    ), (0, "03aabbcc77aabbccee"), "03aabbccee"),
    ("write invalid then valid", full(
        ig="h.g.v = 5; h.g.setValid(); h.h.a = h.g.v;",
        dep="b.emit(h.h);",
    ), (0, "0002030400050006"), IN),
    ("typedef'd header", full(
        top="typedef g_t gg; typedef gg[2] st_t;",
        hdrs="h_t h; gg g; st_t s;",
        ig="h.s[0].setValid(); h.s[0] = { 7 };",
        dep="b.emit(h);",
    ), (0, "010203040005000607"), IN),
    ("union", full(
        top="header a_t { bit<8> p; } header b_t { bit<16> q; } header_union un { a_t a; b_t b; }",
        hdrs="h_t h; un u; un[2] us;",
        parser=(
        "state start { b.extract(h.h); transition select(h.h.a) { 1: pa; default: pb; } } state pa { "
        "b.extract(h.u.a); b.extract(h.us.next.b); b.extract(h.us.next.a); transition accept; } state pb "
        "{ b.extract(h.u.b); transition accept; }"),
        ig=(
        "if (h.u.a.isValid()) { bit<8> t = h.u.a.p; h.u.b.setValid(); h.u.b.q = t ++ t; } if "
        "(h.us[1].isValid()) { h.us[1].a.setInvalid(); } if (!h.us[1].isValid()) h.h.b = 9; un loc = "
        "h.us[0]; h.us[1] = loc; h.us[0].b.q = 0x5555;"),
        dep="b.emit(h);",
    ), (0, "0109030400050006414155554243"), "010203040005000641424344"),
    ("union eq", full(
        top="header a_t { bit<8> p; } header b_t { bit<16> q; } header_union un { a_t a; b_t b; }",
        hdrs="h_t h; un u; un v;",
        ig=(
        "if (h.u == h.v) h.h.a = 9; h.u.a.setValid(); h.u.a.p = 3; if (h.u == h.v) h.h.b = 9; h.v.a = "
        "h.u.a; if (h.u == h.v) h.h.c = 9; h.v = h.u; h.u.a = {4}; h.u = {#};"),
        dep="b.emit(h);",
    ), (0, "090209040005000603"), IN),
    ("struct of headers copy", full(
        top="struct PP { h_t h; g_t g; }",
        hdrs="PP p; PP q;",
        parser="state start { b.extract(h.p.h); transition accept; }",
        ig=(
        "h.q = h.p; h.q.h.a = 9; if (h.q == h.p) h.q.h.b = 9; PP r = { h.p.h, {#} }; h.p = { { "
        "1,2,3,4,5,6 }, { 8 } }; if (r.g.isValid()) h.q.h.c = 9;"),
        dep="b.emit(h.p); b.emit(h.q);",
    ), (0, "0102030400050006080902030400050006"), IN),
    ("varbit oversized", full(
        top="header v_t { varbit<16> o; }",
        hdrs="h_t h; v_t v;",
        parser="state start { b.extract(h.h); b.extract(h.v, (bit<32>)h.h.a * 32); transition accept; }",
        ig=(
        "if (sm.parser_error == error.HeaderTooShort) h.h.a = 9; else if (sm.parser_error != "
        "error.NoError) h.h.a = 8;"),
        dep="b.emit(h);",
    ), (0, "090203040005000600000000"), "010203040005000600000000"),
    ("tuple of header list arg", full(
        top=(
        "void f(in tuple<bit<8>, bit<16>> t, out bit<8> r) { r = t[0]; } struct st { bit<8> a; bit<8> b; "
        "} bit<8> g(in st s) { return s.b; }"),
        ig="f({ h.h.b, 16w3 }, h.h.a); h.h.c = g({ 1, 7 }); h.h.d = g({ b = 8, a = 3 });",
    ), (0, "0202070800050006"), IN),
    ("out struct w header", full(
        top=(
        "struct st { h_t q; bit<8> b; } void f(out st s) { if (s.q.isValid()) { s.b = 9; } "
        "s.q.setValid(); s.q.a = 3; }"),
        ig="st s; s.q.setValid(); s.b = 7; f(s); h.h.a = s.q.a; h.h.b = s.b;",
    ), (0, "0300030400050006"), IN),
    ("union stack: field by run-time index", full(
        top="header a_t { bit<8> p; } header b_t { bit<16> q; } header_union un { a_t a; b_t b; }",
        hdrs="h_t h; un[2] us;",
        parser="state start { b.extract(h.h); b.extract(h.us.next.a); b.extract(h.us.next.b); transition accept; }",
        ig=(
        "bit<8> i = h.h.a; h.us[i].b.q = 0x7777; if (h.us[i].isValid()) { h.h.b = 9; } h.h.c = h.us[i - "
        "1].a.p; if (!h.us[i - 1].b.isValid()) h.h.d = 7;"),
    ), (0, "0109410700050006417777"), "0102030400050006414243"),
    ("union stack: validity by run-time index", full(
        top="header a_t { bit<8> p; } header b_t { bit<16> q; } header_union un { a_t a; b_t b; }",
        hdrs="h_t h; un[2] us;",
        parser="state start { b.extract(h.h); b.extract(h.us.next.a); b.extract(h.us.next.b); transition accept; }",
        ig="bit<8> i = h.h.a; h.us[i].a.setValid(); h.us[i].a.p = 5; h.us[i - 1].a.setInvalid(); i = 7;",
    ), (0, "010203040005000605"), "0102030400050006414243"),
    ("union stack: a union copied by run-time index", full(
        top="header a_t { bit<8> p; } header b_t { bit<16> q; } header_union un { a_t a; b_t b; }",
        hdrs="h_t h; un[2] us;",
        parser="state start { b.extract(h.h); b.extract(h.us.next.a); b.extract(h.us.next.b); transition accept; }",
        ig="bit<8> i = h.h.a; h.us[i] = h.us[i - 1];",
    ), (0, "01020304000500064141"), "0102030400050006414243"),
    ("union stack: a member copied, passed and compared", full(
        top=(
        "header a_t { bit<8> p; } header b_t { bit<16> q; } header_union un { a_t a; b_t b; } void "
        "f(inout b_t x) { x.q = x.q + 1; }"),
        hdrs="h_t h; un[2] us;",
        parser="state start { b.extract(h.h); b.extract(h.us.next.a); b.extract(h.us.next.b); transition accept; }",
        ig=(
        "bit<8> i = h.h.a; b_t q = h.us[i].b; f(h.us[i].b); h.us[i-1].a = {3}; if (h.us[i].b == q) h.h.b "
        "= 7; if (h.us[i-1].a == {3}) h.h.c = 9;"),
    ), (0, "0102090400050006034244"), "0102030400050006414243"),
    ("header init by cast tuple", full(
        ig="h.g = { 5 }; h.h = h.h; h.g.v = h.g.v + 1; h.h.a = h.g.v;",
        dep="b.emit(h.h);",
    ), (0, "0602030400050006"), IN),
    ("varbit in struct/func", full(
        top="header v_t { bit<8> n; varbit<32> o; } void cp(inout v_t a, in v_t c) { a = c; a.n = 5; }",
        hdrs="v_t v; v_t w;",
        parser="state start { b.extract(h.v, 16); transition accept; }",
        ig="h.w.setValid(); cp(h.w, h.v);",
        dep="b.emit(h.v); b.emit(h.w);",
    ), (0, "01aabb05aabb"), "01aabb"),
    ("emit empty varbit", full(
        top="header v_t { bit<8> n; varbit<32> o; }",
        hdrs="v_t v;",
        parser="state start { b.extract(h.v, 0); transition accept; }",
        ig="h.v.n = 2;",
        dep="b.emit(h.v);",
    ), (0, "02aabb"), "01aabb"),
    ("const error/header", full(
        top=(
        "const error EE = error.NoMatch; const g_t GG = { 5 }; error { } const bool BB = true && !false; "
        "const bit<8> X1 = BB ? 8w3 : 8w4;"),
        ig="h.g = GG; h.h.a = h.g.v + X1; error e = EE; if (e == error.NoMatch && e == EE) h.h.b = 9; h.h.c = GG.v;",
        dep="b.emit(h.h);",
    ), (0, "0809050400050006"), IN),
    ("header ternary", full(ig="h_t q = { 9,9,9,9,9,9 }; h.h = h.h.a == 1 ? q : h.h;"), (0, "0909090900090009"), IN),
    ("function w/ header arg copy", full(
        top="h_t f(in h_t x) { h_t y = x; y.a = 7; return y; } bool v(in h_t x) { return x.isValid(); }",
        ig="h_t e; h.h = f(h.h); if (!v(e)) h.h.b = 9;",
    ), (0, "0709030400050006"), IN),
    ("inout header & its field", full(
        top="void f(inout h_t x, inout bit<8> y) { x.a = 5; y = 6; x.b = y; }",
        ig="f(h.h, h.h.a); f(h.h, h.h.c);",
    ), (0, "0506060400050006"), IN),
    ("valid in inout copies", full(
        locs=(
        "action a(inout h_t x, in bool c) { x.setInvalid(); if (c) { x.setValid(); x.a = 4; } else { "
        "return; } }"),
        ig="a(h.h, h.h.a == 1); h_t q; a(q, true); h.h.b = q.a;",
    ), (0, "0404000000000000"), IN),
    ("header assign with effect", full(
        top="bit<8> g(inout h_t x) { x.setInvalid(); return 2; }",
        ig="h_t q = h.h; h.h.a = g(q); if (!q.isValid()) h.h.b = 7; q = { g(h.h), 1,1,1,1,1 }; h.h = q;",
    ), (0, "0201010100010001"), IN),
    ("nested header struct fields", small(
        top="struct ab { bit<4> x; bit<4> y; } header n_t { ab p; ab q; bool f; bit<7> z; }",
        hdr="n_t n;",
        parser=(
        "state start { b.extract(h.h); b.extract(h.n); transition select(h.n.p.x, h.n.q) { (5, {6, 7}): "
        "m; default: accept; } } state m { h.n.p = {1, 2}; h.n.q.x = h.n.p.y; transition accept; }"),
        ig="apply { ab t = h.n.q; t.y = 9; h.n.q = t; if (h.n.p == {1, 2}) h.n.f = !h.n.f; }",
    ), (0, "01020304122980"), "01020304516700"),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_headers(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
