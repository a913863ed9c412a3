"""A worker's end of a switch port that lies within this process."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

import numpy as np

from emulator.switch.ports import Impairments
from emulator.switch.runner import Runner, RunnerError
from workers.loopback import Frame, Impairer, Impairment
from workers.transport import BATCH, Bytes, TransportError

AT_QUEUE = 47  # of a frame: Ethernet, IPv4, UDP, and five bytes of the FPISA header
TURN_S = 0.002  # among several pipelines, how long to listen to one


class QueuePlug:
    """A transport (workers.transport.Transport) over a Queue port of a running switch, whose pipelines share out the queues."""

    def __init__(self, pipelines: Sequence[Runner], port: int, frame_bytes: int, impair: Impairments) -> None:
        self.pipelines, self.port, self.frame_bytes = pipelines, port, frame_bytes
        seed = 2 * (impair.seed * 1024 + port)
        self.inward = Impairer(chances(impair.inward), seed)
        self.outward = Impairer(chances(impair.outward), seed + 1)

    def send(self, frames: Bytes) -> None:
        sent: list[Frame] = [(self.port, row.tobytes()) for row in frames]
        try:
            for port, data in self.inward.apply(sent):
                self.pipelines[data[AT_QUEUE] % len(self.pipelines)].inject(port, data)
        except RunnerError as error:
            raise TransportError(str(error)) from None

    def receive(self, timeout: float) -> Bytes:
        taken: list[Frame] = []
        data = self._first(timeout)
        while data is not None:
            if len(data) == self.frame_bytes:
                taken.append((self.port, data))
            data = self._waiting() if len(taken) < BATCH else None
        kept = b"".join(data for _, data in self.outward.apply(taken))
        return np.frombuffer(kept, np.uint8).reshape(-1, self.frame_bytes)

    def _waiting(self) -> bytes | None:
        """A frame that is there."""
        frames = (pipeline.take(self.port) for pipeline in self.pipelines)
        return next((frame for frame in frames if frame is not None), None)

    def _first(self, timeout: float) -> bytes | None:
        """The first frame within `timeout` seconds: of one pipeline waited for, of several in turn."""
        if len(self.pipelines) == 1:
            return self.pipelines[0].take(self.port, timeout)
        end = time.monotonic() + timeout
        for pipeline in itertools.cycle(self.pipelines):
            frame = self._waiting()
            left = end - time.monotonic()
            if frame is None and left > 0:
                frame = pipeline.take(self.port, min(left, TURN_S))
            if frame is not None or left <= 0:
                return frame
        return None

    def close(self) -> None:
        """The port belongs to the switch and stays."""


def chances(side: object) -> Impairment:
    """One direction of the switch's --impair as the loopback understands it."""
    return Impairment(side.loss, side.dup, side.reorder)  # type: ignore[attr-defined]
