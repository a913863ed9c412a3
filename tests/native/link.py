"""A star of workers around a switch with the slot protocol, in virtual time: every link a queue of one rate.

Windows are driven through four calls, the same for both implementations: start, answer, expire, next_expiry.
"""

from __future__ import annotations

import ctypes
import heapq
import math
import os
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from emulator.native.build import SANITIZERS
from workers.window import RoundTrip, Timing, Window

FRAME_BITS = 1082 * 8
NATIVE = Path(__file__).parents[2] / "emulator" / "native"


class Driven(Protocol):
    def start(self, now: float) -> list[int]: ...
    def answer(self, chunk: int, again: bool, now: float) -> list[int]: ...
    def expire(self, now: float) -> list[int]: ...
    def next_expiry(self) -> float: ...
    def finished(self) -> bool: ...
    def retransmissions(self) -> int: ...


class PythonWindow:
    def __init__(self, slots: int, total: int) -> None:
        self.window = Window(total, slots, RoundTrip(Timing()))

    def start(self, now: float) -> list[int]:
        return self.window.start(now).tolist()

    def answer(self, chunk: int, again: bool, now: float) -> list[int]:
        return self.window.receive(np.array([chunk]), now, np.array([again]))[1].tolist()

    def expire(self, now: float) -> list[int]:
        return self.window.expire(now).tolist()

    def next_expiry(self) -> float:
        return self.window.next_expiry()

    def finished(self) -> bool:
        return self.window.finished

    def retransmissions(self) -> int:
        return self.window.retransmissions


def compile_c(made: Path, sources: list[Path]) -> ctypes.CDLL:
    """Sources as a library; with sanitisers in a process that has them (test_sanitized.py)."""
    flags = ["-std=gnu11", "-O1", "-shared", "-fPIC", "-pthread", f"-I{NATIVE}"]
    if "FPISA_SANITIZED" in os.environ:
        flags += SANITIZERS
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    subprocess.run(["cc", *flags, "-o", str(made), *map(str, sources)], check=True, env=environment)
    return ctypes.CDLL(str(made))


def compile_window(folder: Path) -> ctypes.CDLL:
    """window.c with its driver as a library."""
    sources = [NATIVE / "window.c", NATIVE / "window_size.c", Path(__file__).with_name("window_driver.c")]
    lib = compile_c(folder / "window.so", sources)
    lib.driver_new.restype = ctypes.c_void_p
    lib.driver_round_trip.restype = ctypes.c_double
    lib.driver_window.restype = ctypes.c_uint32
    for name in ("driver_expiry", "driver_retransmissions"):
        getattr(lib, name).restype = ctypes.c_uint64
    lib.window_next.restype = lib.driver_answered.restype = ctypes.c_int64
    lib.window_answer.restype = ctypes.c_bool
    return lib


class NativeWindow:
    def __init__(self, lib: ctypes.CDLL, slots: int, total: int) -> None:
        t = Timing()
        times = [ctypes.c_int32(round(s * 1e6)) for s in (t.initial, t.shortest, t.longest)]
        self.lib, self.total = lib, total
        self.lane = ctypes.c_void_p(lib.driver_new(ctypes.c_uint32(slots), ctypes.c_int64(total), *times))
        self.chunks = (ctypes.c_int64 * 64)()

    def __del__(self) -> None:
        self.lib.driver_free(self.lane)

    @staticmethod
    def clock(now: float) -> ctypes.c_uint64:
        return ctypes.c_uint64(1_000_000 + round(now * 1e9))

    def _ready(self, now: float) -> list[int]:
        found: list[int] = []
        while (chunk := self.lib.window_next(self.lane, self.clock(now))) >= 0:
            found.append(chunk)
        return found

    def start(self, now: float) -> list[int]:
        self.lib.window_start(self.lane, self.clock(now))
        return self._ready(now)

    def answer(self, chunk: int, again: bool, now: float) -> list[int]:
        self.lib.window_answer(self.lane, ctypes.c_int64(chunk), ctypes.c_bool(again), self.clock(now))
        return self._ready(now)

    def expire(self, now: float) -> list[int]:
        n = self.lib.window_expired(self.lane, self.clock(now), self.chunks, 64)
        return list(self.chunks[:n])

    def next_expiry(self) -> float:
        expiry = self.lib.driver_expiry(self.lane)
        return math.inf if expiry == 2**64 - 1 else (expiry - 1_000_000) / 1e9

    def finished(self) -> bool:
        return bool(self.lib.driver_answered(self.lane) == self.total)

    def retransmissions(self) -> int:
        return int(self.lib.driver_retransmissions(self.lane))

    def limit(self) -> int:
        """Chunks it may have under way."""
        return int(self.lib.driver_window(self.lane))

    def round_trip(self) -> float:
        """Smoothed, seconds."""
        return float(self.lib.driver_round_trip(self.lane))

    def fix(self, window: int) -> None:
        """As fpw_options.window."""
        self.lib.driver_set_window(self.lane, ctypes.c_int32(window))


