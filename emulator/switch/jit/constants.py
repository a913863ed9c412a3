"""What operations on constants of a given width give. Constants are kept as unsigned bit patterns."""

from __future__ import annotations


def const_text(value: int, bits: int) -> str:
    """Decimal text of a constant, negative when its sign bit is set."""
    if bits == 1:
        return "true" if value & 1 else "false"
    value &= (1 << bits) - 1
    return str(value - (1 << bits) if value >> (bits - 1) else value)


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def fold(op: str, bits: int, a: int, b: int) -> int:
    """Value of a binary operation on constants; shift amounts are below `bits`."""
    mask = (1 << bits) - 1
    match op:
        case "add":
            return (a + b) & mask
        case "sub":
            return (a - b) & mask
        case "mul":
            return (a * b) & mask
        case "and":
            return a & b
        case "or":
            return a | b
        case "xor":
            return a ^ b
        case "shl":
            return (a << b) & mask
        case "lshr":
            return a >> b
        case "ashr":
            return (signed(a, bits) >> b) & mask
        case "udiv":
            return a // b if b else 0
        case "urem":
            return a % b if b else 0
    raise ValueError(op)


def compare(op: str, bits: int, a: int, b: int) -> int:
    if op.startswith("s"):
        a, b, op = signed(a, bits), signed(b, bits), "u" + op[1:]
    return int({"eq": a == b, "ne": a != b, "ult": a < b, "ule": a <= b, "ugt": a > b, "uge": a >= b}[op])
