"""Externs that the program declares itself, for a switch that loads a module with them."""
from __future__ import annotations

from typing import Any

from . import ast, ir
from .context import Context
from .stores import header_arg, store
from .types import INT, Bits
from .values import DynHeaderV, Env, HeaderV, SavedV, StackV, StringV, StructV, TupleV


def user_call(cx: Context, decl: Any, op: str, front: list[Any], expr: ast.Call) -> None:
    """A call of an extern the program declares: a primitive that a module of the switch must bring."""
    from .inline_call import bind_types  # the two call each other

    if not cx.options.emit_externs:
        raise cx.fail(expr.pos, f"extern {decl.name} is not known to this target (a switch with a module for it needs "
                                "--emit-externs)")
    if str(cx.type_of(decl.result, env := Env(cx.env))) != "void":
        raise cx.fail(expr.pos, f"extern {decl.name} returns a value; this target knows out parameters only")
    args: list[Any] = list(front)
    after: list[tuple[Any, ir.Field]] = []
    for param, value in bind_types(cx, decl, env, expr, None):
        value = value.place if isinstance(value, SavedV) else value
        if param.direction in ("out", "inout") and isinstance(value, ir.Expr) and not isinstance(value, ir.Field):
            temp = cx.temp(value.type)
            if param.direction == "inout":
                store(cx, temp, value)
            after.append((value, temp))
            value = temp
        args.append(_user_argument(cx, value, expr.pos))
    cx.prim(op, *args)
    for place, temp in after:
        store(cx, place, temp)


def _scalars(cx: Context, value: Any) -> list[Any]:
    from .externs import scalars_of  # the two call each other

    return scalars_of(cx, value)


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
        return tuple(_scalars(cx, value))
    raise cx.fail(pos, "an extern takes numbers, bools, headers, stacks, strings and structs of numbers")
