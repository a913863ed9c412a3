"""Expressions of the tree to values: every name resolved, every side effect emitted in the language's order."""
from __future__ import annotations

from typing import Any

from . import ast, fold, inline_call, ir
from .context import Context
from .convert import as_scalar, coerce, compare, default_value
from .inline_member import member_of, settled
from .storage import valid_field
from .types import (
    BOOL,
    INT,
    STRING,
    Bits,
    Object,
    Struct,
    Tuple,
    Type,
    is_header,
    strip,
    width_of,
)
from .values import (
    ActionV,
    ChoiceV,
    DotsV,
    DynHeaderV,
    ExternV,
    FunctionV,
    HeaderRV,
    HeaderV,
    InstanceV,
    KeysetV,
    RecordV,
    StackV,
    StringV,
    StructV,
    TableV,
    TupleV,
    TypeV,
    UnionV,
    ValueSetV,
)

_COMPARISONS = frozenset(["==", "!=", "<", ">", "<=", ">="])


def expression(cx: Context, expr: ast.Expr, want: Type | None = None) -> Any:
    """Value of an expression; `want` is the type the place asks for, where one does."""
    value = settled(cx, _HANDLERS[type(expr)](cx, expr, want))
    return coerce(cx, value, want, expr.pos) if want is not None else value


def unsettled(cx: Context, expr: ast.Expr) -> Any:
    """Value of an expression, where `next` and `last` of a stack stay what they are (for extract and fields)."""
    return _HANDLERS[type(expr)](cx, expr, None)


def scalar(cx: Context, expr: ast.Expr, want: Type | None = None) -> ir.Expr:
    return as_scalar(cx, expression(cx, expr, want), expr.pos)


def _number(cx: Context, expr: ast.Number, want: Type | None) -> Any:
    if expr.width is None:
        return ir.Const(expr.value, INT)
    return fold.const(expr.value, Bits(expr.width, expr.signed))


def _bool(cx: Context, expr: ast.Bool, want: Type | None) -> Any:
    return fold.boolean(expr.value)


def _string(cx: Context, expr: ast.String, want: Type | None) -> Any:
    return StringV(expr.value)


def _name(cx: Context, expr: ast.Name, want: Type | None) -> Any:
    found = (cx.globals if expr.dotted else cx.env).get(expr.name)
    if found is None:
        raise cx.fail(expr.pos, f"'{expr.name}' is not declared")
    if isinstance(found, list):
        return FunctionV(found, cx.globals)
    if isinstance(found, ast.Action):
        return ActionV(found, cx.globals, "")
    return found


def _type_name(cx: Context, expr: ast.TypeName, want: Type | None) -> Any:
    return TypeV(cx.type_of(expr.type))


def _member(cx: Context, expr: ast.Member, want: Type | None) -> Any:
    return member_of(cx, unsettled(cx, expr.base), expr.name, expr)


def _unary(cx: Context, expr: ast.Unary, want: Type | None) -> Any:
    return fold.unary(expr.op, scalar(cx, expr.operand))


def _binary(cx: Context, expr: ast.Binary, want: Type | None) -> Any:
    op = expr.op
    if op in ("&&", "||"):
        return _short_circuit(cx, expr)
    left, right = ordered(cx, [expr.left, expr.right])
    if op in ("==", "!="):
        same = compare(cx, left, right, expr.pos)
        return same if op == "==" else fold.negate_compare(same)
    if isinstance(left, StringV) and isinstance(right, StringV):
        return StringV(left.value + right.value)
    left, right = as_scalar(cx, left, expr.left.pos), as_scalar(cx, right, expr.right.pos)
    if op in ("<<", ">>"):
        if isinstance(right, ir.Const):
            right = ir.Const(right.value, INT)
            if right.value < 0:
                raise cx.fail(expr.right.pos, "shift by a negative constant")
        return fold.binary(op, left, right, left.type)
    if op == "++":
        width = width_of(left.type) + width_of(right.type)
        return fold.binary(op, left, right, Bits(width, isinstance(left.type, Bits) and left.type.signed))
    left, right = same_type(left, right)
    if op in ("/", "%"):
        _check_division(cx, expr, left, right)
    result = fold.binary(op, left, right, BOOL if op in _COMPARISONS else left.type)
    if op in ("/", "%") and isinstance(result, ir.Op) and result.op == op and "division" not in cx.options.allow:
        raise cx.fail(expr.pos, f"operands of '{op}' are known only at run time; this target divides by constant "
                                "powers of two only (lift with --allow division)")
    return result


