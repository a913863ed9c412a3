"""Members of values: fields, members of unions, next and last of stacks, members of enums and of error."""
from __future__ import annotations

from typing import Any

from . import ast, fold, inline_method, ir
from .context import Context
from .storage import header_field
from .types import ERROR, Bits, Enum, Type, storage_type
from .values import (
    ApplyV,
    ChoiceV,
    DynHeaderV,
    HeaderRV,
    HeaderV,
    MethodV,
    RecordV,
    StackEndV,
    StackV,
    StructV,
    TypeV,
    UnionEndV,
    UnionV,
)


def settled(cx: Context, value: Any) -> Any:
    """`next` and `last` as the element at a run-time index."""
    if not isinstance(value, (StackEndV, UnionEndV)):
        return value
    index: ir.Expr = ir.LastIndex(value.stack.name, Bits(32))
    if value.end == "next":
        index = fold.binary("+", index, fold.const(1, Bits(32)), Bits(32))
    if isinstance(value, UnionEndV):
        parts = [element.members[value.member] for element in value.stack.elements]
        return ChoiceV(value.type, parts, cx.save(index))
    if value.type.kind == "header_union":
        return ChoiceV(value.type, value.stack.elements, cx.save(index))
    return DynHeaderV(value.type, value.stack, index)


def member_of(cx: Context, base: Any, name: str, expr: ast.Expr) -> Any:
    if isinstance(base, StructV):
        if name in base.fields:
            return base.fields[name]
    elif isinstance(base, HeaderV):
        if name in base.type.fields:
            return header_field(base, name, base.type.fields[name])
    elif isinstance(base, UnionV):
        if name in base.members:
            return base.members[name]
    elif isinstance(base, ChoiceV):
        if name in base.type.fields:
            return choice_member(base, [member_of(cx, p, name, expr) for p in base.parts], base.type.fields[name])
    elif isinstance(base, DynHeaderV):
        if name in base.type.fields:
            return ir.DynField(base.stack.name, base.index, name, storage_type(base.type.fields[name]))
    elif isinstance(base, UnionEndV):
        if base.end == "next":
            return member_of(cx, settled(cx, base), name, expr)
        if name in base.type.fields:
            return ir.LastUnionField(base.stack.name, base.member, name, storage_type(base.type.fields[name]))
    elif isinstance(base, StackEndV):
        if base.type.kind == "header_union" and name in base.type.fields:
            return UnionEndV(base.type.fields[name], base.stack, name, base.end)  # type: ignore[arg-type]
        if base.end == "next" and name in base.type.fields:
            return member_of(cx, settled(cx, base), name, expr)
        if name in base.type.fields:
            return ir.LastField(base.stack.name, name, storage_type(base.type.fields[name]))
    elif isinstance(base, StackV):
        return _stack_member(cx, base, name, expr)
    elif isinstance(base, (HeaderRV, RecordV)):
        if base.fields and name in base.fields:
            return base.fields[name]
    elif isinstance(base, TypeV):
        return _type_member(cx, base.type, name, expr)
    elif isinstance(base, ApplyV):
        return inline_method.apply_member(cx, base, name, expr.pos)
    return MethodV(base, name)


def choice_member(base: ChoiceV, parts: list[Any], kind: Type) -> Any:
    """The same member of each part; scalars become a chain of choices."""
    if not isinstance(parts[0], ir.Expr):
        return ChoiceV(kind, parts, base.index)  # type: ignore[arg-type]
    value = parts[-1]
    for number in range(len(parts) - 2, -1, -1):
        value = fold.choose(fold.equal(base.index, fold.const(number, base.index.type)), parts[number], value)
    return value


def _stack_member(cx: Context, base: StackV, name: str, expr: ast.Expr) -> Any:
    if name in ("next", "last"):
        return StackEndV(base.type.element, base, name)
    if name == "lastIndex":
        return ir.LastIndex(base.name, Bits(32))
    if name == "size":
        return ir.Const(base.type.size, Bits(32))
    return MethodV(base, name)


def _type_member(cx: Context, kind: Type, name: str, expr: ast.Expr) -> Any:
    if kind is ERROR:
        number = cx.program.errors.get(name)
        if number is None:
            raise cx.fail(expr.pos, f"error.{name} is not declared")
        return ir.Const(number, Bits(32))
    if isinstance(kind, Enum):
        if name not in kind.members:
            raise cx.fail(expr.pos, f"enum {kind} has no member {name}")
        return fold.const(kind.members[name], storage_type(kind))
    return MethodV(TypeV(kind), name)
