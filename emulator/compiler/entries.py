"""Entries written in a table: key sets to match values, priorities to the target's order."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import ast, fold, ir
from .context import Context
from .inline_expr import expression
from .types import Bits, Type, width_of
from .values import KeysetV, TableV, TupleV


def table_entries(cx: Context, table: TableV, built: ir.Table,
                  action: Callable[[ast.ActionRef], ir.ActionUse]) -> list[ir.TableEntry]:
    """Entries with priorities 1, 2, ... (lower wins), in the order in which they win."""
    decl = table.decl
    made: list[tuple[int | None, ir.TableEntry]] = []
    saved, cx.env = cx.env, table.env
    for item in decl.entries or ():
        keys = _keys(cx, item, built)
        priority = cx.constant(item.priority) if item.priority is not None else None
        entry = ir.TableEntry(keys, action(item.action), 0, item.annotations, item.const or decl.entries_const, item.pos)
        made.append((priority, entry))
    cx.env = saved
    largest = _flag(cx, table, "largest_priority_wins", True)
    delta = _number(cx, table, "priority_delta", 1)
    numbers = _priorities([p for p, _ in made], largest, delta)
    order = sorted(range(len(made)), key=lambda i: (-numbers[i] if largest else numbers[i], i))
    result = []
    for number, index in enumerate(order, 1):
        entry = made[index][1]
        noted = ast.annotation(entry.annotations, "priority")
        entry.priority = cx.constant(noted.args[0]) if noted and noted.args else number
        result.append(entry)
    return result


def _priorities(given: list[int | None], largest: bool, delta: int) -> list[int]:
    """Each entry without a priority follows the one before it by `delta`."""
    count = len(given)
    if not any(p is not None for p in given):
        return [(count - i) * delta if largest else (i + 1) * delta for i in range(count)]
    out: list[int] = []
    for number, priority in enumerate(given):
        if priority is not None:
            out.append(priority)
        elif number == 0:
            out.append((count - 1) * delta + 1 if largest else 1)
        else:
            out.append(out[-1] - delta if largest else out[-1] + delta)
    return out


def _property(table: TableV, name: str) -> ast.Property | None:
    return next((p for p in table.decl.properties if p.name == name), None)


def _flag(cx: Context, table: TableV, name: str, default: bool) -> bool:
    prop = _property(table, name)
    return bool(cx.constant(prop.value, table.env)) if prop else default


def _number(cx: Context, table: TableV, name: str, default: int) -> int:
    prop = _property(table, name)
    return cx.constant(prop.value, table.env) if prop else default


def _keys(cx: Context, item: ast.Entry, built: ir.Table) -> list[tuple[Any, ...]]:
    label = item.keys
    parts = list(label.items) if isinstance(label, ast.ListExpr) else [label]
    if len(built.keys) > 1 and len(parts) == 1 and isinstance(parts[0], ast.Default):
        parts = parts * len(built.keys)
    if len(parts) != len(built.keys):
        raise cx.fail(item.pos, f"the entry has {len(parts)} values, the table {len(built.keys)} keys")
    return [match_value(cx, part, key) for part, key in zip(parts, built.keys)]


def match_value(cx: Context, part: ast.Expr, key: ir.Key) -> tuple[Any, ...]:
    """One key's match: ("exact", v), ("lpm", v, length), ("ternary", v, mask) or ("range", low, high)."""
    value = expression(cx, part, key.type)
    if isinstance(value, TupleV) and len(value.items) == 1:
        value = value.items[0]
    width = width_of(key.type)
    full = (1 << width) - 1
    if isinstance(value, KeysetV):
        return _keyset(cx, value, key, width, full, part.pos)
    if not isinstance(value, ir.Const):
        raise cx.fail(part.pos, "the value of an entry must be known at compile time")
    number = value.value & full
    return {"exact": ("exact", number), "lpm": ("lpm", number, width), "range": ("range", value.value, value.value)}.get(
        key.match, ("ternary", number, full))


def _keyset(cx: Context, value: KeysetV, key: ir.Key, width: int, full: int, pos: int) -> tuple[Any, ...]:
    if value.kind == "default":
        if key.match == "exact":
            raise cx.fail(pos, f"key {key.name} is exact: an entry must give its value")
        signed = isinstance(key.type, Bits) and key.type.signed
        low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, full)
        return {"lpm": ("lpm", 0, 0), "range": ("range", low, high)}.get(key.match, ("ternary", 0, 0))
    first, second = value.first, value.second
    if not isinstance(first, ir.Const) or not isinstance(second, ir.Const):
        raise cx.fail(pos, "the value of an entry must be known at compile time")
    if value.kind == "range":
        if key.match != "range":
            raise cx.fail(pos, f"key {key.name} is {key.match}: a range does not fit it")
        return ("range", first.value, second.value)
    mask = second.value & full
    number = first.value & full
    if key.match == "lpm":
        length = width - (full ^ mask).bit_length()
        if mask != full ^ ((1 << (width - length)) - 1):
            raise cx.fail(pos, "the mask of an lpm key must be a prefix")
        return ("lpm", number & mask, length)
    if key.match == "range":
        raise cx.fail(pos, f"key {key.name} is a range: a mask does not fit it")
    if key.match == "exact" and mask != full:
        raise cx.fail(pos, f"key {key.name} is exact: a mask does not fit it")
    return ("exact", number) if key.match == "exact" else ("ternary", number & mask, mask)


__all__ = ["Type", "fold", "match_value", "table_entries"]
