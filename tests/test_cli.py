"""The command's frame: what it says, and its exit status, when streams are full, closed or gone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fpisa import cli


def fpisa(*words, **streams):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run([sys.executable, "-m", "fpisa.cli", *words], text=True, timeout=60, **streams)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("words", [("sum", "1"), ("sum", "1", "--json"), ("--help",)])
def test_a_full_disk_is_one_sentence(words):
    with open("/dev/full", "w") as full:
        done = fpisa(*words, stdout=full)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "no space left on the device" in done.stderr


def test_closed_streams_swallow_what_is_written():
    for redirection in (">&-", ">&- 2>&-"):
        done = subprocess.run(f'"{sys.executable}" -m fpisa.cli sum 1 {redirection}', shell=True, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_reader_that_has_gone_is_no_error():
    there, here = os.pipe()
    os.close(there)
    with open(here, "w") as pipe:
        done = fpisa("sum", "1", "--json", stdout=pipe)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_without_the_characters_gets_others():
    done = subprocess.run([sys.executable, "-m", "fpisa.cli", "compile", "\u00e9\udc80.p4"], capture_output=True,
                          env={**os.environ, "PYTHONIOENCODING": "ascii"}, timeout=60)  # fmt: skip
    assert done.returncode == 2 and b"Traceback" not in done.stderr and b"no such file" in done.stderr


def raises(error):
    def command(argv):
        raise error

    return command


@pytest.fixture
def command(monkeypatch):
    """Lets `fpisa sum` raise."""
    return lambda error: monkeypatch.setattr("fpisa.sum_cli.main", raises(error))


@pytest.mark.parametrize(
    "error, status, says",
    [
        (KeyboardInterrupt(), 130, "fpisa: interrupted\n"),
        (BrokenPipeError(32, "Broken pipe"), 1, "fpisa sum: error: Broken pipe\n"),
        (PermissionError(13, "Permission denied", "some/file"), 1, "fpisa sum: error: some/file: Permission denied\n"),
    ],
)
def test_what_a_command_lets_through_is_a_sentence(command, capsys, error, status, says):
    command(error)
    assert cli.main(["sum", "1"]) == status
    assert capsys.readouterr().err == says


def test_a_fault_of_ours_leaves_its_traceback_in_a_file(command, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command(AssertionError("unthinkable"))
    assert cli.main(["sum", "1"]) == 1
    (report,) = tmp_path.iterdir()
    assert str(report) in capsys.readouterr().err and "unthinkable" in report.read_text()
