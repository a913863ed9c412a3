"""Expressions as Python closures: f(phv, args) -> int or bool; args is the running action's data."""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from emulator.switch import expr as x
from emulator.switch.interp.phv import Phv
from emulator.switch.model import Model
from emulator.switch.state import State
from emulator.switch.widths import any_header

Args = tuple[int, ...]
Evaluate = Callable[[Phv, Args], Any]
Store = Callable[[Phv, Args, int], None]
NOWHERE = -1
"""Header index for an element that does not exist."""


class ParserError(Exception):
    """Ends parsing; `name` is a core error, or None with the number in `code`."""

    def __init__(self, name: str | None, code: int = 0):
        super().__init__(name)
        self.name = name
        self.code = code


class Compiler:
    """Compiles expressions of one model; state is needed for registers and event counts."""

    def __init__(self, model: Model, state: State):
        self.model = model
        self.state = state

    # --- Data and bool ---

    def value(self, expr: x.Expr) -> Evaluate:
        return getattr(self, "_" + type(expr).__name__)(expr)

    def _Const(self, expr: x.Const) -> Evaluate:
        value = expr.value
        return lambda p, a: value

    def _BoolConst(self, expr: x.BoolConst) -> Evaluate:
        value = expr.value
        return lambda p, a: value

    def _FieldRead(self, expr: x.FieldRead) -> Evaluate:
        h, f = expr.header, expr.field
        if f == x.VALID:
            return lambda p, a: p.valid[h]
        return lambda p, a: p.values[h][f]

    def _DynamicField(self, expr: x.DynamicField) -> Evaluate:
        header, f = self.header(expr.header), expr.field

        def read(p: Phv, a: Args) -> int:
            h = header(p, a)
            if h < 0:
                p.odd.add("stack_index_out_of_range")
                return 0
            return p.valid[h] if f == x.VALID else p.values[h][f]

        return read

    def _Param(self, expr: x.Param) -> Evaluate:
        index = expr.index
        return lambda p, a: a[index]

    def _RegisterRead(self, expr: x.RegisterRead) -> Evaluate:
        array, index = self.state.registers[expr.register], self.value(expr.index)

        def read(p: Phv, a: Args) -> int:
            i = index(p, a)
            if 0 <= i < array.size:
                return array.read(i)
            p.odd.add("register_index_out_of_range")
            return 0

        return read

    def _Lookahead(self, expr: x.Lookahead) -> Evaluate:
        offset, width = expr.offset, expr.width

        def peek(p: Phv, a: Args) -> int:
            start = p.position + offset
            if start + width > 8 * len(p.data):
                raise ParserError("PacketTooShort")
            return bits_at(p.data, start, width)

        return peek

    def _Unary(self, expr: x.Unary) -> Evaluate:
        operand = self.value(expr.operand)
        if expr.op == "neg":
            return lambda p, a: -operand(p, a)
        if expr.op == "~":
            return lambda p, a: ~operand(p, a)
        return lambda p, a: 1 if operand(p, a) else 0

    def _Binary(self, expr: x.Binary) -> Evaluate:
        left = self.value(expr.left)
        if expr.op in CASTS:
            return CASTS[expr.op](left, expr.right.value)  # type: ignore[union-attr]
        function = DATA[expr.op]
        if isinstance(expr.right, x.Const):
            constant = expr.right.value
            if expr.op == "&":
                return lambda p, a: left(p, a) & constant
            return lambda p, a: function(left(p, a), constant)
        right = self.value(expr.right)
        return lambda p, a: function(left(p, a), right(p, a))

    def _LastStackIndex(self, expr: x.LastStackIndex) -> Evaluate:
        stack = expr.stack
        if expr.is_union:
            return lambda p, a: (p.union_next[stack] - 1) & 0xFFFFFFFF
        return lambda p, a: (p.next[stack] - 1) & 0xFFFFFFFF

    def _Ternary(self, expr: x.Ternary) -> Evaluate:
        cond, left, right = self.value(expr.cond), self.value(expr.left), self.value(expr.right)
        return lambda p, a: left(p, a) if cond(p, a) else right(p, a)

    def _Compare(self, expr: x.Compare) -> Evaluate:
        function = COMPARE[expr.op]
        left, right = self.value(expr.left), self.value(expr.right)
        return lambda p, a: function(left(p, a), right(p, a))

    def _Logic(self, expr: x.Logic) -> Evaluate:
        left, right = self.value(expr.left), self.value(expr.right)
        if expr.op == "and":
            return lambda p, a: left(p, a) and right(p, a)
        if expr.op == "or":
            return lambda p, a: left(p, a) or right(p, a)
        function = COMPARE[expr.op]
        return lambda p, a: function(bool(left(p, a)), bool(right(p, a)))

    def _Not(self, expr: x.Not) -> Evaluate:
        operand = self.value(expr.operand)
        return lambda p, a: not operand(p, a)

    def _NonZero(self, expr: x.NonZero) -> Evaluate:
        operand = self.value(expr.operand)
        return lambda p, a: operand(p, a) != 0

    def _HeaderValid(self, expr: x.HeaderValid) -> Evaluate:
        header = self.header(expr.header)

        def valid(p: Phv, a: Args) -> bool:
            h = header(p, a)
            return h >= 0 and p.valid[h] == 1

        return valid

    def _UnionValid(self, expr: x.UnionValid) -> Evaluate:
        members = self.union(expr.union)
        return lambda p, a: any(p.valid[h] for h in members(p, a))

    def _HeaderEqual(self, expr: x.HeaderEqual) -> Evaluate:
        left, right, negated = self.header(expr.left), self.header(expr.right), expr.negated
        return lambda p, a: headers_equal(p, left(p, a), right(p, a)) != negated

    def _UnionEqual(self, expr: x.UnionEqual) -> Evaluate:
        left, right, negated = self.union(expr.left), self.union(expr.right), expr.negated

        def equal(p: Phv, a: Args) -> bool:
            pairs = zip_longest(left(p, a), right(p, a), fillvalue=NOWHERE)
            return all(headers_equal(p, h, g) for h, g in pairs) != negated

        return equal

    # --- Headers and unions: closures giving a header index, or the tuple of a union's headers ---

    def header(self, expr: x.HeaderExpr) -> Evaluate:
        """Index of the header, NOWHERE for an element that does not exist."""
        if isinstance(expr, x.HeaderRef):
            h = expr.header
            return lambda p, a: h
        if isinstance(expr, x.StackElement):
            return _element(self.model.stacks[expr.stack].headers, self.value(expr.index))
        if isinstance(expr, x.StackLast):
            stack, headers = expr.stack, self.model.stacks[expr.stack].headers
            return lambda p, a: headers[p.next[stack] - 1] if p.next[stack] else NOWHERE
        members, position = self.union(expr.union), expr.member

        def member(p: Phv, a: Args) -> int:
            found = members(p, a)
            return found[position] if found else NOWHERE

        return member

    def union(self, expr: x.UnionExpr) -> Evaluate:
        """Headers of the union's members; empty for an element that does not exist."""
        unions = self.model.unions
        if isinstance(expr, x.UnionRef):
            headers = unions[expr.union].headers
            return lambda p, a: headers
        stack = expr.union_stack
        rows = [unions[u].headers for u in self.model.union_stacks[stack].unions]
        if isinstance(expr, x.UnionStackElement):
            index = self.value(expr.index)

            def element(p: Phv, a: Args) -> tuple[int, ...]:
                i = index(p, a)
                return rows[i] if 0 <= i < len(rows) else ()

            return element
        return lambda p, a: rows[p.union_next[stack] - 1] if p.union_next[stack] else ()

    # --- Destinations ---

    def store(self, target: x.LValue) -> Store:
        """f(phv, args, value): wraps, or clamps a saturating field; nowhere: counted, nothing stored."""
        header = target.header if isinstance(target, x.FieldRead) else any_header(self.model, target.header)
        fit = fitting(self.model.header_type(header).fields[target.field])
        f = target.field
        if isinstance(target, x.FieldRead):

            def put(p: Phv, a: Args, value: int) -> None:
                p.values[header][f] = fit(value)

            return put
        where = self.header(target.header)

        def put_dynamic(p: Phv, a: Args, value: int) -> None:
            h = where(p, a)
            if h < 0:
                p.odd.add("stack_index_out_of_range")
            else:
                p.values[h][f] = fit(value)

        return put_dynamic


