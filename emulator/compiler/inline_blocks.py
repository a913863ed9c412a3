"""The blocks that are not programs on this target: checksum controls become records, the deparser a list."""
from __future__ import annotations

from typing import Any

from . import fold, ir
from .context import Context
from .values import HeaderV, StackV, StructV, TupleV, UnionV


def checksums(cx: Context, compute: tuple[ir.Stmt, ...], verify: tuple[ir.Stmt, ...]) -> None:
    for body in (compute, verify):
        _collect(cx, body, fold.TRUE)


def _collect(cx: Context, body: tuple[ir.Stmt, ...], cond: ir.Expr) -> None:
    for stmt in body:
        if isinstance(stmt, ir.Prim) and stmt.op == "$checksum":
            name = cx.storage.unique("calc")
            algorithm, inputs, target, own, is_verify = stmt.args
            cx.program.calculations.append(ir.Calculation(name, algorithm, inputs))
            cx.program.checksums.append(ir.Checksum(
                name, target, fold.logic("and", cond, own), is_verify, not is_verify, stmt.pos))
        elif isinstance(stmt, ir.If):
            _collect(cx, stmt.then, fold.logic("and", cond, stmt.cond))
            _collect(cx, stmt.orelse, fold.logic("and", cond, fold.negate(stmt.cond)))
        elif isinstance(stmt, ir.Block):
            _collect(cx, stmt.body, cond)
        elif not (isinstance(stmt, ir.Jump) and stmt is body[-1]):
            cx.diags.error(stmt.pos, "a checksum control can only verify or update checksums, under conditions")


def deparser(cx: Context, body: tuple[ir.Stmt, ...]) -> None:
    """Names of the headers in the order they are emitted."""
    for stmt in body:
        if isinstance(stmt, ir.Prim) and stmt.op == "emit":
            names = _headers(stmt.args[0])
            if names is None:
                cx.diags.error(stmt.pos, "only headers, stacks, unions and structs of them can be emitted")
            else:
                cx.program.deparser.extend(names)
        elif isinstance(stmt, ir.Block):
            deparser(cx, stmt.body)
        elif isinstance(stmt, ir.If) and not stmt.orelse and _only_if_valid(stmt):
            deparser(cx, stmt.then)
        else:
            cx.diags.error(stmt.pos, "a deparser can only emit headers on this target")


def _only_if_valid(stmt: ir.If) -> bool:
    """if (h.isValid()) emit(h): the condition is what emit tests anyway."""
    cond = stmt.cond
    emits = [s for s in stmt.then if isinstance(s, ir.Prim) and s.op == "emit"]
    return isinstance(cond, ir.Field) and cond.name == "$valid$" and len(emits) == len(stmt.then) and all(
        _headers(s.args[0]) == [cond.header] for s in emits)


def _headers(value: Any) -> list[str] | None:
    if isinstance(value, HeaderV):
        return [value.name]
    parts: list[Any]
    if isinstance(value, StructV):
        parts = list(value.fields.values())
    elif isinstance(value, TupleV):
        parts = value.items
    elif isinstance(value, StackV):
        parts = value.elements
    elif isinstance(value, UnionV):
        parts = list(value.members.values())
    else:
        return None
    out: list[str] = []
    for part in parts:
        names = _headers(part)
        if names is None:
            return None
        out.extend(names)
    return out
