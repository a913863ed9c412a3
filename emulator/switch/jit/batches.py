"""Batches of packets in memory, as emulator/native/pipeline.h lays them out, written and read by Python."""

from __future__ import annotations

import ctypes
import itertools
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

RECORD = struct.Struct("<QIHH")
"""struct fp_packet."""
LINE = 64
"""Bytes on whose multiples outputs begin in the arena."""
MOST = 0xFFFF
"""Packets that can be appended at once: their number is handed back in 16 bits."""


def _record(at: int, size: int, port: int) -> bytes:
    return RECORD.pack(at, size, port & 0xFFFF, 0)


@dataclass(slots=True)
class Room:
    """What is left of a call's output. out, arena: addresses. count, capacity: records there are, and can be; used, size: bytes
    of the arena."""

    out: int
    count: int
    capacity: int
    arena: int
    used: int
    size: int

    def append(self, packets: Iterable[tuple[int, bytes]], lost: Callable[[], None]) -> int:
        """Adds (port, bytes) as far as they fit; `lost` is called for each that does not. Returns the number of records
        added, and in the high bits the bytes of the arena taken."""
        first, begin = self.count, self.used
        for port, data in packets:
            if self.count >= self.capacity or self.used + len(data) > self.size or self.count - first >= MOST:
                lost()
                continue
            ctypes.memmove(self.arena + self.used, data, len(data))
            record = _record(self.arena + self.used, len(data), port)
            ctypes.memmove(self.out + RECORD.size * self.count, record, RECORD.size)
            self.used += -(-len(data) // LINE) * LINE
            self.count += 1
        return (self.count - first) | (min(self.used, self.size) - begin) << 16


class Batch:
    """Packets and room for what becomes of them. copies: records kept free for one packet's; growth: bytes a packet may grow."""

    def __init__(self, packets: Sequence[tuple[int, bytes]], copies: int, growth: int, capacity: int = 256):
        self.count = len(packets)
        self._source = np.frombuffer(bytearray(b"".join(data for _, data in packets) + bytes(LINE)), np.uint8)
        sizes = [len(data) for _, data in packets]
        self._starts = [0, *itertools.accumulate(sizes)][: self.count]
        first = int(self._source.ctypes.data)
        records = (
            _record(first + start, size, port)
            for start, size, (port, _) in zip(self._starts, sizes, packets, strict=True)
        )
        self._in = np.frombuffer(b"".join(records) or bytes(RECORD.size), np.uint8)
        self.capacity = capacity + copies
        self.arena = np.zeros(self.capacity * (max(sizes, default=0) + growth + LINE), np.uint8)
        self._out = np.zeros(RECORD.size * self.capacity, np.uint8)
        self.n_out = np.zeros(1, np.int32)

    def patch(self, number: int, offset: int, data: bytes) -> None:
        """Overwrites bytes of input packet `number`."""
        at = self._starts[number] + offset
        self._source[at : at + len(data)] = np.frombuffer(data, np.uint8)

    def rows(self, size: int) -> np.ndarray:
        """The packets' bytes (packets, size), for batches of packets of one size; writing changes them."""
        return self._source[: self.count * size].reshape(self.count, size)

    def arguments(self, state: int, first: int, now: int) -> tuple[int, ...]:
        """Of a fp_process_fn call for the packets from number `first` on."""
        return (
            state,
            int(self._in.ctypes.data) + RECORD.size * first,
            self.count - first,
            int(self._out.ctypes.data),
            self.capacity,
            int(self.n_out.ctypes.data),
            int(self.arena.ctypes.data),
            self.arena.nbytes,
            now,
        )

    def call(self, function, state: int, first: int, now: int) -> int:
        return int(function(*self.arguments(state, first, now)))

    def results(self) -> list[tuple[int, bytes]]:
        """(port, bytes) of what the last call put out."""
        found = []
        for k in range(int(self.n_out[0])):
            place, size, port, _ = RECORD.unpack_from(self._out.data, RECORD.size * k)
            found.append((port, ctypes.string_at(place, size)))
        return found
