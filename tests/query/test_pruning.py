"""Measured pruning lies near its theory."""

from __future__ import annotations

from workers.query import pruning


def test_measured_near_expected() -> None:
    points = pruning.measure(20_000, seed=7)
    assert {p.operator for p in points} == {"topn ladder", "topn matrix", "group sum", "distinct", "join"}
    for p in points:
        assert abs(p.delivered - p.expected) <= 0.02 + 0.15 * p.expected, p
