"""Headers, stacks and unions of a program, and the error a file that cannot be run raises."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.switch.expr import Expr

MAX_FIELD_WIDTH = 8192
MAX_VARBIT_BYTES = 8191


class ModelError(ValueError):
    """The JSON cannot be run; the message is one clear sentence that names the culprit."""


@dataclass(frozen=True, slots=True)
class Field:
    """width: bits (for a varbit the largest width). offset: bits from the header's start, counting the
    varbit as 0 bits wide; so fields behind the varbit lie at offset + its present width."""

    name: str
    width: int
    signed: bool = False
    saturating: bool = False
    varbit: bool = False
    offset: int = 0


@dataclass(frozen=True, slots=True)
class HeaderType:
    """fixed_bits: width of all fields but the varbit. varbit: index of the varbit field or None."""

    name: str
    fields: tuple[Field, ...]
    fixed_bits: int
    varbit: int | None = None
    max_length: int | None = None
    length_expr: Expr | None = None

    def field_index(self, name: str) -> int:
        return next(i for i, f in enumerate(self.fields) if f.name == name)


@dataclass(frozen=True, slots=True)
class Header:
    """stack / union: (index, position) when the header is an element of a stack or a member of a union."""

    name: str
    type: int
    metadata: bool
    stack: tuple[int, int] | None = None
    union: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    name: str
    type: int
    headers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Union:
    """headers: member headers in order. stack: (union stack, position) if it is an element of one."""

    name: str
    members: tuple[str, ...]
    headers: tuple[int, ...]
    stack: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class UnionStack:
    name: str
    unions: tuple[int, ...]
