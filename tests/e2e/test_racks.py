"""Two racks under a spine, end to end: training over lossy links, every bit as the number format has it; who is silent."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.topo.build import Network
from emulator.topo.shapes import two_racks
from emulator.topo.switches import fpisa_command, start_switch
from tests.e2e.stack import CHILD, ROOT
from tests.e2e.test_main_job import Murder
from workers.main_job.network_run import run_method, start_fabric_controller
from workers.main_job.plan import METHODS, JobError, Plan
from workers.main_job.programs import compile_program
from workers.training.recipe import Recipe

RACKS = Plan(
    workers=4, shape="racks", uplink="raw", rate_mbit=None, bench_bytes=100_000, bench_repeats=1,
    recipe=Recipe(epochs=1), impair="in:loss=0.01,dup=0.005,reorder=0.01,out:loss=0.01,seed=21",
)  # fmt: skip
pytestmark = pytest.mark.root


@pytest.mark.parametrize("uplink", ["raw", pytest.param("packed", marks=pytest.mark.slow)])
def test_training_over_two_racks_with_loss_is_right_on_every_bit(tmp_path: Path, uplink: str) -> None:
    plan = replace(RACKS, uplink=uplink)
    program = compile_program(plan, "allreduce_fpisa.p4", tmp_path)
    result = run_method(plan, METHODS["fpisa"], program, tmp_path, lambda rank, event: None)
    assert result.chunks_explained == 1.0  # of every kept gradient, by the model of leaves and spine
    assert result.equal_weights and result.retransmissions > 0
    # A leaf's sums go up once, not its workers': the spine's links carry what one worker's link does, in raw with 5 bytes for 4.
    up, down = zip(*(result.link_bytes[name] for name in ("s1-s3", "s2-s3")), strict=True)
    own = max(result.link_bytes[f"h{n}-{'s1' if n < 3 else 's2'}"][0] for n in (1, 2, 3, 4))
    assert max(up) < 2 * own and max(down) < 2 * own


@pytest.mark.slow
def test_a_paused_worker_of_the_other_rack_is_named(tmp_path: Path) -> None:
    plan = replace(RACKS, impair="", deadline_s=1.5, recipe=Recipe(epochs=2000))
    program = compile_program(plan, "allreduce_fpisa.p4", tmp_path)
    murder = Murder(3, signal.SIGSTOP)
    with pytest.raises(JobError, match="rank 3 was still running"):
        run_method(plan, METHODS["fpisa"], program, tmp_path, murder.see)
    assert {rank: event["silent"] for rank, (_, event) in murder.errors.items()} == {0: [3], 1: [3], 2: [3]}


class Worker:
    """reduce_child.py in a host, its messages in order."""

    def __init__(self, network: Network, rank: int, socket: Path) -> None:
        self.messages: queue.SimpleQueue[dict] = queue.SimpleQueue()
        self.turns: dict[int, dict] = {}
        words = {
            "place": "eth0", "options": {"elements": 64, "slots": 32}, "deadline": 30.0, "count": 20000, "dtype": "float32",
            "workers": 4, "controller": str(socket), "job": "j", "rank": rank,
        }  # fmt: skip
        # Its input stays open, for its end would mean STOP.
        command = f"sleep 1000 | exec {sys.executable} {CHILD} '{json.dumps(words)}'"
        host, env = network.topology.hosts[rank].name, {"PYTHONPATH": str(ROOT)}
        self.child = network.start(f"w{rank}", ["sh", "-c", command], host=host, on_line=self.heard, env=env)

    def heard(self, line: str) -> None:
        if line.startswith("{"):
            self.messages.put(json.loads(line))

    def until_turn(self, turn: int) -> None:
        while max(self.turns, default=-1) < turn:
            message = self.messages.get(timeout=60)
            assert "error" not in message, message
            if "turn" in message:
                self.turns[message["turn"]] = message

    def go_on(self) -> None:
        """Two more all-reduces."""
        while not self.messages.empty():
            self.until_turn(max(self.turns, default=-1) + 1)
        self.until_turn(max(self.turns, default=-1) + 2)


@pytest.mark.slow
def test_a_job_survives_the_restart_of_any_switch(tmp_path: Path) -> None:
    program = compile_program(RACKS, "allreduce_fpisa.p4", tmp_path)
    with Network(two_racks(4), tmp_path) as network:
        switches, addresses = {}, {}
        for switch in network.topology.switches:
            switches[switch.name], addresses[switch.name] = start_switch(network, switch, "fpisa")
        socket = start_fabric_controller(network, addresses, program, tmp_path)
        workers = [Worker(network, rank, socket) for rank in range(4)]
        for worker in workers:
            worker.until_turn(1)
        for switch in network.topology.switches:
            child = switches[switch.name]
            assert child is not None
            os.kill(child.pid, signal.SIGKILL)
            child.wait(10)
            command = fpisa_command(network, switch, addresses[switch.name], None, ())
            network.start(f"{switch.name}-again", command, ready=lambda line: "ready" in line).wait_ready(60)
            for worker in workers:
                worker.go_on()
    both = set.intersection(*(set(worker.turns) for worker in workers))
    assert len(both) >= 6
    for turn in both:
        assert len({worker.turns[turn]["sum"] for worker in workers}) == 1
        assert all(worker.turns[turn]["wrong"] == 0 for worker in workers)
