"""The architecture's externs and standard metadata."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import IN, SHORT, Row, check, full, small

ROWS: list[Row] = [
    ("static assert", full(
        top='const bool x = static_assert(V1MODEL_VERSION >= 20180101, "bad");',
        ig="",
        locs="const bool y = static_assert(true);",
    ), (0, "0102030400050006"), IN),
    ("optional extern param", small(top="extern void ext2<T>(in T x, @optional in bit<8> y);"), (0, "01020304"), SHORT),
    ("random", small(
        ig="apply { random(h.h.a, 8w5, 8w5); random<bit<8>>(h.h.b, 7, 7); bit<16> r; random(r, 0, 0); h.h.w = r; }",
    ), (0, "05070000"), SHORT),
    ("hash all", small(
        ig=(
        "apply { bit<32> x; hash(x, HashAlgorithm.crc32, (bit<16>)0, {h.h.a, h.h.b}, (bit<32>)65535); "
        "hash(h.h.w, HashAlgorithm.crc16, 16w10, {h.h.a, h.h.b, 8w3, h.h}, 16w1); hash(h.h.a, "
        "HashAlgorithm.identity, 8w0, { h.h.b }, 64w256); hash(h.h.b, HashAlgorithm.xor16, 8w0, h.h.w, "
        "32w16); tuple<bit<8>, bit<8>> t = {1,2}; hash(h.h.b, HashAlgorithm.csum16, 8w7, t, 8w1); }"),
    ), (0, "0207000a"), SHORT),
    ("hash struct", small(
        ig=(
        "apply { hh q = {h.h.a, h.h.b, h.h.w}; hash<bit<16>, bit<10>, hh, bit<10>>(h.h.w, "
        "HashAlgorithm.crc16_custom, 0, q, 10w1); }"),
        top="struct hh { bit<8> a; bit<8> b; bit<16> w; }",
    ), (0, "01020000"), SHORT),
    ("hash no list", small(
        ig=(
        "apply { hash(h.h.w, HashAlgorithm.crc16, 16w0, {}, 16w1); hash(h.h.a, HashAlgorithm.crc16, 8w0, "
        "h.h, 8w1); }"),
    ), (0, "00020000"), SHORT),
    ("drop forms", small(ig="action d() { mark_to_drop(sm); } apply { if (h.h.a == 1) d(); }"), None, SHORT),
    ("drop old form", small(ig="apply { if (h.h.a == 1) mark_to_drop(); }"), None, SHORT),
    ("drop 511", small(ig="apply { sm.egress_spec = 511; }"), None, SHORT),
    ("drop egress", small(eg="apply { mark_to_drop(sm); }"), None, SHORT),
    ("undo drop", small(ig="apply { mark_to_drop(sm); sm.egress_spec = 3; }"), (3, "01020304"), SHORT),
    ("digest", small(
        ig=(
        "apply { digest(1, {h.h.a, sm.ingress_port}); digest<dd>(0, {h.h.a, h.h.b}); dd q = {1,2}; "
        "digest(2, q); digest<dd>(1, {x=h.h.a, y=1}); }"),
        top="struct dd { bit<8> x; bit<8> y; }",
    ), (0, "01020304"), SHORT),
    ("resubmit", small(
        ig=(
        "apply { if (sm.instance_type == 6) { h.h.a = m.x; } else { m.x = 9; "
        "resubmit_preserving_field_list(1); } }"),
        meta="@field_list(1) bit<8> x;",
    ), (0, "09020304"), SHORT),
    ("resubmit depr", small(
        ig="apply { if (sm.instance_type == 6) { h.h.a = m.x; } else { m.x = 9; resubmit(m); } }",
        meta="bit<8> x;",
    ), (0, "09020304"), SHORT),
    ("resubmit empty", small(
        ig="apply { if (sm.instance_type == 6) { h.h.a = m.x; } else { m.x = 9; resubmit<tuple<>>({}); } }",
        meta="bit<8> x;",
    ), (0, "00020304"), SHORT),
    ("recirc", small(
        ig="apply { if (sm.instance_type == 4) h.h.b = m.x; }",
        meta="@field_list(3) bit<8> x;",
        eg=(
        "apply { if (sm.instance_type == 0 && h.h.a == 1) { h.h.a = 7; m.x = 9; "
        "recirculate_preserving_field_list(3); } }"),
    ), (0, "07090304"), SHORT),
    ("truncate", small(ig="apply { truncate(2); }"), (0, "0102"), SHORT),
    ("assert", small(ig="apply { assert(h.h.isValid()); assume(h.h.a == 1); }"), (0, "01020304"), SHORT),
    ("log", small(
        ig=(
        'apply { log_msg("hi"); log_msg("a {} b {}", {h.h.a, h.h.b}); log_msg("x {}", h.h.a); log_msg("t '
        '= {}", {sm.ingress_port}); bool z = true; log_msg("z {}", {z}); }'),
    ), (0, "01020304"), SHORT),
    ("counters", small(
        ig=(
        'counter(5, CounterType.packets) c; @name("foo") counter(5, CounterType.bytes) d; counter(2, '
        "CounterType.packets_and_bytes) e; direct_counter(CounterType.packets) dc; action a() { "
        "dc.count(); c.count(1); } table t { key = {h.h.a:exact;} actions = {a; NoAction;} counters = "
        "dc; const entries = {1: a();} } apply { t.apply(); c.count((bit<32>)h.h.a); d.count(0); "
        "e.count(1); }"),
    ), (0, "01020304"), SHORT),
    ("direct meter", small(
        ig=(
        "direct_meter<bit<8>>(MeterType.bytes) dm; action a() { dm.read(m.x); } table t { key = "
        "{h.h.a:exact;} actions = {a; NoAction;} meters = dm; const entries = {1: a();} default_action = "
        "NoAction; } apply { t.apply(); h.h.b = m.x; }"),
        meta="bit<8> x;",
    ), (0, "01000304"), SHORT),
    ("meter", small(
        ig=(
        "meter(3, MeterType.packets) me; apply { me.execute_meter<bit<8>>(32w1, h.h.a); "
        "me.execute_meter((bit<32>)h.h.b, m.x); }"),
        meta="bit<2> x;",
    ), (0, "00020304"), SHORT),
    ("registers", small(
        ig=(
        "register<bit<8>>(4) r; register<int<8>>(4) ri; register<bool>(4) rb; register<bit<128>>(1) rw; "
        "apply { r.write(0, h.h.b); bit<8> x; r.read(x, 32w0); h.h.a = x + 1; ri.write(1, -3); int<8> z; "
        "ri.read(z, 1); if (z < 0) h.h.b = 5; bool q; rb.write(0, true); rb.read(q, 0); if (q) h.h.w = "
        "1; bit<128> w; rw.read(w, 0); }"),
    ), (0, "03050001"), SHORT),
    ("register field dst", small(
        ig=(
        "register<bit<8>>(4) r; apply { r.write((bit<32>)h.h.a + 1, h.h.b + 7); r.read(h.h.a, "
        "(bit<32>)h.h.a + 1); r.read(m.s.y, 2); h.h.b = m.s.y; }"),
        top="struct ss { bit<8> y; }",
        meta="ss s;",
    ), (0, "09090304"), SHORT),
    ("register enum", small(
        ig="register<En>(4) r; apply { r.write(0, En.B); En e; r.read(e, 0); if (e == En.B) h.h.a = 9; }",
        top="enum bit<8> En { A = 1, B = 2}",
    ), (0, "09020304"), SHORT),
    ("register slice dst", small(
        ig="register<bit<4>>(4) r; apply { r.write(0, 4w9); r.read(h.h.a[7:4], 0); }",
    ), (0, "91020304"), SHORT),
    ("std meta all", small(
        ig=(
        "apply { sm.egress_spec = sm.ingress_port + 1; h.h.a = (bit<8>)sm.packet_length; h.h.b = "
        "(bit<8>)sm.instance_type; sm.priority = 0; bit<48> t = sm.ingress_global_timestamp; bit<19> q = "
        "sm.enq_qdepth; h.h.w = sm.parser_error == error.NoError ? 16w1 : 0; }"),
    ), (1, "04000001"), SHORT),
    ("std meta copy", small(
        ig="apply { standard_metadata_t s2 = sm; s2.egress_spec = 4; sm = s2; }",
    ), (4, "01020304"), SHORT),
    ("csum", small(
        hdr="",
        ck=(
        "update_checksum(h.h.isValid(), {h.h.a, h.h.b}, h.h.w, HashAlgorithm.csum16); "
        "update_checksum(false, {h.h.a}, h.h.w, HashAlgorithm.csum16);"),
    ), (0, "0102fefd"), SHORT),
    ("csum struct/vars", small(
        top="struct ck_t { bit<8> a; bit<8> b; }",
        ck="bit<16> r; ck_t q = { h.h.a, h.h.b }; update_checksum(true, q, h.h.w, HashAlgorithm.csum16);",
    ), (0, "0102fefd"), SHORT),
    ("csum cond", small(
        ck=(
        "if (h.h.a == 1) { update_checksum(h.h.b == 2 && h.h.isValid(), {h.h.a, h.h.b, 16w0}, h.h.w, "
        "HashAlgorithm.csum16); }"),
    ), (0, "0102fefd"), SHORT),
    ("csum payload", small(
        ck="update_checksum_with_payload(true, {h.h.a, h.h.b}, h.h.w, HashAlgorithm.csum16);",
    ), (0, "0102fcfa0203"), "010203040203"),
    ("verify csum", small(
        vr="verify_checksum(true, {h.h.a, h.h.b}, h.h.w, HashAlgorithm.csum16);",
        ig="apply { if (sm.checksum_error == 1) h.h.a = 0xee; }",
    ), (0, "ee020304"), SHORT),
    ("verify csum ok", small(
        vr=(
        "verify_checksum<tuple<bit<8>,bit<8>>,bit<16>>(h.h.isValid(), {h.h.a, h.h.b}, h.h.w, "
        "HashAlgorithm.csum16); verify_checksum_with_payload(false, {h.h.a}, h.h.w, "
        "HashAlgorithm.csum16);"),
        ig="apply { if (sm.checksum_error == 1) h.h.a = 0xee; }",
    ), (0, "0102fefd"), "0102fefd"),
    ("action_profile", small(
        ig=(
        "action a(bit<8> x) { h.h.a = x; } table t { key = {h.h.a:exact;} actions = {a; NoAction;} "
        "implementation = action_profile(16); } action_profile(32w4) ap; table t2 { key = {h.h.b:exact;} "
        "actions = {a; NoAction;} implementation = ap; default_action = NoAction; } apply { t.apply(); "
        "t2.apply(); }"),
    ), (0, "01020304"), SHORT),
    ("action_selector", small(
        ig=(
        "action a(bit<8> x) { h.h.a = x; } table t { key = {h.h.a:exact; h.h.b:selector;} actions = {a; "
        "NoAction;} implementation = action_selector(HashAlgorithm.crc16, 16, 14); support_timeout = "
        "true; size=10; } apply { t.apply(); }"),
    ), (0, "01020304"), SHORT),
    ("extern arg order", small(
        ig=(
        "register<bit<8>>(10) r; apply { r.write((bit<32>)h.h.a, f(h.h.a)); r.read(h.h.b, 1); "
        "random(h.h.w, (bit<16>)h.h.a, (bit<16>)f(h.h.a) - 1); }"),
        top="bit<8> f(inout bit<8> x) { x = x + 1; return x; }",
    ), (0, "03020002"), SHORT),
    ("parser block stmts", small(
        parser=(
        "state start { { b.extract(h.h); bit<8> q = h.h.a; { h.h.b = q; } } if (h.h.a == 1) { h.h.w = 5; "
        "} else { h.h.w = 6; } bool z = h.h.a == 1 && h.h.b == 1; if (z) h.h.a = 7; transition accept; }"),
    ), (0, "07010005"), SHORT),
    ("csum then cond emit", small(
        ck="update_checksum(true, {h.h.a, h.h.b}, h.h.w, HashAlgorithm.csum16);",
        dep="apply { if (h.h.a == 1) b.emit(h.h); }",
    ), (0, "0102fefd"), SHORT),
    ("extern as ctor arg", small(
        ig="register<bit<8>>(4) rr; c2(rr) j1; apply { rr.write(1, 5); j1.apply(h.h.a); rr.read(h.h.b, 0); }",
        before="control c2(inout bit<8> x)(register<bit<8>> r) { apply { r.write(0, x); r.read(x, 1); } }",
    ), (0, "05010304"), SHORT),
    ("extern as param", small(
        ig="register<bit<8>>(4) rr; c2() j1; apply { j1.apply(rr, h.h.a); rr.read(h.h.b, 0); }",
        before="control c2(register<bit<8>> r, inout bit<8> x) { apply { r.write(0, x); } }",
    ), (0, "01010304"), SHORT),
    ("externs in parser", small(
        parser=(
        "register<bit<8>>(2) r; counter(2, CounterType.packets) c; state start { b.extract(h.h); "
        'hash(h.h.w, HashAlgorithm.identity, 16w0, {h.h.a}, 16w100); log_msg("x"); r.write(0, 7); '
        "r.read(h.h.b, 0); c.count(0); random(h.h.a, 8w9, 8w9); assert(true); mark_to_drop(sm); "
        "sm.egress_spec = 2; transition accept; }"),
    ), (2, "09070001"), SHORT),
    ("csum in vars ck", small(
        ck=(
        "if (h.h.isValid()) { h.h.b = 7; } update_checksum(h.h.isValid(), {h.h.a, h.h.b}, h.h.w, "
        "HashAlgorithm.csum16);"),
    ), (0, "0107fef8"), SHORT),
    ("csum two", small(
        top="header g_t { bit<8> v; } header c_t { bit<16> c; }",
        hdr="c_t c;",
        parser="state start { b.extract(h.h); b.extract(h.c); transition accept; }",
        ck=(
        "update_checksum(true, {h.h.a, h.h.b}, h.h.w, HashAlgorithm.csum16); update_checksum(true, "
        "{h.h.w}, h.c.c, HashAlgorithm.csum16);"),
    ), (0, "0102fefd0102"), "010203040000"),
    ("verify fail only flags", small(
        vr="bit<16> z = h.h.w; verify_checksum(h.h.a == 1, {h.h.a, h.h.b, 16w0}, z, HashAlgorithm.csum16);",
        ig="apply { h.h.a = (bit<8>)(bit<1>)sm.checksum_error; if (sm.checksum_error == 1) h.h.b = 0; }",
    ), (0, "01000304"), SHORT),
    ("ck in sub control", small(
        top="",
        ck="",
        vr="",
        ig="apply {}",
        before=(
        "control sub(inout Headers h) { apply { update_checksum(true, {h.h.a, h.h.b}, h.h.w, "
        "HashAlgorithm.csum16); } }"),
        edits=[
            ("control update(inout Headers h, inout Meta m) { apply {",
             "control update(inout Headers h, inout Meta m) { sub() s; apply { s.apply(h); "),
        ],
    ), (0, "0102fefd"), SHORT),
    ("digest again", full(
        top="struct dg { bit<8> a; bit<16> b; }",
        ig="digest<dg>(1, { h.h.a + 1, h.h.w }); digest(1, { h.h.a, h.h.b }); dg k = {1, 2}; digest(2, k);",
    ), (0, "0102030400050006"), IN),
    ("extern decl unused", full(
        top=(
        "extern Foo { Foo(bit<8> a); void m(in bit<8> x, out bit<16> y); abstract bit<8> q(in bit<8> z); "
        "} extern void ef(in bit<8> a); extern bit<32> eg2<T>(in T a); @foo extern Bar<T> { Bar(); Bar(T "
        "x, bit<32> s); T get(); }"),
        ig="h.h.a = 2;",
    ), (0, "0202030400050006"), IN),
    ("extern inst unused", full(
        top="extern Foo { Foo(bit<8> a); void m(in bit<8> x, out bit<16> y); }",
        locs="Foo(3) f;",
        ig="h.h.a = 2;",
    ), (0, "0202030400050006"), IN),
    ("meter,counter,register types", full(
        top="typedef bit<4> ix;",
        locs=(
        "register<bit<8>>(10) r; register<bool>(2) rb; register<int<8>>(3) ri; counter(5, "
        "CounterType.packets) c; meter(3, MeterType.bytes) m2; direct_counter(CounterType.bytes) dc; "
        "direct_meter<bit<8>>(MeterType.packets) dm; action a() { dc.count(); dm.read(h.h.d); } table t "
        "{ key = { h.h.a: exact; } actions = { a; } counters = dc; meters = dm; }"),
        ig=(
        "r.write(3, h.h.a + 4); bit<8> v; r.read(v, (bit<32>)h.h.c); h.h.b = v; c.count(2); "
        "m2.execute_meter(1, h.h.c); t.apply(); bool f; rb.write(1, true); rb.read(f, 1); if (f) h.h.x = "
        "1; int<8> s; ri.write(0, -3); ri.read(s, 0); if (s < 0) h.h.w = 2; "),
    ), (0, "0105000400020001"), IN),
    ("V1MODEL 2020", full(
        locs=(
        "register<bit<8>, bit<4>>(10) r; counter<bit<3>>(5, CounterType.packets_and_bytes) c; "
        "meter<PortId_t>(3, MeterType.bytes) m2; PortId_t p = 1;"),
        ig="r.write(3, 7); r.read(h.h.a, 3); c.count(1); m2.execute_meter<bit<8>>(p, h.h.b);",
        prefix="#define V1MODEL_VERSION 20200408\n",
    ), (0, "0700030400050006"), IN),
    ("direct counter inline", full(
        locs=(
        "action z() { h.h.a = 2; } table t { key = { h.h.a : exact; } actions = { z; } default_action = "
        "z(); counters = direct_counter(CounterType.packets); size = 10; support_timeout = true; } table "
        "u { key = { h.h.a : exact; h.h.b : selector; } actions = { z; } implementation = "
        "action_selector(HashAlgorithm.crc16, 32w10, 32w4); } table v { key = { h.h.a : exact; } actions "
        "= { z; } implementation = action_profile(32); }"),
        ig="t.apply(); u.apply(); v.apply();",
    ), (0, "0202030400050006"), IN),
    ("stdmeta pass", full(
        top=(
        "void f(inout standard_metadata_t s, in bit<9> p) { s.egress_spec = p; } control Q(inout "
        "standard_metadata_t s) { apply { s.egress_spec = s.egress_spec + 1; } }"),
        locs="action d(inout standard_metadata_t s) { mark_to_drop(s); }",
        ig="f(sm, 3); Q.apply(sm); sm.egress_spec[0:0] = 1; if (h.h.a == 2) { d(sm); }",
    ), (5, "0102030400050006"), IN),
    ("drop by action", full(
        locs=(
        "action d(inout standard_metadata_t s) { mark_to_drop(s); } action dd() { mark_to_drop(sm); } "
        "table t { actions = { dd; } default_action = dd; }"),
        ig="d(sm); t.apply();",
    ), None, IN),
    ("counter idx expr", full(
        locs=(
        "counter(256, CounterType.packets) c; register<bit<16>>(16) r; action z(bit<32> i) { c.count(i + "
        "1); r.write(i, h.h.w + 1); r.read(h.h.x, i); } table t { actions = { z; } default_action = "
        "z(3); }"),
        ig="c.count((bit<32>)h.h.a); t.apply();",
    ), (0, "0102030400050006"), IN),
    ("hash into slice", full(
        ig=(
        "hash(h.h.w[7:0], HashAlgorithm.identity, 8w0, { h.h.b }, 8w100); hash(h.h.a, "
        "HashAlgorithm.crc16, 8w10, { h.h.b }, 8w1);"),
    ), (0, "0a02030400020006"), IN),
    ("expr stmt calls", full(
        top="bit<8> f(inout bit<8> x) { x = x + 1; return x; }",
        ig="f(h.h.a); f(h.h.a);",
    ), (0, "0302030400050006"), IN),
    ("drop port", full(ig="sm.egress_spec = 511;"), None, IN),
    ("egress drop", full(eg="if (h.h.a == 1) mark_to_drop(sm);"), None, IN),
    ("extern as ctor/apply param", full(
        top=(
        "control CR(inout bit<8> a)(register<bit<8>> r) { apply { r.read(a, 0); r.write(0, a + 1); } } "
        "control CA(inout bit<8> a, register<bit<8>> r) { apply { r.read(a, 0); } }"),
        locs="register<bit<8>>(2) rr; CR(rr) c; CA() d;",
        ig="c.apply(h.h.a); d.apply(h.h.b, rr);",
    ), (0, "0001030400050006"), IN),
    ("extern global", full(
        top=(
        "register<bit<8>>(4) gr; counter(4, CounterType.packets) gc; action ga(inout bit<8> x) { "
        "gr.write(1, x); gc.count(1); x = 9; }"),
        ig="ga(h.h.a); gr.read(h.h.b, 1);",
    ), (0, "0901030400050006"), IN),
    ("varbit in checksum/hash/digest", full(
        top="header v_t { bit<8> n; varbit<64> o; }",
        hdrs="v_t v; h_t h;",
        parser="state start { b.extract(h.v, 24); b.extract(h.h); transition accept; }",
        upd="update_checksum(true, { h.v.n, h.v.o }, h.h.w, HashAlgorithm.csum16);",
        ig="hash(h.h.x, HashAlgorithm.csum16, 16w0, { h.v.n, h.v.o }, 32w65536);",
        dep="b.emit(h);",
    ), (0, "0102030401020304fbf9fbf9"), "010203040102030400050006"),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_externs(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
