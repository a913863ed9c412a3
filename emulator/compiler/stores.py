"""Writing values to places: assignment of scalars, slices, structs, headers, stacks and unions."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import fold, ir
from .context import Context
from .convert import as_scalar, coerce, fields_of
from .storage import valid_field
from .types import INT, Bits, Tuple, Type, Varbit, storage_type
from .values import (
    ChoiceV,
    DynHeaderV,
    HeaderRV,
    HeaderV,
    RecordV,
    StackV,
    StructV,
    TupleV,
    UnionV,
)

Place = tuple[str, str]


def type_of_value(value: Any) -> Type | None:
    if isinstance(value, ir.Expr):
        return value.type
    return getattr(value, "type", None)


def places(value: Any) -> set[Place]:
    """The storage a value reads or, as a target, writes; field "*" means all of a header."""
    out: set[Place] = set()
    _add_places(value, out)
    return out


def _add_places(value: Any, out: set[Place]) -> None:
    if isinstance(value, ir.Expr):
        fold.reads(value, out)
    elif isinstance(value, StructV):
        for part in value.fields.values():
            _add_places(part, out)
    elif isinstance(value, (HeaderRV, RecordV)):
        for part in (value.fields or {}).values():
            _add_places(part, out)
    elif isinstance(value, TupleV):
        for part in value.items:
            _add_places(part, out)
    elif isinstance(value, ChoiceV):
        for part in value.parts:
            _add_places(part, out)
    elif isinstance(value, HeaderV):
        out.add((value.name, "*"))
        if value.union is not None:
            out.add((value.union.name, "*"))
    elif isinstance(value, UnionV):
        out.add((value.name, "*"))
        for member in value.members.values():
            out.add((member.name, "*"))
    elif isinstance(value, StackV):
        out.add((value.name, "*"))
        for element in value.elements:
            _add_places(element, out)
    elif isinstance(value, DynHeaderV):
        _add_places(value.stack, out)
        fold.reads(value.index, out)


def overlap(cx: Context, one: set[Place], other: set[Place]) -> bool:
    """Do two sets of places share storage? A stack element chosen at run time touches the whole stack."""
    for header, name in one:
        if (header, name) in other or (header, "*") in other:
            return True
        if name == "*" and any(h == header for h, _ in other):
            return True
    for header, _ in (*one, *other):
        stack = cx.program.stacks.get(header)
        if stack is not None:
            mine = set(stack.headers)
            if any(h in mine for h, _ in one) and any(h == header for h, _ in other):
                return True
            if any(h in mine for h, _ in other) and any(h == header for h, _ in one):
                return True
    return False


def touches(cx: Context, stmts: Iterable[ir.Stmt], where: set[Place]) -> bool:
    """Do these statements write any of the places?"""
    for stmt in stmts:
        if isinstance(stmt, ir.Assign):
            hit = overlap(cx, places(stmt.target), where)
        elif isinstance(stmt, ir.If):
            hit = touches(cx, (*stmt.then, *stmt.orelse), where)
        elif isinstance(stmt, (ir.Block, ir.Loop)):
            hit = touches(cx, stmt.body, where)
        elif isinstance(stmt, ir.Prim):
            hit = overlap(cx, set().union(*[_named(a) for a in stmt.args]), where) if stmt.args else False
        else:
            hit = isinstance(stmt, ir.Apply)
        if hit:
            return True
    return False


def _named(arg: Any) -> set[Place]:
    """The storage a primitive's argument names."""
    if isinstance(arg, ir.Expr):
        return places(arg)
    if isinstance(arg, (ir.HeaderArg, ir.StackArg, ir.UnionArg)):
        return {(arg.name, "*")}
    if isinstance(arg, (ir.DynHeaderArg, ir.LastHeaderArg, ir.UnionMemberArg)):
        return {(arg.stack, "*")}
    return set()


