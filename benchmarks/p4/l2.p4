/* Layer 2: the destination address alone decides the port. */
#include "packet.p4"

control Forward(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    action drop() {
        mark_to_drop(std);
    }
    action forward(bit<9> port) {
        std.egress_spec = port;
    }
    table stations {
        key = { hdr.ethernet.dst: exact; }
        actions = { forward; drop; }
        default_action = drop();
        size = 2000000;
    }
    apply {
        stations.apply();
    }
}

V1Switch(BenchParser(), BenchVerify(), Forward(), BenchEgress(), NoChecksum(), BenchDeparser()) main;
