"""Several switches in a tree: who hangs where, and a job's part at each of them. Pure: no sockets.

{"switches": [{"name": "s3", "mac": ..., "ip": ..., "address": "127.0.0.1:9559", "device_id": 3},
              {"name": "s1", ..., "parent": "s3", "uplink": 3, "parent_port": 1}, ...],
 "hosts": [{"name": "h1", "ip": "10.0.0.1", "mac": "02:00:00:00:00:01", "switch": "s1", "port": 1}, ...]}

`uplink` is a switch's port to its parent, `parent_port` the parent's port to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .hosts import Host, Hosts, read_json
from .session import Member, WireError


@dataclass(frozen=True)
class Site:
    """A switch: its addresses, its P4Runtime server, and where its parent is. A root has no parent."""

    name: str
    mac: str
    ip: str
    address: str
    device_id: int
    parent: str | None = None
    uplink: int = 0
    parent_port: int = 0


@dataclass(frozen=True)
class Child:
    """Who contributes to a switch: a worker, or a switch below. rank: on the wire there."""

    rank: int
    port: int
    mac: str
    ip: str
    udp_port: int = 0
    switch: str | None = None  # its name; None: a worker


@dataclass(frozen=True)
class Post:
    """A job's part at one switch. parent None: the sums are finished here. rank: the switch's own at the parent."""

    switch: str
    first_slot: int
    children: tuple[Child, ...]
    parent: str | None = None
    rank: int = 0


@dataclass(frozen=True)
class Fabric:
    sites: Mapping[str, Site]
    by_ip: Mapping[str, Host]  # a host's port is that of its own switch

    def find(self, ip: str) -> Host | None:
        return self.by_ip.get(ip)

    def chain(self, switch: str) -> list[str]:
        """The switch, its parent, and so on up to the root."""
        names = [switch]
        while (parent := self.sites[names[-1]].parent) is not None:
            names.append(parent)
        return names

    def hosts_of(self, switch: str) -> Hosts:
        """The network as one switch sees it: for every host the port towards it."""
        site = self.sites[switch]
        seen = {ip: _seen_from(self, switch, host) for ip, host in self.by_ip.items()}
        return Hosts(site.mac, site.ip, seen)


def _seen_from(fabric: Fabric, switch: str, host: Host) -> Host:
    chain = fabric.chain(host.switch)
    if host.switch == switch:
        port = host.port
    elif switch in chain:
        port = fabric.sites[chain[chain.index(switch) - 1]].parent_port
    else:
        port = fabric.sites[switch].uplink
    return Host(host.name, host.ip, host.mac, port, switch)


def meeting(fabric: Fabric, switches: Iterable[str]) -> str:
    """The lowest switch that all of `switches` have above them, or are."""
    chains = [fabric.chain(switch) for switch in switches]
    return next(name for name in chains[0] if all(name in chain for chain in chains))


def outline(fabric: Fabric, members: Iterable[Member]) -> dict[str, Post]:
    """A job's part at each switch it needs, children before parents, all with first slot 0.

    A switch below takes the lowest rank of the workers under it: no other child of the same parent can have it."""
    members = list(members)
    home = {member.rank: fabric.by_ip[member.host].switch for member in members}
    root = meeting(fabric, home.values())
    children: dict[str, list[Child]] = {}
    for member in members:
        worker = Child(member.rank, member.port, member.mac, member.host, member.udp_port)
        children.setdefault(home[member.rank], []).append(worker)
    posts: dict[str, Post] = {}
    used = {name for switch in home.values() for name in _up_to(fabric, switch, root)}
    for name in sorted(used, key=lambda name: (-len(fabric.chain(name)), name)):  # the deepest first
        below = sorted(children[name], key=lambda child: child.rank)
        parent = None if name == root else fabric.sites[name].parent
        posts[name] = Post(name, 0, tuple(below), parent, below[0].rank)
        if parent is not None:
            site = fabric.sites[name]
            child = Child(below[0].rank, site.parent_port, site.mac, site.ip, switch=name)
            children.setdefault(parent, []).append(child)
    return posts


def _up_to(fabric: Fabric, switch: str, root: str) -> list[str]:
    chain = fabric.chain(switch)
    return chain[: chain.index(root) + 1]


def from_dict(raw: Any, name: str = "fabric") -> Fabric:
    """Check the content of a fabric file; ValueError, one sentence, names the culprit."""
    if not isinstance(raw, dict) or not all(isinstance(raw.get(key), list) for key in ("switches", "hosts")):
        raise ValueError(f"{name}: expected an object with the lists 'switches' and 'hosts'")
    sites: dict[str, Site] = {}
    for index, item in enumerate(raw["switches"]):
        site = _site(item, f"{name}: switch {index}")
        if site.name in sites:
            raise ValueError(f"{name}: there are two switches called {site.name}")
        sites[site.name] = site
    _check_tree(sites, name)
    by_ip: dict[str, Host] = {}
    for index, item in enumerate(raw["hosts"]):
        host = _host(item, f"{name}: host {index}")
        if host.switch not in sites:
            raise ValueError(f"{name}: host {index} hangs on switch {host.switch!r}, which is not in the file")
        if host.ip in by_ip:
            raise ValueError(f"{name}: host {index}: {host.ip} is also {by_ip[host.ip].name}")
        by_ip[host.ip] = host
    return Fabric(sites, by_ip)


def _check_tree(sites: Mapping[str, Site], name: str) -> None:
    for site in sites.values():
        if site.parent is not None and site.parent not in sites:
            raise ValueError(f"{name}: the parent of {site.name}, {site.parent!r}, is not in the file")
        above, passed = site.parent, {site.name}
        while above is not None:
            if above in passed:
                raise ValueError(f"{name}: switch {site.name} is above itself")
            passed.add(above)
            above = sites[above].parent
    roots = [site.name for site in sites.values() if site.parent is None]
    if len(roots) != 1:
        raise ValueError(f"{name}: exactly one switch has no parent, not {len(roots)}: {', '.join(roots) or 'none'}")


def _checked(item: Any, where: str, port: Any) -> Member:
    """mac, ip and a port number of an object, checked as a worker's are."""
    if not isinstance(item, dict):
        raise ValueError(f"{where} is not an object")
    try:
        return Member.read({"mac": item.get("mac"), "host": item.get("ip"), "port": port, "rank": 0, "udp_port": 1})
    except WireError as error:
        raise ValueError(f"{where}: {error}") from None


def _host(item: Any, where: str) -> Host:
    checked = _checked(item, where, item.get("port") if isinstance(item, dict) else None)
    return Host(str(item.get("name", checked.host)), checked.host, checked.mac, checked.port, str(item.get("switch")))


def _site(item: Any, where: str) -> Site:
    checked = _checked(item, where, 0)
    name, address, device = item.get("name"), item.get("address"), item.get("device_id", 0)
    if not isinstance(name, str) or not name or not isinstance(address, str) or not isinstance(device, int):
        raise ValueError(f"{where} needs a 'name', an 'address' and a whole number 'device_id'")
    if item.get("parent") is None:
        return Site(name, checked.mac, checked.host, address, device)
    uplink = _checked(item, f"{where}, 'uplink'", item.get("uplink")).port
    parent_port = _checked(item, f"{where}, 'parent_port'", item.get("parent_port")).port
    return Site(name, checked.mac, checked.host, address, device, str(item["parent"]), uplink, parent_port)


def read(path: str | Path) -> Fabric:
    """Raises OSError or ValueError."""
    return from_dict(read_json(path), str(path))
