"""Externs that the program declares itself, for a switch that loads a module with them."""
from __future__ import annotations

from typing import Any

from . import ast, ir
from .context import Context
from .extern_hash import scalars_of
from .stores import header_arg, store
from .types import INT, VOID, Bits, Struct, Tuple, Type, is_scalar, strip, width_of
from .values import DynHeaderV, Env, HeaderV, SavedV, StackV, StringV, StructV, TupleV


def user_call(cx: Context, decl: Any, op: str, front: list[Any], expr: ast.Call, want: Type | None,
              scope: Env | None = None) -> Any:
    """A call of an extern the program declares: a primitive that a module of the switch must bring.

    A result goes into variables, one for each number in it, that stand before the arguments.
    """
    from .inline_call import bind_types  # the two call each other

    if not cx.options.emit_externs:
        raise cx.fail(expr.pos, f"extern {decl.name} is not known to this target (a switch with a module for it needs "
                                "--emit-externs)")
    env = scope or Env(cx.globals)
    args: list[Any] = []
    after: list[tuple[Any, Any]] = []
    for param, value in bind_types(cx, decl, env, expr, want):
        if param.direction not in ("out", "inout"):
            args.append(_user_argument(cx, value, expr.pos))
            continue
        place, kept = (value.place, value.value) if isinstance(value, SavedV) else (value, value)
        kind = cx.type_of(param.type, env)
        if place is None or isinstance(value, SavedV) or (isinstance(place, ir.Expr) and not isinstance(place, ir.Field)) or \
                isinstance(place, (StructV, TupleV)):
            local = cx.storage.make(param.name, kind)
            if param.direction == "inout":
                store(cx, local, kept)
            if place is not None:
                after.append((place, local))
            place = local
        args += scalars_of(cx, place) if isinstance(place, (StructV, TupleV)) else [_user_argument(cx, place, expr.pos)]
    result, places = _result(cx, decl, cx.type_of(decl.result, env), expr.pos)
    cx.prim(op, *front, *([ir.Returned(len(places))] if places else []), *places, *args)
    for place, local in after:
        store(cx, place, local)
    return result


def _result(cx: Context, decl: Any, kind: Type, pos: int) -> tuple[Any, list[Any]]:
    """A place for the result and its numbers."""
    if kind is VOID:
        return None, []
    if not _numbers(kind):
        raise cx.fail(pos, f"extern {decl.name} returns {kind}; externs return numbers, bools, and structs of them")
    result = cx.storage.make(decl.name, kind)
    return result, scalars_of(cx, result)


def _numbers(kind: Type) -> bool:
    """Does the type consist of numbers and bools alone?"""
    real = strip(kind)
    if isinstance(real, Struct):
        return real.kind == "struct" and bool(real.fields) and all(_numbers(t) for t in real.fields.values())
    if isinstance(real, Tuple):
        return bool(real.members) and all(_numbers(t) for t in real.members)
    return is_scalar(real) and width_of(real) > 0


def _user_argument(cx: Context, value: Any, pos: int) -> Any:
    if isinstance(value, ir.Const) and value.type is INT:
        return ir.Const(value.value, Bits(32))
    if isinstance(value, ir.Expr):
        return value
    if isinstance(value, (HeaderV, DynHeaderV)):
        return header_arg(value)
    if isinstance(value, StackV):
        return ir.StackArg(value.name)
    if isinstance(value, StringV):
        return ir.Raw(value.value)
    if isinstance(value, (StructV, TupleV)):
        return tuple(scalars_of(cx, value))
    raise cx.fail(pos, "an extern takes numbers, bools, headers, stacks, strings and structs of numbers")
