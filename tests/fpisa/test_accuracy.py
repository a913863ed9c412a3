"""The laboratory: its figures on cases worked out by hand, its command, recorded gradients, wrong use."""

import json

import numpy as np
import pytest

from fpisa.accuracy import error, methods, page, recorded, spread
from fpisa.accuracy.cli import main
from fpisa.accuracy.findings import paper_facts, worse_than_ieee
from fpisa.accuracy.inputs import GRADIENTS, normal
from fpisa.accuracy.sweep import Plan, gradients_of, sweep
from fpisa.accuracy.table_sweep import table_rows
from fpisa.formats import FP16, FP32
from fpisa.reference import exact_sums


def figures(name, gradients):
    outcome = methods.METHODS[name].run(gradients)
    found = error.errors(outcome, exact_sums(FP32, gradients.view(np.uint32)))
    return outcome, found, error.summarise(outcome, found)


def test_errors_of_a_case_by_hand():
    # 1 + 2^-24 is a tie that rounds to 1: half an ulp too small. 2^-30 is dropped whole, downward when negative.
    gradients = np.array([[1, 1, 2, 0], [2.0**-24, -(2.0**-30), 3, 0]], np.float32)
    _, found, row = figures("ieee", gradients)
    assert found.ulp.tolist() == [-0.5, 2.0**-6, 0.0, 0.0]
    assert found.correct.all() and row["max_ulp"] == 0.5
    _, found, row = figures("fpisa", gradients)
    assert found.ulp.tolist() == [-0.5, -2 + 2.0**-6, 0.0, 0.0]
    assert found.correct.tolist() == [True, False, True, True]
    assert (row["inexact_share"], row["inexact_of_additions"], row["clear_share"]) == (0.5, 0.5, 0.5)
    assert row["correct_where_clear"] == 1.0 and row["finite_share"] == 1.0


def test_events_of_the_approximate_shape():
    gradients = np.array([[1, 1, 1.5], [256, 64, 128], [0, 64, 128]], np.float32)
    outcome, _, row = figures("fpisa-a", gradients)
    assert row["overwritten_of_additions"] == pytest.approx(1 / 6)
    assert row["left_overflow_of_additions"] == pytest.approx(1 / 6)
    assert outcome.words.view(np.float32).tolist() == [256, 129, pytest.approx(256)]


def test_overflow_is_not_a_finite_error():
    gradients = np.array([[3e38, 1], [3e38, 1]], np.float32)
    _, _, row = figures("fpisa", gradients)
    assert row["finite_share"] == 0.5 and row["max_ulp"] == 0.0 and row["overflow_share"] == 0.5


def test_narrow_methods_scale_by_a_power_of_two(rng):
    gradients = normal(rng, 8, 400) * np.float32(1e-5)
    rows, power = methods.as_format(FP16, gradients)
    assert power > 10 and np.isfinite(rows.view(np.float16)).all()
    _, _, row = figures("ieee-fp16", gradients)
    assert row["finite_share"] == 1.0 and row["relative_p50"] < 2.0**-8


def test_wide_registers_are_exact_whenever_they_say_so(rng):
    for name, make in GRADIENTS.items():
        _, _, row = figures("fpisa-wide", make(rng, 16, 3000))
        assert row["correct_where_clear"] in (1.0, None), name
        assert row["clear_share"] > 0.9


@pytest.mark.parametrize("workers", [4, 8, 16])
def test_three_guard_bits_reach_ieee_on_normal_gradients(workers):
    # Means are ruled by the few elements that cancel, so another seed could turn a mean around by chance.
    gradients = normal(np.random.default_rng(1), workers, 20_000)
    assert figures("fpisa-g3", gradients)[2]["mean_ulp"] <= figures("ieee", gradients)[2]["mean_ulp"]


def test_shuffled_arrivals_give_one_wide_result(rng):
    gradients = normal(rng, 8, 64)
    outcomes = [methods.METHODS["fpisa-wide"].run(gradients[rng.permutation(8)]) for _ in range(1000)]
    assert not (outcomes[0].events & 3).any()
    assert len({outcome.words.tobytes() for outcome in outcomes}) == 1


def test_spread_of_contributions():
    gradients = np.array([[1, 0, 3, 0], [-8, 5, 0, 0], [2, 5, 96, 0]], np.float32)
    assert spread.exponent_spread(gradients).tolist() == [3, 0, 5, 0]
    histogram = spread.ratio_histogram(gradients)
    assert sum(histogram["share"]) == pytest.approx(1)
    assert [i for i, share in enumerate(histogram["share"]) if share] == [0, 3, 5]
    assert spread.share_below(histogram, 5) == pytest.approx(2 / 3)
    assert spread.ratio_histogram(np.zeros((2, 3), np.float32))["power"] == []


