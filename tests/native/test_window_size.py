"""The C engine's window follows the path: short where a short one fills it, all slots where it does not."""

from __future__ import annotations

from ctypes import CDLL
from pathlib import Path

import pytest

from tests.native.link import NativeWindow, Star, compile_window

SLOTS, TOTAL = 512, 12_000


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> CDLL:
    folder: Path = tmp_path_factory.mktemp("window")
    return compile_window(folder)


def path(lib: CDLL, rate: float, delay: float, fixed: int = 0, **more: float) -> tuple[float, list[NativeWindow], Star]:
    """Seconds for TOTAL chunks by four workers whose links have so many bits a second and so many seconds of delay."""
    windows = [NativeWindow(lib, SLOTS, TOTAL) for _ in range(4)]
    for window in windows:
        window.fix(fixed)
    star = Star(windows, rate, [0.0, 0.0003, 0.0006, 0.0009], delay=delay, **more)  # type: ignore[arg-type]
    return star.run(limit=120), windows, star


@pytest.mark.parametrize("rate", [100e6, 1e9])
def test_a_short_path_has_a_short_window(lib: CDLL, rate: float) -> None:
    """Four packets fill it; 512 wait 500 transmission times for nothing."""
    seconds, windows, star = path(lib, rate, 20e-6)
    fixed, long, _ = path(lib, rate, 20e-6, fixed=-1)
    assert seconds < 1.02 * fixed
    for window in windows:
        assert window.limit() <= 32
        assert window.round_trip() < long[0].round_trip() / 8
    assert star.again() < 0.01


def test_a_long_path_has_all_slots(lib: CDLL) -> None:
    """A thousand packets fill it, so 512 are too few to wait anywhere."""
    seconds, windows, _ = path(lib, 1e9, 5e-3)
    fixed, _, _ = path(lib, 1e9, 5e-3, fixed=-1)
    assert seconds < 1.02 * fixed
    assert all(window.limit() > 0.9 * SLOTS for window in windows)


def test_a_path_in_between(lib: CDLL) -> None:
    """About 120 packets fill it; the window must not fall below."""
    seconds, windows, _ = path(lib, 1e9, 0.5e-3)
    fixed, _, _ = path(lib, 1e9, 0.5e-3, fixed=-1)
    assert seconds < 1.03 * fixed
    assert all(100 <= window.limit() <= 400 for window in windows), [w.limit() for w in windows]


def test_loss_is_no_reason_to_shrink_and_repairs_sooner_in_a_short_window(lib: CDLL) -> None:
    lossy, _, star = path(lib, 200e6, 20e-6, loss=0.02)
    clean, _, _ = path(lib, 200e6, 20e-6)
    assert lossy < clean / 0.7
    assert star.again() < 0.16


def test_a_fixed_window_is_kept(lib: CDLL) -> None:
    _, windows, _ = path(lib, 100e6, 20e-6, fixed=100)
    assert all(window.limit() <= 100 for window in windows)
