"""The C engine of rows from Python (`emulator/native/rows.h` is the contract): a worker's sender, the master's receiver.

The interpreter's lock is released while packets move; no Python runs per packet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emulator.native import lib_and_ffi
from workers.query.errors import QueryError, SwitchLost
from workers.query.exchange import Survivors
from workers.query.net.channel import AGAIN_SECONDS, START_LIMIT
from workers.query.pack import PORT, Stream

SLICE_MS = 50
TAKEN_LIMIT = 5.0
SENT_TOGETHER = 1 << 22
"""Rows whose columns are in memory while they are sent. Rows of a key keep to their lane, and lanes end together."""
_DONE, _AGAIN, _OVERDUE = 0, 1, -1


@dataclass(frozen=True)
class Place:
    """A host as the network knows it, and how its process reaches the switch. MAC and IPv4 address are integers.

    interface: of the host; or memory: the path of a shared-memory port's socket. udp_port: where its frames arrive."""

    mac: int
    ip: int
    udp_port: int
    interface: str | None = None
    memory: str | None = None


@dataclass(frozen=True)
class Timing:
    """Seconds: a packet's timeout before a round trip is known, its bounds, and until a silent peer is an error."""

    initial: float = 0.02
    shortest: float = 0.002
    longest: float = 0.5
    deadline: float = 8.0


def _library() -> tuple[Any, Any]:
    try:
        return lib_and_ffi()
    except RuntimeError as error:
        raise QueryError(str(error)) from None


def _opened(ffi: Any, place: Place, opener: Callable[[Any, Any, Any], Any]) -> Any:
    """A sender or receiver. The switch may be starting, or may not have noticed yet that a process before us is gone: so a
    shared-memory port is tried again for a while. Raises QueryError."""
    error = ffi.new("char[256]")
    began = time.monotonic()
    while True:
        raw = opener(*_where(ffi, place), error)
        if raw != ffi.NULL:
            return raw
        starting = place.memory is not None and not Path(place.memory).exists()
        limit = 0.0 if place.memory is None else START_LIMIT if starting else TAKEN_LIMIT
        if time.monotonic() - began > limit:
            raise QueryError(ffi.string(error).decode(errors="replace"))
        time.sleep(AGAIN_SECONDS)


def _link(ffi: Any, place: Place, window: int, timing: Timing, peer: Place | None) -> Any:
    mac = place.mac.to_bytes(6, "big")
    other = peer.mac.to_bytes(6, "big") if peer else bytes(6)
    return ffi.new("struct fpr_link *", {
        "source_mac": list(mac), "peer_mac": list(other), "source_ip": place.ip, "peer_ip": peer.ip if peer else 0,
        "udp_port": place.udp_port, "window": window, "initial_us": round(timing.initial * 1e6),
        "shortest_us": round(timing.shortest * 1e6), "longest_us": round(timing.longest * 1e6),
        "deadline_ms": round(timing.deadline * 1e3),
    })  # fmt: skip


def _where(ffi: Any, place: Place) -> tuple[Any, Any]:
    return (place.interface.encode() if place.interface else ffi.NULL,
            place.memory.encode() if place.memory else ffi.NULL)  # fmt: skip


def _stats(ffi: Any, read: Callable[[Any], None]) -> dict[str, int]:
    raw = ffi.new("struct fpr_stats *")
    read(raw)
    return {name: int(getattr(raw, name)) for name, _ in ffi.typeof("struct fpr_stats").fields}


