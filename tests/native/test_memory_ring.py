"""Shared-memory ports: the worker engine through them, and a peer that writes what it must not."""

from __future__ import annotations

import mmap
import os
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.native.engine import QUANTISED, RAW, NativeEngine, NativeEngineError
from emulator.switch.ports import Impairments, Memory, Queue, parse_impairments
from emulator.switch.runner import Runner, RunnerError
from tests.native.test_ports import Cross
from tests.native.test_worker import INT32, Model, seat, together, whole_floats

SLOTS, SLOT_BYTES = 64, 2048
DESCRIPTORS = 128
FRAMES = 128 + 16 * SLOTS
RING = -(-(FRAMES + SLOTS * SLOT_BYTES) // 4096) * 4096


@contextmanager
def cluster(
    folder: Path, workers: int, impair: Impairments | None = None, **changes: Any
) -> Iterator[tuple[list[NativeEngine], Model, Runner]]:
    one = seat(0, workers, **changes)
    model = Model(workers, one.slots, one.elements, one.format)
    with ExitStack() as stack:
        ports = {i: Memory(folder / f"w{i}") for i in range(workers)}
        runner = stack.enter_context(Runner(ports, impair=impair))
        runner.set_pipeline(model)
        engines = [
            stack.enter_context(NativeEngine(seat(r, workers, **changes), memory=str(folder / f"w{r}")))
            for r in range(workers)
        ]
        yield engines, model, runner


@pytest.mark.parametrize("elements", [64, 256])
def test_sums_through_shared_memory(tmp_path: Path, elements: int) -> None:
    rng = np.random.default_rng(elements)
    with cluster(tmp_path, 4, elements=elements, slots=64) as (engines, model, runner):
        for n in (1, 64, 65, 5000, 200_000):
            arrays = [whole_floats(rng, n) for _ in engines]
            want = sum(arrays[1:], arrays[0].copy())
            assert together(engines, arrays, RAW) == [0] * 4
            for array in arrays:
                np.testing.assert_array_equal(array, want)
        assert model.fates()["refused"] == 0
        assert all(not port["drops"] for port in runner.stats().values())


def test_baseline_and_loss_through_shared_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    impair = parse_impairments("loss=0.02,dup=0.01,reorder=0.02,seed=2")
    with cluster(tmp_path, 3, impair, format=INT32) as (engines, _, _):
        arrays = [rng.standard_normal(30_000).astype(np.float32) for _ in engines]
        want = sum(a.astype(np.float64) for a in arrays)
        assert together(engines, arrays, QUANTISED) == [0] * 3
        np.testing.assert_array_equal(arrays[0], arrays[2])
        assert np.abs(arrays[0] - want).max() < 1e-6


def test_switch_that_ends_is_an_error_at_once(tmp_path: Path) -> None:
    with cluster(tmp_path, 2) as (engines, _, runner):
        threading.Timer(0.1, runner.close).start()
        with pytest.raises(NativeEngineError, match="closed its shared-memory port"):
            engines[0].allreduce(np.ones(5000, np.float32))


def test_refusals_are_one_sentence(tmp_path: Path) -> None:
    for spec, sentence in (
        (Memory(tmp_path / "a", slots=100), "power of two"),
        (Memory(tmp_path / "a", slot_bytes=100), "multiple of 64"),
        (Memory(tmp_path / ("x" * 200)), "at most 107 characters"),
        (Memory(tmp_path / "no" / "a"), "cannot listen"),
    ):
        with pytest.raises(RunnerError, match=sentence):
            Runner({0: spec})
    with pytest.raises(NativeEngineError, match="no switch listens"):
        NativeEngine(seat(0, 1), memory=str(tmp_path / "none"))
    with Runner({0: Memory(tmp_path / "a", slots=64, slot_bytes=256)}):
        with pytest.raises(NativeEngineError, match="do not fit"):
            NativeEngine(seat(0, 1), memory=str(tmp_path / "a"))
        with pytest.raises(RunnerError, match="cannot listen"):
            Runner({0: Memory(tmp_path / "a")})
        assert (tmp_path / "a").exists()
    assert not (tmp_path / "a").exists()


# ---- a hostile peer ----


class Peer:
    """The worker's side of rings.h in Python, free to lie."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(str(path))
        hello, fds, _, _ = socket.recv_fds(self.sock, 16, 1)
        magic, version, slots, slot_bytes = struct.unpack("=IIII", hello)
        assert (magic, version, slots, slot_bytes) == (0x4650534D, 3, SLOTS, SLOT_BYTES)
        self.fd = fds[0]
        self.map = mmap.mmap(self.fd, 2 * RING)
        self.head = 0

    def put(self, ring: int, offset: int, value: int) -> None:
        with memoryview(self.map) as whole, whole.cast("I") as words:  # one store; pack_into writes zeros first
            words[(ring * RING + offset) // 4] = value & 0xFFFFFFFF

    def get(self, ring: int, offset: int) -> int:
        return int(struct.unpack_from("=I", self.map, ring * RING + offset)[0])

    def offer(self, fd: int, bytes_: int, magic: int = 0x4650534D) -> bool:
        """Whether the switch took the region."""
        before = self.get(1, 4) + self.get(1, 8), self.get(1, 4)
        socket.send_fds(self.sock, [struct.pack("=IHBBQ", magic, 43, 11, 5, bytes_)], [fd])
        while self.get(1, 4) + self.get(1, 8) == before[0]:
            pass
        return self.get(1, 4) > before[1]

    def send(
        self, data: bytes, length: int | None = None, payload: int = 0, region: int = 0, flags: int = 0, offset: int = 0
    ) -> None:
        at = self.head % SLOTS
        self.map[FRAMES + at * SLOT_BYTES : FRAMES + at * SLOT_BYTES + len(data)] = data
        own = len(data) if length is None else length
        struct.pack_into("=HHBBHQ", self.map, DESCRIPTORS + 16 * at, own & 0xFFFF, payload, region, flags, 0, offset)
        self.head += 1
        self.put(0, 0, self.head)
        self.sock.send(b"\0")

    def closed(self) -> bool:
        try:
            while self.sock.recv(100):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def close(self) -> None:
        self.sock.close()
        self.map.close()
        os.close(self.fd)


@contextmanager
def attacked(folder: Path) -> Iterator[tuple[Runner, Path]]:
    path = folder / "victim"
    with Runner({0: Memory(path, SLOTS, SLOT_BYTES), 1: Queue()}) as runner:
        runner.set_pipeline(Cross({0: 1, 1: 0}))
        yield runner, path
        peer = Peer(path)  # whatever happened, the next worker is served
        peer.send(b"honest" * 10)
        assert runner.take(1, 5) == b"honest" * 10
        peer.close()


def wait_for_drop(runner: Runner, name: str, n: int = 1) -> None:
    while runner.stats()[0]["drops"].get(name, 0) < n:
        pass


def test_impossible_lengths_cost_one_packet_each(tmp_path: Path) -> None:
    with attacked(tmp_path) as (runner, path):
        peer = Peer(path)
        for length in (0, 13, SLOT_BYTES + 1, 0xFFFF, 0x8000):
            peer.send(b"", length)
        wait_for_drop(runner, "rx_bad_descriptor", 5)
        peer.send(b"fine" * 20)
        assert runner.take(1, 5) == b"fine" * 20
        peer.close()


@pytest.mark.parametrize("head", [SLOTS + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_impossible_head_ends_the_connection(tmp_path: Path, head: int) -> None:
    with attacked(tmp_path) as (runner, path):
        peer = Peer(path)
        peer.put(0, 0, head)
        with suppress(OSError):  # the switch may have seen it already
            peer.sock.send(b"\0")
        assert peer.closed()
        wait_for_drop(runner, "rx_bad_descriptor")
        peer.close()


def test_an_impossible_tail_stops_only_its_own_results(tmp_path: Path) -> None:
    with attacked(tmp_path) as (runner, path):
        peer = Peer(path)
        peer.put(1, 64, 12345)
        for _ in range(10):
            runner.inject(1, b"result" * 10)
        wait_for_drop(runner, "tx_queue_full", 10)
        assert peer.get(1, 0) == 0
        peer.close()


def test_the_file_cannot_be_shrunk_under_the_switch(tmp_path: Path) -> None:
    with attacked(tmp_path) as (_, path):
        peer = Peer(path)
        with pytest.raises(PermissionError):
            os.ftruncate(peer.fd, 0)
        with pytest.raises(PermissionError):
            os.ftruncate(peer.fd, 1 << 30)
        peer.close()


def test_a_second_worker_is_sent_away(tmp_path: Path) -> None:
    with attacked(tmp_path) as (runner, path):
        first = Peer(path)
        second = socket.socket(socket.AF_UNIX)
        second.settimeout(5)
        second.connect(str(path))
        assert second.recv(16) == b""
        first.send(b"still here" * 5)
        assert runner.take(1, 5) == b"still here" * 5
        second.close()
        first.close()


def test_random_bytes_all_over_the_file(tmp_path: Path) -> None:
    rng = random.Random(20261120)
    with attacked(tmp_path) as (runner, path):
        for _ in range(30):
            try:
                peer = Peer(path)
            except (OSError, struct.error):
                continue  # the last one's end is not noticed yet
            for _ in range(200):
                at = rng.choice([rng.randrange(FRAMES), RING + rng.randrange(FRAMES), rng.randrange(2 * RING)])
                peer.map[at] = rng.randrange(256)
            try:
                for _ in range(20):
                    peer.send(rng.randbytes(rng.randrange(SLOT_BYTES)), rng.choice([None, rng.getrandbits(32)]))
            except OSError:
                pass
            peer.close()
        while runner.stats()[0]["state"] == "up":
            pass
        while runner.take(1) is not None:
            pass
