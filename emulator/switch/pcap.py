"""Packet captures in and out: classic pcap files of either byte order, micro- or nanoseconds."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAGIC_MICRO = 0xA1B2C3D4
MAGIC_NANO = 0xA1B23C4D
ETHERNET = 1
SNAPLEN = 65535
MAX_PACKET = 1 << 20


class PcapError(ValueError):
    """A file that is no capture, or is cut off; one sentence."""


class Captured(NamedTuple):
    """time_us: microseconds since the epoch (of the file's own clock)."""

    time_us: int
    data: bytes


def read_pcap(path: str | Path) -> Iterator[Captured]:
    """The packets of a capture file. Raises PcapError; the packets before a damaged one are given first."""
    try:
        with open(path, "rb") as file:
            yield from _packets(file, str(path))
    except OSError as error:
        raise PcapError(f"cannot read {path}: {error.strerror or error}") from None


def _packets(file: BinaryIO, name: str) -> Iterator[Captured]:
    head = file.read(24)
    order, divisor = _format(head, name)
    while True:
        raw = file.read(16)
        if not raw:
            return
        if len(raw) < 16:
            raise PcapError(f"{name} is cut off within a packet's header")
        seconds, fraction, kept, _ = struct.unpack(order + "IIII", raw)
        if kept > MAX_PACKET:
            raise PcapError(f"{name} holds a packet of {kept} bytes; it is damaged")
        data = file.read(kept)
        if len(data) < kept:
            raise PcapError(f"{name} is cut off within a packet")
        yield Captured(seconds * 1_000_000 + fraction // divisor, data)


def _format(head: bytes, name: str) -> tuple[str, int]:
    """(byte order, divisor from the file's fraction to microseconds)"""
    if len(head) == 24:
        for order in "<>":
            magic = struct.unpack(order + "I", head[:4])[0]
            if magic in (MAGIC_MICRO, MAGIC_NANO):
                return order, 1 if magic == MAGIC_MICRO else 1000
    raise PcapError(f"{name} is not a pcap file")


class PcapWriter:
    """Writes a capture with microseconds; use as a context manager or call close()."""

    def __init__(self, path: str | Path) -> None:
        try:
            self._file = open(path, "wb")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise PcapError(f"cannot write {path}: {error.strerror or error}") from None
        self._file.write(struct.pack("<IHHiIII", MAGIC_MICRO, 2, 4, 0, 0, SNAPLEN, ETHERNET))

    def write(self, data: bytes, time_us: int = 0) -> None:
        seconds, micros = divmod(time_us, 1_000_000)
        kept = data[:SNAPLEN]
        self._file.write(struct.pack("<IIII", seconds & 0xFFFFFFFF, micros, len(kept), len(data)) + kept)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> PcapWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def write_pcap(path: str | Path, packets: Iterable[Captured | bytes]) -> None:
    """Writes all packets; plain bytes get time 0."""
    with PcapWriter(path) as writer:
        for packet in packets:
            if isinstance(packet, bytes):
                writer.write(packet)
            else:
                writer.write(packet.data, packet.time_us)
