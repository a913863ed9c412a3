"""The programs of all chapters once more, translated to machine code."""
from __future__ import annotations

from pathlib import Path

import pytest

from . import (
    test_lang_calls,
    test_lang_externs,
    test_lang_headers,
    test_lang_odd,
    test_lang_parsers,
    test_lang_programs,
    test_lang_statements,
    test_lang_tables,
    test_lang_values,
)
from .programs import Row, check

CHAPTERS = [test_lang_calls, test_lang_externs, test_lang_headers, test_lang_odd, test_lang_parsers, test_lang_programs,
            test_lang_statements, test_lang_tables, test_lang_values]
ROWS: list[Row] = [row for chapter in CHAPTERS for row in chapter.ROWS]


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_jit(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path, "jit")
