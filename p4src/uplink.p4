// The headers of a partial sum on its way to the parent, where it is a contribution like any worker's.
#ifndef UPLINK_P4
#define UPLINK_P4
#include "headers.p4"

control Uplink(inout headers_t hdr, in job_info_t info, in flags_t flags) {
    apply {
        hdr.ethernet.source = info.own_mac;
        hdr.ethernet.destination = info.parent_mac;
        hdr.ipv4.source = info.own_ip;
        hdr.ipv4.destination = info.parent_ip;
        hdr.ipv4.ttl = 64;
        hdr.ipv4.identification = 0;
        hdr.udp.source = FPISA_PORT;
        hdr.udp.checksum = 0;
#if RAW_UPLINK
        hdr.fpisa.kind = kind_t.partial;
#else
        hdr.fpisa.kind = kind_t.contribution;
#endif
        hdr.fpisa.rank = info.rank;
        hdr.fpisa.pool_index = hdr.fpisa.pool_index + info.pool_offset;
        hdr.fpisa.flags = flags;
    }
}

#endif
