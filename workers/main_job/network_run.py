"""One method over a Mininet star: a switch, a controller, and a worker in each host."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from emulator.topo.build import Network
from emulator.topo.process import Child
from emulator.topo.shapes import star
from emulator.topo.spec import hosts_file
from emulator.topo.switches import start_switch
from workers.main_job.controller import command as controller_command
from workers.main_job.follow import Follower
from workers.main_job.plan import JobError, Method, Plan
from workers.main_job.programs import Program
from workers.main_job.result import Event, Result, conclude
from workers.main_job.tasks import task_of, worker_command

GLOO_PORT = 29500


def run_method(
    plan: Plan, method: Method, program: Program, folder: Path, on_event: Callable[[int, Event], None]
) -> Result:
    """Runs `method`; its logs and kept gradients go to `folder`. Raises JobError or TopologyError."""
    folder.mkdir(parents=True, exist_ok=True)
    topology = star(plan.workers, plan.rate_mbit, impair=plan.impair)
    with Network(topology, folder, offloads=plan.switch != "bmv2") as network:
        switch, address = start_switch(network, topology.switches[0], plan.switch)
        assert switch is not None
        socket = start_controller(network, address, program, folder)
        meter = Meter(switch)

        def heard(rank: int, event: Event) -> None:
            meter.see(rank, event)
            on_event(rank, event)

        follower = Follower(plan.workers, heard, plan.deadline_s)
        workers = [start_worker(network, follower, plan, method, rank, socket, folder) for rank in range(plan.workers)]
        try:
            follower.follow(lambda rank: workers[rank].wait(5.0), plan.limit_s)
        except JobError as error:
            fallen = "" if switch.process.poll() is None else f"the switch stopped: {switch.complaint()}; "
            raise JobError(f"{method.aggregator}: {fallen}{error}") from None
        counters = [network.counters(host.name) for host in topology.hosts]
    packets = total(follower, "packets_sent", counters, "tcp_segments")
    again = total(follower, "retransmissions", counters, "tcp_retransmissions")
    return conclude(method.aggregator, follower.heard, packets, again, folder, meter.seconds, plan.elements)


def total(follower: Follower, own: str, counters: list[dict[str, int]], tcp: str) -> int:
    """Sum over the workers of a count of theirs, or of TCP's where the workers talk among themselves."""
    counts = [worker.last["counts"] for worker in follower.heard]
    return sum(int(c[own]) if own in c else t[tcp] for c, t in zip(counts, counters, strict=True))


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
    command = controller_command(switch, program, hosts, socket)
    child = network.start("controller", command, ready=lambda line: "ready" in line)
    child.wait_ready(60.0)
    return socket


def start_worker(
    network: Network, follower: Follower, plan: Plan, method: Method, rank: int, socket: Path, folder: Path
) -> Child:
    host = network.topology.hosts[rank]
    meeting = network.topology.hosts[0].ip
    task = task_of(plan, method, rank, host, str(socket), meeting, GLOO_PORT, "eth0", folder)
    return network.start(
        f"worker-{rank}",
        worker_command(task),
        host=host.name,
        on_line=lambda line: follower.line(rank, line),
        on_end=lambda: follower.end(rank),
    )
