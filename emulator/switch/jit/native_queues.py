"""The queues of a compiled switch in C (emulator/native/egress_queues.h): what waits is finished there, without Python.

While a NativeQueues is attached to the control plane's Queues, that object keeps the settings and this one the packets,
those included that the traffic manager queues (clones, and what comes of other packets that leave the fast path).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.native import lib_and_ffi
from emulator.switch.jit import fused
from emulator.switch.jit.extern_state import address_of
from emulator.switch.jit.phv import Var
from emulator.switch.queues import MAX_PRIORITIES, Queues

if TYPE_CHECKING:
    from emulator.switch.jit.engine import JitEngine

PORTS = 1 << 16
WAITS, GONE, GOES = range(3)
STANDARD = ("priority", "enq_timestamp", "enq_qdepth", "deq_timedelta", "deq_qdepth", "egress_port", "egress_spec",
            "packet_length", "egress_global_timestamp", "instance_type", "egress_rid")  # fmt: skip
"""Fields of standard_metadata in the order of enum fpq_field; behind them come variables of the PHV's own."""
OWN = ("length", "truncate", "clone", "recirculate")


class NativeQueues:
    """`address` is a struct fpq, `serve` an fp_serve_fn for it. Raises MemoryError."""

    def __init__(self, engine: JitEngine, queues: Queues) -> None:
        self._engine, self._settings = engine, queues
        self._lib, self._ffi = lib_and_ffi()
        self._rates = np.zeros(PORTS, np.uint32)
        self._depths = np.zeros((MAX_PRIORITIES, PORTS), np.uint32)
        self._fill()
        raw = self._lib.fpq_new(
            self._program(),
            self._ffi.cast("uint32_t *", self._rates.ctypes.data),
            self._ffi.cast("uint32_t *", self._depths.ctypes.data),
            queues.priorities,
        )
        if raw == self._ffi.NULL:
            raise MemoryError("memory is short for the switch's queues")
        self._raw = self._ffi.gc(raw, self._lib.fpq_free)
        self.address = int(self._ffi.cast("intptr_t", self._raw))
        self.serve = address_of("fpq_serve")

    def _place(self, var: Var | None) -> dict[str, int]:
        return {} if var is None else {"offset": var.offset, "bits": var.bits, "width": var.width}

    def _program(self) -> Any:
        engine, stages = self._engine, self._engine.stages
        phv = engine.phv
        places = [phv.standard(name) for name in STANDARD] + [getattr(phv.own, name) for name in OWN]
        events = int(engine.events.ctypes.data)
        return self._ffi.new(
            "struct fpq_program *",
            {
                "fields": [self._place(var) for var in places],
                "phv_size": phv.size,
                "buffers": min((b.offset for b in phv.buffers.values()), default=phv.size),
                "drop_port": engine.drop_port,
                "growth": engine.growth,
                "egress": stages.code.addresses["fp_egress"],
                "deparse": stages.code.addresses["fp_deparse"],
                "state": stages.wiring.address,
                "slow": engine.resolve("slow", 0),
                "memory": [engine.resolve("memory", number) for number in range(2)],
                "now": engine.resolve("now", 0),
                "packet_now": engine.resolve("packet_now", 0),
                "told": int(engine.departing.ctypes.data),
                "drop_egress": events + 8 * fused.DROP_EGRESS,
                "queue_full": events + 8 * fused.QUEUE_FULL,
                "bad_priority": events + 8 * fused.BAD_PRIORITY,
            },
        )

    # --- settings ---

    def _fill(self) -> None:
        rate, depth, rates, depths = self._settings.numbers()
        self._rates[:], self._depths[:] = rate, depth
        for port, one in rates.items():
            self._rates[port] = one
        for place, many in sorted(depths.items(), key=lambda item: isinstance(item[0], tuple)):  # a port's own first
            if isinstance(place, tuple):
                self._depths[place[1], place[0]] = many
            else:
                self._depths[:, place] = many

    def configure(self) -> None:
        """The settings have changed. Whoever runs packets in another thread keeps them out meanwhile."""
        self._fill()
        self._lib.fpq_configure(self._raw)

    # --- packets ---

    def offer(self, port: int, priority: int, item: Any, now: int) -> bool | None:
        """As Queues.offer; item: the traffic manager's, whose state is a Packet. What is dropped is counted here."""
        engine, packet = self._engine, item.state
        engine.put_truncate(packet)
        ports = (port & 0xFFFF) << 16 | engine.read_port(packet) & 0xFFFF
        phv = self._ffi.from_buffer("uint8_t[]", packet.memory)
        data = self._ffi.from_buffer("uint8_t[]", packet.data or b"\0")
        result = self._lib.fpq_offer(
            self._raw, phv, data, len(packet.data), ports, -1, -1, now, packet.now, item.cut, priority
        )
        return None if result == GOES else result == WAITS

    def waiting(self, port: int) -> int:
        return int(self._lib.fpq_waiting(self._raw, port & 0xFFFF))

    def next_us(self) -> int | None:
        found = int(self._lib.fpq_next_us(self._raw))
        return None if found == (1 << 64) - 1 else found

    def clear(self) -> None:
        self._lib.fpq_clear(self._raw)

    def rest(self) -> None:
        """Forgets what waits, and lets no packet wait until `configure`."""
        self._lib.fpq_rest(self._raw)
