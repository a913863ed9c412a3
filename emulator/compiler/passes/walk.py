"""Walking and rebuilding core programs: what the passes share."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .. import ir

Body = tuple[ir.Stmt, ...]


def bodies(program: ir.Program) -> Iterator[Body]:
    """Every piece of code in the program."""
    yield program.ingress
    yield program.egress
    for action in program.actions:
        yield action.body
    for state in program.states:
        yield state.body
    yield tuple(program.deparser_body)


def rewrite(program: ir.Program, change: Callable[[Body], Body]) -> ir.Program:
    """Replace every piece of code."""
    program.ingress = change(program.ingress)
    program.egress = change(program.egress)
    for action in program.actions:
        action.body = change(action.body)
    for state in program.states:
        state.body = change(state.body)
    program.deparser_body = list(change(tuple(program.deparser_body)))
    return program


def inner(stmt: ir.Stmt, change: Callable[[Body], Body]) -> ir.Stmt:
    """The statement with the code inside it replaced."""
    if isinstance(stmt, ir.If):
        return ir.If(stmt.cond, change(stmt.then), change(stmt.orelse), stmt.pos)
    if isinstance(stmt, ir.Block):
        return ir.Block(stmt.label, change(stmt.body), stmt.pos)
    if isinstance(stmt, ir.Loop):
        return ir.Loop(stmt.label, change(stmt.body), stmt.pos)
    if isinstance(stmt, ir.Apply):
        return ir.Apply(stmt.table, tuple((label, change(body)) for label, body in stmt.cases), stmt.pos)
    return stmt


def statements(body: Sequence[ir.Stmt]) -> Iterator[ir.Stmt]:
    """All statements, those inside others included."""
    for stmt in body:
        yield stmt
        if isinstance(stmt, ir.If):
            yield from statements(stmt.then)
            yield from statements(stmt.orelse)
        elif isinstance(stmt, (ir.Block, ir.Loop)):
            yield from statements(stmt.body)
        elif isinstance(stmt, ir.Apply):
            for _, case in stmt.cases:
                yield from statements(case)


def reads_of(stmt: ir.Stmt) -> Iterator[Any]:
    """The expressions a statement itself reads (a primitive's outputs count as read)."""
    if isinstance(stmt, ir.Assign):
        yield stmt.value
        if not isinstance(stmt.target, ir.Field):
            yield stmt.target
    elif isinstance(stmt, ir.If):
        yield stmt.cond
    elif isinstance(stmt, ir.Prim):
        yield from stmt.args


def other_reads(program: ir.Program) -> Iterator[Any]:
    """Reads outside code: keys, selectors, checksums, lists."""
    for table in program.tables.values():
        yield from (k.target for k in table.keys)
        yield from table.selector
    for state in program.states:
        yield from state.keys
    for calculation in program.calculations:
        yield from calculation.input
    for checksum in program.checksums:
        yield checksum.target
        yield checksum.cond
    for fields in program.field_lists.values():
        yield from fields
    for _, elements, _ in program.learn_lists:
        yield from elements
    for instance in program.instances.values():
        if instance.result is not None:
            yield instance.result


def scalars_in(e: Any) -> Iterator[str]:
    """Names of the scalars an expression or argument reads, once for each time."""
    if isinstance(e, ir.Field):
        if e.header == "scalars":
            yield e.name
    elif isinstance(e, ir.Op):
        for arg in e.args:
            yield from scalars_in(arg)
    elif isinstance(e, (ir.DynField, ir.DynHeaderArg)):
        yield from scalars_in(e.index)
    elif isinstance(e, tuple):
        for part in e:
            yield from scalars_in(part)


def replace(e: Any, name: str, value: ir.Expr) -> Any:
    """The expression with a scalar replaced by a value."""
    if isinstance(e, ir.Field):
        return value if e.header == "scalars" and e.name == name else e
    if isinstance(e, ir.Op):
        return ir.Op(e.op, tuple(replace(a, name, value) for a in e.args), e.type)
    if isinstance(e, ir.DynField):
        return ir.DynField(e.stack, replace(e.index, name, value), e.name, e.type)
    return e
