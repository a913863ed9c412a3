"""Registered memory: values that the switch reads and writes itself, under loss, duplication and reordering."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import numpy as np
import pytest

from emulator.native.engine import RAW, ChunkOverdue, NativeEngineError
from emulator.native.pool import PAGE, Pool, PoolError
from emulator.switch.ports import parse_impairments
from tests.native.test_memory_ring import SLOT_BYTES, Peer, attacked, cluster, wait_for_drop
from tests.native.test_worker import together, whole_floats

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


def test_no_value_is_copied(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    pools = [Pool(4 << 20) for _ in range(3)]
    with cluster(tmp_path, 3, elements=64, slots=64) as (engines, _, _):
        for engine, pool in zip(engines, pools, strict=True):
            engine.register(pool)
        for n in (64, 65, 6400, 200_001):
            arrays = [pool.empty(n) for pool in pools]
            for array in arrays:
                array[:] = whole_floats(rng, n)
            want = sum(arrays[1:], arrays[0].copy())
            assert together(engines, arrays, RAW) == [0] * 3
            for array in arrays:
                np.testing.assert_array_equal(array, want)
        stats = engines[0].stats
        assert stats["packets_placed"] == 1 + 1 + 100 + 3125  # not the two that are padded
        assert stats["packets_by_reference"] >= stats["packets_placed"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_place_under_loss(tmp_path: Path, seed: int) -> None:
    """Between two all-reduces each worker overwrites its array: what comes late must neither be added nor written."""
    rng = np.random.default_rng(seed)
    impair = parse_impairments(f"loss=0.02,dup=0.05,reorder=0.05,seed={seed}")
    pools = [Pool(1 << 20) for _ in range(3)]
    with cluster(tmp_path, 3, impair, slots=32) as (engines, _, _):
        for engine, pool in zip(engines, pools, strict=True):
            engine.register(pool)
        arrays = [pool.empty(64 * 200) for pool in pools]
        for _ in range(10):
            for array in arrays:
                array[:] = whole_floats(rng, array.size)
            want = sum(arrays[1:], arrays[0].copy())
            assert together(engines, arrays, RAW) == [0] * 3
            for array in arrays:
                np.testing.assert_array_equal(array, want)
        assert sum(engine.stats["retransmissions"] for engine in engines) > 0
        assert all(engine.stats["packets_placed"] == 2000 for engine in engines)


def test_a_failure_takes_the_memory_back(tmp_path: Path) -> None:
    """An all-reduce that ends early: its array keeps its values, and what the switch sends afterwards is not seen there."""
    pools = [Pool(1 << 20) for _ in range(2)]
    with cluster(tmp_path, 2, deadline=0.2) as (engines, _, _):
        for engine, pool in zip(engines, pools, strict=True):
            engine.register(pool)
        first, second = (pool.empty(640) for pool in pools)
        first[:], second[:] = 1, 2
        with pytest.raises(ChunkOverdue):
            engines[0].allreduce(first)
        assert not pools[0].shared and (first == 1).all()
        first[:] = 5
        assert together(engines[1:], [second], RAW) == [0]  # completes with what the first had sent
        assert (second == 3).all() and (first == 5).all()


def test_pools(tmp_path: Path) -> None:
    pool = Pool(3 * PAGE - 1)
    first, second = pool.empty(1), pool.empty(PAGE // 4 * 2)
    assert pool.holds(first) and pool.holds(second[10:]) and not pool.holds(np.ones(3))
    with pytest.raises(PoolError, match="has no 4096 in a row left"):
        pool.empty(1)
    view = second[5:]
    del second
    with pytest.raises(PoolError):
        pool.empty(1)
    del view, first
    assert pool.empty(3 * PAGE, np.uint8).nbytes == 3 * PAGE
    with pytest.raises(PoolError, match="a pool has 1 to"):
        Pool(0)
    with cluster(tmp_path, 2) as (engines, _, _):
        engines[0].register(pool)
        with pytest.raises(NativeEngineError, match="serves another engine"):
            engines[1].register(pool)
        engines[0].close()
        engines[1].register(pool)


def memory_file(bytes_: int, seals: int) -> int:
    fd = os.memfd_create("region", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.ftruncate(fd, bytes_)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def test_regions_that_are_refused(tmp_path: Path) -> None:
    with attacked(tmp_path) as (_, path):
        peer = Peer(path)
        sealed, loose = memory_file(8192, SEALS), memory_file(8192, fcntl.F_SEAL_GROW)
        plain = os.open(tmp_path / "plain", os.O_RDWR | os.O_CREAT)
        os.ftruncate(plain, 8192)
        assert not peer.offer(loose, 8192) and not peer.offer(plain, 8192)
        assert not peer.offer(sealed, 12288) and not peer.offer(sealed, 100) and not peer.offer(sealed, 8192, magic=1)
        assert peer.offer(sealed, 8192)
        for fd in (sealed, loose, plain):
            os.close(fd)
        peer.close()


def test_impossible_payloads_cost_one_packet_each(tmp_path: Path) -> None:
    with attacked(tmp_path) as (runner, path):
        peer = Peer(path)
        fd = memory_file(8192, SEALS)
        peer.send(b"h" * 60, payload=100)  # no region yet
        wait_for_drop(runner, "rx_bad_descriptor")
        assert peer.offer(fd, 8192)
        os.pwrite(fd, b"payload!" * 8, 8192 - 64)
        lies = ({"region": 1}, {"offset": 8192 - 63}, {"offset": 2**64 - 1}, {"offset": 2**63}, {"payload": SLOT_BYTES})
        for lie in lies:
            peer.send(b"h" * 60, **{"payload": 64, **lie})
        wait_for_drop(runner, "rx_bad_descriptor", 1 + len(lies))
        peer.send(b"h" * 60, payload=64, offset=8192 - 64)
        assert runner.take(1, 5) == b"h" * 60 + b"payload!" * 8
        os.close(fd)
        peer.close()


def test_an_answer_is_placed_once(tmp_path: Path) -> None:
    """And not again when the contribution was sent again, nor where it differs in what it must have of it."""
    with attacked(tmp_path) as (runner, path):
        peer = Peer(path)
        fd = memory_file(8192, SEALS)
        assert peer.offer(fd, 8192)
        frame = bytes(range(58))
        peer.send(frame, payload=64, flags=1, offset=4096)
        assert runner.take(1, 5) == frame + bytes(64)
        sent = 0

        def answer(data: bytes) -> None:
            nonlocal sent
            runner.inject(1, data)
            sent += 1
            while peer.get(1, 0) < sent:
                pass

        for wrong in range(43, 54):
            answer(frame[:wrong] + b"\xff" + frame[wrong + 1 :] + b"w" * 64)
        answer(frame + b"s" * 63)
        assert os.pread(fd, 8192, 0) == bytes(8192)
        answer(frame + b"a" * 64)
        assert os.pread(fd, 8192, 0) == bytes(4096) + b"a" * 64 + bytes(4032)
        peer.send(frame, payload=64, flags=1, offset=0)
        assert runner.take(1, 5) == frame + bytes(64)
        answer(frame + b"b" * 64)
        assert os.pread(fd, 8192, 0) == bytes(4096) + b"a" * 64 + bytes(4032)
        os.close(fd)
        peer.close()
