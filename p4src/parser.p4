// Frame to headers. A frame that ends too early leaves the header it breaks off in invalid; whoever
// needs that header checks. With HOST_BYTE_ORDER the values arrive little-endian and are swapped here.
#ifndef PARSER_P4
#define PARSER_P4
#include "headers.p4"
#include "byte_order.p4"

#if HOST_BYTE_ORDER
#define SWAP_VALUE(i) hdr.values.v##i = swap_bytes(hdr.values.v##i);
#else
#define SWAP_VALUE(i)
#endif

parser FpisaParser(packet_in packet, out headers_t hdr, inout metadata_t meta,
                   inout standard_metadata_t standard) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.ethertype) {
            ETHERTYPE_IPV4: ipv4;
            default: accept;
        }
    }
    // Options and fragments hide the UDP header: such packets are none of ours.
    state ipv4 {
        packet.extract(hdr.ipv4);
        transition select(hdr.ipv4.version, hdr.ipv4.header_words, hdr.ipv4.fragment, hdr.ipv4.protocol) {
            (4, 5, 0 &&& 0x3fff, PROTOCOL_UDP): udp;
            default: accept;
        }
    }
    state udp {
        packet.extract(hdr.udp);
        transition select(hdr.udp.destination) {
            FPISA_PORT: fpisa;
            default: accept;
        }
    }
    state fpisa {
        packet.extract(hdr.fpisa);
#if RAW_UPLINK
        transition select(hdr.fpisa.kind) {
            kind_t.partial: raw;
            default: values;
        }
    }
    state raw {
        packet.extract(hdr.raw);
        transition accept;
    }
    state values {
#endif
        packet.extract(hdr.values);
        FOR_EACH_ELEMENT(SWAP_VALUE)
        transition accept;
    }
}

// No checksum is verified on the way in: UDP's is 0, and the source check covers what matters of IPv4's
// header.
control FpisaVerify(inout headers_t hdr, inout metadata_t meta) {
    apply { }
}

control FpisaUpdate(inout headers_t hdr, inout metadata_t meta) {
    apply {
        update_checksum(
            hdr.fpisa.isValid(),
            { hdr.ipv4.version, hdr.ipv4.header_words, hdr.ipv4.diffserv, hdr.ipv4.total_bytes,
              hdr.ipv4.identification, hdr.ipv4.fragment, hdr.ipv4.ttl, hdr.ipv4.protocol,
              hdr.ipv4.source, hdr.ipv4.destination },
            hdr.ipv4.checksum, HashAlgorithm.csum16);
    }
}

control FpisaDeparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.ipv4);
        packet.emit(hdr.udp);
        packet.emit(hdr.fpisa);
        packet.emit(hdr.values);
#if RAW_UPLINK
        packet.emit(hdr.raw);
#endif
    }
}

#endif
