"""Other people's P4Runtime clients, unchanged, against a live server.

Each wants a protobuf of its own (p4runtime-shell below 3.21, finsy below 7), so each lives in a virtual environment
of its own, made once under build/.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = {"with_shell": "p4runtime-shell==0.0.6", "with_finsy": "finsy==0.30.0"}


def environment(requirement: str) -> Path:
    """The interpreter of an environment with this requirement; skipped where there is no package index."""
    folder = ROOT / "build" / "clients" / requirement
    python, marker = folder / "bin" / "python", folder / "installed"
    if marker.exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    done = subprocess.run([str(python), "-m", "pip", "install", "-q", requirement], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot install {requirement}: {done.stderr.strip().splitlines()[-1]}")
    marker.touch()
    return python


@pytest.mark.slow
@pytest.mark.parametrize("script", CLIENTS)
def test_client(live: Any, script: str) -> None:
    python = environment(CLIENTS[script])
    found = live("34_cpu_names", cpu_port=255)
    found.client.close()
    assert found.folder is not None
    arguments = [found.server.address, str(found.folder / "program.p4info.txtpb"), str(found.folder / "program.json")]
    done = subprocess.run(
        [str(python), str(Path(__file__).parent / "clients" / f"{script}.py"), *arguments],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("done")
