"""Tables: keys, action lists, default actions and entries resolved; actions inlined as the table's own."""
from __future__ import annotations

from typing import Any

from . import ast, externs, fold, inline_call, ir
from .context import Context, Frame
from .convert import as_scalar, validity
from .entries import table_entries
from .inline_expr import expression, ordered, scalar
from .naming import object_path
from .types import BOOL, VOID, storage_type
from .values import ActionV, ApplyV, Env, ExternV, InstanceV, MethodV, TableV

DEFAULT_SIZE = 1024


def action_name(decl: ast.Action, path: str) -> str:
    return object_path(path, decl)


def apply_table(cx: Context, result: ApplyV, cases: tuple[tuple[str | None, tuple[ir.Stmt, ...]], ...]) -> None:
    """Emit the keys' expressions and the application; an action that exits leaves through pending copy-outs."""
    table = result.table
    frame: Frame | None = cx.frame
    pending = False
    while frame is not None:
        pending = pending or frame.exit_label is not None
        frame = frame.parent
    saved_env = cx.env
    cx.env = table.env
    flag = cx.temp(BOOL, "exited") if pending and _may_exit(cx, table) else None
    if flag is not None:
        cx.assign(flag, fold.FALSE)
    built = _build(cx, table, flag)
    cx.env = saved_env
    count = cx.tables_applied.get(built.name, 0)
    cx.tables_applied[built.name] = count + 1
    if flag is None:
        cx.emit(ir.Apply(built.name, cases, cx.pos))
        return
    leaving, _ = cx.collect(lambda: inline_call.leave(cx))
    cx.emit(ir.Apply(built.name, _after_exit(flag, tuple(leaving), cases, built, cx.pos), cx.pos))
    if not cases:
        cx.emit(ir.If(flag, tuple(leaving), (), cx.pos))


def _after_exit(flag: ir.Expr, leaving: tuple[ir.Stmt, ...], cases: Any, built: ir.Table, pos: int) -> Any:
    """Each case first asks whether the action exited."""
    if not cases:
        return ()
    known = {label for label, _ in cases}
    full = list(cases)
    if "__HIT__" not in known and "__MISS__" not in known and None not in known:
        full.append((None, ()))
    return tuple((label, (ir.If(flag, leaving, body, pos),)) for label, body in full)


def _may_exit(cx: Context, table: TableV) -> bool:
    """Does any action of the table contain an exit, directly or in an action it calls?"""
    refs = list(table.decl.actions or ())
    return any(_exits(cx, table.env.get(r.name), set()) for r in refs)


def _exits(cx: Context, value: Any, seen: set[int]) -> bool:
    decl = value.decl if isinstance(value, ActionV) else value
    if not isinstance(decl, ast.Action) or id(decl) in seen:
        return False
    seen.add(id(decl))
    env = value.env if isinstance(value, ActionV) else cx.globals

    def search(node: Any) -> bool:
        if isinstance(node, ast.Exit):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and \
                _exits(cx, env.get(node.func.name), seen):
            return True
        if isinstance(node, ast.Node):
            return any(search(getattr(node, s)) for c in type(node).__mro__ for s in getattr(c, "__slots__", ())
                       if s != "pos")
        return isinstance(node, tuple) and any(search(n) for n in node)

    return search(decl.body)


def _build(cx: Context, table: TableV, flag: ir.Field | None) -> ir.Table:
    decl = table.decl
    keys, selector = _keys(cx, table)
    known = cx.program.tables.get(table.path)
    if known is not None and cx.table_scopes[table.path] is table.owner:
        return known
    if known is not None:
        cx.diags.error(decl.pos, f"'{table.path}' is the name of two tables; @name gives one of them another")
    cx.table_scopes[table.path] = table.owner
    uses = [_action_use(cx, ref, table, flag) for ref in decl.actions or ()]
    built = ir.Table(table.path, cx.pipeline, keys, selector, uses, None, decl.default_const, None,
                     decl.entries_const, DEFAULT_SIZE, decl)
    cx.program.tables[table.path] = built
    built.hidden = ast.annotation(decl.annotations, "hidden") is not None
    _default(cx, table, built, flag)
    for prop in decl.properties:
        _property(cx, table, built, prop)
    if decl.entries is not None:
        built.entries = table_entries(cx, table, built, lambda ref: _entry_action(cx, ref, built, table, flag))
    return built


