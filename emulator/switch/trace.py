"""What happens to one packet, step by step, as plain data: states, keys, hits, actions, values.

Each event is a dict with a "kind": packet, state, extract, select, parser_error, pipeline, condition, table,
writes, log, or one of the traffic manager's (unicast, multicast, clone, digest, resubmit, recirculate, drop,
output). Values are hexadecimal text of the field's width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from emulator.switch.interp.engine import Interpreter
from emulator.switch.interp.phv import Phv
from emulator.switch.model import ConditionalNode, Model, ModelError, TableNode
from emulator.switch.switch import Switch
from emulator.switch.table import Entry
from emulator.switch.text import bits_text, expr_text

Event = dict[str, Any]


def trace_packet(switch: Switch, port: int, data: bytes) -> list[Event]:
    """Sends a packet through a switch and returns what happened, the packets that leave included.

    The switch must run the interpreter: compiled code has no steps to report (raises ModelError)."""
    if not isinstance(switch.engine, Interpreter):
        raise ModelError("a packet can only be traced on the interpreter (engine 'interp')")
    recorder = Recorder(switch.model)
    recorder.events.append({"kind": "packet", "port": port, "data": data.hex(), "length": len(data)})
    old_log, switch.on_log = switch.on_log, lambda text: recorder.events.append({"kind": "log", "text": text})
    switch.engine.trace = switch.traffic.trace = recorder
    try:
        switch.send(port, data)
    finally:
        switch.engine.trace = switch.traffic.trace = None
        switch.on_log = old_log
    return recorder.events


class Recorder:
    """Hears of each step from the interpreter and the traffic manager and writes down what changed."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.events: list[Event] = []
        self._values: list[list[int]] = []
        self._valid: list[int] = []

    def enter_state(self, name: str, p: Phv) -> None:
        if p.position == 0:
            self._remember(p)
        self._changes(p)
        self.events.append({"kind": "state", "name": name, "offset": p.position // 8})

    def extract(self, header: int, p: Phv) -> None:
        fields = self.model.header_type(header).fields
        values = {
            field.name: bits_text(value, p.varbits[header] if field.varbit else field.width)
            for field, value in zip(fields, p.values[header])
        }
        self.events.append({"kind": "extract", "header": self.model.headers[header].name, "fields": values})
        self._remember(p)

    def select(self, values: tuple[int, ...]) -> None:
        self.events.append({"kind": "select", "values": [hex(v) for v in values]})

    def parser_error(self, code: int) -> None:
        name = self.model.parser_error_names.get(code, str(code))
        self.events.append({"kind": "parser_error", "error": name})

    def enter_pipeline(self, name: str, p: Phv) -> None:
        self._changes(p)
        self._remember(p)
        self.events.append({"kind": "pipeline", "name": name})

    def condition(self, node: ConditionalNode, taken: bool) -> None:
        text = expr_text(self.model, node.cond)
        self.events.append({"kind": "condition", "name": node.name, "text": text, "result": taken})

    def table(
        self,
        node: TableNode,
        values: tuple[int, ...],
        entry: Entry | None,
        action: int | None,
        args: tuple[int, ...],
    ) -> None:
        event: Event = {
            "kind": "table",
            "name": node.name,
            "key": {key.name: bits_text(value, key.width) for key, value in zip(node.keys, values)},
            "hit": entry is not None,
            "entry": None if entry is None else entry.handle,
        }
        if action is not None:
            spec = self.model.actions[action]
            event["action"] = spec.name
            event["args"] = {p.name: bits_text(value, p.width) for p, value in zip(spec.params, args)}
        self.events.append(event)

    def action(self, action: int, args: tuple[int, ...], p: Phv) -> None:
        self._changes(p)

    def traffic(self, what: str, details: dict[str, Any]) -> None:
        self.events.append({"kind": what, **details})

    def _remember(self, p: Phv) -> None:
        self._values = [row[:] for row in p.values]
        self._valid = p.valid[:]

    def _changes(self, p: Phv) -> None:
        """One event for all fields and validities that differ from when last looked at."""
        fields: dict[str, list[str]] = {}
        for h, (old, new) in enumerate(zip(self._values, p.values)):
            if old != new:
                fields.update(self._field_changes(h, old, new))
        valid = {
            self.model.headers[h].name: bool(new)
            for h, (old_bit, new) in enumerate(zip(self._valid, p.valid))
            if old_bit != new
        }
        if fields or valid:
            event: Event = {"kind": "writes", "fields": fields}
            if valid:
                event["valid"] = valid
            self.events.append(event)
        self._remember(p)

    def _field_changes(self, h: int, old: list[int], new: list[int]) -> dict[str, list[str]]:
        header = self.model.headers[h].name
        fields = self.model.header_type(h).fields
        return {
            f"{header}.{field.name}": [bits_text(a, field.width), bits_text(b, field.width)]
            for field, a, b in zip(fields, old, new)
            if a != b
        }


# --- As text ---


def trace_text(events: Iterable[Event]) -> Iterator[str]:
    """A line or a few for each event."""
    for event in events:
        yield from WORDING.get(event["kind"], _other)(event)


def _packet(e: Event) -> Iterator[str]:
    yield f"packet, {e['length']} bytes, into port {e['port']}: {e['data']}"


def _state(e: Event) -> Iterator[str]:
    yield f"  parser state {e['name']} at byte {e['offset']}"


def _extract(e: Event) -> Iterator[str]:
    yield f"    extract {e['header']}: " + ", ".join(f"{k}={v}" for k, v in e["fields"].items())


def _select(e: Event) -> Iterator[str]:
    yield f"    select {', '.join(e['values'])}"


def _error(e: Event) -> Iterator[str]:
    yield f"    parser error {e['error']}"


def _pipeline(e: Event) -> Iterator[str]:
    yield f"  {e['name']}"


def _condition(e: Event) -> Iterator[str]:
    yield f"    if {e['text']}: {str(e['result']).lower()}"


def _table(e: Event) -> Iterator[str]:
    key = ", ".join(f"{k}={v}" for k, v in e["key"].items())
    outcome = f"hit entry {e['entry']}" if e["hit"] else "miss"
    action = ""
    if "action" in e:
        action = f" -> {e['action']}({', '.join(f'{k}={v}' for k, v in e['args'].items())})"
    yield f"    table {e['name']} ({key}): {outcome}{action}" if key else f"    {e['name']}{action}"


def _writes(e: Event) -> Iterator[str]:
    for name, (old, new) in e["fields"].items():
        yield f"      {name}: {old} -> {new}"
    for name, valid in e.get("valid", {}).items():
        yield f"      {name} is {'valid' if valid else 'not valid'} now"


def _output(e: Event) -> Iterator[str]:
    yield f"  leaves port {e['port']}: {e['data']}"


def _other(e: Event) -> Iterator[str]:
    details = ", ".join(f"{k} {v}" for k, v in e.items() if k != "kind")
    yield f"  {e['kind']}" + (f": {details}" if details else "")


WORDING = {
    "packet": _packet,
    "state": _state,
    "extract": _extract,
    "select": _select,
    "parser_error": _error,
    "pipeline": _pipeline,
    "condition": _condition,
    "table": _table,
    "writes": _writes,
    "output": _output,
}
