"""Parsers: states inlined, sub-parsers spliced in, select labels reduced to values and masks."""
from __future__ import annotations

from typing import Any

from . import ast, fold, inline_call, ir
from .context import Context, Frame
from .convert import as_scalar
from .inline_control import build_locals
from .inline_expr import expression, ordered
from .types import INT, VOID, Bits, Type, storage_type, strip, width_of
from .values import Env, InstanceV, KeysetV, RecordV, StructV, TupleV, ValueSetV

MAX_CASES = 100_000
NO_MATCH = -2
"""In place of a position: the state that raises error NoMatch."""


def run_top(cx: Context, instance: InstanceV, args: list[Any]) -> None:
    """The program's parser: its states go into the program, `start` first."""
    decl = instance.type.decl
    assert isinstance(decl, ast.Parser)
    build_locals(cx, instance)
    env = Env(instance.env)
    for param, value in zip(decl.params, args):
        env.set(param.name, value)
    cx.pipeline = "parser"
    cx.frame = Frame("parser", instance.path, VOID)
    cx.env = env
    cx.calls = [decl]
    _states(cx, instance, env, "", "accept")
    cx.calls = []


def state_name(cx: Context, wanted: str) -> str:
    """A state's name in the program, made unique."""
    count = cx.state_names.get(wanted)
    cx.state_names[wanted] = 0 if count is None else count + 1
    return wanted if count is None else state_name(cx, f"{wanted}_{count}")


def _states(cx: Context, instance: InstanceV, bound: Env, prefix: str, accept: str) -> str:
    """Inline all states of a parser instance; answers the name of its start state."""
    from .inline_stmt import declare_variable, statement

    decl = instance.type.decl
    assert isinstance(decl, ast.Parser) and instance.locals_env is not None
    env = Env(bound)
    env.names.update(instance.locals_env.names)
    saved = cx.env
    cx.env = env
    names = {"accept": accept, "reject": "reject"}
    entry = state_name(cx, prefix + "start") if any(isinstance(d, ast.Var) for d in decl.locals) and \
        _comes_back(decl) else None
    for state in decl.states:
        given = ast.string_annotation(state.annotations, "name")
        names[state.name] = state_name(cx, prefix + (given.lstrip(".") if given and not prefix else state.name))

    def locals_() -> None:
        for item in decl.locals:
            if isinstance(item, ast.Var):
                cx.pos = item.pos
                declare_variable(cx, item)

    before, _ = cx.collect(locals_)
    if entry is not None:
        cx.program.states.append(ir.State(entry, tuple(before), [], [(None, names["start"])], decl.pos))
        before = []
    for state in decl.states:
        cx.env = Env(env)
        cx.pos = state.pos

        def body(state: ast.State = state) -> tuple[list[ir.Expr], list[tuple[Any, str]]]:
            for item in state.body:
                statement(cx, item)
            return _transition(cx, state.transition, names)

        stmts, (keys, cases) = cx.collect(body)
        if state.name == "start":
            stmts = [*before, *stmts]
        cx.program.states.append(ir.State(names[state.name], tuple(stmts), keys, cases, state.pos))
    cx.env = saved
    return entry if entry is not None else names["start"]


def _comes_back(decl: ast.Parser) -> bool:
    """Does any state lead to start? Then the locals need a state of their own, to be set up once."""
    return any(target == "start" for s in decl.states
               for target in (s.transition.state, *(c.state for c in s.transition.cases or ())))


def apply_parser(cx: Context, instance: InstanceV, args: tuple[ast.Argument, ...], pos: int) -> None:
    """sub.apply(...) inside a state: the state is cut in two and the sub-parser's states put between."""
    decl = instance.type.decl
    assert isinstance(decl, ast.Parser)
    build_locals(cx, instance)
    env = Env(instance.env)
    fake = ast.Call(pos, ast.Name(pos, decl.name), (), args)
    head = inline_call._ControlHead(decl, instance.type.args)  # type: ignore[arg-type]
    values = inline_call.bind_types(cx, head, env, fake, None)
    rest = state_name(cx, f"{decl.name}_after")

    def body(bound: Env) -> None:
        place = len(cx.program.states)
        entry = _states(cx, instance, bound, f"{decl.name}_", rest)
        made = cx.program.states[place:]
        del cx.program.states[place:]
        cx.program.states.extend(made)
        cx.prim("$call", ir.Raw(entry), ir.Raw(rest))

    frame = Frame("parser", instance.path, VOID)
    inline_call._invoke(cx, decl, values, env, frame, body, by_reference=True)


