"""A real switch between ports: queues in real time, links that come and go, captures; on both engines."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from emulator.switch.control import Place
from emulator.switch.pcap import read_pcap, write_pcap
from emulator.switch.ports import Interface, Pcap, Queue
from emulator.switch.queues import QueueSettings
from emulator.switch.runner import Runner
from emulator.switch.switch import Switch
from tests.native.netns import ip, run_isolated, veth_pairs
from tests.switch.programs import Builder, assign, field, sm

ENGINES = ["interp", "jit"]


def to_port() -> Builder:
    """Header h: egress port, priority, 48 bits for the time when it left the queue."""
    build = Builder()
    build.header("h", [("port", 8), ("priority", 8), ("left", 48)])
    build.extract("h")
    build.run("in", [assign(sm("egress_spec"), field("h", "port")), assign(sm("priority"), field("h", "priority"))])
    build.run("eg", [assign(field("h", "left"), sm("egress_global_timestamp"))], pipeline="egress")
    return build


def frame(port: int, priority: int = 0, mark: int = 0) -> bytes:
    return bytes([port, priority, 0, 0, 0, 0, 0, 0, mark]) + bytes(60)


def gaps(packets: list[bytes | None]) -> list[int]:
    """Microseconds between departures."""
    left = [int.from_bytes(packet[2:8], "big") for packet in packets if packet]
    return [b - a for a, b in pairwise(left)]


@pytest.mark.parametrize("engine", ENGINES)
def test_queues_in_real_time(engine: str) -> None:
    """Packets leave 2 ms apart at least, the urgent one out of turn; then the port is quick again."""
    switch = Switch.load(to_port().json(), engine=engine, queues=QueueSettings(priorities=2))  # type: ignore[arg-type]
    with Runner({0: Queue(), 1: Queue()}, clock=switch.clock) as runner:
        runner.set_pipeline(switch)
        switch.control.queues.set(1, rate_pps=500)
        for mark in range(19):
            runner.inject(0, frame(1, 0, mark))
        runner.inject(0, frame(1, 1, 99))
        found = [runner.take(1, 10) for _ in range(20)]
        assert all(gap >= 2000 for gap in gaps(found)) and len(gaps(found)) == 19
        marks = [packet[8] for packet in found if packet]
        assert sorted(marks) == [*range(19), 99] and [m for m in marks if m != 99] == list(range(19))
        switch.control.queues.set(1, rate_pps=0)
        runner.inject(0, frame(1, 0, 5))
        packet = runner.take(1, 10)
        assert packet is not None and packet[8] == 5


def selector() -> Builder:
    """Every packet to a member of a group, chosen by its first byte."""
    build = Builder()
    build.header("h", [("a", 8)])
    build.extract("h")
    build.action("out", [assign(sm("egress_spec"), {"type": "runtime_data", "value": 0})], [("port", 9)])
    build.table("t", [("exact", "h", "$valid$")], ["out"], type="indirect_ws", action_profile="p")
    build.pipelines["ingress"]["action_profiles"].append(
        {"name": "p", "id": 0, "max_size": 16, "selector": {"algo": "identity", "input": [field("h", "a")]}}
    )
    return build


def watched(engine: str) -> tuple[Switch, threading.Event]:
    """Members for ports 1 and 2 that watch them, and an event for each time the groups change."""
    switch = Switch.load(selector().json(), engine=engine)  # type: ignore[arg-type]
    profile = switch.control.action_profiles["p"]
    members = [profile.add_member("out", (port,)) for port in (1, 2)]
    group = profile.add_group([Place(m, 1, port) for m, port in zip(members, (1, 2))])
    switch.control.tables["t"].insert_group((1,), group)
    changed = threading.Event()
    switch.control.listeners.append(lambda changes: changed.set())
    return switch, changed


@pytest.mark.parametrize("engine", ENGINES)
def test_members_that_watch_a_port_that_is_down_take_no_packets(engine: str) -> None:
    switch, _ = watched(engine)
    packets = [(0, bytes([n])) for n in range(8)]

    def ports() -> list[int]:
        single = [port for packet in packets for port, _ in switch.send(*packet)]
        assert [port for port, _ in switch.send_batch(packets)] == single
        return single

    assert ports() == [1, 2] * 4
    switch.control.set_port(2, False)
    assert ports() == [1] * 8
    switch.control.set_port(1, False)
    assert ports() == [0] * 8, "nobody is left: as a miss"
    switch.control.set_port(2, True)
    assert ports() == [2] * 8
    switch.control.set_port(1, True)
    assert ports() == [1, 2] * 4


def check_links(engine: str) -> None:
    veth_pairs(3)
    switch, changed = watched(engine)
    ports = {number: Interface(f"s{number}") for number in range(3)}
    with Runner(ports, clock=switch.clock) as runner:
        runner.set_pipeline(switch)

        def after(command: str, down: set[int]) -> None:
            while switch.control.ports_down != down:
                changed.clear()
                if command:
                    ip(command)
                    command = ""
                if switch.control.ports_down != down:
                    assert changed.wait(10), f"not heard of: {down}"

        after("link set s1 down", {1})
        after("link set s1 up", set())
        after("link set h2 down", {2})  # no carrier
        after("link set h2 up", set())
        after("link del s1", {1})


@pytest.mark.root
@pytest.mark.parametrize("engine", ENGINES)
def test_links_are_followed_without_being_asked(engine: str) -> None:
    run_isolated(check_links, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_captures_in_and_out_of_every_port(engine: str, tmp_path: Path) -> None:
    """Two ports read a file each; every packet leaves by the port it names, in the order of its own file."""
    build = to_port()
    switch = Switch.load(build.json(), engine=engine)  # type: ignore[arg-type]
    sent: dict[int, list[bytes]] = {}
    for port in (0, 1):
        sent[port] = [frame(n % 3, 0, 100 * port + n) for n in range(60)]
        write_pcap(tmp_path / f"{port}_in.pcap", sent[port])
    ports: dict[int, Any] = {n: Pcap(tmp_path / f"{n}_in.pcap", tmp_path / f"{n}_out.pcap") for n in (0, 1)}
    ports[2] = Pcap(write=tmp_path / "2_out.pcap")
    runner = Runner(ports, clock=switch.clock)
    runner.set_pipeline(switch)
    runner.start()
    while sum(stats["tx_packets"] for stats in runner.stats().values()) < 120:
        pass
    runner.close()
    for port in range(3):
        out = [packet.data for packet in read_pcap(tmp_path / f"{port}_out.pcap")]
        for source in (0, 1):
            assert [p[8:] for p in out if p[8] // 100 == source] == [p[8:] for p in sent[source] if p[0] == port]


def test_a_queue_delays_what_a_capture_brings(tmp_path: Path) -> None:
    """Queues and files together: a rate holds for capture ports, too."""
    switch = Switch.load(to_port().json(), queues=QueueSettings(rate_pps=2000, depth=100))
    write_pcap(tmp_path / "in.pcap", [frame(1, 0, n) for n in range(40)])
    ports = {0: Pcap(tmp_path / "in.pcap"), 1: Pcap(write=tmp_path / "out.pcap")}
    runner = Runner(ports, clock=switch.clock)
    runner.set_pipeline(switch)
    runner.start()
    while runner.stats()[1]["tx_packets"] < 40:
        pass
    runner.close()
    out = list(read_pcap(tmp_path / "out.pcap"))
    assert [packet.data[8] for packet in out] == list(range(40))
    assert min(gaps([packet.data for packet in out])) >= 500


def test_drop_counts_of_queues_are_events() -> None:
    switch = Switch.load(to_port().json(), queues=QueueSettings(rate_pps=1, depth=1))
    with Runner({0: Queue(), 1: Queue()}, clock=switch.clock) as runner:
        runner.set_pipeline(switch)
        for mark in range(4):
            runner.inject(0, frame(1, 0, mark))
        packet = runner.take(1, 10)
        assert packet is not None and packet[8] == 0
        while switch.events.get("drop_queue_full", 0) < 2:
            pass
