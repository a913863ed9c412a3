"""`make bench`: run the benchmarks, print a table, write results/bench.json.

A benchmark is a module of this folder with `run(progress) -> {name: {value, unit, goal, against}}`, where
`progress(words)` tells a person what is being done; or one whose `--json` prints such an object.
results/bench.json keeps what earlier runs of other benchmarks wrote.

A benchmark runs three times, and each row is the median with `low` and `high`, the least and the largest value; those that
take rounds of their own, or minutes, run once. One that fails is named at the end, and its rows are missing or from earlier.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table

# In the order in which they run; one that is not part of this checkout is left out.
MODULES = ("number_format", "dataplane", "growth", "p4runtime", "query_rate", "pipelines", "queues", "veth", "veth_programs",
           "shared_memory", "torch_allreduce", "goodput", "slow_links")  # fmt: skip
ROUNDS = 3
ONCE = ("growth", "p4runtime", "pipelines", "veth_programs", "shared_memory", "slow_links")
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
        except Exception as error:  # whatever it is, the other benchmarks go on
            raise BenchmarkError(f"{name}: {error or type(error).__name__}") from None
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"{name} ended with status {done.returncode}")
    return checked(name, json.loads(done.stdout))


def rounds(name: str, progress: Callable[[str], None]) -> Rows:
    """The rows of one benchmark over its rounds. Raises BenchmarkError."""
    count = 1 if name in ONCE else ROUNDS
    found = []
    for turn in range(count):
        before = f"round {turn + 1} of {count}: " if count > 1 else ""
        found.append(run_module(name, lambda words, before=before: progress(before + words)))  # type: ignore[misc]
    return middle(found)


def middle(runs: Sequence[Rows]) -> Rows:
    """Each row of the run whose value is the median (of an even number, the lower), with the least and largest value over all."""
    found = {}
    for name, row in runs[0].items():
        alike = sorted((r[name] for r in runs if name in r and r[name]["value"] is not None), key=lambda r: float(r["value"]))
        if len(alike) < 2:
            found[name] = row
            continue
        median = alike[(len(alike) - 1) // 2]
        found[name] = {**median, "low": alike[0]["value"], "high": alike[-1]["value"], "runs": len(alike)}
    return found


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
    for heading in ("value", "from", "to", "goal"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for heading in ("unit", "against", "reached"):
        shown.add_column(heading)
    words = {True: "yes", False: "no", None: ""}
    for name, row in rows.items():
        numbers = (row["value"], row.get("low"), row.get("high"), row["goal"])
        cells = ("" if n is None else f"{n:,.4g}" for n in numbers)
        shown.add_row(name, *cells, row["unit"], str(row["against"] or ""), words[reached(row)])
    return shown


def write(rows: Rows, path: Path = OUTPUT) -> None:
    """Adds `rows` to the file, replacing those of the same names."""
    try:
        before = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        before = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**before, **rows}, indent=2) + "\n")


def tell(status: Status, name: str, words: str) -> None:
    status.update(f"{name}: {words}")


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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that networks are taken down
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)
    rows: Rows = {}
    failed = []
    for name in words.names or present:
        try:
            with console.status(name) as status:
                found = rounds(name, partial(tell, status, name))
        except (BenchmarkError, subprocess.TimeoutExpired) as error:
            print(f"bench: error: {error}", file=sys.stderr)
            failed.append(name)
            continue
        rows |= found
        write(found)
        console.print(table(found))
    if words.json:
        print(json.dumps(rows))
    if failed:
        print(f"bench: error: without rows of this run: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