def _element(headers: tuple[int, ...], index: Evaluate) -> Evaluate:
    size = len(headers)

    def element(p: Phv, a: Args) -> int:
        i = index(p, a)
        return headers[i] if 0 <= i < size else NOWHERE

    return element


def headers_equal(p: Phv, left: int, right: int) -> bool:
    """Both invalid, or both valid and equal in all fields (a varbit also in width)."""
    left_valid, right_valid = left >= 0 and p.valid[left], right >= 0 and p.valid[right]
    if not left_valid or not right_valid:
        return bool(left_valid) == bool(right_valid)
    return p.values[left] == p.values[right] and p.varbits[left] == p.varbits[right]


def bits_at(data: bytes, start: int, width: int) -> int:
    """`width` bits from bit `start` (bit 0 is the first byte's top bit)."""
    end = start + width
    whole = int.from_bytes(data[start // 8 : -(-end // 8)], "big")
    return (whole >> (-end % 8)) & ((1 << width) - 1)


def fitting(field: Any) -> Callable[[int], int]:
    """What storing does to a value."""
    width = field.width
    mask, half = (1 << width) - 1, 1 << max(0, width - 1)
    low, high = (-half, half - 1) if field.signed else (0, mask)
    if width == 0:
        return lambda v: 0
    if field.saturating:
        return lambda v: low if v < low else high if v > high else v
    if field.signed:
        return lambda v: ((v + half) & mask) - half
    return lambda v: v & mask


# --- Operations on integers ---


def shift_left(a: int, b: int) -> int:
    amount = b & 0xFFFFFFFF
    return a << amount if amount < x.SHIFT_LIMIT else 0


def shift_right(a: int, b: int) -> int:
    return a >> min(b & 0xFFFFFFFF, x.SHIFT_LIMIT)


def divide(a: int, b: int) -> int:
    """Truncating; 0 for a zero divisor."""
    if b == 0:
        return 0
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def remainder(a: int, b: int) -> int:
    """Of the truncating division; the dividend for a zero divisor."""
    return a - divide(a, b) * b


DATA: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divide,
    "%": remainder,
    "<<": shift_left,
    ">>": shift_right,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _two_comp_mod(operand: Evaluate, width: int) -> Evaluate:
    half, mask = 1 << (width - 1), (1 << width) - 1
    return lambda p, a: ((operand(p, a) + half) & mask) - half


def _usat(operand: Evaluate, width: int) -> Evaluate:
    high = (1 << width) - 1
    return lambda p, a: min(max(operand(p, a), 0), high)


def _sat(operand: Evaluate, width: int) -> Evaluate:
    high = (1 << (width - 1)) - 1
    return lambda p, a: min(max(operand(p, a), -high - 1), high)


CASTS: dict[str, Callable[[Evaluate, int], Evaluate]] = {
    "two_comp_mod": _two_comp_mod,
    "usat_cast": _usat,
    "sat_cast": _sat,
}
