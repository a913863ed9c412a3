"""What one run of the main job is to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from workers.training.recipe import Recipe


class JobError(Exception):
    """A sentence for the user: why the job did not finish."""


@dataclass(frozen=True)
class Method:
    """One way to add gradients. program: the P4 program of the switch meanwhile, a file of p4src/."""

    aggregator: str
    program: str
    format: str
    says: str


MAX_WORKERS = 128  # what the programs can be compiled for
# The programs of a tree of switches, by those of a single one.
TREES = {
    "allreduce_fpisa.p4": "allreduce_tree.p4",
    "allreduce_fpisa_approx.p4": "allreduce_tree_approx.p4",
    "allreduce_int.p4": "allreduce_tree_int.p4",
}
METHODS = {
    method.aggregator: method
    for method in (
        Method("fpisa", "allreduce_fpisa.p4", "fp32", "floats added in the switch"),
        Method("fpisa-a", "allreduce_fpisa_approx.p4", "fp32", "floats added in the switch, approximate shape"),
        Method("switchml", "allreduce_int.p4", "int32", "integers added in the switch, hosts quantise"),
        # The ring needs no sums from the switch, only its forwarding.
        Method("gloo", "allreduce_fpisa.p4", "fp32", "ring over TCP between the workers"),
    )
}


@dataclass(frozen=True)
class Plan:
    methods: tuple[Method, ...] = tuple(METHODS.values())
    workers: int = 4
    rate_mbit: float | None = 200.0
    elements: int = 64  # values a packet
    pipelines: int = 1  # of each switch; a worker has as many queues
    slots: int = 128  # chunks a worker keeps in flight: enough for a crowded machine to be late by some milliseconds
    bench_bytes: int = 4_000_000
    bench_repeats: int = 3
    recipe: Recipe = field(default_factory=Recipe)
    train: bool = True  # False: only measure
    impair: str = ""
    shape: str = "star"  # or racks: two leaves under a spine, which sum hierarchically
    uplink: str = "packed"  # what a leaf sends up: packed floats, or raw registers
    cpu: float | None = None  # share of all CPUs that a host may use; None: no limit
    switch: str = "fpisa"
    compiler: str = "fpisa"
    deadline_s: float = 8.0
    in_process: bool = False
    out: Path = Path("results")
    limit_s: float = 300.0  # for one method; past it the run is broken, not slow
