"""`fpisa converge`: does training care how its gradients are summed?"""

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
from rich.table import Table

from fpisa.arguments import Parser, complain

MODELS = ("mlp", "resnet", "vgg", "transformer")
REDUCER_NAMES = ("ieee", "fpisa", "fpisa-a", "ieee-fp16", "fpisa-fp16", "fpisa-a-fp16")
EXAMPLES = """examples:
  fpisa converge                                   all four networks, three seeds, a page in results/
  fpisa converge --models mlp --seeds 5 --reducers ieee,fpisa-a --json
  fpisa converge --models mlp --record results/gradients      keep gradients for `fpisa accuracy --from`"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status (0, 1 for what cannot be done here, 2 for bad options)."""
    parser = build_parser()
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    models = chosen(parser, "model", options.models, MODELS)
    reducers = chosen(parser, "reducer", options.reducers, REDUCER_NAMES)
    if not 2 <= options.workers <= 1024 or options.seeds < 1 or (options.steps is not None and options.steps < 1):
        parser.error("--workers takes 2..1024, --seeds and --steps 1 or more")
    try:
        import sklearn  # noqa: F401
        import torch
    except ImportError as error:
        return complain("fpisa converge", f"needs {error.name}: pip install 'fpisa[train]'")
    torch.set_num_threads(1)  # the networks are too small to share
    if "ieee" not in reducers:
        reducers = ("ieee", *reducers)
    out = Path(options.out or f"results/{time.strftime('%Y%m%d-%H%M%S')}-converge")
    try:
        if not options.json:
            out.mkdir(parents=True, exist_ok=True)  # before the work, not after it
        if options.record:
            Path(options.record).mkdir(parents=True, exist_ok=True)
        results = study(models, reducers, options)
        return report(results, out, options)
    except OSError as error:
        where = f" to {error.filename}" if error.filename else ""
        return complain("fpisa converge", f"cannot write{where}: {error.strerror}")


def build_parser() -> Parser:
    """The command's options, with examples."""
    parser = Parser(
        prog="fpisa converge",
        description="Train small networks with simulated workers whose gradients are summed by FPISA and by IEEE.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", metavar="A,B", help=f"any of {', '.join(MODELS)} (default all)")
    parser.add_argument("--reducers", metavar="A,B", help=f"any of {', '.join(REDUCER_NAMES)} (default all)")
    parser.add_argument("--workers", type=int, default=8, metavar="N", help="simulated workers (default 8)")
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="trainings of each kind (default 3)"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="of SGD (default: enough for the network)")
    parser.add_argument(
        "--record", metavar="DIR", help="write the baseline's gradients of some steps as .npz"
    )
    parser.add_argument("--out", metavar="DIR", help="for the page and JSON (default results/TIME-converge)")
    parser.add_argument("--json", action="store_true", help="print results as JSON and write no page")
    parser.add_argument("--quiet", action="store_true", help="no progress and no table")
    return parser


def chosen(parser: Parser, what: str, text: str | None, known: Sequence[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",")) if text else tuple(known)
    for name in names:
        if name not in known:
            parser.error(f"unknown {what} {name!r}; known are {', '.join(known)}")
    return names


def study(models: Sequence[str], reducers: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """All trainings, with progress; curves and differences as plain data."""
    from fpisa.accuracy.converge import BASELINE, difference, train
    from fpisa.accuracy.nets import STUDIES

    total = sum((options.steps or STUDIES[name].steps) for name in models) * len(reducers) * options.seeds
    curves = []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=options.json or options.quiet) as progress:
        task = progress.add_task("starting", total=total)
        for name in models:
            for seed in range(1, options.seeds + 1):
                for reducer in reducers:
                    progress.update(task, description=f"{name}, seed {seed}, {reducer}")
                    recorder = Recorder(options.record if reducer == BASELINE and seed == 1 else None, name)

                    def on_step(step, rows, recorder=recorder):
                        progress.advance(task)
                        recorder.see(step, rows)

                    curves.append(train(name, reducer, seed, options.workers, options.steps, on_step))
                    recorder.write()
    return {
        "workers": options.workers,
        "models": list(models),
        "reducers": list(reducers),
        "curves": [curve.as_dict() for curve in curves],
        "differences": [difference(curves, name, reducer) for name in models for reducer in reducers],
    }


class Recorder:
    """Keeps the gradients of steps 1, 2, 4, 8, ... and writes them as one .npz; idle without a folder."""

    def __init__(self, folder: str | None, name: str):
        self.path = Path(folder) / f"{name}.npz" if folder else None
        self.kept: dict[str, Any] = {}

    def see(self, step: int, rows: Any) -> None:
        if self.path is not None and step & (step - 1) == 0:
            self.kept[f"step{step}"] = rows.detach().numpy().copy()

    def write(self) -> None:
        if self.path is not None and self.kept:
            import numpy as np

            np.savez_compressed(self.path, **self.kept)


def report(results: dict[str, Any], out: Path, options: argparse.Namespace) -> int:
    """JSON to standard output, or a page and a table; returns the exit status."""
    if options.json:
        print(json.dumps(results))
        return 0
    from fpisa.accuracy.converge_page import sections
    from fpisa.accuracy.page import write_page

    write_page(out / "converge.html", "FPISA: convergence of training", sections(results))
    (out / "converge.json").write_text(json.dumps(results) + "\n")
    if not options.quiet:
        Console(width=None if sys.stdout.isatty() else 110).print(terminal_table(results))
    print(f"page: {out / 'converge.html'}")
    return 0


def terminal_table(results: dict[str, Any]) -> Table:
    """Final accuracy of each reducer beside the baseline's."""
    table = Table(title=f"Final test accuracy, {results['workers']} workers", title_justify="left")
    for column in ("network", "reducer", "accuracy", "loss", "minus IEEE fp32 (points)", "95 % +-"):
        table.add_column(column, justify="left" if column in ("network", "reducer") else "right")
    for row in results["differences"]:
        spread = row["confidence_points"]
        table.add_row(
            row["study"], row["reducer"], f"{row['accuracy']:.4f}", f"{row['loss']:.4f}",
            f"{row['difference_points']:+.2f}", "-" if spread is None else f"{spread:.2f}",
        )  # fmt: skip
    return table
