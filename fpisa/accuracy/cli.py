"""`fpisa accuracy`: how exact FPISA's sums are, beside IEEE's and other systems'."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fpisa.accuracy.methods import METHODS
from fpisa.accuracy.recorded import RecordingError, recordings
from fpisa.accuracy.sweep import GENERATORS, Plan, steps, sweep
from fpisa.accuracy.table_sweep import table_rows
from fpisa.arguments import Parser, complain

WORKERS = "2,4,8,16,64,256,1024"
EXAMPLES = """examples:
  fpisa accuracy                                      all inputs and methods, about a minute, a page in results/
  fpisa accuracy --inputs normal --workers 2,8,32 --methods fpisa,fpisa-a,ieee --json
  fpisa accuracy --from results/gradients --methods fpisa,fpisa-a,ieee,switchml"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status (0, 1 for files it cannot use, 2 for bad options)."""
    parser = build_parser()
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    try:
        plan = plan_of(parser, options)
    except RecordingError as error:
        return complain("fpisa accuracy", str(error))
    out = Path(options.out or f"results/{time.strftime('%Y%m%d-%H%M%S')}-accuracy")
    if not options.json:
        try:
            out.mkdir(parents=True, exist_ok=True)  # before the work, not after it
        except OSError as error:
            return complain("fpisa accuracy", f"cannot write to {out}: {error.strerror}")
    results = measure(plan, quiet=options.json or options.quiet)
    if options.json:
        print(json.dumps(results))
        return 0
    from fpisa.accuracy.page import write_page
    from fpisa.accuracy.report import html_sections, terminal_table

    try:
        write_page(out / "accuracy.html", "FPISA: accuracy of sums", html_sections(results))
        (out / "accuracy.json").write_text(json.dumps(results) + "\n")
    except OSError as error:
        return complain("fpisa accuracy", f"cannot write to {out}: {error.strerror}")
    if not options.quiet:
        Console(width=None if sys.stdout.isatty() else 130).print(terminal_table(results["rows"]))
    print(f"page: {out / 'accuracy.html'}")
    return 0


def build_parser() -> Parser:
    """The command's options, with examples."""
    parser = Parser(
        prog="fpisa accuracy",
        description="Compare FPISA's sums with the exact sum, with IEEE's and with other systems'.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--inputs", metavar="A,B", help=f"any of {', '.join(GENERATORS)} (default all)")
    parser.add_argument(
        "--from", dest="source", metavar="PATH", help="recorded gradients: .npy, .npz or a folder"
    )
    parser.add_argument("--workers", default=WORKERS, metavar="N,M", help=f"2..1024 each (default {WORKERS})")
    parser.add_argument("--methods", metavar="A,B", help=f"any of {', '.join(METHODS)} (default all)")
    parser.add_argument(
        "--values", type=int, default=1 << 19, help="workers x elements of a cell (default 2^19)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of generated inputs (default 1)")
    parser.add_argument(
        "--out", metavar="DIR", help="for the page and its JSON (default results/TIME-accuracy)"
    )
    parser.add_argument("--json", action="store_true", help="print all figures as JSON and write nothing")
    parser.add_argument("--quiet", action="store_true", help="no progress and no table")
    return parser


def plan_of(parser: Parser, options: argparse.Namespace) -> Plan:
    """The plan the options describe; ends the program on bad options, raises RecordingError on bad files."""
    recorded = recordings(options.source) if options.source else {}
    default_inputs = () if recorded else tuple(GENERATORS)
    if options.values < 1 or options.seed < 0:
        parser.error("--values must be positive and --seed not negative")
    return Plan(
        inputs=chosen(parser, "input", options.inputs, GENERATORS) or default_inputs,
        workers=worker_counts(parser, options.workers),
        methods=chosen(parser, "method", options.methods, METHODS) or tuple(METHODS),
        values=options.values,
        seed=options.seed,
        recorded=recorded,
    )


def chosen(parser: Parser, what: str, text: str | None, known: Any) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    for name in names:
        if name not in known:
            parser.error(f"unknown {what} {name!r}; known are {', '.join(known)}")
    return names


def worker_counts(parser: Parser, text: str) -> tuple[int, ...]:
    try:
        counts = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        parser.error(f"--workers needs whole numbers with commas between, got {text!r}")
    if not all(2 <= count <= 1024 for count in counts):
        parser.error(f"--workers takes counts from 2 to 1024, got {text}")
    return counts


def measure(plan: Plan, quiet: bool) -> dict[str, Any]:
    """The sweep with its plan and the table sweep beside it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("starting", total=steps(plan))
        results = sweep(plan, lambda text: progress.update(task, advance=1, description=text))
    described = {
        "inputs": [*plan.inputs, *plan.recorded],
        "workers": list(plan.workers),
        "methods": list(plan.methods),
        "values": plan.values,
        "seed": plan.seed,
    }
    return {"plan": described, **results, "tables": table_rows()}
