"""Programs with packet tests in the reference's STF form, written as rows of a table.

A row is (name, program, packet test). The test's lines stand apart by line ends or by `;`. What must leave is worked
out by hand from the specification.
"""
from __future__ import annotations

from pathlib import Path
from typing import Literal

from emulator.compiler.emit_entries import emit_entries
from emulator.switch.stf import report, run_text
from emulator.switch.switch import Switch

from .harness import compile_text

StfRow = tuple[str, str, str]


def play(row: StfRow, folder: Path, engine: Literal["interp", "jit"] = "interp") -> None:
    """Compile, load, play the packet test; P4Info and the entries can be written."""
    name, program, test = row
    result = compile_text(program, folder)
    assert result.ok and result.json, result.text()
    switch = Switch.load(result.json, engine=engine, seed=0)
    found = run_text(switch, test.replace(";", "\n"), "reference")
    assert found.checks or found.packets, "nothing is looked at"
    assert found.passed, "\n".join(report(found, name))
    emit_entries(result.program, result.p4info)
