"""Section actions, and primitives wherever they stand (actions, parser states, deparsers)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from emulator.switch import expr as x
from emulator.switch.engine import NO_LIST
from emulator.switch.externs import resolve
from emulator.switch.load.checked import fail, natural, need, objects, typed
from emulator.switch.load.exprs import (
    Scope,
    bool_expr,
    build,
    data_expr,
    header_type,
    kind_expr,
    lookup,
    union_shape,
)
from emulator.switch.load.headers import Data
from emulator.switch.load.old_primitives import REWRITES
from emulator.switch.model import Action, ActionParam, Primitive
from emulator.switch.primitives import CORE

MAX_PARAM_WIDTH = 8192


@dataclass(frozen=True)
class Names:
    """Everything primitives refer to besides data. field_lists, learn_lists: JSON id -> index. extern_types: of
    instances, by name; externs: what Python brings for them."""

    registers: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    meters: dict[str, int] = field(default_factory=dict)
    calculations: dict[str, int] = field(default_factory=dict)
    field_lists: dict[int, int] = field(default_factory=dict)
    learn_lists: dict[int, int] = field(default_factory=dict)
    extern_types: dict[str, str] = field(default_factory=dict)
    externs: Mapping[str, Any] = field(default_factory=dict)


def load_actions(doc: dict, scope: Scope, names: Names) -> tuple[Action, ...]:
    return tuple(_action(item, where, scope, names) for item, where in objects(doc, "actions", "the file"))


def _action(item: dict, where: str, scope: Scope, names: Names) -> Action:
    params = []
    for raw in need(item, "runtime_data", list, where, []):
        width = natural(raw, "bitwidth", f"{where}, runtime_data", limit=MAX_PARAM_WIDTH)
        params.append(ActionParam(need(raw, "name", str, f"{where}, runtime_data"), width))
    inner = replace(scope, params=len(params), lookahead=False)
    body = load_primitives(item, "primitives", where, inner, names)
    return Action(need(item, "name", str, where), natural(item, "id", where, 0), tuple(params), body)


def load_primitives(item: dict, key: str, where: str, scope: Scope, names: Names) -> tuple[Primitive, ...]:
    body = []
    for i, raw in enumerate(need(item, key, list, where, [])):
        body.append(load_primitive(raw, f"{where}, primitive {i}", scope, names))
    for i, step in enumerate(body):
        if step.op.startswith("_jump") and not 0 <= step.args[-1] <= len(body):  # type: ignore[operator]
            fail(f"{where}, primitive {i}", f"it jumps to {step.args[-1]}, past the end of the action")
    return tuple(body)


def load_primitive(raw: Any, where: str, scope: Scope, names: Names) -> Primitive:
    op = need(raw, "op", str, where)
    args = need(raw, "parameters", list, where, [])
    if op in REWRITES:
        rewrite = REWRITES[op]
        if len(args) != rewrite.arity:
            fail(where, f"{op} takes {rewrite.arity} arguments, not {len(args)}")
        op, args = rewrite.apply(args)
    if op == "mark_to_drop":
        args = []
    if (
        op in ("push", "pop")
        and args
        and isinstance(args[0], dict)
        and args[0].get("type") == "header_union_stack"
    ):
        op = f"{op}_union_stack"
    if (found := resolve(op, names.externs)) is not None:
        results = natural(raw, "returns", where, 0)
        return _call_extern(*found, args, results, f"{where} ({op})", scope, names)
    kinds = None if op == "call_extern" else CORE.get(op)
    if kinds is None:
        fail(where, f"there is no primitive {op!r} (an extern? Switch.load takes those in Python)")
    if len(args) != len(kinds):
        fail(where, f"{op} takes {len(kinds)} arguments, not {len(args)}")
    step = Primitive(op, tuple(_argument(v, k, f"{where} ({op})", scope, names) for v, k in zip(args, kinds)))
    _check_types(step, where, scope)
    return step


def _call_extern(
    kind: str | None, name: str, args: list, results: int, where: str, scope: Scope, names: Names
) -> Primitive:
    """results: how many of the arguments, the first, take what the call returns."""
    instance = None
    if kind is not None:
        first = args[0] if args and isinstance(args[0], dict) else {}
        instance = first.get("value")
        if first.get("type") != "extern" or not isinstance(instance, str) or names.extern_types.get(instance) != kind:
            fail(where, f"its first argument is no extern instance of type {kind}")
        args = args[1:]
    if results > len(args):
        fail(where, f"it returns {results} numbers, but has only {len(args)} arguments to take them")
    for arg in args[:results]:
        lvalue(arg, scope, where)
    return Primitive("call_extern", (instance, name, results, tuple(_extern_argument(a, where, scope) for a in args)))


def _extern_argument(value: Any, where: str, scope: Scope) -> Any:
    if isinstance(value, dict) and value.get("type") == "string":
        return typed(value.get("value"), str, where)
    if isinstance(value, dict) and value.get("type") == "parameters_vector":
        return _vector(value, where, scope, Names())
    node, kind = build(value, scope, where)
    if kind not in ("data", "bool"):
        fail(where, "externs take numbers, fields, truth values, structs of numbers, and strings")
    if isinstance(node, (x.FieldRead, x.DynamicField)) and is_varbit(node, scope.data):
        fail(where, "externs do not take fields of variable width")
    return node


def _argument(value: Any, kind: str, where: str, scope: Scope, names: Names) -> Any:
    if kind == "data":
        return data_expr(value, scope, where)
    if kind == "bool":
        return bool_expr(value, scope, where)
    if kind == "lvalue":
        return lvalue(value, scope, where)
    if kind in ("header", "union", "stack", "union_stack"):
        return kind_expr(value, kind, scope, where)
    return SPECIAL[kind](value, where, scope, names)


def lvalue(value: Any, scope: Scope, where: str) -> x.LValue:
    """A field that can be written (`$valid$` cannot)."""
    node, _ = build(value, scope, where)
    if not isinstance(node, (x.FieldRead, x.DynamicField)):
        fail(where, "the destination is not a field")
    if node.field == x.VALID:
        fail(where, "'$valid$' cannot be assigned")
    return node


def constant(value: Any, scope: Scope, where: str) -> int:
    node = data_expr(value, scope, where)
    if not isinstance(node, x.Const):
        fail(where, "a constant is needed here")
    return node.value


def _named(what: str, kind: str) -> Callable[[Any, str, Scope, Names], int]:
    def load(value: Any, where: str, scope: Scope, names: Names) -> int:
        if isinstance(value, dict):
            value = value.get("value")
        return lookup(getattr(names, kind), value, what, where)

    return load


def _field_list(value: Any, where: str, scope: Scope, names: Names) -> int:
    """Index of a field list; 0 and ids nobody declared keep nothing."""
    return names.field_lists.get(constant(value, scope, where), NO_LIST)


def _learn_list(value: Any, where: str, scope: Scope, names: Names) -> int | None:
    found = constant(value, scope, where)
    if found == 0:
        return None
    if found not in names.learn_lists:
        fail(where, f"there is no learn list with id {found}")
    return names.learn_lists[found]


def _integer(value: Any, where: str, scope: Scope, names: Names) -> int:
    found = constant(value, scope, where)
    if not 0 <= found < 1 << 31:
        fail(where, f"{found} is not in 0..2^31")
    return found


def _string(value: Any, where: str, scope: Scope, names: Names) -> str:
    return typed(value.get("value") if isinstance(value, dict) else value, str, where)


def _vector(value: Any, where: str, scope: Scope, names: Names) -> tuple[x.Expr, ...]:
    raw = value.get("value") if isinstance(value, dict) else value
    items = typed(raw or [], list, where)  # an empty vector is written {}
    return tuple(data_expr(item, scope, where) for item in items)


SPECIAL = {
    "register": _named("register array", "registers"),
    "counter": _named("counter array", "counters"),
    "meter": _named("meter array", "meters"),
    "calculation": _named("calculation", "calculations"),
    "field_list": _field_list,
    "learn_list": _learn_list,
    "int": _integer,
    "string": _string,
    "vector": _vector,
}


def _check_types(step: Primitive, where: str, scope: Scope) -> None:
    """Whole headers, unions and stacks are copied between equal types only."""
    data = scope.data
    a: Any
    b: Any
    a, b = (step.args + (None, None))[:2]
    same = True
    if step.op == "assign_header":
        same = header_type(a, data) == header_type(b, data)
    elif step.op == "assign_union":
        same = union_shape(a, data) == union_shape(b, data)
    elif step.op == "assign_header_stack":
        left, right = data.stacks[a], data.stacks[b]
        same = (left.type, len(left.headers)) == (right.type, len(right.headers))
    elif step.op == "assign_union_stack":
        rows, others = data.union_stacks[a].unions, data.union_stacks[b].unions
        shapes = {union_shape(x.UnionRef(u), data) for u in rows + others}
        same = len(rows) == len(others) and len(shapes) == 1
    elif step.op == "assign_VL":
        same = is_varbit(a, data) and is_varbit(b, data)
    if not same:
        fail(where, f"the two sides of {step.op} are of different types")
    for value, kind in zip(step.args, CORE[step.op]):
        if kind == "lvalue" and step.op != "assign_VL" and is_varbit(value, data):
            fail(where, f"{step.op} cannot store into a field of variable width")


def is_varbit(node: Any, data: Data) -> bool:
    header = x.HeaderRef(node.header) if isinstance(node, x.FieldRead) else node.header
    kind = data.types[header_type(header, data)]
    return node.field >= 0 and kind.fields[node.field].varbit
