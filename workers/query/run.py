"""One query from data to report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from workers.query import opponents
from workers.query.codes import ALL
from workers.query.compare import equal
from workers.query.errors import QueryError
from workers.query.exchange import Link
from workers.query.kinds import check
from workers.query.operators import Session
from workers.query.plans import Answer, Plan
from workers.query.source import Worker, connect

RUNS = 3
"""Of each way, but over links of a rate; the fastest counts."""
START_LIMIT = 120.0
"""Seconds for a network's processes to start."""


@dataclass(frozen=True)
class Report:
    """Rows are those of all phases. seconds: the whole query from Parquet files, repeated after one run that compiles the
    programs; cached_seconds: the same from columns in the workers' memory, measured where Spark is.
    phases: the same by what was done: workers' scans and fetches (of the slowest, where they are processes), the
    switch's packets, waiting for the controller (of processes), the rest. lost: packets, in a network those that
    the switch dropped at its ports, None where it does not say.

    retries: times that a run was begun anew because the switch was lost.

    links: bytes out and in of every host's link. measured: our way's and the opponents' seconds and bytes over the
    network's own links; opponents: the same in memory, with computed links."""

    answer_equal: bool
    rows_sent: int
    rows_pruned: int
    rows_delivered: int
    rows_fetched: int
    dictionary_keys: int
    packets: int
    repeats: int
    lost: int | None
    seconds: float
    phases: dict[str, float]
    setup_seconds: float
    duckdb_seconds: float
    spark_seconds: float | None
    spark_uncached_seconds: float | None
    bound: float
    answer_rows: int
    opponents: dict[str, dict[str, Any]] | None
    answer: pa.Table
    network: str = "memory"
    rate_mbit: float | None = None
    links: dict[str, dict[str, int]] | None = None
    measured: dict[str, dict[str, Any]] | None = None
    cached_seconds: float | None = None
    retries: int = 0


def run(plan: Plan, data: Path, *, workers: int, loss: float = 0.0, seed: int = 1, cells: int | None = None,
        memory: int | None = None, spark: bool = False, fair: bool = False) -> Report:
    """Runs `plan` in this process on tables in `data` and compares with DuckDB over whole tables; memory: bytes that each
    worker may take; spark: times Spark as well; fair: and the fair opponents.

    Raises QueryError."""
    check(data, plan.needed, plan.name)
    if not 0 <= loss < 1:
        raise QueryError(f"loss must be at least 0 and below 1, not {loss:g}")
    tables = list(plan.needed)
    link = Link(loss, np.random.default_rng(seed))
    session = Session(workers, cells=cells, link=link)
    try:
        hands = [Worker(data, tables, number, workers, memory) for number in range(workers)]
        start = time.perf_counter()
        plan.run(session, hands)  # compiles and loads the programs
        first = time.perf_counter() - start
        own = _fastest(plan, hands, lambda: Session(workers, cells=cells, link=link, racks=session.racks))
        side = sum(hand.side_bytes for hand in hands) // (1 + RUNS)
        expected, alone = by_duckdb(plan, data)
        work = own.seconds - sum(own.scanned) + max(own.scanned)  # workers' scans side by side, as the opponents'
        rivals = against(plan, own.answer, expected, hands, own.session, work, side) if fair else None
        cached = None
        if spark:
            for hand in hands:
                for table, columns in plan.needed.items():
                    hand.derive(table, f"SELECT row_id, {', '.join(columns)} FROM {table}")
            cached = _fastest(plan, hands, lambda: Session(workers, cells=cells, link=link, racks=session.racks)).seconds
    except (duckdb.Error, pa.ArrowException) as error:
        raise QueryError(f"the tables do not fit the query: {str(error).splitlines()[0]}") from None
    other = _spark(plan, data) if spark else None
    traffic, answer, seconds, scanned = own.session.traffic, own.answer, own.seconds, sum(own.scanned)
    phases = {"scan_and_fetch": scanned, "switch": traffic.seconds, "master": seconds - scanned - traffic.seconds}
    bound = max((float(b.max(initial=0.0)) for b in answer.bounds.values()), default=0.0)
    return Report(
        equal(plan, answer, expected), traffic.rows_sent, traffic.rows_pruned, traffic.rows_delivered,
        answer.fetched, answer.dictionary, traffic.packets, traffic.repeats, traffic.lost,
        seconds, phases, max(0.0, first - seconds), alone,
        other.cached if other else None, other.uncached if other else None, bound, len(answer.rows), rivals, answer.rows,
        cached_seconds=cached,
    )  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run of a plan: seconds in all, and those of each worker in DuckDB."""

    answer: Answer
    session: Session
    seconds: float
    scanned: list[float]


def _fastest(plan: Plan, hands: list[Worker], begin: Callable[[], Session]) -> Run:
    """Of RUNS runs, as Spark's and DuckDB's times are."""
    runs = []
    for _ in range(RUNS):
        session, before = begin(), [hand.seconds for hand in hands]
        start = time.perf_counter()
        answer = plan.run(session, hands)
        seconds = time.perf_counter() - start
        runs.append(Run(answer, session, seconds, [h.seconds - b for h, b in zip(hands, before, strict=True)]))
    return min(runs, key=lambda run: run.seconds)


def run_network(plan: Plan, benchmark: str, data: Path, network: str, *, workers: int, rate_mbit: float | None = None,
                impair: str = "", cells: int | None = None, memory: int | None = None, spark: bool = False, fair: bool = False,
                patience: float = 30.0,
                heard: Callable[[Mapping[str, Any]], None] = lambda message: None) -> Report:
    """The same with a switch, a controller, a master and workers as processes. network: "shm" or "mininet"; rate_mbit: of
    its links; impair: as `fpisa switch` has it; memory: bytes that each worker may take; patience: seconds that a
    lost switch is waited for, it is restarted if it has ended; heard: told what goes on. Raises QueryError."""
    from workers.query.net.launch import Rig, Task

    check(data, plan.needed, plan.name)
    start = time.perf_counter()
    setting = _setting(network, workers, plan.name, rate_mbit, impair, cells)
    with Rig(replace(setting, patience=patience, restart=True)) as rig:
        task = Task(benchmark, plan.name, data, list(plan.needed), rivals=fair, memory=memory, cached=spark,
                    runs=RUNS if rate_mbit is None else 1)  # fmt: skip
        query = rig.begin(task, heard=heard)
        query.until("started", START_LIMIT)
        ready = time.perf_counter() - start
        found = query.wait()
        rows = pa.ipc.open_file(query.answer).read_all()
    other = _spark(plan, data) if spark else None
    traffic = found["traffic"]
    return Report(
        found["answer_equal"], traffic["rows_sent"], traffic["rows_pruned"], traffic["rows_delivered"],
        found["rows_fetched"], found["dictionary_keys"], traffic["packets"], traffic["repeats"], traffic["lost"],
        found["seconds"], found["phases"], ready, found["duckdb_seconds"], other.cached if other else None,
        other.uncached if other else None, found["bound"], len(rows), None, rows, network, rate_mbit, found["links"],
        found["opponents"], found["cached_seconds"], found["retries"],
    )  # fmt: skip


# A program of one operator starts faster than the one that has them all.
OPERATOR_OF = {
    "q3": "join", "q20": "group_sum", "groupby": "group_sum", "count": "group_sum", "avg": "group_sum",
    "max": "group_extreme", "min": "group_extreme", "filter": "filter", "topn": "topn", "distinct": "distinct",
    "having": "having", "join": "join",
}  # fmt: skip


def program_of(query: str) -> str:
    """The smallest program that has a query's operator; the one that has all for a query not known here."""
    return OPERATOR_OF.get(query.removesuffix("-rows"), ALL)


