"""The soak of soak.py, as long as FPISA_SOAK_MINUTES says (30)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.soak import WORKERS, Watched, soak


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_nothing_grows_and_nothing_is_wrong(tmp_path: Path) -> None:
    found = soak(float(os.environ.get("FPISA_SOAK_MINUTES", "30")), tmp_path, print)
    assert found["complaints"] == []
    assert found["turns"] > 10 and len(found["growth_kb"]) == WORKERS + 2


def test_growth_is_seen() -> None:
    """The judge itself: a leak of 400 kB or of a descriptor in a minute is found within half an hour."""
    steady = Watched("steady", 0, [(60.0 * i, 50_000 + 300 * (i % 3), 20) for i in range(31)])
    leaks = Watched("leak", 0, [(60.0 * i, 50_000 + 400 * i, 20) for i in range(31)])
    opens = Watched("opens", 0, [(60.0 * i, 50_000, 20 + i // 10) for i in range(31)])
    assert steady.complaint(1800) == ""
    assert "has grown" in leaks.complaint(1800) and "descriptors" in opens.complaint(1800)
