// The story of a packet in a tree of switches, told once for all tree programs. For each job the switch is the root, which
// finishes sums, or a child, which sends the sum of those below it to its parent and brings the parent's answer down.
#include "tree_admission.p4"
#if AVERAGE
#include "average.p4"
#endif
#include "forward.p4"
#include "parser.p4"
#include "reply.p4"
#include "tree_slot.p4"
#include "uplink.p4"

#if RAW_UPLINK
#define RAW_REGISTERS hdr.raw,
#else
#define RAW_REGISTERS
#endif

control ingress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t standard) {
    counter(32, CounterType.packets) fate;
    Admission() admission;
    Slot() slot;
#if AVERAGE
    Average() average;
#endif
    Aggregate() aggregate;
    ReplyCommon() reply;
    Uplink() uplink;
    Forward() forward;

    apply {
        fate_t outcome = fate_t.unknown;
        meta.flood = false;
        if (hdr.udp.isValid() && hdr.udp.destination == FPISA_PORT) {
            bool admitted;
            bool answer;
            job_info_t info;
            admission.apply(hdr, standard.ingress_port, admitted, answer, outcome, info);
            step_t step;
            step.read = false;
            step.up = false;
            if (admitted) {
                slot.apply(hdr.fpisa, info, answer, outcome, step);
                if (step.absorb || step.read) {
                    flags_t flags;
                    step.carried = hdr.fpisa.flags & ((TRACK_INEXACT == 1 ? INEXACT : 0) | OVERFLOW | INVALID);
#if RAW_UPLINK
                    bool was_raw = hdr.raw.isValid();
                    if (was_raw) { hdr.values.setValid(); }
#endif
#if AVERAGE
                    average.apply(hdr.fpisa.job, step.average);
#endif
                    aggregate.apply(hdr.values, RAW_REGISTERS step, hdr.fpisa.exponent, flags);
                    if (step.up) {
                        uplink.apply(hdr, info, flags);
                    } else if (step.read) {
                        reply.apply(hdr, step.absorb ? kind_t.result : kind_t.result_again, flags);
                    }
#if RAW_UPLINK
                    // Registers go up, floats down.
                    if (step.up) {
                        hdr.values.setInvalid();
                        hdr.udp.bytes = RAW_UDP_BYTES;
                        hdr.ipv4.total_bytes = 20 + RAW_UDP_BYTES;
                    } else {
                        hdr.raw.setInvalid();
                        hdr.udp.bytes = UDP_BYTES;
                        if (was_raw) { hdr.ipv4.total_bytes = 20 + UDP_BYTES; }
                    }
#endif
                }
            }
            if (!step.read) { mark_to_drop(standard); }
            else if (step.up) { standard.egress_spec = info.port; }
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
            // A partial sum for the parent is complete already.
            if (hdr.fpisa.kind == kind_t.result || hdr.fpisa.kind == kind_t.result_again) {
                bool known;
                reply.apply(hdr, standard.egress_rid, known);
                if (!known) { mark_to_drop(standard); }
            }
        } else if (meta.flood && standard.egress_port == standard.ingress_port) {
            mark_to_drop(standard);
        }
    }
}

V1Switch(FpisaParser(), FpisaVerify(), ingress(), egress(), FpisaUpdate(), FpisaDeparser()) main;
