"""Children of a network whose log cannot be written are heard all the same."""

import sys
from pathlib import Path

import pytest

from emulator.topo.process import Child

TALKER = "print('hello \\u2501', flush=True)\nprint('ready', flush=True)\nprint('x' * 300_000, flush=True)\nprint('bye')"


@pytest.mark.parametrize("log", ["/dev/full", "/proc/none/log", "own"])
def test_a_child_is_heard_to_its_end(log: str, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "log" if log == "own" else Path(log)
    heard: list[str] = []
    child = Child("talker", [sys.executable, "-c", TALKER], path, ready=lambda line: line == "ready\n", on_line=heard.append,
                  env={"PYTHONIOENCODING": "utf-8"})  # fmt: skip
    try:
        assert child.wait(30) == 0  # it would wait for ever for somebody who reads
        assert heard == ["hello \u2501", "ready", "x" * 300_000, "bye"]
        assert child.complaint() == "bye"
    finally:
        child.stop()
    if log == "own":
        assert path.read_text(encoding="utf-8").splitlines() == heard
