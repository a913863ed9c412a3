"""A failed all-reduce in registered memory, when there is no memory to exchange its pages."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from emulator.native.engine import RAW, ChunkOverdue
from emulator.native.pool import Pool
from tests.native.test_memory_ring import cluster
from tests.native.test_undo import connected
from tests.native.test_worker import together


class NoMoreMemory:
    """A watch after which this process gets no more address space, until told."""

    def __init__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_AS)

    def __call__(self) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 20, self.before[1]))

    def over(self) -> None:
        resource.setrlimit(resource.RLIMIT_AS, self.before)


def test_a_failure_without_memory_ends_the_connection(tmp_path: Path) -> None:
    """The pages cannot be exchanged, so the switch has to hang up; what it would write afterwards has no way to the array."""
    pools, short = [Pool(1 << 20) for _ in range(2)], NoMoreMemory()
    with cluster(tmp_path, 2, deadline=0.3) as (engines, _, runner):
        for engine, pool in zip(engines, pools, strict=True):
            engine.register(pool)
        first, second = (pool.empty(640) for pool in pools)
        first[:], second[:] = 1, 2
        engines[0].watch = short
        try:
            engines[0].allreduce(first)
            raised: BaseException | None = None
        except BaseException as error:
            raised = error
        finally:
            short.over()
        assert isinstance(raised, ChunkOverdue) and not pools[0].shared and (first == 1).all()
        end = time.monotonic() + 10
        while runner.stats()[0]["state"] != "down":  # it says so just after it has hung up
            assert time.monotonic() < end
        assert together(engines[1:], [second], RAW) == [0]
        assert (second == 3).all() and (first == 1).all()


@pytest.mark.slow
def test_a_failure_without_memory_nor_an_end_is_a_sentence(tmp_path: Path) -> None:
    """A switch that neither answers nor hangs up, for five seconds."""
    short = NoMoreMemory()
    switch, course, _pool = connected(tmp_path / "s", lambda engine: short(), deadline=0.3)
    course.ready.set()
    course.thread.join(20)
    short.over()
    course.end()
    assert "memory is short, and the switch may still write results into the array" in str(course.errors[0])
    switch.die()
