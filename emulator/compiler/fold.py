"""Operations on core expressions: build them folded. All arithmetic of constants is here."""
from __future__ import annotations

from . import ir
from .types import BOOL, INT, Bits, Type

TRUE = ir.Const(1, BOOL)
FALSE = ir.Const(0, BOOL)


def boolean(value: bool) -> ir.Const:
    return TRUE if value else FALSE


def wrap(value: int, kind: Type) -> int:
    """A number reduced to its type's range."""
    if not isinstance(kind, Bits):
        return int(bool(value)) if kind is BOOL else value
    value &= (1 << kind.width) - 1
    if kind.signed and kind.width and value >> (kind.width - 1):
        value -= 1 << kind.width
    return value


def const(value: int, kind: Type) -> ir.Const:
    return ir.Const(wrap(value, kind), kind)


def saturate(value: int, kind: Bits) -> int:
    low, high = (-(1 << (kind.width - 1)), (1 << (kind.width - 1)) - 1) if kind.signed else (0, (1 << kind.width) - 1)
    return max(low, min(high, value))


_COMPARE = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}
_ARITHMETIC = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "&": lambda a, b: a & b, "|": lambda a, b: a | b, "^": lambda a, b: a ^ b,
}
MAX_SHIFT = 1 << 16
"""Shifts of arbitrary-size ints beyond this are refused rather than computed."""


def binary(op: str, left: ir.Expr, right: ir.Expr, kind: Type) -> ir.Expr:
    """left op right, of type `kind`; both sides already have the right types."""
    if isinstance(left, ir.Const) and isinstance(right, ir.Const):
        folded = _fold(op, left, right, kind)
        if folded is not None:
            return folded
    if op in ("<<", ">>") and isinstance(kind, Bits):
        return _shift(op, left, right, kind)
    simple = _identity(op, left, right, kind)
    return simple if simple is not None else ir.Op(op, (left, right), kind)


def _shift(op: str, left: ir.Expr, right: ir.Expr, kind: Bits) -> ir.Expr:
    """The target reads an amount's low 32 bits only, so what is beyond the width is settled here."""
    far = ir.Const(max(kind.width - 1, 0), INT)
    beyond = ir.Op(">>", (left, far), kind) if op == ">>" and kind.signed else const(0, kind)
    if isinstance(right, ir.Const):
        if right.value == 0:
            return left
        return beyond if right.value >= kind.width else ir.Op(op, (left, right), kind)
    shifted = ir.Op(op, (left, right), kind)
    if _amount_bits(right) <= 32:
        return shifted
    return choose(ir.Op(">=", (right, const(kind.width, right.type)), BOOL), beyond, shifted)


def _amount_bits(amount: ir.Expr) -> int:
    """Bits that an amount may really have, under casts that widen."""
    if isinstance(amount, ir.Op) and amount.op == "cast":
        return min(_amount_bits(amount.args[0]), _own_bits(amount))
    return _own_bits(amount)


def _own_bits(amount: ir.Expr) -> int:
    return amount.type.width if isinstance(amount.type, Bits) else 1


