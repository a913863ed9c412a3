// The headers of an answer. Each copy's address comes from the receiver's own entry, not from the packet
// that completed the round.
#ifndef REPLY_P4
#define REPLY_P4
#include "headers.p4"

// In ingress, once: whatever is the same for all receivers. The switch answers from the address it was sent
// to.
control ReplyCommon(inout headers_t hdr, in kind_t kind, in flags_t flags) {
    apply {
        hdr.ethernet.source = hdr.ethernet.destination;
        hdr.ipv4.source = hdr.ipv4.destination;
        hdr.ipv4.ttl = 64;
        hdr.ipv4.identification = 0;
        hdr.udp.source = FPISA_PORT;
        hdr.udp.checksum = 0;
        hdr.fpisa.kind = kind;
        hdr.fpisa.flags = flags;
    }
}

// In egress, for each copy. A multicast copy's replication id is its receiver's rank.
control Reply(inout headers_t hdr, in bit<16> replication_id, out bool known) {
    action to_worker(mac_t mac, ipv4_t ip, bit<16> udp_port) {
        hdr.ethernet.destination = mac;
        hdr.ipv4.destination = ip;
        hdr.udp.destination = udp_port + (bit<16>)hdr.fpisa.queue;
    }
#if TREE
    // A switch below knows its parent's results by the port they are sent to.
    action to_switch(mac_t mac, ipv4_t ip) {
        hdr.ethernet.destination = mac;
        hdr.ipv4.destination = ip;
        hdr.udp.destination = FPISA_PORT;
    }
#endif
    action no_worker() { }
    table replicas {
        key = { hdr.fpisa.job : exact @name("job"); hdr.fpisa.rank : exact @name("rank"); }
#if TREE
        actions = { to_worker; to_switch; no_worker; }
#else
        actions = { to_worker; no_worker; }
#endif
        const default_action = no_worker();
        size = MAX_MEMBERS;
    }

    apply {
        if (hdr.fpisa.kind == kind_t.result) {
            hdr.fpisa.rank = (rank_t)replication_id;
        }
        known = replicas.apply().hit;
    }
}

#endif
