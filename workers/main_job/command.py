"""The command line of the main job, and its course from programs to page."""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from emulator.switch.ports.impair import parse_impairments
from emulator.topo.build import why_not
from emulator.topo.shapes import SHAPES
from emulator.topo.spec import TopologyError
from workers.main_job import in_process_run, network_run
from workers.main_job.alone import train_alone
from workers.main_job.display import Display, comparison
from workers.main_job.page import render
from workers.main_job.plan import MAX_WORKERS, METHODS, JobError, Plan
from workers.main_job.programs import Program, compile_program
from workers.main_job.result import Result
from workers.training.recipe import TRAIN_SAMPLES, Recipe

EXAMPLES = """examples:
  fpisa run
  fpisa run --aggregators fpisa,gloo --rate 100 --bench-mb 25
  fpisa run --impair in:loss=0.01,out:dup=0.005,seed=7
  fpisa run --shape racks --uplink raw --aggregators fpisa
"""
NAMES = {"star": "star round one switch", "racks": "network of two racks, a switch each, under a spine"}
ACCURACY_MARGIN = 0.01  # of single-process training; beyond it an aggregator has harmed the model


def parser() -> argparse.ArgumentParser:
    plan = Plan()
    words = argparse.ArgumentParser(
        prog="fpisa run",
        description="Train the digits network by data-parallel SGD, once with every aggregator, over a "
        "Mininet network of workers and P4 switches (without root: over in-process links), and compare.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = words.add_argument
    add("--aggregators", default=",".join(METHODS), metavar="LIST", help=f"of {', '.join(METHODS)} (all)")
    add("--workers", type=int, default=plan.workers, metavar="N", help=f"2 to {MAX_WORKERS} ({plan.workers})")
    add(
        "--rate",
        type=float,
        default=plan.rate_mbit,
        metavar="MBIT",
        help=f"of a link, 0: unlimited ({plan.rate_mbit:g})",
    )
    add("--elements", type=int, default=plan.elements, metavar="N", help=f"values a packet ({plan.elements})")
    add(
        "--pipelines",
        type=int,
        default=plan.pipelines,
        metavar="N",
        help=f"threads of each switch, and of each worker ({plan.pipelines})",
    )
    add("--slots", type=int, default=plan.slots, metavar="N", help=f"chunks in flight ({plan.slots})")
    add(
        "--epochs",
        type=int,
        default=plan.recipe.epochs,
        metavar="N",
        help=f"of training ({plan.recipe.epochs})",
    )
    add(
        "--batch",
        type=int,
        default=plan.recipe.batch,
        metavar="N",
        help=f"samples a worker ({plan.recipe.batch})",
    )
    add(
        "--seed",
        type=int,
        default=plan.recipe.seed,
        metavar="N",
        help=f"of weights and shuffles ({plan.recipe.seed})",
    )
    add(
        "--bench-mb",
        type=float,
        default=plan.bench_bytes / 1e6,
        metavar="MB",
        help="tensor of the measured all-reduce",
    )
    add("--bench-repeats", type=int, default=plan.bench_repeats, metavar="N", help=f"({plan.bench_repeats})")
    add("--shape", choices=sorted(SHAPES), default=plan.shape, help="star, or two racks under a spine (star)")
    add(
        "--uplink",
        choices=("packed", "raw"),
        default=plan.uplink,
        help="what a rack's switch sends up: packed floats, or its registers raw (packed)",
    )
    add("--cpu", type=float, metavar="SHARE", help="share of all CPUs that a host may use, 0 to 1 (no limit)")
    add("--impair", default="", metavar="SPEC", help="faults at the switch's ports, as fpisa switch --impair")
    add(
        "--switch",
        choices=("fpisa", "bmv2"),
        default="fpisa",
        help="our switch or an installed simple_switch_grpc",
    )
    add(
        "--compiler",
        choices=("fpisa", "p4c"),
        default="fpisa",
        help="our compiler or an installed p4c-bm2-ss",
    )
    add("--in-process", action="store_true", help="no network even as root")
    add("--out", type=Path, default=plan.out, metavar="DIR", help="folder for the results (results)")
    add("--json", action="store_true", help="print the results as JSON")
    return words


def plan_of(words: argparse.Namespace) -> Plan:
    """Raises JobError for values that cannot be."""
    names = [name for name in words.aggregators.split(",") if name]
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        raise JobError(f"unknown aggregator {', '.join(unknown) or repr('')}; there are {', '.join(METHODS)}")
    for name, low, high in (
        ("workers", 2, MAX_WORKERS),
        ("elements", 32, 256),
        ("slots", 1, 512),
        ("pipelines", 1, 16),
        ("bench_repeats", 1, 1000),
    ):
        if not low <= getattr(words, name) <= high:
            raise JobError(f"--{name.replace('_', '-')} must be from {low} to {high}, not {getattr(words, name)}")
    if words.pipelines > words.slots:
        raise JobError(f"{words.pipelines} pipelines cannot share {words.slots} slots")
    if words.pipelines > 1 and words.switch == "bmv2":
        raise JobError("simple_switch_grpc has one pipeline: leave out --pipelines")
    if words.in_process and words.cpu is not None:
        raise JobError("--in-process has no hosts whose processors could be limited: leave out --cpu")
    if not 0 <= words.rate < float("inf") or not 0 < words.bench_mb <= 1000:
        raise JobError("--rate must be 0 or more and --bench-mb above 0 and at most 1000")
    try:
        recipe = Recipe(epochs=words.epochs, batch=words.batch, seed=words.seed)
        parse_impairments(words.impair)  # here, not when the first switch starts
    except ValueError as error:
        raise JobError(str(error)) from None
    if recipe.batch * words.workers > TRAIN_SAMPLES:
        raise JobError(f"a step of {recipe.batch} x {words.workers} samples is more than the {TRAIN_SAMPLES} there are")
    return Plan(
        methods=tuple(METHODS[name] for name in dict.fromkeys(names)),
        workers=words.workers,
        rate_mbit=words.rate or None,
        elements=words.elements,
        slots=words.slots,
        pipelines=words.pipelines,
        bench_bytes=max(4, round(words.bench_mb * 1e6) // 4 * 4),
        bench_repeats=words.bench_repeats,
        recipe=recipe,
        shape=words.shape,
        uplink=words.uplink,
        cpu=words.cpu,
        impair=words.impair,
        switch=words.switch,
        compiler=words.compiler,
        in_process=words.in_process,
        out=words.out,
    )


def main(argv: Sequence[str] | None = None) -> int:
    words = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the network is taken down
    console = Console(stderr=words.json, width=None if sys.stdout.isatty() else 100)
    try:
        plan = plan_of(words)
    except JobError as error:
        print(f"fpisa run: error: {error}", file=sys.stderr)
        return 2
    try:
        notes, plan = surroundings(plan, console)
        folder = new_folder(plan.out)
        results, alone = run(plan, folder, console)
        document = record(plan, results, alone, notes)
        write(folder, plan, results, alone, notes, document)
        console.print(comparison(results))
        console.print(f"single-process training: {alone:.2%}")
        console.print(f"page: {folder / 'index.html'}", soft_wrap=True)
        if words.json:
            print(json.dumps(document))
        return verdict(plan, results, alone)
    except (JobError, TopologyError) as error:
        print(f"fpisa run: error: {error}", file=sys.stderr)
        return 1


def surroundings(plan: Plan, console: Console) -> tuple[list[str], Plan]:
    """Sentences on where and how this runs, and the plan as it can run here."""
    for module in ("torch", "sklearn"):
        if importlib.util.find_spec(module) is None:
            raise JobError(f"training needs {module}, which is not installed: pip install 'fpisa[train]'")
    if plan.switch == "bmv2" and shutil.which("simple_switch_grpc") is None:
        raise JobError("simple_switch_grpc is not installed; without --switch bmv2 our own switch is used")
    reason = None if plan.in_process else why_not()
    if reason is not None:
        if plan.cpu is not None:
            raise JobError(f"--cpu needs a network, and none can be built: {reason}")
        if plan.switch == "bmv2":
            raise JobError(f"simple_switch_grpc needs a network, and none can be built: {reason}")
        plan = replace(plan, in_process=True)
    notes = []
    if plan.in_process:
        why = f" because {reason}" if reason else ""
        notes.append(
            f"No Mininet network was built{why}: the workers are threads of one process and reach the switch "
            "through queues. Same programs, packets and protocol; no link rate, no loss by queues, and "
            "gloo's ring runs over the loopback interface. Speeds say nothing about a network."
        )
        console.print(notes[0], soft_wrap=True)
    else:
        rate = "unlimited" if plan.rate_mbit is None else f"{plan.rate_mbit:g} Mbit/s each way"
        notes.append(
            f"A Mininet {NAMES[plan.shape]}: {plan.workers} hosts, a network namespace each; links {rate}; "
            f"{plan.elements} values a packet, {plan.slots} slots."
        )
    if plan.pipelines > 1:
        notes.append(f"Each switch has {plan.pipelines} pipelines and each worker as many queues, one a pipeline.")
    if plan.shape == "racks":
        notes.append(f"Each rack's switch sums its workers; its sums go up {plan.uplink}.")
    if plan.impair:
        notes.append(f"The switch's ports were impaired: {plan.impair}.")
    notes.append(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}.")
    return notes, plan


def new_folder(out: Path) -> Path:
    """results/<time>, made; raises JobError."""
    name = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
    try:
        for suffix in ["", *(f"-{n}" for n in range(2, 100))]:
            folder = out / (name + suffix)
            with suppress(FileExistsError):  # also of a run that began in the same moment
                out.mkdir(parents=True, exist_ok=True)
                folder.mkdir()
                return folder
            if not out.is_dir():
                raise JobError(f"cannot make the folder {out}: it is a file")
    except OSError as error:
        raise JobError(f"cannot make the folder {out}: {error.strerror}") from None
    raise JobError(f"{out} has a hundred results of this second")


def run(plan: Plan, folder: Path, console: Console) -> tuple[list[Result], float]:
    """All methods of the plan, and the accuracy of training without any."""
    with Display(console) as display:
        programs = compile_all(plan, folder, display)
        stage = display.stage("single process", 1)
        alone = train_alone(plan, folder)
        stage.finish(": trained")
        results = []
        run_method = (in_process_run if plan.in_process else network_run).run_method
        for method in plan.methods:
            bar = display.method(plan, method)
            program = programs[method.program]
            results.append(run_method(plan, method, program, folder / method.aggregator, bar.see))
            bar.finish(": done")
    return results, alone


def compile_all(plan: Plan, folder: Path, display: Display) -> dict[str, Program]:
    names = list(dict.fromkeys(method.program for method in plan.methods))
    stage = display.stage("compiling P4", len(names))
    programs = {}
    (folder / "p4").mkdir()
    for number, name in enumerate(names):
        stage.to(number, f": {name}")
        programs[name] = compile_program(plan, name, folder / "p4")
    stage.finish()
    return programs


def record(plan: Plan, results: list[Result], alone: float, notes: list[str]) -> dict[str, Any]:
    """Everything that was measured, for results.json."""
    return {
        "plan": {**asdict(plan), "out": str(plan.out)},
        "notes": notes,
        "single_process_accuracy": alone,
        "results": [result.as_dict() for result in results],
    }


def write(
    folder: Path, plan: Plan, results: list[Result], alone: float, notes: list[str], document: dict[str, Any]
) -> None:
    (folder / "results.json").write_text(json.dumps(document, indent=1))
    (folder / "index.html").write_text(render(plan, results, alone, notes), encoding="utf-8")


def verdict(plan: Plan, results: list[Result], alone: float) -> int:
    """0 if every aggregator did its duty; otherwise 1 after a sentence for each that did not."""
    faults = []
    for result in results:
        if result.chunks_explained not in (None, 1.0):
            share = f"{result.chunks_explained:.3%}"
            faults.append(f"{result.aggregator}: only {share} of the sums are those of the number format")
        if not result.equal_weights:
            faults.append(f"{result.aggregator}: the workers' weights differ")
        if abs(result.accuracy - alone) > ACCURACY_MARGIN:
            faults.append(
                f"{result.aggregator}: accuracy {result.accuracy:.2%} is not that of one process, {alone:.2%}"
            )
    for fault in faults:
        print(f"fpisa run: error: {fault}", file=sys.stderr)
    return 1 if faults else 0
