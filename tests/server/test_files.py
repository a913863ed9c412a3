"""`fpisa switch` between capture files instead of interfaces, and with queues on its command line."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from emulator.switch.pcap import PcapError, read_pcap, write_pcap
from tests.server.test_main import Process

PROGRAM = Path(__file__).parents[1] / "golden" / "05_registers" / "program.json"
PACKETS = [bytes([0]) + n.to_bytes(4, "big") + bytes(16) for n in range(8)]


def written(path: Path, count: int) -> list[bytes]:
    """The packets in a capture that is being written, once there are so many."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            found = [packet.data for packet in read_pcap(path)]
        except PcapError:  # in the middle of one
            continue
        if len(found) >= count:
            return found
        time.sleep(0)
    raise AssertionError(f"{path.name} does not fill")


@pytest.mark.parametrize("words", [["--engine", "interp"], ["--engine", "jit"], ["--engine", "jit", "--queue-rate", "2000"]])
def test_captures_in_and_captures_out(tmp_path: Path, words: list[str]) -> None:
    write_pcap(tmp_path / "one_in.pcap", PACKETS)
    write_pcap(tmp_path / "zero_in.pcap", [])
    ports = ["-i", "0@zero", "-i", "1@one", "--use-files", "0", f"--pcap={tmp_path}"]
    process = Process(str(PROGRAM), *ports, *words)
    try:
        assert written(tmp_path / "zero_out.pcap", 8) == PACKETS
    finally:
        code, errors = process.stop()
    assert code == 0 and "Traceback" not in errors
    assert [packet.data for packet in read_pcap(tmp_path / "zero_out.pcap")] == PACKETS
    assert list(read_pcap(tmp_path / "one_out.pcap")) == []


@pytest.mark.parametrize(("name", "words"), [("text", "is no capture file"), ("pipe", "is no file"), ("gone", "cannot read")])
def test_a_bad_capture_is_one_sentence(tmp_path: Path, name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    from emulator.server.main import main

    (tmp_path / "text_in.pcap").write_text("no capture at all, but long enough")
    os.mkfifo(tmp_path / "pipe_in.pcap")
    ports = ["-i", f"0@{name}", "--use-files", "0", f"--pcap={tmp_path}", "--grpc-server-addr", "127.0.0.1:0"]
    assert main([str(PROGRAM), *ports]) != 0
    errors = capsys.readouterr().err
    assert words in errors and errors.count("\n") == 1
