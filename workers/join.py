"""Membership in a job: ask the controller, stay connected, hear who is lost, ask who is silent."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque

from controller.session import (
    LEAVE,
    Joined,
    JoinRequest,
    Lost,
    Restarted,
    Silent,
    SilentQuery,
    WireError,
    decode,
    encode,
)

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 2.0  # for questions while the job runs; with the deadline it stays below 10 s


class JoinError(Exception):
    """The controller is not there, refused, or did not answer; the message is one sentence."""


class PeerLost(Exception):
    """Another worker of the job is gone or silent; the message names its rank."""

    def __init__(self, ranks: tuple[int, ...], reason: str) -> None:
        named = ", ".join(f"rank {rank}" for rank in ranks) or "a rank the switch cannot name"
        super().__init__(f"{named} went silent: {reason}" if reason else f"{named} went silent")
        self.ranks, self.reason = ranks, reason


def connect(address: str, timeout: float = CONNECT_TIMEOUT) -> socket.socket:
    """A stream to the controller at `host:port`, or at a Unix socket's path. Raises JoinError."""
    host, colon, port = address.rpartition(":")
    try:
        if "/" in address or not colon:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(timeout)
            sock.connect(address)
            return sock
        if not port.isdigit():
            raise JoinError(f"{address!r} is neither HOST:PORT nor the path of a socket")
        return socket.create_connection((host or "127.0.0.1", int(port)), timeout)
    except OSError as error:
        reason = error.strerror or str(error)
        raise JoinError(f"no controller answers at {address}: {reason}") from None
    except OverflowError:
        raise JoinError(f"{port} is not a port number") from None


class Lines:
    """Messages on a stream, one a line."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.rest = sock, b""

    def write(self, message: dict[str, object]) -> None:
        try:
            self.sock.sendall(encode(message))
        except OSError as error:
            raise JoinError(f"the controller's connection broke: {error.strerror}") from None

    def read(self, timeout: float) -> dict[str, object] | None:
        """The next message, or None after `timeout` seconds. Raises JoinError where the stream ended."""
        end = time.monotonic() + timeout
        while b"\n" not in self.rest:
            left = max(end - time.monotonic(), 0.0)
            if not select.select([self.sock], [], [], left)[0]:
                return None
            try:
                more = self.sock.recv(65536)
            except OSError as error:
                raise JoinError(f"the controller's connection broke: {error.strerror}") from None
            if not more:
                raise JoinError("the controller closed the connection")
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        try:
            return decode(line)
        except WireError as error:
            raise JoinError(f"the controller's message is not understood: {error}") from None


class Membership:
    """A worker's place in a running job. Close it to leave."""

    def __init__(self, lines: Lines, joined: Joined, request: JoinRequest) -> None:
        self.lines, self.joined, self.request = lines, joined, request
        self.lost: Lost | None = None
        self.restarted: Restarted | None = None  # the switch was, and this worker has not yet gone on
        self.inbox: deque[dict[str, object]] = deque()  # of the events that lead on from there

    def check(self) -> None:
        """Raises PeerLost once the controller has said that a member is gone, JoinError once it is gone
        itself.
        """
        while True:
            message = self.lines.read(0)
            if message is None:
                break
            self._note(message)
        self._mourn()

    def event(self, timeout: float) -> dict[str, object] | None:
        """The next message that leads over the switch's restart, or None after `timeout` seconds; an empty one where
        another restart followed. Raises as check does."""
        end = time.monotonic() + timeout
        while not self.inbox:
            message = self.lines.read(max(end - time.monotonic(), 0.0))
            if message is None:
                return None
            self._note(message)
            self._mourn()
            if message.get("event") == "restarted":
                return {}
        return self.inbox.popleft()

    def _mourn(self) -> None:
        if self.lost is not None:
            raise PeerLost((self.lost.rank,), self.lost.reason)

    def silent(self, pool_index: int, chunk: int) -> Silent:
        """Who keeps a chunk waiting, as the controller reads it from the switch. Raises JoinError and
        PeerLost.
        """
        self.lines.write(SilentQuery(pool_index, chunk).wire())
        end = time.monotonic() + ANSWER_TIMEOUT
        while (left := end - time.monotonic()) > 0:
            message = self.lines.read(left)
            if message is None:
                break
            if "event" in message:
                self._note(message)
                continue
            try:
                return Silent.read(message)
            except WireError as error:
                raise JoinError(str(error)) from None
        raise JoinError(f"the controller did not say within {ANSWER_TIMEOUT:g} s who is silent")

    def leave(self) -> None:
        with contextlib.suppress(JoinError):
            self.lines.write(LEAVE)
        with contextlib.suppress(OSError):
            self.lines.sock.close()

    def _note(self, message: dict[str, object]) -> None:
        with contextlib.suppress(WireError):
            if message.get("event") == "lost":
                self.lost = self.lost or Lost.read(message)
            elif message.get("event") == "restarted":
                self.restarted = Restarted.read(message)
                self.inbox.clear()
            elif message.get("event") in ("resume", "given") or message.get("ok") is False:
                self.inbox.append(message)


def join(address: str, request: JoinRequest, timeout: float) -> Membership:
    """Join a job and wait up to `timeout` seconds for its other workers. Raises JoinError."""
    sock = connect(address)
    lines = Lines(sock)
    try:
        lines.write(request.wire())
        message = lines.read(timeout)
        if message is None:
            raise JoinError(f"job {request.job!r} did not get its {request.workers} workers within {timeout:g} s")
        return Membership(lines, Joined.read(message), request)
    except WireError as error:
        sock.close()
        raise JoinError(str(error)) from None
    except JoinError:
        sock.close()
        raise