def _setting(network: str, workers: int, query: str, rate_mbit: float | None, impair: str, cells: int | None) -> Any:
    from workers.query.net.launch import Setting

    setting = Setting(network, workers, program_of(query), rate_mbit, impair)
    return setting if cells is None else replace(setting, cells=cells, join_cells=cells)


def _spark(plan: Plan, data: Path) -> Any:
    from workers.query.spark import seconds as by_spark

    return by_spark(plan, data)


def by_duckdb(plan: Plan, data: Path) -> tuple[pa.Table, float]:
    """DuckDB's answer over whole tables and its seconds, of the fastest of RUNS runs after a first."""
    whole = connect(data, list(plan.needed))
    answer, spent = whole.sql(plan.sql).to_arrow_table(), []
    for _ in range(RUNS):
        start = time.perf_counter()
        answer = whole.sql(plan.sql).to_arrow_table()
        spent.append(time.perf_counter() - start)
    return answer, min(spent)


def against(plan: Plan, answer: Answer, expected: pa.Table, hands: list[Worker], session: Session, seconds: float,
            side: int) -> dict[str, dict[str, Any]]:
    """Our way and the opponents': work, bytes, and the link rate in Gbit/s below which ours is faster (0: at none;
    None: at every). Raises QueryError if an opponent's answer is wrong."""
    own, unpruned = opponents.ours(seconds, session.traffic, side, len(hands))
    ways = {"switch": own, "unpruned": unpruned}
    for name, runs in (("ship", opponents.ship), ("local", opponents.local)):
        runs(plan, hands)  # warms caches, as the plan's own first run did
        ways[name] = min((runs(plan, hands) for _ in range(RUNS)), key=lambda way: way.work)
        found = ways[name].answer
        if found is None or not equal(plan, Answer(found, answer.bounds), expected):
            raise QueryError(f"the opponent {name!r} has another answer than DuckDB")
    table = {}
    for name, way in ways.items():
        rate = None if way is own else opponents.wins_below(own, way)
        table[name] = {"work_seconds": way.work, "worker_bytes": way.worker_bytes, "master_bytes": way.master_bytes,
                       "switch_wins_below_gbit": None if rate is None else rate / 1e9}
    return table
