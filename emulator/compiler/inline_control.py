"""Controls: their persistent objects, made once per instance, and their bodies, inlined at each application."""
from __future__ import annotations

from typing import Any

from . import ast, inline_call, ir
from .context import Context, Frame
from .naming import object_path
from .types import VOID
from .values import ActionV, Env, ExternV, InstanceV, TableV, TypeV, ValueSetV


def declare_instance(cx: Context, item: ast.Instance, path: str) -> None:
    full = object_path(path, item)
    cx.program.declared.append(full)
    value = inline_call.construct(cx, item.type, item.args, item.name, item.pos, full, item.annotations)
    cx.env.set(item.name, value)
    if isinstance(value, InstanceV) and isinstance(value.type.decl, ast.Control):
        build_locals(cx, value)


def build_locals(cx: Context, instance: InstanceV) -> None:
    """Make the instance's extern objects, sub-instances and value sets, the first time it is applied."""
    if instance.locals_env is not None:
        return
    env = instance.locals_env = Env(instance.env)
    saved = cx.env
    cx.env = env
    _global_actions(cx, instance.type.decl)
    for item in instance.type.decl.locals:  # type: ignore[union-attr]
        if isinstance(item, ast.Instance):
            declare_instance(cx, item, instance.path)
        elif isinstance(item, ast.ValueSet):
            _value_set(cx, item, instance.path)
        elif isinstance(item, (ast.Action, ast.Table)):
            cx.program.declared.append(object_path(instance.path, item))
        elif isinstance(item, ast.Const):
            cx.env.set(item.name, inline_call.inline_expr.expression(cx, item.value, cx.type_of(item.type)))
    cx.env = saved


def _global_actions(cx: Context, decl: Any) -> None:
    """Actions of the top level that tables use come first in the pipeline's control, in the order of their first use."""
    program = cx.program
    for item in decl.locals:
        if isinstance(item, ast.Table):
            refs = list(item.actions or ())
            names = [r.name for r in refs] + (["NoAction"] if item.default is None else [])
            for name in names:
                found = cx.globals.get(name)
                if isinstance(found, ast.Action) and not any(
                        isinstance(d, ast.Action) and d.name == name for d in decl.locals):
                    full = object_path("", found)
                    if full not in program.declared:
                        program.declared.insert(program.front, full)
                        program.front += 1


def _value_set(cx: Context, item: ast.ValueSet, path: str) -> None:
    name = object_path(path, item)
    kind = cx.type_of(item.type)
    cx.program.value_sets.append(ir.ValueSet(name, kind, cx.constant(item.size), item))
    cx.env.set(item.name, ValueSetV(name, kind))


def shared_params(cx: Context, instance: InstanceV, env: Env) -> dict[str, Any] | None:
    """Where an instance with tables may be applied again, its parameters live in one place for all applications.

    None means that parameters may stand for the arguments themselves.
    """
    decl = instance.type.decl
    assert isinstance(decl, ast.Control)
    if "table-reuse" not in cx.options.allow or not any(isinstance(d, ast.Table) for d in decl.locals):
        return None
    if not instance.params:
        for param in decl.params:
            kind = cx.type_of(param.type, env)
            if getattr(kind, "kind", "") != "extern":
                instance.params[param.name] = cx.storage.make(param.name, kind)
    return instance.params


def run_body(cx: Context, instance: InstanceV, bound: Env) -> None:
    """Declare the locals of one application and inline the apply block. `bound` has the parameters."""
    from .inline_stmt import declare_variable, statements

    decl = instance.type.decl
    assert isinstance(decl, ast.Control) and instance.locals_env is not None
    env = Env(bound)
    env.names.update(instance.locals_env.names)
    saved = cx.env
    cx.env = env
    keep = bool(instance.params)
    for item in decl.locals:
        if isinstance(item, ast.Action):
            env.set(item.name, ActionV(item, env, instance.path))
        elif isinstance(item, ast.Table):
            env.set(item.name, TableV(item, env, object_path(instance.path, item), instance))
        elif isinstance(item, ast.Var):
            cx.pos = item.pos
            declare_variable(cx, item, instance.params.get(f"local {item.name}"))
            if keep:
                instance.params[f"local {item.name}"] = env.get(item.name)
        elif isinstance(item, ast.Function):
            env.set(item.name, inline_call.FunctionV([item], env))
    statements(cx, decl.body.body)
    cx.env = saved


def run_top(cx: Context, instance: InstanceV, args: list[Any], pipeline: str) -> tuple[ir.Stmt, ...]:
    """A whole pipeline's control with its parameters bound to the target's own storage."""
    decl = instance.type.decl
    assert isinstance(decl, ast.Control)
    cx.program.front = len(cx.program.declared)
    build_locals(cx, instance)
    env = Env(instance.env)
    for param, value in zip(decl.params, args):
        env.set(param.name, value)
    cx.pipeline = pipeline
    cx.frame = Frame("control", instance.path, VOID)
    cx.frame.return_label = cx.label()
    cx.env = env
    cx.calls = [decl]
    body, _ = cx.collect(lambda: run_body(cx, instance, env))
    cx.calls = []
    if cx.frame.return_label in cx.frame.used:
        body = [ir.Block(cx.frame.return_label, tuple(body), decl.pos)]
    return tuple(body)


__all__ = ["ExternV", "TypeV", "build_locals", "declare_instance", "object_path", "run_body", "run_top"]
