"""`fpisa hw`: the story of the hardware in one command: units, ratios beside the paper's, pipelines, a page."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fpisa.banzai.cost import PAPER_FPU_OVER_RSAW, PAPER_OVERHEAD, ratios, switch_share
from fpisa.banzai.layout import configure, most_elements
from fpisa.banzai.machine import MACHINES, named
from fpisa.banzai.netlist import UNITS, Cost, ToolError, synthesise
from fpisa.formats import FORMATS

EXAMPLE = """examples:
  fpisa hw                         units, ratios, pipelines; a page under results/
  fpisa hw --json                  the same for machines
  fpisa hw --verify 100000         also compare the Verilog with the model on that many vectors a unit
  fpisa hw --liberty cells.lib     with a real cell library"""


def parser() -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(
        prog="fpisa hw", description="Price the hardware units FPISA asks for and lay it onto switch pipelines.",
        epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    out.add_argument("--liberty", type=Path, metavar="FILE", help="cell library (Liberty) to synthesise with")
    out.add_argument(
        "--verify", type=int, default=0, metavar="N", help="vectors a unit to compare Verilog and model on"
    )
    out.add_argument("--seed", type=int, default=1, help="seed of those vectors (default 1)")
    out.add_argument("--out", type=Path, help="folder of the page (default results/hw-<time>)")
    out.add_argument("--json", action="store_true", help="print one JSON object and write no page")
    return out


def main(argv: list[str]) -> int:
    words = parser()
    args = words.parse_args(argv)
    if args.verify < 0:
        words.error(f"--verify takes 0 or more vectors, not {args.verify}")
    folder = args.out or Path("results") / time.strftime("hw-%Y%m%d-%H%M%S")
    try:
        if args.liberty is not None:
            args.liberty.open("rb").close()  # before a progress bar is drawn
        if not args.json:
            folder.mkdir(parents=True, exist_ok=True)  # before the work, not after it
        story = tell(args)
    except (ToolError, OSError) as problem:
        named = isinstance(problem, OSError) and problem.filename is not None
        text = f"cannot use {problem.filename}: {problem.strerror}" if named else problem  # type: ignore[union-attr]
        print(f"fpisa hw: {text}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(story, indent=2))
        return 0
    from fpisa.banzai.hw_page import show, write_page

    show(story)
    (folder / "hw.json").write_text(json.dumps(story, indent=2))
    print(f"page: {write_page(story, folder)}")
    return 0


def tell(args: argparse.Namespace) -> dict[str, Any]:
    """Everything `fpisa hw` says, as one JSON-able object."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=args.json) as progress:
        task = progress.add_task("synthesis", total=len(UNITS) * (2 if args.verify else 1) + len(MACHINES))
        cost: dict[str, Cost] = {}
        for unit in UNITS:
            progress.update(task, description=f"synthesise {unit}")
            cost[unit] = synthesise(unit, args.liberty)
            progress.advance(task)
        verified = []
        if args.verify:
            from fpisa.banzai.cosim import compare

            for unit in UNITS:
                progress.update(task, description=f"compare {unit}")
                verified.append(asdict(compare(unit, args.verify, args.seed)))
                progress.advance(task)
        pipelines = {}
        for name in MACHINES:
            progress.update(task, description=f"lay out on {name}")
            pipelines[name] = {shape: held(name, shape) for shape in ("exact", "approx")}
            progress.advance(task)
    share = switch_share(cost, named("fpisa"))
    return {
        "units": {unit: asdict(one) for unit, one in cost.items()},
        "ratios": asdict(ratios(cost)),
        "paper": {"overhead_under": PAPER_OVERHEAD, "fpu_over_rsaw_at_least": PAPER_FPU_OVER_RSAW},
        "fit": {name: max(held["elements"] for held in both.values()) for name, both in pipelines.items()},
        "pipelines": pipelines,
        "share_of_chip": {**asdict(share), "total": share.total},
        "verified": verified,
        "library": str(args.liberty) if args.liberty else "generic static CMOS",
    }


def held(machine: str, shape: str) -> dict[str, Any]:
    """How many fp32 elements of a packet one pass holds, and what stops the next."""
    count, stopped = most_elements(FORMATS["fp32"], shape, named(machine), status=False)
    stages = len(configure(FORMATS["fp32"], shape, named(machine), count, status=False).stages) if count else 0
    # A packet of 64 passes as often as it takes; each pass costs the pipeline a packet's worth of bandwidth.
    return {
        "elements": count,
        "stages": stages,
        "stopped_by": stopped,
        "passes_for_64": -(-64 // count) if count else None,
    }
