"""The compiler's random programs translated to machine code, with seeds of their own: stage by stage as a single packet goes,
and in the fused form of the data plane, there with headers of any size left in memory."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from emulator.switch.jit import effort, home_plan
from emulator.switch.switch import Switch

from . import test_expressions, test_fuzz, test_fuzz_data, test_fuzz_parser

FIRST = int(os.environ.get("FPISA_FUZZ_SEED", "40000"))
PROGRAMS = int(os.environ.get("FPISA_FUZZ_PROGRAMS", "60"))
KINDS = {"programs": test_fuzz, "parsers": test_fuzz_parser, "data": test_fuzz_data, "expressions": test_expressions}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["stages", "fused"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(PROGRAMS))
def test_random_programs_compiled(
    kind: str, form: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = FIRST + number
    print(f"seed {seed}")
    if form == "fused":
        monkeypatch.setattr(home_plan, "FEW", 1)
        monkeypatch.setattr(home_plan, "_is_carried", lambda model, header: True)
        if number % 2:  # and all other variables as well
            monkeypatch.setattr(effort, "MANY_CHOICES", 0)
            monkeypatch.setattr(effort, "LONG_BLOCKS", 1 << 30)
        monkeypatch.setattr(Switch, "send", lambda self, port, data: self.send_batch([(port, data)]))
    module: Any = KINDS[kind]
    problem = module.one(seed, tmp_path, "jit")
    assert problem is None, problem
