"""Put a temporary's value where it is read, when that is once and at once.

Before: tmp = h.a + 1; h.b = tmp      After: h.b = h.a + 1
Only a temporary written once and read once, by the next statement; nothing can change in between.
"""
from __future__ import annotations

from collections import Counter

from .. import ir
from .walk import Body, bodies, inner, other_reads, reads_of, replace, rewrite, scalars_in, statements


def forward_temporaries(program: ir.Program) -> ir.Program:
    reads: Counter[str] = Counter()
    writes: Counter[str] = Counter()
    for body in bodies(program):
        for stmt in statements(body):
            for e in reads_of(stmt):
                reads.update(scalars_in(e))
            if isinstance(stmt, ir.Assign) and isinstance(stmt.target, ir.Field):
                writes[stmt.target.name] += stmt.target.header == "scalars"
    for e in other_reads(program):
        reads.update(dict.fromkeys(scalars_in(e), 2))
    single = {n for n in program.scalars if reads[n] == 1 and writes[n] == 1} - program.user_scalars

    def change(body: Body) -> Body:
        out: list[ir.Stmt] = []
        for stmt in body:
            while out and _fits(out[-1], stmt, single):
                last = out.pop()
                assert isinstance(last, ir.Assign) and isinstance(last.target, ir.Field)
                stmt = _put(stmt, last.target.name, last.value)
            out.append(inner(stmt, change))
        return tuple(out)

    return rewrite(program, change)


def _fits(last: ir.Stmt, stmt: ir.Stmt, single: set[str]) -> bool:
    """Is `last` an assignment to a temporary that `stmt` alone reads?"""
    if not isinstance(last, ir.Assign) or not isinstance(last.target, ir.Field) or last.target.header != "scalars" or \
            last.target.name not in single or isinstance(last.value, ir.Lookahead) or \
            last.value.type != last.target.type:
        return False
    if isinstance(stmt, ir.Assign):
        return last.target.name in scalars_in(stmt.value)
    return isinstance(stmt, ir.If) and last.target.name in scalars_in(stmt.cond)


def _put(stmt: ir.Stmt, name: str, value: ir.Expr) -> ir.Stmt:
    if isinstance(stmt, ir.Assign):
        return ir.Assign(stmt.target, replace(stmt.value, name, value), stmt.pos)
    assert isinstance(stmt, ir.If)
    return ir.If(replace(stmt.cond, name, value), stmt.then, stmt.orelse, stmt.pos)
