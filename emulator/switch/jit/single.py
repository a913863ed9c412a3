"""One packet at a time: its state in memory, and the four compiled stages that work on it."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.switch.engine import Requests
from emulator.switch.jit import effort, program, stages
from emulator.switch.jit.machine import Code
from emulator.switch.jit.phv import Phv
from emulator.switch.jit.wiring import Wiring
from emulator.switch.model import CalculationInput, ConstInput, FieldInput, HeaderInput, Model, PayloadInput, Primitive
from emulator.switch.widths import MAX_INTERMEDIATE_BITS

if TYPE_CHECKING:
    from emulator.switch.jit.engine import JitEngine

STAGES = ("fp_parse", "fp_ingress", "fp_egress", "fp_deparse")


class Packet:
    """A packet between two stages. memory: its PHV (see phv.py)."""

    __slots__ = ("address", "data", "memory", "now", "requests")

    def __init__(self, memory: bytearray, data: bytes, now: int):
        self.memory = memory
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        self.data = data
        self.now = now
        self.requests = Requests()


class Stages:
    """parse, ingress, egress and deparse, compiled and wired, for one packet at a time."""

    def __init__(self, engine: JitEngine):
        shared = program.new_shared(engine.model, engine.drop_port, sites=engine.sites)
        made = (stages.parse(shared), stages.ingress(shared), stages.egress(shared), stages.deparse(shared))
        functions = [effort.settle(function) for function in made]
        self.code = Code(program.module_text(shared, functions), STAGES, effort.stages_level(functions))
        self.wiring = Wiring(shared, engine.resolve)
        pointer = ctypes.c_void_p
        plain = (pointer, pointer, ctypes.c_char_p, ctypes.c_int64)
        self.parse = self.code.function("fp_parse", None, *plain)
        self.ingress = self.code.function("fp_ingress", None, *plain)
        self.egress = self.code.function("fp_egress", None, *plain)
        self.deparse = self.code.function("fp_deparse", ctypes.c_int64, *plain, pointer)
        self.out = np.zeros(program.MAX_LENGTH + growth(engine.model, engine.phv) + 64, np.uint8)


def growth(model: Model, phv: Phv) -> int:
    """Bytes by which a packet can become longer at most: all headers that are emitted."""
    total = 0
    for header in model.deparser.order:
        total += model.header_type(header).fixed_bits // 8 + 1
        total += sum(b.size for (h, _), b in phv.buffers.items() if h == header)
    return total


def scratch_bytes(model: Model) -> int:
    """Scratch memory that holds the longest input of a hash, or the values of a message."""
    inputs = [c.inputs for c in model.calculations] + [p.inputs for p in model.action_profiles]
    longest = max((sum(_input_bits(model, i) for i in items) for items in inputs), default=0)
    values = max((_values(p) for body in bodies(model) for p in body), default=0)
    payloads = max((sum(isinstance(i, PayloadInput) for i in items) for items in inputs), default=0)
    return program.MAX_LENGTH * (1 + payloads) + longest // 8 + values * MAX_INTERMEDIATE_BITS // 8 + 4096


def _values(primitive: Primitive) -> int:
    """Numbers that a primitive hands to Python."""
    if primitive.op not in ("log_msg", "call_extern"):
        return 0
    arguments: Any = primitive.args[-1] or ()
    return sum(len(a) if isinstance(a, tuple) else 1 for a in arguments)


def bodies(model: Model) -> list[tuple[Primitive, ...]]:
    """All sequences of primitives: actions, the deparser's, and parser states'."""
    states = [tuple(op for op in state.ops if isinstance(op, Primitive)) for state in model.parser.states]
    return [model.deparser.body, *(action.body for action in model.actions), *states]


def _input_bits(model: Model, item: CalculationInput) -> int:
    if isinstance(item, FieldInput):
        return model.field(item.field).width + 64
    if isinstance(item, HeaderInput):
        return sum(f.width + 64 for f in model.header_type(item.header).fields)
    return item.width + 64 if isinstance(item, ConstInput) else 64
