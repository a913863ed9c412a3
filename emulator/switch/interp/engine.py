"""The interpreter as an engine (see emulator/switch/engine.py)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from emulator.switch.control import Control
from emulator.switch.engine import Arrival, Requests
from emulator.switch.expr import FieldRead
from emulator.switch.interp.actions import Actions
from emulator.switch.interp.calculations import checksum_steps, update_all, verify_all
from emulator.switch.interp.exprs import Compiler, fitting
from emulator.switch.interp.parser import ParserProgram
from emulator.switch.interp.phv import Blank, Phv
from emulator.switch.interp.pipeline import PipelineProgram
from emulator.switch.model import Model


class Interpreter:
    """Runs packets one at a time. `trace`: an object with the methods of trace.Recorder, or None."""

    name = "interp"

    def __init__(self, model: Model, control: Control, rng: random.Random, drop_port: int):
        self.model, self.control = model, control
        self.trace: Any = None
        self._blank = Blank(model)
        self._compiler = Compiler(model, control.state)
        self.actions = Actions(model, control, self._compiler, rng, drop_port)
        bodies = [self.actions.action(action) for action in model.actions]
        self._parser = ParserProgram(model, self.actions)
        self._ingress = PipelineProgram(model.ingress, self.actions, bodies)
        self._egress = PipelineProgram(model.egress, self.actions, bodies)
        self._deparser = self.actions.action(model.deparser) if model.deparser.body else None
        self._verify = checksum_steps(model, self._compiler, control.hashes, lambda c: c.verify)
        self._update = checksum_steps(model, self._compiler, control.hashes, lambda c: c.update)
        self._masks = {c.name: (1 << model.field(c.target).width) - 1 for c in model.checksums}
        names = ("ingress_port", "packet_length", "instance_type", "ingress_global_timestamp", "parser_error", "checksum_error")
        places = [(name, model.standard.place(name)) for name in names]
        self._standard = {
            name: (ref.header, ref.field, (1 << model.field(ref).width) - 1) for name, ref in places if ref is not None
        }
        self._learn = [
            [(self._compiler.value(e), (1 << width) - 1) for e, width in item.elements]
            for item in model.learn_lists
        ]

    def set_log(self, on_log: Callable[[str], None]) -> None:
        """Where the texts of log_msg go."""
        self.actions.on_log = on_log

    def parse(self, data: bytes, arrival: Arrival) -> Phv:
        p = Phv(self._blank, data, arrival.now)
        p.trace = self.trace
        self._set(p, "ingress_port", arrival.port & 0x1FF)
        self._set(p, "packet_length", len(data))
        self._set(p, "instance_type", arrival.instance_type)
        self._set(p, "ingress_global_timestamp", arrival.now)
        for field, value in arrival.preserved:
            self.write(p, field, value)
        self._parser.run(p)
        self._set(p, "parser_error", p.error)
        if "checksum_error" in self._standard and not verify_all(self._verify, p, self._masks):
            self._set(p, "checksum_error", 1)
        self._report(p)
        return p

    def _set(self, p: Phv, name: str, value: int) -> None:
        """A field of standard_metadata, if the program has it."""
        place = self._standard.get(name)
        if place is not None:
            p.values[place[0]][place[1]] = value & place[2]

    def _report(self, p: Phv) -> None:
        """What went wrong quietly is counted once per packet and stage."""
        if p.odd:
            for name in sorted(p.odd):
                self.control.state.event(name)
            if p.trace is not None:
                p.trace.odd(sorted(p.odd))
            p.odd.clear()

    def ingress(self, state: Phv) -> None:
        if state.trace is not None:
            state.trace.enter_pipeline("ingress", state)
        self._ingress.run(state)
        self._report(state)

    def egress(self, state: Phv) -> None:
        if state.trace is not None:
            state.trace.enter_pipeline("egress", state)
        self._egress.run(state)
        self._report(state)

    def deparse(self, state: Phv) -> bytes:
        if self._deparser is not None:
            self._deparser(state, ())
        update_all(self._update, state)
        self._report(state)
        emit = self.actions.headers.emit
        headers = [h for h in self.model.deparser.order if state.valid[h]]
        if state.trace is not None:
            state.trace.deparse(headers, state)
        return b"".join([emit(state, h) for h in headers]) + state.payload

    def requests(self, state: Phv) -> Requests:
        return state.requests

    def read(self, state: Phv, field: FieldRead) -> int:
        return state.valid[field.header] if field.field < 0 else state.values[field.header][field.field]

    def write(self, state: Phv, field: FieldRead, value: int) -> None:
        state.values[field.header][field.field] = fitting(self.model.field(field))(value)

    def length(self, state: Phv) -> int:
        return state.length

    def digest(self, state: Phv, learn_list: int) -> tuple[int, ...]:
        return tuple(value(state, ()) & mask for value, mask in self._learn[learn_list])

    def copy(self, state: Phv) -> Phv:
        return state.copy()

    def clear_metadata(self, state: Phv) -> None:
        for h in self._blank.metadata:
            state.values[h] = self._blank.values[h][:]
