"""Calls: functions, actions, controls, tables and methods, with copy-in and copy-out."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import ast, externs, inline_expr, inline_method, ir
from .context import Context, Frame
from .convert import coerce
from .inline_init import clear, may_run_again, written_first
from .naming import object_path
from .stores import copy_value, invalidate, overlap, places, store, touches, type_of_value
from .types import INT, VOID, Object, Tuple, Type, TypeVar, is_scalar, substitute, unify
from .values import (
    ActionV,
    ChoiceV,
    DynHeaderV,
    Env,
    FunctionV,
    HeaderRV,
    HeaderV,
    InstanceV,
    MethodV,
    RecordV,
    SavedV,
    StackV,
    StructV,
    TupleV,
    TypeV,
    UnionV,
)

MAX_DEPTH = 200


def call(cx: Context, expr: ast.Call, want: Type | None = None) -> Any:
    """Inline a call; its value, or None for void."""
    func = inline_expr.expression(cx, expr.func)
    if isinstance(func, FunctionV):
        decl = choose(cx, func.decls, expr)
        if isinstance(decl, ast.ExternFunction):
            return externs.call_function(cx, decl, expr, want)
        return _call_function(cx, decl, func.env, expr, want)
    if isinstance(func, ActionV):
        return call_action(cx, func, expr)
    if isinstance(func, MethodV):
        return inline_method.call_method(cx, func, expr, want)
    raise cx.fail(expr.pos, "this cannot be called")


def choose(cx: Context, decls: Sequence[Any], expr: ast.Call) -> Any:
    """The overload whose parameters take the call's arguments."""
    for decl in decls:
        if _accepts(decl.params, expr.args):
            return decl
    raise cx.fail(expr.pos, f"no version of {decls[0].name} takes {len(expr.args)} arguments")


def _accepts(params: Sequence[ast.Param], args: Sequence[ast.Argument]) -> bool:
    if len(args) > len(params):
        return False
    given = {a.name for a in args if a.name} | {p.name for p, a in zip(params, args) if not a.name}
    return all(p.name in given or p.default is not None or ast.annotation(p.annotations, "optional") for p in params) \
        and given <= {p.name for p in params}


def match_args(params: Sequence[ast.Param], args: Sequence[ast.Argument]) -> list[tuple[ast.Param, ast.Expr | None]]:
    """Each parameter with its argument, in the order of the arguments (that is the order of evaluation)."""
    by_name = {p.name: p for p in params}
    out: list[tuple[ast.Param, ast.Expr | None]] = []
    for number, arg in enumerate(args):
        out.append((by_name[arg.name] if arg.name else params[number], arg.value))
    given = {p.name for p, _ in out}
    out += [(p, p.default) for p in params if p.name not in given]
    return out


# -- functions, actions and controls --------------------------------------------------------------------------------
def _call_function(cx: Context, decl: ast.Function, scope: Env, expr: ast.Call, want: Type | None) -> Any:
    env = Env(scope)
    values = bind_types(cx, decl, env, expr, want)
    result = cx.type_of(decl.result, env)
    frame = Frame("function", cx.frame.path, result)
    if result is not VOID:
        frame.result = cx.storage.make("retval", result)
    _invoke(cx, decl, values, env, frame, decl.body, by_reference=True)
    return frame.result


