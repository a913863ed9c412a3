"""Machine code and its cache on disk."""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path

import pytest

from emulator.switch.jit import machine

ANSWER = "define i32 @answer(i32 %x) {\n  %y = add i32 %x, 40\n  ret i32 %y\n}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for thread in threading.enumerate():  # another test's compilation must not write here
        if thread.name == "jit":
            thread.join()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "fpisa" / "jit"


def answer() -> tuple[int, bool]:
    code = machine.Code(ANSWER, ("answer",), 1)
    return code.function("answer", ctypes.c_int32, ctypes.c_int32)(2), code.report.cached


def test_second_time_from_the_cache(folder: Path) -> None:
    assert answer() == (42, False)
    assert len(list(folder.iterdir())) == 1
    assert answer() == (42, True)


def test_level_and_text_are_part_of_the_key(folder: Path) -> None:
    machine.build_object(ANSWER, 1)
    assert not machine.build_object(ANSWER, 3)[1]
    assert not machine.build_object(ANSWER.replace("40", "41"), 1)[1]


def test_a_damaged_object_is_compiled_anew(folder: Path) -> None:
    answer()
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:20])
    assert answer() == (42, False)
    assert answer() == (42, True)


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert answer() == (42, False)


def test_nothing_is_left_beside_the_objects(folder: Path) -> None:
    answer()
    assert [p.suffix for p in folder.iterdir()] == [".o"]
    assert all(os.access(p, os.R_OK) for p in folder.iterdir())
