"""Egress queues: per port a rate, and a queue for each priority.

A port with a rate sends its packets one after another, at least 1/rate apart, always the oldest of the highest priority
that has one waiting. Without a rate nothing ever waits. Time is whatever the caller says, in microseconds, and all
arithmetic is exact: the same packets at the same times leave at the same times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from emulator.switch.errors import ControlError

DEFAULT_DEPTH = 64
"""Packets that may wait in one queue, as in the reference."""
MAX_PRIORITIES = 8
"""standard_metadata.priority has three bits."""
MAX_DEPTH = 1 << 24
MAX_RATE = 1_000_000_000
SECOND = 1_000_000


@dataclass(frozen=True)
class QueueSettings:
    """What is set when a switch starts. depth: packets per queue; rate_pps: packets per second, 0 unlimited; ports:
    port -> (depth or None, rate_pps or None) where it differs."""

    priorities: int = 1
    depth: int = DEFAULT_DEPTH
    rate_pps: int = 0
    ports: Mapping[int, tuple[int | None, int | None]] = field(default_factory=dict)


class Departure(NamedTuple):
    """A packet's turn. time: when it leaves; waited: since it was queued; behind: packets still waiting at its port."""

    item: Any
    time: int
    waited: int
    behind: int


@dataclass(slots=True)
class _Port:
    """free: when the next packet may leave, in microseconds times the rate. lanes: (item, time queued) by priority."""

    rate: int
    lanes: list[deque[tuple[Any, int]]]
    waiting: int = 0
    free: int = 0

    def next_us(self) -> int:
        """When its next packet leaves; only asked while one waits."""
        arrived = min(lane[0][1] for lane in self.lanes if lane)
        return max(-(-self.free // self.rate), arrived)

    def pop(self) -> tuple[Any, int, int]:
        """(item, time queued, time it leaves)"""
        time = self.next_us()
        arrived = min(lane[0][1] for lane in self.lanes if lane)
        lane = next(lane for lane in reversed(self.lanes) if lane and lane[0][1] <= time)
        item, queued = lane.popleft()
        self.waiting -= 1
        self.free = max(self.free, arrived * self.rate) + SECOND
        return item, queued, time


class Store(Protocol):
    """Keeps the packets in place of Queues itself, and sends them by itself (jit/native_queues.py)."""

    def configure(self) -> None: ...

    def offer(self, port: int, priority: int, item: Any, now: int) -> bool | None: ...

    def waiting(self, port: int) -> int: ...

    def next_us(self) -> int | None: ...

    def clear(self) -> None: ...

    def rest(self) -> None: ...


class Queues:
    """The queues of one switch. changed() is called when queues begin or cease to matter at all; woken() when a port
    has a packet waiting that had none; `settled` stands around changes of settings while a store has the packets."""

    def __init__(self, settings: QueueSettings | None = None) -> None:
        self.settings = found = settings or QueueSettings()
        if not 1 <= found.priorities <= MAX_PRIORITIES:
            raise ControlError("invalid", f"there are 1 to {MAX_PRIORITIES} priorities, not {found.priorities}")
        self.priorities = found.priorities
        self.changed: Callable[[], None] = lambda: None
        self.woken: Callable[[], None] = lambda: None
        self._depth, self._rate = DEFAULT_DEPTH, 0
        self._depths: dict[int | tuple[int, int], int] = {}
        self._rates: dict[int, int] = {}
        self._ports: dict[int, _Port] = {}
        self.store: Store | None = None
        self.settled: Callable[[], AbstractContextManager[Any]] = nullcontext
        self.set(depth=found.depth, rate_pps=found.rate_pps)
        for port, (depth, rate) in found.ports.items():
            self.set(port, depth=depth, rate_pps=rate)

    # --- Settings ---

    def set(
        self,
        port: int | None = None,
        *,
        depth: int | None = None,
        rate_pps: int | None = None,
        priority: int | None = None,
    ) -> None:
        """Depth in packets of a port's queues (or of one priority's), its rate in packets per second (0: unlimited);
        without a port, of all ports that have no setting of their own. What waits already stays. Raises ControlError."""
        if depth is not None and not 1 <= depth <= MAX_DEPTH:
            raise ControlError("invalid", f"a queue holds 1 to {MAX_DEPTH} packets, not {depth}")
        if rate_pps is not None and not 0 <= rate_pps <= MAX_RATE:
            raise ControlError("invalid", f"a queue's rate is 0 to {MAX_RATE} packets per second, not {rate_pps}")
        if port is not None and not 0 <= port < 1 << 16:
            raise ControlError("invalid", f"there is no port {port}")
        if priority is not None and (port is None or rate_pps is not None or not 0 <= priority < self.priorities):
            raise ControlError("invalid", f"one of {self.priorities} priorities of a port has a depth of its own, no more")
        was = self.active
        if depth is not None:
            self._set_depth(port, priority, depth)
        if rate_pps is not None:
            self._set_rate(port, rate_pps)
        if self.store is not None:
            with self.settled():
                self.store.configure()
        if was != self.active:
            self.changed()

    def _set_depth(self, port: int | None, priority: int | None, depth: int) -> None:
        if port is None:
            self._depth = depth
        else:
            self._depths[port if priority is None else (port, priority)] = depth

    def _set_rate(self, port: int | None, rate: int) -> None:
        if port is None:
            self._rate = rate
        else:
            self._rates[port] = rate
        for number, found in self._ports.items():
            new = self.rate(number) or MAX_RATE  # what still waits at a port without a rate leaves at once
            if new != found.rate:
                found.free = -(-found.free // found.rate) * new if self.rate(number) else 0
                found.rate = new

    def numbers(self) -> tuple[int, int, Mapping[int, int], Mapping[int | tuple[int, int], int]]:
        """(rate, depth) of ports without settings of their own; rates by port; depths by port or (port, priority)."""
        return self._rate, self._depth, self._rates, self._depths

    def take_settings(self, other: Queues) -> None:
        """Rates and depths as another's, of as many priorities."""
        self._rate, self._depth, self._rates, self._depths = other._rate, other._depth, dict(other._rates), dict(other._depths)

    def attach(self, store: Store | None) -> None:
        """From now on `store` keeps the packets, those included that wait; None: this object, and nothing waits."""
        waiting = sorted(
            ((queued, number, lane, item) for number, port in self._ports.items()
             for lane, items in enumerate(port.lanes) for item, queued in items),
            key=lambda one: one[:3],
        )  # fmt: skip
        self.clear()
        if self.store is not None:
            self.store.rest()
        self.store = store
        if store is not None:
            store.configure()
            for queued, number, lane, item in waiting:
                store.offer(number, lane, item, queued)

    def rate(self, port: int) -> int:
        """Packets per second; 0 unlimited."""
        return self._rates.get(port, self._rate)

    def depth(self, port: int, priority: int = 0) -> int:
        """Packets that may wait at this priority."""
        return self._depths.get((port, priority), self._depths.get(port, self._depth))

    @property
    def active(self) -> bool:
        """Whether any packet can wait or be dropped here at all."""
        return bool(self._rate or any(self._rates.values()) or 1 < self.priorities < MAX_PRIORITIES)

    # --- Packets ---

    def waiting(self, port: int) -> int:
        """Packets at this port, of all priorities."""
        if self.store is not None:
            return self.store.waiting(port)
        found = self._ports.get(port)
        return 0 if found is None else found.waiting

    def offer(self, port: int, priority: int, item: Any, now: int) -> bool | None:
        """Queues a packet: True; False when its queue is full; None when the port has no rate and nothing waits, so that
        it goes at once. What is due by `now` must have been taken."""
        if self.store is not None:
            return self.store.offer(port, priority, item, now)
        rate, found = self.rate(port), self._ports.get(port)
        if not rate and (found is None or not found.waiting):
            return None
        if found is None:
            found = self._ports[port] = _Port(rate, [deque() for _ in range(self.priorities)])
        if len(found.lanes[priority]) >= self.depth(port, priority):
            return False
        found.lanes[priority].append((item, now))
        found.waiting += 1
        if found.waiting == 1 and found.next_us() > now:
            self.woken()
        return True

    def next_us(self) -> int | None:
        """When the next packet leaves; None when none waits."""
        if self.store is not None:
            return self.store.next_us()
        return min((p.next_us() for p in self._ports.values() if p.waiting), default=None)

    def due(self, now: int) -> Iterator[Departure]:
        """The packets whose turn has come, in order of time (then of port); each is taken out as it is given."""
        while True:
            ready = [(p.next_us(), number) for number, p in self._ports.items() if p.waiting]
            if not ready or min(ready)[0] > now:
                return
            port = self._ports[min(ready)[1]]
            item, queued, time = port.pop()
            yield Departure(item, time, time - queued, port.waiting)

    def clear(self) -> None:
        """Forgets what waits; settings stay."""
        if self.store is not None:
            self.store.clear()
        for port in self._ports.values():
            port.waiting = 0
            for lane in port.lanes:
                lane.clear()