def bind_types(cx: Context, decl: Any, env: Env, expr: ast.Call, want: Type | None) -> list[tuple[ast.Param, Any]]:
    """Evaluate the arguments and bind the type parameters, given or inferred, in `env`."""
    pairs = match_args(decl.params, expr.args)
    if not decl.type_params:
        return _evaluate(cx, pairs, [cx.type_of(p.type, env) for p, _ in pairs])
    if expr.type_args:
        for param, arg in zip(decl.type_params, expr.type_args):
            env.set(param.name, TypeV(cx.type_of(arg)))
        return _evaluate(cx, pairs, [cx.type_of(p.type, env) for p, _ in pairs])
    variables = [TypeVar(p.name, id(decl)) for p in decl.type_params]
    for variable in variables:
        env.set(variable.name, TypeV(variable))
    values = _evaluate(cx, pairs, [None] * len(pairs))
    bindings: dict[TypeVar, Type] = {}
    for param, value in values:
        kind = type_of_value(value)
        if kind is not None:
            unify(cx.type_of(param.type, env), kind, bindings, cx.interner)
    if getattr(decl, "result", None) is not None and want is not None:
        wanted: dict[TypeVar, Type] = {}
        unify(cx.type_of(decl.result, env), want, wanted, cx.interner)
        for variable, kind in wanted.items():
            if bindings.get(variable, INT) is INT:
                bindings[variable] = kind
    for variable in variables:
        env.set(variable.name, TypeV(bindings.get(variable, INT)))
    return [(p, coerce(cx, v, cx.type_of(p.type, env), expr.pos) if p.direction in ("", "in") and v is not None else v)
            for p, v in values]


def _evaluate(cx: Context, pairs: list[tuple[ast.Param, ast.Expr | None]],
              kinds: Sequence[Type | None]) -> list[tuple[ast.Param, Any]]:
    """Arguments left to right. Targets keep the stack index they had; read values survive later side effects."""
    values: list[tuple[ast.Param, Any]] = []
    marks: list[int] = []
    for (param, arg), kind in zip(pairs, kinds):
        if arg is None:
            value: Any = None
        elif param.direction in ("out", "inout"):
            value = target(cx, arg)
        else:
            value = inline_expr.expression(cx, arg, kind)
        values.append((param, value))
        marks.append(len(cx.out))
    for number in range(len(values) - 2, -1, -1):
        param, value = values[number]
        if len(cx.out) == marks[number]:
            continue
        if param.direction not in ("out", "inout"):
            values[number] = (param, inline_expr._keep(cx, value, marks[number]))
        elif param.direction == "inout" and value is not None and \
                touches(cx, cx.out[marks[number]:], places(value)):
            kept = inline_expr._keep(cx, value, marks[number])
            values[number] = (param, SavedV(value, kept, type_of_value(value)))
    return values


def target(cx: Context, expr: ast.Expr) -> Any:
    """A place to write; a run-time index in it is evaluated once, now."""
    value = inline_expr.expression(cx, expr)
    return fix_index(cx, value)


def fix_index(cx: Context, value: Any) -> Any:
    if isinstance(value, DynHeaderV):
        return DynHeaderV(value.type, value.stack, cx.save(value.index))
    if isinstance(value, ir.DynField):
        return ir.DynField(value.stack, cx.save(value.index), value.name, value.type)
    if isinstance(value, ir.Op) and value.op == "slice":
        return ir.Op("slice", (fix_index(cx, value.args[0]), *value.args[1:]), value.type)
    if isinstance(value, ir.Op) and value.op == "window":
        return ir.Op("window", (fix_index(cx, value.args[0]), cx.save(value.args[1])), value.type)
    return value


def call_action(cx: Context, action: ActionV, expr: ast.Call) -> None:
    """A direct call: the body is inlined here."""
    decl = action.decl
    env = Env(action.env)
    name = object_path(action.path, decl)
    cx.program.called.append((name, decl, []))
    pairs = match_args(decl.params, expr.args)
    values = _evaluate(cx, pairs, [cx.type_of(p.type, env) for p, _ in pairs])
    frame = Frame("action", cx.frame.path, VOID)
    _invoke(cx, decl, values, env, frame, decl.body, by_reference=False)


