"""Parser value sets: the whole set is written and read at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import values
from ..protos import p4r
from ..schema import Schema


@dataclass(frozen=True)
class ValueSetEntry:
    """All members of a value set; a member is a dict of field name -> number."""

    value_set: str = ""
    members: tuple[Mapping[str, values.Value], ...] = ()

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        entry = entity.value_set_entry
        entry.SetInParent()
        if not self.value_set:
            return entity
        known = schema.value_sets[self.value_set]
        entry.value_set_id = known.id
        for member in self.members:
            added = entry.members.add()
            for one in known.fields:
                if one.name not in member:
                    raise ValueError(f"a member of {known.name} lacks {one.name}")
                number = values.parse(member[one.name], one.bitwidth)
                added.match.add(field_id=one.id).exact.value = values.encode(number, one.bitwidth)
        return entity

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> ValueSetEntry:
        known = schema.value_sets[message.value_set_id]
        names = {f.id: f for f in known.fields}
        members = tuple(
            {names[m.field_id].name: values.decode(m.exact.value, names[m.field_id].bitwidth) for m in member.match}
            for member in message.members
        )
        return cls(known.name, members)
