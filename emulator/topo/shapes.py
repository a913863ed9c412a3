"""The shapes a network comes in; each returns a checked Topology."""

from __future__ import annotations

from collections.abc import Callable

from emulator.topo.spec import (
    End,
    Host,
    Link,
    Switch,
    Topology,
    TopologyError,
    check,
    host_address,
    host_mac,
)

MAX_HOSTS = 128  # of one job: see MAX_WORKERS of p4src/config.p4


def hosts_numbered(count: int, cpu: float | None) -> tuple[Host, ...]:
    if not 1 <= count <= MAX_HOSTS:
        raise TopologyError(f"a network has 1 to {MAX_HOSTS} hosts, not {count}")
    return tuple(Host(f"h{n}", host_address(n), host_mac(n), cpu) for n in range(1, count + 1))


def star(hosts: int, rate_mbit: float | None = None, *, cpu: float | None = None, impair: str = "") -> Topology:
    """One switch; host n on its port n."""
    members = hosts_numbered(hosts, cpu)
    links = tuple(Link(End(host.name, 0), End("s1", port), rate_mbit) for port, host in enumerate(members, 1))
    return check(Topology("star", members, (Switch("s1", 1, impair),), links))


def two_racks(hosts: int, rate_mbit: float | None = None, *, cpu: float | None = None, impair: str = "") -> Topology:
    """Leaves s1 and s2 with half of the hosts each, under spine s3, the root; a leaf's uplink is its last port."""
    if hosts < 2:
        raise TopologyError(f"two racks need at least 2 hosts, not {hosts}")
    members = hosts_numbered(hosts, cpu)
    first = (hosts + 1) // 2
    switches = tuple(Switch(f"s{n}", n, impair) for n in (1, 2, 3))
    links = []
    for spine_port, (leaf, rack) in enumerate((("s1", members[:first]), ("s2", members[first:])), 1):
        links += [Link(End(h.name, 0), End(leaf, port), rate_mbit) for port, h in enumerate(rack, 1)]
        links.append(Link(End(leaf, len(rack) + 1), End("s3", spine_port), rate_mbit))
    return check(Topology("racks", members, switches, tuple(links), root="s3"))


SHAPES: dict[str, Callable[..., Topology]] = {"star": star, "racks": two_racks}
