// Whose rows are taken: only those of queries and workers that the controller installed.
#ifndef QUERY_ADMISSION_P4
#define QUERY_ADMISSION_P4
#include "query_headers.p4"

// `window`: number of the worker's window of decisions.
control QueryAdmission(in query_headers_t hdr, in port_t ingress_port, out bool admitted, out query_fate_t fate,
                       out query_info_t info, out bit<8> window) {
    port_t port;
    ipv4_t ip;

    action query(bit<8> code, bit<8> slot, index_t first, index_t mask, order_t flip, bit<32> a, bit<32> b,
                 port_t master_port, mac_t master_mac, ipv4_t master_ip) {
        info.code = code;
        info.slot = slot;
        info.first = first;
        info.mask = mask;
        info.flip = flip;
        info.a = a;
        info.b = b;
        info.master_port = master_port;
        info.master_mac = master_mac;
        info.master_ip = master_ip;
    }
    action no_query() { }
    table queries {
        key = { hdr.query.query : exact @name("query"); }
        actions = { query; no_query; }
        const default_action = no_query();
        size = MAX_QUERIES;
    }

    action member(port_t ingress, ipv4_t source_ip, bit<8> window_number) {
        port = ingress;
        ip = source_ip;
        window = window_number;
    }
    action no_member() { }
    table members {
        key = { hdr.query.query : exact @name("query"); hdr.query.worker : exact @name("worker"); }
        actions = { member; no_member; }
        const default_action = no_member();
        size = MAX_WORKERS;
    }

    apply {
        admitted = false;
        window = 0;
        if (!hdr.rows.isValid() || hdr.udp.bytes != 8 + QUERY_HEADER_BYTES + ROWS_BYTES
                || hdr.query.version != QUERY_VERSION || hdr.query.kind != query_kind_t.rows) {
            fate = query_fate_t.malformed;
#if OPERATOR != ANY_OPERATOR
        } else if (hdr.query.operator_code != OPERATOR && hdr.query.operator_code != DELIVER_ALL) {
            fate = query_fate_t.malformed;
#endif
        } else if (!queries.apply().hit || info.code != hdr.query.operator_code) {
            fate = query_fate_t.query;
        } else if (!members.apply().hit) {
            fate = query_fate_t.worker;
        } else if (port != ingress_port || ip != hdr.ipv4.source || window >= MAX_WORKERS) {
            fate = query_fate_t.worker;
        } else {
            fate = query_fate_t.pruned;
            admitted = true;
        }
    }
}

#endif
