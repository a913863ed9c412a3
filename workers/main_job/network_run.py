"""One method over a Mininet star: a switch, a controller, and a worker in each host."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from emulator.topo.build import Network
from emulator.topo.process import Child
from emulator.topo.shapes import star
from emulator.topo.spec import TopologyError, hosts_file
from emulator.topo.switches import start_switch
from workers.main_job.follow import Follower
from workers.main_job.plan import JobError, Method, Plan
from workers.main_job.programs import Program
from workers.main_job.result import Event, Result, conclude

GLOO_PORT = 29500


def run_method(
    plan: Plan, method: Method, program: Program, folder: Path, on_event: Callable[[int, Event], None]
) -> Result:
    """Runs `method`; its logs and kept gradients go to `folder`. Raises JobError or TopologyError."""
    folder.mkdir(parents=True, exist_ok=True)
    topology = star(plan.workers, plan.rate_mbit, impair=plan.impair)
    with Network(topology, folder) as network:
        switch, address = start_switch(network, topology.switches[0], plan.switch)
        assert switch is not None
        socket = start_controller(network, address, program, folder)
        meter = Meter(switch)

        def heard(rank: int, event: Event) -> None:
            meter.see(rank, event)
            on_event(rank, event)

        follower = Follower(plan.workers, heard)
        workers = [
            start_worker(network, follower, plan, method, rank, socket, folder)
            for rank in range(plan.workers)
        ]
        try:
            follower.follow(lambda rank: workers[rank].wait(5.0), plan.limit_s)
        except JobError as error:
            fallen = "" if switch.process.poll() is None else f"the switch stopped: {switch.complaint()}; "
            raise JobError(f"{method.aggregator}: {fallen}{error}") from None
        counters = [network.counters(host.name) for host in topology.hosts]
    packets = sum(counter["tx_packets"] for counter in counters)
    return conclude(
        method.aggregator, follower.heard, packets, retransmissions(follower, counters), folder, meter.seconds
    )


def retransmissions(follower: Follower, counters: list[dict[str, int]]) -> int:
    """Of the slot protocol's windows, or of TCP where the workers talk among themselves."""
    own = [worker.last["counts"].get("retransmissions") for worker in follower.heard]
    tcp = [counter["tcp_retransmissions"] for counter in counters]
    return sum(t if o is None else o for o, t in zip(own, tcp, strict=True))


class Meter:
    """CPU time of the switch while rank 0 measures."""

    def __init__(self, switch: Child) -> None:
        self.switch, self.before = switch, 0.0
        self.seconds: float | None = None

    def see(self, rank: int, event: Event) -> None:
        if rank == 0 and event["event"] == "bench" and event["done"] == 0:
            self.before = self.switch.cpu_seconds()
        elif rank == 0 and event["event"] == "measured":
            self.seconds = self.switch.cpu_seconds() - self.before


def start_controller(network: Network, switch: str, program: Program, folder: Path) -> Path:
    """Starts the controller of the one switch; returns its socket. Raises TopologyError."""
    hosts = folder / "hosts.json"
    hosts.write_text(json.dumps(hosts_file(network.topology, network.topology.switches[0].name)))
    socket = network.folder / "controller.sock"
    command = [
        sys.executable, "-m", "fpisa.cli", "controller", "serve", "--switch", switch, "--device-id", "1",
        "--program", str(program.json), "--p4info", str(program.p4info), "--hosts", str(hosts),
        "--listen", f"unix:{socket}",
    ]  # fmt: skip
    child = network.start("controller", command, ready=lambda line: "ready" in line)
    child.wait_ready(60.0)
    return socket


def start_worker(
    network: Network, follower: Follower, plan: Plan, method: Method, rank: int, socket: Path, folder: Path
) -> Child:
    host = network.topology.hosts[rank]
    task = {
        "aggregator": method.aggregator,
        "seat": {
            "job": "digits",
            "rank": rank,
            "workers": plan.workers,
            "host": host.ip,
            "controller": str(socket),
            "first_host": network.topology.hosts[0].ip,
            "port": GLOO_PORT,
            "deadline_s": plan.deadline_s,
            "options": {"format": method.format, "elements": plan.elements, "slots": plan.slots},
        },
        "recipe": asdict(plan.recipe),
        "bench_bytes": plan.bench_bytes,
        "bench_repeats": plan.bench_repeats,
        "keep": str(folder),
    }
    command = [sys.executable, "-m", "workers.training.worker", json.dumps(task)]
    return network.start(
        f"worker-{rank}",
        command,
        host=host.name,
        on_line=lambda line: follower.line(rank, line),
        on_end=lambda: follower.end(rank),
    )


__all__ = ["TopologyError", "run_method"]
