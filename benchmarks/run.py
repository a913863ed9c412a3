"""`make bench`: run the benchmarks, print a table, write results/bench.json.

A benchmark is a module of this folder with `run(progress) -> {name: {value, unit, goal, against}}`, where
`progress(words)` tells a person what is being done; or one whose `--json` prints such an object.
results/bench.json keeps what earlier runs of other benchmarks wrote.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

# In the order in which they run; one that is not part of this checkout is left out.
MODULES = ("number_format", "dataplane", "growth", "p4runtime", "query_rate", "pipelines", "queues", "veth", "veth_programs",
           "shared_memory", "torch_allreduce", "goodput", "slow_links")  # fmt: skip
OUTPUT = Path("results/bench.json")
LIMIT_S = 900.0
Rows = dict[str, dict[str, Any]]


class BenchmarkError(Exception):
    """A benchmark could not be run; the message is one sentence."""


def run_module(name: str, progress: Callable[[str], None]) -> Rows:
    """The rows of one benchmark. Raises BenchmarkError."""
    module = importlib.import_module(f"benchmarks.{name}")
    if hasattr(module, "run"):
        try:
            return checked(name, module.run(progress))
        except (RuntimeError, OSError, ValueError) as error:
            raise BenchmarkError(f"{name}: {error}") from None
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"{name} ended with status {done.returncode}")
    return checked(name, json.loads(done.stdout))


def checked(name: str, rows: Rows) -> Rows:
    for key, row in rows.items():
        missing = {"value", "unit", "goal", "against"} - set(row)
        if missing:
            raise BenchmarkError(f"{name}: {key} has no {', '.join(sorted(missing))}")
    return rows


def reached(row: dict[str, Any]) -> bool | None:
    """Whether the goal is met; None where there is none. A row with `"smaller": true` wants small values."""
    if row["goal"] is None or row["value"] is None:
        return None
    return bool(row["value"] <= row["goal"] if row.get("smaller") else row["value"] >= row["goal"])


def table(rows: Rows) -> Table:
    shown = Table(title="benchmarks", title_justify="left")
    shown.add_column("name", no_wrap=True)
    for heading in ("value", "goal"):
        shown.add_column(heading, justify="right")
    for heading in ("unit", "against", "reached"):
        shown.add_column(heading)
    words = {True: "yes", False: "no", None: ""}
    for name, row in rows.items():
        value, goal = ("" if number is None else f"{number:,.4g}" for number in (row["value"], row["goal"]))
        shown.add_row(name, value, goal, row["unit"], str(row["against"] or ""), words[reached(row)])
    return shown


def write(rows: Rows, path: Path = OUTPUT) -> None:
    """Adds `rows` to the file, replacing those of the same names."""
    try:
        before = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        before = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**before, **rows}, indent=2) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    present = [name for name in MODULES if importlib.util.find_spec(f"benchmarks.{name}") is not None]
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Run the benchmarks and write results/bench.json.",
        epilog=f'examples: make bench; make bench ARGS="{present[0]}"',
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(present)} (all)")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    words = parser.parse_args(argv)
    unknown = [name for name in words.names if name not in present]
    if unknown:
        print(
            f"bench: error: unknown benchmark {unknown[0]}; there are {', '.join(present)}", file=sys.stderr
        )
        return 2
    console = Console(stderr=True)
    rows: Rows = {}
    failures = 0
    for name in words.names or present:
        try:
            with console.status(name) as status:
                found = run_module(
                    name, lambda text, status=status, name=name: status.update(f"{name}: {text}")
                )
        except (BenchmarkError, subprocess.TimeoutExpired) as error:
            print(f"bench: error: {error}", file=sys.stderr)
            failures += 1
            continue
        rows |= found
        write(found)
        console.print(table(found))
    if words.json:
        print(json.dumps(rows))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
