"""Types as P4Info has them."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import ast
from .p4info_notes import Literal, add_annotations
from .types import BOOL, Bits, Enum, NewType, Stack, Struct, Tuple, Type, Varbit, is_union, strip, width_of


class TypeInfo:
    """Fills type_info with the named types that the rest of P4Info mentions."""

    def __init__(self, info: Any, errors: Sequence[str], constants: Mapping[str, Literal]) -> None:
        self.info = info
        self.errors = errors
        self.constants = constants

    def notes(self, decl: Any, into: Any) -> None:
        """The annotations of a declared type or of a member of it."""
        add_annotations(getattr(decl, "annotations", ()), into, self.constants)

    def translation(self, kind: Type) -> tuple[str, int | None] | None:
        """@p4runtime_translation(uri, sdn type) of a `type`: (uri, bits); bits None means a string."""
        if not isinstance(kind, NewType):
            return None
        note = ast.annotation(kind.decl.annotations, "p4runtime_translation")
        if note is None or len(note.args) < 2 or not isinstance(note.args[0], ast.String):
            return None
        second = note.args[1]
        if isinstance(second, ast.TypeName):
            if isinstance(second.type, ast.SizedType) and isinstance(second.type.width, ast.Number):
                return note.args[0].value, second.type.width.value
            return note.args[0].value, None
        return note.args[0].value, second.value if isinstance(second, ast.Number) else None

    def bitwidth(self, named: Type | None, kind: Type) -> int:
        """Width the control plane sees; 0 for translated strings."""
        found = self.translation(named) if named is not None else None
        if found is not None:
            return found[1] or 0
        return width_of(kind)

    def name(self, kind: Type | None, into: Any) -> None:
        """Mention a `type` by name; enums with a representation only get into type_info."""
        if isinstance(kind, Enum) and kind.under is not None:
            self._enum(kind, None)
        if not isinstance(kind, NewType):
            return
        into.name = kind.name
        if kind.name in self.info.type_info.new_types:
            return
        made = self.info.type_info.new_types[kind.name]
        self.notes(kind.decl, made)
        found = self.translation(kind)
        if found is None:
            self.spec(kind.under, made.original_type)
            return
        made.translated_type.uri = found[0]
        if found[1] is None:
            made.translated_type.sdn_string.SetInParent()
        else:
            made.translated_type.sdn_bitwidth = found[1]

    def spec(self, kind: Type, into: Any) -> None:
        """A P4DataTypeSpec."""
        if isinstance(kind, NewType):
            into.new_type.name = kind.name
            self.name(kind, into.new_type)
        elif isinstance(kind, Enum):
            self._enum(kind, into)
        elif isinstance(kind, Struct):
            self._struct(kind, into)
        elif isinstance(kind, Tuple):
            for member in kind.members:
                self.spec(member, into.tuple.members.add())
        elif isinstance(kind, Stack):
            self._stack(kind, into)
        else:
            self._bits(kind, into)

    def _stack(self, kind: Stack, into: Any) -> None:
        holder = type(into)()
        self.spec(kind.element, holder)  # enters the type
        if is_union(kind.element):
            into.header_union_stack.header_union.name = str(kind.element)
            into.header_union_stack.size = kind.size
        else:
            into.header_stack.header.name = str(kind.element)
            into.header_stack.size = kind.size

    def _bits(self, kind: Type, into: Any) -> None:
        real = strip(kind)
        if real is BOOL:
            into.bool.SetInParent()
        elif isinstance(real, Bits) and real.signed:
            into.bitstring.int.bitwidth = real.width
        elif isinstance(real, Varbit):
            into.bitstring.varbit.max_bitwidth = real.width
        elif isinstance(real, Bits):
            into.bitstring.bit.bitwidth = real.width
        else:
            into.error.SetInParent()
            if not self.info.type_info.error.members:
                self.info.type_info.error.members.extend(self.errors)

    def _enum(self, kind: Enum, into: Any) -> None:
        if kind.under is None:
            into.enum.name = kind.name
            made = self.info.type_info.enums[kind.name]
            if not made.members:
                self.notes(kind.decl, made)
                for member in kind.members:
                    made.members.add().name = member
            return
        if into is not None:
            into.serializable_enum.name = kind.name
        made = self.info.type_info.serializable_enums[kind.name]
        width = width_of(kind)
        made.underlying_type.bitwidth = width
        if not made.members:
            self.notes(kind.decl, made)
            for member, value in kind.members.items():
                item = made.members.add()
                item.name = member
                item.value = (value & ((1 << width) - 1)).to_bytes((width + 7) // 8, "big")

    def _struct(self, kind: Struct, into: Any) -> None:
        table, spec = {"struct": ("structs", into.struct), "header": ("headers", into.header),
                       "header_union": ("header_unions", into.header_union)}[kind.kind]
        spec.name = str(kind)
        made = getattr(self.info.type_info, table)[str(kind)]
        if made.members:
            return
        self.notes(kind.decl, made)
        for name, part in kind.fields.items():
            member = made.members.add()
            member.name = name
            if kind.kind == "header":
                holder = type(into)()
                self.spec(part, holder)
                if holder.HasField("bitstring"):
                    member.type_spec.CopyFrom(holder.bitstring)
                else:  # bool, an enum with a representation, or a `type`: P4Info has only their bits
                    member.type_spec.bit.bitwidth = width_of(part)
            elif kind.kind == "header_union":
                member.header.name = str(part)
                self.spec(part, type(into)())
            else:
                self.spec(part, member.type_spec)
