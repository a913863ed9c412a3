"""Statements: types, what may stand where, definite return."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import ast, check_call, check_expr
from .check_flow import branches
from .checker import Checker, Sym
from .types import (
    BOOL,
    ERROR,
    INT,
    UNKNOWN,
    VOID,
    ActionRun,
    ApplyResult,
    Bits,
    Enum,
    ListOf,
    Object,
    SetOf,
    Stack,
    Tuple,
    Type,
    Varbit,
    is_scalar,
    strip,
)
from .values import Env


def statements(ck: Checker, body: Iterable[ast.Node]) -> bool:
    """Check statements in a scope of their own; True when control cannot get past them."""
    saved = ck.env
    ck.env = Env(saved)
    ended = False
    warned = False
    for item in body:
        if ended and not warned and not isinstance(item, ast.Empty):
            ck.diags.warn(item.pos, "this statement is never reached", "unreachable")
            warned = True
        ended = statement(ck, item) or ended
    _unused(ck)
    ck.env = saved
    return ended


def _unused(ck: Checker) -> None:
    for sym in ck.env.names.values():
        if isinstance(sym, Sym) and sym.kind == "variable" and not sym.used:
            ck.diags.warn(sym.pos, f"variable '{sym.name}' is never used", "unused")


def statement(ck: Checker, item: ast.Node) -> bool:
    return bool(_HANDLERS[type(item)](ck, item))


def variable(ck: Checker, item: ast.Var) -> None:
    kind = ck.resolve(item.type)
    if isinstance(kind, Object):
        ck.error(item.pos, f"{kind} needs constructor arguments: {kind}(...) {item.name}")
    elif kind is VOID or kind is INT or kind.__class__ is SetOf:
        ck.error(item.pos, f"a variable cannot have the type {kind}")
    if item.value is not None:
        found = check_expr.check(ck, item.value, kind)
        ck.require(item.pos if found is VOID else item.value.pos, kind, found, f"variable {item.name}", item.value)
    sym = ck.variable(item.name, kind, item.pos, "variable", "inout", None, item)
    sym.written = item.value is not None or not is_scalar(kind) or ck.where.kind == "parser"


def constant(ck: Checker, item: ast.Const) -> None:
    kind = ck.resolve(item.type)
    found = check_expr.value(ck, item.value, kind)
    ck.require(item.value.pos, kind, found, f"constant {item.name}")
    value = ck.known(item.value)
    if value is None and found is not UNKNOWN and (isinstance(strip(kind), (Bits, Enum)) or kind in (INT, BOOL)):
        if not check_call.known_later(ck, item.value):
            ck.error(item.value.pos, f"constant {item.name}: its value must be known at compile time")
    from . import fold
    from .types import storage_type

    if value is not None and value.type is INT and isinstance(storage_type(kind), Bits):
        wrapped = fold.const(value.value, storage_type(kind))
        if wrapped.value != value.value:
            ck.diags.warn(item.value.pos, f"{value.value} does not fit {kind}", "overflow")
        value = wrapped
    elif value is not None and isinstance(storage_type(kind), Bits):
        value = fold.const(value.value, storage_type(kind))
    ck.variable(item.name, kind, item.pos, "constant", "in", value, item)


def _assign(ck: Checker, item: ast.Assign) -> None:
    target_sym = _symbol(ck, item.target)
    before = target_sym.written if target_sym is not None else True
    if target_sym is not None and not item.op:
        target_sym.written = True
    kind = check_expr.check(ck, item.target)
    if target_sym is not None:
        target_sym.written = before or not isinstance(item.target, ast.Name)
    if isinstance(item.target, ast.Name):
        found = ck.env.get(item.target.name)
        if not isinstance(found, Sym) and found is not None:
            ck.error(item.pos, f"'{item.target.name}' cannot be written")
            return
    if not check_call.is_lvalue(ck, item.target):
        if kind is not UNKNOWN:
            ck.error(item.pos, "the left side of an assignment must be something that can be written")
        check_expr.check(ck, item.value)
        return
    sym = _symbol(ck, item.target)
    if sym is not None and (sym.kind == "constant" or sym.direction in ("in", "none")):
        what = "a constant" if sym.kind == "constant" else f"an {sym.direction} parameter" if sym.direction == "in" \
            else "a parameter without direction"
        ck.error(item.pos if sym.kind != "constant" else item.target.pos, f"'{sym.name}' is {what} and cannot be written")
        return
    if isinstance(kind, (ApplyResult, ActionRun, Object)):
        ck.error(item.pos, f"a value of type {kind} cannot be assigned")
        return
    value: ast.Expr = item.value
    if item.op:
        value = ast.Binary(item.pos, item.op, item.target, item.value, item.pos)
    found = check_expr.check(ck, value, kind)
    if sym is not None:
        sym.written = True
    if found is VOID:
        ck.error(item.pos, "a call without a result is used as a value")
    elif kind is not UNKNOWN and found is not UNKNOWN:
        ck.require(item.pos, kind, found, "assignment", None if item.op else item.value)


def _symbol(ck: Checker, expr: ast.Expr) -> Sym | None:
    while isinstance(expr, (ast.Member, ast.Index, ast.Slice, ast.PlusSlice)):
        expr = expr.base
    found = ck.env.get(expr.name) if isinstance(expr, ast.Name) else None
    return found if isinstance(found, Sym) and not isinstance(found.type, Object) else None


def _call(ck: Checker, item: ast.CallStmt) -> None:
    check_expr.check(ck, item.call)


def _direct(ck: Checker, item: ast.DirectApply) -> None:
    kind = ck.resolve(item.type)
    if kind is UNKNOWN:
        return
    if not isinstance(kind, Object) or kind.kind not in ("control", "parser"):
        ck.error(item.pos, f"{kind} cannot be applied")
        return
    check_call.construct(ck, item.type, (), item.pos)
    check_call.apply_block(ck, kind, ast.Call(item.pos, ast.Name(item.pos, "apply"), (), item.args))


def _if(ck: Checker, item: ast.If) -> bool:
    cond = check_expr.check(ck, item.cond)
    if strip(cond) is not BOOL and cond is not UNKNOWN:
        ck.error(item.pos, f"the condition of an if must be a bool, found {cond}")
    parts = [item.then] if item.orelse is None else [item.then, item.orelse]
    ended = branches(ck, [lambda part=part: statements(ck, [part]) for part in parts], len(parts) == 2)  # type: ignore[misc]
    return len(parts) == 2 and all(ended)


def _block(ck: Checker, item: ast.Block) -> bool:
    return statements(ck, item.body)


def _return(ck: Checker, item: ast.Return) -> bool:
    where = ck.where
    if where.kind == "parser":
        ck.error(item.pos, "return cannot stand in a parser")
        return True
    if item.value is None:
        if where.result is not VOID:
            ck.error(item.pos, f"this function must return a value of type {where.result}")
        return True
    if where.result is VOID:
        ck.error(item.pos, "nothing can be returned here: there is no result type")
        check_expr.check(ck, item.value)
        return True
    found = check_expr.check(ck, item.value, where.result)
    ck.require(item.value.pos, where.result, found, "return", item.value)
    return True


def _exit(ck: Checker, item: ast.Exit) -> bool:
    if ck.where.kind in ("function", "parser"):
        ck.error(item.pos, f"exit cannot stand in a {ck.where.kind}")
    return True


def _break(ck: Checker, item: ast.Node) -> bool:
    if not ck.where.loops:
        ck.error(item.pos, f"{type(item).__name__.lower()} stands outside any loop")
    return True


def _switch(ck: Checker, item: ast.Switch) -> bool:
    subject = check_expr.value(ck, item.subject)
    if ck.where.kind in ("parser", "function") and isinstance(subject, ActionRun):
        ck.error(item.pos, f"a table cannot be applied in a {ck.where.kind}")
    seen: dict[Any, int] = {}
    has_default = False
    for number, case in enumerate(item.cases):
        if case.label is None:
            has_default = True
            if number != len(item.cases) - 1:
                ck.diags.warn(case.pos, "labels after default are never reached", "ordering")
        elif isinstance(subject, ActionRun):
            _action_label(ck, subject, case.label, seen)
        elif subject is not UNKNOWN:
            _value_label(ck, subject, case.label, seen)
    bodies = [case.body.body for case in item.cases if case.body is not None]
    ended = branches(ck, [lambda body=body: statements(ck, body) for body in bodies], has_default)  # type: ignore[misc]
    if not isinstance(subject, ActionRun) and subject is not UNKNOWN and \
            not isinstance(strip(subject), (Bits, Enum)) and strip(subject).__class__.__name__ != "Simple":
        ck.error(item.subject.pos, f"a switch cannot choose by {subject}")
    return all(ended) and has_default and bool(item.cases) and item.cases[-1].body is not None


def _action_label(ck: Checker, subject: ActionRun, label: ast.Expr, seen: dict[Any, int]) -> None:
    name = label.name if isinstance(label, ast.Name) else None
    actions = ck.where.tables.get(subject.table)
    if name is None:
        ck.error(label.pos, "a label of this switch must be an action")
    elif actions is not None and name not in actions:
        ck.error(label.pos, f"'{name}' is not an action of table {subject.table}")
    elif name in seen:
        ck.error(label.pos, f"action {name} has two labels")
    if name is not None:
        seen[name] = label.pos


def _value_label(ck: Checker, subject: Type, label: ast.Expr, seen: dict[Any, int]) -> None:
    found = check_expr.value(ck, label, subject)
    ck.require(label.pos, subject, found, "label")
    value = ck.known(label)
    if value is None:
        if found is not UNKNOWN and not check_call.known_later(ck, label):
            ck.error(label.pos, "a label must be known at compile time")
    elif value.value in seen:
        ck.error(label.pos, f"the value {value.value} has two labels")
    else:
        seen[value.value] = label.pos


def _for(ck: Checker, item: ast.For) -> None:
    saved = ck.env
    ck.env = Env(saved)
    for init in item.init:
        statement(ck, init)
    cond = check_expr.check(ck, item.cond)
    if strip(cond) is not BOOL and cond is not UNKNOWN:
        ck.error(item.cond.pos, f"the condition of a for must be a bool, found {cond}")
    for update in item.update:
        statement(ck, update)
    ck.where.loops += 1
    statements(ck, [item.body])
    ck.where.loops -= 1
    ck.env = saved


def _for_in(ck: Checker, item: ast.ForIn) -> None:
    saved = ck.env
    ck.env = Env(saved)
    kind = ck.resolve(item.type) if item.type is not None else None
    collection = check_expr.value(ck, item.collection, kind if isinstance(item.collection, ast.Range) else None)
    element = _element(collection)
    if element is None:
        ck.error(item.collection.pos, f"a loop runs over a range, a list or a stack, not {collection}")
    elif kind is not None:
        ck.require(item.collection.pos, kind, element, "loop variable")
        ck.variable(item.name, kind, item.pos, "parameter", "in")
    ck.where.loops += 1
    statements(ck, [item.body])
    ck.where.loops -= 1
    ck.env = saved


def _element(collection: Type) -> Type | None:
    if isinstance(collection, SetOf):
        return collection.element
    if isinstance(collection, (Stack, ListOf)):
        return collection.element
    if isinstance(collection, Tuple):
        return collection.members[0] if collection.members else UNKNOWN
    return UNKNOWN if collection is UNKNOWN else None


def instance(ck: Checker, item: ast.Instance) -> None:
    kind = check_call.construct(ck, item.type, item.args, item.pos)
    if isinstance(kind, Object) and kind.decl is not None and kind.kind == "extern":
        limits(ck, item, kind)
    ck.variable(item.name, kind, item.pos, "instance", "none", None, item)


def limits(ck: Checker, item: ast.Instance, kind: Object) -> None:
    """What the target asks of extern objects."""
    if kind.name == "register" and kind.args and kind.args[0] is not UNKNOWN:
        element = strip(kind.args[0])
        if not isinstance(element, (Bits, Enum)) and element not in (BOOL, ERROR):
            ck.error(item.pos, f"registers hold numbers on this target, not {kind.args[0]}")


def _nothing(ck: Checker, item: ast.Node) -> None:
    pass


_HANDLERS: dict[type, Any] = {
    ast.Var: variable, ast.Const: constant, ast.Assign: _assign, ast.CallStmt: _call, ast.DirectApply: _direct,
    ast.If: _if, ast.Switch: _switch, ast.Return: _return, ast.Exit: _exit, ast.Break: _break, ast.Continue: _break,
    ast.Block: _block, ast.Instance: instance, ast.For: _for, ast.ForIn: _for_in, ast.Empty: _nothing,
}

__all__ = ["Varbit", "statements"]
