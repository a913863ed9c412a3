"""Cells of register arrays. simple_switch_grpc has no registers over P4Runtime; this project's switch has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import values
from ..protos import p4r
from ..schema import Schema
from .digest import decode_member, encode_member


@dataclass(frozen=True)
class RegisterEntry:
    """One cell. A read with no index asks for the whole array, with no register for all arrays.

    `value` is the number the program sees: signed for a register of int<W>.
    """

    register: str = ""
    index: int | None = None
    value: int | None = None

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        entry = entity.register_entry
        entry.SetInParent()
        if self.register:
            entry.register_id = schema.registers[self.register].id
        if self.index is not None:
            entry.index.index = self.index
        if self.value is not None:
            element = schema.registers[self.register].element
            if element.signed:
                entry.data.bitstring = values.encode_signed(self.value, element.bitwidth)
            else:
                encode_member(self.value, element, entry.data)
        return entity

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> RegisterEntry:
        register = schema.registers[message.register_id]
        value = decode_member(message.data, register.element)
        return cls(register.name, message.index.index, value)
