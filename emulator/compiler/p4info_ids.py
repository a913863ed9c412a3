"""Ids and aliases of P4Info's objects.

Ids are prefix << 24 | the low 24 bits of Jenkins' one-at-a-time hash of the name; a taken id moves on by one, names in
sorted order; @id overrides.
"""
from __future__ import annotations

from typing import Any

from . import ast, ir
from .emit_json import KNOWN_EXTERNS
from .p4info_notes import Literal, add_annotations, add_doc
from .p4info_order import object_order

PREFIX = {"action": 1, "table": 2, "value_set": 3, "controller_header": 4, "action_profile": 0x11, "counter": 0x12,
          "direct_counter": 0x13, "meter": 0x14, "direct_meter": 0x15, "register": 0x16, "digest": 0x17}
OBJECTS = {"action_profile": "action_profile", "action_selector": "action_profile", "counter": "counter",
           "direct_counter": "direct_counter", "meter": "meter", "direct_meter": "direct_meter", "register": "register"}
"""v1model's externs that P4Info has messages for, and the kind of their ids."""
FIRST_EXTERN, EXTERNS = 0x81, 0xFE - 0x81 + 1
"""Ids of extern types: those that P4Runtime leaves to architectures and vendors."""
EXTERN = "extern "
"""Before the name of a type, where kinds of objects are told apart."""


def user_externs(program: ir.Program) -> list[ir.Instance]:
    """Objects of extern types that the program declares itself."""
    return [i for i in object_order(program, list(program.instances.values())) if i.kind not in KNOWN_EXTERNS]


def extern_type_ids(program: ir.Program) -> dict[str, int]:
    """An id for each type of `user_externs`, by its name; a taken one moves on."""
    found: dict[str, int] = {}
    for kind in sorted({item.kind for item in user_externs(program)})[:EXTERNS]:
        low = jenkins(kind) % EXTERNS
        while FIRST_EXTERN + low in found.values():
            low = (low + 1) % EXTERNS
        found[kind] = FIRST_EXTERN + low
    return found


def jenkins(name: str) -> int:
    """One-at-a-time hash of a name's bytes, 32 bits."""
    value = 0
    for byte in name.encode():
        value = (value + byte) & 0xFFFFFFFF
        value = (value + (value << 10)) & 0xFFFFFFFF
        value ^= value >> 6
    value = (value + (value << 3)) & 0xFFFFFFFF
    value ^= value >> 11
    return (value + (value << 15)) & 0xFFFFFFFF


class Names:
    """Ids and aliases of all objects. `wanted`: (kind, name) -> id asked for by @id, or None.

    `hashed` gives the name to hash where that is another: a controller header's is its type's.
    """

    def __init__(self, wanted: dict[tuple[str, str], int | None], hashed: dict[tuple[str, str], str],
                 constants: dict[str, Literal], prefix: dict[str, int] = PREFIX) -> None:
        self.constants = constants
        self.ids: dict[tuple[str, str], int] = {}
        taken: set[int] = set()
        for key, asked in wanted.items():
            if asked is not None:
                full = asked if asked >> 24 else prefix[key[0]] << 24 | asked
                self.ids[key] = full
                taken.add(full)
        for kind, name in sorted(wanted, key=lambda k: (prefix[k[0]], k[1])):
            if (kind, name) in self.ids:
                continue
            low = jenkins(hashed.get((kind, name), name)) & 0xFFFFFF
            while prefix[kind] << 24 | low in taken:
                low = (low + 1) & 0xFFFFFF
            self.ids[kind, name] = prefix[kind] << 24 | low
            taken.add(prefix[kind] << 24 | low)
        self.aliases = shortest_suffixes([name for _, name in wanted])

    def preamble(self, kind: str, name: str, notes: ast.Annotations, into: Any) -> int:
        into.id = self.ids[kind, name]
        into.name = name
        into.alias = self.aliases[name]
        self.notes(notes, into)
        return int(into.id)

    def notes(self, notes: ast.Annotations, into: Any) -> None:
        """Annotations, and documentation where P4Info has a place for it."""
        add_annotations(notes, into, self.constants)
        if "doc" in into.DESCRIPTOR.fields_by_name:
            add_doc(notes, into)


def shortest_suffixes(names: list[str]) -> dict[str, str]:
    """The shortest dotted suffix of each name that no other name ends in."""
    counts: dict[str, int] = {}
    for name in set(names):
        parts = name.split(".")
        for start in range(len(parts)):
            suffix = ".".join(parts[start:])
            counts[suffix] = counts.get(suffix, 0) + 1
    out = {}
    for name in names:
        parts = name.split(".")
        suffixes = [".".join(parts[i:]) for i in range(len(parts) - 1, -1, -1)]
        out[name] = next((s for s in suffixes if counts[s] == 1), name)
    return out


def asked(notes: ast.Annotations) -> int | None:
    found = ast.annotation(notes, "id")
    if found and found.args and isinstance(found.args[0], ast.Number):
        return found.args[0].value
    return None
