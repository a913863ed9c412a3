"""`fpisa p4`: words that make no sense, and options that pass through to the switch."""

from pathlib import Path

import pytest

from emulator.server import main as server
from emulator.server.p4_cli import main

L2 = str(Path(__file__).parents[1] / "golden" / "01_l2_forward" / "program.json")


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["trace", L2, "--packet", "00", "--port", "512"], "--port 512 is not from 0 to 511"),
        (["trace", L2, "--packet", "0"], "--packet takes whole bytes"),
        (["graph", str(Path(L2).parent)], "01_l2_forward is not a file"),
        (["graph", "none.p4"], "there is no file none.p4"),
    ],
)
def test_mistakes_are_one_sentence(words, sentence, capsys):
    assert main(words) == 1
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1


def test_a_missing_program_is_named_by_its_own_name(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["run"])
    assert capsys.readouterr().err.rstrip().endswith("the following arguments are required: program")


@pytest.mark.parametrize("between", [[], ["--"]])
def test_further_options_reach_the_switch(between, monkeypatch):
    seen = []
    monkeypatch.setattr(server, "main", lambda words: seen.append(words) or 0)
    assert main(["run", L2, *between, "-i", "0@veth0", "--cpu-port", "255"]) == 0
    assert [word for word in seen[0] if word != "--"] == [L2, "-i", "0@veth0", "--cpu-port", "255"]
