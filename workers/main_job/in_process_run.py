"""One method without a network: the switch in this process, its P4Runtime server and a controller as ever,
and the workers as threads that reach the switch through queues. gloo's workers are processes on loopback.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from emulator.switch.ports import Impairments, parse_impairments
from emulator.topo.process import Child, dying_with_parent, stop_all
from emulator.topo.shapes import SHAPES
from emulator.topo.spec import Host, rack_sizes
from emulator.topo.switches import free_port
from workers import wire
from workers.allreduce import Options, attach, frame_bytes
from workers.join import JoinError, join
from workers.main_job.follow import Follower
from workers.main_job.in_process_net import InProcessNet, in_process_net
from workers.main_job.plan import JobError, Method, Plan
from workers.main_job.programs import Program
from workers.main_job.result import Event, Result, conclude
from workers.main_job.tasks import task_of, worker_command
from workers.training.aggregators import AggregatorError, InNetwork, Seat
from workers.training.worker import Task, run
from workers.window import Timing

LOOPBACK = "127.0.0.1"


def run_method(
    plan: Plan, method: Method, program: Program, folder: Path, on_event: Callable[[int, Event], None]
) -> Result:
    """As network_run.run_method."""
    folder.mkdir(parents=True, exist_ok=True)
    follower = Follower(plan.workers, on_event, plan.deadline_s)
    try:
        if method.aggregator == "gloo":
            packets = run_ring(plan, method, folder, follower)
        else:
            packets = run_switch(plan, method, program, folder, follower)
    except JobError as error:
        raise JobError(f"{method.aggregator}: {error}") from None
    again = sum(worker.last["counts"].get("retransmissions", 0) for worker in follower.heard)
    racks = rack_sizes(SHAPES[plan.shape](plan.workers))
    return conclude(method.aggregator, follower.heard, packets, again, folder, None, plan.elements, racks, plan.uplink)


def run_ring(plan: Plan, method: Method, folder: Path, follower: Follower) -> int | None:
    """gloo over the loopback interface; nobody counts its packets."""
    port = free_port()
    children: list[Child] = []
    try:
        for rank in range(plan.workers):
            host = Host(f"h{rank + 1}", LOOPBACK, "")
            task = task_of(plan, method, rank, host, "", LOOPBACK, port, "lo", folder)
            children.append(start_worker(follower, rank, task, folder))
        follower.follow(lambda rank: children[rank].wait(5.0), plan.limit_s)
    finally:
        stop_all(children)
    return None


def start_worker(follower: Follower, rank: int, task: Task, folder: Path) -> Child:
    return Child(
        f"worker-{rank}",
        worker_command(task),
        folder / f"worker-{rank}.log",
        on_line=lambda line: follower.line(rank, line),
        on_end=lambda: follower.end(rank),
        wrap=dying_with_parent(),
    )


def run_switch(plan: Plan, method: Method, program: Program, folder: Path, follower: Follower) -> int:
    """Sums in the switch; returns the packets that the workers sent."""
    impair = impairments(plan.impair)
    topology = SHAPES[plan.shape](plan.workers)
    with in_process_net(plan, topology, program, folder, impair) as net:
        statuses: dict[int, int] = {}

        def work(rank: int) -> None:
            host = topology.hosts[rank]
            task = task_of(plan, method, rank, host, str(net.socket), host.ip, 0, "", folder)
            try:
                make = partial(member, host=host, net=net)
                run(task, make, lambda event: follower.line(rank, json.dumps(event)))
                statuses[rank] = 0
            except AggregatorError:
                statuses[rank] = 1
            except Exception as error:  # a fault of ours: the follower words it, the thread must not die unheard
                follower.line(rank, f"{type(error).__name__}: {error}")
                statuses[rank] = 1
            finally:
                follower.end(rank)

        for rank in range(plan.workers):
            threading.Thread(target=work, args=(rank,), daemon=True, name=f"worker {rank}").start()
        follower.follow(statuses.__getitem__, plan.limit_s)
    return sum(int(worker.last["counts"]["packets_sent"]) for worker in follower.heard)


def member(seat: Seat, host: Host, net: InProcessNet) -> InNetwork:
    """A worker of the job, plugged into its switch. Raises AggregatorError."""
    try:
        options = Options(**seat.options, timing=Timing(deadline=seat.deadline_s))
        request = options.request(seat.job, seat.workers, seat.host, seat.rank)
        membership = join(seat.controller, request, options.join_timeout)
    except (JoinError, ValueError) as error:
        raise AggregatorError(str(error)) from None
    transport = net.plug(host.name, frame_bytes(options))
    return InNetwork(seat, attach(membership, wire.mac_bytes(host.mac), transport, options))


def impairments(spec: str) -> Impairments:
    """Raises JobError for what is no --impair specification."""
    try:
        return parse_impairments(spec)
    except ValueError as error:
        raise JobError(str(error)) from None