@dataclass
class Star:
    """loss: of every link's packets. late: seconds after which each worker begins."""

    windows: list[Any]
    rate: float
    late: list[float]
    loss: float = 0.0
    seed: int = 1
    delay: float = 20e-6
    sent: int = 0
    now: float = 0.0
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.up, self.down = [0.0] * len(self.windows), [0.0] * len(self.windows)
        self.seen: dict[int, set[int]] = {}
        self.tick = 0
        self.timer = [math.inf] * len(self.windows)

    def run(self, limit: float) -> float:
        """The seconds until all windows are finished; raises where `limit` does not do."""
        for rank, late in enumerate(self.late):
            self.at(late, lambda rank=rank: self.send(rank, self.windows[rank].start(self.now)))
        while not all(window.finished() for window in self.windows):
            self.now, _, act = heapq.heappop(self.events)
            if self.now > limit:
                raise AssertionError(f"not done after {limit} s")
            act()
        return self.now

    def at(self, when: float, act: Callable[[], None]) -> None:
        self.tick += 1
        heapq.heappush(self.events, (when, self.tick, act))

    def through(self, queues: list[float], rank: int, act: Callable[[], None]) -> None:
        queues[rank] = max(queues[rank], self.now) + FRAME_BITS / self.rate
        if self.random.random() >= self.loss:
            self.at(queues[rank] + self.delay, act)

    def send(self, rank: int, chunks: list[int]) -> None:
        for chunk in chunks:
            self.sent += 1
            self.through(self.up, rank, lambda chunk=chunk: self.contribute(rank, chunk))
        self.set_timer(rank)

    def contribute(self, rank: int, chunk: int) -> None:
        seen = self.seen.setdefault(chunk, set())
        if rank in seen:
            if len(seen) == len(self.windows):
                self.through(self.down, rank, lambda: self.answer(rank, chunk, True))
            return
        seen.add(rank)
        if len(seen) == len(self.windows):
            for to in range(len(self.windows)):
                self.through(self.down, to, lambda to=to: self.answer(to, chunk, False))

    def answer(self, rank: int, chunk: int, again: bool) -> None:
        window = self.windows[rank]
        self.send(rank, window.answer(chunk, again, self.now) + window.expire(self.now))

    def set_timer(self, rank: int) -> None:
        expiry = self.windows[rank].next_expiry()
        if expiry < math.inf and not self.now < self.timer[rank] <= expiry:
            self.timer[rank] = max(expiry, self.now) + 1e-9
            self.at(self.timer[rank], lambda: self.ring(rank))

    def ring(self, rank: int) -> None:
        self.timer[rank] = math.inf
        self.send(rank, self.windows[rank].expire(self.now))

    def again(self) -> float:
        """Share of packets that were sent again."""
        return sum(window.retransmissions() for window in self.windows) / self.sent
