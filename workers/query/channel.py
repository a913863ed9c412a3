"""Messages between executors, drivers and the process that owns a switch: a JSON object and raw bytes, over a socket.

Every wait has an end: a peer that does not answer within a stated time is an error."""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

from workers.query.errors import QueryError

LENGTHS = struct.Struct(">II")
LONGEST = 1 << 26
"""Bytes of either part of a message."""
ANSWER_SECONDS = 60.0
WAIT_SECONDS = 600.0
"""For a place at the switch, or for an earlier sender of the same partition to leave."""


@dataclass(frozen=True)
class Address:
    """Where a switch's process listens, and the secret its callers must know. Goes to executors with the query."""

    host: str
    port: int
    token: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def send(peer: socket.socket, fields: dict[str, Any], payload: bytes | memoryview = b"") -> None:
    """One message."""
    head = json.dumps(fields).encode()
    peer.sendall(LENGTHS.pack(len(head), len(payload)) + head)
    if len(payload):
        peer.sendall(payload)


def receive(peer: socket.socket) -> tuple[dict[str, Any], bytearray] | None:
    """The next message; None if the peer has closed the connection. Raises ValueError for what is no message."""
    start = _exactly(peer, LENGTHS.size)
    if start is None:
        return None
    head, payload = LENGTHS.unpack(start)
    if head > LONGEST or payload > LONGEST:
        raise ValueError("a message is too long")
    text, data = _exactly(peer, head), _exactly(peer, payload)
    if text is None or data is None:
        raise ValueError("a message broke off")
    fields = json.loads(bytes(text))
    if not isinstance(fields, dict):
        raise ValueError("a message is not an object")
    return fields, data


def _exactly(peer: socket.socket, count: int) -> bytearray | None:
    data = bytearray(count)
    view = memoryview(data)
    while len(view):
        got = peer.recv_into(view)
        if not got:
            return None
        view = view[got:]
    return data


class Channel:
    """A caller's end. Raises QueryError when the switch's process is away, silent, or says what is wrong."""

    def __init__(self, address: Address):
        self.address = address
        try:
            self.socket = socket.create_connection((address.host, address.port), timeout=10)
        except OSError as error:
            raise QueryError(f"no switch answers at {address}: {error.strerror or error}") from None
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ask("hello", token=address.token)

    def ask(self, do: str, payload: bytes | memoryview = b"", *, seconds: float = ANSWER_SECONDS,
            **fields: Any) -> tuple[dict[str, Any], bytearray]:
        """Sends a request and returns what is answered."""
        self.socket.settimeout(seconds)
        try:
            send(self.socket, {"do": do, **fields}, payload)
            answer = receive(self.socket)
        except TimeoutError:
            raise QueryError(f"the switch at {self.address} did not answer within {seconds:g} s") from None
        except (OSError, ValueError) as error:
            raise QueryError(f"the connection to the switch at {self.address} broke: {error}") from None
        if answer is None:
            raise QueryError(f"the switch at {self.address} closed the connection")
        if "error" in answer[0]:
            raise QueryError(str(answer[0]["error"]))
        return answer

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
