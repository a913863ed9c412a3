"""How many bits each expression needs, so that compiled code may use fixed-width integers.

`Widths.bounds(e)` is a sound interval of an expression's value under the unbounded-integer semantics of
expr.py. Evaluating every node in `Widths.width(e)` bits (two's complement when signed) therefore gives exactly
the unbounded result. Where only the low bits of a result are used - below a mask or a narrow destination -
`Widths.needed(e, low)` says how few bits suffice: for MODULAR operations the low `low` bits of the result
depend on the low `low` bits of the operands only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from emulator.switch import expr as x
from emulator.switch.model import Action, Model, ModelError, TableNode

MAX_INTERMEDIATE_BITS = 1 << 15
MODULAR = frozenset(["+", "-", "*", "&", "|", "^", "<<"])
"""Binary operations whose low n result bits follow from the low n bits of the left (and, but for <<, the
right) operand. The amount of << is needed in full."""


class Bounds(NamedTuple):
    """low <= value <= high."""

    low: int
    high: int

    @property
    def signed(self) -> bool:
        return self.low < 0

    @property
    def bits(self) -> int:
        """Width of the narrowest integer type (signed if `signed`) that holds all values; at least 1."""
        if self.low < 0:
            return max((~self.low).bit_length(), self.high.bit_length() if self.high > 0 else 0) + 1
        return max(1, self.high.bit_length())


def unsigned(width: int) -> Bounds:
    return Bounds(0, (1 << width) - 1)


def two_complement(width: int) -> Bounds:
    return Bounds(-(1 << (width - 1)), (1 << (width - 1)) - 1) if width else Bounds(0, 0)


class Widths:
    """Bounds of the expressions of one action (or of parser and conditions, with action None), cached."""

    def __init__(self, model: Model, action: Action | None = None):
        self.model = model
        self.action = action
        self._cache: dict[int, tuple[x.Expr, Bounds]] = {}

    def bounds(self, expr: x.Expr) -> Bounds:
        """Of a data expression; a bool expression counts as 0..1."""
        found = self._cache.get(id(expr))
        if found is None:
            found = (expr, self._bounds(expr))
            if found[1].bits > MAX_INTERMEDIATE_BITS:
                raise ModelError(
                    f"an expression needs {found[1].bits} bits; the limit is {MAX_INTERMEDIATE_BITS}"
                )
            self._cache[id(expr)] = found
        return found[1]

    def width(self, expr: x.Expr) -> tuple[int, bool]:
        """(bits, signed)"""
        found = self.bounds(expr)
        return found.bits, found.signed

    def needed(self, expr: x.Expr, low: int) -> int:
        """Bits to evaluate `expr` in so that its low `low` bits are right (sign included if it is used)."""
        bits = self.bounds(expr).bits
        if isinstance(expr, x.Binary) and expr.op in MODULAR:
            return min(bits, low)
        if isinstance(expr, x.Unary) and expr.op in ("~", "neg"):
            return min(bits, low)
        return bits

    def _bounds(self, expr: x.Expr) -> Bounds:
        if isinstance(expr, x.Const):
            return Bounds(expr.value, expr.value)
        if isinstance(expr, (x.FieldRead, x.DynamicField)):
            return self._field(expr)
        if isinstance(expr, x.Binary):
            return self._binary(expr)
        if isinstance(expr, x.Unary):
            return self._unary(expr)
        if isinstance(expr, x.Ternary):
            left, right = self.bounds(expr.left), self.bounds(expr.right)
            return Bounds(min(left.low, right.low), max(left.high, right.high))
        if isinstance(expr, x.Param):
            return unsigned(self.action.params[expr.index].width if self.action else 0)
        if isinstance(expr, x.RegisterRead):
            return unsigned(self.model.registers[expr.register].width)
        if isinstance(expr, x.Lookahead):
            return unsigned(expr.width)
        if isinstance(expr, x.LastStackIndex):
            return unsigned(32)
        return Bounds(0, 1)

    def _field(self, expr: x.FieldRead | x.DynamicField) -> Bounds:
        if expr.field == x.VALID:
            return Bounds(0, 1)
        header = expr.header if isinstance(expr, x.FieldRead) else any_header(self.model, expr.header)
        field = self.model.header_type(header).fields[expr.field]
        if field.signed:
            bounds = two_complement(field.width)
            return (
                bounds if isinstance(expr, x.FieldRead) else Bounds(min(0, bounds.low), max(0, bounds.high))
            )
        return unsigned(field.width)

    def _unary(self, expr: x.Unary) -> Bounds:
        if expr.op == "b2d":
            return Bounds(0, 1)
        low, high = self.bounds(expr.operand)
        return Bounds(~high, ~low) if expr.op == "~" else Bounds(-high, -low)

    def _binary(self, expr: x.Binary) -> Bounds:
        return BINARY[expr.op](self.bounds(expr.left), self.bounds(expr.right))


# --- One function per operation ---


def _add(a: Bounds, b: Bounds) -> Bounds:
    return Bounds(a.low + b.low, a.high + b.high)


def _sub(a: Bounds, b: Bounds) -> Bounds:
    return Bounds(a.low - b.high, a.high - b.low)


def _mul(a: Bounds, b: Bounds) -> Bounds:
    corners = [p * q for p in a for q in b]
    return Bounds(min(corners), max(corners))


def _div(a: Bounds, b: Bounds) -> Bounds:
    """Truncating; |quotient| <= |dividend|, and 0 is always possible."""
    largest = max(abs(a.low), abs(a.high))
    if a.low >= 0 and b.low >= 0:
        return Bounds(0, a.high // max(1, b.low))
    return Bounds(-largest, largest)


def _mod(a: Bounds, b: Bounds) -> Bounds:
    """The remainder has the dividend's sign; a zero divisor leaves the dividend."""
    divisor = max(abs(b.low), abs(b.high))
    reach = max(abs(a.low), abs(a.high))
    if b.low > 0 or b.high < 0:
        reach = min(reach, divisor - 1)
    return Bounds(-reach if a.low < 0 else 0, reach if a.high > 0 else 0)


