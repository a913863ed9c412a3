"""Averages of jobs over two racks, end to end: the root alone divides, whatever travels up to it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from emulator.topo.build import Network
from emulator.topo.shapes import two_racks
from emulator.topo.switches import start_switch
from tests.e2e.stack import ROOT
from workers.main_job.network_run import start_fabric_controller
from workers.main_job.plan import TREES
from workers.main_job.programs import SOURCES, Program

pytestmark = [pytest.mark.root, pytest.mark.slow]


def program(folder: Path, *options: str) -> Program:
    made = Program(folder / "tree.json", folder / "tree.p4info.txtpb")
    source = str(SOURCES / TREES["allreduce_fpisa.p4"])
    command = [sys.executable, "-m", "fpisa.cli", "compile", source, "-DELEMENTS=64", *options, "-o", str(made.json)]
    subprocess.run([*command, "--p4runtime-files", str(made.p4info)], check=True, cwd=ROOT)
    return made


def reports(folder: Path, made: Program, workers: int, impair: str) -> list[dict[str, Any]]:
    """What `fpisa worker --average` says on every host."""
    with Network(two_racks(workers, impair=impair), folder) as network:
        addresses = {s.name: start_switch(network, s, "fpisa")[1] for s in network.topology.switches}
        socket = start_fabric_controller(network, addresses, made, folder)
        words = ["--controller", str(socket), "--job", "mean", "--workers", str(workers), "--interface", "eth0"]
        words += ["--average", "--json", "--slots", "32", "--size", "64K", "--repeats", "3", "--deadline", "40"]
        said: list[list[str]] = [[] for _ in range(workers)]
        children = [
            network.start(
                f"w{rank}", [sys.executable, "-m", "fpisa.cli", "worker", *words, "--rank", str(rank)],
                host=network.topology.hosts[rank].name, on_line=said[rank].append, env={"PYTHONPATH": str(ROOT)},
            )
            for rank in range(workers)
        ]  # fmt: skip
        for rank, child in enumerate(children):
            child.wait(90)
            assert said[rank] and said[rank][-1].startswith("{"), said[rank]
    return [json.loads(lines[-1]) for lines in said]


@pytest.mark.parametrize(("uplink", "workers"), [("raw", 3), ("packed", 3), ("raw", 4)])
def test_the_root_divides(tmp_path: Path, uplink: str, workers: int) -> None:
    """Of sums that are exact: correctly rounded for four workers, to one unit in the last place for three."""
    options = ["-DAVERAGE=1", *(["-DUPLINK=raw"] if uplink == "raw" else [])]
    loss = "in:loss=0.01,dup=0.005,out:loss=0.01,seed=5" if workers == 3 else ""
    found = reports(tmp_path, program(tmp_path, *options), workers, loss)
    assert [report["wrong"] for report in found] == [0] * workers
    assert {report["largest_error"] for report in found} == {found[0]["largest_error"]}
    assert workers == 3 or found[0]["largest_error"] == 0


def test_trees_without_averages_refuse_such_jobs(tmp_path: Path) -> None:
    made = program(tmp_path)
    with pytest.raises(AssertionError, match="does not average; compile it with -DAVERAGE=1"):
        reports(tmp_path, made, 3, "")
