"""A compiled packet's variables as the interpreter sees them, for what is evaluated rarely (digests)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.switch import expr as x
from emulator.switch.interp.exprs import Compiler
from emulator.switch.interp.phv import Blank
from emulator.switch.interp.phv import Phv as SlowPhv

if TYPE_CHECKING:
    from emulator.switch.jit.engine import JitEngine, Packet


def evaluate(engine: JitEngine, packet: Packet, expr: x.Expr) -> int:
    """The value of a data expression without action parameters."""
    if isinstance(expr, x.FieldRead):
        return engine.read(packet, expr)
    return int(Compiler(engine.model, engine.control.state).value(expr)(snapshot(engine, packet), ()))


def snapshot(engine: JitEngine, packet: Packet) -> SlowPhv:
    """All variables of a packet; later changes of one do not show in the other."""
    model = engine.model
    slow = SlowPhv(Blank(model), packet.data, packet.now)
    for h in range(len(model.headers)):
        slow.valid[h] = engine.read(packet, x.FieldRead(h, x.VALID))
        for f in range(len(model.header_type(h).fields)):
            slow.values[h][f] = engine.read(packet, x.FieldRead(h, f))
            buffer = engine.phv.buffers.get((h, f))
            if buffer is not None:
                slow.varbits[h] = engine._get(packet, buffer.used)
    slow.next = [engine._get(packet, v) for v in engine.phv.next]
    slow.union_next = [engine._get(packet, v) for v in engine.phv.union_next]
    slow.length = engine.length(packet)
    slow.position = 8 * engine._get(packet, engine.phv.own.position)
    slow.payload = packet.data[slow.position // 8 :]
    return slow
