"""An unmodified DistributedDataParallel script under torchrun, its gradients summed by the compiled switch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT, Stack, free_port
from tests.e2e.test_failures import Start, programs, start  # noqa: F401

SCRIPT = ROOT / "tests" / "workers" / "ddp_child.py"
SETTINGS = {"FPISA_ELEMENTS": "32", "FPISA_SLOTS": "32", "FPISA_DEADLINE": "60", "OMP_NUM_THREADS": "1"}


def torchrun(stack: Stack, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Two ranks with the backend "fpisa"; each rank's output in a file of its own."""
    environment = {
        **os.environ, **SETTINGS, "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT), "FPISA_CONTROLLER": stack.listen,
        "FPISA_MEMORY": str(stack.folder / "m{rank}"), "FPISA_IP": "10.77.0.{number}", **more,
    }  # fmt: skip
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port()),
        "--log-dir", str(folder), "--redirects", "3", "--no-python", sys.executable, str(SCRIPT), "fpisa",
    ]  # fmt: skip
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=150)


def said(folder: Path, name: str) -> list[str]:
    return [path.read_text() for path in sorted(folder.glob(f"*/*/*/{name}"))]


@pytest.mark.parametrize("pipelines", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_torchrun_through_the_switch(start: Start, tmp_path: Path, pipelines: int) -> None:  # noqa: F811
    stack, logs = start(impair="loss=0.005,seed=9", pipelines=pipelines), tmp_path / "logs"
    logs.mkdir()
    done = torchrun(stack, logs, FPISA_QUEUES=str(pipelines))
    assert done.returncode == 0, (done.stderr[-2000:], said(logs, "stderr.log"))
    first, second = (json.loads(text.splitlines()[-1]) for text in said(logs, "stdout.log"))
    for mine in (first, second):
        assert mine["backend"] == "fpisa"
        assert mine["sum"] == [[3.0], [3.0]] and mine["avg"] == [0.5]
        assert (mine["avg64"], mine["max"], mine["int64"]) == ([0.5], [1.0, 0.0], [1, 14])
        assert (mine["gather"], mine["broadcast"]) == ([[0.0, 0.0], [1.0, 1.0]], 15.0)
    assert first["weights"] == second["weights"], "every rank has the same bits after training"


@pytest.mark.slow
def test_a_rank_that_dies_under_torchrun_is_named(start: Start, tmp_path: Path) -> None:  # noqa: F811
    stack, logs = start(), tmp_path / "logs"
    logs.mkdir()
    done = torchrun(stack, logs, DIE="1")
    assert done.returncode != 0
    assert any("rank 1 went silent" in text for text in said(logs, "stderr.log")) or "exitcode: 9" in done.stderr
