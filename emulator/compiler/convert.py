"""Values into the type a place wants: constants get widths, lists become structs; equality of anything."""
from __future__ import annotations

from typing import Any

from . import fold, ir
from .context import Context
from .storage import header_field, valid_field
from .types import BOOL, INT, Enum, Stack, Struct, Tuple, Type, is_header, is_union, storage_type, strip
from .values import (
    ChoiceV,
    DotsV,
    DynHeaderV,
    HeaderRV,
    HeaderV,
    RecordV,
    StackV,
    StructV,
    TupleV,
    UnionV,
)


def as_scalar(cx: Context, value: Any, pos: int) -> ir.Expr:
    if isinstance(value, ir.Expr):
        return value
    if isinstance(value, TupleV) and len(value.items) == 1:
        return as_scalar(cx, value.items[0], pos)
    raise cx.fail(pos, "a number or bool is needed here")


def coerce(cx: Context, value: Any, kind: Type, pos: int) -> Any:
    """The value as one of type `kind`. Types are known to fit; only forms change."""
    real = strip(kind)
    if isinstance(value, ir.Expr):
        if value.type is INT and real is not INT and isinstance(value, ir.Const):
            return fold.const(value.value, storage_type(real)) if not isinstance(real, (Struct, Tuple)) else value
        if isinstance(real, Struct) and len(real.fields) == 1 and real.kind != "header_union":
            return coerce(cx, TupleV(real, [value]), kind, pos)
        return value
    if isinstance(value, DotsV):
        return default_value(cx, kind)
    if isinstance(real, Struct) and real.kind != "header_union":
        return _to_struct(cx, value, real, pos)
    if isinstance(real, Tuple) and isinstance(value, TupleV):
        return TupleV(real, [coerce(cx, v, t, pos) for v, t in zip(value.items, real.members)])
    if isinstance(real, Stack) and isinstance(value, TupleV):
        items = [coerce(cx, v, real.element, pos) for v in value.items]
        while len(items) < real.size:
            items.append(HeaderRV(real.element, None))  # type: ignore[arg-type]
        return TupleV(real, items)
    if isinstance(value, HeaderRV) and value.type is None and is_header(real):
        return HeaderRV(real, None)  # type: ignore[arg-type]
    return value


def _to_struct(cx: Context, value: Any, real: Struct, pos: int) -> Any:
    if isinstance(value, HeaderRV):
        return value if value.type is not None else HeaderRV(real, None)
    if isinstance(value, (TupleV, RecordV)):
        given = dict(zip(real.fields, value.items)) if isinstance(value, TupleV) else value.fields
        fields = {}
        for name, kind in real.fields.items():
            fields[name] = coerce(cx, given[name], kind, pos) if name in given else default_value(cx, kind)
        return HeaderRV(real, fields) if real.kind == "header" else StructV(real, fields)
    return value


def default_value(cx: Context, kind: Type) -> Any:
    """The value `...` stands for: zeros, false, NoError, first member, invalid headers."""
    real = strip(kind)
    if is_header(real) or is_union(real):
        return HeaderRV(real, None)  # type: ignore[arg-type]
    if isinstance(real, Struct):
        return StructV(real, {n: default_value(cx, t) for n, t in real.fields.items()})
    if isinstance(real, Tuple):
        return TupleV(real, [default_value(cx, t) for t in real.members])
    if isinstance(real, Stack):
        return TupleV(real, [default_value(cx, real.element) for _ in range(real.size)])
    if isinstance(real, Enum):
        return fold.const(next(iter(real.members.values()), 0), storage_type(real))
    return fold.const(0, storage_type(real))


