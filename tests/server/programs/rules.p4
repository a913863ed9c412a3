/* What P4Runtime has rules for and the golden programs do not use: translated types, initial entries, colours of meters. */
#include <core.p4>
#include <v1model.p4>

@p4runtime_translation("example.org/port", string)
type bit<9> port_name_t;
@p4runtime_translation("example.org/vlan", bit<32>)
type bit<12> vlan_t;
@p4runtime_translation("example.org/tenant", string)
type bit<4> tenant_t;
enum bit<8> Mood { Calm = 1, Cross = 7 }

@controller_header("packet_in")
header packet_in_t {
    port_name_t port;
    vlan_t vlan;
    bit<3> pad;
}

@controller_header("packet_out")
header packet_out_t {
    port_name_t port;
    bit<7> pad;
}

header frame_t {
    bit<8> kind;
    bit<8> mood;
    tenant_t tenant;
    vlan_t vlan;
}

struct headers_t {
    packet_in_t packet_in;
    packet_out_t packet_out;
    frame_t frame;
}

struct meta_t {
    bit<2> colour;
}

parser Parse(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    state start {
        transition select(std.ingress_port) {
            255: from_controller;
            default: frame;
        }
    }
    state from_controller {
        packet.extract(hdr.packet_out);
        transition frame;
    }
    state frame {
        packet.extract(hdr.frame);
        transition accept;
    }
}

control Verify(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control Ig(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    register<Mood>(4) moods;
    register<bool>(4) flags;
    meter(4, MeterType.packets) pace;
    direct_meter<bit<2>>(MeterType.packets) strict;
    direct_counter(CounterType.packets) hits;
    action_selector(HashAlgorithm.crc16, 64, 8) ways;

    action forward(port_name_t port) {
        std.egress_spec = (bit<9>)port;
    }
    action to(bit<9> port) {
        std.egress_spec = port;
    }
    action group(bit<16> number) {
        std.mcast_grp = number;
    }
    action punt() {
        hdr.packet_in.setValid();
        hdr.packet_in.port = (port_name_t)std.ingress_port;
        hdr.packet_in.vlan = hdr.frame.vlan;
        std.egress_spec = 255;
    }
    action drop() {
        mark_to_drop(std);
    }
    action paced() {
        strict.read(meta.colour);
    }

    table by_kind {
        key = { hdr.frame.kind: ternary @name("kind"); }
        actions = { to; drop; punt; group; }
        entries = {
            (1): to(1);
            const (2): to(2);
            (4 &&& 4): to(3);
        }
        default_action = drop();
        size = 16;
    }
    table by_vlan {
        key = { hdr.frame.vlan: optional @name("vlan"); hdr.frame.kind: exact @name("kind"); }
        actions = { forward; NoAction; }
        size = 16;
    }
    table by_tenant {
        key = { hdr.frame.tenant: exact @name("tenant"); }
        actions = { to; NoAction; }
        size = 32;
    }
    table fixed {
        key = { hdr.frame.kind: exact @name("kind"); }
        actions = { NoAction; }
        const entries = { (1): NoAction(); (2): NoAction(); }
        counters = hits;
    }
    table metered {
        key = { hdr.frame.kind: exact @name("kind"); }
        actions = { paced; NoAction; }
        meters = strict;
        size = 16;
    }
    table spread {
        key = { hdr.frame.kind: exact @name("kind"); hdr.frame.mood: selector; }
        actions = { to; NoAction; }
        implementation = ways;
        size = 16;
    }

    apply {
        if (hdr.packet_out.isValid()) {
            std.egress_spec = (bit<9>)hdr.packet_out.port;
            hdr.packet_out.setInvalid();
            exit;
        }
        by_kind.apply();
        by_vlan.apply();
        by_tenant.apply();
        fixed.apply();
        metered.apply();
        spread.apply();
        pace.execute_meter((bit<32>)hdr.frame.kind & 3, meta.colour);
        if (hdr.frame.mood != 0) {
            moods.write(0, (Mood)hdr.frame.mood);
            flags.write(0, meta.colour == 0);
        }
    }
}

control Eg(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    apply { }
}

control Sums(inout headers_t hdr, inout meta_t meta) {
    apply { }
}

control Deparse(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.packet_in);
        packet.emit(hdr.frame);
    }
}

V1Switch(Parse(), Verify(), Ig(), Eg(), Sums(), Deparse()) main;
