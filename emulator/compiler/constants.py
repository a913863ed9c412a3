"""Constant expressions while the program is being checked (before anything is inlined)."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import ast, fold, ir
from .types import BOOL, ERROR, INT, Bits, Enum, Stack, Struct, Tuple, Type, least_width, storage_type, strip, width_of
from .values import Env, TypeV

if TYPE_CHECKING:
    from .checker import Checker


def evaluate(ck: Checker, expr: ast.Expr, env: Env) -> ir.Const | None:
    """Value of an expression, None where it is not constant (or not a number or bool)."""
    handler = _HANDLERS.get(type(expr))
    return handler(ck, expr, env) if handler is not None else None


def _number(ck: Checker, expr: ast.Number, env: Env) -> ir.Const | None:
    return ir.Const(expr.value, INT) if expr.width is None else fold.const(expr.value, Bits(expr.width, expr.signed))


def _bool(ck: Checker, expr: ast.Bool, env: Env) -> ir.Const | None:
    return fold.boolean(expr.value)


def _name(ck: Checker, expr: ast.Name, env: Env) -> ir.Const | None:
    found = (ck.globals if expr.dotted else env).get(expr.name)
    return getattr(found, "value", None) if not isinstance(found, ast.Node) else None


def _member(ck: Checker, expr: ast.Member, env: Env) -> ir.Const | None:
    kind: Any = None
    if isinstance(expr.base, ast.TypeName):
        kind = ck.type_of(expr.base.type, env)
    elif isinstance(expr.base, ast.Name):
        found = env.get(expr.base.name)
        kind = found.type if isinstance(found, TypeV) else None
        if isinstance(getattr(found, "type", None), Stack) and expr.name == "size":
            return ir.Const(found.type.size, Bits(32))
    if kind is ERROR:
        number = ck.program.errors.get(expr.name)
        return None if number is None else ir.Const(number, Bits(32))
    if isinstance(kind, Enum) and expr.name in kind.members:
        return fold.const(kind.members[expr.name], storage_type(kind))
    base_type = ck.types.get(expr.base)
    if expr.name == "size" and isinstance(base_type, Stack):
        return ir.Const(base_type.size, Bits(32))
    return _part(ck, expr, env)


def _part(ck: Checker, expr: ast.Member | ast.Index, env: Env) -> ir.Const | None:
    """A field of a constant struct, or a member of a constant tuple."""
    found = _source(ck, expr, env)
    if found is None:
        return None
    source, kind = found
    value = evaluate(ck, source, env)
    held = storage_type(kind)
    return fold.const(value.value, held) if value is not None and isinstance(held, Bits) else value


def _source(ck: Checker, expr: ast.Expr, env: Env) -> tuple[ast.Expr, Type] | None:
    """The expression that gives a constant (or a part of one) its value, and the type it has there."""
    if isinstance(expr, ast.Name):
        found = (ck.globals if expr.dotted else env).get(expr.name)
        decl = getattr(found, "decl", None)
        return (decl.value, found.type) if isinstance(decl, ast.Const) else None
    if not isinstance(expr, (ast.Member, ast.Index)):
        return None
    whole = _source(ck, expr.base, env)
    if whole is None:
        return None
    source, kind = whole
    while isinstance(source, ast.Cast):
        source = source.operand
    if isinstance(source, (ast.Name, ast.Member, ast.Index)):
        inner = _source(ck, source, env)
        return _source_part(ck, expr, inner[0], kind, env) if inner is not None else None
    return _source_part(ck, expr, source, kind, env)


def _source_part(ck: Checker, expr: ast.Member | ast.Index, source: ast.Expr, kind: Type,
                 env: Env) -> tuple[ast.Expr, Type] | None:
    if isinstance(expr, ast.Member) and isinstance(kind, Struct) and expr.name in kind.fields:
        if isinstance(source, ast.StructExpr) and expr.name in source.names:
            return source.values[source.names.index(expr.name)], kind.fields[expr.name]
        number = list(kind.fields).index(expr.name)
        if isinstance(source, ast.ListExpr) and number < len(source.items):
            return source.items[number], kind.fields[expr.name]
    elif isinstance(expr, ast.Index) and isinstance(kind, Tuple) and isinstance(source, ast.ListExpr):
        index = evaluate(ck, expr.index, env)
        if index is not None and 0 <= index.value < min(len(source.items), len(kind.members)):
            return source.items[index.value], kind.members[index.value]
    return None


def _unary(ck: Checker, expr: ast.Unary, env: Env) -> ir.Const | None:
    value = evaluate(ck, expr.operand, env)
    result = fold.unary(expr.op, value) if value is not None else None
    return result if isinstance(result, ir.Const) else None


def _binary(ck: Checker, expr: ast.Binary, env: Env) -> ir.Const | None:
    left = evaluate(ck, expr.left, env)
    if left is None:
        return None
    if expr.op in ("&&", "||"):
        if bool(left.value) != (expr.op == "&&"):
            return left
        return evaluate(ck, expr.right, env)
    right = evaluate(ck, expr.right, env)
    if right is None:
        return None
    if expr.op not in ("<<", ">>", "++"):
        if left.type is INT and right.type is not INT:
            left = fold.const(left.value, right.type)
        elif right.type is INT and left.type is not INT:
            right = fold.const(right.value, left.type)
    kind: Type = left.type
    if expr.op in ("==", "!=", "<", ">", "<=", ">="):
        kind = BOOL
    elif expr.op == "++":
        kind = Bits(width_of(left.type) + width_of(right.type))
    result = fold.binary(expr.op, left, right, kind)
    return result if isinstance(result, ir.Const) else None


def _ternary(ck: Checker, expr: ast.Ternary, env: Env) -> ir.Const | None:
    cond = evaluate(ck, expr.cond, env)
    if cond is None:
        return None
    return evaluate(ck, expr.yes if cond.value else expr.no, env)


def _cast(ck: Checker, expr: ast.Cast, env: Env) -> ir.Const | None:
    value = evaluate(ck, expr.operand, env)
    if value is None:
        return None
    kind = storage_type(strip(ck.type_of(expr.type, env)))
    if kind is INT:
        return ir.Const(value.value, INT)
    return fold.const(value.value, kind) if isinstance(kind, Bits) or kind is BOOL else None


def _slice(ck: Checker, expr: ast.Slice, env: Env) -> ir.Const | None:
    base = evaluate(ck, expr.base, env)
    high, low = evaluate(ck, expr.high, env), evaluate(ck, expr.low, env)
    if base is None or high is None or low is None or high.value < low.value:
        return None
    return fold.const(base.value >> low.value, Bits(high.value - low.value + 1))


def _plus_slice(ck: Checker, expr: ast.PlusSlice, env: Env) -> ir.Const | None:
    base, low, width = (evaluate(ck, e, env) for e in (expr.base, expr.low, expr.width))
    if base is None or low is None or width is None or width.value < 1 or low.value < 0:
        return None
    return fold.const(base.value >> low.value, Bits(width.value))


def _call(ck: Checker, expr: ast.Call, env: Env) -> ir.Const | None:
    """static_assert, x.minSizeInBits() and its relatives."""
    func = expr.func
    if isinstance(func, ast.Name) and func.name == "static_assert" and expr.args and expr.args[0].value is not None:
        return _static_assert(ck, expr, env)
    if isinstance(func, ast.Member) and func.name in _SIZES:
        kind = ck.types.get(func.base)
        if kind is None and isinstance(func.base, ast.TypeName):
            kind = ck.type_of(func.base.type, env)
        elif kind is None and isinstance(func.base, ast.Name):
            kind = getattr(env.get(func.base.name), "type", None)
        if isinstance(kind, ast.Node) or kind is None:
            return None
        bits = least_width(kind) if func.name.startswith("min") else width_of(kind)
        return ir.Const(bits if func.name.endswith("Bits") else (bits + 7) // 8, INT)
    return None


def _static_assert(ck: Checker, expr: ast.Call, env: Env) -> ir.Const | None:
    check = evaluate(ck, expr.args[0].value, env)  # type: ignore[arg-type]
    if check is not None and not check.value and expr not in ck.asserted:
        ck.asserted.add(expr)
        text = next((f": {a.value.value}" for a in expr.args[1:] if isinstance(a.value, ast.String)), "")
        ck.error(expr.pos, f"static_assert failed{text}")
    return fold.TRUE if check is not None else None


_SIZES = frozenset(["minSizeInBits", "maxSizeInBits", "minSizeInBytes", "maxSizeInBytes"])
_HANDLERS: dict[type, Any] = {
    ast.Number: _number, ast.Bool: _bool, ast.Name: _name, ast.Member: _member, ast.Unary: _unary,
    ast.Binary: _binary, ast.Ternary: _ternary, ast.Cast: _cast, ast.Slice: _slice,
    ast.PlusSlice: _plus_slice, ast.Call: _call, ast.Index: _part,
}
