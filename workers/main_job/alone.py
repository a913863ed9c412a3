"""Training in a single process: the accuracy that every aggregator must reach."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

from workers.main_job.plan import JobError, Plan


def train_alone(plan: Plan, folder: Path) -> float:
    """Test accuracy, 0..1, of one worker that sees every step's samples of all workers. Raises JobError."""
    recipe = replace(plan.recipe, batch=plan.recipe.batch * plan.workers)
    seat = {
        "job": "alone", "rank": 0, "workers": 1, "host": "", "controller": "", "first_host": "", "port": 0
    }  # fmt: skip
    task = {"aggregator": "alone", "seat": seat, "recipe": asdict(recipe)}
    command = [sys.executable, "-m", "workers.training.worker", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (folder / "alone.log").write_text(done.stdout + done.stderr)
    for line in done.stdout.splitlines():
        event = json.loads(line)
        if event["event"] == "trained":
            return float(event["accuracy"])
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    raise JobError(f"training in a single process failed: {last}")
