"""The golden suite through compiled code, stage by stage and fused: every recorded packet equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.switch.stf import report, run_file
from emulator.switch.switch import Switch

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path for path in GOLDEN.glob("*/*.stf"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_recorded_packets_stage_by_stage(case: Path) -> None:
    switch = Switch.load(case.parent / "program.json", engine="jit")
    result = run_file(switch, case, "golden")
    assert result.passed, "\n".join(report(result, case))
    assert result.packets > 0 and result.checks > 0


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_recorded_packets_fused(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = Switch.load(case.parent / "program.json", engine="jit")
    monkeypatch.setattr(switch, "send", lambda port, data: switch.engine.process([(port, bytes(data))]))
    result = run_file(switch, case, "golden")
    assert result.passed, "\n".join(report(result, case))
    assert result.packets > 0 and result.checks > 0
