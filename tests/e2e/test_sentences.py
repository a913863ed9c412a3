"""What goes wrong outside the program is told in one sentence: no traceback, no hang, a status that is not 0."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.topo.shapes import star
from emulator.topo.spec import hosts_file

ROOT = Path(__file__).resolve().parents[2]
HELLO = ROOT / "tests" / "golden" / "01_l2_forward"


def complaint(*arguments: str, path: str | None = None) -> str:
    """What `fpisa ARGUMENTS` says on standard error; asserts that it fails, soon and without a traceback."""
    env = {**os.environ, **({} if path is None else {"PATH": path})}
    command = [sys.executable, "-m", "fpisa.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)
    assert done.returncode not in (0, None), done.stdout
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.stderr


def one_line(text: str) -> str:
    assert len(text.strip().splitlines()) == 1, text
    return text.strip()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_switch_that_is_not_there(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps(hosts_file(star(2), "s1")))
    address = f"127.0.0.1:{free_port()}"
    said = one_line(complaint("controller", "--switch", address, "--hosts", str(hosts), "--timeout", "1"))
    assert address in said


@pytest.mark.root
def test_a_wrong_interface() -> None:
    said = one_line(
        complaint("switch", str(HELLO / "program.json"), "-i", "0@nosuch0", "--grpc-server-addr", "127.0.0.1:0")
    )
    assert "nosuch0" in said


def test_a_port_in_use(taken_port: int) -> None:
    said = one_line(complaint("switch", "--no-p4", "--grpc-server-addr", f"127.0.0.1:{taken_port}"))
    assert str(taken_port) in said


def test_a_p4_syntax_error_has_its_place_and_a_caret(tmp_path: Path) -> None:
    source = tmp_path / "broken.p4"
    source.write_text("#include <core.p4>\n#include <v1model.p4>\nheader h_t { bit<8> ; }\n")
    said = complaint("compile", str(source), "-o", str(tmp_path / "broken.json"))
    first, line, caret = said.splitlines()[:3]
    assert first.startswith(f"{source}:3:") and ": error: " in first
    assert "header h_t { bit<8> ; }" in line and caret.strip() == "^"
    assert not (tmp_path / "broken.json").exists()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "none.json" in one_line(complaint("switch", str(tmp_path / "none.json")))
    assert "none.p4" in one_line(complaint("compile", str(tmp_path / "none.p4"), "-o", str(tmp_path / "x.json")))


@pytest.mark.parametrize(
    "arguments, tool",
    [(["--compiler", "p4c", "--in-process"], "p4c-bm2-ss"), (["--switch", "bmv2"], "simple_switch_grpc")],
)
def test_a_reference_tool_that_is_not_installed(tmp_path: Path, arguments: list[str], tool: str) -> None:
    tools = "/usr/sbin:/usr/bin:/sbin:/bin"
    if any((Path(folder) / tool).exists() for folder in tools.split(":")):
        tools = str(tmp_path)
    run = ["run", "--aggregators", "gloo", "--epochs", "1", "--bench-mb", "0.01", "--out", str(tmp_path / "out")]
    said = complaint(*run, *arguments, path=tools)
    assert tool in one_line(said.splitlines()[-1])


def test_a_setting_that_cannot_be(tmp_path: Path) -> None:
    assert "--workers must be from 2 to 128" in one_line(complaint("run", "--workers", "999", "--out", str(tmp_path)))


def test_a_worker_whose_controller_is_not_there(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "controller.sock")
    said = one_line(complaint("worker", "--controller", nowhere, "--job", "j", "--workers", "2", "--interface", "lo"))
    assert nowhere in said or "root" in said


def test_an_unknown_command() -> None:
    assert "unknown command 'frobnicate'" in one_line(complaint("frobnicate"))
