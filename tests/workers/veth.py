"""Two workers' veth pairs with the model of the switch on their far ends, and a controller that only seats them."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import select
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from tests.workers.cluster import FIRST_SLOT, JOB, SWITCH_IP, ip_of, mac_of, port_of
from workers.allreduce import Options
from workers.wire import mac_text

ETH_P_ALL = 3
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def until_free(address: str, port: int, seconds: float = 20.0) -> None:
    """Waits for the UDP port: an earlier test's client may still be on its way out, here or in a child."""
    deadline = time.monotonic() + seconds
    while True:
        gc.collect()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((address, port))
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
        threading.Event().wait(0.05)


class Veths:
    """`pairs`: (worker's end, switch's end) for each rank, with the cluster's addresses. Use as a context."""

    def __init__(self, count: int = 2) -> None:
        tag = os.getpid() % 100000
        self.pairs = [(f"fw{tag}{rank}", f"fs{tag}{rank}") for rank in range(count)]

    def __enter__(self) -> list[tuple[str, str]]:
        # The addresses are the machine's: another test process must not use them at the same time.
        self.lock = open(Path(tempfile.gettempdir()) / "fpisa-veth-tests.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        try:
            for rank, (near, far) in enumerate(self.pairs):
                address = mac_text(mac_of(rank))
                ip("link", "add", near, "address", address, "type", "veth", "peer", "name", far)
                ip("addr", "add", f"{ip_of(rank)}/32", "dev", near)
                ip("link", "set", near, "up")
                ip("link", "set", far, "up")
                until_free(ip_of(rank), Options().udp_port)
        except BaseException:
            self.__exit__()
            raise
        return self.pairs

    def __exit__(self, *error: object) -> None:
        for near, _ in self.pairs:
            subprocess.run(["ip", "link", "del", near], capture_output=True)
        self.lock.close()


class VethSwitch:
    """The model (or any `process` function) behind raw sockets, until closed."""

    def __init__(self, process, interfaces: list[str]) -> None:
        self.process, self.ports = process, {}
        for rank, interface in enumerate(interfaces):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            sock.bind((interface, ETH_P_ALL))
            sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self.ports[port_of(rank)] = sock
        self.stop, self.stopper = socket.socketpair()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        numbers = {sock: port for port, sock in self.ports.items()}
        while True:
            ready, _, _ = select.select([*numbers, self.stop], [], [])
            if self.stop in ready:
                return
            for sock in ready:
                for port, data in self.process([(numbers[sock], sock.recv(10000))]):
                    self.ports[port].send(data)

    def close(self) -> None:
        self.stopper.send(b".")
        self.thread.join(5)
        for sock in [*self.ports.values(), self.stop, self.stopper]:
            sock.close()


class Seats:
    """A controller that gives every rank the place it asks for in job 7 and says who left without a word."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        self.waiting: list[tuple[socket.socket, dict]] = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection: socket.socket) -> None:
        request: dict = {}
        with connection, connection.makefile("rb") as lines, contextlib.suppress(ConnectionError):
            for line in lines:
                message = json.loads(line)
                if message["op"] == "join":
                    request.update(message)
                    self.join(connection, request)
                elif message["op"] == "silent":
                    self.tell(connection, {"ok": True, "silent": [1], "reason": "its bit is missing"})
                else:
                    return
        for other, _ in self.waiting:
            if other is not connection and other.fileno() >= 0:
                self.tell(other, {"event": "lost", "rank": request.get("rank", 0), "reason": "it hung up"})

    def join(self, connection: socket.socket, request: dict) -> None:
        self.waiting.append((connection, request))
        if len(self.waiting) < request["workers"]:
            return
        for member, asked in self.waiting:
            self.tell(member, self.seat(asked))

    def seat(self, asked: dict) -> dict:
        return {
            **{name: asked[name] for name in ("rank", "workers", "slots")},
            **{"ok": True, "job": JOB, "first_slot": FIRST_SLOT, "udp_port": 18000, "members": []},
            **{"switch_mac": "02:00:00:00:00:fe", "switch_ip": SWITCH_IP},
        }

    @staticmethod
    def tell(connection: socket.socket, message: dict) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps(message).encode() + b"\n")

    def close(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(5)
