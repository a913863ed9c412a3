"""Packets to and from the controller, with their metadata by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import values
from ..protos import p4r
from ..schema import Schema


@dataclass(frozen=True)
class PacketOut:
    """A packet for the switch; metadata left out is zero."""

    payload: bytes
    metadata: Mapping[str, values.Value] = field(default_factory=dict)

    def encode(self, schema: Schema) -> Any:
        """A p4.v1.StreamMessageRequest."""
        request = p4r.StreamMessageRequest()
        request.packet.payload = self.payload
        if not self.metadata and "packet_out" not in schema.headers:
            return request
        known = schema.headers["packet_out"].fields
        unknown = set(self.metadata) - {f.name for f in known}
        if unknown:
            names = ", ".join(f.name for f in known)
            raise ValueError(f"packet_out has no metadata {', '.join(sorted(unknown))}; it has: {names}")
        for one in known:
            value = values.parse(self.metadata.get(one.name, 0), one.bitwidth)
            request.packet.metadata.add(metadata_id=one.id, value=values.encode(value, one.bitwidth))
        return request


@dataclass(frozen=True)
class PacketIn:
    """A packet the switch punted."""

    payload: bytes
    metadata: Mapping[str, int]

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> PacketIn:
        known = {f.id: f for f in schema.headers["packet_in"].fields} if message.metadata else {}
        metadata = {}
        for one in message.metadata:
            if one.metadata_id not in known:
                raise ValueError(f"packet-in metadata {one.metadata_id} is not in the P4Info")
            metadata[known[one.metadata_id].name] = int.from_bytes(one.value, "big")
        return cls(message.payload, metadata)
