"""Rows to frames and back, as NumPy arrays of the wire's own layout (p4src/query_headers.p4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emulator.native import lib_and_ffi_if_built
from workers.query.shelf import Column, parts

LANES = 16
PORT = 18001
WORKER_PORT = 18002
VERSION = 1
ROWS, SURVIVORS, ACKNOWLEDGEMENT = 0, 1, 2

ENTRY = np.dtype([("row", ">u4"), ("key", ">u8"), ("value", ">f4")])
HEADER = np.dtype(
    [
        ("destination_mac", "u1", 6), ("source_mac", "u1", 6), ("ethertype", ">u2"),
        ("version_words", "u1"), ("diffserv", "u1"), ("total_bytes", ">u2"), ("identification", ">u2"),
        ("fragment", ">u2"), ("ttl", "u1"), ("protocol", "u1"), ("checksum", ">u2"),
        ("source_ip", ">u4"), ("destination_ip", ">u4"),
        ("source_port", ">u2"), ("destination_port", ">u2"), ("udp_bytes", ">u2"), ("udp_checksum", ">u2"),
        ("version_kind", "u1"), ("operator", "u1"), ("query", ">u2"), ("worker", "u1"), ("flags", "u1"),
        ("sequence", ">u4"), ("valid", ">u2"), ("taken", ">u2"),
    ]
)  # fmt: skip
FRAME = np.dtype([*[(name, HEADER[name]) for name in HEADER.names or ()], ("rows", ENTRY, LANES)])


@dataclass(frozen=True)
class Host:
    """Where a worker or the master lives."""

    port: int
    mac: int
    ip: int

    @property
    def mac_bytes(self) -> np.ndarray:
        return np.frombuffer(self.mac.to_bytes(6, "big"), np.uint8)


@dataclass(frozen=True)
class Stream:
    """One worker's rows: row ids (n,) uint32, keys (n,) uint64, values (n,) float32; arrays, or columns in files.

    The rows may lie in another process (`workers.query.net`), which has only what operators ask of a stream: its length,
    `sample`, `least`. Rows are looked into by whoever sends them, in the worker's process."""

    rows: Column
    keys: Column
    values: Column

    def __len__(self) -> int:
        return len(self.rows)

    def sample(self, step: int) -> np.ndarray:
        """Every step-th value."""
        return self.values[::step]

    @property
    def least(self) -> float:
        """The least value but for NaN; +inf if there is none."""
        return min((float(np.nanmin(self.values[part], initial=np.inf)) for part in parts(len(self))), default=np.inf)

    def part(self, start: int, stop: int) -> Stream:
        return Stream(self.rows[start:stop], self.keys[start:stop], self.values[start:stop])


@dataclass(frozen=True)
class Address:
    """What all frames of one worker in one phase share."""

    operator: int
    query: int
    worker: int
    second: bool
    source: Host
    destination: Host


def ip_checksum(header: np.ndarray) -> int:
    """Ones' complement checksum of the IPv4 header of one frame (a HEADER record)."""
    words = np.frombuffer(header.tobytes()[14:34], ">u2").astype(np.uint32)
    total = int(words.sum())
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def headers(count: int, dtype: np.dtype, source: Host, destination: Host) -> np.ndarray:
    """(count,) frames of `dtype` with Ethernet, IPv4 and UDP headers filled in but for the UDP ports."""
    one = np.zeros(1, dtype)
    one["destination_mac"], one["source_mac"] = destination.mac_bytes, source.mac_bytes
    one["ethertype"], one["version_words"], one["ttl"], one["protocol"] = 0x0800, 0x45, 64, 17
    one["total_bytes"], one["udp_bytes"] = dtype.itemsize - 14, dtype.itemsize - 34
    one["source_ip"], one["destination_ip"] = source.ip, destination.ip
    one["checksum"] = ip_checksum(one[0])
    return np.repeat(one, count)


