"""The same query by Spark on this machine, for comparison: local[*], warmed up, tables in memory or read from files."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from workers.query.errors import QueryError
from workers.query.plans import Plan

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "4",  # the default of 200 suits clusters and would cost seconds here
    "spark.driver.memory": "4g",
    "spark.log.level": "ERROR",
}


@dataclass(frozen=True)
class Seconds:
    """The fastest of three runs each, after one that counts for nothing."""

    cached: float
    uncached: float


def seconds(plan: Plan, data: Path) -> Seconds:
    """Runs the plan's SQL. Raises QueryError when Spark is missing or fails."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise QueryError("pyspark is not installed; `pip install 'fpisa[spark]'` brings it") from None
    logging.getLogger("py4j").setLevel(logging.ERROR)
    try:
        builder = SparkSession.builder.master("local[*]").appName("fpisa query")
        for name, value in SETTINGS.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
    except Exception as error:  # the Java side has many
        raise QueryError(f"Spark does not start: {_first_line(error)}") from None
    try:
        for table in plan.needed:
            session.read.parquet(str(data / f"{table}.parquet")).createOrReplaceTempView(table)
        uncached = _fastest(session, plan.sql)
        for table, columns in plan.needed.items():
            session.table(table).select(*columns).cache().createOrReplaceTempView(table)
            session.table(table).count()
        return Seconds(_fastest(session, plan.sql), uncached)
    except Exception as error:
        raise QueryError(f"Spark cannot run the query: {_first_line(error)}") from None
    finally:
        session.stop()


def _fastest(session: object, sql: str) -> float:
    session.sql(sql).collect()  # type: ignore[attr-defined]
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        session.sql(sql).collect()  # type: ignore[attr-defined]
        best = min(best, time.perf_counter() - start)
    return best


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
