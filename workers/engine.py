"""Moves one all-reduce after another through a transport: fills frames, follows the window, takes results.

`PythonEngine` works on batches with NumPy; `native_engine.NativeEngine` offers the same in C.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Protocol

import numpy as np

from workers import wire
from workers.represent import Array, Lane, Representation, lanes
from workers.transport import Transport
from workers.window import Chunks, RoundTrip, Timing, Window, slot_shares
from workers.wire import Frames

IDLE_CHECK = 0.25  # seconds between looks at the controller's connection while nothing arrives


@dataclass
class Stats:
    """Counts since the client joined; CPU seconds of the thread that ran the engine.

    `cpu_convert` is quantising, scaling and byte swaps; `cpu_copy` moving values between tensor and frame as
    they are; `cpu_syscall` sending and receiving; `cpu_other` the window and everything else. `wait` is wall
    time less CPU time.
    """

    calls: int = 0
    packets_sent: int = 0
    packets_received: int = 0
    retransmissions: int = 0
    discarded: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    payload_bytes: int = 0
    cpu_convert: float = 0.0
    cpu_copy: float = 0.0
    cpu_syscall: float = 0.0
    cpu_other: float = 0.0
    wall: float = 0.0

    @property
    def cpu(self) -> float:
        return self.cpu_convert + self.cpu_copy + self.cpu_syscall + self.cpu_other

    @property
    def wait(self) -> float:
        return max(self.wall - self.cpu, 0.0)

    def as_dict(self) -> dict[str, float]:
        return {**asdict(self), "cpu": self.cpu, "wait": self.wait}

    def since(self, before: Stats) -> Stats:
        """The difference to an earlier copy."""
        return Stats(*(getattr(self, f.name) - getattr(before, f.name) for f in fields(Stats)))


@dataclass(frozen=True)
class Seat:
    """A worker's place in a job, as the engine needs it."""

    job: int
    rank: int
    workers: int
    first_slot: int
    slots: int
    queues: int
    udp_port: int  # results arrive at udp_port + queue
    addresses: wire.Addresses


class Overdue(Exception):
    """A chunk stayed unanswered past the deadline."""

    def __init__(self, pool_index: int, chunk: int, seconds: float) -> None:
        super().__init__(f"chunk {chunk} has been without an answer for {seconds:g} s")
        self.pool_index, self.chunk = pool_index, chunk


class Engine(Protocol):
    @property
    def stats(self) -> Stats:
        """The counts so far; may be the engine's own object, so copy what is to be kept."""

    def run(self, flat: Array, representation: Representation) -> int:
        """Replace a flat, contiguous array by its sum over all workers; returns the flags ORed.

        Raises Overdue, TransportError, RepresentationError, and what the engine's watch raises.
        """

    def close(self) -> None: ...


class Clock:
    """Attributes the thread's CPU time to a field of Stats, from one mark to the next."""

    def __init__(self, stats: Stats) -> None:
        self.stats, self.last = stats, time.thread_time()

    def charge(self, name: str) -> None:
        now = time.thread_time()
        setattr(self.stats, name, getattr(self.stats, name) + now - self.last)
        self.last = now


class LaneRun:
    """One queue's lane on its way: window, outgoing frames by slot, numbering."""

    def __init__(self, lane: Lane, queue: int, share: range, template: Frames, trip: RoundTrip, first: int) -> None:
        self.lane, self.queue, self.first_slot = lane, queue, share.start
        self.window = Window(lane.total, len(share), trip, first, lane.lag)
        self.frames = np.repeat(template[None], len(share))
        self.cost = "cpu_convert" if lane.converts else "cpu_copy"

    def prepare(self, chunks: Chunks) -> Frames:
        """Frames of chunks sent for the first time; a copy stays for sending again."""
        slots = self.window.slot_of(chunks)
        frames = self.frames[slots]
        frames["fpisa_chunk"] = (self.window.first + chunks) & 0xFFFFFFFF
        frames["fpisa_pool_index"] = self.window.pool_index(chunks, self.first_slot)
        self.lane.fill(frames, chunks)
        self.frames[slots] = frames
        return frames

    def accept(self, frames: Frames, now: float) -> tuple[int, Chunks]:
        """Results of this queue. Returns their flags ORed and the chunks to send next."""
        chunks = (frames["fpisa_chunk"].astype(np.int64) - self.window.first) & 0xFFFFFFFF
        placed = frames["fpisa_pool_index"] == self.window.pool_index(chunks, self.first_slot)
        frames, chunks = frames[placed], chunks[placed]
        again = frames["fpisa_version_kind"] == wire.VERSION << 4 | wire.RESULT_AGAIN
        fresh, ready = self.window.receive(chunks, now, again)
        if not fresh.any():
            return 0, ready
        frames, chunks = frames[fresh], chunks[fresh]
        self.lane.drain(frames, chunks)
        return int(np.bitwise_or.reduce(frames["fpisa_flags"])), ready


