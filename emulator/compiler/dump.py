"""Text of a program between passes, for --dump-after."""
from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from . import ast, ir


def dump(subject: Any) -> str:
    """The tree after parsing, the core program afterwards, JSON at the end."""
    if isinstance(subject, ir.Program):
        return "\n".join(_program(subject))
    if isinstance(subject, dict):
        return json.dumps(subject, indent=1)
    if isinstance(subject, list):
        return " ".join(t[1] for t in subject)
    return "\n".join(_node(subject, 0))


def expr(e: Any) -> str:
    if isinstance(e, ir.Const):
        return f"{e.value}:{e.type}"
    if isinstance(e, ir.Field):
        return f"{e.header}.{e.name}"
    if isinstance(e, ir.DynField):
        return f"{e.stack}[{expr(e.index)}].{e.name}"
    if isinstance(e, ir.LastField):
        return f"{e.stack}.last.{e.name}"
    if isinstance(e, ir.Data):
        return f"${e.index}"
    if isinstance(e, ir.Op):
        if len(e.args) == 2 and not e.op.isalpha():
            return f"({expr(e.args[0])} {e.op} {expr(e.args[1])})"
        name = f"cast<{e.type}>" if e.op == "cast" else e.op
        return f"{name}({', '.join(expr(a) for a in e.args)})"
    if isinstance(e, ir.Lookahead):
        return f"lookahead({e.offset}, {e.width})"
    if isinstance(e, ir.LastIndex):
        return f"{e.stack}.lastIndex"
    if isinstance(e, ir.ValidUnion):
        return f"{e.union}.isValid()"
    if isinstance(e, ir.DynHeaderArg):
        return f"{e.stack}[{expr(e.index)}]"
    if isinstance(e, ir.Returned):
        return "returns:"
    if isinstance(e, ir.Raw):
        return repr(e.value)
    if isinstance(e, tuple):
        return "{" + ", ".join(expr(x) for x in e) + "}"
    return str(getattr(e, "name", getattr(e, "stack", e)))


def statements(body: Iterable[ir.Stmt], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for s in body:
        if isinstance(s, ir.Assign):
            yield f"{pad}{expr(s.target)} = {expr(s.value)}"
        elif isinstance(s, ir.Prim):
            yield f"{pad}{s.op}({', '.join(expr(a) for a in s.args)})"
        elif isinstance(s, ir.If):
            yield f"{pad}if {expr(s.cond)}"
            yield from statements(s.then, depth + 1)
            if s.orelse:
                yield f"{pad}else"
                yield from statements(s.orelse, depth + 1)
        elif isinstance(s, (ir.Block, ir.Loop)):
            yield f"{pad}{'loop' if isinstance(s, ir.Loop) else 'block'} L{s.label}"
            yield from statements(s.body, depth + 1)
        elif isinstance(s, ir.Jump):
            yield f"{pad}leave L{s.label}"
        elif isinstance(s, ir.Apply):
            yield f"{pad}apply {s.table}"
            for label, case in s.cases:
                yield f"{pad}  {label or 'default'}:"
                yield from statements(case, depth + 2)
        else:
            yield f"{pad}exit"


def _program(program: ir.Program) -> Iterator[str]:
    for name, kind in program.scalars.items():
        yield f"var {name}: {kind}"
    for header in program.headers.values():
        yield f"header {header.name}: {header.type}"
    for state in program.states:
        yield f"state {state.name}"
        yield from statements(state.body, 1)
        keys = ", ".join(expr(k) for k in state.keys)
        for match, target in state.cases:
            yield f"  select({keys}) {match if match is not None else 'default'} -> {target}"
    for action in program.actions:
        params = ", ".join(f"{t} {n}" for n, t, _ in action.params)
        yield f"action {action.name}({params})"
        yield from statements(action.body, 1)
    for table in program.tables.values():
        keys = ", ".join(f"{expr(k.target)}: {k.match}" for k in table.keys)
        yield f"table {table.name}({keys}) actions {', '.join(u.action.name for u in table.actions)}"
    for name, body in (("ingress", program.ingress), ("egress", program.egress)):
        yield f"control {name}"
        yield from statements(body, 1)
    yield f"deparser {', '.join(program.deparser)}"


def _node(node: Any, depth: int) -> Iterator[str]:
    pad = "  " * depth
    if isinstance(node, tuple):
        for item in node:
            yield from _node(item, depth)
        return
    if not isinstance(node, ast.Node):
        yield f"{pad}{node!r}"
        return
    yield f"{pad}{type(node).__name__}"
    for cls in type(node).__mro__:
        for slot in getattr(cls, "__slots__", ()):
            value = getattr(node, slot)
            if slot == "pos" or value in ((), None, "") or slot == "annotations":
                continue
            if isinstance(value, (ast.Node, tuple)):
                yield f"{pad}  {slot}:"
                yield from _node(value, depth + 2)
            else:
                yield f"{pad}  {slot}: {value!r}"
