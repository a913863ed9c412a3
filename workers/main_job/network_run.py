"""One method over a Mininet network: its switches, a controller, and a worker in each host."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from emulator.topo.build import Network
from emulator.topo.process import Child
from emulator.topo.shapes import SHAPES
from emulator.topo.spec import fabric_file, hosts_file, rack_sizes
from emulator.topo.switches import start_switch
from workers.main_job.controller import command as controller_command
from workers.main_job.controller import fabric_command
from workers.main_job.follow import Follower
from workers.main_job.plan import JobError, Method, Plan
from workers.main_job.programs import Program
from workers.main_job.result import Event, Result, conclude
from workers.main_job.tasks import task_of, worker_command

GLOO_PORT = 29500
LinkBytes = dict[str, tuple[int, int]]  # link -> bytes up and down


def run_method(
    plan: Plan, method: Method, program: Program, folder: Path, on_event: Callable[[int, Event], None]
) -> Result:
    """Runs `method`; its logs and kept gradients go to `folder`. Raises JobError or TopologyError."""
    folder.mkdir(parents=True, exist_ok=True)
    topology = SHAPES[plan.shape](plan.workers, plan.rate_mbit, cpu=plan.cpu, impair=plan.impair)
    with Network(topology, folder, offloads=plan.switch != "bmv2") as network:
        switches, addresses = {}, {}
        for switch in topology.switches:
            options = ["--pipelines", str(plan.pipelines)] if plan.pipelines > 1 else []
            child, addresses[switch.name] = start_switch(network, switch, plan.switch, options=options)
            assert child is not None
            switches[switch.name] = child
        if topology.root:
            socket = start_fabric_controller(network, addresses, program, folder, plan.pipelines)
        else:
            socket = start_controller(network, addresses[topology.switches[0].name], program, folder, plan.pipelines)
        meter = Meter(list(switches.values()), network.link_bytes)

        def heard(rank: int, event: Event) -> None:
            meter.see(rank, event)
            on_event(rank, event)

        follower = Follower(plan.workers, heard, plan.deadline_s)
        workers = [start_worker(network, follower, plan, method, rank, socket, folder) for rank in range(plan.workers)]
        try:
            follower.follow(lambda rank: workers[rank].wait(5.0), plan.limit_s)
        except JobError as error:
            stopped = [child for child in switches.values() if child.process.poll() is not None]
            fallen = "".join(f"the switch {child.name} stopped: {child.complaint()}; " for child in stopped)
            raise JobError(f"{method.aggregator}: {fallen}{error}") from None
        counters = [network.counters(host.name) for host in topology.hosts]
    packets = total(follower, "packets_sent", counters, "tcp_segments")
    again = total(follower, "retransmissions", counters, "tcp_retransmissions")
    racks = rack_sizes(topology)
    return conclude(
        method.aggregator, follower.heard, packets, again, folder, meter.seconds, plan.elements, racks, plan.uplink, meter.links
    )


def total(follower: Follower, own: str, counters: list[dict[str, int]], tcp: str) -> int:
    """Sum over the workers of a count of theirs, or of TCP's where the workers talk among themselves."""
    counts = [worker.last["counts"] for worker in follower.heard]
    return sum(int(c[own]) if own in c else t[tcp] for c, t in zip(counts, counters, strict=True))


class Meter:
    """CPU time of the switches, and bytes over each link, while rank 0 measures."""

    def __init__(self, switches: list[Child], link_bytes: Callable[[], LinkBytes]) -> None:
        self.switches, self.before = switches, 0.0
        self.seconds: float | None = None
        self.link_bytes, self.links_before = link_bytes, link_bytes()
        self.links: LinkBytes = {}

    def cpu(self) -> float:
        return sum(switch.cpu_seconds() for switch in self.switches)

    def see(self, rank: int, event: Event) -> None:
        if rank == 0 and event["event"] == "bench" and event["done"] == 0:
            self.before, self.links_before = self.cpu(), self.link_bytes()
        elif rank == 0 and event["event"] == "measured":
            self.seconds = self.cpu() - self.before
            self.links = {
                name: (up - self.links_before[name][0], down - self.links_before[name][1])
                for name, (up, down) in self.link_bytes().items()
            }


def start_controller(network: Network, switch: str, program: Program, folder: Path, pipelines: int = 1) -> Path:
    """Starts the controller of the one switch; returns its socket. Raises TopologyError."""
    hosts = folder / "hosts.json"
    hosts.write_text(json.dumps(hosts_file(network.topology, network.topology.switches[0].name)))
    socket = network.folder / "controller.sock"
    command = controller_command(switch, program, hosts, socket, pipelines)
    child = network.start("controller", command, ready=lambda line: "ready" in line)
    child.wait_ready(60.0)
    return socket


def start_fabric_controller(
    network: Network, servers: dict[str, str], program: Program, folder: Path, pipelines: int = 1
) -> Path:
    """Starts the controller of all switches; returns its socket. Raises TopologyError."""
    fabric = folder / "fabric.json"
    fabric.write_text(json.dumps(fabric_file(network.topology, servers)))
    socket = network.folder / "controller.sock"
    command = fabric_command(fabric, program, socket, pipelines)
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
