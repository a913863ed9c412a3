// Who may send what to a switch that may have a parent: as in admission.p4, and the parent its answers. The first check that
// fails is the packet's fate.
#ifndef TREE_ADMISSION_P4
#define TREE_ADMISSION_P4
#include "headers.p4"

// An answer's pool index becomes this switch's own on the way.
control Admission(inout headers_t hdr, in port_t ingress_port,
                  out bool admitted, out bool answer, out fate_t fate, out job_info_t info) {
    port_t port;
    mac_t mac;
    ipv4_t ip;
    bool known;

    action job(bit<8> workers, slot_t first_slot, bit<16> slots, group_t group) {
        info.workers = workers;
        info.first_slot = first_slot;
        info.slots = slots;
        info.group = group;
        info.child = 0;
    }
    // `workers` counts those below this switch.
    action child_job(bit<8> workers, slot_t first_slot, bit<16> slots, group_t group, port_t parent_port,
                     mac_t own_mac, ipv4_t own_ip, mac_t parent_mac, ipv4_t parent_ip, rank_t rank, bit<16> pool_offset) {
        info.workers = workers;
        info.first_slot = first_slot;
        info.slots = slots;
        info.group = group;
        info.child = 1;
        info.port = parent_port;
        info.own_mac = own_mac;
        info.own_ip = own_ip;
        info.parent_mac = parent_mac;
        info.parent_ip = parent_ip;
        info.rank = rank;
        info.pool_offset = pool_offset;
    }
    action no_job() { }
    table jobs {
        key = { hdr.fpisa.job : exact @name("job"); }
        actions = { job; child_job; no_job; }
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
        answer = hdr.fpisa.isValid() && (hdr.fpisa.kind == kind_t.result || hdr.fpisa.kind == kind_t.result_again);
        bool whole = hdr.values.isValid() && hdr.udp.bytes == UDP_BYTES;
        bool contribution = hdr.fpisa.isValid() && hdr.fpisa.kind == kind_t.contribution;
#if RAW_UPLINK
        whole = whole || (hdr.raw.isValid() && hdr.udp.bytes == RAW_UDP_BYTES);
        contribution = contribution || hdr.raw.isValid();
#endif
        if (!whole) { refuse(fate_t.short); }
        else if (hdr.fpisa.version != FPISA_VERSION) { refuse(fate_t.version); }
        else if (!contribution && !answer) { refuse(fate_t.kind); }
        else if (hdr.fpisa.format != FORMAT_CODE) { refuse(fate_t.format); }
        else if (hdr.fpisa.elements != ELEMENTS) { refuse(fate_t.elements); }
        else if (!jobs.apply().hit) { refuse(fate_t.job); }
        else {
            if (answer) {
                known = info.child == 1 && hdr.fpisa.rank == info.rank;
                port = info.port;
                mac = info.parent_mac;
                ip = info.parent_ip;
                hdr.fpisa.pool_index = hdr.fpisa.pool_index - info.pool_offset;
            } else {
                known = members.apply().hit;
            }
            slot_t slot = (slot_t)hdr.fpisa.pool_index[15:1];
            if (!known) { refuse(fate_t.rank); }
            else if (port != ingress_port || mac != hdr.ethernet.source || ip != hdr.ipv4.source) {
                refuse(fate_t.source);
            } else if (slot < info.first_slot || slot - info.first_slot >= info.slots || slot >= SLOTS) {
                refuse(fate_t.slot);
            } else {
                admitted = true;
            }
        }
    }
}

#endif
