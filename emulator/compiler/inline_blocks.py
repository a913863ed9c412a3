"""The blocks that are not programs on this target: checksum controls become records, the deparser a list.

What they compute besides goes into code that the target runs just before: before deparsing and the update of
checksums (`deparser_body`), or at the end of parsing for checksums to verify (`verify_body`).
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import fold, ir
from .context import Context
from .stores import Place, overlap, places, store, touches
from .types import Bits, is_header, width_of
from .values import ChoiceV, DynHeaderV, HeaderRV, HeaderV, StackV, StructV, TupleV, UnionV

Body = Sequence[ir.Stmt]


def checksums(cx: Context, compute: tuple[ir.Stmt, ...], verify: tuple[ir.Stmt, ...], emits: Body) -> None:
    """Records that the target verifies and updates, and the code beside them.

    That code runs first. Where it changes what a checksum before it reads, and where the deparser has code of its own that
    may read what is updated, updates are made in their place, as code.
    """
    if (late := _spoiled(cx, verify, _Seen())) is not None:
        cx.diags.error(late, "this changes what a checksum above verifies, and the target runs it before")
    if not all(_is_plain(s) for s in emits) or _spoiled(cx, compute, _Seen()) is not None:
        compute = _in_place(cx, compute)
    for body, before in ((compute, cx.program.deparser_body), (verify, cx.program.verify_body)):
        _collect(cx, body, fold.TRUE)
        rest = _without_checksums(cx, body)
        if rest:
            before.extend(rest)


@dataclass(slots=True)
class _Seen:
    """What the checksums so far read and update."""

    read: set[Place] = field(default_factory=set)
    updated: set[Place] = field(default_factory=set)


def _spoiled(cx: Context, body: Body, seen: _Seen) -> int | None:
    """Where code changes what a checksum before it reads, or reads what that updates."""
    for stmt in body:
        if isinstance(stmt, ir.Prim) and stmt.op == "$checksum":
            _, inputs, target, cond, _ = stmt.args
            seen.read.update(*(places(part) for part in (*inputs, cond) if isinstance(part, ir.Expr)))
            seen.updated |= places(target)
            continue
        if isinstance(stmt, ir.Jump) or (not (seen.read or seen.updated) and not isinstance(stmt, (ir.If, ir.Block))):
            continue
        for part in ([stmt.then, stmt.orelse] if isinstance(stmt, ir.If) else
                     [stmt.body] if isinstance(stmt, ir.Block) else []):
            if (found := _spoiled(cx, part, seen)) is not None:
                return found
        if not isinstance(stmt, (ir.If, ir.Block)) and touches(cx, (stmt,), seen.read | seen.updated):
            return stmt.pos
        if overlap(cx, _read_by(cx, stmt), seen.updated):
            return stmt.pos
    return None


def _read_by(cx: Context, stmt: ir.Stmt) -> set[Place]:
    """What code reads itself; the condition of checksums is not code."""
    if isinstance(stmt, ir.Assign):
        return places(stmt.value)
    return places(stmt.cond) if isinstance(stmt, ir.If) and _without_checksums(cx, (stmt,)) else set()


def _in_place(cx: Context, body: Body) -> tuple[ir.Stmt, ...]:
    """Updates of checksums as code."""
    out: list[ir.Stmt] = []
    for stmt in body:
        if isinstance(stmt, ir.If):
            stmt = ir.If(stmt.cond, _in_place(cx, stmt.then), _in_place(cx, stmt.orelse), stmt.pos)
        elif isinstance(stmt, ir.Block):
            stmt = ir.Block(stmt.label, _in_place(cx, stmt.body), stmt.pos)
        elif isinstance(stmt, ir.Prim) and stmt.op == "$checksum":
            algorithm, inputs, target, cond, _ = stmt.args
            name = cx.storage.unique("calc")
            cx.program.calculations.append(ir.Calculation(name, algorithm, inputs))
            bits = Bits(width_of(target.type) + 1)
            made = ir.Prim("modify_field_with_hash_based_offset", (
                target, fold.const(0, bits), ir.ObjectArg("calculation", name),
                fold.const(1 << width_of(target.type), bits)), stmt.pos)
            stmt = ir.If(cond, (made,), (), stmt.pos)
        out.append(stmt)
    return tuple(out)


def _collect(cx: Context, body: Body, cond: ir.Expr) -> None:
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


def _without_checksums(cx: Context, body: Body) -> list[ir.Stmt]:
    """The code of a checksum control that is not a call for a checksum."""
    out: list[ir.Stmt] = []
    for stmt in body:
        if isinstance(stmt, ir.If):
            then, orelse = _without_checksums(cx, stmt.then), _without_checksums(cx, stmt.orelse)
            if then or orelse:
                out.append(ir.If(stmt.cond, tuple(then), tuple(orelse), stmt.pos))
        elif isinstance(stmt, ir.Block):
            inner = _without_checksums(cx, stmt.body)
            if any(not isinstance(s, ir.Jump) for s in inner):
                out.append(ir.Block(stmt.label, tuple(inner), stmt.pos))
        elif isinstance(stmt, (ir.Apply, ir.Exit, ir.Loop)):
            cx.diags.error(stmt.pos, "a checksum control can only verify or update checksums, under conditions")
        elif not (isinstance(stmt, ir.Prim) and stmt.op == "$checksum"):
            out.append(stmt)
    return [] if all(isinstance(s, ir.Jump) for s in out) else out


def deparser(cx: Context, body: Body) -> None:
    """The headers in the order they are emitted; where emitting depends on something, copies made beforehand."""
    plain = all(_is_plain(s) for s in body)
    cx.program.deparser_body.extend(_deparse(cx, body, plain))


def _is_plain(stmt: ir.Stmt) -> bool:
    """An emit, or if (h.isValid()) emit(h), where the condition is what emit tests anyway."""
    if isinstance(stmt, ir.Block):
        return all(_is_plain(s) for s in stmt.body)
    if isinstance(stmt, ir.Prim):
        return stmt.op == "emit" and _headers(stmt.args[0]) is not None
    if not isinstance(stmt, ir.If) or stmt.orelse:
        return False
    cond = stmt.cond
    return isinstance(cond, ir.Field) and cond.name == "$valid$" and all(
        isinstance(s, ir.Prim) and s.op == "emit" and _headers(s.args[0]) == [cond.header] for s in stmt.then)


def _deparse(cx: Context, body: Body, plain: bool) -> list[ir.Stmt]:
    out: list[ir.Stmt] = []
    for stmt in body:
        if isinstance(stmt, ir.Prim) and stmt.op == "emit":
            out.extend(_emit(cx, stmt, plain))
        elif isinstance(stmt, ir.If):
            then, orelse = _deparse(cx, stmt.then, plain), _deparse(cx, stmt.orelse, plain)
            if then or orelse:
                out.append(ir.If(stmt.cond, tuple(then), tuple(orelse), stmt.pos))
        elif isinstance(stmt, ir.Block):
            inner = _deparse(cx, stmt.body, plain)
            if inner:
                out.append(ir.Block(stmt.label, tuple(inner), stmt.pos))
        elif isinstance(stmt, (ir.Apply, ir.Exit, ir.Loop)):
            cx.diags.error(stmt.pos, "a deparser can only compute and emit headers on this target")
        else:
            out.append(stmt)
    return out


def _emit(cx: Context, stmt: ir.Prim, plain: bool) -> list[ir.Stmt]:
    """Enter the headers in the order; answers the code that copies them first, where that is needed."""
    value = stmt.args[0]
    names = _headers(value)
    if plain and names is not None:
        cx.program.deparser.extend(names)
        return []
    parts = _parts(value)
    if parts is None:
        cx.diags.error(stmt.pos, "only headers, stacks, unions and structs of them can be emitted")
        return []

    def copies() -> None:
        for part in parts:
            made = cx.storage.header(cx.storage.unique("emitted"), part.type)
            cx.program.deparser.append(made.name)
            store(cx, made, part)

    return cx.collect(copies)[0]


def _headers(value: Any) -> list[str] | None:
    """Names of the header instances a value consists of; None where one of the headers is only a value."""
    parts = _parts(value)
    if parts is None or not all(isinstance(p, HeaderV) for p in parts):
        return None
    return [p.name for p in parts]


def _parts(value: Any) -> list[Any] | None:
    """All headers in a value, in order; None where there is something else."""
    if isinstance(value, (HeaderV, DynHeaderV)) or (isinstance(value, (HeaderRV, ChoiceV)) and is_header(value.type)):
        return [value]
    if isinstance(value, ChoiceV):
        members = [list(union.members.values()) for union in value.parts]
        return [ChoiceV(same[0].type, list(same), value.index) for same in zip(*members)]
    items: list[Any]
    if isinstance(value, StructV):
        items = list(value.fields.values())
    elif isinstance(value, TupleV):
        items = value.items
    elif isinstance(value, StackV):
        items = value.elements
    elif isinstance(value, UnionV):
        items = list(value.members.values())
    else:
        return None
    out: list[Any] = []
    for item in items:
        found = _parts(item)
        if found is None:
            return None
        out.extend(found)
    return out

