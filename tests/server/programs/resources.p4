/* Direct resources of default entries, meters of one rate, arrays indexed by a translated type, ports as text. */
#define V1MODEL_VERSION 20200408
#include <core.p4>
#include <v1model.p4>

@p4runtime_translation("example.org/port", string)
type bit<9> port_name_t;
@p4runtime_translation("example.org/queue", bit<32>)
type bit<4> queue_t;

header frame_t {
    bit<8> kind;
    bit<8> colour;
    bit<8> priority;
}

struct headers_t {
    frame_t frame;
}

struct meta_t {
    bit<2> colour;
}

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
    @single_rate_three_color
    meter<queue_t>(4, MeterType.packets) one_rate;
    @single_rate_two_color
    meter<bit<32>>(4, MeterType.bytes) two_colours;
    @single_rate_three_color
    direct_meter<bit<2>>(MeterType.packets) strict;
    direct_counter(CounterType.packets_and_bytes) hits;
    direct_counter(CounterType.packets_and_bytes) always;
    direct_counter(CounterType.packets_and_bytes) spread_hits;
    counter<queue_t>(4, CounterType.packets) by_queue;
    register<bit<32>, queue_t>(4) last;
    action_selector(HashAlgorithm.crc16, 64, 8) ways;

    action send(port_name_t port) {
        std.egress_spec = (bit<9>)port;
    }
    action paced(bit<9> port) {
        strict.read(meta.colour);
        std.egress_spec = port;
    }
    action both(bit<16> group) {
        std.mcast_grp = group;
    }

    table metered {
        key = { hdr.frame.kind: exact @name("kind"); }
        actions = { paced; both; NoAction; }
        default_action = paced(7);
        meters = strict;
        counters = hits;
        support_timeout = true;
        size = 16;
    }
    table keyless {
        actions = { NoAction; }
        const default_action = NoAction();
        counters = always;
    }
    table spread {
        key = { hdr.frame.kind: exact @name("kind"); hdr.frame.priority: selector; }
        actions = { send; NoAction; }
        implementation = ways;
        counters = spread_hits;
        size = 16;
    }

    apply {
        metered.apply();
        keyless.apply();
        spread.apply();
        hdr.frame.colour = (bit<8>)meta.colour;
        if (hdr.frame.kind >= 0x80) {
            one_rate.execute_meter((queue_t)(bit<4>)(hdr.frame.kind & 3), meta.colour);
            hdr.frame.colour = (bit<8>)meta.colour;
        }
        by_queue.count((queue_t)(bit<4>)(hdr.frame.kind & 3));
        last.write((queue_t)(bit<4>)(hdr.frame.kind & 3), (bit<32>)hdr.frame.kind);
        if (hdr.frame.kind == 9) {
            clone(CloneType.I2E, 5);
        }
    }
}

control Eg(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    apply {
        hdr.frame.priority = (bit<8>)std.priority;
    }
}

control Sums(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control Deparse(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.frame);
    }
}

V1Switch(Parse(), Verify(), Ig(), Eg(), Sums(), Deparse()) main;
