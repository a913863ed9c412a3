"""Where registers lie in memory: arrays of equal size share one block, row by row.

N instances of a control have N register arrays, indexed alike. Side by side in one row, the N cells a packet touches
are neighbours, and LLVM's SLP vectoriser turns N scalar accesses into vector ones. Within a row, arrays that play the
same part (the same step of equal code) lie together; narrow ones are widened to 32 bits so that all lanes have one
width. Every block has one spare row, where accesses out of range go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass

import numpy as np

from emulator.switch.model import Model, Primitive
from emulator.switch.state import State, element_dtype, element_limbs

LANES = 4
"""Arrays of one part from this number on are worth lanes of 32 bits."""
LINE = 64


@dataclass(frozen=True, slots=True)
class Place:
    """One register array: cell of `cell` bits at byte `offset` of each of `rows` rows of `stride` bytes."""

    block: int
    rows: int
    stride: int
    offset: int
    cell: int
    width: int

    @property
    def align(self) -> int:
        return min(self.cell // 8, 8)


@dataclass(frozen=True, slots=True)
class RegisterLayout:
    """places: by register index. blocks: bytes of each block, the spare row included."""

    places: tuple[Place, ...]
    blocks: tuple[int, ...]


def plan(model: Model) -> RegisterLayout:
    """The layout; depends on the model alone."""
    parts = access_parts(model)
    by_size: dict[int, list[int]] = {}
    for index, register in enumerate(model.registers):
        by_size.setdefault(register.size, []).append(index)
    places: dict[int, Place] = {}
    blocks: list[int] = []
    for size, members in by_size.items():
        offsets, cells, stride = _row(model, members, parts)
        for index in members:
            width = model.registers[index].width
            places[index] = Place(len(blocks), size, stride, offsets[index], cells[index], width)
        blocks.append(stride * (size + 1))
    return RegisterLayout(tuple(places[i] for i in range(len(model.registers))), tuple(blocks))


def _row(model: Model, members: list[int], parts: list[object]) -> tuple[dict[int, int], dict[int, int], int]:
    """Offsets and cell widths of the registers of one block, and the row's length."""
    groups: dict[object, list[int]] = {}
    for index in members:
        groups.setdefault((model.registers[index].width, parts[index]), []).append(index)
    _take_strays(model, groups)
    offsets: dict[int, int] = {}
    cells: dict[int, int] = {}
    at = 0
    for group in sorted(groups.values(), key=len, reverse=True):
        width = model.registers[group[0]].width
        cell = element_dtype(width).itemsize * 8 * element_limbs(width)
        if len(group) >= LANES:
            cell = max(cell, 32)
        unit = LINE if len(group) * cell // 8 >= LINE else min(cell // 8, 8)
        at = -(-at // unit) * unit
        for index in group:
            offsets[index], cells[index] = at, cell
            at += cell // 8
    unit = LINE if at >= LINE else max(min(cells[i] // 8, 8) for i in members)
    return offsets, cells, -(-at // unit) * unit


def _take_strays(model: Model, groups: dict[object, list[int]]) -> None:
    """The first instance's code is often not quite that of the others: what was known before it has gone into it. An array
    on its own joins the large group whose sequence of register numbers it continues."""
    large = [g for g in groups.values() if len(g) >= LANES]
    for key in [k for k, g in groups.items() if len(g) < LANES]:
        for index in list(groups[key]):
            width = model.registers[index].width
            home = next((g for g in large if model.registers[g[0]].width == width and _continues(g, index)), None)
            if home is not None:
                groups[key].remove(index)
                home.append(index)
                home.sort()
        if not groups[key]:
            del groups[key]


def _continues(group: list[int], index: int) -> bool:
    step = group[1] - group[0]
    return group[-1] - group[-2] == step and index in (group[0] - step, group[-1] + step)


WINDOW = 3
"""Steps of an action that tell an access's part: it and those just before it."""


def access_parts(model: Model) -> list[object]:
    """What part each register plays: the code just before and at the places that touch it, with names left out.

    Instances of one control are equal code but for the variables and registers they name, be they actions of their
    own or stretches of one long action."""
    found: list[set[object]] = [set() for _ in model.registers]
    for action in model.actions:
        code = [_shape(p) for p in action.body]
        for step, primitive in enumerate(action.body):
            for register in _registers(primitive):
                found[register].add(tuple(code[max(0, step - WINDOW + 1) : step + 1]))
    return [frozenset(f) for f in found]


def _registers(primitive: Primitive) -> Iterator[int]:
    if primitive.op == "register_read":
        yield primitive.args[1]  # type: ignore[misc]
    elif primitive.op == "register_write":
        yield primitive.args[0]  # type: ignore[misc]


_NAMES = frozenset({"header", "field", "register", "stack", "union", "union_stack"})


def _shape(item: object) -> object:
    """An expression or primitive with variable and register names left out."""
    if isinstance(item, Primitive):
        names = {"register_read": {1}, "register_write": {0}}.get(item.op, set())
        return (item.op, *(0 if k in names else _shape(a) for k, a in enumerate(item.args)))
    if is_dataclass(item):
        kind = type(item).__name__
        return (kind, *(0 if f.name in _NAMES else _shape(getattr(item, f.name)) for f in fields(item)))
    if isinstance(item, tuple):
        return tuple(_shape(i) for i in item)
    return item


def allocate(layout: RegisterLayout) -> list[np.ndarray]:
    """Zeroed blocks, each starting on a cache line."""
    blocks = []
    for size in layout.blocks:
        raw = np.zeros(size + LINE, np.uint8)
        start = -raw.ctypes.data % LINE
        blocks.append(raw[start : start + size])
    return blocks


def view(place: Place, block: np.ndarray) -> np.ndarray:
    """The array as Python sees it: (rows,) unsigned, or (rows, limbs) of 64 bits."""
    if place.cell <= 64:
        return np.ndarray((place.rows,), f"<u{place.cell // 8}", block, place.offset, (place.stride,))
    shape = (place.rows, place.cell // 64)
    return np.ndarray(shape, "<u8", block, place.offset, (place.stride, 8))


def layout(model: Model) -> Mapping[str, np.ndarray]:
    """The `layout` hook of `State`."""
    planned = plan(model)
    blocks = allocate(planned)
    return {r.name: view(p, blocks[p.block]) for r, p in zip(model.registers, planned.places, strict=True)}


def adopt(state: State, planned: RegisterLayout) -> list[np.ndarray]:
    """Moves a state's registers, with what they hold, into fresh blocks; returns the blocks."""
    blocks = allocate(planned)
    for register, place in zip(state.registers, planned.places, strict=True):
        array = view(place, blocks[place.block])
        array[...] = register.data
        register.data = array
    return blocks
