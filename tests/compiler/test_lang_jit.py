"""The programs of all chapters once more, translated to machine code."""
from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from .programs import Row, check

CHAPTERS = sorted(path.stem for path in Path(__file__).parent.glob("test_lang_*.py") if path != Path(__file__))
ROWS: list[Row] = [row for chapter in CHAPTERS for row in import_module(f".{chapter}", __package__).ROWS]


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_jit(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path, "jit")
