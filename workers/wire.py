"""The frame: one table of fields, from which the NumPy dtype and the scapy layer are made.

`p4src/headers.p4` declares the same fields; `tests/test_contract.py` compares the two.
"""

from __future__ import annotations

import functools
import socket
import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[Any]  # structured, see frame_dtype; one row a frame

VERSION = 1
PORT = 18000  # UDP destination of contributions
ETHERTYPE_IPV4 = 0x0800
PROTOCOL_UDP = 17

CONTRIBUTION, RESULT, RESULT_AGAIN = 0, 1, 2
INEXACT, OVERFLOW, INVALID = 1, 2, 4

MIN_ELEMENTS, MAX_ELEMENTS = 32, 256


class Field(NamedTuple):
    """One header field; `signed` where its value is two's complement."""

    name: str
    bits: int
    signed: bool = False


HEADERS: dict[str, tuple[Field, ...]] = {
    "ethernet": (Field("destination", 48), Field("source", 48), Field("ethertype", 16)),
    "ipv4": (
        Field("version", 4),
        Field("header_words", 4),
        Field("diffserv", 8),
        Field("total_bytes", 16),
        Field("identification", 16),
        Field("fragment", 16),
        Field("ttl", 8),
        Field("protocol", 8),
        Field("checksum", 16),
        Field("source", 32),
        Field("destination", 32),
    ),
    "udp": (Field("source", 16), Field("destination", 16), Field("bytes", 16), Field("checksum", 16)),
    "fpisa": (
        Field("version", 4),
        Field("kind", 4),
        Field("format", 8),
        Field("job", 16),
        Field("rank", 8),
        Field("queue", 8),
        Field("pool_index", 16),
        Field("chunk", 32),
        Field("flags", 8),
        Field("exponent", 8, signed=True),
        Field("elements", 16),
    ),
}


def header_bytes(name: str) -> int:
    """Length of the header called `name`, in bytes."""
    return sum(field.bits for field in HEADERS[name]) // 8


ETHERNET_BYTES = header_bytes("ethernet")
IPV4_BYTES = header_bytes("ipv4")
UDP_BYTES = header_bytes("udp")
FPISA_BYTES = header_bytes("fpisa")
HEADER_BYTES = ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES + FPISA_BYTES


class WireFormat(NamedTuple):
    """How values of one number format travel: the header's code and the NumPy type of a value in a frame."""

    name: str
    code: int
    value: str


FORMATS = {
    entry.name: entry
    for entry in (
        WireFormat("int32", 0, ">i4"),
        WireFormat("fp32", 1, "<u4"),
        WireFormat("fp16", 2, "<u2"),
        WireFormat("bf16", 3, "<u2"),
        WireFormat("fp8_e4m3", 4, "u1"),
        WireFormat("fp8_e5m2", 5, "u1"),
    )
}


def get_format(name: str) -> WireFormat:
    """The wire format called `name`. Raises ValueError naming the known ones."""
    if name not in FORMATS:
        raise ValueError(f"unknown wire format {name!r}; known are {', '.join(FORMATS)}")
    return FORMATS[name]


def value_bytes(wire: WireFormat) -> int:
    """Length of one value."""
    return np.dtype(wire.value).itemsize


def check_elements(elements: int) -> int:
    """`elements` itself. Raises ValueError where no program takes that many values a packet."""
    if not MIN_ELEMENTS <= elements <= MAX_ELEMENTS:
        raise ValueError(f"a packet holds {MIN_ELEMENTS} to {MAX_ELEMENTS} values, not {elements}")
    return elements


def _columns(header: str) -> list[tuple[str, str] | tuple[str, str, tuple[int, ...]]]:
    """NumPy columns of one header. Fields below a byte share one named after both; MACs are six bytes."""
    columns: list[Any] = []
    partial: list[str] = []
    for field in HEADERS[header]:
        if field.bits < 8:
            partial.append(field.name)
            if len(partial) == 2:
                columns.append((f"{header}_{'_'.join(partial)}", "u1"))
                partial = []
        elif field.bits == 48:
            columns.append((f"{header}_{field.name}", "u1", (6,)))
        else:
            columns.append((f"{header}_{field.name}", f">{'i' if field.signed else 'u'}{field.bits // 8}"))
    return columns


@functools.cache
def frame_dtype(wire: WireFormat, elements: int) -> np.dtype:
    """A whole frame as one packed record: `ethernet_source`, ..., `fpisa_chunk`, ..., `values` (elements,).

    The two half-bytes at the head of IPv4 and of FPISA are `ipv4_version_header_words` and
    `fpisa_version_kind`.
    """
    columns: list[Any] = [column for header in HEADERS for column in _columns(header)]
    return np.dtype([*columns, ("values", wire.value, (elements,))])


class Addresses(NamedTuple):
    """Where a worker's frames come from and go to: MACs as bytes, IPv4 addresses as text."""

    source_mac: bytes
    source_ip: str
    switch_mac: bytes
    switch_ip: str


def mac_bytes(text: str) -> bytes:
    """Six bytes of a MAC address written with colons. Raises ValueError."""
    try:
        raw = bytes(int(part, 16) for part in text.split(":"))
    except ValueError:
        raw = b""
    if len(raw) != 6:
        raise ValueError(f"{text!r} is not a MAC address such as 02:00:00:00:00:01")
    return raw


def mac_text(raw: bytes) -> str:
    """`raw`, six bytes, with colons."""
    return ":".join(f"{byte:02x}" for byte in raw)


def ip_number(text: str) -> int:
    """An IPv4 address as an unsigned integer. Raises ValueError."""
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
    except OSError:
        raise ValueError(f"{text!r} is not an IPv4 address") from None


def checksum(header: bytes) -> int:
    """RFC 1071 checksum of an IPv4 header whose own checksum field is 0."""
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def template(
    wire: WireFormat, elements: int, addresses: Addresses, udp_port: int, job: int, rank: int, queue: int
) -> np.ndarray:
    """One contribution, shape (), complete but for chunk, pool index, exponent and values (all 0)."""
    frame = np.zeros((), dtype=frame_dtype(wire, elements))
    payload = FPISA_BYTES + elements * frame.dtype["values"].base.itemsize
    frame["ethernet_destination"] = np.frombuffer(addresses.switch_mac, "u1")
    frame["ethernet_source"] = np.frombuffer(addresses.source_mac, "u1")
    frame["ethernet_ethertype"] = ETHERTYPE_IPV4
    frame["ipv4_version_header_words"] = 0x45
    frame["ipv4_total_bytes"] = IPV4_BYTES + UDP_BYTES + payload
    frame["ipv4_ttl"] = 64
    frame["ipv4_protocol"] = PROTOCOL_UDP
    frame["ipv4_source"] = ip_number(addresses.source_ip)
    frame["ipv4_destination"] = ip_number(addresses.switch_ip)
    head = frame.tobytes()[ETHERNET_BYTES : ETHERNET_BYTES + IPV4_BYTES]
    frame["ipv4_checksum"] = checksum(head)
    frame["udp_source"] = udp_port + queue
    frame["udp_destination"] = PORT
    frame["udp_bytes"] = UDP_BYTES + payload
    frame["fpisa_version_kind"] = VERSION << 4 | CONTRIBUTION
    frame["fpisa_format"] = wire.code
    frame["fpisa_job"] = job
    frame["fpisa_rank"] = rank
    frame["fpisa_queue"] = queue
    frame["fpisa_elements"] = elements
    return frame
