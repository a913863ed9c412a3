"""Remove what is written to a variable and overwritten before anything reads it.

Before: x = 0; y = h.a; x = y + 1      After: y = h.a; x = y + 1
Looked for along straight code and through branches without jumps; elsewhere every variable counts as read. A parser
may stop at what reads the packet or verifies, and what metadata holds there is seen by the controls.
"""
from __future__ import annotations

from .. import ir
from .walk import Body, inner, other_reads, reads_of, rewrite, scalars_in, statements

STOPS = frozenset(["extract", "extract_VL", "advance", "verify"])


def remove_dead_stores(program: ir.Program) -> ir.Program:
    kept = {name for e in other_reads(program) for name in scalars_in(e)}
    for state in program.states:
        state.body = _sweep(state.body, set(), kept | program.user_scalars if _may_stop(state.body) else kept)
    states, program.states = program.states, []
    program = rewrite(program, lambda body: _sweep(body, set(), kept))
    program.states = states
    return program


def _may_stop(body: Body) -> bool:
    """Can a parser error happen in this code?"""
    return any((isinstance(s, ir.Prim) and s.op in STOPS) or (isinstance(s, ir.Assign) and isinstance(s.value, ir.Lookahead))
               for s in statements(body))


def _sweep(body: Body, doomed: set[str], kept: set[str]) -> Body:
    """Backwards through the code. doomed: variables overwritten later and not read before; changed in place."""
    out: list[ir.Stmt] = []
    for stmt in reversed(body):
        if isinstance(stmt, ir.Assign) and isinstance(stmt.target, ir.Field) and stmt.target.header == "scalars":
            name = stmt.target.name
            if name in doomed and not isinstance(stmt.value, ir.Lookahead):
                continue
            if name not in kept:
                doomed.add(name)
            doomed.difference_update(scalars_in(stmt.value))
        elif isinstance(stmt, ir.If) and _straight(stmt):
            stmt = _branches(stmt, doomed, kept)
        elif isinstance(stmt, ir.Prim) and stmt.op == "$call":
            doomed.clear()  # a sub-parser's states run here
        elif isinstance(stmt, (ir.Assign, ir.Prim)):
            for e in reads_of(stmt):
                doomed.difference_update(scalars_in(e))
        else:
            doomed.clear()
            stmt = inner(stmt, lambda part: _sweep(part, set(), kept))
        out.append(stmt)
    return tuple(reversed(out))


def _branches(stmt: ir.If, doomed: set[str], kept: set[str]) -> ir.If:
    then, orelse = set(doomed), set(doomed)
    new = ir.If(stmt.cond, _sweep(stmt.then, then, kept), _sweep(stmt.orelse, orelse, kept), stmt.pos)
    doomed.clear()
    doomed.update(then & orelse)
    doomed.difference_update(scalars_in(stmt.cond))
    return new


def _straight(stmt: ir.If) -> bool:
    return all(isinstance(s, (ir.Assign, ir.Prim, ir.If)) and getattr(s, "op", "") != "$call" for s in statements((stmt,)))