def apply_control(cx: Context, instance: InstanceV, args: tuple[ast.Argument, ...], pos: int) -> None:
    from . import inline_control, inline_parser

    decl = instance.type.decl
    if isinstance(decl, ast.Parser):
        inline_parser.apply_parser(cx, instance, args, pos)
        return
    assert isinstance(decl, ast.Control)
    inline_control.build_locals(cx, instance)
    fake = ast.Call(pos, ast.Name(pos, decl.name), (), args)
    assert instance.locals_env is not None
    env = Env(instance.locals_env.parent)
    values = bind_types(cx, _ControlHead(decl, instance.type.args), env, fake, None)
    frame = Frame("control", instance.path, VOID)

    def body(bound: Env) -> None:
        inline_control.run_body(cx, instance, bound)

    shared = inline_control.shared_params(cx, instance, env)
    _invoke(cx, decl, values, env, frame, body, by_reference=shared is None, shared=shared)


class _ControlHead:
    """A control seen as a function; its type parameters may be bound by the instance already."""

    def __init__(self, decl: ast.Control, bound: tuple[Type, ...]) -> None:
        self.name = decl.name
        self.params = decl.params
        self.type_params = () if bound else decl.type_params


def _invoke(cx: Context, decl: Any, values: list[tuple[ast.Param, Any]], env: Env, frame: Frame,
            body: ast.Block | Callable[[Env], None], by_reference: bool,
            shared: dict[str, Any] | None = None) -> None:
    """Copy in, run the body, copy out (also when the body exits)."""
    if decl in cx.calls or len(cx.calls) > MAX_DEPTH:
        raise cx.fail(cx.pos, f"{decl.name} calls itself")
    outputs = _copy_in(cx, values, env, by_reference, shared or {}, body)
    frame.parent = cx.frame
    frame.return_label = cx.label()
    frame.exit_label = cx.label() if outputs else None
    saved_env, saved_frame = cx.env, cx.frame
    cx.env, cx.frame = env, frame
    cx.calls.append(decl)
    stmts, _ = cx.collect(lambda: _run(cx, body, env))
    cx.calls.pop()
    cx.env, cx.frame = saved_env, saved_frame
    if frame.return_label in frame.used:
        stmts = [ir.Block(frame.return_label, tuple(stmts), cx.pos)]
    _copy_out(cx, stmts, outputs, frame)


def _run(cx: Context, body: ast.Block | Callable[[Env], None], env: Env) -> None:
    from .inline_stmt import statements

    if isinstance(body, ast.Block):
        statements(cx, body.body)
    else:
        body(env)


def _copy_in(cx: Context, values: list[tuple[ast.Param, Any]], env: Env,
             by_reference: bool, shared: dict[str, Any], body: Any = None) -> list[tuple[Any, Any]]:
    """Bind the parameters; what is not bound to the argument itself comes back as (argument, copy) to copy out.

    One member of a union is copied: what is done to it on the way would show in the other members.
    """
    used = [places(v.place if isinstance(v, SavedV) else v) if v is not None else set() for _, v in values]
    outputs: list[tuple[Any, Any]] = []
    fresh: list[tuple[str, Any]] = []
    for number, (param, value) in enumerate(values):
        if value is None:
            kind = cx.type_of(param.type, env)
            env.set(param.name, cx.storage.make(param.name, kind))
            continue
        if isinstance(value, SavedV):
            local = shared.get(param.name) or cx.storage.make(param.name, cx.type_of(param.type, env))
            store(cx, local, value.value)
            env.set(param.name, local)
            outputs.append((value.place, local))
            continue
        if not isinstance(value, (ir.Expr, *_AGGREGATES)) or isinstance(value, ir.Const):
            env.set(param.name, value)
            continue
        written = param.direction in ("out", "inout")
        rivals = [used[i] for i, (p, _) in enumerate(values) if i != number and p.direction in ("out", "inout")]
        free = by_reference and not any(overlap(cx, used[number], r) for r in rivals) and not (
            written and isinstance(value, HeaderV) and value.union is not None and cx.pipeline != "parser")
        if free and _nameable(value, written):
            if param.direction == "out":
                fresh.append((param.name, value))
            env.set(param.name, value)
            continue
        kind = cx.type_of(param.type, env)
        if (isinstance(value, ir.Data) and not written) or (isinstance(value, ir.Expr) and value.type is INT):
            env.set(param.name, value)
            continue
        local = shared.get(param.name) or cx.storage.make(param.name, kind)
        if param.direction != "out":
            store(cx, local, value)
        else:
            invalidate(cx, local)
            if may_run_again(cx) and not written_first(body, param.name):
                clear(cx, local)
        env.set(param.name, local)
        if written:
            outputs.append((value, local))
    for name, value in fresh:  # last, for a copy above may read what is emptied here
        invalidate(cx, value)
        if not written_first(body, name):
            clear(cx, value)
    return outputs


