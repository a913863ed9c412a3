"""`python -m controller.query_app`: the controller of queries as a process, between their masters and one switch.

A master connects to a Unix or TCP socket and sends JSON lines: install, registers, remove. When its connection ends, its
queries end with it. When the switch is lost, every master is told at once."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import sys
import threading
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import hosts
from .p4rt.register_cells import TAGS
from .p4rt.status import P4RuntimeError
from .query_plane import QueryPlane, SwitchLost, Wanted
from .query_pool import Refusal, Region
from .session import WireError, decode, encode, refusal

METRICS_SECONDS = 2.0
DROPS = "fpisa_port_drops_total{"
_FAILURES = (P4RuntimeError, SwitchLost, Refusal, WireError, ValueError, OSError)


class Client:
    """One master's connection and what it has installed."""

    def __init__(self, connection: socket.socket, app: App) -> None:
        self.connection, self.app = connection, app
        self.regions: dict[int, Region] = {}
        self._sending = threading.Lock()
        self._tag: Any = None

    def send(self, message: dict[str, Any], body: bytes = b"") -> None:
        with self._sending, suppress(OSError):
            self.connection.sendall(encode(message) + body)

    def answer(self, message: dict[str, Any], body: bytes = b"") -> None:
        """To the request that is worked on; its tag says so."""
        self.send({**message, "tag": self._tag}, body)

    def serve(self) -> None:
        try:
            with self.connection.makefile("rb") as lines:
                for line in lines:
                    self._answer(line)
        except OSError:
            pass
        finally:
            for query in list(self.regions):
                with suppress(*_FAILURES):
                    self._remove(query, None)
            self.connection.close()

    def _answer(self, line: bytes) -> None:
        try:
            self._tag = None
            message = decode(line)
            self._tag = message.get("tag")
            handle = {"install": self._install, "registers": self._registers, "remove": self._removed,
                      "revive": self._revive, "drops": self._drops}.get(str(message.get("op")))  # fmt: skip
            if handle is None:
                raise WireError(f"'op' must be install, registers, remove, revive or drops, not {message.get('op')!r}")
            handle(message)
        except _FAILURES as error:
            self.answer({**refusal(str(error)), "lost": self.app.plane.is_lost(error)})

    def _revive(self, message: dict[str, Any]) -> None:
        """For a master whose query has failed: the switch is as it should be, or will be in so many seconds."""
        self.app.plane.revive(float(message.get("patience", 0.0)))
        self.answer({"ok": True, "back": True})

    def _drops(self, message: dict[str, Any]) -> None:
        self.answer({"ok": True, "drops": drops_at(self.app.metrics)})

    def _install(self, message: dict[str, Any]) -> None:
        region = self.app.plane.install(self._wanted(message))
        self.regions[region.query] = region
        self.answer({"ok": True, "query": region.query, "cells": region.cells, "before": region.before,
                   "window": self.app.plane.window})  # fmt: skip

    def _wanted(self, message: dict[str, Any]) -> Wanted:
        found = [self.app.plane.hosts.find(str(ip)) for ip in [message.get("master"), *message.get("workers", [])]]
        if None in found or len(found) < 2:
            raise WireError("the master or a worker is no host that the controller knows")
        numbers = {name: int(message.get(name, 0)) for name in ("a", "b")}
        cells = message.get("cells")
        return Wanted(
            str(message.get("operator")), found[0], tuple(found[1:]), None if cells is None else int(cells),  # type: ignore[arg-type]
            bool(message.get("flip")), **numbers, ladder=tuple(int(rung) for rung in message.get("ladder", [])),
        )  # fmt: skip

    def _region(self, message: dict[str, Any]) -> Region:
        region = self.regions.get(int(message.get("query", 0)))
        if region is None:
            raise WireError(f"query {message.get('query')} is not installed")
        return region

    def _registers(self, message: dict[str, Any]) -> None:
        region = self._region(message)
        arrays = [str(name) for name in message.get("arrays", [])]
        if message.get("raw"):  # the master decodes it faster
            read = self.app.plane.cells(region, arrays)
            self.answer({"ok": True, "ids": read.ids, "size": read.size, "first": region.first, "cells": region.cells,
                         "tags": TAGS, "parts": [len(part) for part in read.responses]}, b"".join(read.responses))  # fmt: skip
            return
        cells = self.app.plane.registers(region, arrays)
        self.answer({"ok": True, "shape": cells.shape}, cells.astype("<u8").tobytes())

    def _removed(self, message: dict[str, Any]) -> None:
        """With what each worker has sent the master waits for an answer; without, its query has failed and it does not."""
        sent = message.get("sent")
        query = self._region(message).query
        if sent is not None:
            self._remove(query, [int(count) for count in sent])
            return
        try:
            self._remove(query, None)
        except _FAILURES as error:
            self.app.plane.is_lost(error)

    def _remove(self, query: int, sent: Sequence[int] | None) -> None:
        """The master goes on while the registers are cleared; the next query's installation waits for it."""
        region = self.regions.pop(query)
        plane = self.app.plane
        with plane.lock:
            plane.remove(region)
            if sent is not None:
                self.answer({"ok": True})
            try:
                plane.clear(region, sent)
            except _FAILURES as error:
                plane.is_lost(error)


