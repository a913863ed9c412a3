"""What each worker of a method is told to do."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from emulator.topo.spec import Host
from workers.main_job.plan import Method, Plan
from workers.training.worker import Task

JOB = "digits"


def task_of(
    plan: Plan,
    method: Method,
    rank: int,
    host: Host,
    controller: str,
    meeting: str,
    port: int,
    interface: str,
    keep: Path,
) -> Task:
    """controller: its socket. meeting, port: where a ring's workers find each other. keep: for gradients."""
    seat = {
        "job": JOB,
        "rank": rank,
        "workers": plan.workers,
        "host": host.ip,
        "controller": controller,
        "first_host": meeting,
        "port": port,
        "deadline_s": plan.deadline_s,
        "interface": interface,
        "options": {
            "format": method.format, "elements": plan.elements, "slots": plan.slots, "queues": plan.pipelines
        },
    }
    return Task(
        aggregator=method.aggregator,
        seat=seat,
        recipe=asdict(plan.recipe) if plan.train else {},
        bench_bytes=plan.bench_bytes,
        bench_repeats=plan.bench_repeats,
        keep=str(keep),
    )


def worker_command(task: Task) -> list[str]:
    return [sys.executable, "-m", "workers.training.worker", json.dumps(asdict(task))]
