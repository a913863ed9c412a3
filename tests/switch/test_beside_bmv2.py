"""Benchmarks beside simple_switch_grpc, with a stand-in that takes its command line and is our own switch behind it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bmv2, dataplane, veth, veth_programs
from benchmarks import namespaces as ns
from tests.switch import bmv2_stand_in

STAND_IN = Path(bmv2_stand_in.__file__)


def quiet(text: str) -> None:
    pass


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Named by FPISA_BMV2 and by nothing else."""
    program = tmp_path / "simple_switch_grpc"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv(bmv2.VARIABLE, str(program))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(STAND_IN.parents[2]), os.environ.get("PYTHONPATH", "")]))
    return program


def test_the_command_line_is_the_reference_switchs() -> None:
    words = bmv2.command("/x/simple_switch_grpc", {1: "s0", 2: "s1"}, "unix:/tmp/grpc")
    own, target = bmv2_stand_in.parse(words[1:])
    assert own.no_p4 and own.interface == ["1@s0", "2@s1"] and own.log_level == "off"
    assert target.grpc_server_addr == "unix:/tmp/grpc" and target.cpu_port == bmv2.CPU_PORT


def test_the_reference_switch_is_found_or_missed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(bmv2.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bmv2.executable() is None
    (row,) = bmv2.compared("veth_l2", 5.0, None).values()
    assert row["value"] is None and "not installed" in row["against"]
    program = tmp_path / "simple_switch_grpc"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert bmv2.executable() == str(program)
    assert bmv2.compared("veth_l2", 50.0, 10.0)["veth_l2_over_bmv2"]["value"] == 5
    monkeypatch.setenv(bmv2.VARIABLE, str(tmp_path / "other"))
    with pytest.raises(RuntimeError, match="there is no such program"):
        bmv2.executable()


def test_a_row_without_a_value_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.run import reached, table
    from benchmarks.show import show

    rows = bmv2.compared("veth_l2", 5.0, None)
    assert show(lambda: rows, False) == 0
    assert "veth_l2_over_bmv2: none (simple_switch_grpc is not installed" in capsys.readouterr().out
    assert table(rows).row_count == 1 and reached(rows["veth_l2_over_bmv2"]) is None


def test_what_is_installed_is_written_again() -> None:
    """The job of the all-reduce benchmark, entry for entry and group for group, in a switch that is filled by P4Runtime."""
    from controller.p4rt.p4info import from_p4info
    from emulator.server.bound import Bound
    from emulator.server.program import Program
    from emulator.server.write import Writer
    from emulator.switch.switch import Switch

    source = dataplane.P4SRC / "allreduce_fpisa.p4"
    first, _ = dataplane.load("fpisa", 32)
    setup = bmv2.setup_of(source, first, {"ELEMENTS": 32})
    second = Switch.load(setup.config, engine="interp")
    writer = Writer(Bound(Program(from_p4info(setup.p4info), setup.config, None, second)))
    for update in setup.updates:
        writer.apply(update)

    def held(switch: Any) -> Any:
        tables = switch.control.tables
        entries = {name: [(e.key, e.priority, e.action, e.args) for e in t.entries()] for name, t in tables.items()}
        return entries, {name: t.default for name, t in tables.items()}, switch.control.multicast.groups()

    assert held(second) == held(first)


@pytest.mark.root
def test_l2_beside_the_stand_in(stand_in: Path) -> None:
    """The whole way: started in the namespace, filled, loaded, compared, gone."""
    rows = veth_programs.run(quiet, ("l2",), 0.2, 1, {"l2": 100})
    ratio = rows["veth_l2_over_bmv2"]
    assert 0 < ratio["value"] < 1000 and ratio["against"].startswith("simple_switch_grpc, ")
    assert rows["veth_l2_pps"]["value"] > 0


@pytest.mark.root
def test_a_reference_switch_that_fails_is_one_sentence(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FPISA_STAND_IN", "broken")
    with pytest.raises(RuntimeError, match="ended with status 1: bind: the interface is gone"):
        veth_programs.run(quiet, ("l2",), 0.1, 1, {"l2": 100})


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.timeout(600)
def test_every_forwarding_program_beside_the_stand_in(stand_in: Path) -> None:
    rows = veth_programs.run(quiet, ("l2", "l3", "acl"), 0.3, 1)
    assert all(rows[f"veth_{name}_over_bmv2"]["value"] > 0 for name in ("l2", "l3", "acl"))


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.timeout(600)
def test_all_reduce_beside_the_stand_in(stand_in: Path) -> None:
    def body() -> float | None:
        ns.veth(2)
        switch, _ = dataplane.load("fpisa", veth.ELEMENTS)
        veth.admit(switch, 1)
        return veth.reference_rate(quiet, switch, veth.contributions(), 0.5)

    rate = ns.isolated(body)
    assert rate is not None and rate > 1000, "contributions come back as results"
