"""Digests: how a switch is to send them, and the lists that arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import values
from ..protos import p4r
from ..schema import Member, Schema


@dataclass(frozen=True)
class DigestEntry:
    """Turns a digest on: a list goes out when it is `max_list_size` long or `max_timeout_ns` old.

    An equal message is not sent again until the list it was in is acknowledged or `ack_timeout_ns` has passed.
    """

    digest: str = ""
    max_list_size: int | None = None
    max_timeout_ns: int = 0
    ack_timeout_ns: int = 0

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        entry = entity.digest_entry
        entry.SetInParent()
        if self.digest:
            entry.digest_id = schema.digests[self.digest].id
        if self.max_list_size is not None:
            entry.config.max_list_size = self.max_list_size
            entry.config.max_timeout_ns = self.max_timeout_ns
            entry.config.ack_timeout_ns = self.ack_timeout_ns
        return entity

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> DigestEntry:
        config = message.config
        return cls(
            schema.digests[message.digest_id].name,
            config.max_list_size,
            config.max_timeout_ns,
            config.ack_timeout_ns,
        )


@dataclass(frozen=True)
class DigestList:
    """One list of messages; each is a dict of member name -> number, inside structs "outer.inner"."""

    digest: str
    list_id: int
    messages: tuple[dict[str, int], ...]
    timestamp_ns: int

    def ack(self, schema: Schema) -> Any:
        """The acknowledgement, a p4.v1.StreamMessageRequest."""
        request = p4r.StreamMessageRequest()
        request.digest_ack.digest_id = schema.digests[self.digest].id
        request.digest_ack.list_id = self.list_id
        return request

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> DigestList:
        digest = schema.digests[message.digest_id]
        rows = tuple(
            {m.name: decode_member(v, m) for m, v in zip(digest.members, leaves(data))} for data in message.data
        )
        return cls(digest.name, message.list_id, rows, message.timestamp)


def leaves(data: Any) -> list[Any]:
    """The P4Data leaves of a struct, a tuple, a header or a single value, from the first to the last."""
    kind = data.WhichOneof("data")
    if kind == "header":
        return [p4r.P4Data(bitstring=part) for part in data.header.bitstrings]
    if kind not in ("struct", "tuple"):
        return [data]
    return [leaf for member in getattr(data, kind).members for leaf in leaves(member)]


def decode_member(data: Any, member: Member) -> int:
    kind = data.WhichOneof("data")
    if kind == "bool":
        return int(data.bool)
    if kind == "enum_value":
        return values.decode(data.enum_value, member.bitwidth)
    if kind in ("enum", "error") and kind == member.kind:
        name = getattr(data, kind)
        if name in member.names:
            return member.names.index(name)
        raise ValueError(f"there is no {kind} {name!r}; there are {', '.join(member.names) or 'none'}")
    if kind == "bitstring":
        reader = values.decode_signed if member.signed else values.decode
        return reader(data.bitstring, member.bitwidth)
    raise ValueError(f"the data is given as {kind or 'nothing'}; set data.{data_kind(member)}")


def type_name(member: Member) -> str:
    """A member's type in words, for a message."""
    if member.kind == "bit":
        return f"{'int' if member.signed else 'bit'}<{member.bitwidth}>"
    return member.kind.replace("_", " ")


def data_kind(member: Member) -> str:
    """The field of P4Data that carries a member's values."""
    return {"bit": "bitstring", "serializable_enum": "enum_value"}.get(member.kind, member.kind)


def encode_member(value: int, member: Member, into: Any) -> None:
    """Fill a P4Data from the bits of a member (unsigned, as the switch holds them)."""
    if member.kind == "bool":
        into.bool = bool(value)
    elif member.kind == "serializable_enum":
        into.enum_value = values.encode(value, member.bitwidth)
    elif member.kind in ("enum", "error"):
        setattr(into, member.kind, member.names[value] if value < len(member.names) else str(value))
    elif member.signed:
        signed = value - (1 << member.bitwidth) if value >> (member.bitwidth - 1) & 1 else value
        into.bitstring = values.encode_signed(signed, member.bitwidth)
    else:
        into.bitstring = values.encode(value, member.bitwidth)
