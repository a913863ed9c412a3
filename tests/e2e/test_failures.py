"""What fails while a job runs: workers paused and killed, the switch killed and started again, the controller killed.
Each ends in recovery or in a sentence that names who it was; never in a hang (stack.LIMIT), never in a wrong sum."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT, Process, Stack, address, mac, same_sums
from tests.native.netns import ip, run_isolated, veth_pairs

Start = Callable[..., Stack]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """(P4Info, JSON) of small all-reduce programs."""
    folder, found = tmp_path_factory.mktemp("programs"), {}
    for name in ("fpisa", "int"):
        target, info = folder / f"{name}.json", folder / f"{name}.txtpb"
        command = [sys.executable, "-m", "fpisa.cli", "compile", "-DELEMENTS=32", "-DSLOTS=64"]
        source = str(ROOT / "p4src" / f"allreduce_{name}.p4")
        subprocess.run([*command, source, "-o", str(target), "--p4runtime-files", str(info)], check=True, cwd=ROOT)
        found[name] = info, target
    return found


@pytest.fixture
def start(programs: dict[str, tuple[Path, Path]], tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def made(program: str = "fpisa", **how: object) -> Stack:
            return stack.enter_context(Stack(tmp_path, programs[program], **how))  # type: ignore[arg-type]

        yield made


def go_on(members: list[Process], turns: int = 2) -> None:
    """Every worker finishes so many all-reduces from now on."""
    for member in members:
        last = max(m["turn"] for m in member.told if "turn" in m)
        member.until(lambda m, last=last: m.get("turn", -1) >= last + turns)  # type: ignore[misc]


def error_of(process: Process) -> str:
    assert process.end() == 1, process.said[-8:]
    return str(process.told[-1]["error"])


def test_workers_paused_and_killed(start: Start) -> None:
    stack = start(deadline=20.0, workers=3)
    members = stack.start_workers()
    members[1].signal(signal.SIGSTOP)
    time.sleep(0.5)  # the pause itself is what is tested
    members[1].signal(signal.SIGCONT)
    go_on(members)
    members[2].signal(signal.SIGKILL)
    for other in members[:2]:
        assert "rank 2 went silent: its connection" in error_of(other)
    same_sums(members)


@pytest.mark.slow
def test_a_worker_paused_for_longer_than_the_deadline(start: Start) -> None:
    stack = start(deadline=1.0, workers=3)
    members = stack.start_workers()
    members[1].signal(signal.SIGSTOP)
    began = time.monotonic()
    for other in (members[0], members[2]):
        assert "rank 1 went silent" in error_of(other)
    assert time.monotonic() - began < 10
    members[1].signal(signal.SIGCONT)
    assert "went silent" in error_of(members[1])
    same_sums(members)


@pytest.mark.slow
def test_a_killed_controller_is_a_sentence_at_once(start: Start) -> None:
    stack = start(deadline=60.0)
    members = stack.start_workers()
    stack.controller.signal(signal.SIGKILL)
    for member in members:
        assert "controller" in error_of(member)
    same_sums(members)
    stack.controller.kill()
    stack.controller = stack.start_controller()
    again = stack.start_workers()
    stack.finish(again)


def restart(stack: Stack) -> None:
    stack.switch.signal(signal.SIGKILL)
    stack.switch.kill()
    stack.switch = stack.start_switch()


def restarted(stack: Stack, count: int, dtype: str, times: int) -> list[Process]:
    members = stack.start_workers(count=count, dtype=dtype)
    for _ in range(times):
        restart(stack)
        go_on(members)
    stack.finish(members)
    return members


def test_a_restarted_switch(start: Start) -> None:
    """A fifth of the results is lost on the way, so that some workers have what others lack when the switch dies."""
    stack = start(deadline=40.0, impair="out:loss=0.2,seed=3")
    members = restarted(stack, 20_000, "float32", 1)
    assert members[0].told[-1]["again"] > 0


@pytest.mark.slow
def test_a_switch_that_stays_away_is_a_sentence(start: Start) -> None:
    stack = start(deadline=1.0)
    members = stack.start_workers()
    stack.switch.kill()
    for member in members:
        assert "the switch does not answer" in error_of(member)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_restarts_with_the_baseline(start: Start, dtype: str) -> None:
    stack = start("int", deadline=40.0, workers=3, impair="out:loss=0.2,seed=4", options={"format": "int32"})
    restarted(stack, 60_000, dtype, 3)


@pytest.mark.root
@pytest.mark.slow
def test_restarts_over_veth_with_two_queues(start: Start) -> None:
    def body() -> None:
        pairs = veth_pairs(2)
        for rank, (_, far) in enumerate(pairs):
            ip(f"link set {far} address {mac(rank)}")
            ip(f"addr add {address(rank)}/32 dev {far}")
        stack = start(deadline=40.0, pairs=pairs, impair="out:loss=0.1,seed=5", options={"queues": 2})
        restarted(stack, 60_000, "float32", 3)

    run_isolated(body)
