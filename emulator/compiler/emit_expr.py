"""Core expressions to bmv2 JSON. Values there are unbounded, so the wrap-around of each type is spelled out."""
from __future__ import annotations

from typing import Any

from . import ir
from .types import BOOL, INT, Bits, Type

Json = dict[str, Any]


def hexstr(value: int, width: int = 0) -> Json:
    """A constant, padded to its type's bytes."""
    digits = max(1, (width + 7) // 8 * 2)
    sign = "-" if value < 0 else ""
    return {"type": "hexstr", "value": f"{sign}0x{abs(value):0{digits}x}"}


def short_hex(value: int) -> Json:
    return {"type": "hexstr", "value": hex(value)}


def op(name: str, left: Any, right: Any) -> Json:
    return {"type": "expression", "value": {"op": name, "left": left, "right": right}}


def _mask(value: Json, width: int) -> Json:
    return op("&", value, hexstr((1 << width) - 1, width))


def holds(kind: Type, source: Type) -> bool:
    """Is every value of type `source` one of `kind` as well, so that nothing needs to be cut off?"""
    if not isinstance(kind, Bits) or not isinstance(source, Bits):
        return False
    if kind.signed == source.signed:
        return source.width <= kind.width
    return kind.signed and source.width < kind.width


def wrapped(value: Json, kind: Type) -> Json:
    """The value reduced to its type."""
    assert isinstance(kind, Bits)
    if kind.signed:
        return op("two_comp_mod", value, short_hex(kind.width))
    return _mask(value, kind.width)


class ExprEmitter:
    """Needs the header types to number fields of stack elements chosen at run time."""

    def __init__(self, program: ir.Program) -> None:
        self.program = program

    def expr(self, e: ir.Expr) -> Json:
        """An expression's value: bit and int as numbers, bool as bool."""
        if isinstance(e, ir.Const):
            return self._const(e)
        if isinstance(e, ir.Op):
            return _OPS.get(e.op, ExprEmitter._plain)(self, e)
        raw = self.raw(e)
        if e.type is BOOL and not isinstance(e, ir.ValidUnion):
            return op("d2b", None, raw)
        if isinstance(e, ir.Data) and isinstance(e.type, Bits) and e.type.signed:
            return wrapped(raw, e.type)
        return raw

    def raw(self, e: ir.Expr) -> Json:
        """A stored value as it lies, bools as one bit."""
        if isinstance(e, ir.Field):
            return {"type": "field", "value": [e.header, e.name]}
        if isinstance(e, ir.Data):
            return {"type": "local", "value": e.index}
        if isinstance(e, ir.DynField):
            return op("access_field", self.deref(e.stack, e.index), self.field_number(e.stack, e.name))
        if isinstance(e, ir.LastField):
            return {"type": "stack_field", "value": [e.stack, e.name]}
        if isinstance(e, ir.LastUnionField):
            return {"type": "union_stack_field", "value": [e.stack, e.member, e.name]}
        if isinstance(e, ir.Lookahead):
            return {"type": "lookahead", "value": [e.offset, e.width]}
        if isinstance(e, ir.LastIndex):
            return _mask(op("last_stack_index", None, self.argument(ir.StackArg(e.stack))), 32)
        assert isinstance(e, ir.ValidUnion), e
        return op("valid_union", None, {"type": "header_union", "value": e.union})

    def deref(self, stack: str, index: ir.Expr) -> Json:
        return op("dereference_header_stack", {"type": "header_stack", "value": stack}, self.expr(index))

    def field_number(self, stack: str, name: str) -> int:
        fields = [n for n, _ in self.program.header_types[self.program.stacks[stack].type].fields]
        return len(fields) if name == "$valid$" else fields.index(name)

    def _const(self, e: ir.Const) -> Json:
        if e.type is BOOL:
            return {"type": "bool", "value": bool(e.value)}
        return hexstr(e.value, e.type.width) if isinstance(e.type, Bits) else short_hex(e.value)

    def _plain(self, e: ir.Op) -> Json:
        return op(e.op, self.expr(e.args[0]), self.expr(e.args[1]))

    def _wrapping(self, e: ir.Op) -> Json:
        return wrapped(self._plain(e), e.type)

    def _saturating(self, e: ir.Op) -> Json:
        assert isinstance(e.type, Bits)
        plain = op(e.op[1], self.expr(e.args[0]), self.expr(e.args[1]))
        return op("sat_cast" if e.type.signed else "usat_cast", plain, short_hex(e.type.width))

    def _unary(self, e: ir.Op) -> Json:
        if e.op == "neg":
            assert isinstance(e.type, Bits)
            return wrapped(op("-", hexstr(0, e.type.width), self.expr(e.args[0])), e.type)
        return wrapped(op("~", None, self.expr(e.args[0])), e.type)

    def _not(self, e: ir.Op) -> Json:
        return op("not", None, self.expr(e.args[0]))

    def _choice(self, e: ir.Op) -> Json:
        cond, yes, no = e.args
        if e.type is BOOL:
            picked = op("?", self.data(yes), self.data(no))
            picked["value"]["cond"] = self.expr(cond)
            return op("d2b", None, picked)
        picked = op("?", self.expr(yes), self.expr(no))
        picked["value"]["cond"] = self.expr(cond)
        return picked

    def _slice(self, e: ir.Op) -> Json:
        value, high, low = e.args
        assert isinstance(low, ir.Const) and isinstance(high, ir.Const)
        assert isinstance(e.type, Bits) and isinstance(value.type, Bits)
        moved = self.expr(value)
        if low.value:
            moved = op(">>", moved, short_hex(low.value))
        top = not value.type.signed and high.value == value.type.width - 1
        return moved if top else _mask(moved, e.type.width)

    def _window(self, e: ir.Op) -> Json:
        value, low = e.args
        assert isinstance(e.type, Bits)
        return _mask(op(">>", self.expr(value), self.expr(low)), e.type.width)

    def _concat(self, e: ir.Op) -> Json:
        left, right = e.args
        assert isinstance(e.type, Bits) and isinstance(right.type, Bits)
        low = right.type.width
        upper = op("<<", self._unsigned(left), short_hex(low))
        joined = op("|", upper, self._unsigned(right))
        return wrapped(joined, e.type) if e.type.signed else joined

    def _unsigned(self, e: ir.Expr) -> Json:
        """A value's bits as a number."""
        assert isinstance(e.type, Bits)
        return _mask(self.expr(e), e.type.width) if e.type.signed else self.expr(e)

    def _cast(self, e: ir.Op) -> Json:
        value = e.args[0]
        if value.type is BOOL:
            return op("b2d", None, self.expr(value))
        if e.type is BOOL:
            return op("!=", self.expr(value), hexstr(0, value.type.width))  # type: ignore[attr-defined]
        return self.expr(value) if holds(e.type, value.type) else wrapped(self.expr(value), e.type)

    def _equality(self, e: ir.Op) -> Json:
        return op(e.op, self.expr(e.args[0]), self.expr(e.args[1]))

    def data(self, e: ir.Expr) -> Json:
        """A value as a number, bools as one bit."""
        return op("b2d", None, self.expr(e)) if e.type is BOOL else self.expr(e)

    def param(self, e: ir.Expr) -> Json:
        """A value as the argument of a primitive."""
        if isinstance(e, ir.Data):
            return {"type": "runtime_data", "value": e.index}
        if isinstance(e, (ir.Field, ir.Lookahead)):
            return self.raw(e)
        if isinstance(e, ir.Const) and e.type is not BOOL:
            return self._const(e)
        return {"type": "expression", "value": self.data(e)}

    def place(self, e: ir.Expr) -> Json:
        """A field to write."""
        if isinstance(e, ir.Field):
            return self.raw(e)
        return {"type": "expression", "value": self.raw(e)}

    def argument(self, arg: Any) -> Json:
        """Any argument of a primitive."""
        if isinstance(arg, ir.Expr):
            return self.param(arg)
        if isinstance(arg, ir.HeaderArg):
            return {"type": "header", "value": arg.name}
        if isinstance(arg, ir.DynHeaderArg):
            return {"type": "expression", "value": self.deref(arg.stack, arg.index)}
        if isinstance(arg, ir.StackArg):
            kind = "header_union_stack" if arg.name in self.program.union_stacks else "header_stack"
            return {"type": kind, "value": arg.name}
        if isinstance(arg, ir.UnionArg):
            return {"type": "header_union", "value": arg.name}
        if isinstance(arg, ir.ObjectArg):
            return {"type": arg.kind, "value": arg.name}
        if isinstance(arg, tuple):
            return {"type": "parameters_vector", "value": [self.param(a) for a in arg]}
        assert isinstance(arg, ir.Raw), arg
        if isinstance(arg.value, str):
            return {"type": "string", "value": arg.value}
        return short_hex(arg.value)


_OPS = {
    "+": ExprEmitter._wrapping, "-": ExprEmitter._wrapping, "*": ExprEmitter._wrapping, "<<": ExprEmitter._wrapping,
    "|+|": ExprEmitter._saturating, "|-|": ExprEmitter._saturating,
    "neg": ExprEmitter._unary, "~": ExprEmitter._unary, "not": ExprEmitter._not, "?": ExprEmitter._choice,
    "slice": ExprEmitter._slice, "window": ExprEmitter._window,
    "++": ExprEmitter._concat, "cast": ExprEmitter._cast, "==": ExprEmitter._equality,
    "!=": ExprEmitter._equality,
}

__all__ = ["INT", "ExprEmitter", "Json", "hexstr", "op", "short_hex"]
