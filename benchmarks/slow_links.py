"""All-reduce where links are the limit: flat from 2 to 8 workers, linear in bytes.

python -m benchmarks.slow_links [--json]

A Mininet star as in benchmarks.goodput, FPISA in the switch. Times are medians over the repeats of the slowest worker.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.goodput import FRAME_BESIDE_VALUES, PLAN, goodput

WORKERS = (2, 4, 6, 8)
BYTES = (1_000_000, 5_000_000, 25_000_000)
MB = 1e6


def seconds(workers: int, size: int) -> float:
    """Of one all-reduce. Raises what building a network raises."""
    plan = replace(PLAN, workers=workers, bench_bytes=size, bench_repeats=5 if size < 20e6 else 3)
    with tempfile.TemporaryDirectory(prefix="fpisa-bench-") as folder:
        return size * 8 / (goodput(plan, "fpisa", Path(folder)) * 1e9)


def ideal(size: int) -> float:
    """Seconds at the link's payload rate."""
    assert PLAN.rate_mbit is not None
    payload = PLAN.elements * 4
    return size * 8 / (PLAN.rate_mbit * 1e6 * payload / (payload + FRAME_BESIDE_VALUES))


def run(progress: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Rows of `make bench`. Raises RuntimeError where no network can be built."""
    by_workers: dict[int, float] = {}
    by_size: dict[int, float] = {}
    try:
        for workers in WORKERS:
            progress(f"{workers} workers, {BYTES[-1] / MB:g} MB")
            by_workers[workers] = seconds(workers, BYTES[-1])
        for size in BYTES[:-1]:
            progress(f"4 workers, {size / MB:g} MB")
            by_size[size] = seconds(4, size)
    except Exception as error:
        raise RuntimeError(str(error)) from error
    by_size[BYTES[-1]] = by_workers[4]
    told = ", ".join(f"{w}: {s:.3f} s" for w, s in by_workers.items())
    sizes = ", ".join(f"{b / MB:g} MB: {s:.4f} s ({ideal(b) / s:.2f} of the link)" for b, s in by_size.items())
    each = [s / b for b, s in by_size.items()]
    return {
        "time_8_over_2_workers": {
            "value": round(by_workers[8] / by_workers[2], 3), "unit": "ratio", "goal": 1.2, "smaller": True,
            "against": f"25 MB at {PLAN.rate_mbit:g} Mbit/s; workers {told}", "seconds": by_workers,
        },
        "time_per_byte_spread": {
            "value": round(max(each) / min(each), 3), "unit": "ratio", "goal": 1.2, "smaller": True,
            "against": f"4 workers; {sizes}", "seconds": by_size,
        },
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.slow_links",
        description="All-reduce over a Mininet star of slow links: time against workers and against bytes.",
        epilog="example: python -m benchmarks.slow_links --json",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    as_json = parser.parse_args().json
    try:
        rows = run(lambda text: print(text, file=sys.stderr))
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(rows))
        return 0
    for name, found in rows.items():
        print(f"{name}: {found['value']} {found['unit']} (goal {found['goal']}; {found['against']})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