class App:
    """Serves masters until stopped."""

    def __init__(self, plane: QueryPlane, metrics: str | None = None) -> None:
        self.plane, self.metrics = plane, metrics
        self.clients: list[Client] = []
        plane.on_lost = self._lost

    def _lost(self, reason: str) -> None:
        for client in list(self.clients):
            client.send({"event": "lost", "reason": f"the connection to the switch is lost: {reason}"})

    def listen(self, where: str) -> tuple[socket.socket, str]:
        """unix:PATH or tcp:HOST:PORT (port 0: any). Raises OSError."""
        kind, _, rest = where.partition(":")
        if kind == "unix":
            server = socket.socket(socket.AF_UNIX)
            server.bind(rest)
            server.listen()
            return server, where
        host, _, port = rest.rpartition(":")
        server = socket.create_server((host, int(port)))
        return server, f"tcp:{host}:{server.getsockname()[1]}"

    def serve(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            client = Client(connection, self)
            self.clients.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: Client) -> None:
        client.serve()
        self.clients.remove(client)


def drops_at(address: str | None) -> int | None:
    """Packets that the switch has dropped at its ports since it began, from its metrics; None where it does not say."""
    if address is None:
        return None
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=METRICS_SECONDS) as page:
            lines = page.read().decode().splitlines()
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(DROPS))
    except (OSError, ValueError, http.client.HTTPException):
        return None


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m controller.query_app",
        description="Load a query program into a switch and admit queries.",
        epilog="example: python -m controller.query_app --switch 127.0.0.1:9559 --p4info q.p4info.txtpb --json-config q.json "
        "--hosts hosts.json --listen unix:/tmp/queries.sock",
    )
    parser.add_argument("--switch", required=True, metavar="HOST:PORT", help="the switch's P4Runtime address")
    parser.add_argument("--device-id", type=int, default=0, metavar="N", help="its device id (0)")
    parser.add_argument("--p4info", type=Path, required=True, metavar="FILE", help="P4Info of the program to load")
    parser.add_argument("--json-config", type=Path, required=True, metavar="FILE", help="its bmv2 JSON")
    parser.add_argument("--hosts", type=Path, required=True, metavar="FILE", help="JSON: who is at which port")
    parser.add_argument("--listen", required=True, metavar="WHERE", help="unix:PATH or tcp:HOST:PORT")
    parser.add_argument("--metrics", metavar="HOST:PORT", help="where the switch serves its metrics, to count lost packets")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="S", help="seconds to wait for the switch (10)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    args = build_parser().parse_args(argv)
    try:
        plane = QueryPlane(args.switch, args.p4info, args.json_config, hosts.read(args.hosts), device_id=args.device_id,
                           timeout=args.timeout)  # fmt: skip
        plane.connect()
        app = App(plane, args.metrics)
        server, where = app.listen(args.listen)
    except _FAILURES as error:
        print(f"query controller: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=app.serve, args=(server,), daemon=True).start()
    print(json.dumps({"ready": True, "listen": where, "window": plane.window}), flush=True)
    stop.wait()
    server.close()
    plane.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
