"""The master's view of its workers: requests that run side by side, and one error when any of them is gone."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from workers.query.errors import QueryError, SwitchLost
from workers.query.net.channel import Channel, ChannelClosed, Message, from_arrow, to_arrow

LOOK_SECONDS = 0.05
Answer = tuple[Message, bytearray]


class RemoteWorker:
    """A worker in another process, with the methods of `source.Worker`."""

    def __init__(self, number: int, channel: Channel, crew: Crew) -> None:
        self.number, self.channel, self.crew = number, channel, crew
        self.heard = time.monotonic()
        self.gone = False
        self.scan_seconds = 0.0
        self._next = 0
        self._pending: deque[Future[Answer]] = deque()
        self.derived: dict[str, Future[Answer]] = {}
        self.selected: dict[str, Future[Answer]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._read, name=f"worker {number}", daemon=True).start()

    def _read(self) -> None:
        try:
            while True:
                message, body = self.channel.receive()
                self.heard = time.monotonic()
                if "alive" not in message:
                    with self._lock:
                        future = self._pending.popleft()
                    future.set_result((message, body))
        except (ChannelClosed, IndexError, ValueError):
            self.gone = True

    @property
    def pool(self) -> ThreadPoolExecutor:
        """Threads in which workers are waited for side by side."""
        return self.crew.pool

    def ask(self, message: Message, body: Any = b"") -> Future[Answer]:
        """Answers come in the order of requests."""
        future: Future[Answer] = Future()
        with self._lock:
            self._pending.append(future)
            try:
                self.channel.send(message, body)
            except ChannelClosed:
                self.gone = True
        return future

    def check(self) -> None:
        """Raises QueryError once the worker is gone or silent."""
        if self.gone:
            raise QueryError(f"worker {self.number} is gone: its connection to the master closed")
        if time.monotonic() - self.heard > self.crew.deadline:
            raise QueryError(f"worker {self.number} has been silent for {self.crew.deadline:g} s")

    def now(self, message: Message, body: Any = b"") -> Answer:
        """The answer, waited for. Raises QueryError."""
        return self.crew.gather([self.ask(message, body)])[0]

    # ---- what plans ask of a worker ----

    def scan(self, table: str, **options: Any) -> RemoteScan:
        """At once; whoever looks into the scan waits for it."""
        number = self._next
        self._next += 1
        asked = self.ask({"op": "scan", "id": number, "scan": {"table": table, **options}})
        return RemoteScan(self, number, [*self.derived.values(), asked])

    def derive(self, name: str, sql: str) -> None:
        """At once; an error shows in the scans that follow."""
        self.derived[name] = self.ask({"op": "derive", "name": name, "sql": sql})

    def combine(self, name: str, table: str, column: str, characters: int, value: str, sql: str, rest: str) -> None:
        """As `derive`."""
        groups = {"table": table, "column": column, "characters": characters, "value": value, "sql": sql, "rest": rest}
        self.derived[name] = self.ask({"op": "combine", "name": name, "combine": groups})

    def fetch(self, table: str, rows: np.ndarray, columns: str) -> pa.Table:
        body = np.ascontiguousarray(rows, np.uint32)
        return from_arrow(self.now({"op": "fetch", "table": table, "columns": columns}, body)[1])

    def prepare(self, sql: str) -> None:
        """Asks what `select` will want, after all that was asked before."""
        self.selected[sql] = self.ask({"op": "select", "sql": sql})

    def select(self, sql: str) -> pa.Table:
        """Plans ask every worker the same in turn: the first question goes to all of them at once."""
        if sql not in self.selected:
            for worker in self.crew.workers:
                worker.prepare(sql)
        return from_arrow(self.crew.gather([self.selected.pop(sql)])[0][1])

    def keep(self, name: str, table: pa.Table) -> None:
        """Not waited for: requests are worked off in order."""
        self.derived[name] = self.ask({"op": "keep", "name": name}, to_arrow(table))


@dataclass
class RemoteScan:
    """A scan that stays with its worker; `source.Scanned` and, as `stream`, `pack.Stream` for operators."""

    worker: RemoteWorker
    id: int
    asked: Sequence[Future[Answer]]

    @cached_property
    def _facts(self) -> Answer:
        return self.worker.crew.gather(self.asked)[-1]

    @property
    def stream(self) -> RemoteScan:
        return self

    def __len__(self) -> int:
        return int(self._facts[0]["rows"])

    @property
    def exact(self) -> bool:
        return bool(self._facts[0]["exact"])

    @property
    def least(self) -> float:
        return float(self._facts[0]["least"])

    @property
    def largest(self) -> float:
        return float(self._facts[0]["largest"])

    @property
    def total(self) -> float:
        return float(self._facts[0]["total"])

    @cached_property
    def names(self) -> pa.Table | None:
        return from_arrow(self._facts[1]) if len(self._facts[1]) else None

    def sample(self, step: int) -> np.ndarray:
        return np.frombuffer(self.worker.now({"op": "sample", "id": self.id, "step": step})[1], np.float32)

    def widen(self, rows: np.ndarray) -> np.ndarray:
        body = np.ascontiguousarray(rows, np.uint32)
        return np.frombuffer(self.worker.now({"op": "widen", "id": self.id}, body)[1], np.float64)


@dataclass
class Crew:
    """All workers of a master. deadline: seconds without a word, after which one counts as dead. checks: called while
    answers are waited for; what they raise ends the wait."""

    deadline: float
    pool: ThreadPoolExecutor = field(default_factory=ThreadPoolExecutor)
    workers: list[RemoteWorker] = field(default_factory=list)
    checks: list[Callable[[], None]] = field(default_factory=list)

    def gather(self, futures: Sequence[Future[Answer]]) -> list[Answer]:
        """All answers. Raises QueryError with the first error of a worker, or when somebody is gone."""
        left = set(futures)
        while left:
            _, left = wait(left, LOOK_SECONDS)
            for future in futures:  # in the order of asking: what failed first is why the rest did
                answer = future.result()[0] if future.done() else {}
                if "error" in answer:
                    raise (SwitchLost if answer.get("lost") else QueryError)(answer["error"])
            if left:
                self.check()
        return [future.result() for future in futures]

    def check(self) -> None:
        for check in self.checks:
            check()
        for worker in self.workers:
            worker.check()

    def admit(self, server: socket.socket, count: int, limit: float) -> None:
        """Waits until all workers have connected. Raises QueryError after `limit` seconds."""
        until = time.monotonic() + limit
        found: dict[int, Channel] = {}
        while len(found) < count:
            server.settimeout(max(0.01, until - time.monotonic()))
            try:
                stream, _ = server.accept()
                stream.settimeout(max(0.01, until - time.monotonic()))
                if stream.family != socket.AF_UNIX:
                    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                channel = Channel(stream)
                found[int(channel.receive()[0]["worker"])] = channel
                stream.settimeout(None)
            except (OSError, ChannelClosed, KeyError, ValueError):
                if time.monotonic() >= until:
                    missing = ", ".join(str(n) for n in range(count) if n not in found)
                    raise QueryError(f"worker {missing} has not connected within {limit:g} s") from None
        self.workers = [RemoteWorker(number, found[number], self) for number in range(count)]

    def reopen(self) -> None:
        """Has the workers give up what they send, forget their scans and open their ports anew, for the switch is another one.
        Raises QueryError."""
        for worker in self.workers:
            worker.derived.clear()
            worker.selected.clear()
        self.gather([worker.ask({"op": "reopen"}) for worker in self.workers])

    def forget(self) -> None:
        """All scans and answers that nobody fetched: another query begins. Not waited for."""
        for worker in self.workers:
            worker.selected.clear()
            worker.ask({"op": "forget"})

    def bytes(self) -> int:
        """Sent and received past the switch's operators: columns, dictionaries, requests."""
        return sum(w.channel.sent + w.channel.received for w in self.workers)

    def close(self) -> None:
        for worker in self.workers:
            worker.channel.close()
