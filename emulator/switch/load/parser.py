"""Sections parsers, parse_vsets, deparsers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from emulator.switch import expr as x
from emulator.switch.load.actions import Names, is_varbit, load_primitive, load_primitives, lvalue
from emulator.switch.load.checked import describe, fail, index_by_name, natural, need, number, objects, typed
from emulator.switch.load.exprs import Scope, bool_expr, build, data_expr, lookup, some_header
from emulator.switch.model import (
    Advance,
    Deparser,
    Extract,
    KeyPart,
    Parser,
    ParserOp,
    ParseState,
    Set,
    StackNext,
    Transition,
    UnionStackNext,
    ValueSet,
    Verify,
)


def load_value_sets(doc: dict) -> list[ValueSet]:
    found = []
    for item, where in objects(doc, "parse_vsets", "the file"):
        width = natural(item, "compressed_bitwidth", where, limit=1 << 16)
        name = need(item, "name", str, where)
        found.append(ValueSet(name, width, natural(item, "max_size", where, 1024), (width,)))
    index_by_name([v.name for v in found], "parse_vsets")
    return found


def load_parser(doc: dict, scope: Scope, names: Names, value_sets: list[ValueSet]) -> Parser:
    """The first parser of the file. Fills in the part widths of the value sets it uses."""
    items = objects(doc, "parsers", "the file")
    if not items:
        return Parser("parser", None, ())
    item, where = items[0]
    scope = replace(scope, lookahead=True)
    raw_states = objects(item, "parse_states", where)
    index = index_by_name([need(s, "name", str, w) for s, w in raw_states], f"{where}, parse_states")
    states = tuple(_state(s, w, index, scope, names, value_sets) for s, w in raw_states)
    start = need(item, "init_state", str, where, None)
    first = None if start is None else lookup(index, start, "parser state", where)
    return Parser(need(item, "name", str, where, "parser"), first, states)


def _state(
    item: dict, where: str, index: dict[str, int], scope: Scope, names: Names, value_sets: list[ValueSet]
) -> ParseState:
    where = f"parser state {item['name']!r}"
    ops = []
    for i, raw in enumerate(need(item, "parser_ops", list, where, [])):
        ops.append(_op(raw, f"{where}, operation {i}", scope, names))
    key = tuple(_key_part(raw, where, scope) for raw in need(item, "transition_key", list, where, []))
    transitions = []
    for i, raw in enumerate(need(item, "transitions", list, where, [])):
        transitions.append(_transition(raw, f"{where}, transition {i}", key, index, value_sets))
    return ParseState(item["name"], tuple(ops), key, tuple(transitions))


# --- Operations ---


def _op(raw: Any, where: str, scope: Scope, names: Names) -> ParserOp:
    op = need(raw, "op", str, where)
    args = need(raw, "parameters", list, where)
    loader, arity = OPS.get(op, (None, 0))
    if loader is None:
        fail(where, f"there is no parser operation {op!r}")
    if len(args) != arity:
        fail(where, f"{op} takes {arity} arguments, not {len(args)}")
    return loader(args, f"{where} ({op})", scope, names)


def _extract(args: list, where: str, scope: Scope, names: Names) -> Extract:
    kind = need(args[0], "type", str, where)
    value = args[0].get("value")
    data = scope.data
    if kind == "regular":
        return Extract(lookup(data.header_index, value, "header", where))
    if kind == "stack":
        return Extract(StackNext(lookup(data.stack_index, value, "header stack", where)))
    if kind != "union_stack":
        fail(where, f"it extracts {kind!r}, not a header or an element of a stack")
    pair = typed(value, list, where)
    if len(pair) != 2:
        fail(where, "an element of a union stack is a list [stack, member]")
    stack = lookup(data.union_stack_index, pair[0], "header union stack", where)
    members = data.unions[data.union_stacks[stack].unions[0]].members
    if pair[1] not in members:
        fail(where, f"there is no union member {describe(pair[1])}")
    return Extract(UnionStackNext(stack, members.index(pair[1])))


def _extract_vl(args: list, where: str, scope: Scope, names: Names) -> Extract:
    target = _extract(args, where, scope, names).target
    data = scope.data
    if isinstance(target, StackNext):
        header = data.stacks[target.stack].headers[0]
    elif isinstance(target, UnionStackNext):
        header = data.unions[data.union_stacks[target.union_stack].unions[0]].headers[target.member]
    else:
        header = target
    if data.types[data.headers[header].type].varbit is None:
        fail(where, "the header has no field of variable width")
    return Extract(target, data_expr(args[1], scope, where))


def _set(args: list, where: str, scope: Scope, names: Names) -> Set:
    target = lvalue(args[0], scope, where)
    if is_varbit(target, scope.data):
        fail(where, "it cannot store into a field of variable width")
    return Set(target, data_expr(args[1], scope, where))


def _verify(args: list, where: str, scope: Scope, names: Names) -> Verify:
    return Verify(bool_expr(args[0], scope, where), data_expr(args[1], scope, where))


def _advance(args: list, where: str, scope: Scope, names: Names) -> Advance:
    return Advance(data_expr(args[0], scope, where))


def _shift(args: list, where: str, scope: Scope, names: Names) -> Advance:
    """Bytes, not bits."""
    amount = args[0] if isinstance(args[0], int) else number(args[0], where)
    return Advance(x.Const(8 * amount))


def _primitive(args: list, where: str, scope: Scope, names: Names) -> ParserOp:
    step = load_primitive(args[0], where, scope, names)
    if step.op.startswith("_jump") or step.op == "exit":
        fail(where, f"{step.op} has no meaning in a parser")
    return step


OPS: dict[str, tuple[Any, int]] = {
    "extract": (_extract, 1),
    "extract_VL": (_extract_vl, 2),
    "set": (_set, 2),
    "verify": (_verify, 2),
    "advance": (_advance, 1),
    "shift": (_shift, 1),
    "primitive": (_primitive, 1),
}


# --- Select ---


def _key_part(raw: Any, where: str, scope: Scope) -> KeyPart:
    where = f"{where}, transition_key"
    node, kind = build(raw, scope, where)
    if kind != "data":
        fail(where, "a part of the key is not a field")
    if isinstance(node, x.FieldRead):
        return KeyPart(node, scope.data.width(node))
    if isinstance(node, x.DynamicField):
        return KeyPart(node, scope.data.width(x.FieldRead(some_header(node.header, scope.data), node.field)))
    if isinstance(node, x.Lookahead):
        return KeyPart(node, node.width)
    fail(where, "a part of the key is a field, a field of a stack's last element, or a lookahead")


def _transition(
    raw: Any, where: str, key: tuple[KeyPart, ...], index: dict[str, int], value_sets: list[ValueSet]
) -> Transition:
    target = need(raw, "next_state", str, where, None)
    following = None if target is None else lookup(index, target, "parser state", where)
    kind = need(raw, "type", str, where, None)
    value = raw.get("value")
    if kind is None:  # older files: value "default" or a hexstr
        kind = "default" if value == "default" else "hexstr"
    if kind == "default":
        return Transition(following, default=True)
    masks = tuple((1 << part.width) - 1 for part in key)
    if raw.get("mask") is not None:
        masks = tuple(m & f for m, f in zip(_split(number(raw["mask"], where), key), masks))
    if kind == "parse_vset":
        return Transition(following, masks=masks, value_set=_value_set(value, where, key, value_sets))
    if kind != "hexstr":
        fail(where, f"{kind!r} is no kind of transition")
    values = tuple(v & m for v, m in zip(_split(number(value, where), key), masks))
    return Transition(following, values=values, masks=masks)


def _value_set(value: Any, where: str, key: tuple[KeyPart, ...], value_sets: list[ValueSet]) -> int:
    found = lookup({v.name: i for i, v in enumerate(value_sets)}, value, "value set", where)
    widths = tuple(part.width for part in key)
    if sum(widths) != value_sets[found].width:
        fail(where, f"value set {value!r} is {value_sets[found].width} bits wide, the key {sum(widths)}")
    value_sets[found] = replace(value_sets[found], widths=widths)
    return found


def _split(value: int, key: tuple[KeyPart, ...]) -> tuple[int, ...]:
    """A value over the whole key, each part padded to whole bytes, into its parts."""
    parts = []
    for part in reversed(key):
        size = 8 * -(-part.width // 8)
        parts.append(value & ((1 << part.width) - 1))
        value >>= size
    return tuple(reversed(parts))


def load_deparser(doc: dict, scope: Scope, names: Names) -> Deparser:
    items = objects(doc, "deparsers", "the file")
    if not items:
        return Deparser("deparser", ())
    item, where = items[0]
    order = []
    for name in need(item, "order", list, where, []):
        header = lookup(scope.data.header_index, name, "header", where)
        if scope.data.headers[header].metadata:
            fail(where, f"{name!r} is metadata and cannot be emitted")
        order.append(header)
    body = load_primitives(item, "primitives", where, replace(scope, params=0, lookahead=False), names)
    return Deparser(need(item, "name", str, where, "deparser"), tuple(order), body)
