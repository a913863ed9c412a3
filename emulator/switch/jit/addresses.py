"""Memory and functions that compiled code reaches: what stands in its table of addresses."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from emulator.native import tables as native
from emulator.switch.jit import extern_state

if TYPE_CHECKING:
    from emulator.switch.jit.engine import JitEngine


def resolve(engine: JitEngine, kind: str, number: int) -> int:
    """The address that stands in the state table for (kind, number)."""
    match kind:
        case "block":
            return int(engine.blocks[number].ctypes.data)
        case "counter":
            return int(engine.control.state.counters[number].data.ctypes.data)
        case "table":
            found = engine.mirror.tables[number].native
            return 0 if found is None else found.address
        case "ahead":
            found = engine.mirror.tables[number].native
            return 0 if found is None else found.ahead_rows()
        case "look_ahead":
            return native.look_ahead_address()
        case "guesses":
            return engine.guesses.address
        case "default":
            return int(engine.mirror.tables[number].record.ctypes.data)
        case "lookup":
            return native.lookup_address()
        case "meter":
            return int(engine.control.state.meters[number].data.ctypes.data)
        case "hash":
            return engine.hash_specs.address(number)
        case "random":
            return engine.random.address
        case "run_hash" | "run_meter" | "run_draw" | "run_append":
            return extern_state.address_of(kind.replace("run_", "fpx_"))
        case "packet_now":
            return int(engine.packet_now.ctypes.data)
        case "extern":
            return ctypes.cast(engine.callbacks.extern, ctypes.c_void_p).value or 0
        case "scratch":
            return int(engine.scratch.ctypes.data)
        case "now":
            return int(engine.now.ctypes.data)
        case "value_set":
            return int(engine.mirror.value_sets[number].ctypes.data)
        case "groups":
            return int(engine.mirror.group_index.ctypes.data)
        case "memory":
            return int(engine.memories[number].ctypes.data)
        case "events":
            return int(engine.events.ctypes.data)
        case "limits":
            return int(engine.limits.ctypes.data)
        case "queues":
            return 0 if engine.queues is None else engine.queues.address
        case "offer":
            return extern_state.address_of("fpq_offer")
        case "slow":
            return ctypes.cast(engine.callbacks.slow, ctypes.c_void_p).value or 0
    raise AssertionError(kind)
