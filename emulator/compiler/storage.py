"""Where variables live: fields of the `scalars` header, header instances, stacks, unions."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import ir
from .types import BOOL, Bits, Stack, Struct, Tuple, Type, Varbit, is_header, is_union, storage_type, strip
from .values import HeaderV, StackV, StructV, TupleV, UnionV

SCALARS = "scalars"


@dataclass(slots=True)
class Storage:
    """Makes instances in the program being built; every name comes out different."""

    program: ir.Program
    taken: dict[str, int] = field(default_factory=lambda: {"scalars": 0, "standard_metadata": 0})
    type_names: dict[Any, str] = field(default_factory=dict)

    def unique(self, hint: str) -> str:
        count = self.taken.get(hint)
        if count is None:
            self.taken[hint] = 0
            return hint
        while True:
            name = f"{hint}_{count}"
            count += 1
            if name not in self.taken:
                self.taken[hint] = count
                self.taken[name] = 0
                return name

    def scalar(self, hint: str, kind: Type) -> ir.Field:
        kind = storage_type(kind)
        name = self.unique(hint)
        self.program.scalars[name] = kind
        return ir.Field(SCALARS, name, kind)

    def make(self, hint: str, kind: Type, metadata: bool = True) -> Any:
        """A place for a value of this type: its parts named after `hint`."""
        real = strip(kind)
        if is_header(real):
            return self.header(self.unique(hint), real)  # type: ignore[arg-type]
        if is_union(real):
            return self.union(self.unique(hint), real)  # type: ignore[arg-type]
        if isinstance(real, Struct):
            return StructV(real, {n: self.make(f"{hint}.{n}", t) for n, t in real.fields.items()})
        if isinstance(real, Stack):
            return self.stack(self.unique(hint), real)
        if isinstance(real, Tuple):
            return TupleV(real, [self.make(f"{hint}.{i}", t) for i, t in enumerate(real.members)])
        if isinstance(real, Varbit):
            return self._varbit(hint, real)
        return self.scalar(hint, kind)

    def _varbit(self, hint: str, kind: Varbit) -> ir.Field:
        """A varbit variable sits alone in a header made for it."""
        type_name = f"$varbit_{kind.width}"
        if type_name not in self.program.header_types:
            self.program.header_types[type_name] = ir.HeaderType(type_name, [("field", kind)])
        name = self.unique(hint)
        self.program.headers[name] = ir.Header(name, type_name)
        return ir.Field(name, "field", kind)

    def header_type(self, kind: Struct) -> str:
        """The target's header type for a header of the language."""
        found = self.type_names.get(kind)
        if found is None:
            found = kind.name
            number = 0
            while found in self.program.header_types or found in self.program.union_types:
                found = f"{kind.name}_{number}"
                number += 1
            self.type_names[kind] = found
            fields = [part for n, t in kind.fields.items() for part in _leaves(n, t)]
            self.program.header_types[found] = ir.HeaderType(found, fields, kind.decl)
        return found

    def header(self, name: str, kind: Struct, union: UnionV | None = None) -> HeaderV:
        self.program.headers[name] = ir.Header(name, self.header_type(kind))
        return HeaderV(kind, name, union)

    def union(self, name: str, kind: Struct) -> UnionV:
        value = UnionV(kind, name, {})
        for member, t in kind.fields.items():
            value.members[member] = self.header(f"{name}.{member}", t, value)  # type: ignore[arg-type]
        type_name = self.type_names.get(kind)
        if type_name is None:
            type_name = self.type_names[kind] = kind.name
            self.program.union_types[type_name] = [
                (m, self.header_type(t)) for m, t in kind.fields.items()]  # type: ignore[arg-type]
        self.program.unions[name] = ir.HeaderUnion(name, type_name, [h.name for h in value.members.values()])
        return value

    def stack(self, name: str, kind: Stack) -> StackV:
        element = kind.element
        assert isinstance(element, Struct)
        names = [f"{name}[{i}]" for i in range(kind.size)]
        if is_union(element):
            elements: list[Any] = [self.union(n, element) for n in names]
            self.program.union_stacks[name] = ir.HeaderStack(name, element.name, kind.size, names, True)
        else:
            elements = [self.header(n, element) for n in names]
            self.program.stacks[name] = ir.HeaderStack(name, self.header_type(element), kind.size, names)
        return StackV(kind, name, elements)


def _leaves(name: str, kind: Type) -> list[tuple[str, Type]]:
    """A header's field as the target has it; structs inside headers become several fields."""
    real = strip(kind)
    if isinstance(real, Struct):
        return [leaf for n, t in real.fields.items() for leaf in _leaves(f"{name}.{n}", t)]
    if isinstance(real, Varbit):
        return [(name, real)]
    return [(name, storage_type(real))]


def header_field(header: HeaderV, name: str, kind: Type) -> Any:
    """The value of one field of a header instance."""
    real = strip(kind)
    if isinstance(real, Struct):
        return StructV(real, {n: header_field(header, f"{name}.{n}", t) for n, t in real.fields.items()})
    if isinstance(real, Varbit):
        return ir.Field(header.name, name, real)
    return ir.Field(header.name, name, storage_type(real))


def valid_field(name: str) -> ir.Field:
    return ir.Field(name, "$valid$", BOOL)


__all__ = ["SCALARS", "Bits", "Storage", "header_field", "valid_field"]
