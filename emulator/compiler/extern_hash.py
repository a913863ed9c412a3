"""Externs that compute a number over data: hash, checksums in both forms."""
from __future__ import annotations

from typing import Any

from . import ast, fold, ir
from .context import Context
from .extern_args import Args, into_field
from .types import INT, Bits, Type, storage_type, width_of
from .values import ExternV, StackV

VALID = "$valid$"
HASH_NAMES = ["crc32", "crc32_custom", "crc16", "crc16_custom", "random", "identity", "csum16", "xor16"]


def scalars_of(cx: Context, value: Any) -> list[Any]:
    """All scalar and varbit parts of a value, in order."""
    from .convert import fields_of

    if isinstance(value, ir.Expr):
        return [value]
    if isinstance(value, StackV):
        return [s for e in value.elements for s in scalars_of(cx, e)]
    return [s for part in fields_of(cx, value).values() for s in scalars_of(cx, part)]


def hash_call(cx: Context, args: Args, expr: ast.Call) -> None:
    place = args.target("result")
    algorithm = args.constant("algo")
    base, data, limit = args.several(("base", None), ("data", None), ("max", None))
    base, limit = _two(cx, base, limit, storage_type(place.type))
    name = cx.storage.unique("calc")
    inputs = _input_fields(cx, data)
    cx.program.calculations.append(ir.Calculation(name, HASH_NAMES[algorithm], inputs))
    into_field(cx, place, lambda f: cx.prim(
        "modify_field_with_hash_based_offset", f, base, ir.ObjectArg("calculation", name), limit))


def _two(cx: Context, base: Any, limit: ir.Expr, kind: Type) -> tuple[ir.Expr, ir.Expr]:
    """Base and limit of a hash; a number without width takes the result's."""
    if base.type is INT:
        base = fold.cast(base, kind)
    if limit.type is INT:
        limit = ir.Const(limit.value, Bits(max(limit.value.bit_length(), 1)))  # type: ignore[attr-defined]
    return base, limit


def _input_fields(cx: Context, data: Any) -> list[Any]:
    """A hash's input: fields themselves, so that those of invalid headers are left out; the rest in variables."""
    inputs: list[Any] = []
    for part in scalars_of(cx, data):
        if isinstance(part, ir.Const):
            inputs.append(part if part.type is not INT else ir.Const(part.value, Bits(max(1, part.value.bit_length()))))
        elif width_of(part.type):
            inputs.append(part if isinstance(part, ir.Field) and part.name != VALID else cx.save(part))
    return inputs


def checksum16(cx: Context, base: ExternV, args: Args, expr: ast.Call) -> ir.Expr:
    """Checksum16.get, of older programs: the ones' complement sum as a value."""
    name = cx.storage.unique("calc")
    cx.program.calculations.append(ir.Calculation(name, "csum16", _input_fields(cx, args.value("data"))))
    result = cx.temp(Bits(16), "checksum")
    cx.prim("modify_field_with_hash_based_offset", result, fold.const(0, Bits(16)), ir.ObjectArg("calculation", name),
            fold.const(1 << 16, Bits(17)))
    return result


def checksum(cx: Context, args: Args, expr: ast.Call) -> None:
    """A record for inline_blocks; runs in neither pipeline."""
    name = expr.func.name if isinstance(expr.func, ast.Name) else ""
    wanted = "verify" if name.startswith("verify") else "compute"
    if cx.pipeline != wanted:
        place = {"verify": "checksum verification", "compute": "checksum computation"}[wanted]
        raise cx.fail(expr.pos, f"{name} can only be called in the control for {place}")
    cond = args.scalar("condition")
    inputs: list[Any] = []
    for part in scalars_of(cx, args.value("data")):
        if part.type is INT:
            cx.diags.error(args.expr("data").pos, "constants in a checksum's data need a width")
        inputs.append(part if isinstance(part, (ir.Field, ir.Const)) else cx.save(part))
    if name.endswith("_with_payload"):
        inputs.append("payload")
    target = args.scalar("checksum")
    if not isinstance(target, ir.Field):
        if wanted == "compute":
            raise cx.fail(args.expr("checksum").pos, "the checksum to update must be a whole field")
        target = _kept(cx, target)
    algorithm = HASH_NAMES[args.constant("algo")]
    cx.prim("$checksum", algorithm, inputs, target, cond, wanted == "verify")


def _kept(cx: Context, value: ir.Expr) -> ir.Field:
    temp = cx.temp(value.type, "checksum")
    cx.assign(temp, value)
    return temp
