"""The switch of a comparison: one process, compiled engine, a shared-memory port a worker.

Requests: load {source, elements}; open {workers, slots, frame, loss, seed, folder} -> {job, ports}; usage -> {cpu, lost};
close. Programs stay loaded.
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


class Server:
    """Handles requests; keeps loaded programs and the one open runner."""

    def __init__(self) -> None:
        self.loaded: dict[tuple[str, int], Switch] = {}
        self.runner: Runner | None = None
        self.jobs = 0

    def handle(self, message: Message) -> Message:
        return dict(getattr(self, "do_" + message["op"])(message))

    def do_load(self, message: Message) -> Message:
        key = message["source"], message["elements"]
        began = time.monotonic()
        if key not in self.loaded:
            self.loaded[key] = compiled(*key)
        return {"seconds": time.monotonic() - began}

    def do_open(self, message: Message) -> Message:
        self.do_close(message)
        switch = self.loaded[message["source"], message["elements"]]
        self.jobs += 1
        workers, loss = message["workers"], Impairment(loss=message["loss"])
        admit(switch, self.jobs, workers, message["slots"])
        slot_bytes = -(-message["frame"] // 64) * 64
        paths = [Path(message["folder"]) / f"{self.jobs}-{rank}" for rank in range(workers)]
        ports: dict[int, Any] = {rank + 1: Memory(path, RING_SLOTS, slot_bytes) for rank, path in enumerate(paths)}
        self.runner = Runner(ports, impair=Impairments(loss, loss, message["seed"]) if message["loss"] else None)
        self.runner.set_pipeline(switch)
        self.runner.start()
        return {"job": self.jobs, "ports": [str(path) for path in paths]}

    def do_usage(self, message: Message) -> Message:
        """Processor seconds of the packet loop since it started, and packets the impairments lost."""
        if self.runner is None or self.runner.thread is None or not self.runner.running:
            raise CompareError("the switch's packet loop is not running")
        assert self.runner.thread.ident is not None
        clock = time.pthread_getcpuclockid(self.runner.thread.ident)
        ports = self.runner.stats().values()
        return {"cpu": time.clock_gettime(clock), "lost": sum(p["in_lost"] + p["out_lost"] for p in ports)}

    def do_close(self, message: Message) -> Message:
        if self.runner is not None:
            self.runner.close()
            self.runner = None
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
