"""`fpisa fit`: how a compiled P4 program fits a switch pipeline."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from fpisa.banzai.fit.expression import NotMappable
from fpisa.banzai.fit.verdict import Fit, fit
from fpisa.banzai.machine import MACHINES, named
from fpisa.banzai.usage import limits, of_placement

EXAMPLE = """examples:
  fpisa fit build/p4/allreduce_fpisa_approx.json --machine default
  fpisa fit build/p4/allreduce_fpisa.json --machine all --picture pipeline.svg
  fpisa fit program.json --machine fpisa --stages 32 --json

Exit status: 0 the whole program fits, 1 it does not, 2 wrong use."""


def parser() -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(
        prog="fpisa fit", description="Lay a compiled P4 program (bmv2 JSON, ours or p4c's) onto a switch pipeline.",
        epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    out.add_argument("program", type=Path, help="bmv2 JSON of the program")
    out.add_argument("--machine", default="default", help=f"{', '.join(MACHINES)} or all (default: default)")
    out.add_argument("--stages", type=int, metavar="N", help="stages of the pipeline, in place of the machine's 24")
    out.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw the pipeline (the last machine's)")
    out.add_argument("--json", action="store_true", help="print one JSON object")
    return out


class WrongUse(Exception):
    """One sentence for the user."""


def main(argv: list[str]) -> int:
    args = parser().parse_args(argv)
    try:
        document = load(args.program)
        names = list(MACHINES) if args.machine == "all" else [args.machine]
        results = [attempt(document, name, args.stages) for name in names]
    except (WrongUse, ValueError) as problem:
        print(f"fpisa fit: {problem}", file=sys.stderr)
        return 2 if not isinstance(problem, NotMappable) else 1
    except (KeyError, TypeError, AttributeError, IndexError) as problem:
        print(
            f"fpisa fit: {args.program} is not bmv2 JSON: {problem!r} is missing or of the wrong kind", file=sys.stderr
        )
        return 2
    if args.json:
        print(json.dumps([summary(result) for result in results], indent=2))
    else:
        show(args.program, results)
    if args.picture:
        try:
            draw(args.picture, results[-1])
        except OSError as problem:
            print(f"fpisa fit: cannot write {args.picture}: {problem.strerror}", file=sys.stderr)
            return 2
    return 0 if all(result.fits for result in results) else 1


def load(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise WrongUse(f"cannot read {path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise WrongUse(f"{path} is not JSON: it is not text in UTF-8") from None
    except ValueError as problem:
        raise WrongUse(f"{path} is not JSON: {problem}") from None
    except RecursionError:
        raise WrongUse(f"{path} is not bmv2 JSON: it is nested too deeply") from None
    if not isinstance(document, dict) or "pipelines" not in document:
        raise WrongUse(f"{path} is not bmv2 JSON: it has no pipelines; compile the program with `fpisa compile`")
    return document


def attempt(document: dict[str, Any], name: str, stages: int | None) -> Fit:
    machine = named(name)
    if stages is not None:
        if stages < 1:
            raise WrongUse(f"a pipeline needs at least one stage, not {stages}")
        machine = replace(machine, stages=stages)
    return fit(document, machine)


def summary(result: Fit) -> dict[str, Any]:
    return {
        "machine": result.machine.name, "fits": result.fits, "elements": result.elements,
        "elements_fitting": result.fitting, "bottleneck": result.bottleneck, "passes": result.passes, "rounds": result.rounds,
        "stages": result.placement.depth, "of_stages": result.machine.stages, "stateful_units": result.stateful_units,
        "tasks": result.tasks, "header_bits": result.placement.header_bits, "usage": of_placement(result.placement),
        "limits": limits(result.machine),
    }  # fmt: skip


def show(path: Path, results: list[Fit]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("machine", "elements that fit", "stages", "header bits", "passes", "bottleneck", title=str(path))
    for one in results:
        passes = "-" if one.passes is None else f"{one.passes} (bandwidth / {one.passes})" if one.passes > 1 else "1"
        table.add_row(
            one.machine.name, f"{one.fitting} of {one.elements}", f"{one.placement.depth} of {one.machine.stages}",
            f"{one.placement.header_bits} of {one.machine.header_bits}", passes, one.bottleneck or "none: it fits",
        )  # fmt: skip
    console.print(table)
    console.print(stage_table(results[-1]))


def stage_table(result: Fit) -> Any:
    from rich.table import Table

    most = limits(result.machine)
    table = Table("stage", *(f"{name.split()[0]} /{limit}" for name, limit in most.items()),
                  title=f"{result.machine.name}: what {result.fitting or 'the first'} element(s) take")  # fmt: skip
    for number, stage in enumerate(of_placement(result.placement)):
        if any(stage.values()):
            table.add_row(str(number), *(str(stage[name] or "") for name in most))
    return table


def draw(path: Path, result: Fit) -> None:
    from fpisa.banzai.pictures import pipeline_picture

    title = f"{result.machine.name}: {result.fitting} of {result.elements} elements"
    path.write_text(pipeline_picture(title, of_placement(result.placement), limits(result.machine)), encoding="utf-8")
