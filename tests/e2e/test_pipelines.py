"""A switch of several pipelines over P4Runtime: the same sums through each, every pipeline its own slots, failures named."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from controller import entries
from controller.p4rt.entities import RegisterEntry
from controller.p4rt.status import P4RuntimeError
from controller.p4rt.switch import P4Switch
from tests.e2e.stack import Stack, address, mac, same_sums
from tests.e2e.test_failures import Start, error_of, go_on, programs, restarted, start  # noqa: F401
from tests.native.netns import ip, run_isolated, veth_pairs
from workers.main_job.in_process_run import run_method
from workers.main_job.plan import METHODS, Plan
from workers.main_job.programs import compile_program
from workers.training.recipe import Recipe

SLOTS = 21  # shares of 10 and 11
TWO = {"queues": 2, "slots": SLOTS}


def touched(stack: Stack, device: int) -> set[int]:
    """Slots that a pipeline's registers remember a chunk for."""
    with P4Switch(f"127.0.0.1:{stack.port}", device_id=device, election_id=1) as switch:
        cells = [list(switch.read(RegisterEntry(name))) for name in entries.ROUNDS]
    return {cell.index for row in cells for cell in row if cell.value}


def test_two_pipelines_three_workers(start: Start) -> None:  # noqa: F811
    """Lossy ports; then a worker is killed, and the others say which."""
    stack = start(workers=3, pipelines=2, impair="loss=0.005,seed=8", options=TWO)
    members = stack.start_workers()
    go_on(members)
    assert touched(stack, 0) == set(range(10)) and touched(stack, 1) == set(range(10, SLOTS))
    with pytest.raises(P4RuntimeError, match="there is no device 2 here; use device id 0 to 1"):
        touched(stack, 2)
    members[1].signal(signal.SIGKILL)
    for other in (members[0], members[2]):
        assert "rank 1 went silent: its connection" in error_of(other)
    same_sums(members)


@pytest.mark.slow
def test_a_paused_worker_is_named_from_the_pipeline_that_waits(start: Start) -> None:  # noqa: F811
    stack = start(deadline=1.0, workers=3, pipelines=2, options=TWO)
    members = stack.start_workers()
    members[2].signal(signal.SIGSTOP)
    for other in members[:2]:
        assert "rank 2 went silent" in error_of(other)
    same_sums(members[:2])


@pytest.mark.slow
def test_a_restarted_switch_of_two_pipelines(start: Start) -> None:  # noqa: F811
    stack = start(deadline=40.0, pipelines=2, impair="out:loss=0.2,seed=3", options={"queues": 2})
    restarted(stack, 60_000, "float32", 3)


@pytest.mark.slow
def test_more_queues_than_pipelines_is_a_sentence_over_shared_memory(start: Start) -> None:  # noqa: F811
    stack = start(workers=1, options=TWO)
    member = stack.start_worker(0, 1000, "float32", "j")
    assert "no switch listens on" in error_of(member)


@pytest.mark.root
@pytest.mark.parametrize("queues", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_queues_of_an_interface_are_shared_out(start: Start, queues: int) -> None:  # noqa: F811
    """veth pairs: the kernel gives each pipeline the packets of its queues. More queues than pipelines will do."""

    def body() -> None:
        pairs = veth_pairs(2)
        for rank, (_, far) in enumerate(pairs):
            ip(f"link set {far} address {mac(rank)}")
            ip(f"addr add {address(rank)}/32 dev {far}")
        stack = start(pairs=pairs, pipelines=2, impair="loss=0.005,seed=5", options={"queues": queues, "slots": SLOTS})
        members = stack.start_workers()
        stack.finish(members)
        bounds = [queue * SLOTS // queues for queue in range(queues + 1)]
        shares = [set(range(bounds[queue], bounds[queue + 1])) for queue in range(queues)]
        for pipeline in (0, 1):
            assert touched(stack, pipeline) == set().union(*shares[pipeline::2])

    run_isolated(body)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["star", "racks"])
def test_training_through_two_pipelines_is_right_on_every_bit(tmp_path: Path, shape: str) -> None:
    plan = Plan(
        workers=4 if shape == "racks" else 3, shape=shape, pipelines=2, bench_bytes=50_000, bench_repeats=1, in_process=True,
        recipe=Recipe(epochs=1), impair="loss=0.005,seed=3",
    )  # fmt: skip
    program = compile_program(plan, "allreduce_fpisa.p4", tmp_path)
    result = run_method(plan, METHODS["fpisa"], program, tmp_path, lambda rank, event: None)
    assert result.chunks_explained == 1.0 and result.equal_weights and result.retransmissions > 0
