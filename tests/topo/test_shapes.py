"""Topologies as data: shapes, routes, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emulator.topo.shapes import star, two_racks
from emulator.topo.spec import End, Link, TopologyError, attachment, check, fabric_file, forwarding


def test_star_puts_host_n_on_port_n() -> None:
    topology = star(4, 200)
    assert [attachment(topology, f"h{n}") for n in range(1, 5)] == [End("s1", n) for n in range(1, 5)]
    assert {link.rate_mbit for link in topology.links} == {200}
    assert forwarding(topology, "s1") == {"h1": 1, "h2": 2, "h3": 3, "h4": 4}


def test_racks_route_over_the_spine() -> None:
    topology = two_racks(5)
    assert forwarding(topology, "s1") == {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 4}
    assert forwarding(topology, "s2") == {"h1": 3, "h2": 3, "h3": 3, "h4": 1, "h5": 2}
    assert forwarding(topology, "s3") == {"h1": 1, "h2": 1, "h3": 1, "h4": 2, "h5": 2}


def test_racks_as_their_controller_knows_them() -> None:
    known = fabric_file(two_racks(5), {"s1": "a:1", "s2": "a:2", "s3": "a:3"})
    ups = [(s["name"], s["address"], s.get("parent"), s.get("uplink"), s.get("parent_port")) for s in known["switches"]]
    assert ups == [("s1", "a:1", "s3", 4, 1), ("s2", "a:2", "s3", 3, 2), ("s3", "a:3", None, None, None)]
    assert [(h["switch"], h["port"]) for h in known["hosts"]] == [("s1", 1), ("s1", 2), ("s1", 3), ("s2", 1), ("s2", 2)]
    assert len({s["mac"] for s in known["switches"]} | {h["mac"] for h in known["hosts"]}) == 8
    with pytest.raises(TopologyError, match="no way up"):
        fabric_file(replace(two_racks(4), links=two_racks(4).links[:-1]), dict.fromkeys(("s1", "s2", "s3"), ""))


def test_addresses_are_unlike_each_other() -> None:
    topology = star(32)
    assert len({host.ip for host in topology.hosts} | {host.mac for host in topology.hosts}) == 64
    assert topology.host("h32").ip == "10.0.0.32"
    assert topology.host("h32").mac == "02:00:00:00:00:20"


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: star(0), "1 to 128 hosts, not 0"),
        (lambda: star(129), "not 129"),
        (lambda: star(2, 0), "above 0 Mbit/s, not 0"),
        (lambda: star(2, float("nan")), "above 0 Mbit/s"),
        (lambda: star(2, cpu=1.5), "at most 1, not 1.5"),
        (lambda: two_racks(1), "at least 2 hosts"),
    ],
)
def test_what_cannot_be_is_one_sentence(make, words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        make()


def test_faults_in_a_hand_made_topology() -> None:
    topology = star(2)
    first, second = topology.hosts
    faults = {
        "MAC address": replace(topology, hosts=(first, replace(second, mac=first.mac))),
        "IP address": replace(topology, hosts=(first, replace(second, ip=first.ip))),
        "node name": replace(topology, hosts=(first, replace(second, name="h1"))),
        "port s1:1 is used twice": replace(topology, links=topology.links + (Link(End("s1", 1), End("h2", 1)),)),
        "node h9": replace(topology, links=topology.links + (Link(End("s1", 7), End("h9", 0)),)),
        "exactly one link": replace(topology, links=topology.links[:1]),
    }
    for words, broken in faults.items():
        with pytest.raises(TopologyError, match=words):
            check(broken)
