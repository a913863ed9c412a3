"""Random parsers against a model that shares nothing with the compiler."""
from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from emulator.switch.switch import Switch

from .fuzz_parser import ParserGenerator, program_text
from .fuzz_parser_model import ParserModel
from .harness import compile_text

PROGRAMS = int(os.environ.get("FPISA_FUZZ_PROGRAMS", "40"))
ENGINE = os.environ.get("FPISA_FUZZ_ENGINE", "interp")
FIRST = int(os.environ.get("FPISA_FUZZ_SEED", "5000"))
PACKETS = 6


@pytest.mark.parametrize("number", range(PROGRAMS))
def test_random_parsers(number: int, tmp_path: Path) -> None:
    print(f"seed {FIRST + number}")
    one(FIRST + number, tmp_path)


def one(seed: int, folder: Path, engine: str = ENGINE) -> None:
    """Make, compile and run one program; packets are drawn after it."""
    rng = random.Random(seed)
    parsers = ParserGenerator(rng).program()
    text = program_text(parsers)
    result = compile_text(text, folder)
    assert result.ok, result.text()
    switch, model = Switch.load(result.json, engine=engine), ParserModel(parsers)
    for _ in range(PACKETS):
        packet = bytes(rng.choice([0, 1, 2, 3, 0x55, 255, rng.randrange(256)]) for _ in range(rng.randrange(14)))
        wanted = model.send(packet)
        assert switch.send(0, packet) == [(0, wanted)], f"packet {packet.hex()}: wanted {wanted.hex()}\n{text}"
