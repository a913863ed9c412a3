"""Workers and a switch in one process: a transport whose wire is a function call.

Used where raw sockets are not allowed, and by tests, which can lose, repeat and reorder frames by seed.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from workers.transport import BATCH, Bytes

Frame = tuple[int, bytes]  # port, whole frame
Process = Callable[[Sequence[Frame]], Sequence[Frame]]


@dataclass(frozen=True)
class Impairment:
    """Probabilities a frame, drawn independently for every frame and, of multicast, for every receiver.

    `reorder` holds a frame back behind up to `depth` later ones.
    """

    loss: float = 0.0
    duplication: float = 0.0
    reorder: float = 0.0
    depth: int = 8


class Impairer:
    """Applies an impairment to a stream of frames, reproducibly by seed."""

    def __init__(self, impairment: Impairment, seed: int) -> None:
        self.impairment, self.random = impairment, random.Random(seed)
        self.held: list[tuple[int, Frame]] = []  # (frames still to pass, frame)

    def apply(self, frames: Sequence[Frame]) -> list[Frame]:
        out: list[Frame] = []
        for frame in frames:
            if self.random.random() < self.impairment.loss:
                continue
            copies = 2 if self.random.random() < self.impairment.duplication else 1
            for _ in range(copies):
                if self.random.random() < self.impairment.reorder:
                    self.held.append((self.random.randint(1, self.impairment.depth), frame))
                else:
                    out.append(frame)
                    self._pass(out)
        return out

    def _pass(self, out: list[Frame]) -> None:
        """One frame went by: those held back for long enough follow it."""
        waiting = [(left - 1, frame) for left, frame in self.held]
        self.held = [(left, frame) for left, frame in waiting if left > 0]
        out.extend(frame for left, frame in waiting if left <= 0)


class Loopback:
    """The wire between a switch (`process`: frames in, frames out, in order) and the ports plugged in."""

    def __init__(
        self,
        process: Process,
        inward: Impairment | None = None,
        outward: Impairment | None = None,
        seed: int = 0,
    ) -> None:
        self.process = process
        self.lock = threading.Lock()
        self.inward = Impairer(inward or Impairment(), 2 * seed)
        self.outward = Impairer(outward or Impairment(), 2 * seed + 1)
        self.plugs: dict[int, Plug] = {}

    def plug(self, port: int, frame_bytes: int) -> Plug:
        """A transport on the switch's `port`. Frames of another size than `frame_bytes` do not reach it."""
        plug = Plug(self, port, frame_bytes)
        self.plugs[port] = plug
        return plug

    def carry(self, frames: Sequence[Frame]) -> None:
        """Take frames to the switch and its answers to whoever is plugged in there."""
        with self.lock:
            answers = self.outward.apply(self.process(self.inward.apply(frames)))
        for port, data in answers:
            plug = self.plugs.get(port)
            if plug is not None:
                plug.deliver(data)


class Plug:
    """One port's end of the loopback; a Transport."""

    def __init__(self, wire: Loopback, port: int, frame_bytes: int) -> None:
        self.wire, self.port, self.frame_bytes = wire, port, frame_bytes
        self.queue: deque[bytes] = deque()
        self.arrived = threading.Condition()

    def deliver(self, data: bytes) -> None:
        if len(data) == self.frame_bytes:
            with self.arrived:
                self.queue.append(data)
                self.arrived.notify()

    def send(self, frames: Bytes) -> None:
        self.wire.carry([(self.port, row.tobytes()) for row in frames])

    def receive(self, timeout: float) -> Bytes:
        with self.arrived:
            if not self.queue and timeout > 0:
                self.arrived.wait(timeout)
            taken = [self.queue.popleft() for _ in range(min(len(self.queue), BATCH))]
        return np.frombuffer(b"".join(taken), np.uint8).reshape(len(taken), self.frame_bytes)

    def close(self) -> None:
        self.wire.plugs.pop(self.port, None)
