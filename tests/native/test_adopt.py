"""Memory of another allocator that becomes a pool's: values, bits, what is freed, forked children."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import numpy as np
import pytest

from emulator.native import lib_and_ffi
from emulator.native.engine import RAW, ChunkOverdue
from emulator.native.pool import PAGE, Pool, PoolError
from emulator.switch.ports import parse_impairments
from tests.native.test_memory_ring import cluster
from tests.native.test_worker import together, whole_floats

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype, LIBC.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
FREE = ctypes.cast(LIBC.free, ctypes.c_void_p).value


class Block:
    """Memory of malloc's that is freed as an allocator's user would."""

    def __init__(self, pool: Pool, bytes_: int, begin: int = 64) -> None:
        self.address = int(LIBC.malloc(bytes_ + begin))
        self.whole = np.ctypeslib.as_array((ctypes.c_uint8 * (bytes_ + begin)).from_address(self.address))
        self.floats = self.whole[begin:].view(np.float32)
        self.floats[:] = np.arange(self.floats.size)
        self.before = self.whole.tobytes()
        pool.adopt(self.address, bytes_ + begin, FREE or 0)

    def free(self) -> None:
        lib, ffi = lib_and_ffi()
        lib.fpw_pool_release(ffi.cast("void *", self.address))


def shared(address: int) -> bool:
    """Whether the page there is other processes' as well."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode = line.split()[:2]
        first, last = (int(word, 16) for word in span.split("-"))
        if first <= address < last:
            return mode[3] == "s"
    raise AssertionError("no such page")


def test_pages_change_under_the_values() -> None:
    pool = Pool(1 << 20)
    block = Block(pool, 100_000)
    assert block.whole.tobytes() == block.before
    # What shares a page with something else is left.
    assert shared(block.address + PAGE) and shared(block.address) == (block.address % PAGE == 0)
    assert (pool.bytes - sum(pool._free.values())) // PAGE in (23, 24)
    block.floats += 1
    assert block.floats[20_000] == 20_001
    at = block.address + PAGE
    block.free()
    assert not shared(at)
    pool._collect()
    assert pool._free == {0: pool.bytes}
    for small in (10, PAGE - 1):
        with pytest.raises(PoolError, match=f"{small} bytes hold no whole page"):
            pool.adopt(PAGE * 1000 + 1, small)
    with pytest.raises(PoolError, match="in a row left"):
        pool.adopt(PAGE * 1000, 2 << 20)


def test_the_pool_lives_as_long_as_what_it_has_adopted() -> None:
    pool = Pool(1 << 20)
    blocks = [Block(pool, 50_000, begin) for begin in (0, 64, 4000)]
    del pool
    for block in blocks:
        assert block.whole.tobytes() == block.before
        block.floats[:] = 7
        block.free()


def test_a_forked_child_has_its_own() -> None:
    pool = Pool(1 << 20)
    block, array = Block(pool, 100_000), pool.empty(1000)
    array[:] = 1
    child = os.fork()
    if child == 0:
        right = block.whole.tobytes() == block.before and not shared(block.address + PAGE) and not pool.shared
        block.floats[:] = 3
        array[:] = 3
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(0 if (block.floats == 3).all() and (array == 3).all() else 1)
        right &= os.waitpid(grandchild, 0)[1] == 0
        block.free()
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert block.whole.tobytes() == block.before and (array == 1).all() and shared(block.address + PAGE)
    block.free()


@pytest.mark.parametrize("seed", [1, 2])
def test_sums_in_place(tmp_path: Path, seed: int) -> None:
    """However the array lies among the pages; under loss, duplicates and reordering, overwritten between all-reduces."""
    rng = np.random.default_rng(seed)
    impair = parse_impairments("loss=0.02,dup=0.05,reorder=0.05,seed=5")
    pools = [Pool(4 << 20) for _ in range(2)]
    with cluster(tmp_path, 2, impair, slots=32) as (engines, _, _):
        for engine, pool in zip(engines, pools, strict=True):
            engine.register(pool)
        for count, begin in ((2050, 64), (20_000, 64), (20_001, 4), (64 * 300, 0), (3300, 4092)):
            blocks = [Block(pool, 4 * count, begin) for pool in pools]
            arrays = [block.floats for block in blocks]
            for _ in range(2):
                for array in arrays:
                    array[:] = whole_floats(rng, count)
                want = sum(arrays[1:], arrays[0].copy())
                assert together(engines, arrays, RAW) == [0, 0]
                for array in arrays:
                    np.testing.assert_array_equal(array, want)
            for block in blocks:
                block.free()
        stats = engines[0].stats
        chunks = stats["payload_bytes"] // 256
        assert 0.8 * chunks < stats["packets_placed"] < chunks


def test_a_failure_takes_it_back(tmp_path: Path) -> None:
    pools = [Pool(1 << 20) for _ in range(2)]
    with cluster(tmp_path, 2, deadline=0.2, slots=64, window=-1) as (engines, _, _):
        for engine, pool in zip(engines, pools, strict=True):
            engine.register(pool)
        blocks = [Block(pool, 16_000) for pool in pools]
        with pytest.raises(ChunkOverdue):
            engines[0].allreduce(blocks[0].floats)
        assert not pools[0].shared and blocks[0].whole.tobytes() == blocks[0].before
        with pytest.raises(PoolError, match="an all-reduce in it has failed"):
            Block(pools[0], 16_000)
        assert together(engines[1:], [blocks[1].floats], RAW) == [0]
        assert blocks[0].whole.tobytes() == blocks[0].before  # whatever the switch wrote
        child = os.fork()
        if child == 0:
            os._exit(0 if blocks[0].whole.tobytes() == blocks[0].before else 1)
        assert os.waitpid(child, 0)[1] == 0
        for block in blocks:
            block.free()
