"""The examples of docs/SWITCH.md run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOC = Path(__file__).parents[2] / "docs" / "SWITCH.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOC.read_text(), re.DOTALL | re.MULTILINE)


def test_examples_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = blocks("p4")
    (tmp_path / "router.p4").write_text(program)
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    exec("\n".join(blocks("python")), space)
    tests = [value for name, value in space.items() if name.startswith("test_")]
    assert len(tests) == 4
    for test in tests:
        test()
