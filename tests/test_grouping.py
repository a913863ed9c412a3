"""Tests that own networks must run in turn: the runner has to honour the groups conftest.py forms."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SUITE = """
import os
import pytest

@pytest.mark.parametrize("index", range(12))
@pytest.mark.xdist_group("network")
def test_in_turn(index):
    with open(os.environ["FPISA_WHERE"], "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_a_group_stays_in_one_process(tmp_path: Path):
    """A release of the runner once left the groups out without a word, and tests met on one address."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    where = tmp_path / "where"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env={**environment, "FPISA_WHERE": str(where)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    workers = where.read_text().split()
    assert len(workers) == 12 and len(set(workers)) == 1, workers