def test_a_seed_repeats_its_inputs():
    plan = Plan(("normal",), (2,), ("ieee",), 1024, 3, {})
    assert (gradients_of(plan, "normal", 2) == gradients_of(plan, "normal", 2)).all()


def test_sweep_and_sentences():
    plan = Plan(("normal",), (2, 8), ("fpisa", "fpisa-a", "ieee"), 4096, 1, {})
    seen = []
    results = sweep(plan, seen.append)
    assert len(seen) == 2 * 4 and len(results["rows"]) == 6
    sentences = worse_than_ieee(results["rows"])
    assert any(text.startswith("fpisa on normal, 2, 8 workers") for text in sentences)
    assert {row[0] for row in paper_facts(results["rows"], results["ratios"])} >= {"additions that overwrite"}


def test_table_errors_fall_with_size():
    for operation in ("reciprocal", "square root", "multiplication"):
        rows = [
            row
            for row in table_rows(samples=2000)
            if row["operation"] == operation and row["kind"] != "plain"
        ]
        errors = [row["max_relative"] for row in rows]
        assert errors == sorted(errors, reverse=True)


def test_command_writes_a_page(tmp_path, capsys):
    args = ["--inputs", "normal,sparse", "--workers", "2,4", "--methods", "fpisa,ieee", "--values", "2048"]
    assert main([*args, "--out", str(tmp_path / "page")]) == 0
    text = (tmp_path / "page" / "accuracy.html").read_text()
    assert text.count("<svg") == 2 * 4 + 2 and "Where FPISA is worse than IEEE" in text
    assert "page:" in capsys.readouterr().out
    assert main([*args, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["rows"]) == 8 and told["plan"]["workers"] == [2, 4]


def test_recorded_gradients(tmp_path, capsys, rng):
    np.savez(tmp_path / "run.npz", step1=normal(rng, 4, 300), step2=normal(rng, 4, 300).reshape(4, 30, 10))
    args = ["--from", str(tmp_path), "--methods", "ieee", "--workers", "2", "--json"]
    capsys.readouterr()
    assert main(args) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["input"], row["workers"]) for row in rows] == [
        ("run:step1", 2), ("run:step1", 4), ("run:step2", 2), ("run:step2", 4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (np.zeros((4, 10), np.int32), "needs floats, got int32"),
        (np.zeros(10, np.float32), r"needs \(workers, elements\) with 2 workers or more, got \(10,\)"),
        (np.full((2, 3), np.nan, np.float32), "6 of 6 values are infinite or NaN"),
        (np.array([[1e300], [1]]), "1 of 2 values are infinite or NaN"),
    ],
)
def test_recordings_that_cannot_be_summed(content, sentence, tmp_path, capsys):
    np.save(tmp_path / "bad.npy", content)
    with pytest.raises(recorded.RecordingError, match=sentence):
        recorded.recordings(str(tmp_path))
    assert main(["--from", str(tmp_path / "bad.npy")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_files_that_are_none(tmp_path):
    (tmp_path / "text.npy").write_text("hello")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 nothing")
    for path, sentence in [
        (tmp_path / "text.npy", "not a NumPy file"),
        (tmp_path / "cut.npz", "damaged|not a NumPy file"),
        (tmp_path / "absent", "no such file"),
    ]:
        with pytest.raises(recorded.RecordingError, match=sentence):
            recorded.recordings(str(path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(recorded.RecordingError, match=r"no .npy or .npz"):
        recorded.recordings(str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--inputs", "uniform"], "unknown input 'uniform'"),
        (["--methods", "best"], "unknown method 'best'"),
        (["--workers", "1"], "from 2 to 1024"),
        (["--workers", "two"], "whole numbers"),
        (["--values", "0"], "must be positive"),
    ],
)
def test_bad_options_are_one_sentence(argv, sentence, capsys):
    with pytest.raises(SystemExit):
        main(argv)
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    args = ["--inputs", "normal", "--workers", "2", "--methods", "ieee", "--values", "512", "--quiet"]
    assert main([*args, "--out", str(tmp_path / "file" / "x")]) == 1
    assert "cannot write to" in capsys.readouterr().err


def test_pages_escape_what_they_show(tmp_path):
    page.write_page(tmp_path / "p.html", "a < b", [page.section("<x>", page.table(["<h>"], [["<v>"]]))])
    assert "<x>" not in (text := (tmp_path / "p.html").read_text()) and "&lt;v&gt;" in text
