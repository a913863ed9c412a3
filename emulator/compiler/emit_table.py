"""One table as bmv2 JSON."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import ir
from .emit_expr import ExprEmitter, Json
from .types import width_of

if TYPE_CHECKING:
    from .emit_pipeline import ActionList


def table_json(program: ir.Program, exprs: ExprEmitter, actions: ActionList, table: ir.Table,
               nexts: dict[str, str | None], base: str | None) -> Json:
    ids = [actions.declared(u.action) for u in table.actions]
    profile = program.instances.get(table.implementation or "")
    kind = "simple"
    if profile is not None:
        kind = "indirect_ws" if profile.kind == "action_selector" else "indirect"
    out: Json = {
        "name": table.name, "id": 0,
        "key": [_key(exprs, k) for k in table.keys],
        "match_type": table_match_type(table), "type": kind,
    }
    if profile is not None:
        out["action_profile"] = profile.name
    out["max_size"] = len(table.entries) if table.entries else table.size
    if table.entries and not table.entries_const:  # simple_switch takes no others; ours does
        out["max_size"] = max(len(table.entries), table.size)
        out["entries_const"] = False
    out["with_counters"] = table.counter is not None
    out["support_timeout"] = table.support_timeout
    out["direct_meters"] = table.meter
    out["action_ids"] = ids
    out["actions"] = [u.action.name for u in table.actions]
    out["base_default_next"] = base
    out["next_tables"] = nexts
    if table.default is not None and (profile is None or table.default.action.body):  # p4c knows none beside a profile
        constant = table.default_const
        out["default_entry"] = {
            "action_id": actions.declared(table.default.action), "action_const": constant,
            "action_data": _data(table.default), "action_entry_const": constant}
    if table.entries is not None:
        out["entries"] = [_entry(actions, table, e) for e in table.entries]
    return out


def table_match_type(table: ir.Table) -> str:
    kinds = {k.match for k in table.keys}
    if "range" in kinds:
        return "range"
    if "ternary" in kinds or "optional" in kinds:
        return "ternary"
    return "lpm" if "lpm" in kinds else "exact"


def _key(exprs: ExprEmitter, key: ir.Key) -> Json:
    match = "ternary" if key.match == "optional" else key.match
    target = key.target
    assert isinstance(target, ir.Field)
    mask = None if key.mask is None else _hex(key.mask, width_of(key.type))
    return {"match_type": match, "name": key.name, "target": [target.header, target.name], "mask": mask}


def _hex(value: int, width: int) -> str:
    return f"0x{value & ((1 << width) - 1):0{max(1, (width + 7) // 8) * 2}x}"


def _data(use: ir.ActionUse) -> list[str]:
    widths = [width_of(t) for _, t, _ in use.action.params]
    return [hex(v & ((1 << w) - 1)) for v, w in zip(use.args or [], widths)]


def _entry(actions: ActionList, table: ir.Table, entry: ir.TableEntry) -> Json:
    made: Json = {
        "match_key": [_match(m, k) for m, k in zip(entry.keys, table.keys)],
        "action_entry": {"action_id": actions.declared(entry.action.action), "action_data": _data(entry.action)},
        "priority": entry.priority,
    }
    if entry.const and not table.entries_const:
        made["const"] = True
    return made


def _match(match: tuple[Any, ...], key: ir.Key) -> Json:
    width = width_of(key.type)
    if match[0] == "exact":
        return {"match_type": "exact", "key": _hex(match[1], width)}
    if match[0] == "lpm":
        return {"match_type": "lpm", "key": _hex(match[1], width), "prefix_length": match[2]}
    if match[0] == "range":
        return {"match_type": "range", "start": _hex(match[1], width), "end": _hex(match[2], width)}
    return {"match_type": "ternary", "key": _hex(match[1], width), "mask": _hex(match[2], width)}
