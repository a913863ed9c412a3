"""Methods of tables, instances, stacks, headers and unions."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import ast, externs, fold, inline_call, inline_member, ir
from .context import Context
from .convert import validity
from .stores import header_arg, remove, type_of_value
from .types import BOOL, INT, Type, least_width, width_of
from .values import ApplyV, ChoiceV, ExternV, InstanceV, MethodV, StackV, TableV, TypeV


def call_method(cx: Context, method: MethodV, expr: ast.Call, want: Type | None) -> Any:
    base, name = inline_member.settled(cx, method.base), method.name
    if isinstance(base, ExternV):
        return externs.call_method(cx, base, name, expr, want)
    if isinstance(base, TableV) and name == "apply":
        return ApplyV(base, expr)
    if isinstance(base, InstanceV) and name == "apply":
        return inline_call.apply_control(cx, base, expr.args, expr.pos)
    if isinstance(base, StackV) and name in ("push_front", "pop_front"):
        count = cx.constant(expr.args[0].value) if expr.args and expr.args[0].value else 1
        cx.prim("push" if name == "push_front" else "pop", ir.StackArg(base.name), ir.Raw(count))
        return None
    if isinstance(base, ChoiceV) and name in ("isValid", "setValid", "setInvalid"):
        return _choice_method(cx, base, name, expr, want)
    if name == "isValid":
        return validity(cx, base)
    if name in ("setValid", "setInvalid"):
        if name == "setValid":
            cx.prim("add_header", header_arg(base))
        else:
            remove(cx, base)
        return None
    if name in _SIZES:
        kind = base.type if isinstance(base, TypeV) else type_of_value(base)
        return ir.Const(_SIZES[name](kind) if kind is not None else 0, INT)
    raise cx.fail(expr.pos, f"there is no method {name} here")


def _choice_method(cx: Context, base: ChoiceV, name: str, expr: ast.Call, want: Type | None) -> Any:
    """A method of one of several unions or members: the parts' own, under conditions on the index."""
    runs = [cx.collect(lambda p=p: call_method(cx, MethodV(p, name), expr, want)) for p in base.parts]  # type: ignore[misc]
    if name == "isValid":
        return inline_member.choice_member(base, [value for _, value in runs], BOOL)
    code = tuple(runs[-1][0])
    for number in range(len(runs) - 2, -1, -1):
        cond = fold.equal(base.index, fold.const(number, base.index.type))
        code = (ir.If(cond, tuple(runs[number][0]), code, cx.pos),)
    cx.out.extend(code)
    return None


_SIZES: dict[str, Callable[[Type], int]] = {
    "minSizeInBits": least_width, "maxSizeInBits": width_of,
    "minSizeInBytes": lambda t: (least_width(t) + 7) // 8, "maxSizeInBytes": lambda t: (width_of(t) + 7) // 8,
}


def apply_member(cx: Context, result: ApplyV, name: str, pos: int) -> Any:
    """t.apply().hit and .miss as values."""
    from . import inline_table

    if name not in ("hit", "miss"):
        return MethodV(result, name)
    temp = cx.temp(BOOL)
    hit = (ir.Assign(temp, fold.boolean(name == "hit"), cx.pos),)
    miss = (ir.Assign(temp, fold.boolean(name == "miss"), cx.pos),)
    inline_table.apply_table(cx, result, (("__HIT__", hit), ("__MISS__", miss)))
    return temp
