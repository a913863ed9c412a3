// Who may contribute: only what the controller installed. The first check that fails is the packet's fate.
#ifndef ADMISSION_P4
#define ADMISSION_P4
#include "headers.p4"

control Admission(in headers_t hdr, in port_t ingress_port,
                  out bool admitted, out fate_t fate, out job_info_t info) {
    port_t port;
    mac_t mac;
    ipv4_t ip;

    action job(bit<8> workers, slot_t first_slot, bit<16> slots, group_t group) {
        info.workers = workers;
        info.first_slot = first_slot;
        info.slots = slots;
        info.group = group;
    }
    action no_job() { }
    table jobs {
        key = { hdr.fpisa.job : exact @name("job"); }
        actions = { job; no_job; }
        const default_action = no_job();
        size = MAX_JOBS;
    }

    action member(port_t ingress, mac_t source_mac, ipv4_t source_ip) {
        port = ingress;
        mac = source_mac;
        ip = source_ip;
    }
    action no_member() { }
    table members {
        key = { hdr.fpisa.job : exact @name("job"); hdr.fpisa.rank : exact @name("rank"); }
        actions = { member; no_member; }
        const default_action = no_member();
        size = MAX_MEMBERS;
    }

    action refuse(fate_t reason) { fate = reason; }

    apply {
        admitted = false;
        fate = fate_t.short;
        if (!hdr.values.isValid() || hdr.udp.bytes != UDP_BYTES) { refuse(fate_t.short); }
        else if (hdr.fpisa.version != FPISA_VERSION) { refuse(fate_t.version); }
        else if (hdr.fpisa.kind != kind_t.contribution) { refuse(fate_t.kind); }
        else if (hdr.fpisa.format != FORMAT_CODE) { refuse(fate_t.format); }
        else if (hdr.fpisa.elements != ELEMENTS) { refuse(fate_t.elements); }
        else if (!jobs.apply().hit) { refuse(fate_t.job); }
        else if (!members.apply().hit) { refuse(fate_t.rank); }
        else if (port != ingress_port || mac != hdr.ethernet.source || ip != hdr.ipv4.source) {
            refuse(fate_t.source);
        } else {
            slot_t slot = (slot_t)hdr.fpisa.pool_index[15:1];
            if (slot < info.first_slot || slot - info.first_slot >= info.slots || slot >= SLOTS) {
                refuse(fate_t.slot);
            } else {
                admitted = true;
            }
        }
    }
}

#endif
