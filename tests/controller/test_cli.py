"""`fpisa controller` as a process: one sentence for everything that keeps it from starting."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "fpisa.cli", "controller"]
GOOD = {"switch": {"mac": "02:00:00:00:00:fe", "ip": "10.0.0.254"},
        "hosts": [{"name": "h1", "ip": "10.0.0.1", "mac": "02:00:00:00:00:01", "port": 0}]}  # fmt: skip


def fails(*words: str) -> str:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2) and done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


@pytest.fixture
def hosts(tmp_path: Path) -> str:
    path = tmp_path / "hosts.json"
    path.write_text(json.dumps(GOOD))
    return str(path)


def test_no_switch_there(hosts: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        for words in (("--hosts", hosts), ("inspect", "tables")):
            first = [words[0]] if words[0] == "inspect" else []
            text = fails(*first, "--switch", address, "--timeout", "0.3", *words[len(first) :])
            assert f"{address}: UNAVAILABLE: no P4Runtime server answers there" in text


def test_what_is_wrong_with_the_words(hosts: str, tmp_path: Path) -> None:
    switch = ("--switch", "127.0.0.1:1")
    assert "give --switch and --hosts, or --fabric" in fails()
    assert "leave out --switch and --hosts" in fails(*switch, "--fabric", hosts)
    assert "there is no file" in fails("--fabric", str(tmp_path / "none"))
    assert "expected an object with the lists 'switches' and 'hosts'" in fails("--fabric", hosts)
    assert "go together" in fails(*switch, "--hosts", hosts, "--p4info", hosts)
    assert "there is no file" in fails(*switch, "--hosts", str(tmp_path / "none"))
    assert "write unix:PATH or tcp:HOST:PORT" in fails(*switch, "--hosts", hosts, "--listen", "nonsense")
    (tmp_path / "latin").write_bytes(b'{"a": "\xe9"}')
    assert "latin is not text in UTF-8" in fails(*switch, "--hosts", str(tmp_path / "latin"))
    (tmp_path / "deep").write_text("[" * 100_000)
    assert "nested too deeply" in fails(*switch, "--hosts", str(tmp_path / "deep"))
    assert "there is no format" in fails(*switch, "--hosts", hosts, "--format", "fp64")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"switch": None}, "'switch' must be an object"),
        ({"switch": {"mac": "x", "ip": "10.0.0.254"}}, "switch: 'mac' must be a MAC address"),
        ({"hosts": 5}, "expected an object with 'switch' and a list 'hosts'"),
        ({"hosts": [GOOD["hosts"][0], GOOD["hosts"][0]]}, "host 1: 10.0.0.1 is also h1"),  # type: ignore[index]
        ({"hosts": [{"ip": "10.0.0.1", "mac": "02:00:00:00:00:01", "port": 600}]}, "host 0: 'port' must be"),
    ],
)
def test_a_hosts_file_names_its_mistake(tmp_path: Path, change: dict, words: str) -> None:
    from controller.hosts import read

    path = tmp_path / "hosts.json"
    path.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(ValueError, match=words):
        read(path)


def test_help_has_an_example() -> None:
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "fpisa controller --switch 127.0.0.1:9559" in done.stdout
