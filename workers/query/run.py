"""One query from data to report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from workers.query.compare import equal
from workers.query.errors import QueryError
from workers.query.exchange import Link
from workers.query.operators import Session
from workers.query.plans import Plan
from workers.query.source import Worker, check, connect


@dataclass(frozen=True)
class Report:
    """Rows are those of all phases. seconds: the whole query, repeated after one run that compiles the programs."""

    answer_equal: bool
    rows_sent: int
    rows_pruned: int
    rows_delivered: int
    rows_fetched: int
    dictionary_keys: int
    packets: int
    repeats: int
    lost: int
    seconds: float
    setup_seconds: float
    duckdb_seconds: float
    spark_seconds: float | None
    spark_uncached_seconds: float | None
    bound: float
    answer_rows: int
    answer: pa.Table


def run(plan: Plan, data: Path, *, workers: int, loss: float = 0.0, seed: int = 1, cells: int = 4096,
        spark: bool = False) -> Report:
    """Runs `plan` on tables in `data` and compares with DuckDB over whole tables; spark: times Spark as well.

    Raises QueryError."""
    check(data, plan.needed)
    if not 0 <= loss < 1:
        raise QueryError(f"loss must be at least 0 and below 1, not {loss:g}")
    tables = list(plan.needed)
    link = Link(loss, np.random.default_rng(seed))
    session = Session(workers, cells=cells, link=link)
    try:
        hands = [Worker(data, tables, number, workers) for number in range(workers)]
        start = time.perf_counter()
        plan.run(session, hands)  # compiles and loads the programs
        first = time.perf_counter() - start
        session = Session(workers, cells=cells, link=link, racks=session.racks)
        start = time.perf_counter()
        answer = plan.run(session, hands)
        seconds = time.perf_counter() - start
        whole = connect(data, tables)
        whole.sql(plan.sql).to_arrow_table()
        start = time.perf_counter()
        expected = whole.sql(plan.sql).to_arrow_table()
        alone = time.perf_counter() - start
    except (duckdb.Error, pa.ArrowException) as error:
        raise QueryError(f"the tables do not fit the query: {str(error).splitlines()[0]}") from None
    other = None
    if spark:
        from workers.query.spark import seconds as by_spark

        other = by_spark(plan, data)
    traffic = session.traffic
    bound = max((float(b.max(initial=0.0)) for b in answer.bounds.values()), default=0.0)
    return Report(
        equal(plan, answer, expected), traffic.rows_sent, traffic.rows_pruned, traffic.rows_delivered,
        answer.fetched, answer.dictionary, traffic.packets, traffic.repeats, traffic.lost,
        seconds, max(0.0, first - seconds), alone,
        other.cached if other else None, other.uncached if other else None, bound, len(answer.rows), answer.rows,
    )  # fmt: skip
