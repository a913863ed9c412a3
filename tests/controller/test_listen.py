"""The listener on TCP, with peers that do not behave: each costs its own connection and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from controller.app import App
from controller.hosts import from_dict
from controller.jobs import Limits, Registry
from controller.listen import KEEPALIVE, notice_dead_peers
from controller.plane import Seat
from controller.session import LEAVE, MAX_LINE, Joined, JoinRequest, Lost, encode

HOSTS = from_dict({
    "switch": {"mac": "02:00:00:00:00:fe", "ip": "10.0.0.254"},
    "hosts": [{"name": f"h{i}", "ip": f"10.0.0.{i}", "mac": f"02:00:00:00:00:0{i}", "port": i} for i in range(1, 5)],
})  # fmt: skip


class Plane:
    """A switch that takes everything."""

    def __init__(self) -> None:
        self.jobs: set[int] = set()

    def install(self, job: Any) -> None:
        self.jobs.add(job.id)

    def release(self, job: Any) -> None:
        self.jobs.discard(job.id)

    def seat(self, job: Any, rank: int) -> Seat:
        return Seat(HOSTS.switch_mac, HOSTS.switch_ip, job.first_slot)

    def close(self) -> None: ...


class Listener:
    """A controller on a free port, its loop in a thread."""

    def __init__(self, idle: float) -> None:
        self.plane = Plane()
        self.registry = Registry(Limits(64), HOSTS)
        self.app = App(self.plane, self.registry, idle_timeout=idle)  # type: ignore[arg-type]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        bound = self.run(self.app.start("tcp:127.0.0.1:0"))
        self.port = int(bound.rpartition(":")[2])

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def connections(self) -> int:
        return self.app._connections

    def stop(self) -> None:
        self.run(self.app.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


class Peer:
    def __init__(self, port: int, unread: int = 0) -> None:
        """unread: bytes that wait for this peer at most, before the other side's do."""
        self.sock = socket.socket()
        if unread:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, unread)
        self.sock.settimeout(20)
        self.sock.connect(("127.0.0.1", port))
        self.lines = self.sock.makefile("rb")

    def say(self, data: bytes | JoinRequest) -> None:
        self.sock.sendall(data if isinstance(data, bytes) else encode(data.wire()))

    def hear(self) -> Any:
        line = self.lines.readline()
        return json.loads(line) if line else None

    def close(self) -> None:
        self.lines.close()
        self.sock.close()

    def reset(self) -> None:
        """An end without a farewell."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


@pytest.fixture
def listener() -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def make(idle: float = 60.0) -> Listener:
        made.append(Listener(idle))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def request(host: int, workers: int = 2, name: str = "j") -> JoinRequest:
    return JoinRequest(name, workers, f"10.0.0.{host}", 20000, 8, rank=host - 1)


def job(found: Listener, name: str = "j") -> list[Peer]:
    peers = [Peer(found.port), Peer(found.port)]
    for number, peer in enumerate(peers, 1):
        peer.say(request(number, name=name))
    assert [Joined.read(peer.hear()).rank for peer in peers] == [0, 1]
    return peers


BAD = [
    b"\n", b"{\n", b"null\n", b"[]\n", b'"join"\n', b"\xff\xfe\x00\n", b"\x16\x03\x01\x02\x00\x01\n", b"GET / HTTP/1.1\r\n",
    b'{"op": 5}\n', b'{"op": "join"}\n', b'{"op": "join", "workers": 1e999}\n', b'{"op": "silent"}\n',
    b'{"op": "silent", "pool_index": 0, "chunk": 0}\n', b'{"op": "state", "job": 1, "next": [[-1]]}\n',
    b'{"op": "give", "job": 1}\n', b"[" * 100_000 + b"\n", b'{"a": ' + b"9" * 10_000 + b"}\n", b"\x00" * 1000 + b"\n",
]  # fmt: skip


def test_bad_lines_are_answered_and_the_connection_goes_on(listener: Any) -> None:
    found = listener()
    peers = job(found)
    peer = Peer(found.port)
    for line in BAD:
        peer.say(line)
        answer = peer.hear()
        assert answer["ok"] is False and 0 < len(answer["error"]) < 400 and "Traceback" not in answer["error"], line
    peer.say(JoinRequest("other", 1, "10.0.0.3", 20000, 8))
    assert Joined.read(peer.hear()).workers == 1
    peer.say(encode(LEAVE))
    assert peer.hear() == {"ok": True}
    peers[0].say(encode(LEAVE))
    assert peers[0].hear() == {"ok": True}, "the job beside it is not disturbed"


def test_random_bytes(listener: Any) -> None:
    found = listener()
    peer = Peer(found.port)
    noise = os.urandom(200_000).replace(b"\n", b"") + b"\n"
    peer.say(noise)
    assert peer.hear()["ok"] is False
    peer.close()
    job(found)


@pytest.mark.parametrize("ended", [False, True])
def test_lines_too_long_end_their_connection(listener: Any, ended: bool) -> None:
    found = listener()
    peers = job(found)
    line = b"x" * (MAX_LINE + 1000) + (b"\n" if ended else b"")
    try:
        peers[0].say(line)
        assert f"longer than {MAX_LINE} bytes" in peers[0].hear()["error"]
        assert peers[0].hear() is None
    except ConnectionError:
        pass  # the rest of the line met a closed door
    assert Lost.read(peers[1].hear()) == Lost(0, "it sent a line that is too long")


def test_half_a_line_is_no_message(listener: Any) -> None:
    found = listener()
    peer = Peer(found.port)
    peer.say(encode(JoinRequest("j", 1, "10.0.0.1", 20000, 8).wire())[:-20])
    peer.sock.shutdown(socket.SHUT_WR)
    assert peer.hear()["ok"] is False, "half a line is no JSON"
    assert peer.hear() is None
    assert not found.registry.running


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_peer_that_ends_is_lost_to_the_others(listener: Any, end: str) -> None:
    found = listener()
    peers = job(found)
    getattr(peers[0], end)()
    assert Lost.read(peers[1].hear()).rank == 0
    peers[1].close()
    again = job(found, "k")
    for peer in again:
        peer.close()


def test_a_peer_that_closes_its_sending_half_is_gone(listener: Any) -> None:
    found = listener()
    peers = job(found)
    peers[0].sock.shutdown(socket.SHUT_WR)
    assert Lost.read(peers[1].hear()).rank == 0


def test_silent_connections_in_no_job_are_closed(listener: Any) -> None:
    found = listener(idle=0.1)
    silent, half = Peer(found.port), Peer(found.port)
    half.say(b'{"op": "jo')
    for peer in (silent, half):
        assert "nothing was said for 0.1 s" in peer.hear()["error"]
        assert peer.hear() is None
    waiting = Peer(found.port)
    waiting.say(request(1))
    peers = [waiting, Peer(found.port)]
    assert not Peer(found.port).hear()["ok"], "two such times later those who wait are still there"
    peers[1] = Peer(found.port)
    peers[1].say(request(2))
    assert [Joined.read(peer.hear()).rank for peer in peers] == [0, 1]


def test_a_peer_that_reads_nothing_is_dropped(listener: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers fill the socket and then the buffer; the controller keeps no more than that."""
    monkeypatch.setattr("controller.listen.drained.__defaults__", (0.2,))
    found = listener()
    peer = Peer(found.port, unread=4096)
    with pytest.raises(OSError):
        while True:
            peer.say(b'{"op": 5}\n' * 1000)
    job(found)


def test_a_peer_whose_machine_vanished_is_noticed() -> None:
    """Probes begin after a second of silence, and three unanswered ones end the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:

        class Writer:
            def get_extra_info(self, name: str) -> Any:
                return sock

        notice_dead_peers(Writer())  # type: ignore[arg-type]
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert tuple(sock.getsockopt(socket.IPPROTO_TCP, option) for option in options) == KEEPALIVE
        assert sum(KEEPALIVE[:1]) + KEEPALIVE[1] * KEEPALIVE[2] < 10


def test_too_many_connections(listener: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.app.MAX_CONNECTIONS", 3)
    found = listener()
    peers = job(found)
    third, fourth = Peer(found.port), Peer(found.port)
    third.say(b"{}\n")
    assert third.hear()["ok"] is False
    assert "connections are open already" in fourth.hear()["error"]
    assert fourth.hear() is None
    for peer in (*peers, third):
        peer.close()


def test_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        app = App(Plane(), Registry(Limits(64), HOSTS))  # type: ignore[arg-type]

        async def start() -> None:
            try:
                with pytest.raises(OSError):
                    await app.start(f"tcp:127.0.0.1:{taken.getsockname()[1]}")
            finally:
                await app.stop()

        asyncio.run(start())
