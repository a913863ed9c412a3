/* Action selectors: actions of groups, random choice, sizes by weights and by members, groups without weights. */
#define V1MODEL_VERSION 20200408
#include <core.p4>
#include <v1model.p4>

header frame_t {
    bit<8> kind;
    bit<8> flow;
    bit<8> mark;
    bit<8> way;
    bit<8> after;
}

struct headers_t {
    frame_t frame;
}

struct meta_t { }

parser Parse(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    state start {
        packet.extract(hdr.frame);
        transition accept;
    }
}

control Verify(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control Ig(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    @max_group_size(8)
    action_selector(HashAlgorithm.crc16, 16, 16) ways;
    @selector_size_semantics("sum_of_members") @max_member_weight(100) @max_group_size(3)
    action_selector(HashAlgorithm.crc16, 4, 16) few;
    @weights_disallowed
    action_selector(HashAlgorithm.crc16, 16, 16) equal;
    action_selector(HashAlgorithm.random, 16, 16) any_way;
    direct_counter(CounterType.packets) hits;

    action mark(bit<8> value, bit<8> limit) {
        hdr.frame.mark = value;
        if (hdr.frame.flow > limit) {
            hdr.frame.mark = 0xff;
        }
    }
    action count_up() {
        hdr.frame.mark = hdr.frame.mark + 1;
    }
    action to(bit<9> port, bit<8> way) {
        std.egress_spec = port;
        hdr.frame.way = hdr.frame.mark + way;
        if (way == 9) {
            return;
        }
        hdr.frame.after = way;
    }
    action drop() {
        mark_to_drop(std);
    }

    table spread {
        key = { hdr.frame.kind : exact; hdr.frame.flow : selector; }
        actions = { to; drop; @groupaction mark; @groupaction count_up; }
        implementation = ways;
        counters = hits;
        size = 4096;
    }
    table narrow {
        key = { hdr.frame.kind : exact; hdr.frame.flow : selector; }
        actions = { to; drop; }
        implementation = few;
    }
    table level {
        key = { hdr.frame.kind : exact; hdr.frame.flow : selector; }
        actions = { to; drop; }
        implementation = equal;
    }
    table loose {
        key = { hdr.frame.kind : exact; hdr.frame.flow : selector; }
        actions = { to; drop; }
        implementation = any_way;
    }

    apply {
        std.egress_spec = 100;
        switch (spread.apply().action_run) {
            drop: { hdr.frame.after = 0xdd; }
            default: { }
        }
        narrow.apply();
        level.apply();
        loose.apply();
    }
}

control Eg(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    apply { }
}

control Compute(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control Deparse(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.frame);
    }
}

V1Switch(Parse(), Verify(), Ig(), Eg(), Compute(), Deparse()) main;
