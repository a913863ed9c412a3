// Register arrays of several widths, for reading them whole.
#include <core.p4>
#include <v1model.p4>

const bit<32> CELLS = 65536;

header any_t { bit<32> at; }
struct headers { any_t any; }
struct metadata { }

parser Read(packet_in packet, out headers hdr, inout metadata meta, inout standard_metadata_t standard) {
    state start {
        packet.extract(hdr.any);
        transition accept;
    }
}

control NoCheck(inout headers hdr, inout metadata meta) { apply { } }

control Ingress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard) {
    register<bit<8>>(CELLS) bytes;
    register<bit<32>>(CELLS) words;
    register<bit<64>>(CELLS) keys;
    register<bit<64>>(CELLS) sums;
    apply {
        bytes.write(hdr.any.at, 1);
        words.write(hdr.any.at, 1);
        keys.write(hdr.any.at, 1);
        sums.write(hdr.any.at, 1);
    }
}

control Egress(inout headers hdr, inout metadata meta, inout standard_metadata_t standard) { apply { } }

control Write(packet_out packet, in headers hdr) { apply { packet.emit(hdr.any); } }

V1Switch(Read(), NoCheck(), Ingress(), Egress(), NoCheck(), Write()) main;