# -- keys
def _keys(cx: Context, table: TableV) -> tuple[list[ir.Key], list[ir.Expr]]:
    """Evaluate the keys in order; one read before a later key's side effect is kept in a temporary."""
    items = table.decl.keys
    values = [as_scalar(cx, v, k.expr.pos) for v, k in zip(ordered(cx, [k.expr for k in items]), items)]
    keys: list[ir.Key] = []
    selector: list[ir.Expr] = []
    for number, item in enumerate(items):
        key = _key(cx, table, item, number, values[number])
        if item.match == "selector":
            selector.append(key.target)
        else:
            keys.append(key)
    return keys, selector


def _key(cx: Context, table: TableV, item: ast.KeyElement, number: int, target: ir.Expr) -> ir.Key:
    given = ast.string_annotation(item.annotations, "name")
    name = given if given is not None else key_name(item.expr)
    mask = None
    if isinstance(target, ir.Op) and target.op == "&" and isinstance(target.args[0], ir.Field) and \
            isinstance(target.args[1], ir.Const) and item.match in ("exact", "ternary", "lpm"):
        mask = target.args[1].value
        target = target.args[0]
    if not isinstance(target, ir.Field):
        known = cx.program.tables.get(table.path)
        temp = known.keys[number].target if known is not None and cx.table_scopes[table.path] is table.owner and \
            item.match != "selector" else cx.temp(target.type, "key")
        cx.assign(temp, target)
        target = temp
    return ir.Key(name, item.match, target, mask, target.type, item.annotations, given is not None,
                  cx.static_type(item.expr))


def key_name(expr: ast.Expr) -> str:
    """The text of a key expression, as the control plane sees it."""
    if isinstance(expr, ast.Name):
        return expr.name
    if isinstance(expr, ast.Member):
        return f"{key_name(expr.base)}.{expr.name}"
    if isinstance(expr, ast.Index):
        return f"{key_name(expr.base)}[{key_name(expr.index)}]"
    if isinstance(expr, ast.Slice):
        return f"{key_name(expr.base)}[{key_name(expr.high)}:{key_name(expr.low)}]"
    if isinstance(expr, ast.Number):
        return hex(expr.value) if expr.value > 9 else str(expr.value)
    if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Member):
        if expr.func.name == "isValid":
            return f"{key_name(expr.func.base)}.$valid$"
        return f"{key_name(expr.func)}()"
    if isinstance(expr, ast.Call):
        return f"{key_name(expr.func)}()"
    if isinstance(expr, ast.Binary):
        return f"{key_name(expr.left)} {expr.op} {key_name(expr.right)}"
    if isinstance(expr, ast.Unary):
        return f"{expr.op}{key_name(expr.operand)}"
    if isinstance(expr, ast.Cast):
        return key_name(expr.operand)
    return "key"


# -- actions
def resolve_action(cx: Context, ref: ast.ActionRef, table: TableV) -> ActionV:
    found = (cx.globals if ref.dotted else table.env).get(ref.name)
    if isinstance(found, ast.Action):
        return ActionV(found, cx.globals, "")
    if not isinstance(found, ActionV):
        raise cx.fail(ref.pos, f"'{ref.name}' is not an action")
    return found


def _action_use(cx: Context, ref: ast.ActionRef, table: TableV, flag: ir.Field | None) -> ir.ActionUse:
    action = resolve_action(cx, ref, table)
    return ir.ActionUse(table_action(cx, action, ref, flag), ref.annotations)