def _fold(op: str, left: ir.Const, right: ir.Const, kind: Type) -> ir.Expr | None:
    a, b = left.value, right.value
    if op in _COMPARE:
        return boolean(_COMPARE[op](a, b))
    if op in _ARITHMETIC:
        return const(_ARITHMETIC[op](a, b), kind)
    if op in ("/", "%"):
        if b == 0:
            return None
        return const(a // b if op == "/" else a % b, kind)
    if op == "<<":
        if isinstance(kind, Bits) and b >= kind.width:
            return const(0, kind)
        return None if b < 0 or b > MAX_SHIFT else const(a << b, kind)
    if op == ">>":
        return None if b < 0 else const(a >> min(b, MAX_SHIFT), kind)
    if op in ("|+|", "|-|") and isinstance(kind, Bits):
        return ir.Const(saturate(a + b if op == "|+|" else a - b, kind), kind)
    if op == "++" and isinstance(kind, Bits) and isinstance(right.type, Bits):
        low = b & ((1 << right.type.width) - 1)
        return const(a << right.type.width | low, kind)
    return None


def _identity(op: str, left: ir.Expr, right: ir.Expr, kind: Type) -> ir.Expr | None:
    """x + 0, x & all ones and the like; only where nothing is lost, since operands have no effects."""
    if isinstance(right, ir.Const) and right.type == left.type:
        value = right.value
        if value == 0 and op in ("+", "-", "|", "^", "|+|", "|-|"):
            return left
        if value == 0 and op in ("*", "&"):
            return const(0, kind)
        if value == 1 and op == "*":
            return left
        if op == "-" and isinstance(kind, Bits):
            return ir.Op("+", (left, const(-value, kind)), kind)
        if op == "*" and isinstance(kind, Bits) and value > 1 and value & (value - 1) == 0:
            return ir.Op("<<", (left, ir.Const(value.bit_length() - 1, INT)), kind)
        if isinstance(kind, Bits) and not kind.signed and value == (1 << kind.width) - 1 and op == "&":
            return left
    if op in ("/", "%") and isinstance(right, ir.Const) and isinstance(kind, Bits) and not kind.signed:
        value = right.value
        if value > 0 and value & (value - 1) == 0:
            if op == "%":
                return binary("&", left, const(value - 1, kind), kind)
            return binary(">>", left, ir.Const(value.bit_length() - 1, INT), kind)
    if isinstance(left, ir.Const) and left.value == 0 and left.type == right.type and op in ("+", "|", "^"):
        return right
    return None


def logic(op: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
    """`and` / `or` of operands without effects."""
    for a, b in ((left, right), (right, left)):
        if isinstance(a, ir.Const):
            if op == "and":
                return b if a.value else FALSE
            return TRUE if a.value else b
    return ir.Op(op, (left, right), BOOL)


def negate(operand: ir.Expr) -> ir.Expr:
    """Boolean not."""
    if isinstance(operand, ir.Const):
        return boolean(not operand.value)
    if isinstance(operand, ir.Op) and operand.op == "not":
        return operand.args[0]
    return ir.Op("not", (operand,), BOOL)


def unary(op: str, operand: ir.Expr) -> ir.Expr:
    kind = operand.type
    if op == "!":
        return negate(operand)
    if op == "+":
        return operand
    if isinstance(operand, ir.Const):
        return const(-operand.value if op == "-" else ~operand.value, kind)
    return ir.Op("neg" if op == "-" else "~", (operand,), kind)


def slice_of(value: ir.Expr, high: int, low: int) -> ir.Expr:
    kind = Bits(high - low + 1)
    if isinstance(value, ir.Const):
        return const(value.value >> low, kind)
    if low == 0 and isinstance(value.type, Bits) and value.type == kind:
        return value
    return ir.Op("slice", (value, ir.Const(high, INT), ir.Const(low, INT)), kind)


def cast(value: ir.Expr, kind: Type) -> ir.Expr:
    """Convert between bool, bit and int types."""
    if value.type == kind:
        return value
    if isinstance(value, ir.Const):
        return const(value.value, kind)
    return ir.Op("cast", (value,), kind)


def choose(cond: ir.Expr, yes: ir.Expr, no: ir.Expr) -> ir.Expr:
    if isinstance(cond, ir.Const):
        return yes if cond.value else no
    if yes == no:
        return yes
    if yes.type is BOOL and isinstance(yes, ir.Const) and isinstance(no, ir.Const):
        return cond if yes.value else negate(cond)
    return ir.Op("?", (cond, yes, no), yes.type)


def equal(left: ir.Expr, right: ir.Expr) -> ir.Expr:
    if left == right:
        return TRUE
    return binary("==", left, right, BOOL)


def reads(expr: ir.Expr, into: set[tuple[str, str]]) -> None:
    """Add the fields an expression reads: (header, field); a stack chosen at run time counts as (stack, "*")."""
    if isinstance(expr, ir.Field):
        into.add((expr.header, expr.name))
    elif isinstance(expr, ir.Op):
        for arg in expr.args:
            reads(arg, into)
    elif isinstance(expr, ir.DynField):
        into.add((expr.stack, "*"))
        reads(expr.index, into)
    elif isinstance(expr, (ir.LastField, ir.LastUnionField, ir.LastIndex)):
        into.add((expr.stack, "*"))
    elif isinstance(expr, ir.ValidUnion):
        into.add((expr.union, "*"))


_NEGATED = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def negate_compare(expr: ir.Expr) -> ir.Expr:
    """not (a == b) as a != b."""
    if isinstance(expr, ir.Op) and expr.op in _NEGATED:
        return ir.Op(_NEGATED[expr.op], expr.args, BOOL)
    return negate(expr)
