"""Cut expressions that nest deeper than the switch's reader takes.

Before: x = (... ((a ^ b) ^ c) ... ^ z)      After: t = (... (a ^ b) ...); x = (t ^ ... ^ z)
Operands have no effects, so computing a part ahead of its statement changes nothing.
"""
from __future__ import annotations

from typing import Any

from .. import ir
from .walk import Body, inner, rewrite

LIMIT = 48
"""Operators in one another; each becomes up to three levels of JSON, of which the switch takes 300."""


def cut_deep_expressions(program: ir.Program) -> ir.Program:
    def change(body: Body) -> Body:
        out: list[ir.Stmt] = []
        for stmt in body:
            out.append(_statement(inner(stmt, change), out))
        return tuple(out)

    def cut(e: ir.Expr, out: list[ir.Stmt], pos: int) -> tuple[ir.Expr, int]:
        if not isinstance(e, ir.Op):
            return e, 1
        parts = [cut(a, out, pos) for a in e.args]
        depth = 1 + max(d for _, d in parts)
        new = e if all(p is a for (p, _), a in zip(parts, e.args)) else ir.Op(e.op, tuple(p for p, _ in parts), e.type)
        if depth < LIMIT:
            return new, depth
        name = _fresh(program)
        program.scalars[name] = e.type
        temp = ir.Field("scalars", name, e.type)
        out.append(ir.Assign(temp, new, pos))
        return temp, 1

    def _statement(stmt: ir.Stmt, out: list[ir.Stmt]) -> ir.Stmt:
        if isinstance(stmt, ir.Assign):
            return ir.Assign(stmt.target, cut(stmt.value, out, stmt.pos)[0], stmt.pos)
        if isinstance(stmt, ir.If):
            return ir.If(cut(stmt.cond, out, stmt.pos)[0], stmt.then, stmt.orelse, stmt.pos)
        if isinstance(stmt, ir.Prim):
            args: list[Any] = [cut(a, out, stmt.pos)[0] if isinstance(a, ir.Expr) else a for a in stmt.args]
            return ir.Prim(stmt.op, tuple(args), stmt.pos)
        return stmt

    return rewrite(program, change)


def _fresh(program: ir.Program) -> str:
    number = len(program.scalars)
    while f"part_{number}" in program.scalars:
        number += 1
    return f"part_{number}"
