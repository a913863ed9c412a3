"""The golden suite through the switch: the reference compiler's JSON, every packet compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.switch.stf import report, run_file
from emulator.switch.switch import Switch

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path for path in GOLDEN.glob("*/*.stf"))
ENGINES = ["interp"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_recorded_packets(case: Path, engine: str) -> None:
    switch = Switch.load(case.parent / "program.json", engine=engine)
    result = run_file(switch, case, "golden")
    assert result.passed, "\n".join(report(result, case))
    assert result.packets > 0 and result.checks > 0


def test_all_cases_are_there() -> None:
    assert len({case.parent for case in CASES}) == 35
