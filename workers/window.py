"""The window: which chunks are in flight, which are answered, what to send and when to send it again.

Pure state: results and the clock come in, chunk numbers go out; no sockets, no sleeping. Chunks are counted
from 0 within one all-reduce of one queue; `first` is the number of chunk 0 in the life of the job. Chunk
`first + i` uses slot `(first + i) mod slots` and set `(first + i) div slots mod 2`, so a slot's sets
alternate, and a chunk may go out once the one before it in its slot is answered.

Nothing is sent again merely because it is old: behind a slow link a whole window is old. Two signs of loss
count. Overtaken: chunks sent well after it are answered, and the switch answers in the order in which the
slowest worker sends. Stall: nothing at all was answered for a timeout; then a few of the oldest go out as
probes, and the timeout of the whole window doubles until a chunk sent once is answered.
`emulator/native/window.c` is the same in C.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Chunks = NDArray[np.int64]
NONE: Chunks = np.zeros(0, dtype=np.int64)
FREE = -1
OVERTAKEN_BY = 24  # later chunks answered: more than packets usually change places
SOONER_WHERE_FEW = 4  # the shortest timeout by this
MAX_PROBES = 8
MAX_DOUBLINGS = 16


@dataclass(frozen=True)
class Timing:
    """Seconds. Bounds of the timeout, which follows the measured round trip and doubles while a stall lasts;
    past `deadline` without an answer to a chunk somebody is silent.
    """

    initial: float = 0.010
    shortest: float = 0.0005
    longest: float = 0.5
    deadline: float = 8.0


@dataclass
class RoundTrip:
    """Smoothed round-trip time and its deviation (Jacobson 1988); lives as long as the job."""

    timing: Timing
    mean: float = 0.0
    deviation: float = 0.0
    least: float = 0.0
    measured: bool = False

    def sample(self, seconds: float) -> None:
        if not self.measured:
            self.mean, self.deviation, self.least, self.measured = seconds, seconds / 2, seconds, True
            return
        self.least = min(self.least, seconds)
        self.deviation += (abs(seconds - self.mean) - self.deviation) / 4
        self.mean += (seconds - self.mean) / 8

    def timeout(self, few: bool = False) -> float:
        """few: so few chunks are in flight that a probe in vain is cheap, and everybody waits for them. Below the shortest
        timeout, processes that wait for a processor look like loss."""
        if not self.measured:
            return self.timing.initial
        shortest = self.timing.shortest / (SOONER_WHERE_FEW if few else 1)
        return min(max(self.mean + 4 * self.deviation, shortest), self.timing.longest)


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
        self.sent_at = np.zeros(self.slots)  # latest transmission
        self.since = np.zeros(self.slots)  # first transmission
        self.order = np.zeros(self.slots, dtype=np.int64)  # of the latest transmissions
        self.tries = np.zeros(self.slots, dtype=np.int64)
        self.sends = 0
        self.newest_order, self.newest_sent = 0, 0.0  # latest of the transmissions known to be answered
        self.first_answer = np.inf
        self.backoff = 0  # stalls since such an answer
        self.stalled_at = np.inf
        self.next_look = 0.0  # for overtaken chunks

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

    def receive(
        self, chunks: Chunks, now: float, again: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.bool_], Chunks]:
        """Answers came for `chunks` (any numbers, repeats allowed); `again`: which were sent again on request.
        Returns which of them are new, one flag each, and the chunks that may now be sent."""
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
        self._mark_done(new, now, np.zeros(len(new), dtype=bool) if again is None else again[fresh])
        return fresh, self._release(new, now)

    def expire(self, now: float) -> Chunks:
        """The chunks to send again: those overtaken, or when nothing was answered for a timeout a few of the
        oldest as probes."""
        if now >= self.stalled_at:
            slots = self._probes(now)
            self.backoff = min(self.backoff + 1, MAX_DOUBLINGS)
            self._restart_clock(now)
        elif now >= self.next_look:
            slots = np.flatnonzero(self._overtaken(now))
            self.next_look = now + 1e-6 + self.trip.mean / 4
        else:
            return NONE
        self._renumber(slots)
        self.tries[slots] += 1
        self.sent_at[slots] = now
        self.retransmissions += len(slots)
        return self.chunk_of[slots]

    def next_expiry(self) -> float:
        """When a stall begins if nothing is answered; infinity when nothing is in flight."""
        return float(self.stalled_at)

    def overdue(self, now: float) -> int | None:
        """A chunk in flight for longer than the deadline, if there is one."""
        late = (self.chunk_of != FREE) & (now - self.since > self.trip.timing.deadline)
        return int(self.chunk_of[late].min()) if late.any() else None

    def _probes(self, now: float) -> NDArray[np.int64]:
        waiting = np.flatnonzero((self.chunk_of != FREE) & (self.sent_at < now))
        oldest = waiting[np.argsort(self.order[waiting])]
        return oldest[: min(2 ** (self.backoff + 1), MAX_PROBES)]

    def _overtaken(self, now: float) -> NDArray[np.bool_]:
        """Slots whose chunk is lost as far as can be told: something sent well after it is answered, by count or by
        time. Each time waits twice as long, from a time without a floor: here there is more to go by than age.
        Where few are in flight, anything answered after it will do, and twice the time."""
        trip, age, few = self.trip, now - self.sent_at, self._few
        well_after = self.newest_order > self.order + OVERTAKEN_BY
        well_after |= self.newest_sent - self.sent_at > trip.timeout(few)
        waits = self.tries + ~well_after
        patience = (trip.mean + trip.deviation) * np.exp2(np.minimum(waits, MAX_DOUBLINGS))
        late = (self.newest_order > self.order) & (well_after | few) & (age > patience)
        return (self.chunk_of != FREE) & late & trip.measured

    @property
    def _few(self) -> bool:
        """No more than these can overtake one that is lost: at the end, where slots that lost more than others still have
        some chunks to go, or in a short window."""
        in_flight = int(np.count_nonzero(self.chunk_of != FREE))
        return in_flight <= OVERTAKEN_BY or self.answered + in_flight == self.total

    def _renumber(self, slots: NDArray[np.int64]) -> None:
        self.order[slots] = self.sends + 1 + np.arange(len(slots))
        self.sends += len(slots)

    def _restart_clock(self, now: float) -> None:
        """A stall is counted from the last answer or probe, or from when something was sent into an empty window."""
        idle = bool((self.chunk_of == FREE).all())
        timeout = self.trip.timeout(self._few) * 2.0 ** min(self.backoff, MAX_DOUBLINGS)
        self.stalled_at = np.inf if idle else now + min(timeout, self.trip.timing.longest)

    def _mark_sent(self, chunks: Chunks, now: float) -> None:
        slots = self.slot_of(chunks)
        self.sent[chunks] = True
        self.chunk_of[slots] = chunks
        self.sent_at[slots] = now
        self.since[slots] = now
        self._renumber(slots)
        self.tries[slots] = 0
        if self.stalled_at == np.inf:
            self._restart_clock(now)

    def _mark_done(self, new: Chunks, now: float, again: NDArray[np.bool_]) -> None:
        slots = self.slot_of(new)
        self.first_answer = min(self.first_answer, now)
        self._learn(slots, now, again)
        self.done[new] = True
        self.answered += len(new)
        self.chunk_of[slots] = FREE
        self._restart_clock(now)

    def _learn(self, slots: NDArray[np.int64], now: float, again: NDArray[np.bool_]) -> None:
        """What answers in these slots tell about the path.

        A chunk sent twice does not say which copy was answered (Karn and Partridge 1987), unless the answer was
        sent again on request, or follows the second faster than any round trip: then it is the first one's (as
        in Eifel, Ludwig and Katz 2000). What was sent before the first answer of all waited for workers that
        began later, and what is answered long after its turn for another worker's loss: those are no round
        trips.
        """
        tries, sent_at = self.tries[slots], self.sent_at[slots]
        firsts = (tries == 0) | (self.trip.measured & (now - sent_at < self.trip.least))
        seconds = again & (tries == 1)
        if not (firsts | seconds).any():
            return
        self.backoff = 0
        in_turn = self.newest_order <= self.order[slots] + (0 if self._few else OVERTAKEN_BY)
        clean = firsts & ~seconds & in_turn & (self.since[slots] >= self.first_answer)
        trips = np.concatenate([now - self.since[slots[clean]], now - sent_at[seconds]])
        if len(trips):
            self.trip.sample(float(trips.mean()))
        known = slots[(tries == 0) | seconds]
        if len(known) and self.order[known].max() > self.newest_order:
            newest = known[np.argmax(self.order[known])]
            self.newest_order, self.newest_sent = int(self.order[newest]), float(self.sent_at[newest])

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
