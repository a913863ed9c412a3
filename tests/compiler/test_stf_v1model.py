"""The architecture with packet tests: where packets go, copies, metadata, checksums, hashes, state."""
from __future__ import annotations

from pathlib import Path

import pytest

from .programs import full, small
from .stf_rows import StfRow, play

IN = "01 02 03 04 0005 0006"
GROUP = "mc_mgrp_create 7; mc_node_create 10 1 2; mc_node_create 11 3; mc_node_associate 7 0; mc_node_associate 7 1;"
CLONE = "struct Keep { @field_list(1) bit<8> k; @field_list(1, 2) bit<16> l; bit<8> z; }"
SUM = "header c_t { bit<16> p; bit<16> q; bit<16> sum; } header o_t { varbit<32> o; }"
SUMP = "state start { b.extract(h.h); b.extract(h.c); transition accept; }"


def one(ig: str, left: str, sent: str = IN, port: int = 0, **rest: str) -> tuple[str, str]:
    return full(ig=ig, **rest), f"packet 0 {sent}; expect {port} {left}$"


ROWS: list[StfRow] = [(name, *rest) for name, rest in {
    "drop by port 511": (full(ig="if (h.h.a == 1) sm.egress_spec = 511; else sm.egress_spec = 2;"),
        f"packet 0 {IN}; packet 0 02{IN[2:]}; expect 2 02; expect 0 00".replace("; expect 0 00", "")),
    "drop then forward": one("mark_to_drop(sm); h.h.a = 9; if (h.h.b == 2) { sm.egress_spec = 4; }",
        "09 02 03 04 0005 0006", port=4),
    "drop clears the multicast group": (full(
        ig="sm.mcast_grp = 7; mark_to_drop(sm); if (h.h.a == 2) sm.mcast_grp = 7;"),
        f"{GROUP} packet 0 {IN}; packet 0 02{IN[2:]}; expect 1 02; expect 2 02; expect 3 02"),
    "drop in egress": (full(ig="sm.egress_spec = 3;",
        eg="if (sm.egress_port == 3 && h.h.a == 1) mark_to_drop(sm); h.h.b = 9;"),
        f"packet 0 {IN}; packet 0 02{IN[2:]}; expect 3 0209"),
    "egress_spec written in egress": (full(ig="sm.egress_spec = 3;",
        eg="sm.egress_spec = 5; h.h.b = (bit<8>)sm.egress_port; if (h.h.a == 2) sm.egress_spec = 511;"),
        f"packet 0 {IN}; packet 0 02{IN[2:]}; expect 3 0103; expect 5".replace("; expect 5", "")),
    "multicast copies and ids": (full(ig="sm.mcast_grp = 7; sm.egress_spec = 9;",
        eg="h.h.a = (bit<8>)sm.egress_rid; h.h.b = (bit<8>)sm.egress_port; h.h.w = (bit<16>)sm.instance_type;"),
        f"{GROUP} packet 5 {IN}; expect 1 0a 01 03 04 0005 0006$; expect 2 0a02; expect 3 0b03"),
    "multicast without a group": (full(ig="sm.mcast_grp = (bit<16>)h.h.a; sm.egress_spec = 4;"),
        f"packet 0 {IN}; packet 0 00{IN[2:]}; expect 4 00"),
    "multicast with metadata": (full(meta="bit<8> k;", ig="m.k = h.h.b; sm.mcast_grp = 7;",
        eg="if (sm.egress_rid == 11) { h.h.a = m.k + 1; m.k = 0; } else { h.h.a = m.k; h.h.setInvalid(); }"),
        f"{GROUP} packet 0 {IN} ff; expect 1 ff$; expect 2 ff$; expect 3 03 02 03 04 0005 0006 ff$"),
    "clone of what came in": (full(ig="clone(CloneType.I2E, 5); h.h.a = 9; sm.egress_spec = 2;",
        eg="h.h.b = (bit<8>)sm.instance_type; h.h.c = (bit<8>)sm.egress_port;"),
        f"mirroring_add 5 6; packet 0 {IN}; expect 2 09 00 02 04 0005 0006$; expect 6 01 01 06 04 0005 0006$"),
    "clone that keeps fields": (full(top=CLONE, meta="Keep keep;", ig="m.keep.k = 7; m.keep.l = 8; m.keep.z = 9; "
        "if (h.h.a == 1) clone_preserving_field_list(CloneType.I2E, 5, 1); "
        "else clone_preserving_field_list(CloneType.I2E, 5, 2); m.keep.l = 0x10; mark_to_drop(sm);",
        eg="h.h.b = m.keep.k; h.h.w = m.keep.l; h.h.c = m.keep.z;"), f"mirroring_add 5 6; packet 0 {IN}; "
        f"packet 0 02{IN[2:]}; expect 6 01 07 00 04 0010 0006$; expect 6 02 00 00 04 0010 0006$"),
    "clone at the end of egress": (full(ig="sm.egress_spec = 2;",
        eg="if (sm.instance_type == 0) { clone(CloneType.E2E, 5); h.h.a = 9; } else { h.h.b = 0xcc; }"),
        f"mirroring_add 5 6; packet 0 {IN}; expect 2 09 02 03 04 0005 0006$; expect 6 09 cc 03 04 0005 0006$"),
    "clone to a group": (full(ig="clone(CloneType.I2E, 5); mark_to_drop(sm);", eg="h.h.a = (bit<8>)sm.egress_rid;"),
        f"{GROUP} mirroring_add_mc 5 7; packet 0 {IN}; expect 1 0a02; expect 2 0a02; expect 3 0b02"),
    "the last clone wins": (full(ig="clone(CloneType.I2E, 5); clone(CloneType.I2E, 6); sm.egress_spec = 1;"),
        f"mirroring_add 5 8; mirroring_add 6 9; packet 0 {IN}; expect 1 01; expect 9 01; packet 8 {IN}; expect 9 01; "
        f"expect 1 01"),
    "clone without a session": (full(ig="clone(CloneType.I2E, 77); sm.egress_spec = 1;"), f"packet 1 {IN}; expect 1 01"),
    "resubmit once": (full(top=CLONE, meta="Keep keep;", ig="if (sm.instance_type == 0) { m.keep.k = 5; h.h.a = 9; "
        "resubmit_preserving_field_list(1); } else { h.h.b = m.keep.k; h.h.c = (bit<8>)sm.instance_type; "
        "sm.egress_spec = 3; }"), f"packet 0 {IN}; expect 3 01 05 06 04 0005 0006$"),
    "recirculate until done": (full(meta="@field_list(3) bit<8> n;",
        ig="sm.egress_spec = 3; h.h.a = h.h.a + 1; m.n = m.n + 1;",
        eg="if (h.h.a < 4) recirculate_preserving_field_list(3); h.h.b = m.n; h.h.c = (bit<8>)sm.instance_type;"),
        f"packet 0 {IN}; expect 3 04 03 00 04 0005 0006$"),
    "truncate": (full(ig="truncate(5); sm.egress_spec = 2;"),
        f"packet 0 {IN}; expect 2 0102030400$; packet 0 {IN} aabb; expect 2 0102030400$"),
    "length on both sides": (full(ig="h.h.w = (bit<16>)sm.packet_length; h.g = {7};", dep="b.emit(h);",
        eg="h.h.x = (bit<16>)sm.packet_length;"), f"packet 0 {IN} aa; expect 0 01 02 03 04 0009 000a 07 aa$"),
    "checksum written": (full(top=SUM, hdrs="h_t h; c_t c;", parser=SUMP, dep="b.emit(h);",
        upd="update_checksum(h.c.isValid(), {h.c.p, h.c.q, h.h.w}, h.c.sum, HashAlgorithm.csum16);"),
        f"packet 0 {IN} 0102 0304 0000; expect 0 {IN} 0102 0304 fbf4$"),
    "checksum under a condition": (full(top=SUM, hdrs="h_t h; c_t c;", parser=SUMP, dep="b.emit(h);",
        upd="update_checksum(h.h.a == 1, {h.c.p}, h.c.sum, HashAlgorithm.csum16); "
        "update_checksum(h.h.a == 2, {8w0, h.h.b, 16w0xffff}, h.c.sum, HashAlgorithm.csum16);"),
        f"packet 0 {IN} 0102 0304 9999; expect 0 {IN} 0102 0304 fefd$; packet 0 02{IN[2:]} 0102 0304 9999; "
        f"expect 0 02{IN[2:]} 0102 0304 fffd$; packet 0 03{IN[2:]} 0102 0304 9999; expect 0 03{IN[2:]} 0102 0304 9999$"),
    "checksum checked": (full(top=SUM, hdrs="h_t h; c_t c;", parser=SUMP, dep="b.emit(h);",
        ver="verify_checksum(true, {h.c.p, h.c.q}, h.c.sum, HashAlgorithm.csum16);",
        ig="if (sm.checksum_error == 1) { h.h.a = 0xee; }"),
        f"packet 0 {IN} 0102 0304 fbf9; expect 0 {IN} 0102 0304 fbf9$; packet 0 {IN} 0102 0304 fbf8; "
        f"expect 0 ee{IN[2:]} 0102 0304 fbf8$"),
    "checksum with the payload": (full(top=SUM, hdrs="h_t h; c_t c;", parser=SUMP, dep="b.emit(h);",
        upd="update_checksum_with_payload(true, {h.c.p}, h.c.sum, HashAlgorithm.csum16);",
        ver="verify_checksum_with_payload(true, {h.c.p}, h.c.sum, HashAlgorithm.csum16);",
        ig="h.h.a = (bit<8>)sm.checksum_error; h.c.p = 2;"),
        f"packet 0 {IN} 0001 0000 fefe 0100 00; expect 0 00{IN[2:]} 0002 0000 fefd 010000$; packet 0 {IN} "
        f"0001 0000 fefe 02; expect 0 01{IN[2:]} 0002"),
    "checksum over varbit data": (full(top=SUM, hdrs="h_t h; c_t c; o_t o;",
        parser="state start { b.extract(h.h); b.extract(h.c); b.extract(h.o, (bit<32>)h.h.d * 8); transition accept; "
        "}", dep="b.emit(h);", upd="update_checksum(true, {h.c.p, h.o.o}, h.c.sum, HashAlgorithm.csum16);"),
        f"packet 0 {IN} 0001 0000 0000 00020003; expect 0 {IN} 0001 0000 fff9 00020003$; "
        f"packet 0 010203 02 00050006 0001 0000 0000 0002; expect 0 01020302 00050006 0001 0000 fffc 0002$"),
    "hash crc16": one("hash(h.h.w, HashAlgorithm.crc16, 16w0, {h.h.a, h.h.b, h.h.c, h.h.d}, 32w0x10000);",
        "01 02 03 04 0fa1 0006"),
    "hash crc32 and xor16": one("bit<32> r; hash(r, HashAlgorithm.crc32, 32w0, {h.h.a, h.h.b, h.h.c, h.h.d}, "
        "64w0x100000000); h.h.w = r[31:16]; hash(h.h.x, HashAlgorithm.xor16, 16w0, {h.h.a, h.h.b, h.h.c, h.h.d}, "
        "17w0x10000);", "01 02 03 04 b63c 0206"),
    "hash identity with base and maximum": one("hash(h.h.w, HashAlgorithm.identity, 16w100, {h.h.b}, 16w7); "
        "hash(h.h.x, HashAlgorithm.csum16, 16w0, {h.h.a, h.h.b}, 32w0x10000); "
        "hash(h.h.a, HashAlgorithm.identity, 8w10, {h.h.d}, 8w3);", "0b 02 03 04 0066 fefd"),
    "hash of a single value and of a struct": one("hash(h.h.w, HashAlgorithm.crc16, 16w0, h.h.a, 32w0x10000); "
        "hash(h.h.x, HashAlgorithm.crc16, 16w0, (P1){h.h.a}, 32w0x10000); if (h.h.w == h.h.x) { h.h.w = 0; "
        "h.h.x = 1; }", "01 02 03 04 0000 0001", top="struct P1 { bit<8> l; }"),
    "hash of nested lists and constants": one("bit<16> p; bit<16> q; hash(p, HashAlgorithm.crc32, 16w0, {h.h.a, "
        "{h.h.b, 8w7}}, 32w0x10000); hash(q, HashAlgorithm.crc32, 16w0, {h.h.a, h.h.b, 8w7}, 32w0x10000); "
        "if (p == q) h.h.c = 9;", "01 02 09 04 0005 0006"),
    "registers of odd widths": one("a1.write(1, h.h.b[2:0]); bit<3> v; a1.read(v, 1); h.h.a = (bit<8>)v; "
        "a2.write(3, -1); int<17> w; a2.read(w, 3); if (w == -1) h.h.b = 9; a3.write(0, (bit<100>)h.h.w << 80); "
        "bit<100> z; a3.read(z, 0); h.h.c = (bit<8>)(z >> 80);", "02 09 05 04 0005 0006",
        locs="register<bit<3>>(4) a1; register<int<17>>(4) a2; register<bit<100>>(2) a3;"),
    "register index out of the array": one(
        "r.write(9, 7); bit<8> v = 5; r.read(v, 9); r.read(h.h.b, 1); h.h.a = h.h.b;", "00 00 03 04 0005 0006",
        locs="register<bit<8>>(4) r;"),
    "register read and written by actions": (full(locs="register<bit<16>>(256) r; action bump(bit<16> by) { bit<16> "
        "v; r.read(v, (bit<32>)h.h.a); v = v + by; r.write((bit<32>)h.h.a, v); h.h.w = v; } "
        "table t { key = { h.h.b : exact; } actions = { bump; } default_action = bump(1); }", ig="t.apply();"),
        f"add t h.h.b:2 bump(by:5); packet 0 {IN}; expect 0 01020304 0005; packet 0 {IN}; expect 0 01020304 000a; "
        f"packet 0 0103030400050006; expect 0 01030304 000b; packet 0 0203030400050006; expect 0 02030304 0001"),
    "bool and enum in registers": one(
        "r.write(0, (bit<1>)(h.h.a == 1)); bit<1> v; r.read(v, 0); bool f = (bool)v; if (f) h.h.b = 9;",
        "01 09 03 04 0005 0006", locs="register<bit<1>>(4) r;"),
    "digest does not disturb": one("digest<P1>(1, {h.h.a}); digest(2, {h.h.a, h.h.w}); h.h.a = 3;",
        "03 02 03 04 0005 0006", top="struct P1 { bit<8> l; }"),
    "random within bounds": one(
        "random(h.h.a, 8w5, 8w5); bit<16> z; random(z, 16w3, 16w9); if (z < 3 || z > 9) h.h.b = 0xee;",
        "05 02 03 04 0005 0006"),
    "a meter's colour": (full(meta="bit<2> c;", locs="meter(4, MeterType.packets) k;",
        ig="k.execute_meter((bit<32>)h.h.a, m.c); h.h.b = (bit<8>)m.c;"), f"packet 0 {IN}; expect 0 0100"),
    "indirect counter by both": (full(locs="counter(8, CounterType.packets) p; counter(8, CounterType.bytes) q;",
        ig="p.count((bit<32>)h.h.a); q.count(3);"), f"packet 0 {IN} aa; packet 0 {IN}; expect 0 01; expect 0 01; "
        f"check_counter p(1) packets == 2; check_counter q(3) bytes == 17; check_counter p(0) packets == 0"),
    "priority and timestamps": one("sm.priority = 5; h.h.a = (bit<8>)sm.priority; if (sm.ingress_global_timestamp > "
        "0 || sm.enq_qdepth == 0) h.h.b = 9;", "05 09 03 04 0005 0006", eg="h.h.c = (bit<8>)sm.priority; "
        "if (sm.deq_qdepth == 0 && sm.egress_global_timestamp >= sm.ingress_global_timestamp) h.h.d = 7;") if False else one(
        "h.h.b = (bit<8>)sm.priority; bit<48> z = sm.ingress_global_timestamp;", "01 00 03 07 0005 0006",
        eg="if (sm.egress_global_timestamp >= sm.ingress_global_timestamp) h.h.d = 7;"),
    "standard metadata copied whole": one(
        "standard_metadata_t z = sm; z.egress_spec = 4; h.h.a = (bit<8>)z.ingress_port; sm = z;",
        "00 02 03 04 0005 0006", port=4),
    "standard metadata in sub-controls": (small(before="control F(inout standard_metadata_t s, inout bit<8> a) { "
        "apply { s.egress_spec = s.ingress_port ^ 1; a = (bit<8>)s.ingress_port; } } "
        "control G(inout bit<9> o) { apply { o = o + 2; } }",
        ig="F() f; G() g; apply { f.apply(sm, h.h.a); g.apply(sm.egress_spec); }"), "packet 4 01020003; expect 7 04020003$"),
    "payload untouched": one("h.h.setInvalid();", "aabbcc", IN + "aabbcc"),
    "headers added and removed": one("h.g = {0x11}; h.h.setInvalid(); h.k.setValid(); h.k = {0x2233};", "2233 11 ee", IN +
        "ee", top="header k_t { bit<16> v; }", hdrs="k_t k; h_t h; g_t g;", dep="b.emit(h);"),
    "egress sees what ingress left": one("h.h.a = 5; m.n = 6; h.g = {1};", "05 06 03 01 0005 0006", meta="bit<8> n;",
        eg="h.h.b = m.n; if (h.g.isValid()) { h.h.d = h.g.v; h.g.setInvalid(); }", dep="b.emit(h);"),
    "ports of nine bits": (full(ig="sm.egress_spec = sm.ingress_port + 1;"),
        f"packet 254 {IN}; packet 255 02{IN[2:]}; expect 255 01; expect 256 02"),
    "empty packet": (full(parser="state start { transition accept; }", ig="sm.egress_spec = 1; h.g = {7};",
        dep="b.emit(h);"), "packet 0 00; expect 1 07 00$"),
}.items()]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_v1model(row: StfRow, tmp_path: Path) -> None:
    play(row, tmp_path)
