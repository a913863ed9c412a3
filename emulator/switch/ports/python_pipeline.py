"""A switch that is run by Python, packet by packet, seen by the packet loop as a pipeline: the interpreter, and any
switch whose packets wait in queues."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)
Output = tuple[int, bytes]


class PythonPipeline:
    """emit: sends a packet past the loop's output records. ordered: all leave that way, so that none overtakes what
    waited in a queue."""

    def __init__(self, switch: Any, emit: Callable[[int, bytes], None], ordered: bool) -> None:
        self._switch, self._emit, self.ordered = switch, emit, ordered

    def process(self, port: int, data: bytes) -> list[Output]:
        """What leaves for one packet; a fault of the switch's own costs this packet and is logged."""
        try:
            return list(self._switch.send(port, data))
        except Exception:
            log.exception("the switch failed on a packet of %d bytes from port %d", len(data), port)
            return []

    def emit(self, port: int, data: bytes) -> None:
        """For outputs that do not go into the batch's records."""
        try:
            self._emit(port, data)
        except Exception as error:
            log.warning("%s", error)


_registered: list[Any] = []


def callback(lib: Any, ffi: Any) -> Any:
    """The C function that runs PythonPipeline objects; registered once per process."""
    if _registered:
        return _registered[0]

    def process(
        state: Any, inputs: Any, n_in: int, out: Any, room: int, n_out: Any, arena: Any, size: int, now: int
    ) -> int:
        pipeline = ffi.from_handle(state)
        used = count = 0
        for i in range(n_in):
            data = bytes(ffi.buffer(inputs[i].data, inputs[i].length))
            for port, packet in pipeline.process(inputs[i].port, data):
                if pipeline.ordered or count == room or used + len(packet) > size:
                    pipeline.emit(port, packet)
                    continue
                ffi.memmove(arena + used, packet, len(packet))
                out[count].data, out[count].length = arena + used, len(packet)
                out[count].port, out[count].flags = port, 0
                used, count = used + len(packet), count + 1
        n_out[0] = count
        return n_in

    ffi.def_extern(name="fpn_python_process")(process)
    _registered.append(ffi.addressof(lib, "fpn_python_process"))
    return _registered[0]