def copy_value(cx: Context, value: Any) -> Any:
    """A copy of a value in storage of its own."""
    kind = type_of_value(value)
    if kind is None or isinstance(value, RecordV):
        if isinstance(value, RecordV):
            return RecordV({n: copy_value(cx, v) for n, v in value.fields.items()}, value.rest)
        return value
    if isinstance(value, TupleV) and isinstance(kind, Tuple) and not kind.exact:
        return TupleV(kind, [copy_value(cx, v) for v in value.items], value.rest)
    if isinstance(value, ir.Expr):
        return value if kind is INT else cx.save(value)
    temp = cx.storage.make("tmp", kind)
    store(cx, temp, value)
    return temp


def store(cx: Context, target: Any, value: Any) -> None:
    """target = value; the value may read what the target writes."""
    if isinstance(target, ChoiceV):
        _each(cx, target, lambda part: store(cx, part, value))
    elif isinstance(value, ChoiceV):
        _each(cx, value, lambda part: store(cx, target, part))
    elif isinstance(target, ir.Expr):
        _store_scalar(cx, target, value)
    elif isinstance(target, StructV):
        value = coerce(cx, value, target.type, cx.pos)
        names = list(target.fields)
        _store_parts(cx, [target.fields[n] for n in names], [value.fields[n] for n in names])
    elif isinstance(target, TupleV):
        items = value.items if isinstance(value, TupleV) else list(fields_of(cx, value).values())
        _store_parts(cx, target.items, items)
    elif isinstance(target, StackV):
        if isinstance(value, StackV):
            if value is not target:
                kind = "union" if target.name in cx.program.union_stacks else "header"
                cx.prim(f"assign_{kind}_stack", ir.StackArg(target.name), ir.StackArg(value.name))
        else:
            _store_parts(cx, target.elements, coerce(cx, value, target.type, cx.pos).items)
    elif isinstance(target, UnionV):
        _store_union(cx, target, value)
    else:
        _store_header(cx, target, coerce(cx, value, target.type, cx.pos))


def _each(cx: Context, choice: ChoiceV, run: Callable[[Any], None]) -> None:
    """Do it with the part that the index chooses."""
    codes = [cx.collect(lambda p=p: run(p))[0] for p in choice.parts]  # type: ignore[misc]
    code = tuple(codes[-1])
    for number in range(len(codes) - 2, -1, -1):
        cond = fold.equal(choice.index, fold.const(number, choice.index.type))
        code = (ir.If(cond, tuple(codes[number]), code, cx.pos),)
    cx.out.extend(code)


def _store_scalar(cx: Context, target: ir.Expr, value: Any) -> None:
    if isinstance(target, ir.Op) and target.op == "slice":
        _store_slice(cx, target, as_scalar(cx, value, cx.pos))
        return
    if isinstance(target, ir.Op) and target.op == "window":
        _store_window(cx, target, as_scalar(cx, value, cx.pos))
        return
    if isinstance(target, ir.Op) and target.op == "?":
        cond, yes, no = target.args
        kept = cx.save(as_scalar(cx, value, cx.pos))
        arms = [cx.collect(lambda t=t: _store_scalar(cx, t, kept))[0] for t in (yes, no)]  # type: ignore[misc]
        cx.emit(ir.If(cond, tuple(arms[0]), tuple(arms[1]), cx.pos))
        return
    if isinstance(target.type, Varbit):
        if target != value:
            cx.prim("assign_VL", target, value)
        return
    value = as_scalar(cx, value, cx.pos)
    if value.type is INT:
        value = fold.cast(value, target.type)
    cx.assign(target, value)


def _store_slice(cx: Context, target: ir.Op, value: ir.Expr) -> None:
    """x[high:low] = v as x = (x & ~mask) | (v << low)."""
    base, high, low = target.args
    assert isinstance(high, ir.Const) and isinstance(low, ir.Const)
    kind = storage_type(base.type)
    assert isinstance(kind, Bits)
    plain = Bits(kind.width)
    mask = ((1 << (high.value - low.value + 1)) - 1) << low.value
    wide = fold.cast(fold.cast(value, Bits(high.value - low.value + 1)), plain)
    moved = fold.binary("<<", wide, ir.Const(low.value, INT), plain)
    kept = fold.binary("&", fold.cast(base, plain), fold.const(~mask, plain), plain)
    _store_scalar(cx, base, fold.cast(fold.binary("|", kept, moved, plain), kind))


