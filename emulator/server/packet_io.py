"""Packet-in and packet-out: the controller headers of the P4Info, packed most significant bit first."""

from __future__ import annotations

from typing import Any

from controller.p4rt.protos import p4r
from controller.p4rt.schema import ControllerHeader, Schema

from .errors import invalid
from .match import canonical, unsigned


class PacketIo:
    """The two controller headers of a program; a program without them sends and takes bare packets."""

    def __init__(self, schema: Schema) -> None:
        self._out = schema.headers.get("packet_out")
        self._in = schema.headers.get("packet_in")

    def to_switch(self, message: Any) -> bytes:
        """The frame that a p4.v1.PacketOut stands for; metadata left out is zero."""
        if self._out is None:
            if message.metadata:
                raise invalid("the program has no packet_out header", "leave the metadata out")
            return message.payload
        fields = {f.id: f for f in self._out.fields}
        given: dict[int, int] = {}
        for one in message.metadata:
            field = fields.get(one.metadata_id)
            if field is None:
                known = ", ".join(f"{f.id} ({f.name})" for f in self._out.fields)
                raise invalid(f"packet_out has no metadata {one.metadata_id}", f"it has {known}")
            if one.metadata_id in given:
                raise invalid(f"packet_out metadata {field.name} is given twice", "give it once")
            given[one.metadata_id] = unsigned(one.value, field.bitwidth, f"packet_out metadata {field.name}")
        value = 0
        for field in self._out.fields:
            value = value << field.bitwidth | given.get(field.id, 0)
        return (value << _padding(self._out)).to_bytes(_length(self._out), "big") + message.payload

    def from_switch(self, data: bytes) -> Any | None:
        """The p4.v1.StreamMessageResponse for a punted frame; None where it is shorter than its header."""
        message = p4r.StreamMessageResponse()
        if self._in is None:
            message.packet.payload = data
            return message
        length = _length(self._in)
        if len(data) < length:
            return None
        value = int.from_bytes(data[:length], "big") >> _padding(self._in)
        left = sum(f.bitwidth for f in self._in.fields)
        for field in self._in.fields:
            left -= field.bitwidth
            part = value >> left & ((1 << field.bitwidth) - 1)
            message.packet.metadata.add(metadata_id=field.id, value=canonical(part))
        message.packet.payload = data[length:]
        return message


def _length(header: ControllerHeader) -> int:
    return (sum(f.bitwidth for f in header.fields) + 7) // 8


def _padding(header: ControllerHeader) -> int:
    return -sum(f.bitwidth for f in header.fields) % 8
