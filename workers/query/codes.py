"""Numbers that the query programs and everybody around them agree on (p4src/query_config.p4, query_headers.p4)."""

from __future__ import annotations

from pathlib import Path

PROGRAMS = Path(__file__).resolve().parents[2] / "p4src"
OPERATORS = {"filter": 1, "topn": 2, "distinct": 3, "group_extreme": 4, "group_sum": 5, "having": 6, "join": 7}
DELIVER = 0
"""The code of a query whose rows are not pruned: any program delivers them all."""
WINDOW = 1024
GUARD_BITS = 18
MAX_QUERIES = 16
MAX_WORKERS = 64
ALL = "all"
"""The program that has every operator."""
