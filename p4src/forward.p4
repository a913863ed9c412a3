// Plain layer 2 for everything that is not FPISA's, so the hosts' ARP, TCP and the controller's own traffic
// work beside it.
#ifndef FORWARD_P4
#define FORWARD_P4
#include "headers.p4"

control Forward(in mac_t destination, out fate_t fate, out port_t port, out group_t group) {
    action to_port(port_t egress) {
        fate = fate_t.forwarded;
        port = egress;
    }
    action flood(group_t flood_group) {
        fate = fate_t.flooded;
        group = flood_group;
    }
    action unknown() { fate = fate_t.unknown; }
    table hosts {
        key = { destination : exact @name("destination"); }
        actions = { to_port; flood; unknown; }
        default_action = unknown();
        size = MAX_HOSTS;
    }

    apply {
        fate = fate_t.unknown;
        port = 0;
        group = 0;
        hosts.apply();
    }
}

#endif
