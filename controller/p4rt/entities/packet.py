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
            value = values.encode_field(self.metadata.get(one.name, 0), one.bitwidth, one.translation)
            request.packet.metadata.add(metadata_id=one.id, value=value)
        return request


@dataclass(frozen=True)
class PacketIn:
    """A packet the switch punted."""

    payload: bytes
    metadata: Mapping[str, int | str]

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> PacketIn:
        known = {f.id: f for f in schema.headers["packet_in"].fields} if message.metadata else {}
        metadata: dict[str, int | str] = {}
        for one in message.metadata:
            if one.metadata_id not in known:
                raise ValueError(f"packet-in metadata {one.metadata_id} is not in the P4Info")
            field_ = known[one.metadata_id]
            metadata[field_.name] = one.value.decode() if field_.translation else int.from_bytes(one.value, "big")
        return cls(message.payload, metadata)
