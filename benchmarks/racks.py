"""All-reduce over one switch and over two racks: goodput, CPU and bytes of each link, for link rates, losses and CPU quotas.

python -m benchmarks.racks [--json] [--workers 4] [--rates 200] [--losses 0,0.01] [--cpus 0] [--mb 4] [--how star,flat,packed,raw]

star: one switch. flat: two racks whose switches only forward (the kernel's bridge); the spine adds all workers. packed, raw:
each rack's switch adds its workers and sends up floats, or its registers. A row is one run; every combination is run. Rates are
Mbit/s of each link (0: unlimited), losses chances of a frame at each port of each P4 switch and in each direction, CPUs shares
of the machine for each host (0: unlimited). Needs root.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emulator.topo.build import Network
from emulator.topo.process import Child
from emulator.topo.shapes import star, two_racks
from emulator.topo.spec import Topology, TopologyError, hosts_file
from emulator.topo.switches import start_switch
from workers.main_job.controller import command as controller_command
from workers.main_job.follow import Follower
from workers.main_job.network_run import Meter, start_controller, start_fabric_controller, start_worker
from workers.main_job.plan import METHODS, JobError, Plan
from workers.main_job.programs import compile_program

HOW = ("star", "flat", "packed", "raw")
COLUMNS = ("how", "rate", "loss", "cpu", "Gbit/s", "sent again", "worker link", "spine link up", "down", "switches s/GB")


@dataclass(frozen=True)
class Setting:
    how: str
    rate: float | None
    loss: float
    cpu: float | None


def plan_of(setting: Setting, words: argparse.Namespace) -> Plan:
    return Plan(
        workers=words.workers,
        rate_mbit=setting.rate,
        elements=words.elements,
        slots=words.slots,
        bench_bytes=round(words.mb * 1e6) // 4 * 4,
        bench_repeats=words.repeats,
        train=False,
        shape="racks" if setting.how in ("packed", "raw") else "star",
        uplink="raw" if setting.how == "raw" else "packed",
    )


def topology_of(setting: Setting, workers: int) -> Topology:
    impair = f"in:loss={setting.loss:g},out:loss={setting.loss:g},seed=1" if setting.loss else ""
    if setting.how == "star":
        return star(workers, setting.rate, cpu=setting.cpu, impair=impair)
    topology = two_racks(workers, setting.rate, cpu=setting.cpu, impair=impair)
    if setting.how != "flat":
        return topology
    leaves, spine = topology.switches[:-1], topology.switches[-1]
    return replace(topology, switches=(*(replace(leaf, impair="") for leaf in leaves), spine))


def measure(setting: Setting, words: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One row: Gbit/s of a worker's tensor, bytes over links by byte of a tensor, CPU of all switches a GB."""
    plan, method = plan_of(setting, words), METHODS["fpisa"]
    topology = topology_of(setting, plan.workers)
    program = compile_program(plan, method.program, folder)
    with Network(topology, folder) as network:
        children, addresses = start_switches(network, setting.how)
        if setting.how in ("packed", "raw"):
            socket = start_fabric_controller(network, addresses, program, folder)
        elif setting.how == "flat":
            socket = start_spine_controller(network, addresses["s3"], program, folder)
        else:
            socket = start_controller(network, addresses["s1"], program, folder)
        meter = Meter(children, network.link_bytes)
        follower = Follower(plan.workers, meter.see)
        ranks = range(plan.workers)
        workers = [start_worker(network, follower, plan, method, rank, socket, folder) for rank in ranks]
        follower.follow(lambda rank: workers[rank].wait(5.0), plan.limit_s)
    return row_of(setting, plan, follower, meter)


def start_switches(network: Network, how: str) -> tuple[list[Child], dict[str, str]]:
    """The P4 switches' processes, and addresses by name."""
    children, addresses = [], {}
    for switch in network.topology.switches:
        kind = "bridge" if how == "flat" and switch.name != network.topology.root else "fpisa"
        child, addresses[switch.name] = start_switch(network, switch, kind)
        children += [child] if child is not None else []
    return children, addresses


