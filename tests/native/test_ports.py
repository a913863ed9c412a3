"""The packet loop: queues, captures, pausing, injection, impairments; no root needed."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.native import lib_and_ffi
from emulator.switch.ports import Interface, Pcap, Queue, parse_impairments
from emulator.switch.runner import Runner, RunnerError


class Cross:
    """fpn_cross as a pipeline: port i's packets go to pairs[i], or to all others below `flood`."""

    def __init__(self, pairs: dict[int, int] | None = None, flood: int = 0) -> None:
        self.lib, self.ffi = lib_and_ffi()
        self.state = self.ffi.new("struct fpn_cross_state *", {"flood": flood})
        for port, to in (pairs or {}).items():
            self.state.to[port] = to

    def native_process(self) -> tuple[int, int]:
        function = self.ffi.addressof(self.lib, "fpn_cross")
        return int(self.ffi.cast("intptr_t", function)), int(self.ffi.cast("intptr_t", self.state))


class Slow:
    """A switch in Python: answers each packet `copies` times on port 1 with its ingress port in front."""

    def __init__(self, copies: int = 1) -> None:
        self.copies = copies

    def send(self, port: int, data: bytes) -> list[tuple[int, bytes]]:
        if data == b"fail":
            raise RuntimeError("a fault of the switch")
        return [(1, bytes([port]) + data)] * self.copies


def take_all(runner: Runner, port: int, n: int) -> list[bytes]:
    found = []
    for _ in range(n):
        packet = runner.take(port, 10)
        assert packet is not None, f"only {len(found)} of {n} packets"
        found.append(packet)
    return found


def test_injected_packets_cross_in_order() -> None:
    with Runner({0: Queue(), 1: Queue()}) as runner:
        runner.set_pipeline(Cross({0: 1, 1: 0}))
        sent = [os.urandom(i % 1500 + 14) for i in range(3000)]
        for data in sent:
            runner.inject(0, data)
        assert take_all(runner, 1, 3000) == sent
        assert runner.take(0) is None
        assert runner.stats()[1]["tx_packets"] == 3000


def test_flood_copies_to_every_other_port() -> None:
    with Runner({i: Queue() for i in range(4)}) as runner:
        runner.set_pipeline(Cross(flood=4))
        runner.inject(2, b"x" * 60)
        for port in (0, 1, 3):
            assert runner.take(port, 5) == b"x" * 60
        runner.emit(2, b"past the pipeline")
        assert runner.take(2, 5) == b"past the pipeline"


def test_longest_packet_passes_and_a_longer_one_is_refused() -> None:
    with Runner({0: Queue(), 1: Queue()}) as runner:
        runner.set_pipeline(Cross({0: 1}))
        runner.inject(0, bytes(66560))
        taken = runner.take(1, 5)
        assert taken is not None and len(taken) == 66560
        with pytest.raises(RunnerError, match="too long"):
            runner.inject(0, bytes(66561))


def test_an_interpreting_switch_works_and_its_fault_costs_one_packet() -> None:
    with Runner({0: Queue(), 1: Queue()}) as runner:
        runner.set_pipeline(Slow())
        runner.inject(7, b"one")
        runner.inject(7, b"fail")
        runner.inject(3, b"two")
        assert take_all(runner, 1, 2) == [b"\7one", b"\3two"]


def test_more_outputs_than_a_batch_holds() -> None:
    with Runner({0: Queue(), 1: Queue(65536)}) as runner:
        runner.set_pipeline(Slow(copies=5000))
        runner.inject(0, b"many")
        assert take_all(runner, 1, 5000) == [b"\0many"] * 5000


def test_no_pipeline_and_no_such_port_are_counted() -> None:
    with Runner({0: Queue()}) as runner:
        runner.inject(0, b"early")
        runner.set_pipeline(Cross({0: 9}))
        while runner.loop_stats()["no_pipeline"] + runner.loop_stats()["no_such_port"] < 1:
            pass
        runner.inject(0, b"lost")
        while runner.loop_stats()["no_pipeline"] + runner.loop_stats()["no_such_port"] < 2:
            pass


