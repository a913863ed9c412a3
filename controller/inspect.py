"""What a switch holds, for a person (tables) or a program (JSON)."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from typing import Any

from . import entries
from .p4rt.entities import (
    ActionCall,
    CloneSession,
    CounterEntry,
    MulticastGroup,
    RegisterEntry,
    TableEntry,
)
from .p4rt.schema import MatchField
from .p4rt.status import P4RuntimeError
from .p4rt.switch import P4Switch
from .p4rt.values import format_value
from .serve import tls_of

Rows = list[dict[str, Any]]


def run(args: argparse.Namespace) -> int:
    """Raises ValueError, one sentence, where the switch or the named object is not there."""
    switch = P4Switch(args.switch, device_id=args.device_id, tls=tls_of(args), timeout=args.timeout)
    try:
        switch.client.wait_ready()
        rows = _READERS[args.what](switch, args)
    except P4RuntimeError as error:
        raise ValueError(str(error)) from None
    finally:
        switch.close()
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        _show(args.what, rows)
    return 0


def _tables(switch: P4Switch, args: argparse.Namespace) -> Rows:
    schema = switch.schema
    chosen = [schema.tables[name] for name in args.names] or list(schema.tables)
    rows: Rows = []
    for table in chosen:
        fields = {field.name: field for field in table.fields}
        for entry in switch.read(TableEntry(table.name)):
            match = {name: _match(fields[name], value) for name, value in entry.match.items()}
            rows.append({"table": table.name, "priority": entry.priority, "match": match, **_action(entry)})
        default = switch.read_one(TableEntry(table.name, is_default=True))
        if default is not None and default.action is not None and (args.all or args.names):
            rows.append({"table": table.name, "priority": 0, "match": "default", **_action(default)})
    return rows


def _action(entry: TableEntry) -> dict[str, Any]:
    if isinstance(entry.action, ActionCall):
        return {"action": entry.action.name, "args": dict(entry.action.args)}
    return {"action": str(entry.action), "args": {}}


def _match(field: MatchField, value: Any) -> str:
    if not isinstance(value, tuple):
        return format_value(value, field.bitwidth)
    if field.kind == "lpm":
        return f"{format_value(value[0], field.bitwidth)}/{value[1]}"
    joint = {"ternary": "&&&", "range": ".."}[field.kind]
    return joint.join(format_value(part, field.bitwidth) for part in value)


def _registers(switch: P4Switch, args: argparse.Namespace) -> Rows:
    chosen = args.names or [register.name for register in switch.schema.registers]
    return [
        {"register": cell.register, "index": cell.index, "value": cell.value}
        for name in chosen
        for cell in switch.read(RegisterEntry(name, args.index))
        if cell.value or args.all or args.index is not None
    ]


def _counters(switch: P4Switch, args: argparse.Namespace) -> Rows:
    chosen = args.names or [counter.name for counter in switch.schema.counters]
    return [
        {"counter": cell.counter, "index": cell.index, "name": _fate(cell), "packets": cell.packets,
         "bytes": cell.bytes}
        for name in chosen
        for cell in switch.read(CounterEntry(name, args.index))
        if cell.packets or cell.bytes or args.all or args.index is not None
    ]  # fmt: skip


def _fate(cell: CounterEntry) -> str:
    known = cell.counter == entries.FATE and cell.index is not None and cell.index < len(entries.FATES)
    return entries.FATES[cell.index] if known and cell.index is not None else ""


def _groups(switch: P4Switch, args: argparse.Namespace) -> Rows:
    found: list[tuple[str, Any]] = [("multicast", group) for group in switch.read(MulticastGroup())]
    found += [("clone", session) for session in switch.read(CloneSession())]
    return [
        {"kind": kind, "id": item.id, "replicas": [f"{r.port}:{r.instance}" for r in item.replicas]}
        for kind, item in found
    ]


def _jobs(switch: P4Switch, args: argparse.Namespace) -> Rows:
    entries.check_program(switch.schema)
    members: dict[int, list[str]] = {}
    for entry in switch.read(TableEntry(entries.MEMBERS)):
        info = entry.action.args
        source = f"{entry.match['rank']}@port {info['ingress']} {format_value(info['source_mac'], 48)}"
        members.setdefault(entry.match["job"], []).append(source)
    rows = []
    for entry in switch.read(TableEntry(entries.JOBS)):
        info = entry.action.args
        row = {"job": entry.match["job"], **{name: info[name] for name in ("workers", "first_slot", "slots", "group")}}
        if entries.CHILD_JOB in switch.schema.actions:
            row["parent"] = _parent(info) if "parent_port" in info else ""
        rows.append({**row, "members": sorted(members.get(entry.match["job"], []))})
    return rows


def _parent(info: Mapping[str, Any]) -> str:
    """Where a switch of a tree sends a job's sums."""
    return f"rank {info['rank']}@port {info['parent_port']} {format_value(info['parent_mac'], 48)}"


def _program(switch: P4Switch, args: argparse.Namespace) -> Rows:
    schema = switch.schema
    kinds: Iterable[tuple[str, Iterable[Any]]] = (
        ("table", schema.tables), ("action", schema.actions), ("register", schema.registers),
        ("counter", schema.counters), ("meter", schema.meters), ("digest", schema.digests),
        ("value set", schema.value_sets), ("action profile", schema.profiles),
    )  # fmt: skip
    return [
        {"kind": kind, "id": f"0x{item.id:08x}", "name": item.name, "size": getattr(item, "size", "")}
        for kind, items in kinds
        for item in items
    ]


_READERS = {
    "tables": _tables, "registers": _registers, "counters": _counters, "groups": _groups, "jobs": _jobs,
    "program": _program,
}  # fmt: skip


def _show(what: str, rows: Rows) -> None:
    if not rows:
        print(f"no {what} with anything in them (--all shows empty ones)")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={part}" for key, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
