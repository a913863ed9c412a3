"""A worker's end of a switch port that lies within this process."""

from __future__ import annotations

import numpy as np

from emulator.switch.ports import Impairments
from emulator.switch.runner import Runner, RunnerError
from workers.loopback import Frame, Impairer, Impairment
from workers.transport import BATCH, Bytes, TransportError


class QueuePlug:
    """A transport (workers.transport.Transport) over a Queue port of a running switch."""

    def __init__(self, runner: Runner, port: int, frame_bytes: int, impair: Impairments) -> None:
        self.runner, self.port, self.frame_bytes = runner, port, frame_bytes
        seed = 2 * (impair.seed * 1024 + port)
        self.inward = Impairer(chances(impair.inward), seed)
        self.outward = Impairer(chances(impair.outward), seed + 1)

    def send(self, frames: Bytes) -> None:
        sent: list[Frame] = [(self.port, row.tobytes()) for row in frames]
        try:
            for port, data in self.inward.apply(sent):
                self.runner.inject(port, data)
        except RunnerError as error:
            raise TransportError(str(error)) from None

    def receive(self, timeout: float) -> Bytes:
        taken: list[Frame] = []
        while len(taken) < BATCH:
            data = self.runner.take(self.port, 0.0 if taken else timeout)
            if data is None:
                break
            if len(data) == self.frame_bytes:
                taken.append((self.port, data))
        kept = b"".join(data for _, data in self.outward.apply(taken))
        return np.frombuffer(kept, np.uint8).reshape(-1, self.frame_bytes)

    def close(self) -> None:
        """The port belongs to the switch and stays."""


def chances(side: object) -> Impairment:
    """One direction of the switch's --impair as the loopback understands it."""
    return Impairment(side.loss, side.dup, side.reorder)  # type: ignore[attr-defined]