def test_pause_holds_packets_back_and_nests() -> None:
    with Runner({0: Queue(), 1: Queue()}) as runner:
        runner.set_pipeline(Cross({0: 1}))
        with runner.paused(), runner.paused():
            runner.inject(0, b"waits")
            assert runner.take(1, 0.05) is None
        assert runner.take(1, 5) == b"waits"


def test_writers_get_in_under_load() -> None:
    stop = threading.Event()
    with Runner({0: Queue(), 1: Queue(8)}) as runner:
        runner.set_pipeline(Cross({0: 1}))

        def flood() -> None:
            while not stop.is_set():
                try:
                    runner.inject(0, bytes(64))
                except RunnerError:
                    pass

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            while not runner.stats()[1]["drops"]:
                pass
            for _ in range(500):
                with runner.paused():
                    pass
        finally:
            stop.set()
            thread.join()


def test_cpu_port_reaches_the_handler() -> None:
    got: list[bytes] = []
    arrived = threading.Event()

    def packet_in(data: bytes) -> None:
        got.append(data)
        arrived.set()

    with Runner({0: Queue()}, cpu_port=510, on_packet_in=packet_in) as runner:
        runner.set_pipeline(Cross({0: 510}))
        runner.inject(0, b"to the controller")
        assert arrived.wait(5)
    assert got == [b"to the controller"]


def test_stop_ends_a_waiting_take() -> None:
    runner = Runner({0: Queue()})
    runner.start()
    result: list[Any] = ["waiting"]
    thread = threading.Thread(target=lambda: result.__setitem__(0, runner.take(0, 60)))
    thread.start()
    runner.stop()
    thread.join(10)
    assert result == [None] and not runner.running
    assert runner.stats()[0]["state"] == "up"
    runner.close()
    runner.close()
    with pytest.raises(RunnerError, match="closed"):
        runner.stats()


# ---- impairments ----


def fates(text: str, n: int = 4000, port: int = 1) -> tuple[list[int], dict[str, Any]]:
    """Numbers of the packets that came out, in order, and the port's statistics."""
    numbers = []
    with Runner({0: Queue(), port: Queue(4 * n)}, impair=parse_impairments(text)) as runner:
        runner.set_pipeline(Cross({0: port}))
        for i in range(n):
            runner.inject(0, struct.pack("!I", i) + bytes(60))
        while (packet := runner.take(port, 0.3)) is not None:
            numbers.append(struct.unpack("!I", packet[:4])[0])
        return numbers, runner.stats()[port]


def near(count: int, n: int, probability: float) -> bool:
    """Within five standard deviations."""
    return abs(count - n * probability) <= 5 * (n * probability * (1 - probability)) ** 0.5


def test_loss_and_duplication_are_as_likely_as_said_and_deterministic() -> None:
    n = 4000
    once, stats = fates("out:loss=0.1,dup=0.05,seed=3", n)
    lost = n - len(set(once))
    assert stats["out_lost"] == lost == stats["drops"]["tx_impaired"] and near(lost, n, 0.1)
    assert stats["out_duplicated"] == len(once) - len(set(once)) and near(stats["out_duplicated"], n, 0.9 * 0.05)
    assert fates("out:loss=0.1,dup=0.05,seed=3", n)[0] == once
    other_seed = set(fates("out:loss=0.1,dup=0.05,seed=4", n)[0])
    other_port = set(fates("out:loss=0.1,dup=0.05,seed=3", n, port=2)[0])
    assert other_seed != set(once) != other_port
    both = n - len(set(once) | other_port)
    assert near(both, n, 0.01), "losses of two receivers are not independent"


def test_reordered_packets_arrive_late_but_arrive() -> None:
    order, stats = fates("out:reorder=0.05,gap=4", 4000)
    assert sorted(order) == list(range(4000))
    assert stats["out_reordered"] > 100
    moved = [abs(at - number) for at, number in enumerate(order)]
    assert 0 < max(moved) <= 8


def test_last_packet_is_not_held_for_ever_and_delay_keeps_order() -> None:
    assert fates("out:reorder=1,gap=100,wait=2ms", 5)[0] == list(range(5))
    order, stats = fates("out:delay=3ms", 200)
    assert order == list(range(200)) and stats["out_delayed"] == 200


