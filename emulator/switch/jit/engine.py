"""The compiled engine, as the traffic manager and the runner see it (see emulator/switch/engine.py)."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from emulator.native import tables as native
from emulator.switch.control import Change, Control
from emulator.switch.engine import NO_LIST, Arrival, Requests
from emulator.switch.expr import VALID, FieldRead
from emulator.switch.jit import externs, placement, program, stages
from emulator.switch.jit.gen import Shared
from emulator.switch.jit.machine import Code
from emulator.switch.jit.mirror import Mirror
from emulator.switch.jit.phv import Phv, Var
from emulator.switch.model import Model

STAGES = ("fp_parse", "fp_ingress", "fp_egress", "fp_deparse")
EXTERN = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_int32, ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)


class Packet:
    """A packet between two stages. memory: its PHV (see phv.py)."""

    __slots__ = ("address", "data", "memory", "now", "requests")

    def __init__(self, memory: bytearray, data: bytes, now: int):
        self.memory = memory
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        self.data = data
        self.now = now
        self.requests = Requests()


class Wiring:
    """The table of addresses of one compiled program (%state)."""

    def __init__(self, shared: Shared, resolve: Callable[[str, int], int]):
        self.shared = shared
        self._resolve = resolve
        self.words = np.zeros(max(1, len(shared.addresses)), np.uint64)
        self.refresh()

    @property
    def address(self) -> int:
        return int(self.words.ctypes.data)

    def refresh(self) -> None:
        for (kind, number), word in self.shared.addresses.items():
            self.words[word] = self._resolve(kind, number)


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
        self.scratch = np.zeros(externs.SCRATCH, np.uint8)
        self.now = np.zeros(1, np.uint64)
        self._now_packet = 0
        self._extern = EXTERN(self._called)
        self._stages(shared)
        control.listeners.append(self._told)

    def _stages(self, shared: Shared) -> None:
        functions = [stages.parse(shared), stages.ingress(shared), stages.egress(shared), stages.deparse(shared)]
        self.code = Code(program.module_text(shared, functions), STAGES, 1)
        self.sites = shared.sites
        self.wiring = Wiring(shared, self.resolve)
        pointer = ctypes.c_void_p
        plain = (pointer, pointer, ctypes.c_char_p, ctypes.c_int64)
        self._parse = self.code.function("fp_parse", None, *plain)
        self._ingress = self.code.function("fp_ingress", None, *plain)
        self._egress = self.code.function("fp_egress", None, *plain)
        self._deparse = self.code.function("fp_deparse", ctypes.c_int64, *plain, pointer)
        growth = sum(self.model.header_type(h).fixed_bits // 8 + 1 for h in self.model.deparser.order)
        growth += sum(b.size for b in self.phv.buffers.values())
        self._out = np.zeros(program.MAX_LENGTH + growth + 64, np.uint8)

    def set_log(self, on_log: Callable[[str], None]) -> None:
        """Where the texts of log_msg go."""
        self.on_log = on_log

    # --- memory that compiled code reads ---

    def resolve(self, kind: str, number: int) -> int:
        """The address that stands in the state table for (kind, number)."""
        match kind:
            case "block":
                return int(self.blocks[number].ctypes.data)
            case "counter":
                return int(self.control.state.counters[number].data.ctypes.data)
            case "table":
                found = self.mirror.tables[number].native
                return 0 if found is None else found.address
            case "default":
                return int(self.mirror.tables[number].record.ctypes.data)
            case "lookup":
                return native.lookup_address()
            case "extern":
                return ctypes.cast(self._extern, ctypes.c_void_p).value or 0
            case "scratch":
                return int(self.scratch.ctypes.data)
            case "now":
                return int(self.now.ctypes.data)
            case "value_set":
                return int(self.mirror.value_sets[number].ctypes.data)
        raise AssertionError(kind)

    def _told(self, changes: list[Change]) -> None:
        if self.mirror.told(changes):
            self.wiring.refresh()

    def _called(self, kind: int, site: int, a: int, b: int, scratch: int) -> int:
        """Compiled code calls out. Must not raise: there is no one above to catch it."""
        if kind == externs.HASH:
            data = self.scratch[:a].tobytes()
            return _signed64(self.control.hashes.function(self.sites[site].text)(data))
        if kind == externs.METER:
            return self.control.state.meters[site].execute(a, b, self._now_packet)
        if kind == externs.RANDOM:
            from emulator.switch.interp.actions import uniform

            return _signed64(uniform(self.rng, a & ((1 << 64) - 1)))
        if kind == externs.EVENT:
            self.control.state.event(self.sites[site].text)
        elif kind == externs.LOG:
            self._log(site)
        return 0

    def _log(self, number: int) -> None:
        site = self.sites[number]
        words = []
        at = 0
        for bits, is_signed in site.shape:
            words.append(str(int.from_bytes(self.scratch[at : at + bits // 8].tobytes(), "little", signed=is_signed)))
            at += bits // 8
        parts = site.text.split("{}")
        words += ["{}"] * (len(parts) - 1 - len(words))
        self.on_log("".join(p + w for p, w in zip(parts, [*words[: len(parts) - 1], ""], strict=True)))

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
        self._run(self._parse, packet)
        return packet

    def ingress(self, state: Packet) -> None:
        self._run(self._ingress, state)

    def egress(self, state: Packet) -> None:
        self._run(self._egress, state)

    def deparse(self, state: Packet) -> bytes:
        self._now_packet = state.now
        data = state.data
        size = self._deparse(self.wiring.address, state.address, data, len(data), self._out.ctypes.data)
        return self._out[:size].tobytes()

    def _run(self, stage: Any, packet: Packet) -> None:
        own, requests = self.phv.own, packet.requests
        self._put(packet, own.truncate, 0 if requests.truncate is None else min(requests.truncate, 1 << 30) + 1)
        self._now_packet = packet.now
        self.now[0] = self.control.clock()
        stage(self.wiring.address, packet.address, packet.data, len(packet.data))
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
        packet.memory[var.offset : var.offset + var.bits // 8] = value.to_bytes(var.bits // 8, "little", signed=var.signed)

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


def _signed64(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def make_engine(model: Model, control: Control, *, rng: random.Random, drop_port: int) -> JitEngine:
    """What `Switch` calls. Compiles at once; raises RuntimeError in one sentence when the C part is not built."""
    return JitEngine(model, control, rng, drop_port)