def _check_division(cx: Context, expr: ast.Binary, left: ir.Expr, right: ir.Expr) -> None:
    if isinstance(right, ir.Const) and right.value == 0:
        raise cx.fail(expr.pos, "division by zero")
    if (isinstance(right, ir.Const) and right.value < 0) or (isinstance(left, ir.Const) and left.value < 0):
        raise cx.fail(expr.pos, "division is not defined for negative numbers")


def same_type(left: ir.Expr, right: ir.Expr) -> tuple[ir.Expr, ir.Expr]:
    """Give a constant of arbitrary size the other side's type."""
    if left.type is INT and right.type is not INT:
        return fold.cast(left, right.type), right
    if right.type is INT and left.type is not INT:
        return left, fold.cast(right, left.type)
    return left, right


def ordered(cx: Context, exprs: list[ast.Expr], wants: list[Type | None] | None = None) -> list[Any]:
    """Evaluate left to right; a value read before a later operand's side effect is kept in a temporary."""
    values: list[Any] = []
    marks: list[int] = []
    for number, expr in enumerate(exprs):
        values.append(expression(cx, expr, wants[number] if wants else None))
        marks.append(len(cx.out))
    for number in range(len(values) - 2, -1, -1):
        if len(cx.out) > marks[number]:
            values[number] = _keep(cx, values[number], marks[number])
    return values


def _keep(cx: Context, value: Any, at: int) -> Any:
    """Copy a value into temporaries, in statements put at place `at` of the output."""
    if isinstance(value, ir.Const) or not _changeable(value):
        return value
    tail = cx.out[at:]
    del cx.out[at:]
    if isinstance(value, ir.Expr):
        kept: Any = cx.save(value) if value.type is not INT else value
    else:
        kept = inline_call.copy_value(cx, value)
    cx.out.extend(tail)
    return kept


def _changeable(value: Any) -> bool:
    return isinstance(value, (ir.Expr, StructV, HeaderV, DynHeaderV, UnionV, StackV, TupleV, RecordV))


def _short_circuit(cx: Context, expr: ast.Binary) -> Any:
    left = scalar(cx, expr.left)
    is_and = expr.op == "&&"
    if isinstance(left, ir.Const):
        return scalar(cx, expr.right) if bool(left.value) == is_and else left
    effects, right = cx.collect(lambda: scalar(cx, expr.right))
    if not effects:
        return fold.logic("and" if is_and else "or", left, right)
    temp = cx.temp(BOOL)
    fixed = (ir.Assign(temp, fold.boolean(not is_and), cx.pos),)
    run = (*effects, ir.Assign(temp, right, cx.pos))
    cx.emit(ir.If(left, run if is_and else fixed, fixed if is_and else run, cx.pos))
    return temp


def _ternary(cx: Context, expr: ast.Ternary, want: Type | None) -> Any:
    cond = scalar(cx, expr.cond)
    if isinstance(cond, ir.Const):
        return expression(cx, expr.yes if cond.value else expr.no, want)
    yes_effects, yes = cx.collect(lambda: expression(cx, expr.yes, want))
    no_effects, no = cx.collect(lambda: expression(cx, expr.no, want))
    if isinstance(yes, ir.Expr) and isinstance(no, ir.Expr):
        yes, no = same_type(yes, no)
        if not yes_effects and not no_effects:
            return fold.choose(cond, yes, no)
        kind: Type = yes.type
    else:
        found = inline_call.type_of_value(yes) or inline_call.type_of_value(no) or want
        if found is None:
            raise cx.fail(expr.pos, "the type of this expression cannot be told")
        kind = found
    temp = cx.storage.make("tmp", kind)
    arms = []
    for effects, value in ((yes_effects, yes), (no_effects, no)):
        stored, _ = cx.collect(lambda v=value: inline_call.store(cx, temp, coerce(cx, v, kind, expr.pos)))  # type: ignore[misc]
        arms.append((*effects, *stored))
    cx.emit(ir.If(cond, arms[0], arms[1], cx.pos))
    return temp


def _cast(cx: Context, expr: ast.Cast, want: Type | None) -> Any:
    kind = cx.type_of(expr.type)
    real = strip(kind)
    value = expression(cx, expr.operand)
    if isinstance(real, Bits) or real is BOOL or real is INT:
        operand = as_scalar(cx, value, expr.pos)
        if real is INT:
            return operand
        return fold.cast(operand, real)
    return coerce(cx, value, kind, expr.pos)


