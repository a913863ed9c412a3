"""Register reads and writes without a branch.

Each block of registers has one row more than it needs: an access out of range, or on a path not taken, goes there. So
the loads and stores of neighbouring instances stay in one basic block, next to one another.
"""

from __future__ import annotations

from emulator.switch.jit import notes
from emulator.switch.jit.gen import Gen
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.recall import Cell
from emulator.switch.jit.values import Val, const, unsigned_range


def in_range(g: Gen, index: Val, size: int) -> Ref:
    low = g.arith.compare("<", index, const(size))
    return g.fn.and_(low, g.arith.compare(">=", index, const(0)))


def _row(g: Gen, register: int, index: Val, allowed: Ref) -> str:
    """Address of a row; the spare one's where not `allowed`."""
    place = g.layout.places[register]
    row = g.arith.widen(index, 64) if index.bits <= 64 else g.arith.modulo(index, 64)
    row = g.fn.select(allowed, 64, row, place.rows)
    offset = g.fn.op("mul", 64, row, place.stride)
    return g.fn.gep(g.address("block", place.block), offset)


def read_register(g: Gen, register: int, index: Val, otherwise: Val) -> Val:
    """The cell's value (unsigned), or `otherwise` out of range."""
    place = g.layout.places[register]
    inside = in_range(g, index, place.rows)
    notes.note(g, "register_index_out_of_range", g.fn.not_(inside))
    if inside == 0:
        return otherwise
    pointer = g.fn.gep(_row(g, register, index, inside), place.offset)
    ref = g.fn.load(f"i{place.cell}", pointer, place.align, g.tag(f"r{register}"))
    lo, hi = unsigned_range(place.width)
    bits = max(place.cell, 32)
    value = Val(g.fn.zext(ref, place.cell, bits), bits, lo, hi)
    return g.arith.select(inside, value, otherwise)


def write_register(g: Gen, register: int, index: Val, value: Val) -> None:
    """Stores the value's bits (modulo the width); nothing happens out of range or off the path."""
    place = g.layout.places[register]
    inside = in_range(g, index, place.rows)
    notes.note(g, "register_index_out_of_range", g.fn.not_(inside))
    if inside == 0:
        return
    row = _row(g, register, index, g.on(inside))
    ref = g.arith.modulo(g.arith.mask(value, place.width), place.cell)
    pointer = g.fn.gep(row, place.offset)
    g.recall.written(register)
    g.fn.store(f"i{place.cell}", g.fn.ref(ref, place.cell), pointer, place.align, g.tag(f"r{register}"))
    g.recall.holds(ref, Cell(register, row, place.stride, place.offset, place.cell, place.align))


def count(g: Gen, counter: int, index: Val, size: int) -> None:
    """Adds one packet and its ingress length to a counter; nothing out of range or off the path."""
    inside = in_range(g, index, size)
    notes.note(g, "counter_index_out_of_range", g.fn.not_(inside))
    if inside == 0:
        return
    row = g.fn.select(inside, 64, g.arith.modulo(index, 64), 0)
    add_to_counter(g, g.fn.gep(g.address("counter", counter), g.fn.op("mul", 64, row, 16)), g.on(inside))


def add_to_counter(g: Gen, pointer: str, when: Ref) -> None:
    """The pair (packets, bytes) at `pointer`, where `when` holds. Memory must be there in any case."""
    tag = g.tag("counter")
    for offset, amount in ((0, 1), (8, g.fn.zext(g.arrived_length(), 32, 64))):
        cell = g.fn.gep(pointer, offset)
        old = g.fn.load("i64", cell, 8, tag)
        g.fn.store("i64", g.fn.ref(g.fn.op("add", 64, old, g.fn.select(when, 64, amount, 0)), 64), cell, 8, tag)
