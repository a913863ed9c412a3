"""The golden suite through this compiler: packets as recorded, P4Info equal to the reference's, bad programs refused."""
from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format

from emulator.compiler.api import compile_file
from emulator.switch.stf import report, run_file
from emulator.switch.switch import Switch

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
PROGRAMS = sorted(GOLDEN.glob("[0-9]*/program.p4"))
BAD = sorted((GOLDEN / "bad").glob("*.p4"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.parent.name)
def test_packets(program: Path) -> None:
    result = compile_file(program)
    assert result.ok, result.text()
    for case in sorted(program.parent.glob("*.stf")):
        played = run_file(Switch.load(result.json, engine="interp"), case)
        assert not played.failures, "\n".join(report(played, case))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.parent.name)
def test_p4info_equals_the_reference(program: Path) -> None:
    found = compile_file(program).p4info
    wanted = type(found)()
    text_format.Parse((program.parent / "program.p4info.txtpb").read_text(), wanted)
    assert text_format.MessageToString(found) == text_format.MessageToString(wanted)


@pytest.mark.parametrize("program", BAD, ids=lambda p: p.stem)
def test_bad_program_is_refused_at_its_line(program: Path) -> None:
    place, what = program.with_suffix(".expect").read_text().splitlines()[:2]
    result = compile_file(program)
    errors = [d for d in result.diagnostics if d.kind == "error"]
    assert errors, f"accepted although {what}"
    assert result.json is None
    line = place.split(":")[0]
    if line != "-":
        assert str(errors[0].line) == line, f"{what}: {result.text()}"


def test_limits_can_be_lifted(tmp_path: Path) -> None:
    """What the target cannot do and the language can, on demand."""
    from emulator.compiler.context import Options

    for name, limit in (("runtime_division", "division"), ("table_applied_twice", "table-reuse")):
        result = compile_file(GOLDEN / "bad" / f"{name}.p4", options=Options(allow=frozenset([limit])))
        assert result.ok, result.text()