_AGGREGATES = (ChoiceV, StructV, HeaderV, DynHeaderV, StackV, UnionV, HeaderRV, TupleV, RecordV)


def _nameable(value: Any, written: bool) -> bool:
    """Can the parameter stand for the argument itself?"""
    if isinstance(value, ir.Field):
        return True
    if isinstance(value, StructV):
        return all(_nameable(v, written) or (isinstance(v, ir.Const) and not written) for v in value.fields.values())
    if isinstance(value, TupleV):
        return all(_nameable(v, written) or (isinstance(v, ir.Const) and not written) for v in value.items)
    if isinstance(value, (DynHeaderV, ir.DynField)):
        return isinstance(value.index, ir.Field) and written
    return isinstance(value, (HeaderV, StackV, UnionV)) or (isinstance(value, ir.Data) and not written)


def _copy_out(cx: Context, stmts: list[ir.Stmt], outputs: list[tuple[Any, Any]], frame: Frame) -> None:
    if frame.exit_label is None or frame.exit_label not in frame.used:
        cx.out.extend(stmts)
        for place, local in outputs:
            store(cx, place, local)
        return
    def copies(leaves: bool) -> None:
        for place, local in outputs:
            store(cx, place, local)
        if leaves:
            leave(cx)

    normal, _ = cx.collect(lambda: copies(False))
    leaving, _ = cx.collect(lambda: copies(True))
    done = cx.label()
    inner = ir.Block(frame.exit_label, (*stmts, *normal, ir.Jump(done, cx.pos)), cx.pos)
    cx.emit(ir.Block(done, (inner, *leaving), cx.pos))


def leave(cx: Context) -> None:
    """`exit`: out through every pending copy-out."""
    frame: Frame | None = cx.frame
    while frame is not None:
        if frame.exit_label is not None:
            frame.used.add(frame.exit_label)
            cx.emit(ir.Jump(frame.exit_label, cx.pos))
            return
        frame = frame.parent
    cx.emit(ir.Exit(cx.pos))


# -- constructors ---------------------------------------------------------------------------------------------------
def construct(cx: Context, type_expr: ast.TypeExpr, args: tuple[ast.Argument, ...], name: str, pos: int,
              path: str = "", notes: ast.Annotations = ()) -> Any:
    """An object of an extern, control, parser or package type."""
    kind = cx.type_of(type_expr)
    if not isinstance(kind, Object):
        raise cx.fail(pos, f"{kind} has no constructor")
    decl = kind.decl
    if isinstance(decl, (ast.Control, ast.Parser)):
        env = Env(cx.globals)
        for param, arg in zip(decl.type_params, kind.args):
            env.set(param.name, TypeV(arg))
        for ctor_param, value in match_args(decl.ctor_params, args):
            if value is not None:
                wanted = cx.type_of(ctor_param.type, env)
                given = inline_expr.expression(cx, value, wanted)
                if isinstance(given, InstanceV) and not given.path:
                    given.path = f"{path}.{ctor_param.name}" if path else ctor_param.name
                env.set(ctor_param.name, given)
        return InstanceV(kind, env, path)
    if isinstance(decl, ast.ExternObject):
        return externs.construct(cx, kind, args, path or name, pos, notes)
    raise cx.fail(pos, f"{kind} cannot be made here")


__all__ = ["Tuple", "call", "copy_value", "is_scalar", "store", "substitute", "type_of_value"]
