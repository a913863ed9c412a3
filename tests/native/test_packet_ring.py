"""Packet sockets over veth in fresh namespaces: frames, TCP with offload, tags, jumbo frames, links that go
away."""

from __future__ import annotations

import os
import queue
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from emulator.switch.ports import Interface, parse_impairments
from emulator.switch.queues import QueueSettings
from emulator.switch.runner import Runner, RunnerError
from emulator.switch.switch import Switch
from tests.native.netns import ip, quiet, run_isolated, veth_pairs
from tests.native.test_ports import Cross, read_pcap
from tests.switch.programs import Builder, assign, const, op, sm

pytestmark = pytest.mark.root
ETH_P_ALL = 3


def raw_socket(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.bind((interface, ETH_P_ALL))
    sock.settimeout(5)
    return sock


def frame(payload: bytes, ethertype: int = 0x88B5) -> bytes:
    return bytes([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]) + struct.pack("!H", ethertype) + payload


def two_ports(**options: Any) -> Runner:
    return Runner({0: Interface("s0", **options), 1: Interface("s1", **options)})


def check_frames() -> None:
    veth_pairs(2)
    with two_ports() as runner, raw_socket("h0") as a, raw_socket("h1") as b:
        runner.set_pipeline(Cross({0: 1, 1: 0}))
        sent = [frame(os.urandom(46 + i * 13 % 1440)) for i in range(2000)]
        for i in range(0, 2000, 50):
            for data in sent[i : i + 50]:
                a.send(data)
            assert [b.recv(2048) for _ in range(50)] == sent[i : i + 50]
        b.send(frame(b"back" * 20))
        assert a.recv(2048) == frame(b"back" * 20)
        stats = runner.stats()
        assert (stats[0]["rx_packets"], stats[1]["tx_packets"]) == (2000, 2000)
        assert stats[0]["rx_bytes"] == sum(map(len, sent)) and stats[0]["drops"] == {}
        assert runner.problems() == []


def test_frames_cross_unchanged_and_in_order() -> None:
    run_isolated(check_frames)


def check_tags() -> None:
    veth_pairs(2)
    tagged = frame(struct.pack("!HH", 0x6123, 0x88B5) + b"t" * 60, 0x8100)
    service = frame(struct.pack("!HHHH", 7, 0x8100, 8, 0x88B5) + b"q" * 60, 0x88A8)

    class Record:
        def __init__(self) -> None:
            self.seen: queue.Queue[bytes] = queue.Queue()

        def send(self, port: int, data: bytes) -> list[tuple[int, bytes]]:
            self.seen.put(data)
            return [(1, data)]

    record = Record()
    with two_ports() as runner, raw_socket("h0") as a:
        runner.set_pipeline(record)
        for data in (tagged, service):
            a.send(data)
            assert record.seen.get(timeout=5) == data


def test_vlan_tags_are_part_of_the_packet() -> None:
    run_isolated(check_tags)


def check_jumbo() -> None:
    veth_pairs(2)
    for name in ("s0", "h0", "s1", "h1"):
        ip(f"link set {name} mtu 9000")
    with two_ports() as runner, raw_socket("h0") as a, raw_socket("h1") as b:
        runner.set_pipeline(Cross({0: 1}))
        a.send(frame(b"j" * 8990))
        assert b.recv(10000) == frame(b"j" * 8990)
        ip("link set s1 mtu 1500")
        a.send(frame(b"j" * 8990))
        a.send(frame(b"small" * 10))
        assert b.recv(10000) == frame(b"small" * 10)
        assert runner.stats()[1]["drops"] == {"tx_too_long": 1}


def test_jumbo_frames_and_a_smaller_mtu_behind() -> None:
    run_isolated(check_jumbo)


def in_host(interface: str, address: str, body: Callable[[], None]) -> threading.Thread:
    """Runs body in a namespace of its own that holds the interface; returns the thread, already under way."""
    ready, moved = queue.Queue[int](), threading.Event()

    def work() -> None:
        ready.put(threading.get_native_id())
        assert moved.wait(10)
        ip(f"addr add {address} dev {interface}")
        quiet(interface)
        body()

    thread = threading.Thread(target=lambda: run_isolated(work), daemon=True)
    thread.start()
    ip(f"link set {interface} netns {ready.get(timeout=10)}")
    moved.set()
    return thread


class Paced:
    """A switch between ports 0 and 1 whose packets pass a queue: they go through Python, one by one."""

    def __init__(self) -> None:
        build = Builder()
        build.run("in", [assign(sm("egress_spec"), op("-", const(1), sm("ingress_port")))])
        build.state("start", [])
        self.switch = Switch.load(build.json(), queues=QueueSettings(rate_pps=1_000_000, depth=1 << 20))


def check_tcp(text: str | None, megabytes: int, paced: bool = False) -> None:
    veth_pairs(2)
    listening, received = threading.Event(), []
    data = os.urandom(1 << 20)

    def serve() -> None:
        with socket.create_server(("10.9.0.2", 5001)) as server:
            server.settimeout(20)
            listening.set()
            connection, _ = server.accept()
            connection.settimeout(20)
            while chunk := connection.recv(1 << 20):
                received.append(chunk)
            connection.sendall(b"got it")
            connection.close()

    def send() -> None:
        assert listening.wait(10)
        with socket.create_connection(("10.9.0.2", 5001), timeout=20) as client:
            for _ in range(megabytes):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b"got it"

    impair = parse_impairments(text) if text else None
    with Runner({0: Interface("s0"), 1: Interface("s1")}, impair=impair) as runner:
        runner.set_pipeline(Paced().switch if paced else Cross({0: 1, 1: 0}))
        server = in_host("h1", "10.9.0.2/24", serve)
        client = in_host("h0", "10.9.0.1/24", send)
        client.join(60)
        server.join(60)
        assert b"".join(received) == data * megabytes
        stats = runner.stats()
        if text is None:
            # one host's first words may come before the other's link is up
            assert set(stats[0]["drops"]) | set(stats[1]["drops"]) <= {"tx_link_down"}
        if paced:
            assert stats[1]["tx_packets"] > megabytes * (1 << 20) / 1448, "super-frames are cut where packets queue"
        elif text is None:
            # Super-frames travel whole: far fewer packets than segments of 1500 bytes.
            assert stats[0]["rx_packets"] < megabytes * (1 << 20) / 1448 / 2


@pytest.mark.parametrize("impair", [None, "loss=0.005,dup=0.01,reorder=0.01,seed=5"])
def test_tcp_passes_with_its_offload(impair: str | None) -> None:
    run_isolated(check_tcp, impair, 40 if impair is None else 4)


def test_tcp_passes_a_queue_cut_into_segments() -> None:
    run_isolated(check_tcp, None, 2, True)


def check_down() -> None:
    veth_pairs(2)
    with two_ports() as runner, raw_socket("h0") as a, raw_socket("h1") as b:
        runner.set_pipeline(Cross({0: 1}))
        ip("link set s1 down")
        a.send(frame(b"n" * 60))
        while not runner.stats()[1]["drops"]:
            time.sleep(0)
        assert list(runner.stats()[1]["drops"]) == ["tx_link_down"]
        assert runner.problems() == ['port 1: interface "s1" is down']
        ip("link set s1 up")
        a.send(frame(b"again" * 12))
        assert b.recv(2048) == frame(b"again" * 12)
        ip("link del s1")
        while runner.problems() != ['port 1: interface "s1" no longer exists']:
            time.sleep(0)
        a.send(frame(b"n" * 60))
        while runner.stats()[1]["drops"].get("tx_link_down", 0) < 2:
            time.sleep(0)
        assert runner.running


def test_a_link_that_goes_down_comes_back_and_disappears() -> None:
    run_isolated(check_down)


def check_slow_link() -> None:
    veth_pairs(2)
    command = "tc qdisc add dev s1 root tbf rate 20mbit burst 5kb limit 400kb"
    subprocess.run(command.split(), check=True)
    with two_ports() as runner, raw_socket("h0") as a, raw_socket("h1") as b:
        runner.set_pipeline(Cross({0: 1}))
        sent = [frame(struct.pack("!I", i) + bytes(1000)) for i in range(600)]
        for data in sent:
            a.send(data)
        assert [b.recv(2048) for _ in sent] == sent
        assert runner.stats()[1]["drops"] == {}


def test_a_slow_link_delays_and_loses_nothing_that_fits_the_queue() -> None:
    run_isolated(check_slow_link)


def check_pcap_log(folder: Any) -> None:
    veth_pairs(2)
    ports = {
        0: Interface("s0", pcap_in=folder / "in.pcap"),
        1: Interface("s1", pcap_out=folder / "out.pcap"),
    }
    with Runner(ports) as runner, raw_socket("h0") as a, raw_socket("h1") as b:
        runner.set_pipeline(Cross({0: 1}))
        sent = [frame(os.urandom(60)) for _ in range(10)]
        for data in sent:
            a.send(data)
            b.recv(2048)
    assert list(read_pcap(folder / "in.pcap")) == list(read_pcap(folder / "out.pcap")) == sent


def test_ports_are_logged(tmp_path: Any) -> None:
    run_isolated(check_pcap_log, tmp_path)


def check_bad_interfaces() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for name, sentence in (("none0", '"none0" does not exist'), ("n" * 20, "no interface name")):
        with pytest.raises(RunnerError, match=sentence):
            Runner({0: Interface("lo"), 1: Interface(name)})
    ip("tuntap add dev tun0 mode tun")
    with pytest.raises(RunnerError, match='"tun0" does not carry Ethernet'):
        Runner({0: Interface("tun0")})
    assert len(os.listdir("/proc/self/fd")) == before


def test_wrong_interfaces_are_one_sentence() -> None:
    run_isolated(check_bad_interfaces)
