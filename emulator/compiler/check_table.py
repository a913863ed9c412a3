"""Tables: keys, actions, default action, entries, properties."""
from __future__ import annotations

from typing import Any

from . import ast, check_call, check_expr
from .checker import Checker, Sym
from .types import UNKNOWN, ApplyResult, Bits, Enum, Object, Type, is_scalar, strip
from .values import Env

LARGEST_TABLE = 1 << 31
_KNOWN = frozenset([
    "size", "implementation", "counters", "meters", "support_timeout", "largest_priority_wins",
    "priority_delta", "idle_timeout",
])


def used_match_kind(ck: Checker, key: ast.KeyElement) -> None:
    if key.match not in ck.match_kinds:
        ck.error(key.pos, f"'{key.match}' is not a match kind")


def check_table(ck: Checker, decl: ast.Table) -> None:
    saved = ck.where.kind
    kinds = [_key(ck, key) for key in decl.keys]
    if sum(key.match == "lpm" for key in decl.keys) > 1:
        ck.error(decl.pos, f"table {decl.name} has two lpm keys; this target matches one prefix in a table")
    actions: dict[str, Any] = {}
    if decl.actions is None:
        ck.error(decl.pos, f"table {decl.name} has no list of actions")
    for ref in decl.actions or ():
        _action(ck, ref, actions)
    ck.where.tables[decl.name] = actions
    if decl.default is not None:
        _default(ck, decl, decl.default, actions)
    for entry in decl.entries or ():
        _entry(ck, entry, decl, kinds, actions)
    for prop in decl.properties:
        _property(ck, prop)
    _implementation(ck, decl)
    ck.where.kind = saved
    ck.variable(decl.name, ApplyResult(decl.name), decl.pos, "table", "none", None, decl)


def _implementation(ck: Checker, decl: ast.Table) -> None:
    """What an action profile or selector, or none, means for the rest of the table."""
    prop = next((p for p in decl.properties if p.name == "implementation"), None)
    kind = ck.types.get(prop.value) if prop is not None else None
    if prop is not None and decl.entries:
        ck.error(decl.entries[0].pos if decl.entries[0].pos >= 0 else decl.entries[0].action.pos,
                 f"the entries of table {decl.name} name members of its profile, which only the control plane makes")
    if kind is UNKNOWN or (isinstance(kind, Object) and kind.name == "action_selector"):
        return
    for key in decl.keys:
        if key.match == "selector":
            ck.diags.warn(key.pos, "a selector key means nothing to a table without an action_selector", "unused")


def _key(ck: Checker, key: ast.KeyElement) -> Type:
    used_match_kind(ck, key)
    kind = check_expr.value(ck, key.expr)
    real = strip(kind)
    if isinstance(real, Bits) and real.width == 0:
        return ck.error(key.expr.pos, "a key needs at least one bit; this field has none")
    if kind is UNKNOWN or isinstance(real, (Bits, Enum)) or str(real) in ("bool", "error"):
        return kind
    if str(real) == "int":
        return ck.error(key.expr.pos, "a key needs a width")
    return ck.error(key.expr.pos, f"a key cannot be {kind}")


def _action(ck: Checker, ref: ast.ActionRef, actions: dict[str, Any]) -> None:
    found = (ck.globals if ref.dotted else ck.env).get(ref.name)
    if found is None:
        ck.error(ref.pos, f"action '{ref.name}' is not declared")
        return
    if not isinstance(found, ast.Action):
        ck.error(ref.pos, f"'{ref.name}' is not an action")
        return
    if ref.name in actions:
        ck.error(ref.pos, f"action {ref.name} is listed twice")
    actions[ref.name] = found
    directed = [p for p in found.params if p.direction]
    for param in found.params:
        kind = ck.type_of(param.type, Env(ck.globals))
        if not param.direction and not is_scalar(kind) and kind is not UNKNOWN:
            ck.error(param.pos, f"a table fills in numbers, bools and enums, not {param.name} of type {kind}")
    if ref.args is not None or directed:
        check_call.check_args(ck, directed, ref.args or (), ref.pos, ref.name, ck.env)


