"""Values that lie in registers of the program need no place on the stack.

Two hundred sums that wait for a branch to be taken do not fit into the processor's registers, and LLVM would store
each of them twice: into the cell, and onto its stack. So a variable that holds what a cell has just been given is
not carried into the branch's two blocks; they read the cell again if they want it. The row's address is passed
through an empty piece of assembly, so that LLVM does not find out and carry the value after all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emulator.switch.jit.ir import Function, Ref
from emulator.switch.jit.phv import Var
from emulator.switch.jit.values import Val

VECTOR = 64
"""Bytes read at once."""
FEW = 32
"""Below that many a branch's variables stay where they are: processors have registers for these."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a program's register. row: pointer to its row of `stride` bytes; offset: bytes from there; bits, align: of
    its memory."""

    register: int
    row: str
    stride: int
    offset: int
    bits: int
    align: int

    @property
    def line(self) -> int:
        """Offset of the neighbours that are read with it."""
        return self.offset // VECTOR * VECTOR

    @property
    def readable(self) -> bool:
        """Whether that is within the row, and cells do not straddle its ends."""
        return self.bits in (32, 64) and self.line + VECTOR <= self.stride


@dataclass(slots=True)
class Recall:
    """What is known in one basic block. `holding`: value -> the cell it was stored to last. `waiting`: variables that begin
    this block in a cell and have not been asked for. `sent`: label -> what waits in the block that begins there."""

    fn: Function
    holding: dict[str, Cell] = field(default_factory=dict)
    waiting: dict[Var, tuple[Cell, Val]] = field(default_factory=dict)
    sent: dict[str, dict[Var, tuple[Cell, Val]]] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    vectors: dict[tuple[str, int, int], str] = field(default_factory=dict)
    fetch_all: Callable[[], None] = lambda: None

    def start(self, label: str) -> None:
        self.holding = {}
        self.hidden = {}
        self.vectors = {}
        self.waiting = self.sent.pop(label, {})

    def written(self, register: int) -> None:
        """A cell of the register is about to change, which one is not known."""
        if any(cell.register == register for cell, _ in self.waiting.values()):
            self.fetch_all()
        for ref in [r for r, cell in self.holding.items() if cell.register == register]:
            del self.holding[ref]

    def outside(self) -> None:
        """Python is about to run, which can write any register."""
        self.fetch_all()
        self.holding.clear()

    def holds(self, ref: Ref, cell: Cell) -> None:
        if isinstance(ref, str) and cell.readable:
            self.holding[ref] = cell

    def leave(self, values: dict[Var, Val], labels: tuple[str, ...]) -> None:
        """The blocks at `labels`, which have no other way in, will read variables from cells instead of the stack."""
        found = {
            var: (cell, value)
            for var, value in values.items()
            if isinstance(value.ref, str)
            and (cell := self.holding.get(value.ref)) is not None
            and cell.bits == value.bits == var.bits
        }
        if len(found) >= FEW:
            for label in labels:
                self.sent[label] = dict(found)

    def fetch(self, var: Var) -> Val | None:
        """The variable's value read from its cell, if that is where it is."""
        cell, value = self.waiting.pop(var, (None, None))
        if cell is None or value is None:
            return None
        return Val(self._load(cell), value.bits, value.lo, value.hi)

    def _load(self, cell: Cell) -> str:
        """Neighbours are read as one vector: LLVM would have to find them together first, and does not always."""
        lanes = VECTOR * 8 // cell.bits
        start = cell.line
        kind = f"<{lanes} x i{cell.bits}>"
        key = (cell.row, start, cell.bits)
        if key not in self.vectors:
            self.vectors[key] = self.fn.load(kind, self.fn.gep(self._hide(cell.row), start), cell.align)
        return self.fn.pure(f"extractelement {kind} {self.vectors[key]}, i32 {(cell.offset - start) * 8 // cell.bits}")

    def _hide(self, row: str) -> str:
        if row not in self.hidden:
            self.hidden[row] = self.fn.emit(f'call ptr asm "", "=r,0"(ptr {row})')
        return self.hidden[row]
