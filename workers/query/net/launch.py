"""A query's processes: a switch, its controller, the master and the workers, over shared memory or a Mininet star."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from emulator.compiler.api import compile_file
from emulator.topo.build import Network
from emulator.topo.process import Child, dying_with_parent, stop_all
from emulator.topo.shapes import star
from emulator.topo.spec import TopologyError
from emulator.topo.switches import free_port
from workers.query.codes import ALL, GUARD_BITS, OPERATORS, PROGRAMS, WINDOW
from workers.query.errors import QueryError
from workers.query.net import leftovers
from workers.query.net.native import Place, Timing
from workers.query.pack import PORT, WORKER_PORT

NETWORKS = ("shm", "mininet")
START_LIMIT = 60.0
QUERY_LIMIT = 3600.0
LOOK_SECONDS = 0.05
SLOT_BYTES = 320
MOST_RESTARTS = 3
MASTER_PORT = 18003
"""TCP, where a master in a network takes in its workers."""
RING_SLOTS = 8192
SWITCH_MAC, SWITCH_IP = "02:00:00:00:00:fe", "10.0.0.254"


@dataclass(frozen=True)
class Setting:
    """program: an operator's name, or ALL. rate_mbit: of every link, each direction (mininet). impair: what the switch
    does to packets on its ports, as `fpisa switch --impair` has it. cells: of the operators' arrays but a join's.
    engine: the switch's. patience: seconds that a query waits for a switch that is lost, before it is an error; restart:
    start another one."""

    network: str
    workers: int
    program: str = ALL
    rate_mbit: float | None = None
    impair: str = ""
    cells: int = 4096
    join_cells: int = 65536
    window: int = WINDOW
    timing: Timing = field(default_factory=Timing)
    engine: str = "auto"
    patience: float = 30.0
    restart: bool = False


@dataclass(frozen=True)
class Task:
    """A query for a master and its workers. memory: bytes that each worker may take, by default its share of the machine.
    runs: of each way, the fastest counts; cached: measure the query again from columns in the workers' memory."""

    benchmark: str
    query: str
    data: Path
    tables: Sequence[str]
    cells: int | None = None
    rivals: bool = False
    memory: int | None = None
    runs: int = 1
    cached: bool = False


def program(setting: Setting, folder: Path) -> tuple[Path, Path]:
    """Compiles p4src/query_<program>.p4: files of its bmv2 JSON and its P4Info. Raises QueryError."""
    cells = setting.join_cells if setting.program == "join" else setting.cells
    names = {"CELLS": cells, "JOIN_CELLS": setting.join_cells, "WINDOW": setting.window, "GUARD_BITS": GUARD_BITS}
    if setting.program != ALL and setting.program not in OPERATORS:
        raise QueryError(f"there is no query program {setting.program!r}; there are {ALL}, {', '.join(OPERATORS)}")
    done = compile_file(PROGRAMS / f"query_{setting.program}.p4", defines=names)
    if done.json is None:
        raise QueryError(f"the program of {setting.program} does not compile:\n{done.text()}")
    config, p4info = folder / "query.json", folder / "query.p4info.txtpb"
    config.write_text(json.dumps(done.json))
    p4info.write_text(str(done.p4info))
    return config, p4info


