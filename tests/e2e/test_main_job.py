"""The whole road: P4 programs, switch, controller, workers, training; and what happens when a part of it dies."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from emulator.topo.build import Network
from emulator.topo.leftovers import STATE, TAG
from emulator.topo.shapes import star
from emulator.topo.switches import start_switch
from workers.main_job.network_run import run_method, start_controller
from workers.main_job.plan import METHODS, JobError, Plan
from workers.main_job.programs import Program, compile_program
from workers.main_job.result import Event
from workers.training.aggregators import Seat
from workers.training.recipe import Recipe

SHORT = Plan(workers=3, rate_mbit=None, bench_bytes=100_000, bench_repeats=1, recipe=Recipe(epochs=1))
LONG = replace(SHORT, recipe=Recipe(epochs=2000))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return compile_program(SHORT, "allreduce_fpisa.p4", tmp_path_factory.mktemp("p4"))


def fpisa(*arguments: str, timeout: float = 240, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fpisa.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)  # type: ignore[call-overload]


def own_networks() -> list[str]:
    """Networks of this process that are still recorded."""
    owner = f"{os.getpid()} "
    return [
        path.name
        for path in STATE.iterdir()
        if TAG.fullmatch(path.name) and (path / "owner").read_text().startswith(owner)
    ]


@pytest.mark.root
def test_every_aggregator_trains_the_same_network(tmp_path: Path) -> None:
    done = fpisa(
        "run", "--workers", "2", "--epochs", "2", "--bench-mb", "0.1", "--bench-repeats", "1", "--rate", "0",
        "--out", str(tmp_path), "--json",
    )  # fmt: skip
    # Two epochs are too few for accuracy's margin to mean much; equal weights and sums must hold all the same.
    assert done.returncode == 0 or "accuracy" in done.stderr, done.stderr
    document = json.loads(done.stdout)
    results = {row["aggregator"]: row for row in document["results"]}
    assert list(results) == ["fpisa", "fpisa-a", "switchml", "gloo"]
    assert all(row["equal_weights"] and row["packets"] > 0 for row in results.values())
    assert results["fpisa"]["chunks_explained"] == results["fpisa-a"]["chunks_explained"] == 1.0
    assert results["fpisa"]["largest_error"] < 1e-6 and results["switchml"]["largest_deviation"] < 1e-6
    (folder,) = tmp_path.iterdir()
    assert json.loads((folder / "results.json").read_text()) == document
    assert "<svg" in (folder / "index.html").read_text()


def test_without_a_network_the_same_and_the_difference_is_told(tmp_path: Path) -> None:
    done = fpisa(
        "run", "--in-process", "--aggregators", "fpisa-a,switchml", "--epochs", "2", "--bench-mb", "0.02",
        "--bench-repeats", "1", "--workers", "2", "--impair", "loss=0.01,seed=3", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0 or "accuracy" in done.stderr, done.stderr
    assert "No Mininet network was built" in done.stdout
    (folder,) = tmp_path.iterdir()
    results = json.loads((folder / "results.json").read_text())["results"]
    assert all(row["equal_weights"] and row["retransmissions"] > 0 for row in results)
    assert results[0]["chunks_explained"] == 1.0


class Murder:
    """Sends a signal to a worker, or calls `deed`, at the first step of training; keeps what the others say then."""

    def __init__(self, rank: int, number: int) -> None:
        self.rank, self.number = rank, number
        self.pids: dict[int, int] = {}
        self.at = 0.0
        self.errors: dict[int, tuple[float, Event]] = {}

    def see(self, rank: int, event: Event) -> None:
        if event["event"] == "joining":
            self.pids[rank] = event["pid"]
        if event["event"] == "step" and not self.at:
            self.at = time.monotonic()
            os.kill(self.pids[self.rank], self.number)
        if event["event"] == "error":
            self.errors[rank] = (time.monotonic() - self.at, event)


IN_PROCESS = """
import os, sys
from pathlib import Path
from emulator.switch.ports import parse_impairments
from emulator.topo.shapes import star
from workers.main_job.in_process_net import in_process_net
from workers.main_job.plan import Plan
from workers.main_job.programs import Program
folder = Path(sys.argv[1])
plan, program = Plan(workers=2, in_process=True), Program(*map(Path, sys.argv[2:]))
with in_process_net(plan, star(2), program, folder, parse_impairments("")) as net:
    print(net.socket, flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_a_killed_run_in_one_process_leaves_nothing(tmp_path: Path, program: Program) -> None:
    """Its controller ends with it; the next run removes its folder, and no living run's."""

    def begin() -> tuple[subprocess.Popen[str], Path]:
        words = [sys.executable, "-c", IN_PROCESS, str(tmp_path), str(program.json), str(program.p4info)]
        run = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None
        return run, Path(run.stdout.readline().strip())

    def controllers(socket: Path) -> list[str]:
        done = subprocess.run(["pgrep", "-f", f"unix:{socket}"], capture_output=True, text=True, check=False)
        return done.stdout.split()

    killed, first = begin()
    assert len(controllers(first)) == 1
    killed.kill()
    killed.communicate()
    end = time.monotonic() + 20
    while controllers(first):
        assert time.monotonic() < end, "the controller outlives the run"
        time.sleep(0.01)
    living, second = begin()
    third_run, third = begin()
    assert not first.parent.exists() and second.parent.exists() and third.parent.exists()
    for run in (living, third_run):
        run.communicate("")
    assert not second.parent.exists() and not third.parent.exists()


@pytest.mark.root
def test_a_killed_worker_is_named_by_the_others_and_the_next_run_works(tmp_path: Path, program: Program) -> None:
    murder = Murder(2, signal.SIGKILL)
    with pytest.raises(JobError, match="rank 2 was killed by SIGKILL"):
        run_method(LONG, METHODS["fpisa"], program, tmp_path / "killed", murder.see)
    assert set(murder.errors) == {0, 1}
    for seconds, event in murder.errors.values():
        assert event["silent"] == [2], event
        assert seconds < 10
    assert not own_networks()
    again = run_method(SHORT, METHODS["fpisa"], program, tmp_path / "again", lambda rank, event: None)
    assert again.equal_weights and again.chunks_explained == 1.0


@pytest.mark.root
def test_a_paused_worker_is_named_after_the_deadline(tmp_path: Path, program: Program) -> None:
    murder = Murder(1, signal.SIGSTOP)
    with pytest.raises(JobError, match="rank 1 was still running"):
        run_method(replace(LONG, deadline_s=1.5), METHODS["fpisa"], program, tmp_path, murder.see)
    assert {rank: event["silent"] for rank, (_, event) in murder.errors.items()} == {0: [1], 2: [1]}
    assert not own_networks()


SUMS = """
import hashlib, json, sys
import numpy as np
from workers.training.aggregators import InNetwork, Seat
seat = Seat(**json.loads(sys.argv[1]))
client = InNetwork(seat)
digest, floats = hashlib.sha256(), hashlib.sha256()
for size in (1, 63, 64, 65, 20000, 3):
    random = np.random.default_rng((size, seat.rank))
    values = random.integers(512, 1000, size) * random.choice((-1, 1), size)
    values = values.astype(np.int32 if seat.options["format"] == "int32" else np.float32)
    client.client.allreduce(values)
    digest.update(values.tobytes())
    quantised = random.standard_normal(size, dtype=np.float32)
    client.allreduce(quantised)
    floats.update(quantised.tobytes())
counts = client.counts()
client.close()
found = {"digest": digest.hexdigest(), "floats": floats.hexdigest(), "again": counts["retransmissions"]}
print(json.dumps(found), flush=True)
"""


def exact_digest(workers: int, kind: type) -> str:
    digest = hashlib.sha256()
    for size in (1, 63, 64, 65, 20000, 3):
        total = np.zeros(size, np.int64)
        for rank in range(workers):
            random = np.random.default_rng((size, rank))
            total += random.integers(512, 1000, size) * random.choice((-1, 1), size)
        digest.update(total.astype(kind).tobytes())
    return digest.hexdigest()


@pytest.mark.root
@pytest.mark.parametrize("name", ["allreduce_fpisa.p4", "allreduce_fpisa_approx.p4", "allreduce_int.p4"])
def test_loss_duplication_and_reordering_change_no_bit(tmp_path: Path, name: str) -> None:
    """Sums of whole numbers with one exponent are exact in any order, also in the approximate shape; sums of
    other floats depend on the order, but are the same on every worker."""
    program = compile_program(SHORT, name, tmp_path)
    spec = "in:loss=0.01,dup=0.005,reorder=0.02,out:loss=0.01,dup=0.005,reorder=0.02,seed=11"
    with Network(star(3, impair=spec), tmp_path) as network:
        _, address = start_switch(network, network.topology.switches[0], "fpisa")
        socket = start_controller(network, address, program, tmp_path)
        lines: list[list[str]] = [[], [], []]
        workers = []
        for rank, host in enumerate(network.topology.hosts):
            options = {"format": "int32" if "int" in name else "fp32", "slots": 32}
            seat = Seat("sums", rank, 3, host.ip, str(socket), "", 0, options=options)
            command = [sys.executable, "-c", SUMS, json.dumps(asdict(seat))]
            workers.append(network.start(f"w{rank}", command, host=host.name, on_line=lines[rank].append))
        assert [worker.wait(60) for worker in workers] == [0, 0, 0], lines
    said = [json.loads(line[-1]) for line in lines]
    assert [one["digest"] for one in said] == [exact_digest(3, np.int32 if "int" in name else np.float32)] * 3
    assert len({one["floats"] for one in said}) == 1
    assert all(one["again"] > 0 for one in said)
