"""Convergence study on few steps: equal starts, reducers that differ only in the sum, figures and files."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from fpisa.accuracy import converge  # noqa: E402
from fpisa.accuracy.converge import REDUCERS, Curve, difference, train  # noqa: E402
from fpisa.accuracy.converge_cli import MODELS, REDUCER_NAMES, main  # noqa: E402
from fpisa.accuracy.nets import STUDIES  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small tensors and a second test process beside this one: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_command_knows_what_there_is():
    assert tuple(STUDIES) == MODELS and tuple(REDUCERS) == REDUCER_NAMES


@pytest.mark.parametrize("name", REDUCER_NAMES)
def test_reducers_sum(name):
    rows = torch.randn(8, 5000, generator=torch.Generator().manual_seed(1)) * 1e-3
    exact = rows.double().sum(dim=0)
    tolerance = 1e-4 if "fp16" in name else 1e-8
    assert (REDUCERS[name](rows).double() - exact).abs().median() < tolerance
    assert (REDUCERS[name](torch.zeros(4, 3)) == 0).all()


def test_first_gradients_are_equal_for_all_reducers():
    seen = {}
    for reducer in ("ieee", "fpisa-a"):
        train("mlp", reducer, 7, 4, 1, lambda step, rows, reducer=reducer: seen.setdefault(reducer, rows))
    assert torch.equal(*seen.values()) and seen["ieee"].shape[0] == 4


@pytest.mark.parametrize("name", MODELS)
def test_every_network_trains(name):
    curve = train(name, "fpisa", 1, 2, 4)
    assert curve.points[-1][0] == 4 and np.isfinite([point[1] for point in curve.points]).all()


def test_differences_by_hand():
    curves = [
        Curve("mlp", reducer, seed, ((10, 0.1, final),))
        for reducer, finals in (("ieee", (0.90, 0.92, 0.94)), ("fpisa", (0.91, 0.92, 0.96)))
        for seed, final in enumerate(finals)
    ]
    row = difference(curves, "mlp", "fpisa")
    assert row["difference_points"] == pytest.approx(1.0)
    assert row["confidence_points"] == pytest.approx(4.303 * 1.0 / 3**0.5, rel=1e-3)
    assert difference(curves[::3], "mlp", "fpisa")["confidence_points"] is None


def test_command_page_and_recording(tmp_path, capsys):
    args = ["--models", "mlp", "--reducers", "fpisa-a", "--seeds", "2", "--steps", "6", "--workers", "3"]
    assert main([*args, "--out", str(tmp_path / "page"), "--record", str(tmp_path / "rec")]) == 0
    assert (tmp_path / "page" / "converge.html").read_text().count("<svg") == 2
    with np.load(tmp_path / "rec" / "mlp.npz") as kept:
        assert set(kept) == {"step1", "step2", "step4"} and kept["step1"].shape[0] == 3
    capsys.readouterr()
    assert main([*args, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["reducer"] for row in told["differences"]] == ["ieee", "fpisa-a"] and len(told["curves"]) == 4


def test_a_folder_that_cannot_be_made_is_said_before_the_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fpisa.accuracy.converge_cli.study", lambda *_: pytest.fail("trained all the same"))
    (tmp_path / "file").touch()
    for option in ("--out", "--record"):
        assert main([option, str(tmp_path / "file"), *([] if option == "--out" else ["--json"])]) == 1
        assert capsys.readouterr().err == f"fpisa converge: error: cannot write to {tmp_path}/file: File exists\n"


def test_bad_options(capsys):
    for argv, sentence in [
        (["--models", "gpt"], "unknown model 'gpt'"),
        (["--reducers", "best"], "unknown reducer"),
        (["--workers", "1"], "takes 2..1024"),
        (["--steps", "0"], "--steps 1 or more"),
    ]:
        with pytest.raises(SystemExit):
            main(argv)
        assert sentence in capsys.readouterr().err


def test_loss_scale_keeps_the_sum_finite():
    rows = torch.full((8, 4), 3e4)
    assert converge.loss_scale(rows) * 8 * 3e4 <= 2**14
    assert torch.isfinite(REDUCERS["fpisa-fp16"](rows)).all()
