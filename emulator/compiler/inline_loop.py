"""Loops: unrolled where the number of rounds is known, otherwise kept as jumps inside an action."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from . import ast, fold, ir
from .context import Context
from .inline_expr import expression, scalar
from .types import ListOf, Stack, Tuple, strip
from .values import Env, KeysetV, StackV, TupleV

MAX_ROUNDS = 4096
"""Loops that run longer are kept as loops."""


def for_loop(cx: Context, item: ast.For, statements: Callable[..., None], statement: Callable[..., None]) -> None:
    saved = cx.env
    cx.env = Env(saved)
    rounds = _count(cx, item) if cx.options.unroll else None
    if rounds is not None:
        _rounds(cx, [partial(_bind, cx, values) for values in rounds], item.body, statements)
    else:
        _keep_loop(cx, item, statements, statement)
    cx.env = saved


def _bind(cx: Context, values: dict[str, ir.Const]) -> None:
    for name, value in values.items():
        cx.env.set(name, value)


def _rounds(cx: Context, binders: list[Callable[[], None]], body: ast.Stmt, statements: Callable[..., None]) -> None:
    """One copy of the body per round; `break` leaves them all, `continue` the one."""
    frame = cx.frame
    outer = frame.break_label, frame.continue_label
    frame.break_label = stop = cx.label()
    out: list[ir.Stmt] = []
    for bind in binders:
        frame.continue_label = after = cx.label()
        saved = cx.env
        cx.env = Env(saved)
        bind()
        part, _ = cx.collect(lambda: statements(cx, [body]))
        cx.env = saved
        out.extend([ir.Block(after, tuple(part), cx.pos)] if after in frame.used else part)
        if part and isinstance(part[-1], (ir.Exit, ir.Jump)) and after not in frame.used:
            break
    frame.break_label, frame.continue_label = outer
    if stop in frame.used:
        cx.emit(ir.Block(stop, tuple(out), cx.pos))
    else:
        cx.out.extend(out)


def _count(cx: Context, item: ast.For) -> list[dict[str, ir.Const]] | None:
    """The loop variables' values in each round, or None where they are not known now."""
    names: dict[str, Any] = {}
    env = cx.env
    cx.env = Env(env)
    try:
        for init in item.init:
            if not isinstance(init, ast.Var) or init.value is None:
                return None
            effects, value = cx.collect(lambda v=init: expression(cx, v.value, cx.type_of(v.type)))  # type: ignore[misc]
            if effects or not isinstance(value, ir.Const):
                return None
            names[init.name] = value
            cx.env.set(init.name, value)
        if not names or assigned(item.body, set(names)):
            return None
        return _simulate(cx, item, list(names))
    finally:
        cx.env = env


def _simulate(cx: Context, item: ast.For, names: list[str]) -> list[dict[str, ir.Const]] | None:
    rounds: list[dict[str, ir.Const]] = []
    while True:
        effects, cond = cx.collect(lambda: scalar(cx, item.cond))
        if effects or not isinstance(cond, ir.Const):
            return None
        if not cond.value:
            return rounds
        if len(rounds) >= MAX_ROUNDS:
            return None
        rounds.append({n: cx.env.names[n] for n in names})
        for update in item.update:
            if not isinstance(update, ast.Assign) or not isinstance(update.target, ast.Name) or \
                    update.target.name not in names:
                return None
            name = update.target.name
            value_expr: ast.Expr = update.value
            if update.op:
                value_expr = ast.Binary(update.pos, update.op, update.target, update.value)
            effects, value = cx.collect(lambda e=value_expr, n=name: expression(cx, e, cx.env.names[n].type))  # type: ignore[misc]
            if effects or not isinstance(value, ir.Const):
                return None
            cx.env.set(name, value)


