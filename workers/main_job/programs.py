"""The P4 programs of a run, compiled into a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from workers.main_job.plan import MAX_WORKERS, TREES, JobError, Plan

SOURCES = Path(__file__).resolve().parents[2] / "p4src"


@dataclass(frozen=True)
class Program:
    """A compiled program: bmv2 JSON and P4Info."""

    json: Path
    p4info: Path


def compile_program(plan: Plan, name: str, folder: Path) -> Program:
    """Compiles p4src/`name`, or its kin for a tree of switches; raises JobError with the compiler's own words."""
    options = [f"-DELEMENTS={plan.elements}"]
    if plan.workers > 32:  # the programs' own limit, for the bitmaps of more are wider than one register access of a chip
        options.append(f"-DMAX_WORKERS={64 if plan.workers <= 64 else MAX_WORKERS}")
    if plan.shape == "racks":
        raw = plan.uplink == "raw" and name == "allreduce_fpisa.p4"  # the others' packed sums are all they have
        name = TREES[name]
        options += ["-DUPLINK=raw"] if raw else []
    source = SOURCES / name
    if not source.is_file():
        raise JobError(f"there is no P4 program {source}")
    if plan.compiler == "p4c" and shutil.which("p4c-bm2-ss") is None:
        raise JobError("p4c-bm2-ss is not installed; without --compiler p4c our own compiler is used")
    stem = source.stem
    program = Program(folder / f"{stem}.json", folder / f"{stem}.p4info.txtpb")
    command = [
        sys.executable, "-m", "fpisa.cli", "compile", str(source), *options,
        "-o", str(program.json), "--p4runtime-files", str(program.p4info),
        *(["--compiler", "p4c"] if plan.compiler == "p4c" else []),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise JobError(f"{name} did not compile:\n{(done.stderr or done.stdout).strip()}")
    return program
