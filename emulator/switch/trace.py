"""What happens to one packet, step by step, as plain data: states, keys, hits, actions, values.

Each event is a dict with a "kind": packet, state, extract, select, parsed, parser_error, pipeline, condition, table,
writes (fields and validity), register, counter (a direct one with its "entry", None for the default entry), odd (what
went wrong quietly), deparse, log, or one of the traffic manager's (unicast, multicast, clone, digest, resubmit,
recirculate, enqueue, dequeue, drop, output). Values are hexadecimal text of the field's width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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
    recorder = Recorder(switch)
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

    def __init__(self, switch: Switch) -> None:
        self.model: Model = switch.model
        self.events: list[Event] = []
        self._values: list[list[int]] = []
        self._valid: list[int] = []
        self._arrays = [("register", r) for r in switch.state.registers] + [("counter", c) for c in switch.state.counters]
        self._cells = [array.data.copy() for _, array in self._arrays]
        self._direct = {c.name for c in switch.model.counters if c.table is not None}
        self._entry: int | None = None  # of the last table; a direct counter counts for it

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

    def parsed(self, p: Phv) -> None:
        """The parser has come to its end, by an error or not."""
        self._changes(p)
        self.events.append({"kind": "parsed", "offset": p.position // 8, "payload": len(p.payload)})

    def odd(self, names: Sequence[str]) -> None:
        self.events += [{"kind": "odd", "event": name} for name in names]

    def deparse(self, headers: Sequence[int], p: Phv) -> None:
        """After update checksums; `headers` are emitted."""
        self._changes(p)
        names = [self.model.headers[h].name for h in headers]
        self.events.append({"kind": "deparse", "headers": names, "payload": len(p.payload)})

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
        self._entry = event["entry"]
        for name in ("member", "group"):
            if entry is not None and getattr(entry, name) is not None:
                event[name] = getattr(entry, name)
        if action is not None:
            spec = self.model.actions[action]
            event["action"] = spec.name
            event["args"] = {p.name: bits_text(value, p.width) for p, value in zip(spec.params, args)}
        self.events.append(event)
        self._state_changes()

    def action(self, action: int, args: tuple[int, ...], p: Phv) -> None:
        self._changes(p)
        self._state_changes()

    def _state_changes(self) -> None:
        """One event for each register or counter cell that differs from when last looked at."""
        for number, ((kind, array), old) in enumerate(zip(self._arrays, self._cells)):
            differs = array.data != old
            if differs.any():
                for index in np.unique(np.nonzero(differs)[0]).tolist():
                    where = {"entry": self._entry} if array.name in self._direct else {"index": index}
                    self.events.append({"kind": kind, "name": array.name, **where, "value": _cell(array, index)})
                self._cells[number] = array.data.copy()

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


def _cell(array: Any, index: int) -> str | list[int]:
    """A register's bits as hexadecimal text, a counter's [packets, bytes]."""
    value = array.read(index)
    return bits_text(value, array.bitwidth) if isinstance(value, int) else list(value)
