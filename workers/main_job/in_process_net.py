"""A topology's switches within this process: pipelines between ports that are queues, links carried by threads, one P4Runtime
server a switch, and a controller process over them all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from emulator.server.device import Device
from emulator.server.program import SwitchOptions
from emulator.server.service import Server
from emulator.switch.ports import Impairments, Queue
from emulator.switch.runner import Runner, RunnerError
from emulator.topo.leftovers import started
from emulator.topo.process import Child, dying_with_parent
from emulator.topo.spec import End, Topology, attachment, fabric_file, hosts_file
from emulator.topo.switches import CPU_PORT
from workers.loopback import Impairer
from workers.main_job.controller import command, fabric_command
from workers.main_job.plan import Plan
from workers.main_job.programs import Program
from workers.main_job.queue_plug import QueuePlug, chances

Pipelines = tuple[Runner, ...]
NAP_S = 0.1  # the longest that a link's thread overlooks the end


@dataclass(frozen=True)
class InProcessNet:
    """Running switches by name, each its pipelines, and the controller's socket."""

    topology: Topology
    switches: dict[str, Pipelines]
    socket: Path
    impair: Impairments

    def plug(self, host: str, frame_bytes: int) -> QueuePlug:
        """A host's end of its link."""
        end = attachment(self.topology, host)
        return QueuePlug(self.switches[end.node], end.port, frame_bytes, self.impair)


@contextmanager
def in_process_net(
    plan: Plan, topology: Topology, program: Program, folder: Path, impair: Impairments
) -> Iterator[InProcessNet]:
    """The network, for as long as the context lasts. Raises TopologyError where the controller does not start."""
    with ExitStack() as running:
        switches, servers = {}, {}
        for switch in topology.switches:
            ports = [own.port for own, _, _ in topology.ends(switch.name)]
            pipelines = tuple(
                running.enter_context(Runner({port: Queue() for port in ports})) for _ in range(plan.pipelines)
            )
            switches[switch.name] = pipelines
            servers[switch.name] = serve(pipelines, switch.device_id, running)
        link_switches(topology, switches, impair, running)
        socket = scratch(running) / "controller.sock"
        words = controller_words(plan, topology, servers, program, folder, socket)
        log = folder / "controller.log"
        controller = Child("controller", words, log, ready=lambda line: "ready" in line, wrap=dying_with_parent())
        running.callback(controller.stop)
        controller.wait_ready(60.0)
        yield InProcessNet(topology, switches, socket, impair)


SCRATCH = "fpisa-run-"  # and the process that owns the folder


def scratch(running: ExitStack) -> Path:
    """A folder for sockets, whose paths must be short, gone with the context; those of runs that were killed go now."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        owner = folder.name.removeprefix(SCRATCH).partition("-")[0]
        if owner.isdigit() and started(int(owner)) is None:
            shutil.rmtree(folder, ignore_errors=True)
    return Path(running.enter_context(tempfile.TemporaryDirectory(prefix=f"{SCRATCH}{os.getpid()}-")))


def serve(pipelines: Pipelines, device_id: int, running: ExitStack) -> str:
    """A P4Runtime server for a switch's pipelines; its address."""
    devices = []
    for number, runner in enumerate(pipelines):
        options = SwitchOptions("auto", 511, CPU_PORT, None)
        devices.append(Device(options, device_id=device_id + number, runner=runner))
        running.callback(devices[-1].close)
    server = Server(devices, "127.0.0.1:0", None)
    server.start()
    running.callback(server.stop)
    return server.address


def controller_words(
    plan: Plan, topology: Topology, servers: dict[str, str], program: Program, folder: Path, socket: Path
) -> list[str]:
    """The command that starts the controller of one switch, or of a tree."""
    if topology.root:
        fabric = folder / "fabric.json"
        fabric.write_text(json.dumps(fabric_file(topology, servers)))
        return fabric_command(fabric, program, socket, plan.pipelines)
    (name,) = servers
    hosts = folder / "hosts.json"
    hosts.write_text(json.dumps(hosts_file(topology, name)))
    return command(servers[name], program, hosts, socket, plan.pipelines)


# -- links between switches ------------------------------------------------------------------------------------


def link_switches(topology: Topology, switches: dict[str, Pipelines], impair: Impairments, running: ExitStack) -> None:
    """A thread for each direction of each link between two switches, and for each pipeline of it."""
    ended = threading.Event()
    threads = []
    for number, link in enumerate(topology.links):
        if link.a.node not in switches or link.b.node not in switches:
            continue
        for near, far in ((link.a, link.b), (link.b, link.a)):
            for pipeline, ends in enumerate(zip(switches[near.node], switches[far.node], strict=True)):
                seed = 1024 * impair.seed + 64 * number + 2 * pipeline + (near is link.a)
                carry = carrier(ends, near, far, impair, seed, ended)
                threads.append(threading.Thread(target=carry, name=f"{near.node}-{far.node}", daemon=True))

    def stop() -> None:
        ended.set()
        for thread in threads:
            thread.join()

    running.callback(stop)
    for thread in threads:
        thread.start()


def carrier(
    ends: tuple[Runner, Runner], near: End, far: End, impair: Impairments, seed: int, ended: threading.Event
) -> Callable[[], None]:
    """Takes what leaves by one port to the other, impaired on the way out and on the way in."""
    out, into = Impairer(chances(impair.outward), ~seed & 0xFFFFFFFF), Impairer(chances(impair.inward), seed)

    def carry() -> None:
        while not ended.is_set():
            data = ends[0].take(near.port, NAP_S)
            if data is None:
                continue
            for port, frame in into.apply([(far.port, frame) for _, frame in out.apply([(near.port, data)])]):
                try:
                    ends[1].inject(port, frame)
                except RunnerError:
                    pass  # the far queue is full: lost, as on any link; it is sent again

    return carry
