"""The real thing as processes: `fpisa switch`, `fpisa controller` and workers, over shared memory or veth pairs."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("reduce_child.py")
LIMIT = 90.0  # seconds: what takes longer counts as a hang


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def mac(rank: int) -> str:
    return f"02:00:00:00:0f:{rank + 1:02x}"


def address(rank: int) -> str:
    return f"10.77.0.{rank + 1}"


class Process:
    """A child in a group of its own; its lines of JSON, and the rest of its output, are kept."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        environment = {**os.environ, "PYTHONFAULTHANDLER": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment, cwd=ROOT,
        )  # fmt: skip
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.said: list[str] = []
        self.told: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def hear(self, limit: float = LIMIT) -> dict[str, Any] | None:
        """The next line of JSON; None at the end of output."""
        end = time.monotonic() + limit
        while True:
            try:
                line = self.lines.get(timeout=max(end - time.monotonic(), 0.001))
            except queue.Empty:
                raise AssertionError(f"{self.name} hangs; it said {self.said[-8:]} and {self.told[-2:]}") from None
            if line is None:
                return None
            self.said.append(line)
            if line.startswith("{"):
                self.told.append(json.loads(line))
                return self.told[-1]

    def until(self, condition: Callable[[dict[str, Any]], bool], limit: float = LIMIT) -> dict[str, Any]:
        """The first message that meets the condition."""
        while (message := self.hear(limit)) is not None:
            if condition(message):
                return message
        raise AssertionError(f"{self.name} has ended: {self.said[-8:]}")

    def now(self) -> list[dict[str, Any]]:
        """The messages that are there."""
        before = len(self.told)
        while not self.lines.empty():
            if self.hear() is None:
                break
        return self.told[before:]

    def tell(self, word: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(word + "\n")
        self.child.stdin.flush()

    def signal(self, number: int) -> None:
        self.child.send_signal(number)

    def end(self, limit: float = LIMIT) -> int:
        """Its status once it has ended by itself."""
        while self.hear(limit) is not None:
            pass
        return self.child.wait(limit)

    def kill(self) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.kill()
        self.child.wait()
        for stream in (self.child.stdin, self.child.stdout):
            if stream is not None:
                stream.close()


@dataclass
class Stack:
    """A context. places: interface names of (switch's end, worker's end) by rank, or None for shared memory."""

    folder: Path
    program: tuple[Path, Path]  # P4Info, JSON
    workers: int = 2
    spare: int = 0  # seats beyond the workers', for another job
    pairs: list[tuple[str, str]] | None = None
    deadline: float = 8.0
    impair: str = ""
    pipelines: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    running: list[Process] = field(default_factory=list)

    def __enter__(self) -> Stack:
        self.stack = ExitStack()
        self.port = free_port()
        self.listen = str(self.folder / "c")
        hosts = [
            {"name": f"h{r}", "ip": address(r), "mac": mac(r), "port": r + 1} for r in range(self.workers + self.spare)
        ]  # fmt: skip
        known = {"switch": {"mac": "02:00:00:00:0f:fe", "ip": "10.77.0.254"}, "hosts": hosts}
        (self.folder / "hosts.json").write_text(json.dumps(known))
        try:
            self.switch = self.start_switch()
            self.controller = self.start_controller()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self.running):
            process.kill()
        self.stack.close()

    def fpisa(self, *words: str) -> Process:
        process = Process(words[0], [sys.executable, "-m", "fpisa.cli", *words])
        self.running.append(process)
        return process

    def socket_of(self, rank: int) -> str:
        return str(self.folder / f"m{rank}")

    def start_switch(self) -> Process:
        names = [f"shm:{self.socket_of(r)}" for r in range(self.workers + self.spare)]
        if self.pairs is not None:
            names = [near for near, _ in self.pairs]
        ports = [word for r, name in enumerate(names) for word in ("-i", f"{r + 1}@{name}")]
        more = ["--pipelines", str(self.pipelines), *(["--impair", self.impair] if self.impair else [])]
        process = self.fpisa(
            "switch", "--no-p4", *ports, *more, "--grpc-server-addr", f"127.0.0.1:{self.port}", "--json", "-L", "warn"
        )
        process.until(lambda m: m.get("ready") is True)
        return process

    def start_controller(self) -> Process:
        info, config = (str(path) for path in self.program)
        process = self.fpisa(
            "controller", "--switch", f"127.0.0.1:{self.port}", "--p4info", info, "--json-config", config,
            "--hosts", str(self.folder / "hosts.json"), "--listen", f"unix:{self.listen}", "--json",
            "--pipelines", str(self.pipelines),
        )  # fmt: skip
        process.until(lambda m: m.get("ready") is True)
        return process

    def start_workers(self, count: int = 20000, dtype: str = "float32", job: str = "j") -> list[Process]:
        """All of a job, having finished at least one all-reduce."""
        members = [self.start_worker(rank, count, dtype, job) for rank in range(self.workers)]
        for member in members:
            member.until(lambda m: m.get("turn", -1) >= 1)
        return members

    def start_worker(
        self, rank: int, count: int, dtype: str, job: str, first: int = 0, workers: int = 0, pause: float = 0.0
    ) -> Process:
        """first: the seat of the job's rank 0. workers: the job's, if not the stack's. pause: seconds before each turn."""
        seat = first + rank
        place: Any = {"path": self.socket_of(seat), "mac": mac(seat).replace(":", ""), "ip": address(seat)}
        if self.pairs is not None:
            place = self.pairs[seat][1]
        words = {
            "place": place, "options": {"elements": 32, "slots": 32, **self.options}, "deadline": self.deadline,
            "count": count, "dtype": dtype, "workers": workers or self.workers, "pause": pause,
            "controller": self.listen, "job": job, "rank": rank,
        }  # fmt: skip
        process = Process(f"worker {rank}", [sys.executable, str(CHILD), json.dumps(words)])
        self.running.append(process)
        return process

    def finish(self, members: list[Process]) -> None:
        """Lets the workers end, and compares what they have summed."""
        members[0].tell("stop")
        for member in members:
            status = member.end()
            assert status == 0, (status, member.said[-8:])
        same_sums(members)


def same_sums(members: list[Process]) -> None:
    """Nothing was wrong, and all have the same bits for the turns that all have finished."""
    turns = [[m for m in member.told if "turn" in m] for member in members]
    assert all(m["wrong"] == 0 for own in turns for m in own)
    for same in zip(*turns, strict=False):
        assert len({m["sum"] for m in same}) == 1, same
