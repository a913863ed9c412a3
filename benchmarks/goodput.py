"""All-reduce over a Mininet star whose links are the limit: FPISA in the switch against gloo's ring.

gloo gets the stronger set-up of the two that the machine offers: the kernel's bridge instead of our switch, with
segmentation offload. Both sum the same tensors; the figures are medians over the repeats of the slowest worker.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emulator.topo.build import Network
from emulator.topo.shapes import star
from emulator.topo.switches import start_switch
from workers.main_job.follow import Follower
from workers.main_job.network_run import start_controller, start_worker
from workers.main_job.plan import METHODS, Plan
from workers.main_job.programs import compile_program

PLAN = Plan(rate_mbit=200.0, elements=256, slots=128, bench_bytes=25_000_000, bench_repeats=5, train=False)
FRAME_BESIDE_VALUES = 58  # bytes of Ethernet, IPv4, UDP and FPISA headers


def goodput(plan: Plan, aggregator: str, folder: Path) -> float:
    """Gbit/s of one worker's tensor. Raises RuntimeError."""
    method = METHODS[aggregator]
    topology = star(plan.workers, plan.rate_mbit)
    with Network(topology, folder) as network:
        socket = folder / "none"
        if aggregator == "gloo":
            start_switch(network, topology.switches[0], "bridge")
        else:
            _, address = start_switch(network, topology.switches[0], "fpisa")
            program = compile_program(plan, method.program, folder)
            socket = start_controller(network, address, program, folder)
        follower = Follower(plan.workers, lambda rank, event: None)
        ranks = range(plan.workers)
        workers = [start_worker(network, follower, plan, method, rank, socket, folder) for rank in ranks]
        follower.follow(lambda rank: workers[rank].wait(5.0), plan.limit_s)
    seconds = np.array([worker.last["measured"]["seconds"] for worker in follower.heard])
    return plan.bench_bytes * 8 / float(np.median(seconds.max(axis=0))) / 1e9


def run(progress: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Rows for results/bench.json. Raises RuntimeError where no network can be built."""
    assert PLAN.rate_mbit is not None
    payload = PLAN.elements * 4
    link = PLAN.rate_mbit / 1e3 * payload / (payload + FRAME_BESIDE_VALUES)
    found = {}
    try:
        for aggregator in ("fpisa", "gloo"):
            progress(f"{aggregator}, {PLAN.bench_bytes / 1e6:g} MB at {PLAN.rate_mbit:g} Mbit/s")
            with tempfile.TemporaryDirectory(prefix="fpisa-bench-") as folder:
                found[aggregator] = goodput(PLAN, aggregator, Path(folder))
    except Exception as error:
        raise RuntimeError(str(error)) from error
    return {
        "goodput_over_gloo": {
            "value": round(found["fpisa"] / found["gloo"], 3),
            "unit": "ratio",
            "goal": 1.4,
            "against": f"gloo's ring, {found['gloo']:.3f} Gbit/s",
        },
        "goodput_over_link": {
            "value": round(found["fpisa"] / link, 3),
            "unit": "ratio",
            "goal": 0.9,
            "against": f"payload rate of the link, {link:.3f} Gbit/s",
        },
    }
