"""A network as data: hosts, switches, links. Nothing here touches the machine."""

from __future__ import annotations

import ipaddress
from collections import deque
from dataclasses import dataclass
from typing import Any


class TopologyError(Exception):
    """A sentence for the user: the network asked for cannot be, or could not be built."""


@dataclass(frozen=True)
class Host:
    """A worker's machine: one network namespace with one interface, `eth0`."""

    name: str
    ip: str  # dotted quad, in NETWORK
    mac: str
    cpu: float | None = None  # share of all CPUs, 0 < cpu <= 1; None: no limit


@dataclass(frozen=True)
class Switch:
    name: str
    device_id: int  # P4Runtime's
    impair: str = ""  # the switch's own --impair, such as "in:loss=0.01,seed=7"


@dataclass(frozen=True)
class End:
    node: str
    port: int  # switch port, from 1; 0 on a host


@dataclass(frozen=True)
class Link:
    a: End
    b: End
    rate_mbit: float | None = None  # each direction; None: as fast as the machine


@dataclass(frozen=True)
class Topology:
    name: str
    hosts: tuple[Host, ...]
    switches: tuple[Switch, ...]
    links: tuple[Link, ...]
    root: str = ""  # the switch at the top of a tree of several

    def host(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)

    def ends(self, node: str) -> list[tuple[End, End, Link]]:
        """(own end, far end, link) of each link at `node`, by port number."""
        found = [(link.a, link.b, link) for link in self.links if link.a.node == node]
        found += [(link.b, link.a, link) for link in self.links if link.b.node == node]
        return sorted(found, key=lambda row: row[0].port)


NETWORK = ipaddress.ip_network("10.0.0.0/24")


def host_address(number: int) -> str:
    """IP address of the host with this number, from 1."""
    return str(NETWORK.network_address + number)


def host_mac(number: int) -> str:
    """A locally administered MAC address, readable in a trace: 02:00:00:00:00:NN."""
    return f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"


def attachment(topology: Topology, host: str) -> End:
    """The switch and the port on it that `host` hangs on."""
    return topology.ends(host)[0][1]


SWITCH_IP = str(NETWORK.broadcast_address - 1)
SWITCH_MAC = "02:00:00:00:00:fe"


def switch_address(switch: Switch) -> tuple[str, str]:
    """(MAC, IP) of one switch among several."""
    return f"02:00:00:00:fe:{switch.device_id:02x}", str(NETWORK.network_address + 200 + switch.device_id)


def fabric_file(topology: Topology, servers: dict[str, str]) -> dict[str, Any]:
    """What the controller of all switches must know: the tree they form, and where each host is. servers: P4Runtime
    addresses by switch name."""
    switches = []
    for switch in topology.switches:
        mac, ip = switch_address(switch)
        entry = {"name": switch.name, "mac": mac, "ip": ip, "address": servers[switch.name], "device_id": switch.device_id}
        switches.append(entry | _uplink(topology, switch.name))
    ends = {host.name: attachment(topology, host.name) for host in topology.hosts}
    hosts = [
        {"name": h.name, "ip": h.ip, "mac": h.mac, "switch": ends[h.name].node, "port": ends[h.name].port}
        for h in topology.hosts
    ]
    return {"switches": switches, "hosts": hosts}


def _uplink(topology: Topology, switch: str) -> dict[str, Any]:
    """Where the link towards the root is; nothing for the root itself."""
    if switch == topology.root:
        return {}
    below = {switch}
    queue = deque([(topology.root, "")])
    while queue:  # the first to reach `switch` on the way down is its parent
        node, came_from = queue.popleft()
        for own, far, _ in topology.ends(node):
            if far.node in below:
                return {"parent": node, "uplink": far.port, "parent_port": own.port}
            if far.node != came_from:
                queue.append((far.node, node))
    raise TopologyError(f"switch {switch} has no way up to {topology.root or 'a root: none is named'}")


def hosts_file(topology: Topology, switch: str) -> dict[str, Any]:
    """What the controller of `switch` must know of the network: its own addresses, and each host's port."""
    routes = forwarding(topology, switch)
    hosts = [{"name": h.name, "ip": h.ip, "mac": h.mac, "port": routes[h.name]} for h in topology.hosts]
    return {"switch": {"mac": SWITCH_MAC, "ip": SWITCH_IP}, "hosts": hosts}


def rack_sizes(topology: Topology) -> tuple[int, ...]:
    """Hosts at each switch that has any, in the order of ranks."""
    homes = [attachment(topology, host.name).node for host in topology.hosts]
    return tuple(homes.count(name) for name in dict.fromkeys(homes))


def forwarding(topology: Topology, switch: str) -> dict[str, int]:
    """Host name -> the port of `switch` on a shortest path to it."""
    routes: dict[str, int] = {}
    seen = {switch}
    queue: deque[tuple[str, int | None]] = deque([(switch, None)])
    hosts = {host.name for host in topology.hosts}
    while queue:
        node, first_port = queue.popleft()
        for own, far, _ in topology.ends(node):
            if far.node in seen:
                continue
            seen.add(far.node)
            port = own.port if first_port is None else first_port
            if far.node in hosts:
                routes[far.node] = port
            else:
                queue.append((far.node, port))
    return routes


def check(topology: Topology) -> Topology:
    """Returns `topology`; raises TopologyError if a name, an address or a port is used twice or unknown."""
    names = [host.name for host in topology.hosts] + [switch.name for switch in topology.switches]
    once("node name", names)
    once("IP address", [host.ip for host in topology.hosts])
    once("MAC address", [host.mac for host in topology.hosts])
    once("device id", [str(switch.device_id) for switch in topology.switches])
    ends = [end for link in topology.links for end in (link.a, link.b)]
    once("port", [f"{end.node}:{end.port}" for end in ends])
    for end in ends:
        if end.node not in names:
            raise TopologyError(f"a link names the node {end.node}, which is not in the network")
    for link in topology.links:
        if link.rate_mbit is not None and not link.rate_mbit > 0:
            raise TopologyError(f"a link's rate must be above 0 Mbit/s, not {link.rate_mbit:g}")
    for host in topology.hosts:
        if (links := len(topology.ends(host.name))) != 1:
            raise TopologyError(f"host {host.name} must have exactly one link, not {links}")
        if host.cpu is not None and not 0 < host.cpu <= 1:
            raise TopologyError(f"a host's CPU share must be above 0 and at most 1, not {host.cpu:g}")
    return topology


def once(what: str, values: list[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise TopologyError(f"{what} {value} is used twice")
        seen.add(value)
