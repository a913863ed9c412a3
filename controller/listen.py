"""A worker's connection from the controller's side: what is read with patience, and peers that are no longer there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

MAX_CONNECTIONS = 4096
UNREAD_S = 10.0  # for how long a peer may leave its answers unread
KEEPALIVE = (1, 1, 3)  # seconds of silence before the first probe, between two, and how many go unanswered


class Impatient(Exception):
    """The connection is given up; the message is one sentence."""


async def next_line(reader: asyncio.StreamReader, expected: Callable[[], bool], idle: float) -> bytes:
    """The next line, newline included; empty at the end. Raises ValueError for a line beyond the reader's limit, and
    Impatient where nothing comes for `idle` seconds while `expected()` says that something must."""
    task = asyncio.ensure_future(reader.readline())
    try:
        while True:
            must = expected()
            await asyncio.wait({task}, timeout=idle)
            if task.done():
                return task.result()
            if must and expected():
                raise Impatient(f"nothing was said for {idle:g} s; join a job, or connect again when there is one")
    finally:
        task.cancel()


async def drained(writer: asyncio.StreamWriter, patience: float = UNREAD_S) -> None:
    """Return when the peer has read enough of its answers. Raises Impatient where it does not."""
    try:
        await asyncio.wait_for(writer.drain(), patience)
    except TimeoutError:
        writer.transport.abort()  # what it has not read is not worth keeping
        raise Impatient(f"it left its answers unread for {patience:g} s") from None


def notice_dead_peers(writer: asyncio.StreamWriter) -> None:
    """A TCP peer whose machine vanished is noticed within seconds, whether it is written to or not."""
    sock = writer.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    for name, value in zip(names, KEEPALIVE, strict=True):
        sock.setsockopt(socket.IPPROTO_TCP, name, value)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * KEEPALIVE[2])


def clear_socket(path: Path) -> None:
    """Remove a socket that nobody listens on; OSError where somebody does or it is another kind of file."""
    if not path.exists():
        return
    if not path.is_socket():
        raise OSError(f"{path} exists and is not a socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(f"another controller listens on {path}")
