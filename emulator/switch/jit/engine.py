"""The compiled engine, as the traffic manager and the runner see it (see emulator/switch/engine.py)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.switch.control import Change, Control, Table
from emulator.switch.engine import NO_LIST, Arrival, Requests
from emulator.switch.expr import VALID, FieldRead
from emulator.switch.jit import addresses, extern_state, fused, guess, placement, program
from emulator.switch.jit.callbacks import Callbacks
from emulator.switch.jit.gen import Site
from emulator.switch.jit.mirror import Mirror
from emulator.switch.jit.native_queues import NativeQueues
from emulator.switch.jit.phv import Phv, Var
from emulator.switch.jit.single import Packet, Stages, growth, scratch_bytes
from emulator.switch.jit.versions import Fused
from emulator.switch.model import Model

if TYPE_CHECKING:
    from emulator.switch.traffic import Traffic

SLOW_COPIES = 64
"""Room kept for what a packet of the slow path may become."""
SlowPath = Callable[[bool, "Packet", int, int], list[tuple[int, bytes]]]
"""(after egress, packet, ingress port, egress port of the copy) -> what leaves the switch; set by the switch to its
traffic manager's after_ingress / after_egress."""


class JitEngine:
    """Compiles a model; runs single packets stage by stage, or whole batches (`native_process`)."""

    name = "jit"

    def __init__(self, model: Model, control: Control, rng: random.Random, drop_port: int):
        self.model, self.control, self.rng, self.drop_port = model, control, rng, drop_port
        self.trace: Any = None
        self.on_log: Callable[[str], None] = lambda text: None
        shared = program.new_shared(model, drop_port)
        self.phv: Phv = shared.phv
        self.blocks = placement.adopt(control.state, shared.layout)
        self.mirror = Mirror(model, control)
        self.guesses = guess.of(model, [t.native for t in self.mirror.tables])
        self.scratch = np.zeros(scratch_bytes(model), np.uint8)
        self.now = np.zeros(1, np.uint64)
        self.packet_now = np.zeros(1, np.uint64)
        self.random = extern_state.RandomSource(rng)
        self.hash_specs = extern_state.HashSpecs(model, control, self.random)
        self.memories = [np.zeros(self.phv.size + 64, np.uint8) for _ in range(2)]
        self.events = np.zeros(len(fused.EVENTS), np.uint64)
        self.limits = np.zeros(2, np.int64)
        self.growth = growth(model, self.phv)
        self.departing = np.zeros(2, np.int64)
        """Of a packet which native queues hand to the traffic manager: bytes that may leave (0: all), its turn + 1. Else 0."""
        self.queued = False
        self.queues: NativeQueues | None = None
        self._slow_primitives = fused.has_primitive(model, fused.INGRESS_REQUESTS | fused.EGRESS_REQUESTS)
        self._set_limits()
        self._fused: Fused | None = None
        self.background = True
        self.slow_path: SlowPath | None = None
        self.callbacks = Callbacks(self)
        self.sites: list[Site] = []
        self._stages: Stages | None = None
        control.listeners.append(self._told)
        control.refresh_hits = self._refresh_hits

    @property
    def stages(self) -> Stages:
        """Compiled on first use: a switch that only runs batches does without."""
        if self._stages is None:
            self._stages = Stages(self)
        return self._stages

    def set_log(self, on_log: Callable[[str], None]) -> None:
        """Where the texts of log_msg go."""
        self.on_log = on_log

    # --- memory that compiled code reads ---

    def resolve(self, kind: str, number: int) -> int:
        """The address that stands in the state table for (kind, number)."""
        return addresses.resolve(self, kind, number)

    def _told(self, changes: list[Change]) -> None:
        if self.mirror.told(changes):
            if self._stages is not None:
                self._stages.wiring.refresh()
            if self._fused is not None:
                self._fused.refresh()
        for change in changes:
            if change.kind == "hash":
                self.hash_specs.write(change.name)
        if self._fused is not None:
            tables = self.control.tables
            self._fused.table_changed(sorted({tables[c.name].spec.table for c in changes if c.kind == "table"}))
        self._set_limits()

    # --- whole batches ---

    def _set_limits(self) -> None:
        """What compiled code wants free before it begins a packet: output records and bytes beyond the packet's."""
        self.limits[0] = self.mirror.largest_group + (SLOW_COPIES if self._slow_primitives else 0)
        self.limits[1] = self.growth + 64

    @property
    def fused(self) -> Fused:
        """Compiled on first use."""
        if self._fused is None:
            self._fused = Fused(self)
        return self._fused

    def native_process(self) -> tuple[int, int]:
        """(address of a fp_process_fn, its state pointer); compiled on first use. Both stay good while the engine
        lives, also when better code replaces what is behind them."""
        return self.fused.address, self.fused.state

    def native_queues(self) -> NativeQueues:
        """What can keep the control plane's queues in native code (`Queues.attach`); compiles the way there, once."""
        if self.queues is None:
            self.queues = NativeQueues(self, self.control.queues)
            self.queued = True
            if self._fused is not None:
                self._fused.queue()
        return self.queues

    def process(self, packets: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """A batch through the fused form; (port, bytes) in and out."""
        return self.fused.run(packets)

    def attach(self, traffic: Traffic) -> None:
        """Packets that leave the fast path are finished by this traffic manager."""

        def finish(after_egress: bool, packet: Packet, port: int, out_port: int) -> list[tuple[int, bytes]]:
            if after_egress:
                cut, turn = self.departing.tolist()
                return traffic.after_egress(packet, out_port, cut, turn - 1 if turn else None)
            return traffic.after_ingress(packet.data, Arrival(port, packet.now), packet)

        self.slow_path = finish

    def _refresh_hits(self, table: Table) -> None:
        """Brings the times of last hits that compiled code wrote to the control plane's entries."""
        held = self.mirror.tables[table.spec.table].native
        if held is None:
            return
        for entry in table.entries():
            entry.last_hit_us = max(entry.last_hit_us, held.last_hit(entry.handle))

    def sync_events(self) -> None:
        """Adds what compiled code counted to the switch's events."""
        for name, number in zip(fused.EVENTS, self.events.tolist(), strict=True):
            if number:
                events = self.control.state.events
                events[name] = events.get(name, 0) + int(number)
        self.events[:] = 0

    # --- one packet, stage by stage ---

    def parse(self, data: bytes, arrival: Arrival) -> Packet:
        if len(data) > program.MAX_LENGTH:
            data = data[: program.MAX_LENGTH]
        packet = Packet(bytearray(self.phv.size + 8), data, arrival.now)
        standard = {
            "ingress_port": arrival.port & 0x1FF,
            "packet_length": len(data),
            "instance_type": arrival.instance_type,
            "ingress_global_timestamp": arrival.now,
        }
        for name, value in standard.items():
            var = self.phv.standard(name)
            if var is not None:
                self._put(packet, var, value)
        self._put(packet, self.phv.own.length, len(data))
        for field, value in arrival.preserved:
            self.write(packet, field, value)
        self._run(self.stages.parse, packet)
        return packet

    def ingress(self, state: Packet) -> None:
        self._run(self.stages.ingress, state)

    def egress(self, state: Packet) -> None:
        self._run(self.stages.egress, state)

    def deparse(self, state: Packet) -> bytes:
        self.packet_now[0] = state.now
        data, compiled = state.data, self.stages
        out = compiled.out
        size = compiled.deparse(compiled.wiring.address, state.address, data, len(data), out.ctypes.data)
        self.take_requests(state)  # the deparser's own statements may truncate
        return out[:size].tobytes()

    def _run(self, stage: Any, packet: Packet) -> None:
        self.put_truncate(packet)
        self.packet_now[0] = packet.now
        self.now[0] = self.control.clock()
        stage(self.stages.wiring.address, packet.address, packet.data, len(packet.data))
        self.take_requests(packet)

    def take_requests(self, packet: Packet) -> None:
        """From the packet's variables into its Requests; the variables are cleared."""
        own, requests = self.phv.own, packet.requests
        if found := self._take(packet, own.clone):
            requests.clone = (self._get(packet, own.session), _list(found))
        if found := self._take(packet, own.resubmit):
            requests.resubmit = _list(found)
        if found := self._take(packet, own.recirculate):
            requests.recirculate = _list(found)
        if found := self._take(packet, own.digest):
            requests.digest = found - 1
        if found := self._get(packet, own.truncate):
            requests.truncate = found - 1

    def put_truncate(self, packet: Packet) -> None:
        """From the packet's Requests into its variable."""
        wanted = packet.requests.truncate
        self._put(packet, self.phv.own.truncate, 0 if wanted is None else min(wanted, 1 << 30) + 1)

    def read_port(self, packet: Packet) -> int:
        """The port that the packet came in by."""
        var = self.phv.standard("ingress_port")
        return 0 if var is None else self._get(packet, var)

    def requests(self, state: Packet) -> Requests:
        return state.requests

    # --- variables ---

    def _get(self, packet: Packet, var: Var) -> int:
        raw = packet.memory[var.offset : var.offset + var.bits // 8]
        return int.from_bytes(raw, "little", signed=var.signed)

    def _put(self, packet: Packet, var: Var, value: int) -> None:
        value &= (1 << var.width) - 1
        if var.signed and value >> (var.width - 1):
            value -= 1 << var.width
        packet.memory[var.offset : var.offset + var.bits // 8] = value.to_bytes(
            var.bits // 8, "little", signed=var.signed
        )

    def _take(self, packet: Packet, var: Var) -> int:
        value = self._get(packet, var)
        if value:
            self._put(packet, var, 0)
        return value

    def read(self, state: Packet, field: FieldRead) -> int:
        if field.field == VALID and self.model.headers[field.header].metadata:
            return 1
        buffer = self.phv.buffers.get((field.header, field.field))
        if buffer is None:
            return self._get(state, self.phv.field(field.header, field.field))
        size = self._get(state, buffer.used) // 8
        return int.from_bytes(state.memory[buffer.offset : buffer.offset + size], "big")

    def write(self, state: Packet, field: FieldRead, value: int) -> None:
        spec = self.model.field(field)
        if spec.saturating:
            half = 1 << (spec.width - 1)
            low, high = (-half, half - 1) if spec.signed else (0, 2 * half - 1)
            value = min(max(value, low), high)
        if (field.header, field.field) not in self.phv.buffers:
            self._put(state, self.phv.field(field.header, field.field), value)

    def length(self, state: Packet) -> int:
        return self._get(state, self.phv.own.length)

    def digest(self, state: Packet, learn_list: int) -> tuple[int, ...]:
        from emulator.switch.jit.snapshot import evaluate

        found = self.model.learn_lists[learn_list]
        return tuple(evaluate(self, state, e) & ((1 << width) - 1) for e, width in found.elements)

    def copy(self, state: Packet) -> Packet:
        other = Packet(bytearray(state.memory), state.data, state.now)
        other.requests.truncate = state.requests.truncate
        return other

    def clear_metadata(self, state: Packet) -> None:
        for h, header in enumerate(self.model.headers):
            if header.metadata:
                for var in self.phv.fields[h]:
                    if var is not None:
                        self._put(state, var, 0)


def _list(request: int) -> int:
    return NO_LIST if request == 1 else request - 2


def make_engine(model: Model, control: Control, *, rng: random.Random, drop_port: int) -> JitEngine:
    """What `Switch` calls. Compiles at once; raises RuntimeError in one sentence when the C part is not built."""
    return JitEngine(model, control, rng, drop_port)
