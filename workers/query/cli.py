"""`fpisa query`: run a benchmark's query with pruning on the switch, and compare the answer with DuckDB's."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from workers.query.errors import QueryError

EXAMPLES = """examples:
  fpisa query --benchmark tpch --query q3 --scale 0.01 --workers 2
  fpisa query --benchmark bdb --query groupby --scale 0.1 --loss 0.01 --json
  fpisa query --benchmark bdb --query topn --data /data/visits
  sudo fpisa query --benchmark tpch --query q20 --network mininet --rate 100 --opponents

Queries of tpch: q3, q20. Of bdb: filter, topn, groupby, count, avg, max, min, distinct, having, join. Workers combine the
rows of equal keys before they send them; q3, groupby, max, min, distinct, having and join with -rows after the name send
every row.
Networks: shm - switch, controller, master and workers are processes, frames pass through shared memory; mininet - the
same over links of a Mininet star, whose rate --rate limits (needs root); memory - all in this process.
The exit status is 0 if the answer is DuckDB's, 1 if it is not or the query failed, 2 for options that make no sense."""


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (`{self.prog} --help` shows the options)\n")


def number(low: float, high: float, kind: type = float) -> Any:
    """A converter for numbers with low <= x <= high."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return convert


def build_parser() -> Parser:
    parser = Parser(
        prog="fpisa query",
        description="Stream a query's rows through the switch, complete the answer at the master, and check it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--benchmark", choices=["tpch", "bdb"], default="tpch", help="whose tables and queries (tpch)")
    parser.add_argument("--query", required=True, metavar="NAME", help="one of the benchmark's, named below")
    parser.add_argument("--scale", type=number(0.0001, 1000), default=0.01, metavar="S", help="scale factor (0.01)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="Parquet files of one's own, named TABLE.parquet")
    parser.add_argument("--workers", type=number(1, 32, int), default=2, metavar="W", help="1 to 32 (2)")
    parser.add_argument("--network", choices=["shm", "mininet", "memory"], default="shm",
                        help="what carries the packets, see below (shm)")
    parser.add_argument("--rate", type=number(0.1, 100_000), metavar="MBIT",
                        help="of every link of a Mininet network, Mbit/s (as fast as the machine)")
    parser.add_argument("--impair", default="", metavar="SPEC", help="what befalls packets at the switch of a network, as "
                        "`fpisa switch --impair` has it: in:loss=0.01,out:dup=0.01,in:reorder=0.05,seed=7")
    parser.add_argument("--loss", type=number(0, 0.5), default=0.0, metavar="P",
                        help="probability that a packet is lost, on each hop (0)")
    parser.add_argument("--seed", type=number(0, 2**32, int), default=1, metavar="N", help="of the losses (1)")
    parser.add_argument("--cells", type=number(2, 1 << 18, int), metavar="C",
                        help="of each register array of a lane, a power of two (4096; for joins 65536)")
    parser.add_argument("--memory", type=number(160, 1 << 20, int), metavar="MB",
                        help="each worker may take; columns and groups beyond that wait in files (its share of the machine's)")
    parser.add_argument("--patience", type=number(0, 3600), default=30.0, metavar="S",
                        help="seconds that a query over a network waits for a switch that was lost, and is then begun anew (30)")
    parser.add_argument("--spark", action="store_true", help="time Spark on this machine too (needs pyspark and Java)")
    parser.add_argument("--opponents", action="store_true",
                        help="also: columns shipped to DuckDB, local pre-aggregation, a switch that drops nothing")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw time against link rate, the pruning that pays, "
                        "and phases (implies --opponents; --network memory)")
    parser.add_argument("--show", type=number(0, 10**6, int), default=10, metavar="N", help="rows to print (10)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = build_parser().parse_args(argv)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminated)
    try:
        import duckdb  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        return _fail(f"{error.name} is not installed; `pip install 'fpisa[query]'` brings it")
    from workers.query import data
    from workers.query.plans import PLANS
    from workers.query.plot import PictureError, plot

    plan = PLANS[options.benchmark].get(options.query)
    if plan is None:
        names = ", ".join(PLANS[options.benchmark])
        build_parser().error(f"benchmark {options.benchmark} has no query {options.query!r}; it has {names}")
    from rich.console import Console

    try:
        with Console(stderr=True).status(f"making the tables of {options.benchmark} at scale {options.scale:g}"):
            tables = options.data or data.directory(options.benchmark, options.scale)
        report = _run(options, plan, tables)
        if options.plot is not None:
            plot(f"{options.benchmark} {plan.name}, {options.workers} workers", report.opponents or {}, options.plot,
                 report.phases)
    except (QueryError, OSError, PictureError) as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("the query's columns do not fit into memory")
    if options.json:
        shown = {f.name: getattr(report, f.name) for f in fields(report) if f.name != "answer"}
        print(json.dumps({"benchmark": options.benchmark, "query": plan.name, "workers": options.workers, **shown}))
    else:
        _print(plan.says, report, options.show)
    return 0 if report.answer_equal else 1


def _terminated(*_: object) -> None:
    """Ends by way of every clean-up, once: processes, networks and folders are removed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def _run(options: argparse.Namespace, plan: Any, tables: Path) -> Any:
    """In this process, or with processes of their own. Raises QueryError."""
    from workers.query.run import run, run_network

    fair = options.opponents or options.plot is not None
    memory = None if options.memory is None else options.memory << 20
    if options.network == "memory":
        if options.rate is not None or options.impair:
            raise QueryError("--rate and --impair belong to a network of processes; memory takes --loss")
        return run(plan, tables, workers=options.workers, loss=options.loss, seed=options.seed, cells=options.cells,
                   memory=memory, spark=options.spark, fair=fair)  # fmt: skip
    if options.rate is not None and options.network != "mininet":
        raise QueryError("only the links of --network mininet have a rate")
    if options.plot is not None:
        raise QueryError("--plot draws computed link times: take --network memory")
    impair = ",".join(filter(None, [options.impair, _losses(options)]))
    from rich.console import Console

    with Console(stderr=True).status("starting switch, controller, master and workers") as status:
        ways = {"started": "running the query", "measuring": "measuring an opponent"}

        def heard(message: Any) -> None:
            status.update(ways.get(message["event"], "running the query"))
            if message["event"] == "lost":
                print(f"fpisa query: the switch was lost, the query begins anew: {message['reason']}", file=sys.stderr)

        return run_network(plan, options.benchmark, tables, options.network, workers=options.workers,
                           rate_mbit=options.rate, impair=impair, cells=options.cells, memory=memory,
                           spark=options.spark, fair=fair, patience=options.patience, heard=heard)  # fmt: skip


