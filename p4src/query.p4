// The story of a row packet, told once for all operators. The file that includes this one has defined OPERATOR, a
// number, and the control Operator. Only here is `standard_metadata` seen.
#include "query_admission.p4"
#include "query_parser.p4"
#include "query_reply.p4"
#include "forward.p4"

control ingress(inout query_headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    counter(16, CounterType.packets) fate;
    // What became of a worker's packet: sequence, survivors, taken. A repeated one gets the same answer.
    register<bit<64>>(MAX_WORKERS * WINDOW) decision;
    QueryAdmission() admission;
    Operator() operator;
    QueryReply() reply;
    Forward() forward;

    apply {
        query_fate_t outcome = query_fate_t.unknown;
        meta.flood = false;
        if (hdr.udp.isValid() && hdr.udp.destination == QUERY_PORT) {
            bool admitted;
            query_info_t info;
            bit<8> window;
            bool answer = false;
            admission.apply(hdr, standard.ingress_port, admitted, outcome, info, window);
            if (admitted) {
                index_t place = (index_t)window * WINDOW + (hdr.query.sequence & (WINDOW - 1));
                bit<64> stored;
                lanes_t survivors;
                lanes_t taken;
                decision.read(stored, place);
                sequence_t ahead = hdr.query.sequence - stored[63:32];
                if (ahead == 0) {
                    outcome = query_fate_t.again;
                    survivors = stored[31:16];
                    taken = stored[15:0];
                    answer = true;
                } else if (ahead[31:31] == 1) {
                    outcome = query_fate_t.stale;
                } else {
                    if (info.code == DELIVER_ALL) {
                        survivors = hdr.query.valid;
                        taken = 0;
                    } else {
                        operator.apply(hdr.rows, hdr.query.valid, hdr.query.flags[0:0] == 1, info, survivors, taken);
                    }
                    decision.write(place, hdr.query.sequence ++ survivors ++ taken);
                    if (survivors != 0) { outcome = query_fate_t.delivered; }
                    answer = true;
                }
                if (answer) {
                    reply.apply(hdr, info, survivors, taken);
                    standard.egress_spec = survivors != 0 ? info.master_port : standard.ingress_port;
                }
            }
            if (!answer) { mark_to_drop(standard); }
        } else if (hdr.ethernet.isValid()) {
            fate_t away;
            port_t port;
            group_t group;
            forward.apply(hdr.ethernet.destination, away, port, group);
            meta.flood = away == fate_t.flooded;
            if (away == fate_t.unknown) {
                mark_to_drop(standard);
            } else if (meta.flood) {
                outcome = query_fate_t.flooded;
                standard.mcast_grp = group;
            } else {
                outcome = query_fate_t.forwarded;
                standard.egress_spec = port;
            }
        } else {
            mark_to_drop(standard);
        }
        fate.count((bit<32>)(bit<8>)outcome);
    }
}

control egress(inout query_headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    apply {
        if (meta.flood && standard.egress_port == standard.ingress_port) { mark_to_drop(standard); }
    }
}

V1Switch(QueryParser(), QueryVerify(), ingress(), egress(), QueryUpdate(), QueryDeparser()) main;
