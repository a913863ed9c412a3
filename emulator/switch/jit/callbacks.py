"""The functions through which compiled code calls Python. None may raise: there is no one above to catch it."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from emulator.switch.jit import calls, externs, notes, slow_path
from emulator.switch.jit.batches import Room
from emulator.switch.jit.single import Packet

if TYPE_CHECKING:
    from emulator.switch.jit.engine import JitEngine

EXTERN = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_int32, ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
SLOW = ctypes.CFUNCTYPE(
    ctypes.c_int64,
    ctypes.c_int32,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_uint32,
    ctypes.c_void_p,
    ctypes.c_int32,
    ctypes.c_int32,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_int64,
)


class Callbacks:
    """Of one engine. extern: for hashes, texts, events and externs in Python; slow: for packets that left the fast path. Both
    are good while this object lives."""

    def __init__(self, engine: JitEngine):
        self._engine = engine
        self.extern = EXTERN(self._called)
        self.slow = SLOW(self._finish_slowly)

    def _called(self, kind: int, site: int, a: int, b: int, scratch: int) -> int:
        engine = self._engine
        if kind == externs.HASH:
            data = engine.scratch[:a].tobytes()
            return _signed64(engine.control.hashes.function(engine.sites[site].text)(data))
        if kind == externs.EVENT:
            engine.control.state.event(engine.sites[site].text)
        elif kind == externs.LOG:
            engine.on_log(calls.message(engine.sites[site], engine.scratch))
        elif kind == externs.CALL:
            calls.extern(engine.sites[site], engine.scratch, engine.control.externs)
        elif kind == externs.NOTES:
            for bit, name in enumerate(notes.NAMES):
                if a >> bit & 1:
                    engine.control.state.event(name)
        return 0

    def _finish_slowly(self, kind, data, length, ports, out, count, capacity, arena, used, size) -> int:
        state = self._engine.control.state
        try:
            found = _finished(self._engine, kind, ctypes.string_at(data, length), ports)
            return Room(out, count, capacity, arena, used, size).append(found, lambda: state.event("drop_output_full"))
        except Exception:
            state.event("slow_path_error")
            return 0


def _finished(engine: JitEngine, kind: int, data: bytes, ports: int) -> list[tuple[int, bytes]]:
    """What becomes of a packet whose variables lie in the engine's memory, as the traffic manager says."""
    buffers = min((b.offset for b in engine.phv.buffers.values()), default=engine.phv.size)
    memory = bytearray(engine.memories[0].tobytes())
    if kind == slow_path.AFTER_EGRESS:
        memory[buffers:] = engine.memories[1][buffers:].tobytes()
    packet = Packet(memory, data, int(engine.now[0]))
    engine.take_requests(packet)
    assert engine.slow_path is not None
    return engine.slow_path(kind == slow_path.AFTER_EGRESS, packet, ports & 0xFFFF, (ports >> 16) & 0xFFFF)


def _signed64(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