def _losses(options: argparse.Namespace) -> str:
    return f"in:loss={options.loss:g},out:loss={options.loss:g},seed={options.seed}" if options.loss else ""


def _fail(text: str) -> int:
    print(f"fpisa query: error: {text}", file=sys.stderr)
    return 1


def _print(says: str, report: Any, show: int) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"[bold]{says}[/bold]: {report.answer_rows} rows")
    table = Table(*report.answer.column_names)
    for row in report.answer.slice(0, show).to_pylist():
        table.add_row(*[str(value) for value in row.values()])
    if show:
        console.print(table)
    sent = max(report.rows_sent, 1)
    phases = ", ".join(f"{name} {spent:.3f}" for name, spent in report.phases.items())
    console.print(
        f"rows sent {report.rows_sent}, kept from the master {report.rows_pruned} ({report.rows_pruned / sent:.1%}), "
        f"delivered {report.rows_delivered}, fetched {report.rows_fetched}; dictionary {report.dictionary_keys} keys\n"
        f"packets {report.packets}, repeated {report.repeats}{f', begun anew {report.retries} times' if report.retries else ''}"
        f"{'' if report.lost is None else f', lost {report.lost}'}\n"
        f"{report.seconds:.3f} s: {phases} (and {report.setup_seconds:.2f} s to compile and load); DuckDB alone "
        f"{report.duckdb_seconds:.3f} s"
    )
    if report.spark_seconds is not None:
        console.print(f"Spark {report.spark_seconds:.3f} s with cached tables, {report.spark_uncached_seconds:.3f} s from files")
        if report.cached_seconds is not None:
            console.print(f"we {report.cached_seconds:.3f} s with cached tables, {report.seconds:.3f} s from files")
    if report.opponents:
        console.print(_ways(report.opponents))
    if report.links:
        sizes = ", ".join(f"{name} {link['out'] / 1e6:.3f} out {link['in'] / 1e6:.3f} in" for name, link in report.links.items())
        console.print(f"links, MB: {sizes}")
    if report.measured:
        console.print(_measured(report))
    if report.bound:
        console.print(f"float sums are within {report.bound:.3g} of the exact ones")
    verdict = "the answer is DuckDB's" if report.answer_equal else "[red]the answer is NOT DuckDB's[/red]"
    console.print(verdict)


def _measured(report: Any) -> Any:
    from rich.table import Table

    rate = "as fast as the machine" if report.rate_mbit is None else f"{report.rate_mbit:g} Mbit/s"
    table = Table("way", "s", "busiest worker's link, MB", "master's link, MB", title=f"measured, links {rate}")
    for name, way in report.measured.items():
        table.add_row(name, f"{way['seconds']:.3f}", *[f"{way[k] / 1e6:.3f}" for k in ("worker_bytes", "master_bytes")])
    return table


def _ways(ways: dict[str, dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("way", "work, s", "worker's link, MB", "master's link, MB", "switch is faster below")
    for name, way in ways.items():
        rate = way["switch_wins_below_gbit"]
        said = "any rate" if rate is None else f"{rate:.3g} Gbit/s" if rate else "no rate"
        sizes = [f"{way[k] / 1e6:.3f}" for k in ("worker_bytes", "master_bytes")]
        table.add_row(name, f"{way['work_seconds']:.3f}", *sizes, "" if name == "switch" else said)
    return table
