"""The arithmetic units on 32-bit words, in plain integers: the model the Verilog in `rtl/` is held against.

Words are unsigned integers below 2**32; a signed reading is two's complement.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

MASK = 0xFFFFFFFF
SIGN = 0x80000000


class Op(IntEnum):
    """Stateless operations; the numbers are the opcodes of rtl/alu.v."""

    COPY = 0
    ADD = 1
    SUB = 2
    ADD_SAT = 3
    AND = 4
    OR = 5
    XOR = 6
    SELECT = 7
    EQUAL = 8
    BELOW = 9
    LESS = 10
    SHL = 11
    SHR = 12
    ASR = 13


class StateOp(IntEnum):
    """Operations of the stateful units on (state, operand); the numbers are those of rtl/raw_atom.v."""

    KEEP = 0
    OVERWRITE = 1
    ADD = 2
    ADD_SAT = 3
    OR = 4
    AND = 5
    AND_NOT = 6
    SUB = 7


SHIFTS = frozenset({Op.SHL, Op.SHR, Op.ASR})


def signed(word: int) -> int:
    """The two's-complement reading of a 32-bit word."""
    return word - (1 << 32) if word & SIGN else word


def saturated_sum(a: int, b: int) -> int:
    total = signed(a) + signed(b)
    return max(-(1 << 31), min((1 << 31) - 1, total)) & MASK


def shift(op: Op, a: int, distance: int) -> int:
    """Shift by any distance; 32 or more gives 0, or the sign in every bit for ASR."""
    if op is Op.SHL:
        return (a << distance) & MASK if distance < 32 else 0
    if op is Op.SHR:
        return a >> distance if distance < 32 else 0
    return (signed(a) >> min(distance, 31)) & MASK


def alu(op: Op, a: int, b: int, c: int = 0) -> int:
    """One result of the stateless unit with operand shifts (rtl/alu_shift.v); `c` chooses for SELECT."""
    match op:
        case Op.COPY:
            return b
        case Op.ADD:
            return (a + b) & MASK
        case Op.SUB:
            return (a - b) & MASK
        case Op.ADD_SAT:
            return saturated_sum(a, b)
        case Op.AND:
            return a & b
        case Op.OR:
            return a | b
        case Op.XOR:
            return a ^ b
        case Op.SELECT:
            return a if c else b
        case Op.EQUAL:
            return int(a == b)
        case Op.BELOW:
            return int(a < b)
        case Op.LESS:
            return int(signed(a) < signed(b))
        case _:
            return shift(op, a, b)


def alu_default(op: Op, a: int, b: int, c: int, immediate: int) -> int:
    """The unit of today's switch (rtl/alu.v): a shift's distance is the instruction's low five bits, whatever `b` is."""
    return shift(op, a, immediate & 31) if op in SHIFTS else alu(op, a, b, c)


@dataclass(frozen=True)
class Atom:
    """Instruction of a stateful unit: two operations and the predicate that chooses between them.

    The predicate is the forced bit, or `operand > state + offset` (unsigned, 33 bits wide) where `compare` is set.
    """

    if_true: StateOp
    if_false: StateOp
    compare: bool = False
    offset: int = 0
    give_new: bool = True


def state_result(op: StateOp, base: int, operand: int) -> int:
    match op:
        case StateOp.KEEP:
            return base
        case StateOp.OVERWRITE:
            return operand
        case StateOp.ADD:
            return (base + operand) & MASK
        case StateOp.ADD_SAT:
            return saturated_sum(base, operand)
        case StateOp.OR:
            return base | operand
        case StateOp.AND:
            return base & operand
        case StateOp.AND_NOT:
            return base & ~operand & MASK
        case _:
            return (base - operand) & MASK


def rsaw(atom: Atom, state: int, operand: int, force: int, distance: int = 0) -> tuple[int, int]:
    """Read, shift right arithmetically, operate, write (rtl/rsaw_atom.v): (next state, output word).

    The distance is a byte. With distance 0 this is the read-add-write atom of rtl/raw_atom.v.
    """
    taken = bool(force) or (atom.compare and operand > state + atom.offset)
    after = state_result(atom.if_true if taken else atom.if_false, shift(Op.ASR, state, distance & 0xFF), operand)
    return after, after if atom.give_new else state


def byte_shuffle(select: int, word: int) -> int:
    """Byte i of the result is byte `select[2i+1:2i]` of `word` (rtl/byte_shuffle.v)."""
    source = word.to_bytes(4, "little")
    return int.from_bytes(bytes(source[select >> 2 * i & 3] for i in range(4)), "little")


SWAP = 0b00_01_10_11  # the select word that reverses a word's bytes


def fp32_add(a: int, b: int) -> int:
    """IEEE 754 binary32 sum, round to nearest even, every NaN the canonical one (rtl/fp32_add.v).

    The sum is formed in binary64, which holds more than twice the significand plus two bits, so the second
    rounding to binary32 is harmless (Figueroa, "When is double rounding innocuous?", 1995).
    """
    x, y = (struct.unpack("<f", word.to_bytes(4, "little"))[0] for word in (a, b))
    total = x + y
    if total != total:
        return 0x7FC00000
    try:
        return int.from_bytes(struct.pack("<f", total), "little")
    except OverflowError:
        return 0x7F800000 if total > 0 else 0xFF800000