def fields_of(cx: Context, value: Any) -> dict[str, Any]:
    """The field values of a header or struct value."""
    if isinstance(value, StructV):
        return value.fields
    if isinstance(value, HeaderV):
        return {n: header_field(value, n, t) for n, t in value.type.fields.items()}
    if isinstance(value, DynHeaderV):
        return {n: ir.DynField(value.stack.name, value.index, n, storage_type(t))
                for n, t in value.type.fields.items()}
    if isinstance(value, (HeaderRV, RecordV)):
        return value.fields or {}
    if isinstance(value, TupleV):
        return {str(i): v for i, v in enumerate(value.items)}
    return {}


def validity(cx: Context, value: Any) -> ir.Expr:
    """isValid() of a header or union value."""
    if isinstance(value, HeaderV):
        return valid_field(value.name)
    if isinstance(value, DynHeaderV):
        return ir.DynField(value.stack.name, value.index, "$valid$", BOOL)
    if isinstance(value, UnionV):
        return ir.ValidUnion(value.name)
    return fold.boolean(value.fields is not None)


def compare(cx: Context, left: Any, right: Any, pos: int) -> ir.Expr:
    """left == right, for values of any type."""
    if isinstance(left, ir.Expr) and isinstance(right, ir.Expr):
        if left.type is INT and right.type is not INT:
            left = fold.cast(left, right.type)
        elif right.type is INT and left.type is not INT:
            right = fold.cast(right, left.type)
        return fold.equal(left, right)
    for a, b in ((left, right), (right, left)):
        if isinstance(a, ChoiceV):
            return _any_choice(cx, a, b, pos)
    left, right = _alike(cx, left, right, pos)
    if isinstance(left, StackV) or isinstance(right, StackV):
        a = left.elements if isinstance(left, StackV) else left.items
        b = right.elements if isinstance(right, StackV) else right.items
        return _all(compare(cx, x, y, pos) for x, y in zip(a, b))
    if isinstance(left, UnionV) and isinstance(right, UnionV):
        return _all(compare(cx, left.members[m], right.members[m], pos) for m in left.members)
    if isinstance(left, (StructV, TupleV)):
        a, b = fields_of(cx, left), fields_of(cx, right)
        return _all(compare(cx, a[n], b[n], pos) for n in a)
    return _same_headers(cx, left, right, pos)


def _any_choice(cx: Context, choice: ChoiceV, other: Any, pos: int) -> ir.Expr:
    """Equality with the part that the index chooses."""
    result = compare(cx, choice.parts[-1], other, pos)
    for number in range(len(choice.parts) - 2, -1, -1):
        chosen = fold.equal(choice.index, fold.const(number, choice.index.type))
        result = fold.choose(chosen, compare(cx, choice.parts[number], other, pos), result)
    return result


def _same_headers(cx: Context, left: Any, right: Any, pos: int) -> ir.Expr:
    """Both invalid, or both valid and equal in every field."""
    a, b = validity(cx, left), validity(cx, right)
    x, y = fields_of(cx, left), fields_of(cx, right)
    both = fold.logic("and", a, b)
    neither = fold.logic("and", fold.negate(a), fold.negate(b))
    same = both
    if both != fold.FALSE:
        for name in x:
            same = fold.logic("and", same, compare(cx, x[name], y[name], pos))
    return fold.logic("or", neither, same)


def _alike(cx: Context, left: Any, right: Any, pos: int) -> tuple[Any, Any]:
    """Give an initializer the other side's type."""
    kind_left, kind_right = getattr(left, "type", None), getattr(right, "type", None)
    if isinstance(right, (TupleV, RecordV)) and kind_left is not None and not isinstance(left, TupleV):
        return left, coerce(cx, right, kind_left, pos)
    if isinstance(left, (TupleV, RecordV)) and kind_right is not None and not isinstance(right, TupleV):
        return coerce(cx, left, kind_right, pos), right
    if isinstance(right, HeaderRV) and right.type is None:
        right = HeaderRV(kind_left, None)  # type: ignore[arg-type]
    return left, right


def _all(conditions: Any) -> ir.Expr:
    result: ir.Expr = fold.TRUE
    for condition in conditions:
        result = fold.logic("and", result, condition)
    return result
