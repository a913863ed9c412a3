"""Sections header_types, headers, header_stacks, header unions and their stacks, aliases."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from emulator.switch.expr import VALID, FieldRead
from emulator.switch.load.checked import fail, index_by_id, index_by_name, natural, need, objects, typed
from emulator.switch.model import (
    MAX_FIELD_WIDTH,
    MAX_VARBIT_BYTES,
    Field,
    Header,
    HeaderType,
    Stack,
    Union,
    UnionStack,
)


@dataclass
class Data:
    """All data objects of a program with their names; built once, read by the other loaders."""

    types: list[HeaderType] = field(default_factory=list)
    headers: list[Header] = field(default_factory=list)
    stacks: list[Stack] = field(default_factory=list)
    unions: list[Union] = field(default_factory=list)
    union_stacks: list[UnionStack] = field(default_factory=list)
    header_index: dict[str, int] = field(default_factory=dict)
    stack_index: dict[str, int] = field(default_factory=dict)
    union_index: dict[str, int] = field(default_factory=dict)
    union_stack_index: dict[str, int] = field(default_factory=dict)
    field_index: list[dict[str, int]] = field(default_factory=list)
    aliases: dict[str, FieldRead] = field(default_factory=dict)
    length_json: dict[int, Any] = field(default_factory=dict)

    def field_ref(self, value: Any, where: str) -> FieldRead:
        """["header", "field"] (or an alias) -> FieldRead."""
        if not (isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value)):
            fail(where, "a field is a list of two names, [header, field]")
        header, name = value
        if header not in self.header_index:
            alias = self.aliases.get(f"{header}.{name}")
            if alias is None:
                fail(where, f"there is no header {header!r}")
            return alias
        return self.member_ref(self.header_index[header], name, where)

    def member_ref(self, header: int, name: str, where: str) -> FieldRead:
        if name == "$valid$":
            return FieldRead(header, VALID)
        kind = self.headers[header].type
        found = self.field_index[kind].get(name)
        if found is None:
            alias = self.aliases.get(f"{self.headers[header].name}.{name}")
            if alias is None:
                fail(where, f"header {self.headers[header].name!r} has no field {name!r}")
            return alias
        return FieldRead(header, found)

    def width(self, ref: FieldRead) -> int:
        return 1 if ref.field == VALID else self.types[self.headers[ref.header].type].fields[ref.field].width


def load_data(doc: dict) -> Data:
    data = Data()
    type_index = _load_types(doc, data)
    ids = _load_headers(doc, data, type_index)
    _load_stacks(doc, data, type_index, ids)
    _load_unions(doc, data, type_index, ids)
    _load_aliases(doc, data)
    return data


def _load_types(doc: dict, data: Data) -> dict[str, int]:
    items = objects(doc, "header_types", "the file")
    names = [need(item, "name", str, where) for item, where in items]
    for i, (item, where) in enumerate(items):
        data.types.append(_header_type(item, where))
        data.field_index.append(index_by_name([f.name for f in data.types[-1].fields], where))
        if item.get("length_exp") is not None:
            data.length_json[i] = item["length_exp"]
    return index_by_name(names, "header_types")


def _header_type(item: dict, where: str) -> HeaderType:
    fields: list[Field] = []
    varbit, offset = None, 0
    max_length = natural(item, "max_length", where, None, MAX_VARBIT_BYTES)
    for raw in need(item, "fields", list, where):
        found = _field(raw, offset, where)
        if found.varbit:
            if varbit is not None:
                fail(where, "a header has at most one field of variable width")
            varbit = len(fields)
        else:
            offset += found.width
        fields.append(found)
    if varbit is not None:
        fields[varbit] = replace(fields[varbit], width=_varbit_width(max_length, offset, where))
    return HeaderType(item["name"], tuple(fields), offset, varbit, max_length)


def _varbit_width(max_length: int | None, fixed_bits: int, where: str) -> int:
    """`max_length` is that of the whole header in bytes (length with the widest varbit)."""
    if max_length is None:
        fail(where, "a header with a field of variable width needs 'max_length'")
    return max(0, 8 * max_length - fixed_bits)


def _field(raw: Any, offset: int, where: str) -> Field:
    typed(raw, list, f"{where}, a field")
    if not 2 <= len(raw) <= 4:
        fail(where, "a field is a list [name, width, signed, saturating]")
    name = typed(raw[0], str, f"{where}, a field's name")
    flags = [typed(flag, bool, f"{where}, field {name!r}") for flag in raw[2:]] + [False, False]
    if raw[1] == "*":
        return Field(name, 0, varbit=True, offset=offset)
    width = typed(raw[1], int, f"{where}, width of field {name!r}")
    if not 0 <= width <= MAX_FIELD_WIDTH:
        fail(where, f"field {name!r} is {width} bits wide; the limit is {MAX_FIELD_WIDTH}")
    return Field(name, width, flags[0], flags[1], offset=offset)


def _load_headers(doc: dict, data: Data, type_index: dict[str, int]) -> dict[int, int]:
    items = objects(doc, "headers", "the file")
    for item, where in items:
        kind = _type_of(item, "header_type", type_index, where)
        metadata = need(item, "metadata", bool, where, False)
        if not metadata and data.types[kind].fixed_bits % 8:
            fail(where, f"its {data.types[kind].fixed_bits} bits are not a whole number of bytes")
        data.headers.append(Header(need(item, "name", str, where), kind, metadata))
    data.header_index = index_by_name([h.name for h in data.headers], "headers")
    return index_by_id([item for item, _ in items], "headers")


def _type_of(item: dict, key: str, type_index: dict[str, int], where: str) -> int:
    name = need(item, key, str, where)
    if name not in type_index:
        fail(where, f"there is no header type {name!r}")
    return type_index[name]


def _members(item: dict, ids: dict[int, int], where: str, key: str = "header_ids") -> tuple[int, ...]:
    found = []
    for raw in need(item, key, list, where):
        typed(raw, int, f"{where}, {key}")
        if raw not in ids:
            fail(where, f"{key} names {raw}, which does not exist")
        found.append(ids[raw])
    if len(set(found)) != len(found):
        fail(where, f"{key} names one header twice")
    return tuple(found)


def _load_stacks(doc: dict, data: Data, type_index: dict[str, int], ids: dict[int, int]) -> None:
    for item, where in objects(doc, "header_stacks", "the file"):
        kind = _type_of(item, "header_type", type_index, where)
        members = _members(item, ids, where)
        if len(members) != natural(item, "size", where) or not members:
            fail(where, "'size' differs from the number of headers, or is 0")
        for position, header in enumerate(members):
            if data.headers[header].type != kind or data.headers[header].stack is not None:
                fail(where, f"header {data.headers[header].name!r} is of another type or in another stack")
            data.headers[header] = replace(data.headers[header], stack=(len(data.stacks), position))
        data.stacks.append(Stack(need(item, "name", str, where), kind, members))
    data.stack_index = index_by_name([s.name for s in data.stacks], "header_stacks")


def _load_unions(doc: dict, data: Data, type_index: dict[str, int], ids: dict[int, int]) -> None:
    kinds = _union_types(doc, type_index)
    items = objects(doc, "header_unions", "the file")
    for item, where in items:
        kind = need(item, "union_type", str, where)
        if kind not in kinds:
            fail(where, f"there is no header union type {kind!r}")
        members = _members(item, ids, where)
        if [data.headers[h].type for h in members] != [t for _, t in kinds[kind]]:
            fail(where, f"its headers do not fit the union type {kind!r}")
        for position, header in enumerate(members):
            if data.headers[header].union is not None:
                fail(where, f"header {data.headers[header].name!r} is in another union")
            data.headers[header] = replace(data.headers[header], union=(len(data.unions), position))
        names = tuple(name for name, _ in kinds[kind])
        data.unions.append(Union(need(item, "name", str, where), names, members))
    data.union_index = index_by_name([u.name for u in data.unions], "header_unions")
    _load_union_stacks(doc, data, index_by_id([item for item, _ in items], "header_unions"))


def _union_types(doc: dict, type_index: dict[str, int]) -> dict[str, list[tuple[str, int]]]:
    kinds: dict[str, list[tuple[str, int]]] = {}
    for item, where in objects(doc, "header_union_types", "the file"):
        members = []
        for raw in need(item, "headers", list, where):
            if not (isinstance(raw, list) and len(raw) == 2 and all(isinstance(v, str) for v in raw)):
                fail(where, "a member is a list of two names, [member, header type]")
            if raw[1] not in type_index:
                fail(where, f"there is no header type {raw[1]!r}")
            members.append((raw[0], type_index[raw[1]]))
        kinds[need(item, "name", str, where)] = members
    return kinds


def _load_union_stacks(doc: dict, data: Data, ids: dict[int, int]) -> None:
    for item, where in objects(doc, "header_union_stacks", "the file"):
        key = "header_union_ids" if "header_union_ids" in item else "header_ids"
        members = _members(item, ids, where, key)
        if len(members) != natural(item, "size", where) or not members:
            fail(where, "'size' differs from the number of unions, or is 0")
        shapes = {tuple(data.headers[h].type for h in data.unions[u].headers) for u in members}
        if len(shapes) != 1 or any(data.unions[u].stack is not None for u in members):
            fail(where, "its unions are of several types or in another stack")
        for position, union in enumerate(members):
            data.unions[union] = replace(data.unions[union], stack=(len(data.union_stacks), position))
        data.union_stacks.append(UnionStack(need(item, "name", str, where), members))
    data.union_stack_index = index_by_name([s.name for s in data.union_stacks], "header_union_stacks")


def _load_aliases(doc: dict, data: Data) -> None:
    for raw in need(doc, "field_aliases", list, "the file", []):
        if not (isinstance(raw, list) and len(raw) == 2 and isinstance(raw[0], str)):
            fail("field_aliases", "an alias is a list [name, [header, field]]")
        data.aliases[raw[0]] = data.field_ref(raw[1], f"alias {raw[0]!r}")