def pack(stream: Stream, address: Address, first_sequence: int, spread: bool) -> np.ndarray:
    """Frames of a stream, (packets,) FRAME: by C, and where that is not built by NumPy.

    spread: rows take lanes in turn, for operators without keys; otherwise a key's low four bits name its lane, so
    that one key always meets the same registers, and the fullest lane decides the number of packets. Rows of one
    lane keep their order."""
    library = lib_and_ffi_if_built()
    if library is None:
        return by_numpy(stream, address, first_sequence, spread)
    lib, ffi = library
    columns = [np.ascontiguousarray(column[:], dtype) for column, dtype in
               ((stream.rows, np.uint32), (stream.keys, np.uint64), (stream.values, np.float32))]  # fmt: skip
    rows, keys, values = (ffi.cast(f"{kind} *", column.ctypes.data) for kind, column in
                          zip(("uint32_t", "uint64_t", "float"), columns, strict=True))  # fmt: skip
    source, destination = address.source, address.destination
    link = ffi.new("struct fpr_link *", {
        "source_mac": source.mac.to_bytes(6, "big"), "peer_mac": destination.mac.to_bytes(6, "big"),
        "source_ip": source.ip, "peer_ip": destination.ip, "udp_port": WORKER_PORT,
    })  # fmt: skip
    batch = ffi.new("struct fpr_batch *", {
        "rows": rows, "keys": keys, "values": values, "count": len(stream), "query": address.query,
        "operator_code": address.operator, "worker": address.worker, "second": address.second, "spread": spread,
        "first_sequence": first_sequence & 0xFFFFFFFF,
    })  # fmt: skip
    error = ffi.new("char[256]")
    frames = np.empty(max(0, lib.fpr_pack(link, batch, ffi.NULL, 0, error)), FRAME)
    if lib.fpr_pack(link, batch, ffi.cast("uint8_t *", frames.ctypes.data), len(frames), error) < 0:
        raise MemoryError(ffi.string(error).decode())
    return frames


def by_numpy(stream: Stream, address: Address, first_sequence: int, spread: bool) -> np.ndarray:
    """`pack` without C."""
    count = len(stream)
    rows, keys, values = stream.rows[:], stream.keys[:], stream.values[:]
    if spread:
        place, lane = np.divmod(np.arange(count), LANES)
        order = np.arange(count)
    else:
        lane = (keys & np.uint64(LANES - 1)).astype(np.uint8)
        order = np.argsort(lane, kind="stable")
        lane = lane[order].astype(np.int64)
        sizes = np.bincount(lane, minlength=LANES)
        place = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    packets = int(place.max()) + 1 if count else 0
    frames = headers(packets, FRAME, address.source, address.destination)
    frames["source_port"], frames["destination_port"] = WORKER_PORT, PORT
    frames["version_kind"] = VERSION << 4 | ROWS
    frames["operator"], frames["query"], frames["worker"] = address.operator, address.query, address.worker
    frames["flags"] = int(address.second)
    frames["sequence"] = np.arange(first_sequence, first_sequence + packets)
    entries = frames["rows"]
    entries["row"][place, lane] = rows[order]
    entries["key"][place, lane] = keys[order]
    entries["value"][place, lane] = values[order]
    held = np.zeros((packets, LANES), np.uint16)
    held[place, lane] = 1
    frames["valid"] = held @ (np.uint16(1) << np.arange(LANES, dtype=np.uint16))
    return frames


def valid_lanes(frames: np.ndarray) -> np.ndarray:
    """(packets, 16) bool: which entries of each frame hold a row."""
    return (frames["valid"].astype(np.uint16)[:, None] >> np.arange(LANES, dtype=np.uint16) & 1).astype(bool)


_ODD = np.random.default_rng(20210521).integers(0, 2**63, 33, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def fingerprints(frames: np.ndarray) -> np.ndarray:
    """(n,) uint64 of what (n,) FRAME carry: the rows and which lanes hold them."""
    words = np.ascontiguousarray(frames["rows"]).view("<u8").reshape(len(frames), 32)
    return (words * _ODD[:32]).sum(axis=1, dtype=np.uint64) + frames["valid"].astype(np.uint64) * _ODD[32]


def acknowledgements(frames: np.ndarray, master: Host) -> np.ndarray:
    """The master's answers to survivor frames, (packets,) HEADER, with the survivors' lanes as they came."""
    replies = headers(len(frames), HEADER, master, master)
    for name in ("operator", "query", "worker", "flags", "sequence", "valid", "taken"):
        replies[name] = frames[name]
    replies["destination_mac"], replies["destination_ip"] = frames["source_mac"], frames["source_ip"]
    replies["source_port"], replies["destination_port"] = PORT, frames["source_port"]
    replies["version_kind"] = VERSION << 4 | ACKNOWLEDGEMENT
    raw = replies.view(np.uint8).reshape(len(replies), HEADER.itemsize)
    replies["checksum"] = 0
    words = raw[:, 14:34].reshape(len(replies), 10, 2).astype(np.uint32)
    total = (words[:, :, 0] << 8 | words[:, :, 1]).sum(axis=1)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    replies["checksum"] = ~total & 0xFFFF
    return replies
