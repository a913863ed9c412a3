/* Access control: addresses, protocol and ports, each with a mask; the largest priority decides. */
#include "packet.p4"

control Forward(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    action drop() {
        mark_to_drop(std);
    }
    action permit(bit<9> port) {
        std.egress_spec = port;
    }
    table rules {
        key = {
            hdr.ipv4.src: ternary;
            hdr.ipv4.dst: ternary;
            hdr.ipv4.protocol: ternary;
            hdr.l4.src: ternary;
            hdr.l4.dst: ternary;
        }
        actions = { permit; drop; }
        default_action = drop();
        size = 100000;
    }
    apply {
        rules.apply();
    }
}

V1Switch(BenchParser(), BenchVerify(), Forward(), BenchEgress(), NoChecksum(), BenchDeparser()) main;
