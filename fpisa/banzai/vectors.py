"""Test vectors of every Verilog unit: random and corner inputs, with the Python model's outputs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fpisa.banzai.units import Atom, Op, StateOp, alu, alu_default, byte_shuffle, fp32_add, rsaw

Ports = tuple[tuple[str, int], ...]  # (name, width), most significant first when packed into one word
CORNERS = (
    0, 1, 2, 3, 31, 32, 33, 63, 255, 256, 0x7F, 0x7FFFFFFE, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF,
    0x55555555, 0xAAAAAAAA, 0x00800000, 0x00FFFFFF, 0x01000000, 0xFF000000,
)  # fmt: skip
# binary32: zeros, subnormals, normals next to a power of two, largest finite, infinities, NaNs with payloads.
FLOAT_CORNERS = tuple(
    sign | magnitude
    for sign in (0, 0x80000000)
    for magnitude in (
        0, 1, 2, 0x007FFFFF, 0x00800000, 0x00800001, 0x00FFFFFF, 0x01000000, 0x3F7FFFFF, 0x3F800000, 0x3F800001,
        0x40000000, 0x4B7FFFFF, 0x4B800000, 0x4B800001, 0x7F000000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000,
        0x7FFFFFFF,
    )
)  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """A Verilog module's ports, a source of inputs and the model that says what must come out."""

    name: str
    inputs: Ports
    outputs: Ports
    draw: Callable[[random.Random], dict[str, int]]
    model: Callable[[dict[str, int]], dict[str, int]]


def word(rng: random.Random) -> int:
    """A corner, a word of a random length, or any word."""
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(CORNERS)
    return rng.getrandbits(rng.randint(1, 32)) if kind < 0.5 else rng.getrandbits(32)


def draw_alu(rng: random.Random) -> dict[str, int]:
    a, b = word(rng), word(rng)
    op = rng.choice(list(Op))
    if rng.random() < 0.1:
        b = a
    if op in (Op.SHL, Op.SHR, Op.ASR) and rng.random() < 0.7:
        b = rng.randrange(40)
    imm = rng.randrange(32) if rng.random() < 0.5 else word(rng)
    return {"op": op, "use_imm": rng.getrandbits(1), "imm": imm, "a": a, "b": b, "c": rng.getrandbits(1)}


def second(v: dict[str, int]) -> int:
    return v["imm"] if v["use_imm"] else v["b"]


def draw_atom(rng: random.Random) -> dict[str, int]:
    state, operand = word(rng), word(rng)
    near = rng.random()
    if near < 0.3:  # at the edge of the comparison operand > state + offset
        offset = rng.randrange(16)
        operand = (state + offset + rng.choice((-1, 0, 1))) & 0xFFFFFFFF
    else:
        offset = rng.choice((0, 7, word(rng)))
    return {
        "op_true": rng.randrange(8), "op_false": rng.randrange(8), "compare": rng.getrandbits(1),
        "give_new": rng.getrandbits(1), "offset": offset, "state": state, "operand": operand,
        "distance": rng.choice((rng.randrange(34), rng.randrange(256))), "force_true": rng.getrandbits(1),
    }  # fmt: skip


def model_atom(v: dict[str, int]) -> dict[str, int]:
    atom = Atom(StateOp(v["op_true"]), StateOp(v["op_false"]), bool(v["compare"]), v["offset"], bool(v["give_new"]))
    after, out = rsaw(atom, v["state"], v["operand"], v["force_true"], v.get("distance", 0))
    return {"next": after, "out": out}


def draw_floats(rng: random.Random) -> dict[str, int]:
    def one() -> int:
        kind = rng.random()
        if kind < 0.3:
            return rng.choice(FLOAT_CORNERS)
        if kind < 0.5:
            return rng.getrandbits(32)
        field = rng.choice((rng.randrange(100, 140), rng.randrange(0, 6), rng.randrange(250, 255)))
        return rng.getrandbits(1) << 31 | field << 23 | rng.getrandbits(23)

    a = one()
    near = rng.random()
    if near < 0.15:  # cancellation, full or nearly so
        return {"a": a, "b": (a ^ 0x80000000) + rng.choice((0, 0, 1, 2, -1)) & 0xFFFFFFFF}
    return {"a": a, "b": one()}


ALU_PORTS: Ports = (("op", 4), ("use_imm", 1), ("imm", 32), ("a", 32), ("b", 32), ("c", 1))
ATOM_PORTS: Ports = (
    ("op_true", 3), ("op_false", 3), ("compare", 1), ("give_new", 1), ("offset", 32), ("state", 32), ("operand", 32),
)  # fmt: skip


def without_distance(rng: random.Random) -> dict[str, int]:
    drawn = draw_atom(rng)
    del drawn["distance"]
    return drawn


VERILOG: dict[str, Unit] = {
    unit.name: unit
    for unit in (
        Unit("alu", ALU_PORTS, (("y", 32),), draw_alu,
             lambda v: {"y": alu_default(Op(v["op"]), v["a"], second(v), v["c"], v["imm"])}),
        Unit("alu_shift", ALU_PORTS, (("y", 32),), draw_alu,
             lambda v: {"y": alu(Op(v["op"]), v["a"], second(v), v["c"])}),
        Unit("raw_atom", (*ATOM_PORTS, ("force_true", 1)), (("next", 32), ("out", 32)), without_distance, model_atom),
        Unit("rsaw_atom", (*ATOM_PORTS, ("distance", 8), ("force_true", 1)), (("next", 32), ("out", 32)),
             draw_atom, model_atom),
        Unit("byte_shuffle", (("select", 8), ("word", 32)), (("shuffled", 32),),
             lambda rng: {"select": rng.getrandbits(8), "word": rng.getrandbits(32)},
             lambda v: {"shuffled": byte_shuffle(v["select"], v["word"])}),
        Unit("fp32_add", (("a", 32), ("b", 32)), (("y", 32),), draw_floats,
             lambda v: {"y": fp32_add(v["a"], v["b"])}),
    )
}  # fmt: skip


def pack(ports: Ports, values: dict[str, int]) -> int:
    """One word of all the ports, the first port in the most significant bits."""
    packed = 0
    for name, width in ports:
        packed = packed << width | values[name]
    return packed


def unpack(ports: Ports, packed: int) -> dict[str, int]:
    values = {}
    for name, width in reversed(ports):
        values[name] = packed & (1 << width) - 1
        packed >>= width
    return values


def vectors(unit: Unit, count: int, seed: int) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """`count` pairs of inputs and the outputs the model gives for them."""
    rng = random.Random(f"{unit.name} {seed}")
    for _ in range(count):
        drawn = unit.draw(rng)
        yield drawn, unit.model(drawn)
