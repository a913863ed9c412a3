/* A value set with ranges, a digest of structs in structs, an extern of the program's own. */
#define V1MODEL_VERSION 20200408
#include <core.p4>
#include <v1model.p4>

extern Ring {
    Ring(bit<32> size);
    void push(in bit<8> v);
}

enum bit<4> mood_t { CALM = 1, LOUD = 9 }

header frame_t {
    bit<8> kind;
    bit<8> flow;
    bit<16> port;
}

header small_t {
    mood_t mood;
    bool odd;
    bit<3> rest;
}

struct inner_t {
    bit<8> kind;
    bool large;
    mood_t mood;
}

struct learnt_t {
    inner_t inner;
    bit<16> port;
    small_t small;
}

struct wanted_t {
    @match(range) bit<16> port;
    @match(ternary) bit<8> kind;
}

struct headers_t {
    frame_t frame;
    small_t small;
}

struct meta_t {
    bit<1> chosen;
}

parser Parse(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    value_set<wanted_t>(4) wanted;
    state start {
        packet.extract(hdr.frame);
        transition select(hdr.frame.port, hdr.frame.kind) {
            wanted: chosen;
            default: accept;
        }
    }
    state chosen {
        meta.chosen = 1;
        transition accept;
    }
}

control Verify(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control Ig(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    Ring(3) ring;
    apply {
        std.egress_spec = 1 + (bit<9>)meta.chosen;
        small_t small = { mood_t.LOUD, true, 5 };
        digest<learnt_t>(1, { { hdr.frame.kind, hdr.frame.port > 9, mood_t.CALM }, hdr.frame.port, small });
        ring.push(hdr.frame.flow);
    }
}

control Eg(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    apply { }
}

control Compute(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control Deparse(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.frame);
    }
}

V1Switch(Parse(), Verify(), Ig(), Eg(), Compute(), Deparse()) main;