def _amount(b: Bounds) -> Bounds:
    """A shift amount as it is read: 32 bits unsigned, at most SHIFT_LIMIT."""
    if b.low < 0 or b.high >> 32:
        return Bounds(0, x.SHIFT_LIMIT)
    return Bounds(min(b.low, x.SHIFT_LIMIT), min(b.high, x.SHIFT_LIMIT))


def _shl(a: Bounds, b: Bounds) -> Bounds:
    """SHIFT_LIMIT or more gives 0, so the largest real shift is one less."""
    amount = _amount(b)
    top = min(amount.high, x.SHIFT_LIMIT - 1)
    zero = amount.high >= x.SHIFT_LIMIT
    low = a.low << (top if a.low < 0 else min(amount.low, top))
    high = a.high << (top if a.high > 0 else min(amount.low, top))
    return Bounds(min(low, 0), max(high, 0)) if zero else Bounds(low, high)


def _shr(a: Bounds, b: Bounds) -> Bounds:
    amount = _amount(b)
    low = a.low >> (amount.low if a.low < 0 else amount.high)
    high = a.high >> (amount.high if a.high < 0 else amount.low)
    return Bounds(low, high)


def _and(a: Bounds, b: Bounds) -> Bounds:
    if a.low >= 0 and b.low >= 0:
        return Bounds(0, min(a.high, b.high))
    if a.low >= 0:
        return Bounds(0, a.high)
    if b.low >= 0:
        return Bounds(0, b.high)
    return two_complement(max(_signed_bits(a), _signed_bits(b)))


def _or(a: Bounds, b: Bounds) -> Bounds:
    if a.low >= 0 and b.low >= 0:
        return unsigned(max(a.high.bit_length(), b.high.bit_length()))
    return two_complement(max(_signed_bits(a), _signed_bits(b)))


def _signed_bits(a: Bounds) -> int:
    return a.bits + (0 if a.signed else 1)


def _wrap(a: Bounds, b: Bounds) -> Bounds:
    limit = two_complement(b.low)
    return a if limit.low <= a.low and a.high <= limit.high else limit


def _clamp(a: Bounds, limit: Bounds) -> Bounds:
    return Bounds(min(max(a.low, limit.low), limit.high), min(max(a.high, limit.low), limit.high))


BINARY = {
    "+": _add,
    "-": _sub,
    "*": _mul,
    "/": _div,
    "%": _mod,
    "<<": _shl,
    ">>": _shr,
    "&": _and,
    "|": _or,
    "^": _or,
    "two_comp_mod": _wrap,
    "usat_cast": lambda a, b: _clamp(a, unsigned(b.low)),
    "sat_cast": lambda a, b: _clamp(a, two_complement(b.low)),
}


def any_header(model: Model, header: x.HeaderExpr) -> int:
    """Some header that the expression may stand for; all have one type."""
    if isinstance(header, x.HeaderRef):
        return header.header
    if isinstance(header, (x.StackElement, x.StackLast)):
        return model.stacks[header.stack].headers[0]
    return model.unions[model.union_stacks[header.union.union_stack].unions[0]].headers[header.member]


# --- All expressions of a program ---


def children(node: Any) -> Iterator[Any]:
    """The expressions directly inside an expression, operation or primitive."""
    if isinstance(node, tuple):
        yield from node
    elif hasattr(node, "__dataclass_fields__"):
        for name in node.__dataclass_fields__:
            value = getattr(node, name)
            if isinstance(value, tuple) or hasattr(value, "__dataclass_fields__"):
                yield value


def walk(roots: Iterable[Any]) -> Iterator[Any]:
    """Every node below `roots`, operands before what uses them."""
    stack = [(root, False) for root in roots]
    while stack:
        node, done = stack.pop()
        if done:
            yield node
            continue
        stack.append((node, True))
        stack.extend((child, False) for child in children(node))


def check_widths(model: Model) -> None:
    """Raises ModelError if an expression can grow past MAX_INTERMEDIATE_BITS."""
    for action in model.actions:
        _check(Widths(model, action), action.body, f"action {action.name!r}")
    plain = Widths(model)
    for state in model.parser.states:
        _check(plain, (state.ops, state.key), f"parser state {state.name!r}")
    for pipeline in (model.ingress, model.egress):
        for node in pipeline.nodes:
            if not isinstance(node, TableNode):
                _check(plain, (node,), f"conditional {node.name!r}")
    for checksum in model.checksums:
        _check(plain, (checksum.cond,), f"checksum {checksum.name!r}")


NUMERIC = (x.Binary, x.Unary)


def _check(widths: Widths, roots: Iterable[Any], where: str) -> None:
    for node in walk(roots):
        if isinstance(node, NUMERIC):
            try:
                widths.bounds(node)
            except ModelError as error:
                raise ModelError(f"{where}: {error}") from None
