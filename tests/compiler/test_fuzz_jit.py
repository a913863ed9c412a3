"""The compiler's random programs translated to machine code, with seeds of their own."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from . import test_expressions, test_fuzz, test_fuzz_data, test_fuzz_parser

FIRST = int(os.environ.get("FPISA_FUZZ_SEED", "40000"))
PROGRAMS = int(os.environ.get("FPISA_FUZZ_PROGRAMS", "60"))
KINDS = {"programs": test_fuzz, "parsers": test_fuzz_parser, "data": test_fuzz_data, "expressions": test_expressions}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(PROGRAMS))
def test_random_programs_compiled(kind: str, number: int, tmp_path: Path) -> None:
    seed = FIRST + number
    print(f"seed {seed}")
    module: Any = KINDS[kind]
    problem = module.one(seed, tmp_path, "jit")
    assert problem is None, problem
