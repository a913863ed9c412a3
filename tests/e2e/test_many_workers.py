"""Forty workers in one job: on one switch, and in two racks under a spine; and the sentence where the program takes fewer."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from emulator.switch.ports import parse_impairments
from emulator.topo.shapes import SHAPES
from emulator.topo.spec import Host
from workers.main_job.in_process_net import InProcessNet, in_process_net
from workers.main_job.in_process_run import member
from workers.main_job.plan import Plan
from workers.main_job.programs import compile_program
from workers.training.aggregators import AggregatorError, Seat

WORKERS, COUNT = 40, 3000


def contribution(rank: int) -> np.ndarray:
    """Whole numbers, whose sums are exact in any order."""
    return np.random.default_rng(rank).integers(-(1 << 16), 1 << 16, COUNT).astype(np.float32)


def reduce(net: InProcessNet, host: Host, rank: int, sums: dict[int, np.ndarray]) -> None:
    options = {"format": "fp32", "elements": 64, "slots": 32}
    client = member(Seat("many", rank, WORKERS, host.ip, str(net.socket), "", 0, 60.0, "", options), host, net)
    try:
        array = contribution(rank)
        client.allreduce(array)
        sums[rank] = array
    finally:
        client.close()


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["star", "racks"])
def test_forty_workers(tmp_path: Path, shape: str) -> None:
    plan = Plan(workers=WORKERS, shape=shape, in_process=True)
    program = compile_program(plan, "allreduce_fpisa.p4", tmp_path)
    topology = SHAPES[shape](WORKERS)
    sums: dict[int, np.ndarray] = {}
    with in_process_net(plan, topology, program, tmp_path, parse_impairments("loss=0.002,seed=6")) as net:
        threads = [
            threading.Thread(target=reduce, args=(net, host, rank, sums), daemon=True)
            for rank, host in enumerate(topology.hosts)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    want = np.sum([contribution(rank) for rank in range(WORKERS)], axis=0)
    assert sorted(sums) == list(range(WORKERS))
    for array in sums.values():
        np.testing.assert_array_equal(array, want)


def test_too_many_for_the_program_is_a_sentence_with_the_remedy(tmp_path: Path) -> None:
    plan = Plan(workers=4, in_process=True)
    program = compile_program(plan, "allreduce_int.p4", tmp_path)  # for 32
    topology = SHAPES["star"](4)
    sentence = r"40 workers are more than the 32 .* -DMAX_WORKERS=64"
    network = in_process_net(plan, topology, program, tmp_path, parse_impairments(""))
    with network as net, pytest.raises(AggregatorError, match=sentence):
        reduce(net, topology.hosts[0], 0, {})