def start_spine_controller(network: Network, address: str, program: Any, folder: Path) -> Path:
    """The controller of the spine alone; all workers hang on its two ports."""
    hosts, socket = folder / "hosts.json", network.folder / "controller.sock"
    hosts.write_text(json.dumps(hosts_file(network.topology, "s3")))
    command = controller_command(address, program, hosts, socket)
    command[command.index("--device-id") + 1] = "3"
    child = network.start("controller", command, ready=lambda line: "ready" in line)
    child.wait_ready(60.0)
    return socket


def row_of(setting: Setting, plan: Plan, follower: Follower, meter: Meter) -> dict[str, Any]:
    seconds = np.array([worker.last["measured"]["seconds"] for worker in follower.heard])
    again = sum(worker.last["counts"]["retransmissions"] for worker in follower.heard)
    sent = sum(worker.last["counts"]["packets_sent"] for worker in follower.heard)
    total = plan.bench_bytes * plan.bench_repeats
    spine = [value for name, value in meter.links.items() if name.endswith("-s3")]
    own = [up for name, (up, _) in meter.links.items() if name.startswith("h")]
    return {
        "how": setting.how,
        "rate": setting.rate or 0,
        "loss": setting.loss,
        "cpu": setting.cpu or 0,
        "Gbit/s": round(plan.bench_bytes * 8 / float(np.median(seconds.max(axis=0))) / 1e9, 4),
        "sent again": round(again / sent, 4),
        "worker link": round(float(np.mean(own)) / total, 3),
        "spine link up": round(float(np.mean([up for up, _ in spine])) / total, 3) if spine else None,
        "down": round(float(np.mean([down for _, down in spine])) / total, 3) if spine else None,
        "switches s/GB": round((meter.seconds or 0.0) / total * 1e9, 2),
    }


def settings(words: argparse.Namespace) -> Iterator[Setting]:
    for rate, loss, cpu, how in itertools.product(words.rates, words.losses, words.cpus, words.how):
        yield Setting(how, rate or None, loss, cpu or None)


def numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(
        prog="python -m benchmarks.racks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--workers", type=int, default=4)
    words.add_argument("--rates", type=numbers, default=[200.0], metavar="MBIT,...")
    words.add_argument("--losses", type=numbers, default=[0.0, 0.01], metavar="CHANCE,...")
    words.add_argument("--cpus", type=numbers, default=[0.0], metavar="SHARE,...")
    words.add_argument("--how", type=lambda text: text.split(","), default=list(HOW), metavar="LIST")
    words.add_argument("--mb", type=float, default=4.0, help="size of the tensor")
    words.add_argument("--repeats", type=int, default=3)
    words.add_argument("--elements", type=int, default=64)
    words.add_argument("--slots", type=int, default=128)
    words.add_argument("--json", action="store_true")
    return words


def main(argv: Sequence[str] | None = None, say: Callable[[str], None] = print) -> int:
    words = parser().parse_args(argv)
    unknown = [how for how in words.how if how not in HOW]
    if unknown:
        print(f"benchmarks.racks: error: --how takes {', '.join(HOW)}, not {', '.join(unknown)}", file=sys.stderr)
        return 2
    rows = []
    if not words.json:
        say(" | ".join(COLUMNS))
    for setting in settings(words):
        try:
            with tempfile.TemporaryDirectory(prefix="fpisa-racks-") as folder:
                rows.append(measure(setting, words, Path(folder)))
        except (TopologyError, JobError) as error:
            print(f"benchmarks.racks: error: {setting.how}: {error}", file=sys.stderr)
            return 1
        if not words.json:
            say(" | ".join("-" if rows[-1][name] is None else str(rows[-1][name]) for name in COLUMNS))
    if words.json:
        say(json.dumps(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
