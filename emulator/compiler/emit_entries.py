"""The program's own table entries as a P4Runtime WriteRequest (--p4runtime-entries-files)."""
from __future__ import annotations

from typing import Any

from . import ir
from .protos import write_request
from .types import width_of

INSERT = 1


def emit_entries(program: ir.Program, p4info: Any) -> Any:
    """One INSERT for each entry, const or initial, with ids from the program's P4Info."""
    request = write_request()
    tables = {t.preamble.name: t for t in p4info.tables}
    actions = {a.preamble.name: a for a in p4info.actions}
    for table in program.tables.values():
        info = tables.get(table.name)
        if info is None:
            continue
        needs_priority = any(k.match in ("ternary", "range", "optional") for k in table.keys)
        count = len(table.entries or ())
        for entry in table.entries or ():
            update = request.updates.add()
            update.type = INSERT
            made = update.entity.table_entry
            made.table_id = info.preamble.id
            if needs_priority:
                made.priority = count - entry.priority + 1 if entry.priority <= count else entry.priority
            made.is_const = entry.const
            for match, key, field in zip(entry.keys, table.keys, info.match_fields):
                _match(made, match, key, field)
            action = made.action.action
            action.action_id = actions[entry.action.action.name].preamble.id
            for number, (value, (_, kind, _)) in enumerate(zip(entry.action.args or [], entry.action.action.params), 1):
                param = action.params.add()
                param.param_id = number
                param.value = canonical(value, width_of(kind))
    return request


def canonical(value: int, width: int) -> bytes:
    """P4Runtime's canonical bytes: no leading zeros, at least one byte."""
    value &= (1 << width) - 1
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


def _match(entry: Any, match: tuple[Any, ...], key: ir.Key, field: Any) -> None:
    """One key of an entry; a don't-care is left out, as P4Runtime asks."""
    width = width_of(key.type)
    full = (1 << width) - 1
    kind = match[0]
    if (kind == "lpm" and match[2] == 0) or (kind == "ternary" and match[2] == 0) or \
            (kind == "range" and (match[1], match[2]) == (0, full)):
        return
    made = entry.match.add()
    made.field_id = field.id
    if kind == "exact":
        made.exact.value = canonical(match[1], width)
    elif kind == "lpm":
        made.lpm.value, made.lpm.prefix_len = canonical(match[1], width), match[2]
    elif kind == "range":
        made.range.low, made.range.high = canonical(match[1], width), canonical(match[2], width)
    elif key.match == "optional":
        made.optional.value = canonical(match[1], width)
    else:
        made.ternary.value, made.ternary.mask = canonical(match[1], width), canonical(match[2], width)