class Sender:
    """A worker's rows to the switch. Raises QueryError where its port cannot be opened."""

    def __init__(self, place: Place, master: Place, window: int, timing: Timing) -> None:
        self._lib, self._ffi = _library()
        self._error = self._ffi.new("char[256]")
        link = _link(self._ffi, place, window, timing, master)
        self._raw = _opened(self._ffi, place, lambda *where: self._lib.fpr_open_sender(link, *where))
        self.timing = timing

    def _sentence(self) -> str:
        return str(self._ffi.string(self._error).decode(errors="replace"))

    def send(self, stream: Stream, *, query: int, operator: int, worker: int, second: bool, spread: bool,
             first_sequence: int, watch: Callable[[], None] = lambda: None) -> int:
        """Sends all rows until each packet is acknowledged; returns their number of packets.

        watch: called every 50 ms. Raises SwitchLost when a packet stays unacknowledged for the deadline, or the port
        is gone."""
        packets = 0
        for start in range(0, len(stream), SENT_TOGETHER):
            batch = {"query": query, "operator_code": operator, "worker": worker, "second": second, "spread": spread,
                     "first_sequence": (first_sequence + packets) & 0xFFFFFFFF}  # fmt: skip
            packets += self._send(stream.part(start, start + SENT_TOGETHER), batch, watch)
        return packets

    def _send(self, part: Stream, batch: dict[str, Any], watch: Callable[[], None]) -> int:
        rows = np.ascontiguousarray(part.rows, np.uint32)
        keys = np.ascontiguousarray(part.keys, np.uint64)
        values = np.ascontiguousarray(part.values, np.float32)
        cast = self._ffi.cast
        raw = self._ffi.new("struct fpr_batch *", {
            **batch, "count": len(rows), "rows": cast("uint32_t *", rows.ctypes.data),
            "keys": cast("uint64_t *", keys.ctypes.data), "values": cast("float *", values.ctypes.data),
        })  # fmt: skip
        packets = self._lib.fpr_begin(self._raw, raw, self._error)
        if packets < 0:
            raise QueryError(self._sentence())
        status = _AGAIN
        while status == _AGAIN:
            status = self._lib.fpr_step(self._raw, SLICE_MS, self._error)
            watch()
        if status == _OVERDUE:
            raise SwitchLost(f"a packet of rows has had no answer for {self.timing.deadline:g} s: "
                             "the switch or the master is gone")  # fmt: skip
        if status != _DONE:
            raise SwitchLost(self._sentence())
        return int(packets)

    @property
    def stats(self) -> dict[str, int]:
        """Counts since it was opened: packets, repeats, bytes_sent, ...; the fields of struct fpr_stats."""
        return _stats(self._ffi, lambda raw: self._lib.fpr_sender_stats(self._raw, raw))

    def close(self) -> None:
        """Also twice."""
        if self._raw != self._ffi.NULL:
            self._lib.fpr_close_sender(self._raw)
            self._raw = self._ffi.NULL


class Receiver:
    """The master's survivors, taken by a thread of its own until closed. Raises QueryError where its port cannot be
    opened."""

    def __init__(self, place: Place, window: int, timing: Timing) -> None:
        if place.udp_port != PORT:
            raise QueryError(f"survivors arrive at UDP port {PORT}, not {place.udp_port}")
        self._lib, self._ffi = _library()
        self._error, self._own = self._ffi.new("char[256]"), self._ffi.new("char[256]")
        link = _link(self._ffi, place, window, timing, None)
        self._raw = _opened(self._ffi, place, lambda *where: self._lib.fpr_open_receiver(link, *where))
        self._stop = threading.Event()
        self._failure: QueryError | None = None
        self._thread = threading.Thread(target=self._run, name="survivors", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._lib.fpr_receive(self._raw, SLICE_MS, self._error):
                said = str(self._ffi.string(self._error).decode(errors="replace"))
                self._failure = (QueryError if said.startswith("the survivors") else SwitchLost)(said)
                return

    def check(self) -> None:
        """Raises SwitchLost once the port has failed."""
        if self._failure is not None:
            raise self._failure

    def expect(self, query: int, operator: int, before: Sequence[int]) -> None:
        """Takes survivors of this query from now on. before: of each worker, the sequence number before its first."""
        self.check()
        numbers = np.array(before, np.uint32)
        pointer = self._ffi.cast("uint32_t *", numbers.ctypes.data)
        if self._lib.fpr_expect(self._raw, query, operator, len(before), pointer, self._own):
            raise QueryError(str(self._ffi.string(self._own).decode(errors="replace")))

    def take(self) -> tuple[Survivors, int]:
        """What arrived since the last time, and in how many packets."""
        self.check()
        packets = self._ffi.new("uint64_t *")
        count = int(self._lib.fpr_taken(self._raw, packets))
        found = Survivors(np.zeros(count, np.uint8), np.zeros(count, np.uint32), np.zeros(count, np.uint64),
                          np.zeros(count, np.float32))  # fmt: skip
        cast = self._ffi.cast
        self._lib.fpr_take(
            self._raw, count, cast("uint8_t *", found.workers.ctypes.data), cast("uint32_t *", found.rows.ctypes.data),
            cast("uint64_t *", found.keys.ctypes.data), cast("float *", found.values.ctypes.data),
        )  # fmt: skip
        return found, int(packets[0])

    @property
    def stats(self) -> dict[str, int]:
        """The fields of struct fpr_stats."""
        return _stats(self._ffi, lambda raw: self._lib.fpr_receiver_stats(self._raw, raw))

    def close(self) -> None:
        """Also twice."""
        if self._raw != self._ffi.NULL:
            self._stop.set()
            self._thread.join()
            self._lib.fpr_close_receiver(self._raw)
            self._raw = self._ffi.NULL
