"""Both windows behind a simulated bottleneck: no collapse on slow links, few packets sent again in vain, quick
recovery from loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.native.link import FRAME_BITS, NativeWindow, PythonWindow, Star, compile_window

Maker = Callable[[int, int], Any]


@pytest.fixture(scope="module", params=["c", "python"])
def maker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    if request.param == "python":
        return PythonWindow
    folder: Path = tmp_path_factory.mktemp("window")
    lib = compile_window(folder)
    return lambda slots, total: NativeWindow(lib, slots, total)


def star(maker: Maker, rate: float, slots: int, total: int, **more: Any) -> Star:
    late = more.pop("late", [0.0, 0.0005, 0.001])
    return Star([maker(slots, total) for _ in late], rate, late, **more)


@pytest.mark.parametrize("slots", [16, 64, 256, 512])
@pytest.mark.parametrize("rate", [10e6, 100e6, 1e9, 10e9])
def test_a_slow_link_is_filled_and_nothing_is_sent_in_vain(maker: Maker, rate: float, slots: int) -> None:
    total = max(300, 2 * slots)
    links = star(maker, rate, slots, total)
    seconds = links.run(limit=60)
    round_trip = 2 * (FRAME_BITS / rate + links.delay)
    ideal = total * max(FRAME_BITS / rate, round_trip / slots)
    assert links.again() < 0.01
    assert seconds < 1.1 * ideal + 0.002 + round_trip


@pytest.mark.parametrize("slots", [32, 256])
@pytest.mark.parametrize("rate", [100e6, 1e9])
@pytest.mark.parametrize("seed", [1, 2])
def test_two_percent_loss_leaves_most_of_the_goodput(maker: Maker, rate: float, slots: int, seed: int) -> None:
    """On every link, both ways. The end of an all-reduce, where nothing follows that could overtake, is short of
    a quarter of a second; in the many chunks that C simulates quickly it hardly counts."""
    total, tail = (1500, 0.25) if maker is PythonWindow else (8000, 0.0)
    clean = star(maker, rate, slots, total, late=[0.0] * 4).run(limit=60)
    lossy = star(maker, rate, slots, total, late=[0.0] * 4, loss=0.02, seed=seed)
    assert lossy.run(limit=60) < clean / 0.6 + tail
    # A lost contribution is asked for by every worker, a lost result by one: 2 % of 2 * 4 links.
    assert lossy.again() < 0.16


@pytest.mark.parametrize("late", [0.1, 1.0])
def test_a_late_worker_costs_a_few_probes(maker: Maker, late: float) -> None:
    links = star(maker, 200e6, 256, 2000, late=[0.0, 0.0, late])
    assert links.run(limit=10) < late + 1.1 * 2000 * FRAME_BITS / 200e6 + 0.01
    assert links.again() < 0.02


def test_a_lost_window_comes_back(maker: Maker) -> None:
    """Everything sent before the switch came up is lost."""
    links = star(maker, 200e6, 64, 600, late=[0.0, 0.0])
    contribute = links.contribute
    links.contribute = lambda rank, chunk: contribute(rank, chunk) if links.now > 0.2 else None  # type: ignore[method-assign]
    assert links.run(limit=10) < 1.0
