"""`fpisa switch` as a process: ready line, clean end, one sentence for everything that keeps it from starting."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.p4rt.client import Tls
from controller.p4rt.entities import TableEntry
from controller.p4rt.p4info import read_p4info
from controller.p4rt.status import P4RuntimeError
from controller.p4rt.switch import P4Switch

GOLDEN = Path(__file__).parents[1] / "golden"
COMMAND = [sys.executable, "-m", "fpisa.cli", "switch"]
L2 = str(GOLDEN / "01_l2_forward" / "program.json")


class Process:
    """A switch process whose first line of output says that it is ready."""

    def __init__(self, *words: str, pass_fds: tuple[int, ...] = ()) -> None:
        self.child = subprocess.Popen(
            [*COMMAND, "--grpc-server-addr", "127.0.0.1:0", "--engine", "interp", "--json", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=pass_fds,
        )  # fmt: skip
        assert self.child.stdout is not None
        assert select.select([self.child.stdout], [], [], 60)[0], "not ready within 60 s"
        line = self.child.stdout.readline()
        assert line, self.child.communicate()[1]
        self.facts: dict[str, Any] = json.loads(line)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.child.send_signal(number)
        _, errors = self.child.communicate(timeout=30)
        return self.child.returncode, errors


@pytest.fixture
def process() -> Iterator[Any]:
    started: list[Process] = []

    def start(*words: str, **keywords: Any) -> Process:
        started.append(Process(*words, **keywords))
        return started[-1]

    yield start
    for one in started:
        if one.child.poll() is None:
            one.child.kill()
            one.child.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_starts_with_a_program_and_ends_cleanly(process: Any, tmp_path: Path, number: int) -> None:
    ready = tmp_path / "ready"
    one = process(L2, "--ready-file", str(ready), "--thrift-port", "9090")
    assert json.loads(ready.read_text()) == one.facts
    with P4Switch(one.facts["grpc"]) as client:
        assert len(list(client.read(TableEntry(is_default=True)))) == len(client.schema.tables)
    code, errors = one.stop(number)
    assert code == 0
    assert "--thrift-port is accepted and ignored" in errors and "Traceback" not in errors
    assert not ready.exists()


def test_waits_for_a_program_and_serves_metrics(process: Any) -> None:
    read_end, write_end = os.pipe()
    one = process("--no-p4", "--device-id", "7", "--metrics-addr", "127.0.0.1:0", "--ready-fd", str(write_end),
                  pass_fds=(write_end,))  # fmt: skip
    os.close(write_end)
    with open(read_end) as stream:
        assert json.loads(stream.read()) == one.facts
    url = f"http://127.0.0.1:{one.facts['metrics']}/metrics"
    assert "fpisa_program_loaded 0" in urllib.request.urlopen(url, timeout=10).read().decode()
    with P4Switch(one.facts["grpc"], device_id=7) as client:
        client.set_pipeline(read_p4info(GOLDEN / "01_l2_forward/program.p4info.txtpb"), Path(L2).read_bytes())
        text = urllib.request.urlopen(url, timeout=10).read().decode()
    assert "fpisa_program_loaded 1" in text
    assert 'fpisa_table_entries{table="Ig.dmac"} 0' in text
    assert one.stop()[0] == 0


def fails(*words: str) -> str:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2) and done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def test_what_keeps_it_from_starting(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{ nonsense")
    other = tmp_path / "other.json"
    other.write_text('{"program": "x"}')
    free = ("--grpc-server-addr", "127.0.0.1:0")
    assert "there is no file" in fails(str(tmp_path / "none.json"), *free)
    assert "not JSON" in fails(str(bad), *free)
    assert "other.json" in fails(str(other), *free)
    assert "is a directory" in fails(str(tmp_path), *free)
    assert "there is no interface nosuch0" in fails(L2, "-i", "0@nosuch0", *free)
    assert "PORT@INTERFACE" in fails(L2, "-i", "nosuch0")
    assert "HOST:PORT" in fails("--no-p4", "--grpc-server-addr", "127.0.0.1:99999")
    assert "there is no file" in fails(L2, "--grpc-tls", "--grpc-server-cert", "x", "--grpc-server-key", "y", *free)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert "the port is in use" in fails("--no-p4", "--grpc-server-addr", f"127.0.0.1:{port}")
        assert "cannot serve metrics" in fails("--no-p4", "--metrics-addr", f"127.0.0.1:{port}", *free)
    for flag in ("--log-file", "--ready-file"):
        assert f"cannot use {tmp_path}/none/x" in fails("--no-p4", flag, str(tmp_path / "none" / "x"), *free)
    assert "--ready-fd 199: Bad file descriptor" in fails("--no-p4", "--ready-fd", "199", *free)
    assert "it exists and is not a socket" in fails("--no-p4", "--admin", str(bad), *free)
    assert "write the path" in fails("--no-p4", "-i", "0@shm:", *free)


def test_a_ready_file_that_is_none_stays_what_it_is(process: Any, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    one = process("--no-p4", "--ready-file", str(link))
    assert link.is_symlink() and json.loads(target.read_text()) == one.facts
    assert one.stop() == (0, "") and link.is_symlink()


def test_help_has_an_example() -> None:
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "fpisa switch prog.json -i 0@veth0" in done.stdout


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing interface that may not be opened; the kernel's answer is imitated, the tests may be root."""
    from emulator.server import ports
    from emulator.server.options import parse

    def refuse(*_: Any) -> Any:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(ports.socket, "socket", refuse)
    with pytest.raises(ports.PortError, match="no permission to open interface lo; run as root"):
        ports.make_runner(parse(["--no-p4", "-i", "0@lo"]), lambda: 0)


def test_tls_and_client_certificates(process: Any, certificates: Path) -> None:
    c = certificates
    one = process(
        L2, "--", "--grpc-server-ssl", "--grpc-server-cert", str(c / "server.pem"), "--grpc-server-key",
        str(c / "server.key"), "--grpc-server-cacert", str(c / "ca.pem"), "--grpc-server-with-client-auth",
    )  # fmt: skip
    with P4Switch(one.facts["grpc"], tls=Tls(c / "ca.pem", c / "client.pem", c / "client.key")) as client:
        assert client.election.primary and len(client.schema.tables)
    for tls in (None, Tls(c / "ca.pem")):
        with pytest.raises(P4RuntimeError) as caught, P4Switch(one.facts["grpc"], tls=tls, timeout=3):
            pass
        assert caught.value.is_unreachable
    assert one.stop()[0] == 0