def test_impairment_syntax() -> None:
    parsed = parse_impairments("in:loss=0.01,out:dup=0.001,reorder=.5,delay=2ms,seed=0x10")
    assert (parsed.inward.loss, parsed.outward.dup, parsed.outward.reorder) == (0.01, 0.001, 0.5)
    assert (parsed.outward.delay, parsed.inward.dup, parsed.seed) == (2000, 0, 16)
    both = parse_impairments("loss=0.5")
    assert both.inward.loss == both.outward.loss == 0.5
    for bad in ("loss", "loss=2", "loss=x", "up:loss=0", "gap=0", "delay=5m", "seed=-1", "colour=1", "loss=nan"):
        with pytest.raises(ValueError, match="--impair"):
            parse_impairments(bad)


# ---- captures ----


def pcap(packets: list[bytes], order: str = "<") -> bytes:
    head = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack(order + "IIII", 1, 2, len(p), len(p)) + p for p in packets)


def read_pcap(path: Path) -> Iterator[bytes]:
    data, at = path.read_bytes(), 24
    while at < len(data):
        length = struct.unpack("<I", data[at + 8 : at + 12])[0]
        yield data[at + 16 : at + 16 + length]
        at += 16 + length


@pytest.mark.parametrize("order", ["<", ">"])
def test_capture_in_capture_out(tmp_path: Path, order: str) -> None:
    packets = [os.urandom(60 + i) for i in range(200)]
    (tmp_path / "in.pcap").write_bytes(pcap(packets, order) + b"\1\2\3")
    runner = Runner({0: Pcap(tmp_path / "in.pcap"), 1: Pcap(None, tmp_path / "out.pcap")})
    runner.set_pipeline(Cross({0: 1}))
    with runner:
        while runner.stats()[1]["tx_packets"] < 200:
            pass
    assert list(read_pcap(tmp_path / "out.pcap")) == packets


def test_malformed_captures_are_refused_or_end(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pcap"
    for content, sentence in ((b"short", "too short"), (b"x" * 100, "no capture file of Ethernet")):
        bad.write_bytes(content)
        with pytest.raises(RunnerError, match=sentence):
            Runner({0: Pcap(bad)})
    with pytest.raises(RunnerError, match="cannot read"):
        Runner({0: Pcap(tmp_path / "none.pcap")})
    with pytest.raises(RunnerError, match="cannot write"):
        Runner({0: Pcap(None, tmp_path / "no" / "out.pcap")})
    whole = pcap([b"y" * 60])
    bad.write_bytes(whole + struct.pack("<IIII", 1, 2, 0xFFFFFFF0, 60))
    runner = Runner({0: Pcap(bad), 1: Queue()})
    runner.set_pipeline(Cross({0: 1}))
    with runner:
        assert runner.take(1, 5) == b"y" * 60
        while not runner.stats()[0]["drops"]:
            pass
        assert runner.stats()[0]["drops"] == {"rx_truncated": 1}


# ---- errors ----


def test_refusals_are_one_sentence_and_leave_nothing_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    cases: list[tuple[dict[int, Any], str]] = [
        ({70000: Queue()}, "port number 70000 lies outside"),
        ({0: Queue(0)}, "room for at least one packet"),
        ({0: Queue(), -1: Queue()}, "port number -1 lies outside"),
    ]
    for ports, sentence in cases:
        with pytest.raises(RunnerError, match=sentence):
            Runner(ports)
    assert len(os.listdir("/proc/self/fd")) == before


def test_without_privilege_the_sentence_says_so() -> None:
    code = (
        "from emulator.switch.runner import *\n"
        "try: Runner({0: Interface('lo')})\n"
        "except RunnerError as error: print(error)\n"
    )
    without = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"] if os.geteuid() == 0 else []
    done = subprocess.run([*without, sys.executable, "-c", code], capture_output=True, text=True)
    assert "need root or CAP_NET_RAW" in done.stdout, done.stderr


def test_drop_reasons_have_names_and_sentences() -> None:
    with Runner({0: Queue()}) as runner:
        reasons = runner.drop_reasons()
    assert len(reasons) == len(set(reasons)) >= 15
    assert all(name.replace("_", "").isalpha() and " " in sentence for name, sentence in reasons.items())
    assert Interface("x").ring_frames == 4096