def _index(cx: Context, expr: ast.Index, want: Type | None) -> Any:
    base = expression(cx, expr.base)
    index = scalar(cx, expr.index)
    if isinstance(base, TupleV):
        if not isinstance(index, ir.Const):
            raise cx.fail(expr.index.pos, "the index of a tuple must be known at compile time")
        return base.items[index.value]
    if isinstance(base, StackV):
        if isinstance(index, ir.Const):
            if not 0 <= index.value < base.type.size:
                raise cx.fail(expr.index.pos, f"index {index.value} is outside the stack of {base.type.size}")
            return base.elements[index.value]
        if not is_header(base.type.element):
            return ChoiceV(base.type.element, base.elements, cx.save(index))
        return DynHeaderV(base.type.element, base, index)
    if isinstance(base, ir.Expr):
        bit = cx.constant(expr.index)
        return fold.slice_of(base, bit, bit)
    raise cx.fail(expr.pos, "only stacks and tuples can be indexed")


def _slice(cx: Context, expr: ast.Slice, want: Type | None) -> Any:
    base = scalar(cx, expr.base)
    high, low = cx.constant(expr.high), cx.constant(expr.low)
    if base.type is INT:
        return fold.const(base.value >> low, Bits(high - low + 1))  # type: ignore[attr-defined]
    return fold.slice_of(base, high, low)


def _plus_slice(cx: Context, expr: ast.PlusSlice, want: Type | None) -> Any:
    base, low = ordered(cx, [expr.base, expr.low])
    base, low = as_scalar(cx, base, expr.base.pos), as_scalar(cx, low, expr.low.pos)
    width = cx.constant(expr.width)
    if isinstance(low, ir.Const):
        return fold.slice_of(base, low.value + width - 1, low.value)
    return ir.Op("window", (base, low), Bits(width))


def _list(cx: Context, expr: ast.ListExpr, want: Type | None) -> Any:
    real = strip(want) if want is not None else None
    wants: list[Type | None] = [None] * len(expr.items)
    if isinstance(real, Struct) and len(expr.items) <= len(real.fields):
        wants = list(real.fields.values())[:len(expr.items)]  # type: ignore[assignment]
    elif isinstance(real, Tuple) and len(expr.items) <= len(real.members):
        wants = list(real.members)[:len(expr.items)]  # type: ignore[assignment]
    values = ordered(cx, list(expr.items), wants)
    kinds = tuple(inline_call.type_of_value(v) or INT for v in values)
    return TupleV(Tuple(kinds, False), values, expr.rest)


def _struct(cx: Context, expr: ast.StructExpr, want: Type | None) -> Any:
    real = strip(want) if want is not None else None
    fields = real.fields if isinstance(real, Struct) else {}
    values = ordered(cx, list(expr.values), [fields.get(n) for n in expr.names])
    return RecordV(dict(zip(expr.names, values)), expr.rest)


def _invalid(cx: Context, expr: ast.InvalidHeader, want: Type | None) -> Any:
    return HeaderRV(strip(want), None) if isinstance(want, Struct) else HeaderRV(None, None)  # type: ignore[arg-type]


def _dots(cx: Context, expr: ast.Dots, want: Type | None) -> Any:
    return default_value(cx, want) if want is not None else DotsV()


def _call(cx: Context, expr: ast.Call, want: Type | None) -> Any:
    return inline_call.call(cx, expr, want)


def _construct(cx: Context, expr: ast.Construct, want: Type | None) -> Any:
    return inline_call.construct(cx, expr.type, expr.args, "", expr.pos)


def _default(cx: Context, expr: ast.Default, want: Type | None) -> Any:
    return KeysetV("default")


def _mask(cx: Context, expr: ast.Mask, want: Type | None) -> Any:
    return KeysetV("mask", scalar(cx, expr.value, want), scalar(cx, expr.mask, want))


def _range(cx: Context, expr: ast.Range, want: Type | None) -> Any:
    return KeysetV("range", scalar(cx, expr.low, want), scalar(cx, expr.high, want))


_HANDLERS: dict[type, Any] = {
    ast.Number: _number, ast.Bool: _bool, ast.String: _string, ast.Name: _name, ast.TypeName: _type_name,
    ast.Member: _member, ast.Unary: _unary, ast.Binary: _binary, ast.Ternary: _ternary, ast.Cast: _cast,
    ast.Index: _index, ast.Slice: _slice, ast.PlusSlice: _plus_slice, ast.ListExpr: _list, ast.StructExpr: _struct,
    ast.InvalidHeader: _invalid, ast.Dots: _dots, ast.Call: _call, ast.Construct: _construct,
    ast.Default: _default, ast.Mask: _mask, ast.Range: _range,
}

__all__ = ["STRING", "ActionV", "ExternV", "InstanceV", "Object", "TableV", "ValueSetV", "expression", "scalar",
           "valid_field"]
