/* Keys without names of their own: P4Info calls them as they are written. */
#include <core.p4>
#include <v1model.p4>

header pair_t {
    bit<8> a;
    bit<8> b;
}

struct headers_t {
    pair_t pair;
    pair_t[2] more;
}

struct meta_t { }

parser Parse(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    state start {
        packet.extract(hdr.pair);
        transition accept;
    }
}

control Verify(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control Ig(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    register<bit<32>>(40000) large;
    action to(bit<9> port) {
        std.egress_spec = port;
    }
    table wild {
        key = {
            hdr.pair.a + 1: exact;
            hdr.pair.isValid(): exact;
            hdr.pair.b[3:0]: exact;
            hdr.more[1].a: ternary;
            hdr.pair.a ++ hdr.pair.b: range;
            (bit<16>)hdr.pair.b: optional;
        }
        actions = { to; NoAction; }
    }
    apply {
        wild.apply();
        large.write(39999, 7);
    }
}

control Eg(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    apply { }
}

control Sums(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control Deparse(packet_out packet, in headers_t hdr) {
    apply { packet.emit(hdr.pair); }
}

V1Switch(Parse(), Verify(), Ig(), Eg(), Sums(), Deparse()) main;
