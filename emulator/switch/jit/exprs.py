"""Expressions to LLVM IR: exact values where they are needed, low bits where a mask or a store asks for no more."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from emulator.switch import expr as x
from emulator.switch.expr import is_bool
from emulator.switch.jit import byte_order, headers
from emulator.switch.jit.gen import Gen
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.registers import read_register
from emulator.switch.jit.values import Val, const, container, signed_range, unsigned_range

_LINEAR = {"+": "add", "-": "sub", "*": "mul"}
_BITWISE = {"&": "and", "|": "or", "^": "xor"}


def exact(g: Gen, e: x.Expr) -> Val:
    """The value of a data expression (a bool counts as 0 or 1)."""
    match e:
        case x.Const(value):
            return const(value)
        case x.FieldRead(header, field):
            return g.get(g.phv.field(header, field))
        case x.Param(index):
            return g.params[index]
        case x.Unary(op, operand):
            return _unary(g, op, operand)
        case x.Binary("|", left, right):
            return _swapped(g, e) or _binary(g, "|", left, right)
        case x.Binary(op, left, right):
            return _binary(g, op, left, right)
        case x.Ternary(test, left, right) if not is_bool(left):
            return _either(g, test, lambda: exact(g, left), lambda: exact(g, right), g.arith.select)
        case x.DynamicField(header, field):
            return headers.read_dynamic(g, header, field)
        case x.LastStackIndex(stack, is_union):
            following = g.get((g.phv.union_next if is_union else g.phv.next)[stack])
            return g.arith.mask(g.arith.sub(following, const(1)), 32)
        case x.RegisterRead(register, index):
            return read_register(g, register, exact(g, index), const(0))
        case x.Lookahead(offset, width):
            assert g.lookahead is not None, "the loader allows lookahead in parser states only"
            return g.lookahead(offset, width)
    return g.arith.from_bool(cond(g, e))


def _either(
    g: Gen, test: x.Expr, left: Callable[[], Any], right: Callable[[], Any], select: Callable[[Ref, Any, Any], Any]
) -> Any:
    """Both arms of a `?:`, of which one counts."""
    taken = cond(g, test)
    return select(taken, guarded(g, taken, left), guarded(g, g.fn.not_(taken), right))


def guarded(g: Gen, needed: Ref, make: Callable[[], Any]) -> Any:
    """Code that runs in any case, but counts only where `needed` holds."""
    outer = g.guard
    g.guard = g.fn.and_(outer, needed)
    made = make()
    g.guard = outer
    return made


def low(g: Gen, e: x.Expr, width: int) -> Val:
    """A value that equals the expression's modulo 2**width."""
    bits = container(width)
    match e:
        case x.Binary(op, left, right) if op in _LINEAR:
            return _linear_low(g, _LINEAR[op], low(g, left, width), low(g, right, width), bits)
        case x.Binary("<<", left, right):
            by = exact(g, right)
            a = low(g, left, width)
            return g.arith.shl_low(a, by, bits)
        case x.Binary("&", left, x.Const(mask)) | x.Binary("&", x.Const(mask), left) if mask >= 0:
            return _and_const(g, left, mask & ((1 << width) - 1))
        case x.Binary("|", left, right) if (found := _swapped(g, e)) is not None:
            return found
        case x.Binary(op, left, right) if op in _BITWISE:
            return _bitwise_low(g, _BITWISE[op], low(g, left, width), low(g, right, width), bits)
        case x.Binary("two_comp_mod", left, x.Const(inner)) if width <= inner:
            return low(g, left, width)
        case x.Unary("neg", operand):
            return _linear_low(g, "sub", const(0), low(g, operand, width), bits)
        case x.Unary("~", operand):
            return _linear_low(g, "sub", const(-1), low(g, operand, width), bits)
        case x.Ternary(test, left, right) if not is_bool(left):
            return _either(g, test, lambda: low(g, left, width), lambda: low(g, right, width), g.arith.select)
    return exact(g, e)


def _swapped(g: Gen, e: x.Expr) -> Val | None:
    """One instruction where the expression is a whole field with its bytes in reverse."""

    def size_of(field: x.FieldRead) -> int | None:
        var = g.phv.field(field.header, field.field)
        return None if var.signed or var.width % 8 else var.width // 8

    found = byte_order.swapped(e, size_of)
    if found is None:
        return None
    field, size = found
    bits = container(8 * size)
    ref = g.fn.bswap(g.arith.modulo(g.get(g.phv.field(field.header, field.field)), 8 * size), 8 * size)
    return g.arith.made(g.fn.zext(ref, 8 * size, bits), bits, *unsigned_range(8 * size))


