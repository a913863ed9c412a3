"""`python -m workers.query.net.worker`: a worker of a query as a process.

It scans its part of the tables and streams rows when the master says so. Its streams stay here; the master names them by
number. When the master goes, so does it."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from workers.query.errors import QueryError, SwitchLost
from workers.query.net.channel import Channel, ChannelClosed, Message, connect, from_arrow, to_arrow
from workers.query.net.links import tcp_headers
from workers.query.net.native import Place, Sender, Timing
from workers.query.source import Scanned, Worker

ALIVE_SECONDS = 0.5
Reply = tuple[Message, Any]


class Hand:
    """Answers the master's requests."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.number: int = settings["number"]
        self.worker = Worker(Path(settings["data"]), settings["tables"], self.number, settings["workers"],
                             settings["memory"], Path(settings["folder"]))  # fmt: skip
        self.worker.connection.execute(f"SET threads TO {settings['threads']}")
        self.settings = settings
        self.place = Place(**settings["place"])
        self.sender = self._opened()
        self.before: dict[str, int] = {}
        self.scans: dict[int, Scanned] = {}
        self.reopening = threading.Event()

    def _opened(self) -> Sender:
        own = self.settings
        return Sender(self.place, Place(**own["master"]), own["window"], Timing(**own["timing"]))

    def do_reopen(self, message: Message, body: bytearray) -> Reply:
        """The switch was lost and is back: nothing of what was begun goes on."""
        self.before = self._stats()
        self.sender.close()
        self.scans.clear()
        self.sender = self._opened()
        self.reopening.clear()
        return {}, b""

    def _stats(self) -> dict[str, int]:
        """Of all senders so far."""
        return {name: count + self.before.get(name, 0) for name, count in self.sender.stats.items()}

    def _watch(self) -> None:
        if self.reopening.is_set():
            raise SwitchLost("the switch is lost")

    def handle(self, message: Message, body: bytearray) -> Reply:
        return getattr(self, "do_" + message["op"])(message, body)  # type: ignore[no-any-return]

    def do_scan(self, message: Message, body: bytearray) -> Reply:
        scanned = self.worker.scan(**message["scan"])
        self.scans[message["id"]] = scanned
        facts = {"rows": len(scanned.stream), "least": scanned.stream.least, "exact": scanned.exact,
                 "largest": scanned.largest, "total": scanned.total}  # fmt: skip
        return facts, to_arrow(scanned.names) if scanned.names is not None else b""

    def do_forget(self, message: Message, body: bytearray) -> Reply:
        self.scans.clear()
        return {}, b""

    def do_sample(self, message: Message, body: bytearray) -> Reply:
        return {}, np.ascontiguousarray(self.scans[message["id"]].stream.sample(message["step"]))

    def do_widen(self, message: Message, body: bytearray) -> Reply:
        return {}, np.ascontiguousarray(self.scans[message["id"]].widen(np.frombuffer(body, np.uint32)))

    def do_fetch(self, message: Message, body: bytearray) -> Reply:
        return {}, to_arrow(self.worker.fetch(message["table"], np.frombuffer(body, np.uint32), message["columns"]))

    def do_select(self, message: Message, body: bytearray) -> Reply:
        return {}, to_arrow(self.worker.select(message["sql"]))

    def do_keep(self, message: Message, body: bytearray) -> Reply:
        self.worker.keep(message["name"], from_arrow(body))
        return {}, b""

    def do_derive(self, message: Message, body: bytearray) -> Reply:
        self.worker.derive(message["name"], message["sql"])
        return {}, b""

    def do_combine(self, message: Message, body: bytearray) -> Reply:
        self.worker.combine(message["name"], **message["combine"])
        return {}, b""

    def do_send(self, message: Message, body: bytearray) -> Reply:
        start = time.perf_counter()
        packets = self.sender.send(self.scans[message["id"]].stream, **message["send"], watch=self._watch)
        return {"packets": packets, "seconds": time.perf_counter() - start, **self._counts()}, b""

    def do_counts(self, message: Message, body: bytearray) -> Reply:
        return self._counts(), b""

    def _counts(self) -> Message:
        found = {"stats": self._stats(), "scan_seconds": self.worker.seconds}
        if self.place.interface:
            found["headers"] = tcp_headers()
        return found


def _read(channel: Channel, requests: queue.SimpleQueue[tuple[Message, bytearray]], reopening: threading.Event) -> None:
    """Requests to a queue; the end of the master is the end of the worker, whatever it is doing."""
    with suppress(ChannelClosed):
        while True:
            message, body = channel.receive()
            if message.get("op") == "reopen":
                reopening.set()
            requests.put((message, body))
    os._exit(0)


def _keep_alive(channel: Channel) -> None:
    with suppress(ChannelClosed):
        while True:
            time.sleep(ALIVE_SECONDS)
            channel.send({"alive": True})


def _answer(hand: Hand, message: Message, body: bytearray) -> Reply:
    try:
        return hand.handle(message, body)
    except QueryError as error:
        return {"error": str(error), "lost": isinstance(error, SwitchLost)}, b""
    except (duckdb.Error, pa.ArrowException) as error:
        return {"error": f"a worker cannot do its part: {str(error).splitlines()[0]}"}, b""
    except MemoryError:
        return {"error": "a worker's columns do not fit into its memory"}, b""
    except OSError as error:
        return {"error": f"a worker cannot read its rows: {error.strerror or error}"}, b""


def main() -> int:
    settings = json.loads(sys.argv[1])
    try:
        channel = Channel(connect(settings["master_channel"]))
        hand = Hand(settings)
    except (QueryError, duckdb.Error, OSError) as error:
        print(f"worker {settings['number']}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    requests: queue.SimpleQueue[tuple[Message, bytearray]] = queue.SimpleQueue()
    channel.send({"worker": settings["number"]})
    threading.Thread(target=_read, args=(channel, requests, hand.reopening), daemon=True).start()
    threading.Thread(target=_keep_alive, args=(channel,), daemon=True).start()
    while True:
        message, body = requests.get()
        reply, data = _answer(hand, message, body)
        try:
            channel.send(reply, data)
        except ChannelClosed:
            return 0


if __name__ == "__main__":
    sys.exit(main())
