"""`make bench`: medians over rounds, and what becomes of a benchmark that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import run


def row(value: float | None) -> dict[str, Any]:
    return {"value": value, "unit": "us", "goal": 2, "against": "nothing"}


def test_the_median_round_and_the_spread() -> None:
    found = run.middle([{"a": row(3.0), "b": row(None)}, {"a": row(1.0), "b": row(None)}, {"a": row(2.0), "b": row(4.0)}])
    assert found["a"] == {**row(2.0), "low": 1.0, "high": 3.0, "runs": 3}
    assert found["b"]["value"] is None
    assert run.middle([{"a": row(5.0)}])["a"] == row(5.0)


def test_one_that_fails_is_named_and_the_others_rows_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it fails with; rows of earlier runs stay."""
    seen: list[str] = []

    def module(name: str) -> Any:
        class Fake:
            @staticmethod
            def run(progress: Any) -> run.Rows:
                seen.append(name)
                progress("measuring")
                if name == "benchmarks.veth":
                    raise KeyError("no such link")
                return {name: row(float(seen.count(name)))}

        return Fake

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run.importlib, "import_module", module)
    run.write({"before": row(1.0)})
    assert run.main(["dataplane", "veth", "shared_memory"]) == 1
    errors = capsys.readouterr().err
    assert "veth: 'no such link'" in errors and "without rows of this run: veth" in errors
    written = json.loads((tmp_path / run.OUTPUT).read_text())
    assert set(written) == {"before", "benchmarks.dataplane", "benchmarks.shared_memory"}
    assert (written["benchmarks.dataplane"]["value"], written["benchmarks.dataplane"]["high"]) == (2.0, 3.0)
    assert seen.count("benchmarks.dataplane") == 3 and seen.count("benchmarks.shared_memory") == 1
