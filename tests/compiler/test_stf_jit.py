"""The programs with packet tests once more, translated to machine code."""
from __future__ import annotations

from pathlib import Path

import pytest

from . import (
    test_stf_calls,
    test_stf_corners,
    test_stf_corners2,
    test_stf_headers,
    test_stf_odd,
    test_stf_parsers,
    test_stf_tables,
    test_stf_v1model,
    test_stf_values,
)
from .stf_rows import StfRow, play

CHAPTERS = [test_stf_calls, test_stf_corners, test_stf_corners2, test_stf_headers, test_stf_odd, test_stf_parsers,
            test_stf_tables, test_stf_v1model, test_stf_values]
ROWS: list[StfRow] = [row for chapter in CHAPTERS for row in chapter.ROWS]


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_jit(row: StfRow, tmp_path: Path) -> None:
    play(row, tmp_path, "jit")
