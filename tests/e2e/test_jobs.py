"""Several jobs at once on one switch, over lossy links: none touches another, also when one of them dies; slots come back."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT, Process, Stack, same_sums
from tests.e2e.test_failures import error_of, go_on

LOSS = "in:loss=0.01,dup=0.005,out:loss=0.01,seed=5"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(P4Info, JSON) of a program with 64 slots, which three jobs fill."""
    folder = tmp_path_factory.mktemp("program")
    target, info = folder / "a.json", folder / "a.txtpb"
    command = [sys.executable, "-m", "fpisa.cli", "compile", "-DELEMENTS=32", "-DSLOTS=64"]
    source = str(ROOT / "p4src" / "allreduce_fpisa.p4")
    subprocess.run([*command, source, "-o", str(target), "--p4runtime-files", str(info)], check=True, cwd=ROOT)
    return info, target


def start_job(stack: Stack, name: str, seats: range, slots: int, count: int) -> list[Process]:
    """A job's workers on these seats, its tensors of `count` values."""
    stack.options = {"slots": slots}
    return [
        stack.start_worker(rank, count, "float32", name, first=seats.start, workers=len(seats)) for rank in range(len(seats))
    ]


def running(members: list[Process]) -> list[Process]:
    for member in members:
        member.until(lambda m: m.get("turn", -1) >= 1)
    return members


def test_jobs_live_and_die_without_touching_each_other(program: tuple[Path, Path], tmp_path: Path) -> None:
    with Stack(tmp_path, program, workers=2, spare=5, impair=LOSS) as stack:
        pair = start_job(stack, "pair", range(0, 2), 16, 20_000)
        three = start_job(stack, "three", range(2, 5), 32, 5_000)
        small = start_job(stack, "small", range(5, 7), 16, 777)
        for members in (pair, three, small):
            running(members)
        (late,) = start_job(stack, "late", range(2, 3), 16, 100)
        assert "no gap of 16 slots: 64 of 64 are in use; ask for fewer or wait" in error_of(late)
        three[1].signal(signal.SIGKILL)
        for other in (three[0], three[2]):
            assert "rank 1 went silent" in error_of(other)
        go_on(pair)
        go_on(small)
        heirs = running(start_job(stack, "heirs", range(2, 5), 32, 3_000))  # the dead job's slots, with its last rounds in them
        same_sums(three[:1] + three[2:])
        for members in (pair, small, heirs):
            stack.finish(members)
            assert sum(member.told[-1]["again"] for member in members) > 0
