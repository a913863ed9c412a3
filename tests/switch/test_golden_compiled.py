"""The golden suite through our compiler: what it makes of program.p4 must send the recorded packets."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.compiler.main import main as compile_p4
from emulator.switch.load import load_model
from emulator.switch.model import Model
from emulator.switch.stf import report, run_file
from emulator.switch.switch import Switch

GOLDEN = Path(__file__).parents[1] / "golden"
FOLDERS = sorted(path.parent for path in GOLDEN.glob("*/program.p4"))


@pytest.fixture(scope="module")
def models() -> dict[Path, Model]:
    return {}


def compiled(folder: Path, models: dict[Path, Model], tmp_path: Path) -> Model:
    if folder not in models:
        out = tmp_path / "program.json"
        flags = ["-o", str(out), "--p4runtime-files", str(tmp_path / "program.p4info.txtpb")]
        assert compile_p4([str(folder / "program.p4"), *flags]) == 0
        models[folder] = load_model(out)
    return models[folder]


@pytest.mark.parametrize("engine", ["interp", "jit"])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_recorded_packets(folder: Path, engine: str, models: dict[Path, Model], tmp_path: Path) -> None:
    model = compiled(folder, models, tmp_path)
    for case in sorted(folder.glob("*.stf")):
        result = run_file(Switch(model, engine=engine), case, "golden")
        assert result.passed, "\n".join(report(result, case))
        assert result.packets > 0
