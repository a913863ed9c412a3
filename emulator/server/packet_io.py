"""Packet-in and packet-out: the controller headers of the P4Info, packed most significant bit first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.p4rt.protos import p4r
from controller.p4rt.schema import ControllerHeader, Schema

from .errors import invalid
from .numbers import canonical, unsigned
from .translation import Translations, Translator


@dataclass(frozen=True)
class Field:
    """One field of a controller header: `width` bits in the packet."""

    id: int
    name: str
    width: int
    translator: Translator | None


@dataclass(frozen=True)
class Layout:
    """A controller header as it lies in a packet, most significant bit first, then zeros up to a whole byte."""

    fields: tuple[Field, ...]

    @property
    def bits(self) -> int:
        return sum(field.width for field in self.fields)

    @property
    def length(self) -> int:
        return (self.bits + 7) // 8

    @property
    def padding(self) -> int:
        return -self.bits % 8


class PacketIo:
    """The two controller headers of a program; a program without them sends and takes bare packets."""

    def __init__(self, schema: Schema, translations: Translations, model: Any = None) -> None:
        """model: of the switch, which knows the widths of translated fields."""
        out, in_ = schema.headers.get("packet_out"), schema.headers.get("packet_in")
        self._out = None if out is None else _layout(out, translations, model)
        self._in = None if in_ is None else _layout(in_, translations, model)

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
            where = f"packet_out metadata {field.name}"
            number = field.translator.number if field.translator is not None else None
            given[field.id] = unsigned(one.value, field.width, where) if number is None else number(one.value, where)
        value = 0
        for field in self._out.fields:
            value = value << field.width | given.get(field.id, 0)
        return (value << self._out.padding).to_bytes(self._out.length, "big") + message.payload

    def from_switch(self, data: bytes) -> Any | None:
        """The p4.v1.StreamMessageResponse for a punted frame; None where it is shorter than its header."""
        message = p4r.StreamMessageResponse()
        if self._in is None:
            message.packet.payload = data
            return message
        length = self._in.length
        if len(data) < length:
            return None
        value = int.from_bytes(data[:length], "big") >> self._in.padding
        left = self._in.bits
        for field in self._in.fields:
            left -= field.width
            part = value >> left & ((1 << field.width) - 1)
            data_ = canonical(part) if field.translator is None else field.translator.data(part)
            message.packet.metadata.add(metadata_id=field.id, value=data_)
        message.packet.payload = data[length:]
        return message


def _layout(header: ControllerHeader, translations: Translations, model: Any) -> Layout:
    """Widths are P4Info's, but for translated fields the program's own: those of the header with these fields."""
    inner = _widths(header, model)
    return Layout(
        tuple(
            Field(f.id, f.name, width or f.bitwidth or 32, translations.of(f, width))
            for f, width in zip(header.fields, inner, strict=True)
        )
    )


def _widths(header: ControllerHeader, model: Any) -> tuple[int | None, ...]:
    names = tuple(f.name for f in header.fields)
    for found in model.header_types if model is not None else ():
        fields = tuple(f for f in found.fields if not f.name.startswith("_padding"))
        if tuple(f.name for f in fields) == names:
            return tuple(f.width for f in fields)
    return (None,) * len(names)
