"""Frames in batches, in and out: AF_PACKET on one interface; `workers.loopback` has the in-process one."""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import struct
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workers.wire import ETHERTYPE_IPV4, PORT, PROTOCOL_UDP

Bytes = NDArray[np.uint8]

BATCH = 256  # frames taken per call
SO_ATTACH_FILTER = 26
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23
SIOCGIFADDR = 0x8915
SIOCGIFHWADDR = 0x8927
RECEIVE_BUFFER = 8 << 20


class TransportError(Exception):
    """An interface that is missing, down, or not ours to open."""


class Transport(Protocol):
    """Moves whole frames of one size; may lose, repeat and reorder them."""

    def send(self, frames: Bytes) -> None:
        """Send the rows of `frames`, shape (count, frame bytes)."""

    def receive(self, timeout: float) -> Bytes:
        """Frames that arrived, shape (count, frame bytes); waits up to `timeout` seconds for the first. The
        array is valid until the next call."""

    def close(self) -> None: ...


def interface_address(interface: str) -> tuple[bytes, str]:
    """MAC (6 bytes) and IPv4 address of an interface. Raises TransportError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:  # /sys may show another network namespace
        request = struct.pack("256s", interface.encode()[:15])
        try:
            mac = fcntl.ioctl(query.fileno(), SIOCGIFHWADDR, request)[18:24]
        except OSError:
            raise TransportError(f"there is no network interface {interface!r}") from None
        try:
            answer = fcntl.ioctl(query.fileno(), SIOCGIFADDR, request)
        except OSError:
            raise TransportError(f"interface {interface!r} has no IPv4 address") from None
    return mac, socket.inet_ntoa(answer[20:24])


def _instruction(code: int, yes: int, no: int, operand: int) -> bytes:
    return struct.pack("=HBBI", code, yes, no, operand)


def result_filter(first_port: int, queues: int) -> bytes:
    """A classic BPF program that keeps UDP from port 18000 to `first_port` .. `first_port + queues - 1`."""
    load_half, load_byte, equal, at_least, above, give = 0x28, 0x30, 0x15, 0x35, 0x25, 0x06
    return b"".join(
        (
            _instruction(load_half, 0, 0, 12),
            _instruction(equal, 0, 8, ETHERTYPE_IPV4),
            _instruction(load_byte, 0, 0, 23),
            _instruction(equal, 0, 6, PROTOCOL_UDP),
            _instruction(load_half, 0, 0, 34),
            _instruction(equal, 0, 4, PORT),
            _instruction(load_half, 0, 0, 36),
            _instruction(at_least, 0, 2, first_port),
            _instruction(above, 1, 0, first_port + queues - 1),
            _instruction(give, 0, 0, 0xFFFF),
            _instruction(give, 0, 0, 0),
        )
    )


REFUSE_ALL = _instruction(0x06, 0, 0, 0)


def attach_filter(sock: socket.socket, program: bytes) -> None:
    """Let the kernel drop what `program` refuses before it is queued."""
    memory = np.frombuffer(program, np.uint8).copy()
    header = struct.pack("@HxxxxxxP", len(program) // 8, memory.ctypes.data)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, header)


def reserve_ports(address: str, first_port: int, queues: int) -> list[socket.socket]:
    """UDP sockets that own the result ports, so that nobody else takes them and the kernel does not answer
    results with "port unreachable"; they queue nothing. Raises TransportError where a port is taken."""
    held: list[socket.socket] = []
    for port in range(first_port, first_port + queues):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held.append(sock)
        try:
            attach_filter(sock, REFUSE_ALL)
            sock.bind((address, port))
        except OSError as error:
            close_all(held)
            raise TransportError(f"cannot use UDP port {port} of {address}: {error.strerror}") from None
    return held


def close_all(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.close()


class RawSocket:
    """AF_PACKET on `interface`, receiving the results of ports `udp_port` .. `udp_port + queues - 1`.

    Raises TransportError.
    """

    def __init__(self, interface: str, frame_bytes: int, udp_port: int, queues: int = 1) -> None:
        _, address = interface_address(interface)
        self.held = reserve_ports(address, udp_port, queues)
        try:
            self.sock = self._open(interface, udp_port, queues)
        except OSError as error:
            close_all(self.held)
            hint = " (raw sockets need root)" if isinstance(error, PermissionError) else ""
            raise TransportError(f"cannot open {interface!r}: {error.strerror}{hint}") from None
        self.buffer = np.empty((BATCH, frame_bytes), dtype=np.uint8)
        self.rows = [memoryview(row) for row in self.buffer]  # type: ignore[arg-type]

    @staticmethod
    def _open(interface: str, udp_port: int, queues: int) -> socket.socket:
        # Protocol 0 until the filter is there: nothing else gets queued.
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            attach_filter(sock, result_filter(udp_port, queues))
            sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            sock.bind((interface, ETHERTYPE_IPV4))
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
        return sock

    def send(self, frames: Bytes) -> None:
        for row in frames:
            try:
                self.sock.send(row.data)
            except BlockingIOError:
                select.select([], [self.sock], [], 0.01)  # the send queue is full: the timer resends what is lost
                with contextlib.suppress(BlockingIOError):
                    self.sock.send(row.data)
            except OSError as error:
                raise TransportError(f"sending failed: {error.strerror}") from None

    def receive(self, timeout: float) -> Bytes:
        count = self._take()
        if count == 0 and timeout > 0:
            select.select([self.sock], [], [], timeout)
            count = self._take()
        return self.buffer[:count]

    def _take(self) -> int:
        """Fill the buffer's rows from the socket with what is there. Frames of another size are left out."""
        count, size = 0, self.buffer.shape[1]
        while count < BATCH:
            try:
                if self.sock.recv_into(self.rows[count], flags=socket.MSG_TRUNC) == size:
                    count += 1
            except BlockingIOError:
                break
            except OSError as error:
                raise TransportError(f"receiving failed: {error.strerror}") from None
        return count

    def close(self) -> None:
        close_all([self.sock, *self.held])
