"""A process that owns a rack's switch, for workers in other processes: Spark's executors send it their partitions.

    python -m workers.query.service --listen 127.0.0.1:0 --places 16

It prints its address as one line of JSON once it answers, and ends when its standard input does. The first line of
standard input is the token that callers must name. Callers are workers.query.sender and workers.query.dataframes."""

from __future__ import annotations

import argparse
import hmac
import json
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from workers.query import channel, operators
from workers.query.errors import QueryError
from workers.query.exchange import Link
from workers.query.operators import Sums
from workers.query.pack import FRAME
from workers.query.passes import Decided, Pass
from workers.query.rack import OPERATORS, Rack

IDLE_SECONDS = 900.0
"""A caller that says nothing for so long is taken for dead."""
AT_ONCE = 4
"""Queries of an operator that the switch holds at a time: its windows of workers are for four times 16 places."""
MOST_CELLS = 1 << 16
"""Of each array of a lane that a program is compiled for."""


@dataclass
class Service:
    """All racks of a process, one an operator, built when first asked for."""

    token: str
    places: int
    cells: int | None = None
    loss: float = 0.0
    racks: dict[str, tuple[Rack, threading.Lock]] = field(default_factory=dict)
    passes: dict[int, Pass] = field(default_factory=dict)
    waiting: dict[int, dict[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    last: int = 0

    def rack(self, operator: str) -> tuple[Rack, threading.Lock]:
        """The operator's rack and its lock. `lock` is held."""
        if operator not in self.racks:
            cells = self.cells or operators.CELLS.get(operator, operators.DEFAULT_CELLS)
            self.racks[operator] = Rack.build(operator, self.places, cells=min(AT_ONCE * cells, MOST_CELLS)), threading.Lock()
        return self.racks[operator]

    def install(self, operator: str, **parameters: Any) -> int:
        """A query's number. One that waits for a ladder is installed when it comes."""
        if operator not in OPERATORS:
            raise QueryError(f"there is no operator {operator!r}")
        with self.lock:
            self.last = self.last % 0xFFFF + 1
            query = self.last
            if parameters.pop("waits", False):
                self.waiting[query] = {"operator": operator, **parameters}
            else:
                self._install(query, operator, **parameters)
            return query

    def ladder(self, query: int, rungs: Sequence[int]) -> None:
        """The first thresholds to come are the query's."""
        with self.lock:
            if query in self.waiting:
                self._install(query, ladder=rungs, **self.waiting.pop(query))

    def _install(self, query: int, operator: str, **parameters: Any) -> None:
        rack, lock = self.rack(operator)
        with lock:
            rack.install(query, cells=rack.cells // AT_ONCE, **parameters)
        self.passes[query] = Pass(rack, query, Link(self.loss, np.random.default_rng(query)), lock)

    def running(self, query: int) -> Pass:
        """Raises QueryError for a query that is not there."""
        with self.lock:
            if query not in self.passes:
                raise QueryError(f"the switch knows no query {query}; was it restarted?")
            return self.passes[query]

    def remove(self, query: int) -> dict[str, int]:
        """Takes a query off the switch; what it has sent."""
        with self.lock:
            if self.waiting.pop(query, None) is not None or query not in self.passes:
                return {}
            gone = self.passes.pop(query)
        with gone.lock:
            gone.rack.remove(query)
        traffic = gone.traffic
        return {"rows_sent": traffic.rows_sent, "rows_delivered": traffic.rows_delivered,
                "rows_pruned": traffic.rows_pruned, "packets": traffic.packets, "repeats": traffic.repeats,
                "lost": traffic.lost}  # fmt: skip

    def sums(self, query: int) -> bytes:
        """What the cells of group_sum hold: keys uint64, sums, bounds float64, counts int64, one after the other."""
        found = self.running(query)
        with found.lock:
            held: Sums = operators.cells(found.rack, query)
        return b"".join(np.ascontiguousarray(a).tobytes() for a in (held.keys, held.sums, held.bounds, held.counts))


@dataclass
class Caller:
    """One connection: a driver, or an executor with the partition it has open."""

    service: Service
    peer: socket.socket
    known: bool = False
    pass_: Pass | None = None
    place: int = -1
    own: Decided | None = None

    def serve(self) -> None:
        """Answers until the peer goes away; then its partition is free for another."""
        self.peer.settimeout(IDLE_SECONDS)
        try:
            while (message := channel.receive(self.peer)) is not None:
                try:
                    fields, payload = self.answer(message[0], message[1])
                except QueryError as error:
                    fields, payload = {"error": str(error)}, b""
                except (KeyError, TypeError, ValueError, OverflowError) as error:
                    fields, payload = {"error": f"a request that makes no sense: {error}"}, b""
                channel.send(self.peer, fields, payload)
        except (OSError, ValueError):
            pass  # gone, or no caller of ours
        finally:
            self._close()
            self.peer.close()

    def answer(self, asked: dict[str, Any], payload: bytearray) -> tuple[dict[str, Any], bytes]:
        """One request. Raises QueryError."""
        do = asked.pop("do")
        if do == "hello":
            self.known = hmac.compare_digest(str(asked.get("token")), self.service.token)
        if not self.known:
            raise QueryError("the switch does not know this caller: its token is another")
        deeds: dict[str, Callable[..., tuple[dict[str, Any], bytes]]] = {
            "hello": lambda **_: ({}, b""), "install": self._install, "ladder": self._ladder, "open": self._open,
            "again": self._again, "rows": self._rows, "witness": self._witness, "close": self._closed,
            "sums": lambda query: ({}, self.service.sums(query)),
            "remove": lambda query: (dict(self.service.remove(query)), b""),
        }  # fmt: skip
        if do not in deeds:
            raise QueryError(f"the switch does not know the request {do!r}")
        if do in ("again", "rows", "witness"):
            asked["payload"] = payload
        return deeds[do](**asked)

    def _install(self, operator: str, **parameters: Any) -> tuple[dict[str, Any], bytes]:
        return {"query": self.service.install(operator, **parameters)}, b""

    def _ladder(self, query: int, rungs: list[int]) -> tuple[dict[str, Any], bytes]:
        self.service.ladder(query, rungs)
        return {}, b""

    def _open(self, query: int, partition: int, second: bool = False) -> tuple[dict[str, Any], bytes]:
        self._close()
        found = self.service.running(query)
        self.place, self.own = found.open(partition, second)
        self.pass_ = found
        rack = found.rack
        hosts = [[h.port, h.mac, h.ip] for h in (rack.workers[self.place], rack.master)]
        return {"worker": self.place, "sequence": found.sequences[self.place], "done": len(self.own), "hosts": hosts,
                "operator": OPERATORS[rack.operator], "window": rack.window}, b""  # fmt: skip

    def _current(self) -> tuple[Pass, Decided]:
        if self.pass_ is None or self.own is None:
            raise QueryError("no partition is open")
        return self.pass_, self.own

    def _again(self, start: int, payload: bytearray) -> tuple[dict[str, Any], bytes]:
        found, own = self._current()
        return {}, found.again(own, start, np.frombuffer(payload, "<u8")).astype("<u2").tobytes()

    def _rows(self, payload: bytearray) -> tuple[dict[str, Any], bytes]:
        found, own = self._current()
        return {}, found.rows(self.place, own, np.frombuffer(payload, FRAME)).astype("<u2").tobytes()

    def _witness(self, query: int, payload: bytearray) -> tuple[dict[str, Any], bytes]:
        both = np.frombuffer(payload, "<u8")
        self.service.running(query).witness(both[: len(both) // 2], both[len(both) // 2 :])
        return {}, b""

    def _closed(self) -> tuple[dict[str, Any], bytes]:
        self._close()
        return {}, b""

    def _close(self) -> None:
        if self.pass_ is not None and self.own is not None:
            self.pass_.close(self.place, self.own)
        self.pass_ = self.own = None


def listen(service: Service, host: str, port: int) -> socket.socket:
    """Answers callers in threads of their own, from now on. Raises QueryError where it cannot listen."""
    try:
        server = socket.create_server((host, port), backlog=64)
    except OSError as error:
        raise QueryError(f"cannot listen at {host}:{port}: {error.strerror or error}") from None

    def accept() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Caller(service, peer).serve, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until standard input ends; returns the exit status."""
    parser = Parser(prog="python -m workers.query.service", description=(__doc__ or "").splitlines()[0],
                    epilog="example: echo secret-token | python -m workers.query.service --listen 0.0.0.0:18100")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0: any (127.0.0.1:0)")
    parser.add_argument("--places", type=int, default=16, metavar="N", help="partitions sent at a time, 1 to 16 (16)")
    parser.add_argument("--cells", type=int, metavar="N", help="of each array of a lane, for each query, a power of two")
    parser.add_argument("--loss", type=float, default=0.0, metavar="P", help="lose packets at random, for tests (0)")
    options = parser.parse_args(argv)
    host, _, port = options.listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        parser.error(f"--listen takes HOST:PORT, not {options.listen}")
    if not 1 <= options.places <= 16 or not 0 <= options.loss < 1:
        parser.error("--places must be 1 to 16, and --loss at least 0 and below 1")
    token = sys.stdin.readline().strip()
    if not token:
        parser.error("the first line of standard input must be a token")
    try:
        server = listen(Service(token, options.places, options.cells, options.loss), host, int(port))
    except QueryError as error:
        print(f"python -m workers.query.service: error: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"listens": list(server.getsockname()[:2])}), flush=True)
    while sys.stdin.readline():
        pass
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
