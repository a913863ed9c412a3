"""Statements of the tree to statements of the core."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import ast, fold, inline_call, inline_control, inline_table, ir
from .context import Context
from .inline_expr import _keep, expression, same_type, scalar
from .inline_init import clear, may_run_again
from .inline_loop import for_in, for_loop
from .stores import invalidate, store, type_of_value
from .types import INT, VOID, Bits
from .values import ApplyV, DynHeaderV, Env, HeaderRV, MethodV


def statements(cx: Context, body: Iterable[ast.Node]) -> None:
    """A statement list in a scope of its own. What follows a jump is unreachable and left out."""
    saved = cx.env
    cx.env = Env(saved)
    for item in body:
        statement(cx, item)
        if cx.out and isinstance(cx.out[-1], (ir.Jump, ir.Exit)):
            break
    cx.env = saved


def statement(cx: Context, item: ast.Node) -> None:
    saved = cx.pos
    cx.pos = item.pos
    _HANDLERS[type(item)](cx, item)
    cx.pos = saved


def _variable(cx: Context, item: ast.Var) -> None:
    declare_variable(cx, item)


def declare_variable(cx: Context, item: ast.Var, place: Any = None) -> None:
    """A local variable, in `place` where the caller has one already."""
    kind = cx.type_of(item.type)
    value = expression(cx, item.value, kind) if item.value is not None else None
    place = cx.storage.make(item.name, kind) if place is None else place
    cx.env.set(item.name, place)
    if isinstance(value, ApplyV):
        raise cx.fail(item.pos, "the result of apply() cannot be kept in a variable")
    if value is not None:
        store(cx, place, value)
    elif may_run_again(cx):
        invalidate(cx, place)
        clear(cx, place)


def _constant(cx: Context, item: ast.Const) -> None:
    cx.env.set(item.name, expression(cx, item.value, cx.type_of(item.type)))


def _assign(cx: Context, item: ast.Assign) -> None:
    place = expression(cx, item.target)
    mark = len(cx.out)
    kind = type_of_value(place)
    if item.op:
        place = inline_call.fix_index(cx, place)
        value: Any = _compound(cx, item, place)
    else:
        value = expression(cx, item.value, kind)
        if len(cx.out) > mark:
            place = _hold_index(cx, place, mark)
    store(cx, place, value)


def _compound(cx: Context, item: ast.Assign, place: Any) -> ir.Expr:
    mark = len(cx.out)
    right = scalar(cx, item.value)
    left = _keep(cx, place, mark) if len(cx.out) > mark else place
    if item.op in ("<<", ">>"):
        right = ir.Const(right.value, INT) if isinstance(right, ir.Const) else right
    else:
        left, right = same_type(left, right)
    result = fold.binary(item.op, left, right, left.type)
    if isinstance(result, ir.Op) and result.op in ("/", "%") and "division" not in cx.options.allow:
        raise cx.fail(item.pos, f"operands of '{item.op}=' are known only at run time")
    return result


def _hold_index(cx: Context, place: Any, mark: int) -> Any:
    """The target's index as it was before the right-hand side ran."""
    if isinstance(place, DynHeaderV):
        return DynHeaderV(place.type, place.stack, _keep(cx, place.index, mark))
    if isinstance(place, ir.DynField):
        return ir.DynField(place.stack, _keep(cx, place.index, mark), place.name, place.type)
    if isinstance(place, ir.Op) and place.op == "slice":
        return ir.Op("slice", (_hold_index(cx, place.args[0], mark), *place.args[1:]), place.type)
    if isinstance(place, ir.Op) and place.op == "window":
        low = _keep(cx, place.args[1], mark)
        return ir.Op("window", (_hold_index(cx, place.args[0], mark), low), place.type)
    return place


def _call(cx: Context, item: ast.CallStmt) -> None:
    value = inline_call.call(cx, item.call)
    if isinstance(value, ApplyV):
        inline_table.apply_table(cx, value, ())


def _direct(cx: Context, item: ast.DirectApply) -> None:
    kind = cx.type_of(item.type)
    path = f"{cx.frame.path}.{kind}" if cx.frame.path else str(kind)
    instance = inline_call.construct(cx, item.type, (), "", item.pos, path)
    inline_call.apply_control(cx, instance, item.args, item.pos)


def _if(cx: Context, item: ast.If) -> None:
    found = table_condition(cx, item.cond)
    then = [item.then]
    orelse = [item.orelse] if item.orelse is not None else []
    if found is not None:
        result, wants_hit = found
        hit, miss = (then, orelse) if wants_hit else (orelse, then)
        hit_body, _ = cx.collect(lambda: statements(cx, hit))
        miss_body, _ = cx.collect(lambda: statements(cx, miss))
        inline_table.apply_table(cx, result, (("__HIT__", tuple(hit_body)), ("__MISS__", tuple(miss_body))))
        return
    cond = scalar(cx, item.cond)
    if isinstance(cond, ir.Const):
        statements(cx, then if cond.value else orelse)
        return
    then_body, _ = cx.collect(lambda: statements(cx, then))
    else_body, _ = cx.collect(lambda: statements(cx, orelse))
    if then_body or else_body:
        cx.emit(ir.If(cond, tuple(then_body), tuple(else_body), item.pos))