def _linear_low(g: Gen, op: str, a: Val, b: Val, bits: int) -> Val:
    if op == "add":
        lo, hi = a.lo + b.lo, a.hi + b.hi
    elif op == "sub":
        lo, hi = a.lo - b.hi, a.hi - b.lo
    else:
        corners = [p * q for p in (a.lo, a.hi) for q in (b.lo, b.hi)]
        lo, hi = min(corners), max(corners)
    is_exact = unsigned_range(bits)[1] >= hi if lo >= 0 else _within(lo, hi, signed_range(bits))
    if is_exact and a.bits <= bits and b.bits <= bits:
        return {"add": g.arith.add, "sub": g.arith.sub, "mul": g.arith.mul}[op](a, b)
    return g.arith.linear_low(op, a, b, bits)


def _within(lo: int, hi: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= lo and hi <= bounds[1]


def _bitwise_low(g: Gen, op: str, a: Val, b: Val, bits: int) -> Val:
    if a.lo >= 0 and b.lo >= 0 and a.bits <= bits and b.bits <= bits:
        return g.arith.bitwise(op, a, b)
    return g.arith.bitwise_low(op, a, b, bits)


def _and_const(g: Gen, e: x.Expr, mask: int) -> Val:
    if mask == 0:
        exact(g, e)  # for what it may note
        return const(0)
    width = mask.bit_length()
    value = low(g, e, width)
    if mask == (1 << width) - 1:
        return g.arith.mask(value, width)
    bits = container(width)
    return g.arith.made(g.fn.op("and", bits, g.arith.modulo(value, bits), mask), bits, 0, mask)


def _unary(g: Gen, op: str, operand: x.Expr) -> Val:
    if op == "b2d":
        return g.arith.from_bool(cond(g, operand))
    value = exact(g, operand)
    return g.arith.sub(const(0), value) if op == "neg" else g.arith.complement(value)


def _binary(g: Gen, op: str, left: x.Expr, right: x.Expr) -> Val:
    if op == "&":
        for one, other in ((left, right), (right, left)):
            if isinstance(other, x.Const) and other.value >= 0:
                return _and_const(g, one, other.value)
    if op in ("two_comp_mod", "usat_cast", "sat_cast"):
        return _cast(g, op, left, right)
    a, b = exact(g, left), exact(g, right)
    if op in _BITWISE:
        return g.arith.bitwise(_BITWISE[op], a, b)
    if op in ("/", "%"):
        return g.arith.div(a, b, rest=op == "%")
    arith = g.arith
    return {"+": arith.add, "-": arith.sub, "*": arith.mul, "<<": arith.shl, ">>": arith.shr}[op](a, b)


def _cast(g: Gen, op: str, left: x.Expr, right: x.Expr) -> Val:
    assert isinstance(right, x.Const)
    width = right.value
    if op == "two_comp_mod":
        return g.arith.wrap(low(g, left, width), width)
    is_signed = op == "sat_cast"
    if isinstance(left, x.Binary) and left.op in ("+", "-"):
        a, b = exact(g, left.left), exact(g, left.right)
        return g.arith.saturate(_LINEAR[left.op], a, b, width, is_signed)
    lo, hi = signed_range(width) if is_signed else unsigned_range(width)
    return g.arith.clamp(exact(g, left), lo, hi)


def cond(g: Gen, e: x.Expr) -> Ref:
    """A bool expression as i1 (data counts as true when it is not 0)."""
    match e:
        case x.BoolConst(value):
            return int(value)
        case x.Compare(op, x.FieldRead(a, f), x.FieldRead(b, h)) if (a, f) in g.phv.buffers and (b, h) in g.phv.buffers:
            same = headers.varbits_equal(g, (a, f), (b, h))
            return same if op == "==" else g.fn.not_(same)
        case x.Compare(op, left, right):
            return g.arith.compare(op, exact(g, left), exact(g, right))
        case x.Logic(op, left, right):
            one = cond(g, left)
            if op in ("and", "or"):
                needed = one if op == "and" else g.fn.not_(one)
                return g.fn.op(op, 1, one, guarded(g, needed, functools.partial(cond, g, right)))
            differ = g.fn.op("xor", 1, one, cond(g, right))
            return differ if op == "!=" else g.fn.not_(differ)
        case x.Not(operand):
            return g.fn.not_(cond(g, operand))
        case x.NonZero(operand):
            return _nonzero(g, operand)
        case x.HeaderValid(header):
            return headers.is_valid(g, header)
        case x.UnionValid(union):
            return headers.union_valid(g, union)
        case x.HeaderEqual(left, right, negated):
            same = headers.equal(g, left, right)
            return g.fn.not_(same) if negated else same
        case x.UnionEqual(left, right, negated):
            same = headers.union_equal(g, left, right)
            return g.fn.not_(same) if negated else same
        case x.Ternary(test, left, right) if is_bool(left):
            arms: list[Any] = [left, right]
            yes, no = (functools.partial(cond, g, arm) for arm in arms)
            return _either(g, test, yes, no, lambda c, a, b: g.fn.select(c, 1, a, b))
    return g.arith.nonzero(exact(g, e))


def _nonzero(g: Gen, operand: x.Expr) -> Ref:
    if isinstance(operand, x.Unary) and operand.op == "b2d":
        return cond(g, operand.operand)
    return g.arith.nonzero(exact(g, operand))