def assigned(stmt: Any, names: set[str]) -> bool:
    """Could the statement write one of these variables? A variable handed whole to a call counts as written."""
    if isinstance(stmt, ast.Assign):
        return root(stmt.target) in names or assigned(stmt.value, names)
    if isinstance(stmt, ast.Call):
        return (any(isinstance(a.value, ast.Name) and a.value.name in names for a in stmt.args) and \
            not _harmless(stmt)) or any(assigned(a.value, names) for a in stmt.args)
    if isinstance(stmt, ast.Node):
        return any(assigned(getattr(stmt, slot), names) for cls in type(stmt).__mro__
                   for slot in getattr(cls, "__slots__", ()) if slot != "pos")
    if isinstance(stmt, tuple):
        return any(assigned(part, names) for part in stmt)
    return False


def _harmless(call: ast.Call) -> bool:
    """Methods whose plain-name arguments are only read: indexes of registers, counters and the like."""
    func = call.func
    if isinstance(func, ast.Member) and func.name in ("write", "count", "setValid", "isValid", "emit"):
        return True
    return isinstance(func, ast.Name) and func.name in ("log_msg", "assert", "assume", "verify")


def root(expr: ast.Expr) -> str | None:
    """The variable an l-value lies in."""
    while isinstance(expr, (ast.Member, ast.Index, ast.Slice, ast.PlusSlice)):
        expr = expr.base
    return expr.name if isinstance(expr, ast.Name) else None


def _keep_loop(cx: Context, item: ast.For, statements: Callable[..., None], statement: Callable[..., None]) -> None:
    """init; Loop { if (!cond) break; body; update }."""
    for init in item.init:
        statement(cx, init)
    frame = cx.frame
    outer = frame.break_label, frame.continue_label
    frame.break_label, frame.continue_label = stop, after = cx.label(), cx.label()

    def round_() -> None:
        cond = scalar(cx, item.cond)
        cx.emit(ir.If(cond, (), (ir.Jump(stop, cx.pos),), cx.pos))
        part, _ = cx.collect(lambda: statements(cx, [item.body]))
        cx.emit(ir.Block(after, tuple(part), cx.pos))
        for update in item.update:
            statement(cx, update)

    body, _ = cx.collect(round_)
    frame.break_label, frame.continue_label = outer
    cx.emit(ir.Loop(stop, tuple(body), cx.pos))


def for_in(cx: Context, item: ast.ForIn, statements: Callable[..., None]) -> None:
    """for (x in a .. b), over a list or a stack: always unrolled."""
    saved = cx.env
    kind = cx.type_of(item.type) if item.type is not None else None
    values = _elements(cx, item, kind)
    cx.env = Env(saved)

    def bind(value: Any) -> None:
        if item.type is None:
            from .stores import store

            store(cx, saved.get(item.name), value)
        else:
            cx.env.set(item.name, value)

    _rounds(cx, [partial(bind, v) for v in values], item.body, statements)
    cx.env = saved


def _elements(cx: Context, item: ast.ForIn, kind: Any) -> list[Any]:
    value = expression(cx, item.collection, kind if isinstance(item.collection, ast.Range) else None)
    if isinstance(value, KeysetV) and value.kind == "range":
        if not isinstance(value.first, ir.Const) or not isinstance(value.second, ir.Const):
            raise cx.fail(item.collection.pos, "the bounds of this loop must be known at compile time")
        count = value.second.value - value.first.value + 1
        if count > MAX_ROUNDS:
            raise cx.fail(item.collection.pos, f"this loop runs {count} times; at most {MAX_ROUNDS} can be unrolled")
        return [fold.const(v, value.first.type) for v in range(value.first.value, value.second.value + 1)]
    if isinstance(value, StackV):
        return list(value.elements)
    if isinstance(value, TupleV):
        return [fold.cast(v, strip(kind)) if isinstance(v, ir.Const) and kind is not None else v for v in value.items]
    raise cx.fail(item.collection.pos, "a loop runs over a range, a list or a header stack")


__all__ = ["ListOf", "Stack", "Tuple", "assigned", "for_in", "for_loop"]