def table_condition(cx: Context, cond: ast.Expr) -> tuple[ApplyV, bool] | None:
    """t.apply().hit, .miss, or one of them negated, as a condition."""
    if isinstance(cond, ast.Unary) and cond.op == "!":
        found = table_condition(cx, cond.operand)
        return (found[0], not found[1]) if found else None
    if isinstance(cond, ast.Member) and cond.name in ("hit", "miss") and is_apply(cx, cond.base):
        return expression(cx, cond.base), cond.name == "hit"
    return None


def is_apply(cx: Context, expr: ast.Expr) -> bool:
    """Is this a call of a table's apply?"""
    if not (isinstance(expr, ast.Call) and isinstance(expr.func, ast.Member) and expr.func.name == "apply"):
        return False
    func = expression(cx, expr.func)
    return isinstance(func, MethodV) and isinstance(func.base, inline_table.TableV)


def _switch(cx: Context, item: ast.Switch) -> None:
    subject = item.subject
    if isinstance(subject, ast.Member) and subject.name == "action_run" and is_apply(cx, subject.base):
        result = expression(cx, subject.base)
        cases = [(_action_label(cx, c), _case_body(cx, item, i)) for i, c in enumerate(item.cases)]
        inline_table.apply_table(cx, result, tuple(cases))
        return
    value = scalar(cx, subject)
    if not isinstance(value, (ir.Const, ir.Field)):
        value = cx.save(value, "switch_key")
    _value_switch(cx, item, value)


def _action_label(cx: Context, case: ast.SwitchCase) -> str | None:
    if case.label is None:
        return None
    action = expression(cx, case.label)
    return inline_table.action_name(action.decl, action.path)


def _case_body(cx: Context, item: ast.Switch, number: int) -> tuple[ir.Stmt, ...]:
    """The body of a case, or of the next one that has a body."""
    bodies = [case.body for case in item.cases[number:] if case.body is not None]
    return tuple(cx.collect(lambda: statements(cx, bodies[0].body))[0]) if bodies else ()


def _value_switch(cx: Context, item: ast.Switch, value: ir.Expr) -> None:
    """switch on an expression: a chain of comparisons in the order of the labels, default last."""
    default: int | None = None
    tests: list[tuple[ir.Expr, int]] = []
    pending: list[ast.SwitchCase] = []
    for number, case in enumerate(item.cases):
        pending.append(case)
        if case.body is None:
            continue
        cond: ir.Expr = fold.FALSE
        for label in pending:
            if label.label is None:
                default = number
            else:
                key = scalar(cx, label.label, value.type)
                cond = fold.logic("or", cond, fold.equal(value, key))
        pending = []
        tests.append((cond, number))
    chain: tuple[ir.Stmt, ...] = () if default is None else _case_body(cx, item, default)
    for cond, number in reversed(tests):
        if number == default:
            # Labels that share the default's body need no test: they reach it anyway.
            continue
        if isinstance(cond, ir.Const):
            chain = _case_body(cx, item, number) if cond.value else chain
            continue
        chain = (ir.If(cond, _case_body(cx, item, number), chain, item.cases[number].pos),)
    for stmt in chain:
        cx.emit(stmt)


def _return(cx: Context, item: ast.Return) -> None:
    frame = cx.frame
    if item.value is not None and frame.result_type is not VOID:
        value = expression(cx, item.value, frame.result_type)
        store(cx, frame.result, value)
    assert frame.return_label is not None
    frame.used.add(frame.return_label)
    cx.emit(ir.Jump(frame.return_label, cx.pos))


def _exit(cx: Context, item: ast.Exit) -> None:
    inline_call.leave(cx)


def _break(cx: Context, item: ast.Node) -> None:
    label = cx.frame.break_label if isinstance(item, ast.Break) else cx.frame.continue_label
    if label is None:
        raise cx.fail(item.pos, "this stands outside any loop")
    cx.frame.used.add(label)
    cx.emit(ir.Jump(label, cx.pos))


def _block(cx: Context, item: ast.Block) -> None:
    statements(cx, item.body)


def _instance(cx: Context, item: ast.Instance) -> None:
    inline_control.declare_instance(cx, item, cx.frame.path)


def _for(cx: Context, item: ast.For) -> None:
    for_loop(cx, item, statements, statement)


def _for_in(cx: Context, item: ast.ForIn) -> None:
    for_in(cx, item, statements)


def _nothing(cx: Context, item: ast.Node) -> None:
    pass


_HANDLERS: dict[type, Any] = {
    ast.Var: _variable, ast.Const: _constant, ast.Assign: _assign, ast.CallStmt: _call, ast.DirectApply: _direct,
    ast.If: _if, ast.Switch: _switch, ast.Return: _return, ast.Exit: _exit, ast.Break: _break, ast.Continue: _break,
    ast.Block: _block, ast.Instance: _instance, ast.For: _for, ast.ForIn: _for_in, ast.Empty: _nothing,
}

__all__ = ["Bits", "HeaderRV", "declare_variable", "statement", "statements"]