def run_at_end(cx: Context, body: list[ir.Stmt]) -> None:
    """Run `body` in a state of its own before parsing ends."""
    if not body:
        return
    last = state_name(cx, "before_verify")
    for state in cx.program.states:
        state.cases = [(match, last if target == "accept" else target) for match, target in state.cases]
    cx.program.states.append(ir.State(last, tuple(body), [], [(None, "accept")], body[0].pos))


# -- transitions
def _transition(cx: Context, item: ast.Transition, names: dict[str, str]) -> tuple[list[ir.Expr], list[Any]]:
    if item.keys is None:
        return [], [(None, _target(cx, item.state, item.pos, names))]
    cx.pos = item.pos
    values = ordered(cx, list(item.keys))
    keys = [_key(cx, part) for value, key in zip(values, item.keys) for part in _parts(cx, value, key.pos)]
    cases: list[tuple[Any, str]] = []
    for case in item.cases:
        target = _target(cx, case.state, case.pos, names)
        for match in _labels(cx, _spread(case.keys, values), keys):
            cases.append((match, target))
            if match is None:
                return _known_at_run_time(keys), cases
    if cx.options.reject != "accept":
        cases.append((None, _no_match(cx, names)))
    return _known_at_run_time(keys), cases


def _no_match(cx: Context, names: dict[str, str]) -> str:
    """Where a select goes that no label fits: the language rejects the packet with error NoMatch."""
    if cx.options.reject == "drop":
        return _target(cx, "reject", cx.pos, names)
    known = next((s for s in cx.program.states if s.pos == NO_MATCH), None)
    if known is None:
        code = ir.Const(cx.program.errors["NoMatch"], Bits(32))
        body = (ir.Prim("verify", (fold.FALSE, code), cx.pos),)
        known = ir.State(state_name(cx, "no_match"), body, [], [(None, "accept")], NO_MATCH)
        cx.program.states.append(known)
    return known.name


def _known_at_run_time(keys: list[ir.Expr]) -> list[ir.Expr]:
    return [key for key in keys if key.type is not INT]


def _spread(label: ast.Expr, values: list[Any]) -> ast.Expr:
    """A label with the lists in it opened up, as the tuples among the keys are."""
    items = label.items if isinstance(label, ast.ListExpr) else (label,)
    if len(items) == 1 and len(values) == 1 and isinstance(values[0], (TupleV, StructV)) and \
            isinstance(items[0], ast.ListExpr):
        items = items[0].items
    if len(items) != len(values):
        return label
    out: list[ast.Expr] = []
    for item, value in zip(items, values):
        out.extend(_opened(item, value))
    return ast.ListExpr(label.pos, tuple(out)) if len(out) > 1 else label


def _opened(item: ast.Expr, value: Any) -> list[ast.Expr]:
    if not isinstance(value, (TupleV, StructV)) or not isinstance(item, (ast.ListExpr, ast.Default)):
        return [item]
    parts = value.items if isinstance(value, TupleV) else list(value.fields.values())
    items = item.items if isinstance(item, ast.ListExpr) else (item,) * len(parts)
    return [e for i, v in zip(items, parts) for e in _opened(i, v)]


def _target(cx: Context, name: str, pos: int, names: dict[str, str]) -> str:
    if name not in names:
        raise cx.fail(pos, f"state '{name}' is not declared")
    if name == "reject":
        cx.rejects = True
    return names[name]


def _parts(cx: Context, value: Any, pos: int) -> list[ir.Expr]:
    if isinstance(value, (TupleV, StructV, RecordV)):
        items = value.items if isinstance(value, TupleV) else list(value.fields.values())
        return [p for v in items for p in _parts(cx, v, pos)]
    return [as_scalar(cx, value, pos)]


