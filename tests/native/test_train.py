"""Packets alike leave as one super-frame, and only towards who reads such."""

from __future__ import annotations

import socket
import subprocess
import threading
import time

import numpy as np
import pytest

from emulator.native.engine import Cancelled, NativeEngine
from emulator.switch.ports import Interface
from emulator.switch.runner import Runner
from tests.native.netns import run_isolated, veth_pairs
from tests.native.test_worker import Model, seat

HEADERS, PAYLOAD = 42, 16 + 256  # up to UDP; the FPISA header and 64 floats
ETH_P_ALL = 3


def raw_socket(interface: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.bind((interface, 0))
    raw.settimeout(5)
    return raw


def check_trains() -> None:
    ((near, far),) = veth_pairs(1)
    with raw_socket(near) as raw, NativeEngine(seat(0, 2, slots=16), interface=far) as engine:
        failed: list[BaseException] = []

        def work() -> None:
            try:
                engine.allreduce(np.arange(64 * 16, dtype=np.float32))
            except Cancelled as error:
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        frame = raw.recv(1 << 16)
        engine.cancel()
        thread.join()
        assert failed
    assert len(frame) == HEADERS + 16 * PAYLOAD
    assert int.from_bytes(frame[16:18], "big") == len(frame) - 14
    assert int.from_bytes(frame[38:40], "big") == len(frame) - 34
    for i in range(16):  # one after another: the FPISA header and its values
        part = frame[HEADERS + i * PAYLOAD :][:PAYLOAD]
        assert int.from_bytes(part[8:12], "big") == i
        np.testing.assert_array_equal(np.frombuffer(part[16:], "<f4"), np.arange(64 * i, 64 * i + 64))


@pytest.mark.root
def test_a_window_leaves_as_a_train() -> None:
    run_isolated(check_trains)


def check_plain_peer() -> None:
    """A worker that sends one packet at a time gets one packet at a time."""
    ((near, far),) = veth_pairs(1)
    with raw_socket(near) as captured, NativeEngine(seat(0, 1, slots=16), interface=far) as engine:
        frames = train_of(engine, captured)
    with raw_socket(far) as raw, Runner({0: Interface(near)}) as runner:
        runner.set_pipeline(Model(1, 16, 64, 1))
        for frame in frames:
            raw.send(frame)
        results = [raw.recv(1 << 16) for _ in frames]
    assert {len(result) for result in results} == {HEADERS + PAYLOAD}
    assert [result[42] & 15 for result in results] == [1] * 16


def check_refused() -> None:
    """A link whose queue takes nothing: each packet of a train counts."""
    ((near, far),) = veth_pairs(1)
    subprocess.run(["tc", "qdisc", "add", "dev", near, "root", "bfifo", "limit", "1"], check=True)
    with Runner({0: Interface(near)}) as runner, NativeEngine(seat(0, 1, slots=16), interface=far) as engine:
        runner.set_pipeline(Model(1, 16, 64, 1))

        def work() -> None:
            with pytest.raises(Cancelled):
                engine.allreduce(np.ones(1024, np.float32))

        thread = threading.Thread(target=work)
        thread.start()
        deadline = time.monotonic() + 5
        while runner.stats()[0]["drops"].get("tx_queue_full", 0) < 16 and time.monotonic() < deadline:
            thread.join(0.01)
        engine.cancel()
        thread.join()
        while (now := runner.stats()[0])["drops"].get("tx_queue_full", 0) < now["rx_packets"] and time.monotonic() < deadline:
            pass
    assert now["rx_packets"] >= 16
    assert now["drops"] == {"tx_queue_full": now["rx_packets"]}
    assert now["tx_batches"] < now["rx_packets"], "trains were to be sent"


@pytest.mark.root
def test_each_packet_of_a_refused_train_is_counted() -> None:
    run_isolated(check_refused)


def train_of(engine: NativeEngine, captured: socket.socket) -> list[bytes]:
    """The first window of an engine nobody answers, as packets of their own."""

    def work() -> None:
        with pytest.raises(Cancelled):
            engine.allreduce(np.ones(1024, np.float32))

    thread = threading.Thread(target=work)
    thread.start()
    frame = captured.recv(1 << 16)
    engine.cancel()
    thread.join()
    return [cut(frame, i) for i in range(16)]


def cut(frame: bytes, i: int) -> bytes:
    head = bytearray(frame[:HEADERS])
    head[16:18] = (28 + PAYLOAD).to_bytes(2, "big")
    head[38:42] = (8 + PAYLOAD).to_bytes(2, "big") + bytes(2)
    head[24:26] = bytes(2)
    total = sum(int.from_bytes(head[k : k + 2], "big") for k in range(14, 34, 2))
    total = (total & 0xFFFF) + (total >> 16)
    head[24:26] = (~((total & 0xFFFF) + (total >> 16)) & 0xFFFF).to_bytes(2, "big")
    return bytes(head) + frame[HEADERS + i * PAYLOAD :][:PAYLOAD]


@pytest.mark.root
def test_a_peer_that_sends_single_packets_gets_single_packets() -> None:
    run_isolated(check_plain_peer)
