"""The command line of the comparison."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from emulator.topo.spec import TopologyError
from workers.compare.course import Outcome, run, steps
from workers.compare.models import speedup_record
from workers.compare.plan import AGGREGATORS, DEFAULT, KB, MB, SWEEPS, CompareError, Plan, make_plan
from workers.compare.tables import HEADER, MODEL_HEADER, model_groups, model_rows, sweep_rows

EXAMPLES = """examples:
  fpisa compare
  fpisa compare --sweeps loss,cpu --aggregators fpisa,switchml
  fpisa compare --full --largest 256MB
"""


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(
        prog="fpisa compare",
        description="Compare FPISA with SwitchML through the same worker engine, shared-memory ports and switch: tensor "
        "size, workers, packet size, loss, scarce CPU, and the replay of eight models. CPU quotas need root; "
        "without it all workers share one core instead.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = words.add_argument
    how = words.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="a few points of each sweep, minutes (the default)")
    how.add_argument("--full", action="store_true", help="all points, more rounds, up to 64 MB")
    add(
        "--aggregators",
        default=",".join(DEFAULT),
        metavar="LIST",
        help=f"of {', '.join(AGGREGATORS)} (all but switchml-plain)",
    )
    add("--sweeps", default=",".join(SWEEPS), metavar="LIST", help=f"of {', '.join(SWEEPS)} (all)")
    add("--largest", default="", metavar="SIZE", help="end of the size sweep, 4KB to 256MB (4MB; --full: 64MB)")
    add("--workers", type=int, default=2, metavar="N", help="2 to 8, where workers are not swept (2)")
    add("--elements", type=int, default=64, metavar="N", help="values a packet, where they are not swept (64)")
    add("--slots", type=int, default=256, metavar="N", help="chunks a worker keeps in flight (256, as SwitchML has)")
    add("--out", type=Path, default=Path("results"), metavar="DIR", help="folder for the results (results)")
    add("--json", action="store_true", help="print the results as JSON")
    return words


def size_of(text: str) -> int:
    """Bytes; "" is 0. Raises CompareError."""
    lower = text.strip().lower()
    for suffix, factor in (("mb", MB), ("kb", KB), ("b", 1), ("", 1)):
        number = lower.removesuffix(suffix).strip() if suffix else lower
        if lower.endswith(suffix) and number.isdecimal():
            return int(number) * factor // 4 * 4
    if lower:
        raise CompareError(f'--largest must be a size such as 64KB or 16MB, not "{text}"')
    return 0


def plan_of(words: argparse.Namespace) -> Plan:
    """Raises CompareError."""
    return make_plan(
        [name for name in words.aggregators.split(",") if name],
        words.full,
        size_of(words.largest),
        words.workers,
        words.elements,
        words.slots,
        [name for name in words.sweeps.split(",") if name],
    )


def main(argv: Sequence[str] | None = None) -> int:
    words = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, terminated)
    console = Console(stderr=words.json, width=None if sys.stdout.isatty() else 150)
    try:
        plan = plan_of(words)
    except CompareError as error:
        print(f"fpisa compare: error: {error}", file=sys.stderr)
        return 2
    try:
        folder = new_folder(words.out)
        notes = surroundings(plan)
        outcome = follow(plan, folder, console)
        notes.append(f"Load average of the machine: {load_text()} at the end.")
        document = record(plan, outcome, notes)
        write(folder, plan, outcome, notes, document)
    except (CompareError, TopologyError) as error:
        print(f"fpisa compare: error: {error}", file=sys.stderr)
        return 1
    show(console, outcome, [*notes, *outcome.notes])
    console.print(f"page: {folder / 'index.html'}", soft_wrap=True)
    if words.json:
        print(json.dumps(document))
    if outcome.wrong:
        print(f"fpisa compare: error: {outcome.wrong:,} sums are wrong; the tables say where", file=sys.stderr)
        return 1
    return 0


def terminated(*_: object) -> None:
    """Ends by way of every clean-up, once: quotas and processes are removed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def new_folder(out: Path) -> Path:
    """results/compare-<time>, made; raises CompareError."""
    name = "compare-" + datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        try:
            (out / (name + suffix)).mkdir(parents=True)
            return out / (name + suffix)
        except FileExistsError:
            if out.exists() and not out.is_dir():
                raise CompareError(f"cannot make the folder {out}: it is a file") from None
        except OSError as error:
            raise CompareError(f"cannot make the folder {out}: {error.strerror}") from None
    raise CompareError(f"{out} has a hundred comparisons of this second")


def load_text() -> str:
    return ", ".join(f"{load:.1f}" for load in os.getloadavg())


def surroundings(plan: Plan) -> list[str]:
    return [
        f"One switch process (compiled engine) and a process for each worker (native engine), shared-memory ports; "
        f"unless swept: {plan.base.workers} workers, {plan.base.elements} values a packet, {plan.base.slots} slots, "
        f"{plan.base.tensor_bytes / MB:g} MB.",
        f"{platform.platform()}, {processor()}, {os.cpu_count()} CPUs, Python {platform.python_version()}.",
        f"Load average of the machine: {load_text()} at the start.",
    ]


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def follow(plan: Plan, folder: Path, console: Console) -> Outcome:
    columns = (
        TextColumn("{task.description:<52}"), BarColumn(bar_width=28), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting", total=steps(plan))
        outcome = run(plan, folder, lambda words, done: progress.update(task, description=words, advance=done))
        progress.update(task, description="done", completed=steps(plan))
    return outcome


def record(plan: Plan, outcome: Outcome, notes: list[str]) -> dict[str, Any]:
    """Everything that was measured, for results.json."""
    return {
        "plan": asdict(plan),
        "notes": [*notes, *outcome.notes],
        "sweeps": [
            {
                "name": sweep.name,
                "points": [
                    {sweep.label: label, "rows": [row.as_dict() for row in rows]}
                    for label, rows in zip(sweep.points, points, strict=True)
                ],
            }
            for sweep, points in outcome.sweeps
        ],
        "models": [speedup_record(s) for s in outcome.speedups],
        "explanation": outcome.why,
    }


def write(folder: Path, plan: Plan, outcome: Outcome, notes: list[str], document: dict[str, Any]) -> None:
    """Raises CompareError where the folder takes no more."""
    from workers.compare.page import render  # matplotlib takes a second to load

    try:
        (folder / "results.json").write_text(json.dumps(document, indent=1))
        (folder / "index.html").write_text(render(plan, outcome, notes), encoding="utf-8")
    except OSError as error:
        raise CompareError(f"cannot write results into {folder}: {error.strerror}") from None


def show(console: Console, outcome: Outcome, notes: Sequence[str]) -> None:
    for sweep, points in outcome.sweeps:
        console.print(table(sweep.name, (sweep.label, *HEADER), sweep_rows(sweep, points)))
    for heading, group in model_groups(outcome.speedups):
        console.print(table(f"Eight models: {heading}", MODEL_HEADER, model_rows(group)))
    for sentence in [*outcome.why, *notes]:
        console.print(sentence, highlight=False)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(header):
        left = name in ("aggregator", "model") or number == 0
        shown.add_column(name, justify="left" if left else "right", no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    return shown
