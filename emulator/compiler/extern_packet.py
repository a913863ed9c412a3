"""The methods of packet_in and packet_out."""
from __future__ import annotations

from typing import Any

from . import ast, fold, ir
from .context import Context
from .extern_args import Args
from .stores import store
from .types import BOOL, Bits, Struct, Tuple, Type, Varbit, is_header, storage_type, strip, width_of
from .values import ChoiceV, DynHeaderV, ExternV, HeaderRV, HeaderV, StackEndV, StructV, TupleV, UnionEndV


def extract(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> None:
    variable = args.has("variableFieldSizeInBits")
    place = _place(cx, args.expr("variableSizeHeader" if variable else "hdr")) if _has_value(expr) else None
    if place is None:
        kind = cx.type_of(expr.type_args[0]) if expr.type_args else None
        if kind is None:
            raise cx.fail(expr.pos, "extract(_) needs the type of the header: extract<T>(_)")
        place = cx.storage.make("skipped", kind)
    header = _extract_target(cx, place, expr)
    has_varbit = any(isinstance(strip(t), Varbit) for t in place.type.fields.values())
    if variable and not has_varbit:
        raise cx.fail(expr.pos, f"{place.type} has no varbit field, so extract takes no length")
    if has_varbit and not variable:
        raise cx.fail(expr.pos, f"{place.type} has a varbit field, whose length in bits extract takes as second argument")
    if variable:
        cx.prim("extract_VL", header, args.scalar("variableFieldSizeInBits", Bits(32)))
    else:
        cx.prim("extract", header)
    if isinstance(header, ir.HeaderArg) and isinstance(place, (DynHeaderV, ChoiceV)):
        store(cx, place, HeaderV(place.type, header.name))


def _has_value(expr: ast.Call) -> bool:
    return bool(expr.args) and expr.args[0].value is not None


def _place(cx: Context, expr: ast.Expr) -> Any:
    from .inline_call import fix_index
    from .inline_expr import unsettled

    return fix_index(cx, unsettled(cx, expr))


def _extract_target(cx: Context, place: Any, expr: ast.Call) -> Any:
    if isinstance(place, HeaderV):
        return ir.HeaderArg(place.name)
    if isinstance(place, StackEndV):
        return ir.LastHeaderArg(place.stack.name)
    if isinstance(place, UnionEndV):
        return ir.UnionMemberArg(place.stack.name, place.member)
    if isinstance(place, (DynHeaderV, ChoiceV)):  # the element is known only at run time: by way of another header
        return ir.HeaderArg(cx.storage.make("extracted", place.type).name)
    raise cx.fail(expr.pos, "only a header can be extracted")


def lookahead(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> Any:
    kind = cx.type_of(expr.type_args[0])
    width = width_of(kind)
    temp = cx.temp(Bits(width))
    cx.assign(temp, ir.Lookahead(0, width, Bits(width)))
    return from_bits(cx, temp, kind, width)


def from_bits(cx: Context, bits: ir.Expr, kind: Type, top: int) -> Any:
    """A value of type `kind` cut out of `bits`, its first bit being bit top-1."""
    real = strip(kind)
    if isinstance(real, Struct):
        fields = {}
        for name, field_kind in real.fields.items():
            fields[name] = from_bits(cx, bits, field_kind, top)
            top -= width_of(field_kind)
        return HeaderRV(real, fields) if is_header(real) else StructV(real, fields)
    if isinstance(real, Tuple):
        items = []
        for member in real.members:
            items.append(from_bits(cx, bits, member, top))
            top -= width_of(member)
        return TupleV(real, items)
    width = width_of(real)
    part = fold.slice_of(bits, top - 1, top - width)
    if real is BOOL:
        return fold.binary("!=", part, fold.const(0, part.type), BOOL)
    return fold.cast(part, storage_type(real))


def advance(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> None:
    cx.prim("advance", args.scalar("sizeInBits", Bits(32)))


def length(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> ir.Expr:
    """The packet's length in bytes, which the target tells as metadata."""
    return ir.Field("standard_metadata", "packet_length", Bits(32))


def emit(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> None:
    cx.prim("emit", args.value("hdr", cx.type_of(expr.type_args[0]) if expr.type_args else None))