def _store_window(cx: Context, target: ir.Op, value: ir.Expr) -> None:
    """x[low +: w] = v as x = (x & ~(mask << low)) | (v << low), low known only at run time."""
    base, low = target.args
    kind = storage_type(base.type)
    assert isinstance(kind, Bits) and isinstance(target.type, Bits)
    plain = Bits(kind.width)
    mask = fold.const((1 << target.type.width) - 1, plain)
    hole = fold.unary("~", fold.binary("<<", mask, low, plain))
    moved = fold.binary("<<", fold.cast(fold.cast(value, target.type), plain), low, plain)
    kept = fold.binary("&", fold.cast(base, plain), hole, plain)
    _store_scalar(cx, base, fold.cast(fold.binary("|", kept, moved, plain), kind))


def _store_parts(cx: Context, targets: list[Any], values: list[Any]) -> None:
    """Assign part by part; values that an earlier assignment would change are kept first."""
    written: set[Place] = set()
    clash = False
    for target, value in zip(targets, values):
        if overlap(cx, places(value), written) and target is not value:
            clash = True
        written |= places(target)
    if clash:
        values = [copy_value(cx, v) if not isinstance(v, ir.Const) else v for v in values]
    for target, value in zip(targets, values):
        store(cx, target, value)


def _store_union(cx: Context, target: UnionV, value: Any) -> None:
    if isinstance(value, UnionV):
        if value is not target:
            cx.prim("assign_union", ir.UnionArg(target.name), ir.UnionArg(value.name))
        return
    for member in target.members.values():
        cx.prim("remove_header", ir.HeaderArg(member.name))


def header_arg(value: Any) -> Any:
    """A header value as a primitive's argument."""
    if isinstance(value, HeaderV):
        return ir.HeaderArg(value.name)
    return ir.DynHeaderArg(value.stack.name, value.index)


def _store_header(cx: Context, target: Any, value: Any) -> None:
    if isinstance(value, HeaderRV):
        if value.fields is None:
            remove(cx, target)
            return
        given = value.fields
        if overlap(cx, set().union(*[places(v) for v in given.values()] or [set()]), places(target)):
            given = {n: copy_value(cx, v) for n, v in given.items()}
        cx.prim("add_header", header_arg(target))
        for name, part in fields_of(cx, target).items():
            store(cx, part, given[name])
        return
    if not (isinstance(target, HeaderV) and isinstance(value, HeaderV) and target.name == value.name):
        cx.prim("assign_header", header_arg(target), header_arg(value))
    others = _other_members(target)
    if others:  # an invalid header leaves the union without any
        gone = tuple(ir.Prim("remove_header", (ir.HeaderArg(m.name),), cx.pos) for m in others)
        cx.emit(ir.If(valid_field(target.name), (), gone, cx.pos))


def remove(cx: Context, header: Any) -> None:
    """header.setInvalid(): one member of a union takes the others with it."""
    for gone in (header, *_other_members(header)):
        cx.prim("remove_header", header_arg(gone))


def _other_members(header: Any) -> list[HeaderV]:
    union = header.union if isinstance(header, HeaderV) else None
    return [m for m in union.members.values() if m.name != header.name] if union is not None else []


def invalidate(cx: Context, value: Any) -> None:
    """Make every header in a value invalid (the start of an `out` parameter)."""
    if isinstance(value, HeaderV):
        cx.prim("remove_header", ir.HeaderArg(value.name))
    elif isinstance(value, DynHeaderV):
        cx.prim("remove_header", header_arg(value))
    elif isinstance(value, StructV):
        for part in value.fields.values():
            invalidate(cx, part)
    elif isinstance(value, TupleV):
        for part in value.items:
            invalidate(cx, part)
    elif isinstance(value, StackV):
        for part in value.elements:
            invalidate(cx, part)
    elif isinstance(value, UnionV):
        for part in value.members.values():
            invalidate(cx, part)
