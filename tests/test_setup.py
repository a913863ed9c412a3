"""scripts/setup.sh: what it says of a Python that it cannot use, and whether it keeps to the one that is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "setup.sh"


def setup(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    """The script's own work without what it installs, in a project of nothing."""
    (folder / "scripts").mkdir(exist_ok=True)
    for room in ("emulator", "fpisa"):
        (folder / room / "native").mkdir(parents=True, exist_ok=True)
    text = SCRIPT.read_text()
    for step in ("install_system_packages", "install_python_packages", "link_mininet"):
        assert f"\n    {step}\n" in text
        text = text.replace(f"\n    {step}\n", "\n    :\n")
    (folder / "scripts" / "setup.sh").write_text(text.replace('-m venv "$venv"', '-m venv --without-pip "$venv"'))
    return subprocess.run(
        ["bash", "scripts/setup.sh"],
        cwd=folder, env={**os.environ, "PYTHON": python, "TMPDIR": str(folder)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("python", ["no-such-python", "/bin/false"])
def test_a_python_that_cannot_be_used_is_an_error(tmp_path: Path, python: str) -> None:
    done = setup(tmp_path, python)
    assert done.returncode == 1
    assert done.stderr == f"setup: error: PYTHON={python} is no Python of 3.11 or newer\n"


def test_an_environment_of_another_python_is_made_anew(tmp_path: Path) -> None:
    base = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]
    first = setup(tmp_path, base)
    assert first.returncode == 0 and "setup: making .venv with Python 3" in first.stdout, first.stderr
    (tmp_path / ".venv" / "mine").touch()
    again = setup(tmp_path, base)
    assert (again.returncode, again.stdout) == (0, ""), "nothing to do"
    assert setup(tmp_path, "").stdout == "", "whatever there is will do where none is asked for"
    # The environment's interpreter seems to be another one.
    python = tmp_path / ".venv" / "bin" / "python"
    python.unlink()
    python.write_text('#!/bin/bash\ncase "$*" in *_base_executable*) echo /elsewhere/python 3.0.1;; *) echo 3.0.1;; esac\n')
    python.chmod(0o755)
    done = setup(tmp_path, base)
    assert done.returncode == 0 and f".venv is of Python 3.0.1, and PYTHON={base} asks for 3." in done.stdout, done.stderr
    assert not (tmp_path / ".venv" / "mine").exists()