class Rig:
    """A switch with its controller, and room for masters and workers. A context manager: all of its processes end with
    it, or with the thread that started them. They start side by side and wait for each other. Every method raises
    QueryError."""

    def __init__(self, setting: Setting) -> None:
        if setting.network not in NETWORKS:
            raise QueryError(f"there is no network {setting.network!r}; there are {', '.join(NETWORKS)}")
        self.setting = setting
        self.children: list[Child] = []
        self.network: Network | None = None
        self.queries = 0
        self.restarts = 0
        self._stack = ExitStack()

    def __enter__(self) -> Rig:
        try:
            # Socket paths are short: 108 bytes is all a Unix socket's address holds.
            self.folder, owned = leftovers.claim()
            self._stack.enter_context(owned)
            self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self._stack.callback(self._stop)
            if self.setting.network == "mininet":
                topology = star(self.setting.workers + 1, self.setting.rate_mbit, impair=self.setting.impair)
                self.network = self._stack.enter_context(Network(topology, self.folder))
            self.grpc, self.metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
            self.control = f"unix:{self.folder / 'control'}"
            self.switch = self._switch()
            config, p4info = program(self.setting, self.folder)
            self.controller = self._controller(config, p4info)
        except BaseException as error:
            self._stack.close()
            if isinstance(error, TopologyError):
                raise QueryError(str(error)) from None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _stop(self) -> None:
        stop_all(self.children)

    # ---- hosts, by number from 0 ----

    def ip(self, number: int) -> str:
        return f"10.0.0.{number + 1}"

    def place(self, number: int, master: bool = False) -> Place:
        """How the process of a host reaches the switch: a worker, or a master."""
        mac, ip = 0x020000000001 + number, 0x0A000001 + number
        port = PORT if master else WORKER_PORT
        if self.setting.network == "mininet":
            return Place(mac, ip, port, interface="eth0")
        return Place(mac, ip, port, memory=str(self.folder / f"p{number + 1}"))

    def start(self, name: str, command: Sequence[str], number: int | None = None, **options: Any) -> Child:
        """A process on a host; number None: beside the switch."""
        try:
            if self.network is not None:
                host = None if number is None else f"h{number + 1}"
                return self.network.start(name, command, host=host, **options)
            child = Child(name, command, self.folder / f"{name}.log", wrap=dying_with_parent(),
                          env=leftovers.environment(self.folder), **options)  # fmt: skip
        except TopologyError as error:
            raise QueryError(str(error)) from None
        self.children.append(child)
        return child

    # ---- switch and controller ----

    def _switch(self) -> Child:
        setting = self.setting
        hosts = range(setting.workers + 1)
        if self.network is not None:
            ports = [f"{port}@{name}" for port, name in self.network.ports("s1").items()]
        else:
            ports = [f"{n + 1}@shm:{self.place(n).memory},slots={RING_SLOTS},bytes={SLOT_BYTES}" for n in hosts]
        command = [sys.executable, "-m", "fpisa.cli", "switch", "--no-p4", "--json", "--device-id", "1", "--engine",
                   setting.engine, "--grpc-server-addr", self.grpc, "--metrics-addr", self.metrics,
                   *[w for port in ports for w in ("-i", port)]]  # fmt: skip
        if setting.impair:
            command += ["--impair", setting.impair]
        return self.start("switch", command, ready=_is_ready)

    def _controller(self, config: Path, p4info: Path) -> Child:
        members = [{"name": f"h{n + 1}", "ip": self.ip(n), "mac": f"02:00:00:00:00:{n + 1:02x}", "port": n + 1}
                   for n in range(self.setting.workers + 1)]  # fmt: skip
        hosts = self.folder / "hosts.json"
        hosts.write_text(json.dumps({"switch": {"mac": SWITCH_MAC, "ip": SWITCH_IP}, "hosts": members}))
        command = [sys.executable, "-m", "controller.query_app", "--switch", self.grpc, "--device-id", "1",
                   "--p4info", str(p4info), "--json-config", str(config), "--hosts", str(hosts),
                   "--listen", self.control, "--metrics", self.metrics, "--timeout", f"{START_LIMIT:g}"]  # fmt: skip
        return self.start("controller", command, ready=_is_ready)

    def keep_switch(self) -> None:
        """Restarts a switch that has ended by itself, where the setting says so, up to three times."""
        if self.setting.restart and self.restarts < MOST_RESTARTS and self.switch.process.poll() is not None:
            self.restarts += 1
            self.restart_switch()

    def restart_switch(self) -> None:
        """Another switch process in place of one that has ended, with nothing of what that knew."""
        self.switch = self._switch()

    def wait_ready(self) -> None:
        """Until switch and controller are."""
        for child in (self.switch, self.controller):
            try:
                child.wait_ready(START_LIMIT)
            except TopologyError as error:
                raise QueryError(str(error)) from None

    def look(self) -> None:
        """Raises QueryError once the switch or the controller has ended."""
        for child in (self.switch, self.controller):
            if child.process.poll() is not None:
                child.wait(1.0)
                raise QueryError(f"the {child.name} is gone: {child.complaint()}")

    # ---- a query ----

    def begin(self, task: Task, *, first: int = 0, workers: int | None = None,
              heard: Callable[[Mapping[str, Any]], None] = lambda message: None) -> Query:
        """Starts the master on host `first` and its workers on the hosts after it."""
        count = self.setting.workers - first if workers is None else workers
        self.queries += 1
        return Query(self, task, first, count, heard)

    def run(self, task: Task, heard: Callable[[Mapping[str, Any]], None] = lambda message: None) -> dict[str, Any]:
        """The master's report."""
        return self.begin(task, heard=heard).wait()