def table_action(cx: Context, action: ActionV, ref: ast.ActionRef | None, flag: ir.Field | None) -> ir.Action:
    """The action as the control plane calls it: parameters without direction are its arguments."""
    decl = action.decl
    directed = [p for p in decl.params if p.direction]
    # The environment itself, not its id: that may be given anew once an instance has been inlined.
    key = (id(decl), action.env, id(ref) if directed else None, flag)
    name = action_name(decl, action.path)
    for made in cx.program.actions:
        if made.key == key:
            return made
    env = Env(action.env)
    params: list[tuple[str, Any, Any]] = []
    effects: list[ir.Stmt] = []
    given = dict(zip([p.name for p in directed], (ref.args or ()) if ref else ()))
    data = 0
    outputs: list[tuple[Any, Any]] = []
    for param in decl.params:
        kind = cx.type_of(param.type, env)
        if not param.direction:
            env.set(param.name, ir.Data(data, storage_type(kind)))
            given_name = ast.string_annotation(param.annotations, "name")
            params.append((given_name or param.name, kind, param.annotations))
            data += 1
            continue
        part, _ = cx.collect(lambda p=param, k=kind: _bind_directed(cx, p, k, given.get(p.name), env, outputs))  # type: ignore[misc]
        effects.extend(part)
    body = _action_body(cx, decl, env, flag, outputs)
    made = ir.Action(name, params, (*effects, *body), decl,
                     ast.annotation(decl.annotations, "hidden") is not None, key)
    cx.program.actions.append(made)
    return made


def _bind_directed(cx: Context, param: ast.Param, kind: Any, arg: ast.Argument | None, env: Env,
                   outputs: list[tuple[Any, Any]]) -> None:
    """A directed parameter, whose argument stands in the table's action list."""
    local = cx.storage.make(param.name, kind)
    if arg is not None and arg.value is not None:
        place = inline_call.target(cx, arg.value) if param.direction != "in" else None
        if param.direction != "out":
            inline_call.store(cx, local, place if place is not None else expression(cx, arg.value, kind))
        if place is not None:
            outputs.append((place, local))
    env.set(param.name, local)


def _action_body(cx: Context, decl: ast.Action, env: Env, flag: ir.Field | None,
                 outputs: list[tuple[Any, Any]]) -> tuple[ir.Stmt, ...]:
    from .inline_stmt import statements

    saved = cx.env, cx.frame, cx.calls, cx.pos
    frame = Frame("action", cx.frame.path, VOID)
    frame.return_label = cx.label()
    top = Frame("action", cx.frame.path, VOID, repeats=True)
    if flag is not None:
        top.exit_label = cx.label()
    frame.parent = top
    frame.exit_label = cx.label() if outputs else None
    cx.env, cx.frame, cx.calls = env, frame, [decl]
    body, _ = cx.collect(lambda: statements(cx, decl.body.body))
    if frame.return_label in frame.used:
        body = [ir.Block(frame.return_label, tuple(body), decl.pos)]
    cx.frame = top
    body, _ = cx.collect(lambda: inline_call._copy_out(cx, body, outputs, frame))
    if top.exit_label is not None and top.exit_label in top.used:
        done = cx.label()
        assert flag is not None
        inner = ir.Block(top.exit_label, (*body, ir.Jump(done, decl.pos)), decl.pos)
        body = [ir.Block(done, (inner, ir.Assign(flag, fold.TRUE, decl.pos)), decl.pos)]
    cx.env, cx.frame, cx.calls, cx.pos = saved
    return tuple(body)


