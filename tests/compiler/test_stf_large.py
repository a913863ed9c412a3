"""A large program that mostly branches: both engines play it, and the compiled one does not call the full optimiser."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.switch.jit import single

from .programs import small
from .stf_rows import play

HEADERS, TABLES = 60, 40


def program() -> str:
    heads = range(HEADERS)
    states = " ".join(
        f"state s{k} {{ b.extract(h.x{k}); transition select(h.x{k}.nxt) {{ "
        + " ".join(f"{j}: s{j};" for j in range(k + 1, min(HEADERS, k + 9))) + " default: accept; } }"
        for k in heads)
    first = " ".join(f"{k}: s{k};" for k in heads)
    tables = " ".join(
        f"action a{k}(bit<8> v) {{ h.h.a = h.h.a + v; }} table t{k} {{ key = {{ h.h.b : exact; h.x{k}.isValid() : exact; }} "
        f"actions = {{ a{k}; NoAction; }} }}" for k in range(TABLES))
    body = " ".join(
        f"if (h.x{k}.isValid()) {{ switch (t{k}.apply().action_run) {{ a{k}: {{ h.h.b = {k}; }} default: {{ }} }} }}"
        for k in range(TABLES))
    return small(
        top=" ".join(f"header x{k}_t {{ bit<8> nxt; bit<24> v; }}" for k in heads),
        hdr=" ".join(f"x{k}_t x{k};" for k in heads),
        parser=f"state start {{ b.extract(h.h); transition select(h.h.w) {{ {first} default: accept; }} }} {states}",
        ig=f"{tables} apply {{ {body} }}")


TEST = """
add t3 h.h.b:2 h.x3.$valid$:1 a3(v:0x10)
add t9 h.h.b:3 h.x9.$valid$:1 a9(v:0x20)
packet 0 01020003 09aabbcc ffaabbcc
expect 0 31090003 09aabbcc ffaabbcc$
packet 0 01020009 09aabbcc
expect 0 01020009 09aabbcc$
"""


def test_interpreter(tmp_path: Path) -> None:
    play(("large", program(), TEST), tmp_path)


def test_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[int] = []
    made = single.Code

    def code(text: str, names: Any, level: int) -> Any:
        levels.append(level)
        return made(text, names, level)

    monkeypatch.setattr(single, "Code", code)
    play(("large", program(), TEST), tmp_path, "jit")
    assert levels == [1]
