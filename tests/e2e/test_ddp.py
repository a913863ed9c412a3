"""DistributedDataParallel through the compiled switch while ranks are paused and killed; number formats, hook, pipelines."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT, Process, Stack, free_port, same_sums
from tests.e2e.test_failures import error_of, go_on, restart

CHILD = Path(__file__).with_name("ddp_endless.py")
ELEMENTS = 128  # a multiple of what every format packs


def program(folder: Path, form: str) -> tuple[Path, Path]:
    """(P4Info, JSON) of the exact shape in a number format, or of SwitchML's integers."""
    target, info = folder / "p.json", folder / "p.txtpb"
    command = [sys.executable, "-m", "fpisa.cli", "compile", f"-DELEMENTS={ELEMENTS}", "-DSLOTS=64"]
    command += [] if form == "int32" else [f"-DFORMAT={form}"]
    source = str(ROOT / "p4src" / ("allreduce_int.p4" if form == "int32" else "allreduce_fpisa.p4"))
    subprocess.run([*command, source, "-o", str(target), "--p4runtime-files", str(info)], check=True, cwd=ROOT)
    return info, target


def start_ranks(
    stack: Stack, form: str, dtype: str, backend: str = "fpisa", hook: bool = False, width: int = 48
) -> list[Process]:
    """As torchrun would start them, but for its habit of ending all ranks when one dies. They have finished two steps."""
    words = json.dumps({"backend": backend, "dtype": dtype, "hook": hook, "width": width})
    common = {
        "WORLD_SIZE": str(stack.workers), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
        "GLOO_SOCKET_IFNAME": "lo", "FPISA_CONTROLLER": stack.listen, "FPISA_MEMORY": str(stack.folder / "m{rank}"),
        "FPISA_IP": "10.77.0.{number}", "FPISA_ELEMENTS": str(ELEMENTS), "FPISA_SLOTS": "32", "FPISA_FORMAT": form,
        "FPISA_DEADLINE": str(stack.deadline), "FPISA_QUEUES": str(stack.pipelines),
    }  # fmt: skip
    ranks = []
    for rank in range(stack.workers):
        settings = [f"{name}={value}" for name, value in {**common, "RANK": str(rank)}.items()]
        ranks.append(Process(f"rank {rank}", ["env", *settings, sys.executable, str(CHILD), words]))
        stack.running.append(ranks[-1])
    for rank in ranks:
        rank.until(lambda m: m.get("turn", -1) >= 1)
    return ranks


@pytest.mark.slow
@pytest.mark.parametrize("pipelines", [1, 2])
def test_a_paused_rank_is_waited_for_and_a_killed_one_is_named(tmp_path: Path, pipelines: int) -> None:
    files = program(tmp_path, "fp32")
    with Stack(tmp_path, files, workers=3, deadline=20.0, impair="loss=0.002,seed=2", pipelines=pipelines) as stack:
        ranks = start_ranks(stack, "fp32", "float32")
        ranks[1].signal(signal.SIGSTOP)
        time.sleep(0.5)  # the pause itself is what is tested
        ranks[1].signal(signal.SIGCONT)
        go_on(ranks)
        ranks[2].signal(signal.SIGKILL)
        began = time.monotonic()
        for other in ranks[:2]:
            assert "rank 2 went silent: its connection" in error_of(other)
        assert time.monotonic() - began < 15  # at once by the controller's word, not after the deadline
        same_sums(ranks)


@pytest.mark.slow
def test_a_rank_paused_for_longer_than_the_deadline_is_named(tmp_path: Path) -> None:
    with Stack(tmp_path, program(tmp_path, "fp32"), workers=2, deadline=1.0) as stack:
        ranks = start_ranks(stack, "fp32", "float32", backend="cpu:fpisa")
        ranks[0].signal(signal.SIGSTOP)
        assert "rank 0 went silent" in error_of(ranks[1])
        same_sums(ranks)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "dtype", "backend", "hook"),
    [
        ("bf16", "bfloat16", "fpisa", False),
        ("fp16", "float16", "fpisa", False),
        ("bf16", "bfloat16", "gloo", True),
        ("fp32", "float32", "gloo", True),
        ("int32", "float32", "fpisa", False),
        ("int32", "float32", "gloo", True),
    ],
)
def test_formats_and_the_hook(tmp_path: Path, form: str, dtype: str, backend: str, hook: bool) -> None:
    """Every rank has the same bits after every step, though ports lose packets."""
    with Stack(tmp_path, program(tmp_path, form), workers=2, impair="loss=0.002,seed=3") as stack:
        ranks = start_ranks(stack, form, dtype, backend, hook)
        go_on(ranks)
        stack.finish(ranks)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++ (Debian: apt-get install g++)")
@pytest.mark.parametrize(("backend", "hook"), [("fpisa", False), ("cpu:fpisa", False), ("gloo", True)])
def test_buckets_lie_in_registered_memory(tmp_path: Path, backend: str, hook: bool) -> None:
    """Nothing in the script says so; the switch reads and writes DDP's buckets, and dies twice while it does."""
    with Stack(tmp_path, program(tmp_path, "fp32"), workers=2, deadline=40.0, impair="loss=0.01,dup=0.01,seed=4") as stack:
        ranks = start_ranks(stack, "fp32", "float32", backend, hook, width=6000)
        for rank in ranks:
            rank.until(lambda m: m.get("adopted", 0) >= 2)
        for _ in range(2):
            restart(stack)
            go_on(ranks)
        stack.finish(ranks)
