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

from controller.p4rt.protos import print_text
from emulator.server.service import Server, ServerTls

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


def run(requirement: str, script: str, *arguments: str) -> None:
    python = environment(requirement)
    done = subprocess.run(
        [str(python), str(Path(__file__).parent / "clients" / f"{script}.py"), *arguments],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("done")


@pytest.mark.slow
@pytest.mark.parametrize("script", ["with_shell", "with_finsy"])
def test_client(live: Any, script: str) -> None:
    found = live("34_cpu_names", cpu_port=255)
    found.client.close()
    folder = found.folder
    run(
        CLIENTS[script],
        script,
        found.server.address,
        str(folder / "program.p4info.txtpb"),
        str(folder / "program.json"),
    )


@pytest.fixture
def rules(live: Any, tmp_path: Path) -> tuple[Any, list[str]]:
    """A server without a client, and the files of rules.p4."""
    found = live("rules.p4", cpu_port=255)
    found.client.close()
    (tmp_path / "rules.p4info.txtpb").write_text(print_text(found.p4info))
    (tmp_path / "rules.json").write_bytes(found.json)
    return found, [str(tmp_path / "rules.p4info.txtpb"), str(tmp_path / "rules.json")]


@pytest.mark.slow
def test_finsy_and_the_rules(rules: Any) -> None:
    found, files = rules
    run(CLIENTS["with_finsy"], "finsy_rules", found.server.address, *files)


@pytest.mark.slow
def test_shell_and_the_rules_over_tls(rules: Any, certificates: Path) -> None:
    found, files = rules
    c = certificates
    server = Server(found.device, "127.0.0.1:0", ServerTls(c / "server.pem", c / "server.key", c / "ca.pem", True))
    server.start()
    try:
        run(CLIENTS["with_shell"], "shell_rules", server.address, *files, str(c))
    finally:
        server.stop(0)
