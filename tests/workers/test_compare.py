"""`fpisa compare`: the sweeps' arithmetic, the judgement of sums, and one small run of everything."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workers.compare import cli
from workers.compare.course import paired
from workers.compare.models import MODELS, Speedup, compute_seconds, scaled_bytes, speedup_of
from workers.compare.plan import AGGREGATORS, KB, MB, CompareError, Setting, make_plan, repeats_for, sizes_to, sweeps_of
from workers.compare.rig import Rig
from workers.compare.row import merged, row_of
from workers.compare.values import contribution, judge, wrong

ALL = list(AGGREGATORS)
FLOATS = ["fpisa", "fpisa-copy", "fpisa-a", "switchml"]


@pytest.mark.parametrize(
    "largest, factor, sizes",
    [
        (4 * KB, 16, (4 * KB,)),
        (64 * KB, 16, (4 * KB, 64 * KB)),
        (100 * KB, 16, (4 * KB, 64 * KB, 100 * KB)),
        (64 * MB, 4, tuple(4 * KB * 4**k for k in range(8))),
    ],
)
def test_sizes(largest: int, factor: int, sizes: tuple[int, ...]) -> None:
    assert sizes_to(largest, factor) == sizes


@pytest.mark.parametrize("size, least, repeats", [(4 * KB, 3, 400), (64 * KB, 3, 32), (4 * MB, 3, 3), (64 * MB, 5, 5)])
def test_repeats(size: int, least: int, repeats: int) -> None:
    assert repeats_for(size, least) == repeats


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"aggregators": ["fpisa", "ring"]}, "unknown aggregator ring"),
        ({"aggregators": []}, "unknown aggregator ''"),
        ({"sweeps": ["speed"]}, "unknown sweep speed"),
        ({"workers": 9}, "--workers must be from 2 to 8, not 9"),
        ({"elements": 16}, "--elements must be from 32 to 256"),
        ({"slots": 0}, "--slots must be from 1"),
        ({"largest": 512 * MB}, "--largest must be from"),
    ],
)
def test_a_plan_that_cannot_be(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CompareError, match=sentence):
        make_plan(**{"aggregators": ALL, "full": False, **changes})


def test_a_sweep_changes_one_thing() -> None:
    for full in (False, True):
        plan = make_plan(ALL, full)
        names = ("tensor_bytes", "workers", "elements", "loss", "queues", "cpu_share")
        for sweep, name in zip(sweeps_of(plan), names, strict=True):
            assert len(sweep.points) == len(sweep.settings)
            for point in sweep.settings:
                assert [s.aggregator.name for s in point] == ALL
                assert all(getattr(s, n) == getattr(plan.base, n) for s in point for n in {*names} - {name})
            values = [point[0].__getattribute__(name) for point in sweep.settings]
            assert len(set(values)) == len(values)


def reply(seconds: list[float], sums: list[int], **changes: int) -> dict[str, Any]:
    names = "packets_sent retransmissions bytes_sent bytes_received convert_ns copy_ns syscall_ns cpu_ns wall_ns"
    return {
        "seconds": seconds, "sums": sums, "wrong": 0, "largest_error": 0.0,
        "stats": {**dict.fromkeys(names.split(), 0), **changes},
    }  # fmt: skip


def test_row() -> None:
    """Two all-reduces of a megabyte by two workers: every figure worked out by hand."""
    setting = Setting(AGGREGATORS["switchml"], tensor_bytes=1_000_000, repeats=2)
    one = reply([0.010, 0.030], [1, 2], packets_sent=100, retransmissions=4, bytes_sent=600, bytes_received=400,
                cpu_ns=8_000_000, convert_ns=2_000_000, copy_ns=0, syscall_ns=1_000_000, wall_ns=40_000_000)  # fmt: skip
    two = reply([0.020, 0.010], [1, 2], packets_sent=102, bytes_sent=600, bytes_received=400, cpu_ns=4_000_000,
                wall_ns=20_000_000)  # fmt: skip
    row = row_of(setting, [one, two], switch_cpu=0.006)
    assert row.seconds == (0.020, 0.030)  # the slowest worker of each
    assert row.median == pytest.approx(0.025)
    assert row.goodput == pytest.approx(8e6 / 0.025 / 1e9)
    assert (row.packets, row.retransmissions, row.wire_bytes) == (101, 2, 1000)
    # A worker's mean CPU 6 ms for 2 MB: 3 s/GB; of it 1 ms converting and 0.5 ms in system calls.
    assert (row.cpu, row.convert, row.system_call) == pytest.approx((3.0, 0.5, 0.25))
    assert (row.copy, row.other, row.wait) == pytest.approx((0.0, 2.25, 12.0))
    assert row.switch_cpu == pytest.approx(3.0)
    assert row.wrong == 0
    assert row_of(setting, [one, {**two, "sums": [1, 3]}], 0.006).wrong == 1  # workers that hold different bits
    assert row_of(setting, [{**one, "wrong": 7}, two], 0.006).wrong == 7


def test_merged_rounds() -> None:
    setting = Setting(AGGREGATORS["fpisa"], tensor_bytes=1_000_000)
    rows = [
        row_of(setting, [reply([0.010], [1], cpu_ns=1_000_000)], 0.001),
        row_of(setting, [reply([0.030, 0.020], [1, 1], cpu_ns=8_000_000)], 0.002),
    ]
    both = merged(rows)
    assert both.seconds == (0.010, 0.030, 0.020) and both.median == 0.020
    assert both.cpu == pytest.approx((1.0 + 2 * 4.0) / 3)
    assert both.aggregator == "fpisa" and both.wrong == 0
    assert both.typical == 0.020
    assert replace(both, cpu_share=0.1).typical == pytest.approx(0.020)
    assert replace(both, cpu_share=0.1, seconds=(0.01, 0.01, 0.04)).typical == pytest.approx(0.020)


@pytest.mark.parametrize(
    "name, rate, scale, milliseconds",
    [
        ("DeepLight", 10, 1, 2319 * 2**20 * 8 / 10e9 * 3 / 97 * 1e3),
        ("VGG19", 100, 1, 548 * 2**20 * 8 / 100e9 * 9 * 1e3),
        ("SSD", 10, 49, 2 * 2**20 * 8 / 10e9 * 74 / 26 * 1e3),
    ],
)
def test_compute_time(name: str, rate: int, scale: int, milliseconds: float) -> None:
    model = next(m for m in MODELS if m.name == name)
    compute = compute_seconds(model, rate, scale)
    assert compute * 1e3 == pytest.approx(milliseconds)
    communication = scaled_bytes(model, scale) * 8 / (rate * 1e9)
    assert communication / (communication + compute) == pytest.approx(model.shares[rate])


def test_gain() -> None:
    """Rounds are compared each with its own neighbour; the times are medians of means."""
    setting = Setting(AGGREGATORS["fpisa"], compute=0.5, cpu_share=0.1)
    rows = [[row_of(setting, [reply(seconds, [1] * len(seconds))], 0.0) for seconds in pair]
            for pair in (([1.0, 3.0], [4.0]), ([2.0], [1.0]), ([4.0], [5.0]))]  # fmt: skip
    found = speedup_of("m", 10, setting, rows)
    assert found.rounds == pytest.approx((1.0, -0.5, 0.25))
    assert (found.fpisa, found.switchml, found.gain) == pytest.approx((2.0, 4.0, 0.25))
    assert found.middle == pytest.approx((-0.125, 0.625))


def test_rounds_are_measured_there_and_back() -> None:
    settings = [Setting(AGGREGATORS[name]) for name in ("fpisa", "switchml")]
    seen: list[str] = []

    class Fake:
        def measure(self, setting: Setting) -> Any:
            seen.append(setting.aggregator.name)
            return setting.aggregator.name

    rows = paired(Fake(), settings, 3, lambda words, done: None)  # type: ignore[arg-type]
    assert rows == [["fpisa", "switchml"]] * 3
    assert seen == ["fpisa", "switchml", "switchml", "fpisa", "fpisa", "switchml"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("workers", [2, 8])
def test_judgement(name: str, workers: int) -> None:
    """The correctly rounded sum is right; one off on either side by a thousandth of a value is not, nor is NaN."""
    aggregator, count = AGGREGATORS[name], 1000
    total, bound = judge(aggregator, workers, count, seed=3)
    inputs = [contribution(rank, count, 3, aggregator.dtype) for rank in range(workers)]
    assert all((a != b).mean() > 0.9 for a, b in itertools.pairwise(inputs))
    if bound is None:
        with np.errstate(over="ignore"):
            assert wrong(np.sum(inputs, axis=0, dtype=np.int32), total, bound) == (0, 0.0)
        assert wrong(total + np.int32(1), total, bound)[0] == count
        return
    sums = np.sum(np.array(inputs, np.float64), axis=0)
    assert np.abs(inputs).min() >= 0.25 and np.abs(inputs).max() < 4
    assert wrong(sums.astype(np.float32), total, bound)[0] == 0
    for off in (-0.001, 0.001, np.nan):
        assert wrong((sums + off).astype(np.float32), total, bound)[0] == count


def test_a_lost_contribution_and_a_doubled_one_are_seen() -> None:
    total, bound = judge(AGGREGATORS["switchml"], 2, 64, seed=1)
    first, second = (contribution(rank, 64, 1, "float32") for rank in range(2))
    assert wrong(first, total, bound)[0] == 64
    assert wrong(first + second + second, total, bound)[0] == 64


@pytest.mark.parametrize(
    "text, size", [("", 0), ("64KB", 64 * KB), ("16 MB", 16 * MB), ("4096", 4096), ("8192b", 8192)]
)
def test_size_option(text: str, size: int) -> None:
    assert cli.size_of(text) == size


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--largest", "big"], '--largest must be a size such as 64KB or 16MB, not "big"'),
        (["--workers", "1"], "--workers must be from 2 to 8, not 1"),
        (["--aggregators", "mpi"], "unknown aggregator mpi; there are fpisa, fpisa-copy, fpisa-a, switchml, switchml-plain"),
        (["--out", "/dev/null"], "cannot make the folder /dev/null"),
    ],
)
def test_bad_options_are_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == (1 if words[0] == "--out" else 2)
    error = capsys.readouterr().err
    assert error.startswith("fpisa compare: error: ") and sentence in error and error.count("\n") == 1


@pytest.mark.timeout(120)
def test_every_aggregator_through_a_switch(tmp_path: Path) -> None:
    """2 workers, 64 KB: right sums without loss and with it, counts as they must be, and errors instead of hangs."""
    setting = Setting(AGGREGATORS["fpisa"], tensor_bytes=64 * KB, slots=32, repeats=2)
    with Rig(tmp_path) as rig:
        for name in ("fpisa", "fpisa-copy", "switchml", "switchml-int"):
            for loss in (0.0, 0.01):
                row = rig.measure(replace(setting, aggregator=AGGREGATORS[name], loss=loss))
                chunks = 64 * KB // 256 + (32 if name == "switchml" else 0)
                assert row.wrong == 0
                assert row.packets == 2 * chunks + row.retransmissions
                assert row.wire_bytes >= (2 * row.packets - row.retransmissions) * 314 * (1 - 4 * loss)
                assert row.cpu > 0 and row.switch_cpu > 0 and 0 < row.median < 10
        with pytest.raises(CompareError, match=r"^worker 0: .*$"):
            rig.workers[0].ask({"op": "open", "aggregator": "fpisa", "path": str(tmp_path / "none"), "job": 1, "rank": 0,
                                "workers": 2, "slots": 4, "elements": 64})  # fmt: skip
        rig.workers[1].process.kill()
        rig.workers[1].process.wait()
        with pytest.raises(CompareError, match="the worker 1 has ended"):
            rig.measure(setting)


def test_record_is_json(tmp_path: Path) -> None:
    """What results.json is made of, from rows that were not measured."""
    from workers.compare.course import Outcome
    from workers.compare.page import render

    plan = make_plan(["fpisa", "switchml"], False, sweeps=["loss"])
    sweep = sweeps_of(plan)[0]
    points = [[row_of(s, [reply([0.01], [1], cpu_ns=1000, wall_ns=9000)] * 2, 0.01) for s in p] for p in sweep.settings]
    speedups = [Speedup("SSD", 10, 0.1, 400_000, 0.001, 0.01, 0.012, (0.2,))]
    outcome = Outcome([(sweep, points)], speedups, ["because"], ["a note"])
    document = json.loads(json.dumps(cli.record(plan, outcome, ["here"])))
    assert [p["loss"] for p in document["sweeps"][0]["points"]] == ["0.0%", "0.5%", "2.0%"]
    assert document["models"][0]["gain"] == pytest.approx(0.2)
    cli.write(tmp_path, plan, outcome, [], document)
    text = render(plan, outcome, ["a < b"])
    assert "<svg" in text and "a &lt; b" in text and "+20.0%" in text and "because" in text
