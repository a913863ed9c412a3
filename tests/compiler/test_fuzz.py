"""Random whole programs against an evaluator that follows the language's text and shares nothing with the compiler.

A program has functions, actions with directed parameters, tables, and sub-controls; statements assign to fields,
slices and stack elements, make headers valid and invalid, branch on everything, switch on actions and values, call
with calls in the arguments, return and exit. The evaluator works on trees of tuples, every parameter copied in when
its turn comes and copied out in order, whatever way the body is left. What is never written reads as 0.
"""
from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from emulator.switch.switch import Switch

from .fuzz_model import Evaluator
from .fuzz_program import Generator
from .harness import compile_text

PROGRAMS = int(os.environ.get("FPISA_FUZZ_PROGRAMS", "40"))
ENGINE = os.environ.get("FPISA_FUZZ_ENGINE", "interp")
FIRST = int(os.environ.get("FPISA_FUZZ_SEED", "9000"))
PACKETS = 4


@pytest.mark.parametrize("number", range(PROGRAMS))
def test_random_programs(number: int, tmp_path: Path) -> None:
    seed = FIRST + number
    print(f"seed {seed}")
    problem = one(seed, tmp_path)
    assert problem is None, problem


def one(seed: int, folder: Path, engine: str = ENGINE) -> Any:
    """Make, compile and run one program; None, or what is wrong."""
    rng = random.Random(seed)
    program = Generator(rng).program()
    result = compile_text(program.text(), folder)
    if not result.ok:
        return result.text()
    switch = Switch.load(result.json, engine=engine)
    for _ in range(PACKETS):
        packet = bytes(rng.choice([0, 1, 2, 3, 255, rng.randrange(256)]) for _ in range(Generator.PACKET))
        wanted = Evaluator(program).send(packet)
        found = switch.send(0, packet)
        if found != wanted:
            return f"packet {packet.hex()}: wanted {wanted}, found {found}\n{program.text()}"
    return None
