// Where an admitted packet goes: survivors to the master, or word to the worker that nothing is left.
#ifndef QUERY_REPLY_P4
#define QUERY_REPLY_P4
#include "query_headers.p4"

control QueryReply(inout query_headers_t hdr, in query_info_t info, in lanes_t survivors, in lanes_t taken) {
    apply {
        hdr.query.valid = survivors;
        hdr.query.taken = taken;
        hdr.udp.checksum = 0;
        hdr.ipv4.ttl = 64;
        if (survivors != 0) {
            hdr.query.kind = query_kind_t.survivors;
            hdr.ethernet.destination = info.master_mac;
            hdr.ipv4.destination = info.master_ip;
        } else {
            mac_t mac = hdr.ethernet.source;
            ipv4_t ip = hdr.ipv4.source;
            bit<16> udp_port = hdr.udp.source;
            hdr.query.kind = query_kind_t.acknowledgement;
            hdr.ethernet.source = hdr.ethernet.destination;
            hdr.ethernet.destination = mac;
            hdr.ipv4.source = hdr.ipv4.destination;
            hdr.ipv4.destination = ip;
            hdr.ipv4.total_bytes = 20 + 8 + QUERY_HEADER_BYTES;
            hdr.udp.source = QUERY_PORT;
            hdr.udp.destination = udp_port;
            hdr.udp.bytes = 8 + QUERY_HEADER_BYTES;
            hdr.rows.setInvalid();
        }
    }
}

#endif
