"""Two racks under a spine, end to end: training over lossy links, every bit as the number format has it; who is silent."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.test_main_job import Murder
from workers.main_job.network_run import run_method
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
