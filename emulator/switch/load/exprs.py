"""JSON expressions -> expr nodes, with the kind of each (data, bool, header, union, ...) checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from emulator.switch import expr as x
from emulator.switch.load.checked import describe, fail, need, number, typed
from emulator.switch.load.headers import Data

MAX_DEPTH = 300
ARITHMETIC = frozenset(["+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^"])
COMPARISONS = frozenset(["==", "!=", "<", "<=", ">", ">="])
CASTS = frozenset({"two_comp_mod", "usat_cast", "sat_cast"})
WORDS = {
    "data": "a number",
    "bool": "a truth value",
    "header": "a header",
    "union": "a header union",
    "stack": "a header stack",
    "union_stack": "a stack of header unions",
}

Typed = tuple[Any, str]


@dataclass(frozen=True)
class Scope:
    """What an expression may refer to. params: number of action parameters; lookahead: in a parser."""

    data: Data
    registers: dict[str, int] = field(default_factory=dict)
    params: int = 0
    lookahead: bool = False


def data_expr(value: Any, scope: Scope, where: str) -> x.Expr:
    return _wanted(build(value, scope, where), "data", where)


def bool_expr(value: Any, scope: Scope, where: str) -> x.BoolExpr:
    """An absent expression is false, as in bmv2."""
    if value is None:
        return x.BoolConst(False)
    return _wanted(build(value, scope, where), "bool", where)


def kind_expr(value: Any, kind: str, scope: Scope, where: str) -> Any:
    return _wanted(build(value, scope, where), kind, where)


def build(value: Any, scope: Scope, where: str, depth: int = 0) -> Typed:
    """(node, kind) of a JSON value {type, value} or {op, left, right}."""
    if depth > MAX_DEPTH:
        fail(where, f"an expression is nested more than {MAX_DEPTH} deep")
    while isinstance(value, dict) and value.get("type") == "expression":
        value = value.get("value")
    if value is None:
        return x.Const(0), "data"
    typed(value, dict, f"{where}, an expression")
    if "op" in value:
        return _operation(value, scope, where, depth + 1)
    kind = need(value, "type", str, where)
    loader = LEAVES.get(kind)
    if loader is None:
        fail(where, f"{kind!r} is no kind of expression")
    return loader(value.get("value"), scope, where)


def _wanted(found: Typed, kind: str, where: str) -> Any:
    """The node as `kind`; bool and data turn into one another."""
    node, actual = found
    if actual == kind:
        return node
    if (actual, kind) == ("bool", "data"):
        return x.Unary("b2d", node)
    if (actual, kind) == ("data", "bool"):
        return x.NonZero(node)
    fail(where, f"expected {WORDS[kind]}, found {WORDS[actual]}")


# --- Leaves ---


def _field(value: Any, scope: Scope, where: str) -> Typed:
    return scope.data.field_ref(value, where), "data"


def _hexstr(value: Any, scope: Scope, where: str) -> Typed:
    return x.Const(number(value, where)), "data"


def _bool(value: Any, scope: Scope, where: str) -> Typed:
    return x.BoolConst(typed(value, bool, where)), "bool"


def _local(value: Any, scope: Scope, where: str) -> Typed:
    index = typed(value, int, f"{where}, action data")
    if not 0 <= index < scope.params:
        fail(where, f"action data {index} does not exist; the action has {scope.params}")
    return x.Param(index), "data"


def lookup(names: dict[str, int], value: Any, what: str, where: str) -> int:
    """Index of a named thing."""
    if not isinstance(value, str) or value not in names:
        fail(where, f"there is no {what} {describe(value)}")
    return names[value]


def _header(value: Any, scope: Scope, where: str) -> Typed:
    return x.HeaderRef(lookup(scope.data.header_index, value, "header", where)), "header"


def _stack(value: Any, scope: Scope, where: str) -> Typed:
    return lookup(scope.data.stack_index, value, "header stack", where), "stack"


def _union(value: Any, scope: Scope, where: str) -> Typed:
    return x.UnionRef(lookup(scope.data.union_index, value, "header union", where)), "union"


def _union_stack(value: Any, scope: Scope, where: str) -> Typed:
    return lookup(scope.data.union_stack_index, value, "header union stack", where), "union_stack"


def _stack_field(value: Any, scope: Scope, where: str) -> Typed:
    if not (isinstance(value, list) and len(value) == 2):
        fail(where, "a stack_field is a list [stack, field]")
    stack = lookup(scope.data.stack_index, value[0], "header stack", where)
    name = typed(value[1], str, where)
    ref = scope.data.member_ref(scope.data.stacks[stack].headers[0], name, where)
    return x.DynamicField(x.StackLast(stack), ref.field), "data"


def _union_stack_field(value: Any, scope: Scope, where: str) -> Typed:
    if not (isinstance(value, list) and len(value) == 3):
        fail(where, "a union_stack_field is a list [stack, member, field]")
    stack = lookup(scope.data.union_stack_index, value[0], "header union stack", where)
    union = scope.data.unions[scope.data.union_stacks[stack].unions[0]]
    if value[1] not in union.members:
        fail(where, f"header union stack {value[0]!r} has no member {describe(value[1])}")
    member = union.members.index(value[1])
    ref = scope.data.member_ref(union.headers[member], typed(value[2], str, where), where)
    return x.DynamicField(x.UnionMember(x.UnionStackLast(stack), member), ref.field), "data"


def _lookahead(value: Any, scope: Scope, where: str) -> Typed:
    if not scope.lookahead:
        fail(where, "lookahead is possible in a parser only")
    pair = typed(value, list, f"{where}, lookahead")
    if len(pair) != 2 or not all(isinstance(v, int) and 0 <= v <= 1 << 16 for v in pair):
        fail(where, "a lookahead is a list [bit offset, bit width]")
    return x.Lookahead(pair[0], pair[1]), "data"


def _register(value: Any, scope: Scope, where: str) -> Typed:
    if not (isinstance(value, list) and len(value) == 2):
        fail(where, "a register is a list [array, index]")
    array = lookup(scope.registers, value[0], "register array", where)
    return x.RegisterRead(array, data_expr(value[1], scope, where)), "data"


LEAVES = {
    "field": _field,
    "hexstr": _hexstr,
    "bool": _bool,
    "local": _local,
    "runtime_data": _local,
    "header": _header,
    "header_stack": _stack,
    "header_union": _union,
    "header_union_stack": _union_stack,
    "stack_field": _stack_field,
    "union_stack_field": _union_stack_field,
    "lookahead": _lookahead,
    "register": _register,
}


# --- Operations ---


def _operation(value: dict, scope: Scope, where: str, depth: int) -> Typed:
    op = need(value, "op", str, where)

    def side(key: str, kind: str) -> Any:
        return _wanted(build(value.get(key), scope, where, depth), kind, where)

    if op in ("+", "-") and value.get("left") is None:
        operand = side("right", "data")
        return (operand if op == "+" else x.Unary("neg", operand)), "data"
    if op in ARITHMETIC:
        return x.Binary(op, side("left", "data"), side("right", "data")), "data"
    if op == "~":
        return x.Unary("~", side("right", "data")), "data"
    if op in CASTS:
        return _cast(op, side("left", "data"), side("right", "data"), where), "data"
    if op in COMPARISONS:
        return _comparison(op, value, scope, where, depth), "bool"
    if op in ("and", "or"):
        return x.Logic(op, side("left", "bool"), side("right", "bool")), "bool"
    if op == "not":
        return x.Not(side("right", "bool")), "bool"
    if op == "d2b":
        return x.NonZero(side("right", "data")), "bool"
    if op == "b2d":
        return x.Unary("b2d", side("right", "bool")), "data"
    if op == "?":
        return _ternary(value, side("cond", "bool"), scope, where, depth)
    if op in ("valid", "valid_header"):
        return x.HeaderValid(side("right", "header")), "bool"
    if op == "valid_union":
        return x.UnionValid(side("right", "union")), "bool"
    return _stack_operation(op, value, scope, where, depth)


def _cast(op: str, operand: x.Expr, width: x.Expr, where: str) -> x.Expr:
    if not isinstance(width, x.Const) or not 1 <= width.value <= x.SHIFT_LIMIT:
        fail(where, f"the width of {op} must be a constant in 1..{x.SHIFT_LIMIT}")
    return x.Binary(op, operand, width)


def _comparison(op: str, value: dict, scope: Scope, where: str, depth: int) -> x.Expr:
    left, kind = build(value.get("left"), scope, where, depth)
    right = build(value.get("right"), scope, where, depth)
    if kind in ("data", "bool"):
        if kind == "bool" and right[1] == "bool" and op in ("==", "!="):
            return x.Logic(op, left, right[0])
        return x.Compare(op, _wanted((left, kind), "data", where), _wanted(right, "data", where))
    other = _wanted(right, kind, where)
    if op not in ("==", "!=") or kind not in ("header", "union"):
        fail(where, f"{op!r} does not apply to {WORDS[kind]}")
    if kind == "union":
        if union_shape(left, scope.data) != union_shape(other, scope.data):
            fail(where, "two header unions of different types are compared")
        return x.UnionEqual(left, other, op == "!=")
    if header_type(left, scope.data) != header_type(other, scope.data):
        fail(where, "two headers of different types are compared")
    return x.HeaderEqual(left, other, op == "!=")


def _ternary(value: dict, cond: x.Expr, scope: Scope, where: str, depth: int) -> Typed:
    left, kind = build(value.get("left"), scope, where, depth)
    right, other = build(value.get("right"), scope, where, depth)
    if kind == other == "bool":
        return x.Ternary(cond, left, right), "bool"
    if {kind, other} <= {"data", "bool"}:
        return x.Ternary(
            cond, _wanted((left, kind), "data", where), _wanted((right, other), "data", where)
        ), "data"
    fail(where, f"the two sides of '?' must be numbers or truth values, not {WORDS[kind]}")


def _stack_operation(op: str, value: dict, scope: Scope, where: str, depth: int) -> Typed:
    data = scope.data
    if op in ("dereference_header_stack", "dereference_stack", "dereference_union_stack"):
        stack, kind = build(value.get("left"), scope, where, depth)
        index = _wanted(build(value.get("right"), scope, where, depth), "data", where)
        if kind == "union_stack":
            return x.UnionStackElement(stack, index), "union"
        return x.StackElement(_wanted((stack, kind), "stack", where), index), "header"
    if op in ("last_stack_index", "size_stack"):
        stack, kind = build(value.get("right"), scope, where, depth)
        if kind not in ("stack", "union_stack"):
            fail(where, f"{op} needs a header stack, found {WORDS[kind]}")
        if op == "last_stack_index":
            return x.LastStackIndex(stack, kind == "union_stack"), "data"
        return x.Const(
            len(data.union_stacks[stack].unions if kind == "union_stack" else data.stacks[stack].headers)
        ), "data"
    if op in ("access_field", "access_union_header"):
        return _access(value, scope, where, depth)
    fail(where, f"there is no operation {op!r}")


def _access(value: dict, scope: Scope, where: str, depth: int) -> Typed:
    """`access_field` on a header gives the field, on a union (also `access_union_header`) the member."""
    data = scope.data
    base, kind = build(value.get("left"), scope, where, depth)
    raw = value.get("right")
    index = number(raw.get("value") if isinstance(raw, dict) else raw, where)
    if kind == "union":
        union = data.unions[_any_union(base, data)]
        if not 0 <= index < len(union.headers):
            fail(where, f"a header union has no member number {index}")
        if isinstance(base, x.UnionRef):
            return x.HeaderRef(union.headers[index]), "header"
        return x.UnionMember(base, index), "header"
    header = _wanted((base, kind), "header", where)
    fields = len(data.types[header_type(header, data)].fields)
    if not 0 <= index <= fields:
        fail(where, f"a header has no field number {index}")
    number_ = x.VALID if index == fields else index
    if isinstance(header, x.HeaderRef):
        return x.FieldRead(header.header, number_), "data"
    return x.DynamicField(header, number_), "data"


# --- Types of header and union expressions ---


def some_header(header: x.HeaderExpr, data: Data) -> int:
    """A header the expression may stand for (all have one type)."""
    if isinstance(header, x.HeaderRef):
        return header.header
    if isinstance(header, (x.StackElement, x.StackLast)):
        return data.stacks[header.stack].headers[0]
    return data.unions[_any_union(header.union, data)].headers[header.member]


def header_type(header: x.HeaderExpr, data: Data) -> int:
    return data.headers[some_header(header, data)].type


def _any_union(union: x.UnionExpr, data: Data) -> int:
    if isinstance(union, x.UnionRef):
        return union.union
    return data.union_stacks[union.union_stack].unions[0]


def union_shape(union: x.UnionExpr, data: Data) -> tuple[int, ...]:
    """Header types of the members."""
    return tuple(data.headers[h].type for h in data.unions[_any_union(union, data)].headers)
