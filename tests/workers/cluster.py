"""Several clients in one process around one switch (any `process` function), for tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from controller.session import Silent
from tests.p4.model import Job, Model, Program, Worker
from workers import wire
from workers.allreduce import AllReduce, Options, frame_bytes
from workers.engine import PythonEngine, Seat
from workers.loopback import Impairment, Loopback

SWITCH_MAC, SWITCH_IP = bytes.fromhex("0200000000fe"), "10.0.0.254"
JOB, FIRST_SLOT = 7, 3


def mac_of(rank: int) -> bytes:
    return bytes([2, 0, 0, 0, 0, rank + 1])


def ip_of(rank: int) -> str:
    return f"10.0.0.{rank + 1}"


def port_of(rank: int) -> int:
    return rank + 1


def job_of(workers: int, options: Options, job: int = JOB, first_slot: int = FIRST_SLOT) -> Job:
    """The job as the model and the switch's entries know it."""
    members = tuple(
        Worker(
            rank,
            port_of(rank),
            mac_of(rank),
            wire.ip_number(ip_of(rank)).to_bytes(4, "big"),
            options.udp_port,
        )
        for rank in range(workers)
    )
    return Job(job, first_slot, options.slots, members)


def model_for(workers: int, options: Options, program: Program) -> Model:
    model = Model(program)
    model.jobs[JOB] = job_of(workers, options)
    return model


@dataclass
class Watcher:
    """Stands for the controller: says what it is told to say."""

    answer: Silent = field(default_factory=lambda: Silent((), "told by nobody"))
    asked: tuple[int, int] | None = None

    def check(self) -> None:
        return None

    def silent(self, pool_index: int, chunk: int) -> Silent:
        self.asked = (pool_index, chunk)
        return self.answer

    def leave(self) -> None:
        return None


def seat_of(rank: int, workers: int, options: Options) -> Seat:
    addresses = wire.Addresses(mac_of(rank), ip_of(rank), SWITCH_MAC, SWITCH_IP)
    return Seat(JOB, rank, workers, FIRST_SLOT, options.slots, options.queues, options.udp_port, addresses)


def clients(
    process: Callable[[Sequence[tuple[int, bytes]]], Sequence[tuple[int, bytes]]],
    workers: int,
    options: Options,
    impairment: Impairment | None = None,
    seed: int = 0,
) -> list[AllReduce]:
    """`workers` clients on one loopback, impaired alike in both directions."""
    loop = Loopback(process, impairment, impairment, seed)
    out = []
    for rank in range(workers):
        seat = seat_of(rank, workers, options)
        plug = loop.plug(port_of(rank), frame_bytes(options))
        engine = PythonEngine(plug, seat, wire.get_format(options.format), options.elements, options.timing)
        out.append(AllReduce(engine, seat, options, Watcher()))
    return out


def everyone(members: list[AllReduce], work: Callable[[AllReduce, int], Any], timeout: float = 60.0) -> list[Any]:
    """Run `work(client, rank)` for all members at once; raises the first error, and fails on a hang."""
    results: list[Any] = [None] * len(members)
    errors: list[BaseException] = []

    def body(rank: int) -> None:
        try:
            results[rank] = work(members[rank], rank)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=body, args=(rank,), daemon=True) for rank in range(len(members))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout)
        assert not thread.is_alive(), "a worker hangs"
    if errors:
        raise errors[0]
    return results


def exact_inputs(workers: int, count: int, seed: int) -> list[np.ndarray]:
    """float32 multiples of 1/64 below 2^14: their sums are exact in any order."""
    rng = np.random.default_rng(seed)
    return [(rng.integers(-(2**20), 2**20, count) / 64).astype(np.float32) for _ in range(workers)]