def _arguments(cx: Context, use: ir.ActionUse, ref: ast.ActionRef, table: TableV) -> list[int]:
    """The constant arguments of a default action or entry."""
    params = [p for p in use.action.decl.params if not p.direction]
    directed = sum(1 for p in use.action.decl.params if p.direction)
    args = list(ref.args or ())
    if len(args) > len(params) and directed:
        args = args[directed:]
    saved, cx.env = cx.env, table.env
    values: list[int] = []
    for param, arg in inline_call.match_args(params, args):
        assert arg is not None
        value = scalar(cx, arg, cx.type_of(param.type))
        if not isinstance(value, ir.Const):
            raise cx.fail(arg.pos, f"argument {param.name} of {ref.name} must be known at compile time")
        values.append(value.value)
    cx.env = saved
    order = {p.name: i for i, p in enumerate(params)}
    names = [p.name for p, _ in inline_call.match_args(params, args)]
    return [v for _, v in sorted(zip([order[n] for n in names], values))]


def _find_use(cx: Context, ref: ast.ActionRef, built: ir.Table, table: TableV,
              flag: ir.Field | None) -> ir.ActionUse | None:
    action = resolve_action(cx, ref, table)
    for use in built.actions:
        if use.action.decl is action.decl:
            return use
    return None


def _entry_action(cx: Context, ref: ast.ActionRef, built: ir.Table, table: TableV,
                  flag: ir.Field | None) -> ir.ActionUse:
    use = _find_use(cx, ref, built, table, flag)
    if use is None:
        raise cx.fail(ref.pos, f"action {ref.name} is not among the actions of the table")
    return ir.ActionUse(use.action, ref.annotations, _arguments(cx, use, ref, table))


def _default(cx: Context, table: TableV, built: ir.Table, flag: ir.Field | None) -> None:
    """The default action; NoAction, added for the default only, where the program names none."""
    ref = table.decl.default
    if ref is not None:
        use = _find_use(cx, ref, built, table, flag)
        if use is None:
            raise cx.fail(ref.pos, f"action {ref.name} is not among the actions of the table")
        built.default = ir.ActionUse(use.action, ref.annotations, _arguments(cx, use, ref, table))
        return
    decl = cx.globals.get("NoAction")
    if not isinstance(decl, ast.Action):
        return
    for use in built.actions:
        if use.action.decl is decl:
            built.default = ir.ActionUse(use.action, (), [])
            return
    action = table_action(cx, ActionV(decl, cx.globals, ""), None, flag)
    note = ast.Annotation(decl.pos, "defaultonly")
    built.actions.append(ir.ActionUse(action, (note,)))
    built.default = ir.ActionUse(action, (), [])


# -- other properties
def _property(cx: Context, table: TableV, built: ir.Table, prop: ast.Property) -> None:
    name = prop.name
    if name == "size":
        built.size = cx.constant(prop.value, table.env)
    elif name == "support_timeout":
        built.support_timeout = bool(cx.constant(prop.value, table.env))
    elif name in ("implementation", "counters", "meters"):
        _object_property(cx, table, built, prop)


def _object_property(cx: Context, table: TableV, built: ir.Table, prop: ast.Property) -> None:
    saved, cx.env = cx.env, table.env
    if isinstance(prop.value, ast.Construct):
        given = ast.string_annotation(prop.annotations, "name")
        path = f"{table.path.rsplit('.', 1)[0]}.{given}" if given else f"{table.path}.{prop.name}"
        value = inline_call.construct(cx, prop.value.type, prop.value.args, "", prop.pos, path, prop.annotations)
    else:
        value = expression(cx, prop.value)
    cx.env = saved
    if not isinstance(value, ExternV):
        raise cx.fail(prop.value.pos, f"'{prop.name}' needs an object")
    if prop.name == "implementation":
        built.implementation = value.name
    else:
        instance = cx.program.instances[value.name]
        if instance.binding is not None:
            raise cx.fail(prop.pos, f"{value.name} belongs to table {instance.binding}; each table needs its own {instance.kind}")
        instance.binding = table.path
        if instance.kind == "direct_meter" and instance.result is None:
            instance.result = cx.temp(instance.type_args[0], "colour")
        if prop.name == "counters":
            built.counter = value.name
        else:
            built.meter = value.name


__all__ = ["InstanceV", "MethodV", "apply_table", "externs", "table_action", "validity"]
