// The story of a packet, told once for all programs. The file that includes this one has chosen the parts:
// which Aggregate, and HOST_BYTE_ORDER. Only here is `standard_metadata` seen.
#include "admission.p4"
#if AVERAGE
#include "average.p4"
#endif
#include "forward.p4"
#include "parser.p4"
#include "reply.p4"
#include "slot.p4"

control ingress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    counter(32, CounterType.packets) fate;
    Admission() admission;
    Slot() slot;
#if AVERAGE
    Average() average;
#endif
    Aggregate() aggregate;
    ReplyCommon() reply;
    Forward() forward;

    apply {
        fate_t outcome = fate_t.unknown;
        meta.flood = false;
        if (hdr.udp.isValid() && hdr.udp.destination == FPISA_PORT) {
            bool admitted;
            job_info_t info;
            admission.apply(hdr, standard.ingress_port, admitted, outcome, info);
            step_t step;
            step.read = false;
            if (admitted) {
                slot.apply(hdr.fpisa, info.workers, outcome, step);
                if (step.absorb || step.read) {
                    flags_t flags;
#if AVERAGE
                    average.apply(hdr.fpisa.job, step.average);
#endif
                    aggregate.apply(hdr.values, step, hdr.fpisa.exponent, flags);
                    if (step.read) {
                        reply.apply(hdr, step.absorb ? kind_t.result : kind_t.result_again, flags);
                    }
                }
            }
            if (!step.read) { mark_to_drop(standard); }
            else if (step.absorb) { standard.mcast_grp = info.group; }
            else { standard.egress_spec = standard.ingress_port; }
        } else if (hdr.ethernet.isValid()) {
            port_t port;
            group_t group;
            forward.apply(hdr.ethernet.destination, outcome, port, group);
            meta.flood = outcome == fate_t.flooded;
            if (outcome == fate_t.unknown) { mark_to_drop(standard); }
            else if (meta.flood) { standard.mcast_grp = group; }
            else { standard.egress_spec = port; }
        } else {
            mark_to_drop(standard);
        }
        fate.count((bit<32>)(bit<8>)outcome);
    }
}

control egress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    Reply() reply;

    apply {
        if (hdr.fpisa.isValid()) {
            bool known;
            reply.apply(hdr, standard.egress_rid, known);
            if (!known) { mark_to_drop(standard); }
        } else if (meta.flood && standard.egress_port == standard.ingress_port) {
            mark_to_drop(standard);
        }
    }
}

V1Switch(FpisaParser(), FpisaVerify(), ingress(), egress(), FpisaUpdate(), FpisaDeparser()) main;