def _default(ck: Checker, decl: ast.Table, ref: ast.ActionRef, actions: dict[str, Any]) -> None:
    found = (ck.globals if ref.dotted else ck.env).get(ref.name)
    if found is None:
        ck.error(ref.pos, f"action '{ref.name}' is not declared")
    elif ref.name not in actions:
        ck.error(ref.pos, f"the default action {ref.name} is not among the actions of table {decl.name}")
    else:
        _data(ck, ref, actions[ref.name])


def _data(ck: Checker, ref: ast.ActionRef, action: ast.Action) -> None:
    """Arguments of a default action or entry: all parameters, or those without direction."""
    plain = [p for p in action.params if not p.direction]
    args = ref.args or ()
    if len(args) > len(plain) and len(args) == len(action.params):
        for param, arg in zip(action.params, args):
            if arg.value is not None:
                check_expr.value(ck, arg.value, ck.resolve(param.type))
        return
    check_call.check_args(ck, plain, args, ref.pos, ref.name, Env(ck.globals))


def _entry(ck: Checker, entry: ast.Entry, decl: ast.Table, kinds: list[Type], actions: dict[str, Any]) -> None:
    label = entry.keys
    items = list(label.items) if isinstance(label, ast.ListExpr) else [label]
    if len(items) != len(kinds) and not (len(items) == 1 and isinstance(items[0], ast.Default)):
        ck.error(entry.action.pos if entry.pos < 0 else entry.pos,
                 f"the entry has {len(items)} value{'' if len(items) == 1 else 's'}, table {decl.name} has {len(kinds)} keys")
    else:
        for item, kind, key in zip(items, kinds, decl.keys):
            _entry_value(ck, item, kind, key)
    if entry.priority is not None:
        check_expr.value(ck, entry.priority)
        if ck.known(entry.priority) is None and not check_call.known_later(ck, entry.priority):
            ck.error(entry.priority.pos, "the priority of an entry must be known at compile time")
    if entry.action.name not in actions:
        ck.error(entry.action.pos, f"action {entry.action.name} is not among the actions of table {decl.name}")
    else:
        _data(ck, entry.action, actions[entry.action.name])


def _entry_value(ck: Checker, item: ast.Expr, kind: Type, key: ast.KeyElement) -> None:
    if isinstance(item, ast.Default) or kind is UNKNOWN:
        if isinstance(item, ast.Default) and key.match == "exact":
            ck.error(item.pos, "an exact key needs a value")
        return
    found = check_expr.value(ck, item, kind)
    if isinstance(item, (ast.Mask, ast.Range)):
        fits = {ast.Mask: ("ternary", "lpm"), ast.Range: ("range",)}[type(item)]
        if key.match not in fits:
            what = "a mask" if isinstance(item, ast.Mask) else "a range"
            ck.error(item.pos, f"{what} does not fit an {key.match} key")
        elif isinstance(item, ast.Range):
            low, high = ck.known(item.low), ck.known(item.high)
            if low is not None and high is not None and low.value > high.value:
                ck.error(item.pos, f"the range {low.value}..{high.value} is empty")
        return
    ck.require(item.pos, kind, found, "key of the entry")


def _property(ck: Checker, prop: ast.Property) -> None:
    if prop.name not in _KNOWN:
        ck.diags.warn(prop.pos, f"unknown property '{prop.name}' of a table", "unknown")
        return
    kind = check_expr.check(ck, prop.value)
    if prop.name in ("implementation", "counters", "meters"):
        wanted = {"implementation": ("action_profile", "action_selector"), "counters": ("direct_counter",),
                  "meters": ("direct_meter",)}[prop.name]
        if kind is not UNKNOWN and not (isinstance(kind, Object) and kind.name in wanted):
            ck.error(prop.value.pos, f"'{prop.name}' needs a {' or '.join(wanted)}, found {kind}")
    elif prop.name in ("size", "priority_delta") and kind is not UNKNOWN and ck.known(prop.value) is None and \
            not check_call.known_later(ck, prop.value):
        ck.error(prop.value.pos, f"'{prop.name}' must be known at compile time")
    elif prop.name == "size" and kind is not UNKNOWN:
        _size(ck, prop)


def _size(ck: Checker, prop: ast.Property) -> None:
    known = ck.known(prop.value)
    if known is not None and isinstance(known.value, int) and not 0 <= known.value <= LARGEST_TABLE:
        ck.error(prop.value.pos, f"a table has 0 to {LARGEST_TABLE} entries, not {known.value}")


__all__ = ["Sym", "check_table", "used_match_kind"]
