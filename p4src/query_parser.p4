// Frame to query headers and back. As in parser.p4, a header the frame breaks off in stays invalid.
#ifndef QUERY_PARSER_P4
#define QUERY_PARSER_P4
#include "query_headers.p4"

parser QueryParser(packet_in packet, out query_headers_t hdr, inout metadata_t meta,
                   inout standard_metadata_t standard) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.ethertype) {
            ETHERTYPE_IPV4: ipv4;
            default: accept;
        }
    }
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
            QUERY_PORT: query;
            default: accept;
        }
    }
    state query {
        packet.extract(hdr.query);
        packet.extract(hdr.rows);
        transition accept;
    }
}

control QueryVerify(inout query_headers_t hdr, inout metadata_t meta) {
    apply { }
}

control QueryUpdate(inout query_headers_t hdr, inout metadata_t meta) {
    apply {
        update_checksum(
            hdr.query.isValid(),
            { hdr.ipv4.version, hdr.ipv4.header_words, hdr.ipv4.diffserv, hdr.ipv4.total_bytes,
              hdr.ipv4.identification, hdr.ipv4.fragment, hdr.ipv4.ttl, hdr.ipv4.protocol,
              hdr.ipv4.source, hdr.ipv4.destination },
            hdr.ipv4.checksum, HashAlgorithm.csum16);
    }
}

control QueryDeparser(packet_out packet, in query_headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
        packet.emit(hdr.ipv4);
        packet.emit(hdr.udp);
        packet.emit(hdr.query);
        packet.emit(hdr.rows);
    }
}

#endif
