"""Digests: samples collected into lists for the control plane, repeats suppressed until acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emulator.switch.errors import ControlError
from emulator.switch.model import Model

Sample = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DigestList:
    """One message: several samples of one digest."""

    name: str
    list_id: int
    samples: tuple[Sample, ...]
    time_us: int


class Digest:
    """max_list_size samples, or max_timeout_us after the first, make a message (0 us: at once).
    A sample that waits is not taken again; one that was sent, not until its list is acknowledged or ack_timeout_us has
    passed (0: at once). Disabled, it takes nothing."""

    def __init__(self, name: str, widths: tuple[int, ...], clock: Callable[[], int]):
        self.name = name
        self.widths = widths
        self.on_list: Callable[[DigestList], None] | None = None
        self.enabled = True
        self.max_list_size = 1
        self.max_timeout_us = 0
        self.ack_timeout_us = 0
        self._clock = clock
        self._next_id = 1
        self._waiting: dict[Sample, None] = {}
        self._first_us = 0
        self._unacked: dict[int, tuple[int, tuple[Sample, ...]]] = {}
        self._known: dict[Sample, int] = {}

    def configure(self, max_timeout_us: int = 0, max_list_size: int = 1, ack_timeout_us: int = 0) -> None:
        """max_list_size 0: no limit (65536). Enables the digest and forgets what waits."""
        if min(max_timeout_us, max_list_size, ack_timeout_us) < 0:
            raise ControlError("invalid", f"digest {self.name}: times and sizes cannot be negative")
        self.reset()
        self.enabled = True
        self.max_timeout_us, self.ack_timeout_us = max_timeout_us, ack_timeout_us
        self.max_list_size = min(max_list_size or 1 << 16, 1 << 16)

    def disable(self) -> None:
        self.reset()
        self.enabled = False

    def reset(self) -> None:
        self._waiting, self._unacked, self._known = {}, {}, {}

    def take(self, sample: Sample) -> None:
        """A packet produced this sample."""
        if not self.enabled:
            return
        now = self._clock()
        if self.ack_timeout_us:
            self._expire(now)
            if sample in self._known:
                return
            self._known[sample] = 0
        if sample in self._waiting:
            return
        if not self._waiting:
            self._first_us = now
        self._waiting[sample] = None
        if len(self._waiting) >= self.max_list_size or self.max_timeout_us == 0:
            self._send(now)

    def poll(self) -> None:
        """Sends a list whose time has come."""
        now = self._clock()
        if self._waiting and now - self._first_us >= self.max_timeout_us:
            self._send(now)
        if self.ack_timeout_us:
            self._expire(now)

    def ack(self, list_id: int) -> bool:
        """The list was received; False where there was none of this id. One may come late, or where none is waited for."""
        found = self._unacked.pop(list_id, None)
        for sample in found[1] if found is not None else ():
            self._known.pop(sample, None)
        return 0 < list_id < self._next_id

    def _send(self, now: int) -> None:
        message = DigestList(self.name, self._next_id, tuple(self._waiting), now)
        self._next_id += 1
        self._waiting = {}
        if self.ack_timeout_us:
            self._unacked[message.list_id] = (now, message.samples)
        if self.on_list is not None:
            self.on_list(message)

    def _expire(self, now: int) -> None:
        while self._unacked:  # the oldest first
            list_id, (sent, _) = next(iter(self._unacked.items()))
            if now - sent < self.ack_timeout_us:
                return
            self.ack(list_id)


class Digests(dict[str, Digest]):
    """Digests by name; several learn lists of the JSON file may share one name and then one digest."""

    def __init__(self, model: Model, clock: Callable[[], int]):
        super().__init__()
        for learn in model.learn_lists:
            if learn.name not in self:
                self[learn.name] = Digest(learn.name, tuple(w for _, w in learn.elements), clock)
        self.by_list = [self[learn.name] for learn in model.learn_lists]

    def poll(self) -> None:
        for digest in self.values():
            digest.poll()