class Query:
    """A master and its workers as processes. Raises QueryError."""

    def __init__(self, rig: Rig, task: Task, first: int, workers: int, heard: Callable[[Mapping[str, Any]], None]) -> None:
        self.rig, self.task, self.heard = rig, task, heard
        name = f"-{rig.queries}"
        self.answer = rig.folder / f"answer{name}.arrow"
        self.messages: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        listen = f"tcp:{rig.ip(first)}:{MASTER_PORT}" if rig.network is not None else f"unix:{rig.folder / f'master{name}'}"
        place = rig.place(first, master=True)
        timing = asdict(rig.setting.timing)
        self.master = rig.start(f"master{name}", [sys.executable, "-m", "workers.query.net.master", json.dumps({
            "benchmark": task.benchmark, "query": task.query, "data": str(task.data), "workers": workers,
            "listen": listen, "control": rig.control, "place": asdict(place), "master_ip": rig.ip(first),
            "worker_ips": [rig.ip(first + 1 + n) for n in range(workers)], "window": rig.setting.window,
            "timing": timing, "cells": task.cells, "rivals": task.rivals,
            "patience": rig.setting.patience, "runs": task.runs, "cached": task.cached, "answer": str(self.answer),
        })], first, on_line=self._line, on_end=self._end)  # fmt: skip
        threads = max(1, (os.cpu_count() or 1) // workers)
        self.workers = [rig.start(f"worker{name}-{n}", [sys.executable, "-m", "workers.query.net.worker", json.dumps({
            "number": n, "workers": workers, "data": str(task.data), "tables": list(task.tables),
            "master_channel": listen, "place": asdict(rig.place(first + 1 + n)), "master": asdict(place),
            "window": rig.setting.window, "timing": timing, "threads": threads, "memory": task.memory,
            "folder": str(rig.folder),
        })], first + 1 + n) for n in range(workers)]  # fmt: skip

    def _line(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if isinstance(message, dict) and "event" in message:
            with self._changed:
                self.messages.append(message)
                self._changed.notify_all()
            self.heard(message)

    def _end(self) -> None:
        with self._changed:
            self.messages.append({"event": "end"})
            self._changed.notify_all()

    def until(self, event: str, limit: float) -> dict[str, Any]:
        """The master's message of this kind. Raises QueryError with its error, or when it, or a worker before it has
        connected, has ended."""
        until = time.monotonic() + limit
        while True:
            with self._changed:
                for message in self.messages:
                    if message["event"] == event:
                        return message
                    if message["event"] == "error":
                        raise QueryError(str(message["error"]))
                    if message["event"] == "end":
                        raise QueryError(self._why())
                self._changed.wait(LOOK_SECONDS)
            self._look()
            if time.monotonic() > until:
                raise QueryError(f"the query's master has not finished within {limit:g} s")

    def _look(self) -> None:
        """While processes start. Once the master has its workers it says itself when somebody is gone."""
        if any(message["event"] == "started" for message in self.messages):
            self.rig.keep_switch()
            return
        self.rig.look()
        for worker in getattr(self, "workers", []):
            if worker.process.poll() is not None:
                worker.wait(1.0)
                raise QueryError(f"{worker.name} stopped at once: {worker.complaint()}")

    def _why(self) -> str:
        status = self.master.wait(5.0)
        said = [line for line in self.master.lines if line.strip() and not line.startswith("{")]
        return f"the master is gone (exit status {status})" + (f": {said[-1].strip()}" if said else "")

    def wait(self, limit: float = QUERY_LIMIT) -> dict[str, Any]:
        """The report."""
        try:
            return dict(self.until("done", limit)["report"])
        finally:
            stop_all([self.master, *self.workers])


def _is_ready(line: str) -> bool:
    return line.startswith("{") and '"ready"' in line


__all__ = ["ALL", "NETWORKS", "Query", "Rig", "Setting", "Task"]
