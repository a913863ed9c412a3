"""Remove assignments to variables that nothing reads, and the variables.

Before: tmp = h.a; x = h.b (x read, tmp not)      After: x = h.b
User metadata stays in the header, for field lists and for eyes; variables of the compiler and of the program's
bodies go. Repeats, since a removed assignment may have been the last reader of another variable.
"""
from __future__ import annotations

from .. import ir
from .walk import Body, bodies, inner, other_reads, reads_of, rewrite, scalars_in, statements


def remove_dead_code(program: ir.Program) -> ir.Program:
    while True:
        live = _read(program)
        removed = False

        def change(body: Body) -> Body:
            nonlocal removed
            out: list[ir.Stmt] = []
            for stmt in body:
                if _dead(stmt, live):  # noqa: B023 - used within this round only
                    removed = True
                    continue
                new = inner(stmt, change)
                if isinstance(new, ir.If) and not new.then and not new.orelse:
                    removed = True
                    continue
                out.append(new)
            return tuple(out)

        rewrite(program, change)
        if not removed:
            break
    used = _read(program) | _written(program) | program.user_scalars
    program.scalars = {n: t for n, t in program.scalars.items() if n in used}
    return program


def _dead(stmt: ir.Stmt, live: set[str]) -> bool:
    return isinstance(stmt, ir.Assign) and isinstance(stmt.target, ir.Field) and stmt.target.header == "scalars" and \
        stmt.target.name not in live and not isinstance(stmt.value, ir.Lookahead)


def _read(program: ir.Program) -> set[str]:
    live: set[str] = set()
    for body in bodies(program):
        for stmt in statements(body):
            for e in reads_of(stmt):
                live.update(scalars_in(e))
    for e in other_reads(program):
        live.update(scalars_in(e))
    return live


def _written(program: ir.Program) -> set[str]:
    return {s.target.name for body in bodies(program) for s in statements(body)
            if isinstance(s, ir.Assign) and isinstance(s.target, ir.Field) and s.target.header == "scalars"}
