"""Tables with packet tests: keys, entries, priorities, what apply() gives, names and values as STF spells them."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import full, small
from .stf_rows import StfRow, play

IN = "01 02 03 04 0005 0006"


def one(sent: str, left: str) -> str:
    return f"packet 0 {sent}; expect 0 {left}$"


SET = ("action set(bit<8> v) { h.h.d = v; } action to(bit<9> port) { sm.egress_spec = port; } "
    "action drop() { mark_to_drop(sm); } ")


def table(key: str, more: str = "", ig: str = "t.apply();", **rest: str) -> str:
    return full(locs=SET + f"table t {{ key = {{ {key} }} actions = {{ set; to; drop; NoAction; }} {more} }}", ig=ig, **rest)


ROWS: list[StfRow] = [
    ("exact with hex, binary, octal and decimal", table("h.h.a : exact;"),
     "add t h.h.a:0x10 set(v:0x91); add t h.h.a:0b00010001 set(v:0b10010010); add t h.h.a:18 set(v:147); "
     "add t h.h.a:0o23 set(v:0o224);"
     "packet 0 10020304 00050006; expect 0 10020391 00050006$; packet 0 1102030400050006; expect 0 1102039200050006$;"
     "packet 0 1202030400050006; expect 0 1202039300050006$; packet 0 1302030400050006; expect 0 1302039400050006$;"
     "packet 0 1402030400050006; expect 0 1402030400050006$"),
    ("full names", table("h.h.a : exact;"),
     "# a comment; add I.t h.h.a:1 I.to(port:5) # another; packet 3 0102030400050006 ; "
     "expect 5 01 02 0304 00050006$; ;packet 3 02 02030400050006"),
    ("priorities, larger wins", table("h.h.a : ternary; h.h.w : exact;"),
     "add t 10 h.h.a:0x0* h.h.w:5 set(v:1); add t 20 h.h.a:0x*1 h.h.w:5 set(v:2); add t 30 h.h.a:0x01 h.h.w:6 set(v:3);"
     "packet 0 0102030400050006; expect 0 0102030200050006; packet 0 0202030400050006; expect 0 0202030100050006;"
     "packet 0 0102030400060006; expect 0 0102030300060006; packet 0 1202030400060006; expect 0 1202030400060006"),
    ("ternary by mask, bits and prefix", table("h.h.a : ternary;"),
     "add t 5 h.h.a:0x80&&&0x80 set(v:1); add t 4 h.h.a:0b01****** set(v:2); add t 3 h.h.a:0x20/3 set(v:3); "
     "add t 1 h.h.a:0x** set(v:4);packet 0 8102030400050006; expect 0 810203**; packet 0 4102030400050006; "
     "expect 0 41020302; packet 0 3f02030400050006; expect 0 3f020303;packet 0 0102030400050006; expect 0 01020304"),
    ("lpm and its default", table("h.h.w : lpm; h.h.a : exact;", "default_action = set(0xee);"),
     "add t h.h.w:0x1200/8 h.h.a:1 set(v:1); add t h.h.w:0x1234/16 h.h.a:1 set(v:2); "
     "add t h.h.w:0x0000/0 h.h.a:2 set(v:3); add t h.h.w:0x1230/12 h.h.a:1 set(v:4);"
     "packet 0 0102030412340006; expect 0 0102030212340006; packet 0 0102030412350006; expect 0 0102030412350006; "
     "packet 0 0102030412450006; expect 0 0102030112450006;"
     "packet 0 0202030412340006; expect 0 0202030312340006; packet 0 0302030412340006; expect 0 030203ee12340006"),
    ("range by STF", table("h.h.w : range;"), "add t 1 h.h.w:5..9 set(v:1); add t 2 h.h.w:7->7 set(v:2); "
        "packet 0 0102030400050006; expect 0 01020301; packet 0 0102030400070006; expect 0 01020302;"
     "packet 0 01020304000a0006; expect 0 01020304"),
    ("optional", table("h.h.a : optional; h.h.b : optional;"),
        "add t 2 h.h.a:1 set(v:1); add t 1 h.h.b:2 set(v:2); packet 0 0102030400050006; expect 0 01020301;"
     "packet 0 0202030400050006; expect 0 02020302; packet 0 0203030400050006; expect 0 02030304"),
    ("setdefault", table("h.h.a : exact;"),
        "setdefault t set(v:0x44); packet 0 0102030400050006; expect 0 0102034400050006$"),
    ("setdefault to drop", table("h.h.a : exact;", ig="sm.egress_spec = 3; t.apply();"),
        "setdefault I.t drop(); add t h.h.a:2 NoAction(); packet 0 0102030400050006; packet 0 0202030400050006; "
        "expect 3 02020304"),
    ("validity as key", table("h.h.isValid() : exact; h.g.isValid() : ternary @name(\"gv\");", parser=
        "state start { b.extract(h.h); transition select(h.h.a) { 1: g; default: accept; } } "
        "state g { b.extract(h.g); transition accept; }", dep="b.emit(h);"),
     f"add t 1 h.h.$valid$:1 gv:1 set(v:7); add t 2 h.h.$valid$:1 gv:0 set(v:8); packet 0 {IN} 99; "
     f"expect 0 01020307 00050006 99$; packet 0 02{IN[2:]}; expect 0 02020308 00050006$"),
    ("expression keys with names", table("h.h.a + h.h.b : exact @name(\"sum\"); h.h.w[7:4] : exact @name(\"nib\"); "
        "h.h.x & 0xff : ternary @name(\"m\");"),
     "add t 1 sum:3 nib:0 m:6 set(v:9); packet 0 0102030400050006; expect 0 01020309"),
    ("stack element as key", full(hdrs="h_t h; g_t[2] s;",
        parser="state start { b.extract(h.h); b.extract(h.s.next); b.extract(h.s.next); transition accept; }",
        dep="b.emit(h);",
        locs=SET +
        "table t { key = { h.s[0].v : exact; h.s[1].v : ternary; h.s[1].isValid() : exact; } actions = { set; } }",
        ig="t.apply();"),
     f"add t 1 h.s$0.v:0xa0 h.s$1.v:0xa* h.s$1.$valid$:1 set(v:9); packet 0 {IN} a0a1; "
     f"expect 0 01020309 00050006 a0a1$; packet 0 {IN} a0b1; expect 0 {IN} a0b1$"),
    ("metadata keys", table("sm.ingress_port : exact; m.q.k : exact; m.f : exact;", top="struct Q { bit<8> k; }",
        meta="Q q; bool f;", ig="m.q.k = h.h.b; m.f = h.h.a == 1; t.apply();"),
     "add t sm.ingress_port:4 m.q.k:2 m.f:1 set(v:9); packet 4 0102030400050006; expect 0 01020309; "
     "packet 5 0102030400050006; expect 0 01020304"),
    ("local variable key", table("k : exact; l : exact;", ig="k = h.h.a ++ h.h.b; l = (k == 0x0102); t.apply();",
        top="").replace("action set", "bit<16> k; bool l; action set"),
     "add t k:0x0102 l:1 set(v:9); packet 0 0102030400050006; expect 0 01020309"),
    ("arguments by place and mixed order", full(locs="action two(bit<8> p, bit<8> q) { h.h.a = p; h.h.b = q; } "
        "table t { key = { h.h.a : exact; h.h.b : exact; } actions = { two; } }", ig="t.apply();"),
     "add t h.h.b:2 h.h.a:1 two(q:4, p:3); packet 0 0102030400050006; expect 0 0304; "
     "add t h.h.a:3 h.h.b:2 two(7, 8); packet 0 0302030400050006; expect 0 0708"),
    ("names by annotations", full(locs='@name("acts.put") action set(@name("val") bit<8> v) { h.h.d = v; } '
        '@name(".top") table t { key = { h.h.a : exact @name("first"); } actions = { set; } default_action = set(3); '
        '} ', ig="t.apply();"),
     "add top first:1 put(7); packet 0 0102030400050006; expect 0 01020307; packet 0 0202030400050006; expect 0 02020303"),
    ("const entries of every kind", table("h.h.a : exact; h.h.b : ternary; h.h.w : lpm;",
        "const entries = { (1, 2 &&& 0xf, 0x1200 &&& 0xff00) : set(1); (1, _, 0x1234) : set(2); "
        "(1, 0x12, _) : set(3); (2, _, default) : set(4); }"),
     "packet 0 0112030412990006; expect 0 01120301; packet 0 0199030412340006; expect 0 01990302; "
     "packet 0 0112030400000006; expect 0 01120303; packet 0 0299030412990006; expect 0 02990304; "
     "packet 0 0399030412990006; expect 0 03990304"),
    ("entries with priorities", table("h.h.a : ternary;", "entries = { priority=10: 0x00 &&& 0xf0 : set(1); "
        "priority = 20 : 0x01 &&& 0x0f : set(2); const priority = 15 : _ : set(3); }"),
     "packet 0 0102030400050006; expect 0 01020302; packet 0 0202030400050006; expect 0 02020303"),
    ("entries, smallest priority wins", table("h.h.a : ternary;", "largest_priority_wins = false; "
        "priority_delta = 10; entries = { 0x00 &&& 0xf0 : set(1); 0x01 &&& 0x0f : set(2); priority = 5 : 0x07 : set(3); }"),
     "packet 0 0102030400050006; expect 0 01020301; packet 0 1102030400050006; expect 0 11020302; "
     "packet 0 0702030400050006; expect 0 07020301"),
    ("old @priority", table("h.h.a : ternary;", "const entries = { 0x00 &&& 0xf0 : set(1) @priority(3); "
        "0x01 &&& 0x0f : set(2) @priority(1); _ : set(3) @priority(9); }"),
     "packet 0 0102030400050006; expect 0 01020302; packet 0 0202030400050006; expect 0 02020301; "
     "packet 0 2202030400050006; expect 0 22020303"),
    ("range entries with constants", table("h.h.w : range; h.h.a : exact;", "const entries = { (1 .. LAST, 1) : "
        "set(1); (LAST + 1 .. 0xffff, 1) : set(2); (7, 2) : set(3); (_, 3) : set(4); }", top="const bit<16> LAST = 16w5;"),
     "packet 0 0102030400050006; expect 0 01020301; packet 0 0102030400060006; expect 0 01020302; "
     "packet 0 0202030400070006; expect 0 02020303; packet 0 0302030400070006; expect 0 03020304; "
     "packet 0 0102030400000006; expect 0 01020304"),
    ("hit, miss and action in one", full(locs=SET + "table t { key = { h.h.a : exact; } actions = { set; NoAction; } "
        "const entries = { 1 : set(0x10); } } table u { key = { h.h.b : exact; } actions = { set; NoAction; } "
        "const entries = { 2 : set(0x20); } }",
        ig="bool r = t.apply().hit && u.apply().hit; if (r) { h.h.a = 0xaa; } else { h.h.a = 0xbb; }"),
     "packet 0 0102030400050006; expect 0 aa020320; packet 0 0103030400050006; expect 0 bb030310; "
     "packet 0 0202030400050006; expect 0 bb020304"),
    ("miss in an expression", table("h.h.a : exact;", "const entries = { 1 : set(0x10); }",
        ig="h.h.b = (t.apply().miss ? 8w1 : 8w0) + h.h.d;"),
     "packet 0 0102030400050006; expect 0 01100310; packet 0 0202030400050006; expect 0 02050304"),
    ("hit in a negated condition with return", table("h.h.a : exact;", "const entries = { 1 : set(0x10); }",
        ig="if (!t.apply().hit) { h.h.b = 9; return; } h.h.c = 9;"),
     "packet 0 0102030400050006; expect 0 01020910; packet 0 0202030400050006; expect 0 02090304"),
    ("switch with fallthrough and default first", full(locs="action p() { h.h.b = 1; } action q() { h.h.b = 2; } "
        "action r(bit<8> v) { h.h.b = v; } action s() { } table t { key = { h.h.a : exact; } actions = { p; q; r; s; "
        "} default_action = s(); const entries = { 1 : p(); 2 : q(); 3 : r(7); } }",
        ig="switch (t.apply().action_run) { p: q: { h.h.c = h.h.b + 0x10; } r: { switch (h.h.b) { 7: { h.h.c = 0x77; "
        "} default: { h.h.c = 0; } } } default: { h.h.c = 0xdd; } }"),
     "packet 0 0102030400050006; expect 0 01011104; packet 0 0202030400050006; expect 0 02021204; "
     "packet 0 0302030400050006; expect 0 03077704; packet 0 0402030400050006; expect 0 0402dd04"),
    ("switch on an expression", full(top="enum bit<8> K { A = 1, B = 2 }", ig="switch (h.h.a + 1) { 1: 2: { h.h.b = "
        "1; } 3: { } 0x7: 8: { h.h.b = 3; } default: { h.h.b = 4; } } K k = (K)h.h.a; switch (k) { K.A: { h.h.c = 1; "
        "} K.B: { h.h.c = 2; } }"),
     "packet 0 0102030400050006; expect 0 01010104; packet 0 0202030400050006; expect 0 02020204; "
     "packet 0 0702030400050006; expect 0 07030304; packet 0 0902030400050006; expect 0 09040304"),
    ("table in both branches of another", full(locs=SET + "table t { key = { h.h.a : exact; } actions = { set; "
        "NoAction; } const entries = { 1 : set(0x10); } } table u { key = { h.h.d : exact; } actions = { set; "
        "NoAction; } const entries = { 0x10 : set(0x20); 4 : set(0x40); } }",
        ig="if (t.apply().hit) { h.h.b = 9; } else { h.h.c = 9; } u.apply();"),
        "packet 0 0102030400050006; expect 0 01090320; packet 0 0202030400050006; expect 0 02020940"),
    ("same table in two instances", full(top="control C(inout h_t x)(bit<8> k) { action s(bit<8> v) { x.d = v + k; } "
        "table t { key = { x.a : exact; } actions = { s; NoAction; } } apply { t.apply(); } }",
        locs="C(1) c1; C(0x10) c2;", ig="c1.apply(h.h); h.h.c = h.h.d; c2.apply(h.h);"),
     "add c1.t x.a:1 s(v:5); add I.c2.t x.a:1 I.c2.s(v:6); packet 0 0102030400050006; expect 0 01020616"),
    ("direct counter and table", full(locs="direct_counter(CounterType.packets_and_bytes) dc; "
        "action s() { dc.count(); h.h.d = 9; } table t { key = { h.h.a : exact; } actions = { s; NoAction; } "
        "counters = dc; }", ig="t.apply();"),
     "add t h.h.a:1 s() = $e; packet 0 0102030400050006; expect 0 01020309; packet 0 0102030400050006ff; "
     "expect 0 01020309; check_counter t $e packets == 2; check_counter t $e bytes 17"),
    ("indirect counters", full(locs="counter(4, CounterType.packets_and_bytes) c;", ig="c.count((bit<32>)h.h.a);"),
     "packet 0 0102030400050006; packet 1 0102030400050006; packet 0 0302030400050006aabb; expect 0; "
     "check_counter c(1) packets == 2; check_counter I.c[3] bytes 10; check_counter c[0] 0; check_counter c 1 packets >= 2"),
    ("register set by a command", full(locs="register<bit<8>>(4) r; register<bit<16>>(2) q;",
        ig="r.read(h.h.d, 2); bit<16> z; q.read(z, 0); q.write(0, z + 1); h.h.w = z;"),
     "register_write r 2 0x5a; register_write I.q 0 7; register_read r 2; packet 0 0102030400050006; "
     "expect 0 0102035a0007; packet 0 0102030400050006; expect 0 0102035a00080006$; wait"),
    ("register cleared by a command", full(locs="register<bit<8>>(4) r;", ig="r.read(h.h.d, 2);"),
        "register_write r 2 0x5a; register_reset r; packet 0 0102030400050006; expect 0 01020300"),
    ("packets of several ports", table("sm.ingress_port : exact;"), "add t sm.ingress_port:1 to(port:2); "
        "add t sm.ingress_port:2 to(port:1); packet 1 0102030400050006; packet 2 0202030400050006; "
        "packet 1 0302030400050006; expect 1 02; expect 2 01; expect 2 03; packet 7 0402030400050006aabbcc; "
        "expect 0 04 02 03 04 0005 0006 aa** c* $"),
    ("key of 48 and 128 bits", full(top="header e_t { bit<48> dst; bit<128> six; }", hdrs="h_t h; e_t e;",
        parser="state start { b.extract(h.h); b.extract(h.e); transition accept; }", dep="b.emit(h);", locs=SET +
        "table t { key = { h.e.dst : exact; h.e.six : lpm; } actions = { set; } }", ig="t.apply();"),
     f"add t h.e.dst:0x0a0b0c0d0e0f h.e.six:0x20010db8000000000000000000000000/32 set(v:9); packet 0 {IN} "
     f"0a0b0c0d0e0f 20010db8ffff00000000000000000001; expect 0 01020309"),
    ("table without key in a condition", full(locs=SET + "table t { actions = { set; } default_action = set(7); } "
        "table u { key = { } actions = { set; } const default_action = set(8); }",
        ig="if (t.apply().hit) { h.h.a = 1; } else { h.h.a = 0xf; } if (h.h.d == 7) u.apply();"),
     "packet 0 0102030400050006; expect 0 0f020308"),
    ("actions only by default", full(locs="action s(bit<8> v) { h.h.d = v; } table t { key = { h.h.a : exact; } "
        "actions = { @tableonly s; @defaultonly NoAction; } default_action = NoAction(); const entries = { 1 : s(9); "
        "} }", ig="t.apply();"), one(IN, "01020309 00050006")),
    ("table applied through a helper control", small(
        before="control Fwd(inout Headers h, inout standard_metadata_t sm) { action to(bit<9> p) { sm.egress_spec = "
        "p; } action dropit() { mark_to_drop(sm); } table fwd { key = { h.h.w : lpm; } actions = { to; dropit; } "
        "default_action = dropit(); size = 16; } apply { if (h.h.isValid()) fwd.apply(); else dropit(); } }",
        ig="Fwd() f; apply { f.apply(h, sm); }"),
        "add f.fwd h.h.w:0x0a00/8 to(p:4); packet 0 01020a03; expect 4 01020a03$; packet 0 01020b03; packet 1 01"),
    ("entry refers to const and enum", table("h.h.a : exact; h.h.b : exact;",
        "const entries = { (K.A, TWO) : set((bit<8>)K.B); (K.B, TWO + 1) : set(TWO << 4); }",
        top="enum bit<8> K { A = 1, B = 2 } const bit<8> TWO = 2;"),
     "packet 0 0102030400050006; expect 0 01020302; packet 0 0203030400050006; expect 0 02030320"),
    ("negative and boolean arguments", full(locs="action s(int<8> v, bool f) { h.h.a = (bit<8>)(v * 2); "
        "h.h.b = f ? 8w1 : 8w0; } table t { key = { h.h.a : exact; } actions = { s; } "
        "const entries = { 1 : s(-3, true); } default_action = s(-1, false); }", ig="t.apply();"),
     "packet 0 0102030400050006; expect 0 fa01; packet 0 0202030400050006; expect 0 fe00"),
    ("meter by default colours green", full(locs="meter(2, MeterType.packets) k; "
        "direct_meter<bit<2>>(MeterType.bytes) dm; action s() { dm.read(m.c); } table t { key = { h.h.a : exact; } "
        "actions = { s; } meters = dm; }", meta="bit<2> c; bit<8> d;",
        ig="m.c = 3; m.d = 9; t.apply(); k.execute_meter(1, m.d); h.h.b = (bit<8>)m.c; h.h.c = m.d;"),
     "add t h.h.a:1 s(); packet 0 0102030400050006; expect 0 01000004; packet 0 0202030400050006; expect 0 02030004"),
    ("action profile and selector unset", full(locs="action s(bit<8> v) { h.h.d = v; } table t { key = { h.h.a : "
        "exact; h.h.b : selector; h.h.c : selector; } actions = { s; NoAction; } "
        "implementation = action_selector(HashAlgorithm.crc16, 32w8, 32w10); default_action = NoAction(); } "
        "table u { key = { h.h.a : exact; } actions = { s; NoAction; } implementation = action_profile(4); }",
        ig="t.apply(); u.apply();"), one(IN, IN)),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_tables(row: StfRow, tmp_path: Path) -> None:
    play(row, tmp_path)
