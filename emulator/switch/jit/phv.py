"""The packet header vector: every variable a packet carries through the pipelines, and its place in memory.

In compiled code each variable is a stack slot that LLVM turns into registers. In memory (between the stages when
the traffic manager runs in Python, and for packets that leave the fast path) it is a cell of `bits` bits
at byte `offset` of one block; a varbit's bytes lie in a buffer of that block.
"""

from __future__ import annotations

from dataclasses import dataclass

from emulator.switch.expr import VALID
from emulator.switch.jit.values import container
from emulator.switch.model import Model


@dataclass(frozen=True, slots=True, eq=False)
class Var:
    """width: bits of meaning; bits: of the container, kept zero- or sign-extended."""

    name: str
    width: int
    bits: int
    signed: bool
    offset: int
    metadata: bool = False


@dataclass(frozen=True, slots=True)
class Buffer:
    """A varbit's bytes. size: the longest, in bytes. used: variable with its present width in bits."""

    offset: int
    size: int
    used: Var


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """Variables that are no field. Requests: 0 is none; list requests are index + 2 (1: no field list).

    length: of the packet, following headers added and removed. position: bytes the parser consumed.
    clone: list request; session: its session. truncate: length + 1. exit: leave the pipeline. odd: see notes.py."""

    length: Var
    position: Var
    exit: Var
    clone: Var
    session: Var
    resubmit: Var
    recirculate: Var
    digest: Var
    truncate: Var
    error: Var
    odd: Var


class Phv:
    """The catalogue of a model's variables."""

    def __init__(self, model: Model):
        self.model = model
        self.vars: list[Var] = []
        self.size = 0
        self.fields: list[list[Var | None]] = []
        self.buffers: dict[tuple[int, int], Buffer] = {}
        self.valid: list[Var] = []
        varbits: list[tuple[int, int, int, Var]] = []
        self.always: set[Var] = set()
        for h, header in enumerate(model.headers):
            row: list[Var | None] = []
            self.valid.append(self._var(f"{header.name}.$valid$", 1))
            if header.metadata:
                self.always.add(self.valid[h])
            for f, field in enumerate(model.header_type(h).fields):
                if field.varbit:
                    row.append(None)
                    used = self._var(f"{header.name}.{field.name}.$used$", 32)
                    varbits.append((h, f, (field.width + 7) // 8, used))
                else:
                    row.append(self._var(f"{header.name}.{field.name}", field.width, field.signed, header.metadata))
            self.fields.append(row)
        self.next = [self._var(f"{s.name}.$next$", 32) for s in model.stacks]
        self.union_next = [self._var(f"{s.name}.$next$", 32) for s in model.union_stacks]
        names = (
            "length",
            "position",
            "exit",
            "clone",
            "session",
            "resubmit",
            "recirculate",
            "digest",
            "truncate",
        )
        self.own = Intrinsics(*(self._var("$" + n, 32) for n in (*names, "error", "odd")))
        for h, f, size, used in varbits:
            self.buffers[h, f] = Buffer(self.size, size, used)
            self.size += (size + 7) // 8 * 8 + 8

    def _var(self, name: str, width: int, signed: bool = False, metadata: bool = False) -> Var:
        bits = container(width)
        self.size = -(-self.size // 8) * 8 if bits > 32 else self.size
        var = Var(name, width, bits, signed and width > 0, self.size, metadata)
        self.vars.append(var)
        self.size += bits // 8
        if bits > 32:
            self.size = -(-self.size // 8) * 8
        return var

    def field(self, header: int, field: int) -> Var:
        """Raises KeyError for a varbit."""
        if field == VALID:
            return self.valid[header]
        var = self.fields[header][field]
        if var is None:
            raise KeyError(f"{self.model.headers[header].name} field {field} is a varbit")
        return var

    def standard(self, name: str) -> Var | None:
        """Variable of a standard_metadata field, None when the program has none of this name."""
        place = self.model.standard.place(name)
        return None if place is None else self.fields[place.header][place.field]
