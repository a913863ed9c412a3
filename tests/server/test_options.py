"""The command line: simple_switch_grpc's options on either side of `--`, and a sentence for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.server.options import UsageError, parse
from emulator.switch.queues import QueueSettings


def test_a_usual_simple_switch_grpc_command_line() -> None:
    options = parse(
        ["--log-console", "-L", "debug", "--device-id", "3", "-i", "0@veth0", "-i", "1@veth2", "--thrift-port", "9090",
         "prog.json", "--", "--grpc-server-addr", "0.0.0.0:9560", "--cpu-port", "255", "--drop-port", "510"]
    )  # fmt: skip
    assert options.program == Path("prog.json")
    assert options.interfaces == {0: "veth0", 1: "veth2"}
    assert (options.device_id, options.cpu_port, options.drop_port) == (3, 255, 510)
    assert (options.grpc_addr, options.log_level) == ("0.0.0.0:9560", "debug")
    (note,) = options.notes
    assert "--thrift-port is accepted and ignored" in note


def test_either_side_of_the_dashes() -> None:
    before = parse(["prog.json", "--grpc-server-addr", "h:1", "--cpu-port", "9"])
    after = parse(["prog.json", "--", "--grpc-server-addr", "h:1", "--cpu-port", "9"])
    assert before == after
    assert parse(["--", "--no-p4"]).no_p4


def test_defaults() -> None:
    options = parse(["p.json"])
    assert (options.grpc_addr, options.drop_port, options.cpu_port, options.engine) == (
        "0.0.0.0:9559",
        511,
        None,
        "auto",
    )
    assert options.notes == ()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "give a bmv2 JSON file, or --no-p4"),
        (["a.json", "--no-p4"], "exclude each other"),
        (["a.json", "-i", "veth0"], "write it as PORT@INTERFACE"),
        (["a.json", "-i", "512@v"], "above 511"),
        (["a.json", "-i", "511@v"], "the drop port"),
        (["a.json", "-i", "1@v", "-i", "1@w"], "port 1 already has v"),
        (["a.json", "-i", "1@v", "-i", "2@v"], "v is already attached"),
        (["a.json", "-i", "5@v", "--cpu-port", "5"], "is the CPU port"),
        (["a.json", "--cpu-port", "511"], "both the CPU port and the drop port"),
        (["a.json", "--cpu-port", "600"], "CPU port 600 is not in 0..511"),
        (["a.json", "--drop-port", "x"], "invalid int value"),
        (["a.json", "--device-id", "-1"], "not a 64-bit number"),
        (["a.json", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["a.json", "--engine", "fast"], "invalid choice"),
        (["a.json", "--queue-rate", "1:2:3"], "--queue-rate 1:2:3: write it as N, or as PORT:N"),
        (["a.json", "--queue-depth", "0"], "a queue holds 1 to"),
        (["a.json", "--priority-queues", "9"], "there are 1 to 8 priorities, not 9"),
        (["a.json", "--grpc-tls"], "needs --grpc-server-cert and --grpc-server-key"),
        (["a.json", "--grpc-server-with-client-auth"], "needs --grpc-server-cacert"),
    ],
)
def test_mistakes(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse(words)


def test_queues() -> None:
    words = ["p.json", "--priority-queues", "4", "--queue-rate", "100", "--queue-rate", "2:5", "--queue-depth", "2:9"]
    assert parse(words).queues == QueueSettings(4, rate_pps=100, ports={2: (9, 5)})
    assert parse(["p.json"]).queues == QueueSettings()


def test_pcap_with_and_without_a_directory() -> None:
    assert parse(["--pcap", "prog.json"]).pcap == Path(".")
    assert parse(["prog.json", "--pcap"]).pcap == Path(".")
    assert parse(["prog.json", "--pcap=caps"]).pcap == Path("caps")
    assert parse(["prog.json", "--use-files", "0"]).use_files == 0