def _key(cx: Context, value: ir.Expr) -> ir.Expr:
    """A key the target can read: a field or the last stack element's field. A number without width is matched here."""
    if value.type is INT or isinstance(value, (ir.Field, ir.LastField, ir.LastUnionField)):
        return value
    temp = cx.temp(value.type if isinstance(value.type, Bits) or value.type is fold.BOOL else Bits(32))
    cx.assign(temp, fold.cast(value, temp.type) if isinstance(value, ir.Const) else value)
    return temp


def _labels(cx: Context, label: ast.Expr, keys: list[ir.Expr]) -> list[Any]:
    """All (value, mask) rows of a label; None is default; a string names a value set."""
    if isinstance(label, ast.Default):
        return [None]
    parts = list(label.items) if isinstance(label, ast.ListExpr) else [label]
    if len(parts) == 1:
        value = expression(cx, parts[0], storage_type(keys[0].type) if len(keys) == 1 else None)
        if isinstance(value, ValueSetV):
            return [value]
        if isinstance(value, (TupleV, StructV)):
            flat = _parts(cx, value, label.pos)
            return [[(fold.wrap(v.value, k.type) & _full(k), _full(k)) for v, k in zip(flat, keys) if k.type is not INT]]  # type: ignore[attr-defined]
    rows: list[list[tuple[int, int]]] = [[]]
    for part, key in zip(parts, keys):
        if isinstance(key, ir.Const) and key.type is INT:
            if not _matches(cx, part, key.value):
                return []
            continue
        choices = _choices(cx, part, key)
        rows = [row + [choice] for row in rows for choice in choices]
        if len(rows) > MAX_CASES:
            raise cx.fail(label.pos, "this label's ranges expand to too many cases")
    if all(mask == 0 for row in rows for _, mask in row):
        return [None]
    return rows  # type: ignore[return-value]


def _matches(cx: Context, part: ast.Expr, number: int) -> bool:
    """Does a label fit a key that is a number without width?"""
    value = expression(cx, part)
    if isinstance(value, TupleV) and len(value.items) == 1:
        value = value.items[0]
    first, second = (value.first, value.second) if isinstance(value, KeysetV) else (value, value)
    if isinstance(value, KeysetV) and value.kind == "default":
        return True
    if not isinstance(first, ir.Const) or not isinstance(second, ir.Const):
        raise cx.fail(part.pos, "a label must be known at compile time")
    if isinstance(value, KeysetV) and value.kind == "mask":
        return number & second.value == first.value & second.value
    return first.value <= number <= second.value


def _full(key: ir.Expr) -> int:
    return (1 << width_of(key.type)) - 1


def _choices(cx: Context, part: ast.Expr, key: ir.Expr) -> list[tuple[int, int]]:
    full = _full(key)
    value = expression(cx, part, storage_type(key.type))
    if isinstance(value, TupleV) and len(value.items) == 1:
        value = value.items[0]
    if isinstance(value, KeysetV):
        if value.kind == "default":
            return [(0, 0)]
        if not isinstance(value.first, ir.Const) or not isinstance(value.second, ir.Const):
            raise cx.fail(part.pos, "a label must be known at compile time")
        if value.kind == "mask":
            mask = value.second.value & full
            return [(value.first.value & mask, mask)]
        return _range(value.first.value, value.second.value, full, key.type)
    if not isinstance(value, ir.Const):
        raise cx.fail(part.pos, "a label must be known at compile time")
    return [(value.value & full, full)]


def _range(low: int, high: int, full: int, kind: Type) -> list[tuple[int, int]]:
    """A range as prefixes; a signed one is cut at zero, for its halves lie apart as bits."""
    real = strip(kind)
    if isinstance(real, Bits) and real.signed and low < 0:
        below = _range(low & full, min(high, -1) & full, full, Bits(real.width))
        return below + (_range(0, high, full, Bits(real.width)) if high >= 0 else [])
    out: list[tuple[int, int]] = []
    while low <= high:
        size = low & -low if low else full + 1
        while size > high - low + 1:
            size >>= 1
        out.append((low, full & ~(size - 1)))
        low += size
    return out
