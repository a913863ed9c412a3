"""The window: which chunks are in flight, which are answered, what to send and when to send it again.

Pure state: results and the clock come in, chunk numbers go out; no sockets, no sleeping. Chunks are counted
from 0 within one all-reduce of one queue; `first` is the number of chunk 0 in the life of the job. Chunk
`first + i` uses slot `(first + i) mod slots` and set `(first + i) div slots mod 2`, so a slot's sets
alternate, and a chunk may go out once the one before it in its slot is answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Chunks = NDArray[np.int64]
NONE: Chunks = np.zeros(0, dtype=np.int64)
FREE = -1


@dataclass(frozen=True)
class Timing:
    """Seconds. A chunk is sent again after a timeout that follows the measured round trip, doubled each time
    it expires for the same chunk; past `deadline` without an answer somebody is silent.
    """

    initial: float = 0.010
    shortest: float = 0.002
    longest: float = 0.5
    deadline: float = 8.0


@dataclass
class RoundTrip:
    """Smoothed round-trip time and its deviation (Jacobson 1988); lives as long as the job."""

    timing: Timing
    mean: float = 0.0
    deviation: float = 0.0
    measured: bool = False

    def sample(self, seconds: float) -> None:
        if not self.measured:
            self.mean, self.deviation, self.measured = seconds, seconds / 2, True
            return
        self.deviation += (abs(seconds - self.mean) - self.deviation) / 4
        self.mean += (seconds - self.mean) / 8

    @property
    def timeout(self) -> float:
        if not self.measured:
            return self.timing.initial
        return min(max(self.mean + 4 * self.deviation, self.timing.shortest), self.timing.longest)


@dataclass
class Window:
    """One queue's share of one all-reduce: `total` chunks through `slots` slots.

    `lag`: a chunk's payload needs the answer to the chunk `lag` before it (the baseline's exponents travel
    one window ahead); None where payloads need nothing.
    """

    total: int
    slots: int
    trip: RoundTrip
    first: int = 0
    lag: int | None = None
    retransmissions: int = 0
    duplicates: int = 0
    answered: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.done = np.zeros(self.total, dtype=bool)
        self.sent = np.zeros(self.total, dtype=bool)
        self.chunk_of = np.full(self.slots, FREE, dtype=np.int64)
        self.expiry = np.full(self.slots, np.inf)
        self.sent_at = np.zeros(self.slots)
        self.tries = np.zeros(self.slots, dtype=np.int64)
        self.since = np.zeros(self.slots)  # first transmission, for the deadline

    @property
    def finished(self) -> bool:
        return self.answered == self.total

    def slot_of(self, chunks: Chunks) -> Chunks:
        """Slot of each chunk within the queue's share."""
        return (self.first + chunks) % self.slots

    def pool_index(self, chunks: Chunks, first_slot: int) -> Chunks:
        """slot * 2 + set on the switch, for a share that begins at `first_slot`."""
        number = self.first + chunks
        return (first_slot + number % self.slots) * 2 + number // self.slots % 2

    def start(self, now: float) -> Chunks:
        """The chunks to send first, in order."""
        ready = np.arange(min(self.total, self.slots, self.lag or self.total), dtype=np.int64)
        self._mark_sent(ready, now)
        return ready

    def receive(self, chunks: Chunks, now: float) -> tuple[NDArray[np.bool_], Chunks]:
        """Answers came for `chunks` (any numbers, repeats allowed). Returns which of them are new, one flag
        each, and the chunks that may now be sent."""
        inside = (chunks >= 0) & (chunks < self.total)
        fresh = inside.copy()
        fresh[inside] = self.sent[chunks[inside]] & ~self.done[chunks[inside]]
        _, where = np.unique(chunks, return_index=True)
        once = np.zeros(len(chunks), dtype=bool)
        once[where] = True
        fresh &= once
        new = chunks[fresh]
        self.duplicates += len(chunks) - len(new)
        if len(new) == 0:
            return fresh, NONE
        self._mark_done(new, now)
        return fresh, self._release(new, now)

    def expire(self, now: float) -> Chunks:
        """The chunks whose timer has run out; their timers start anew, doubled."""
        slots = np.flatnonzero(self.expiry <= now)
        if len(slots) == 0:
            return NONE
        self.tries[slots] += 1
        wait = self.trip.timeout * np.exp2(np.minimum(self.tries[slots], 16))
        self.expiry[slots] = now + np.minimum(wait, self.trip.timing.longest)
        self.retransmissions += len(slots)
        return self.chunk_of[slots]

    def next_expiry(self) -> float:
        """When `expire` next has something to say; infinity when nothing is in flight."""
        return float(self.expiry.min(initial=np.inf))

    def overdue(self, now: float) -> int | None:
        """A chunk in flight for longer than the deadline, if there is one."""
        late = (self.chunk_of != FREE) & (now - self.since > self.trip.timing.deadline)
        return int(self.chunk_of[late].min()) if late.any() else None

    def _mark_sent(self, chunks: Chunks, now: float) -> None:
        slots = self.slot_of(chunks)
        self.sent[chunks] = True
        self.chunk_of[slots] = chunks
        self.sent_at[slots] = now
        self.since[slots] = now
        self.tries[slots] = 0
        self.expiry[slots] = now + self.trip.timeout

    def _mark_done(self, new: Chunks, now: float) -> None:
        slots = self.slot_of(new)
        # A chunk sent twice does not say which copy was answered (Karn and Partridge 1987).
        clean = slots[self.tries[slots] == 0]
        if len(clean):
            self.trip.sample(float(np.mean(now - self.sent_at[clean])))
        self.done[new] = True
        self.answered += len(new)
        self.chunk_of[slots] = FREE
        self.expiry[slots] = np.inf

    def _release(self, new: Chunks, now: float) -> Chunks:
        steps = {self.slots} if self.lag is None else {self.slots, self.lag}
        candidates = np.unique(np.concatenate([new + step for step in steps]))
        candidates = candidates[candidates < self.total]
        ready = ~self.sent[candidates]
        for step in steps:
            before = candidates - step
            ready &= (before < 0) | self.done[np.maximum(before, 0)]
        chunks = candidates[ready]
        self._mark_sent(chunks, now)
        return chunks


def split(total: int, parts: int) -> list[range]:
    """`total` chunks cut into contiguous ranges, one for each queue, the longer ones first."""
    each, rest = divmod(total, parts)
    starts = [part * each + min(part, rest) for part in range(parts + 1)]
    return [range(starts[part], starts[part + 1]) for part in range(parts)]


def slot_shares(first_slot: int, slots: int, queues: int) -> list[range]:
    """The slots of each queue: queue q of Q owns slots q*S/Q .. (q+1)*S/Q of the job's S."""
    bounds = [first_slot + queue * slots // queues for queue in range(queues + 1)]
    return [range(bounds[queue], bounds[queue + 1]) for queue in range(queues)]
