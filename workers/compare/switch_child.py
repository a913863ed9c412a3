"""The switch of a comparison: one process, compiled engine, a shared-memory port a worker.

With several queues it has as many pipelines, as a chip has pipes: each a thread with registers and ports of its own and the
same entries, serving that queue of every worker, and so that queue's share of the slots.

Requests: load {source, elements, queues}; open {workers, slots, frame, loss, seed, folder, queues} -> {job, ports};
usage -> {cpu, lost}; close. Programs stay loaded.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from emulator.compiler.api import compile_file
from emulator.switch.errors import ControlError
from emulator.switch.keys import Lpm
from emulator.switch.ports import Impairment, Impairments, Memory
from emulator.switch.runner import Runner, RunnerError
from emulator.switch.switch import Switch
from workers.compare.child import Message, serve
from workers.compare.plan import CompareError
from workers.compare.seats import RING_SLOTS, UDP_PORT, ip, mac

P4SRC = Path(__file__).resolve().parents[2] / "p4src"
GROUP = 1


def compiled(source: str, elements: int) -> Switch:
    """A switch that runs the program, with tables of its own constants filled. Raises CompareError."""
    result = compile_file(P4SRC / source, defines={"ELEMENTS": elements})
    if result.json is None:
        raise CompareError(f"{source} does not compile: {result.text()}")
    switch = Switch.load(result.json, engine="jit")
    switch.engine.background = False  # type: ignore[attr-defined]
    with switch.control.batch():
        for name, table in switch.control.tables.items():
            if name.endswith(".leading_one"):
                action = switch.model.actions[table.spec.actions[0]].name
                width = table.spec.keys[0].width
                for bit in range(width):
                    table.insert((Lpm(1 << bit, width - bit),), action, (bit,))
    return switch


def insert(switch: Switch, table: str, key: tuple[int, ...], action: str, args: tuple[int, ...]) -> None:
    """Adds an entry to the table whose name ends like this; its action's name ends likewise."""
    found = next(t for name, t in switch.control.tables.items() if name.endswith(table))
    names = [switch.model.actions[a].name for a in found.spec.actions]
    found.insert(key, next(n for n in names if n.endswith("." + action)), args)


def admit(switch: Switch, job: int, workers: int, slots: int) -> None:
    """Replaces the admitted job; a new job's packets overwrite what the slots hold of another."""
    for name, table in switch.control.tables.items():
        if name.endswith(("admission.jobs", "admission.members", "reply.replicas")):
            for entry in list(table.entries()):
                table.delete(entry.handle)
    insert(switch, "admission.jobs", (job,), "job", (workers, 0, slots, GROUP))
    for rank in range(workers):
        insert(switch, "admission.members", (job, rank), "member", (rank + 1, mac(rank), ip(rank)))
        insert(switch, "reply.replicas", (job, rank), "to_worker", (mac(rank), ip(rank), UDP_PORT))
    switch.control.multicast.set_group(GROUP, [(rank + 1, rank) for rank in range(workers)])
    switch.engine.fused.specialise()  # type: ignore[attr-defined]


def start(switch: Switch, queue: int, paths: list[str], message: Message) -> Runner:
    """A pipeline between one queue's ports."""
    slot_bytes, loss = -(-message["frame"] // 64) * 64, Impairment(loss=message["loss"])
    own = [f"{path}.{queue}" if queue else path for path in paths]
    ports: dict[int, Any] = {rank + 1: Memory(path, RING_SLOTS, slot_bytes) for rank, path in enumerate(own)}
    runner = Runner(ports, impair=Impairments(loss, loss, message["seed"] + queue) if message["loss"] else None)
    runner.set_pipeline(switch)
    runner.start()
    return runner


def processor_seconds(runner: Runner) -> float:
    if runner.thread is None or not runner.running:
        raise CompareError("the switch's packet loop is not running")
    assert runner.thread.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(runner.thread.ident))


class Server:
    """Handles requests; keeps loaded programs, one a pipeline, and the open runners."""

    def __init__(self) -> None:
        self.loaded: dict[tuple[str, int], list[Switch]] = {}
        self.runners: list[Runner] = []
        self.jobs = 0

    def handle(self, message: Message) -> Message:
        return dict(getattr(self, "do_" + message["op"])(message))

    def do_load(self, message: Message) -> Message:
        key = message["source"], message["elements"]
        began = time.monotonic()
        pipelines = self.loaded.setdefault(key, [])
        while len(pipelines) < message.get("queues", 1):
            pipelines.append(compiled(*key))
        return {"seconds": time.monotonic() - began}

    def do_open(self, message: Message) -> Message:
        self.do_close(message)
        self.jobs += 1
        paths = [str(Path(message["folder"]) / f"{self.jobs}-{rank}") for rank in range(message["workers"])]
        pipelines = self.loaded[message["source"], message["elements"]]
        for queue in range(message.get("queues", 1)):
            admit(pipelines[queue], self.jobs, message["workers"], message["slots"])
            self.runners.append(start(pipelines[queue], queue, paths, message))
        return {"job": self.jobs, "ports": paths}

    def do_usage(self, message: Message) -> Message:
        """Processor seconds of the packet loops since they started, and packets the impairments lost."""
        ports = [port for runner in self.runners for port in runner.stats().values()]
        lost = sum(p["in_lost"] + p["out_lost"] for p in ports)
        return {"cpu": sum(map(processor_seconds, self.runners)), "lost": lost}

    def do_close(self, message: Message) -> Message:
        while self.runners:
            self.runners.pop().close()
        return {}


def main() -> None:
    server = Server()
    try:
        serve(server.handle, (CompareError, RunnerError, ControlError, OSError, ValueError))
    except KeyboardInterrupt:
        pass
    finally:
        server.do_close({})


if __name__ == "__main__":
    main()