class PythonEngine:
    """The engine on NumPy batches: one thread, one transport, any number of queues.

    `watch` is called now and then while nothing arrives; it raises when the job is over.
    """

    def __init__(
        self,
        transport: Transport,
        seat: Seat,
        wire_format: wire.WireFormat,
        elements: int,
        timing: Timing | None = None,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        self.transport, self.seat, self.watch, self.elements = transport, seat, watch, elements
        self.stats = Stats()
        self.timing = timing or Timing()
        self.shares = slot_shares(seat.first_slot, seat.slots, seat.queues)
        self.next_chunk = [0] * seat.queues
        self.trips = [RoundTrip(self.timing) for _ in self.shares]
        self.dtype = wire.frame_dtype(wire_format, elements)
        self.templates = [
            wire.template(wire_format, elements, seat.addresses, seat.udp_port, seat.job, seat.rank, queue)
            for queue in range(seat.queues)
        ]

    def run(self, flat: Array, representation: Representation) -> int:
        runs = self._plan(flat, representation)
        began, clock, flags = time.monotonic(), Clock(self.stats), 0
        for run in runs:
            self._send_new(run, run.window.start(time.monotonic()), clock)
        while not all(run.window.finished for run in runs):
            flags |= self._turn(runs, clock)
        for run in runs:
            self.next_chunk[run.queue] = (self.next_chunk[run.queue] + run.window.total) & 0xFFFFFFFF
            self.stats.retransmissions += run.window.retransmissions
            self.stats.discarded += run.window.duplicates
        self.stats.calls += 1
        self.stats.payload_bytes += flat.nbytes
        self.stats.wall += time.monotonic() - began
        return flags

    def close(self) -> None:
        self.transport.close()

    def _plan(self, flat: Array, representation: Representation) -> list[LaneRun]:
        """The array's lanes; what this costs is part of the conversion."""
        clock = Clock(self.stats)
        windows = [len(share) for share in self.shares]
        parts = lanes(flat, representation, self.elements, windows, self.seat.workers)
        clock.charge("cpu_convert" if parts[0].converts else "cpu_copy")
        return [
            LaneRun(lane, q, self.shares[q], self.templates[q], self.trips[q], self.next_chunk[q])
            for q, lane in enumerate(parts)
        ]

    def _turn(self, runs: list[LaneRun], clock: Clock) -> int:
        """Wait for frames or a timer, and act on either."""
        expiry = min(run.window.next_expiry() for run in runs)
        timeout = min(max(expiry - time.monotonic(), 0.0), IDLE_CHECK)
        clock.charge("cpu_other")
        raw = self.transport.receive(timeout)
        clock.charge("cpu_syscall")
        now, flags = time.monotonic(), 0
        if len(raw):
            flags = self._take(runs, raw, now, clock)
        for run in runs:
            late = run.window.expire(now)
            if len(late):
                self._send_again(run, late, now, clock)
        return flags

    def _take(self, runs: list[LaneRun], raw: np.ndarray, now: float, clock: Clock) -> int:
        self.stats.packets_received += len(raw)
        self.stats.bytes_received += raw.size
        frames = raw.view(self.dtype).reshape(-1)
        frames = frames[self._ours(frames)]
        self.stats.discarded += len(raw) - len(frames)
        flags = 0
        for run in runs:
            mine = frames if len(runs) == 1 else frames[frames["fpisa_queue"] == run.queue]
            clock.charge("cpu_other")
            more, ready = run.accept(mine, now)
            clock.charge(run.cost)
            flags |= more
            self._send_new(run, ready, clock)
        return flags

    def _ours(self, frames: Frames) -> np.ndarray:
        """Which frames are results of this job for this rank."""
        expected = self.templates[0]
        kind = frames["fpisa_version_kind"]
        good = (kind == wire.VERSION << 4 | wire.RESULT) | (kind == wire.VERSION << 4 | wire.RESULT_AGAIN)
        for name in ("fpisa_format", "fpisa_job", "fpisa_rank", "fpisa_elements", "udp_bytes"):
            good &= frames[name] == expected[name]
        return good & (frames["fpisa_queue"] < self.seat.queues)

    def _send_new(self, run: LaneRun, chunks: Chunks, clock: Clock) -> None:
        if len(chunks) == 0:
            return
        clock.charge("cpu_other")
        frames = run.prepare(chunks)
        clock.charge(run.cost)
        self._send(frames, clock)

    def _send_again(self, run: LaneRun, chunks: Chunks, now: float, clock: Clock) -> None:
        self.watch()
        overdue = run.window.overdue(now)
        if overdue is not None:
            where = int(run.window.pool_index(np.array([overdue]), run.first_slot)[0])
            raise Overdue(where, (run.window.first + overdue) & 0xFFFFFFFF, self.timing.deadline)
        self._send(run.frames[run.window.slot_of(chunks)], clock)

    def _send(self, frames: Frames, clock: Clock) -> None:
        raw = frames.view(np.uint8).reshape(len(frames), -1)
        clock.charge("cpu_other")
        self.transport.send(raw)
        clock.charge("cpu_syscall")
        self.stats.packets_sent += len(raw)
        self.stats.bytes_sent += raw.size
