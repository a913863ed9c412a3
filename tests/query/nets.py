"""Tables and networks for tests of queries in processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.query import data

Tables = dict[str, Path]


def make_tables(factory: pytest.TempPathFactory, **scales: float) -> Tables:
    """Folders with the tables of the benchmarks named, at these scales."""
    made = {}
    for benchmark, scale in scales.items():
        made[benchmark] = factory.mktemp(benchmark)
        (data.tpch if benchmark == "tpch" else data.bdb)(made[benchmark], scale)
    return made
