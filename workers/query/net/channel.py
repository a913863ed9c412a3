"""Messages between master and workers on a stream: a JSON object and bytes that belong to it."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from workers.query.errors import QueryError

Message = dict[str, Any]
_HEAD = struct.Struct(">IQ")
MOST_HEAD = 1 << 24
AGAIN_SECONDS = 0.02


class ChannelClosed(Exception):
    """The other end is gone."""


@dataclass
class Channel:
    """Any thread may send, one receives."""

    socket: socket.socket
    sent: int = 0
    received: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, message: Message, body: Any = b"") -> None:
        """body: bytes or anything with a buffer. Raises ChannelClosed."""
        view = memoryview(body).cast("B") if len(body) else memoryview(b"")
        head = json.dumps(message).encode()
        with self._lock:
            try:
                self.socket.sendall(_HEAD.pack(len(head), len(view)) + head)
                self.socket.sendall(view)
            except OSError:
                raise ChannelClosed from None
            self.sent += _HEAD.size + len(head) + len(view)

    def receive(self) -> tuple[Message, bytearray]:
        """Raises ChannelClosed, also for what is no message."""
        head, body = _HEAD.unpack(self._exactly(_HEAD.size))
        if head > MOST_HEAD:
            raise ChannelClosed
        message = json.loads(bytes(self._exactly(head)))
        data = self._exactly(body)
        self.received += _HEAD.size + head + body
        return message, data

    def _exactly(self, count: int) -> bytearray:
        data = bytearray(count)
        view = memoryview(data)
        while len(view):
            try:
                got = self.socket.recv_into(view)
            except OSError:
                raise ChannelClosed from None
            if not got:
                raise ChannelClosed
            view = view[got:]
        return data

    def close(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


def listen(where: str) -> tuple[socket.socket, str]:
    """unix:PATH or tcp:HOST:PORT (port 0: any); the socket and the address bound. Raises OSError."""
    kind, _, rest = where.partition(":")
    if kind == "unix":
        server = socket.socket(socket.AF_UNIX)
        server.bind(rest)
        server.listen()
        return server, where
    host, _, port = rest.rpartition(":")
    server = socket.create_server((host, int(port)))
    return server, f"tcp:{host}:{server.getsockname()[1]}"


START_LIMIT = 60.0
"""Seconds that a process waits for the ones it was started together with."""


def connect(where: str, limit: float = START_LIMIT) -> socket.socket:
    """The other end of `listen`, which may not listen yet. Raises QueryError after `limit` seconds."""
    until = time.monotonic() + limit
    while True:
        try:
            stream = _connected(where)
            break
        except OSError as error:
            if time.monotonic() > until:
                raise QueryError(f"nobody answers at {where}: {error.strerror or error}") from None
        time.sleep(AGAIN_SECONDS)
    stream.settimeout(None)
    return stream


def _connected(where: str) -> socket.socket:
    kind, _, rest = where.partition(":")
    if kind == "unix":
        stream = socket.socket(socket.AF_UNIX)
        try:
            stream.connect(rest)
        except OSError:
            stream.close()
            raise
        return stream
    host, _, port = rest.rpartition(":")
    stream = socket.create_connection((host, int(port)), 10.0)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def to_arrow(table: pa.Table, compression: str | None = "zstd") -> pa.Buffer:
    """Arrow IPC stream of a table."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def from_arrow(data: Any) -> pa.Table:
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()
