"""A query's pass over a rack whose workers are partitions of other processes: who sends, what was decided, once each.

A partition may be sent more than once: its process may die and another begin it anew. What the switch decided about
its packets is kept, so a packet sent again gets the same answer and changes no register; a partition that holds other
rows the second time is an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from workers.query.channel import WAIT_SECONDS
from workers.query.errors import QueryError
from workers.query.exchange import PATIENCE, Link, Traffic
from workers.query.pack import ACKNOWLEDGEMENT, FRAME, HEADER, SURVIVORS, acknowledgements, fingerprints
from workers.query.rack import Rack


@dataclass
class Decided:
    """Of a partition's packets in order: fingerprints and survivors' lanes. busy: somebody is sending it."""

    prints: list[np.ndarray] = field(default_factory=list)
    verdicts: list[np.ndarray] = field(default_factory=list)
    busy: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.prints))


@dataclass
class Pass:
    """An installed query. turn guards everything but the rack, which `lock` guards for all queries on it."""

    rack: Rack
    query: int
    link: Link
    lock: threading.Lock
    traffic: Traffic = field(default_factory=Traffic)
    turn: threading.Condition = field(default_factory=threading.Condition)
    decided: dict[tuple[int, bool], Decided] = field(default_factory=dict)
    places: list[int] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    witnesses: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places = list(range(len(self.rack.workers)))
        self.sequences = [1] * len(self.rack.workers)

    def open(self, partition: int, second: bool) -> tuple[int, Decided]:
        """A place at the switch for a partition, and what was decided about it before. Raises QueryError."""
        until = time.monotonic() + WAIT_SECONDS
        with self.turn:
            own = self.decided.setdefault((partition, second), Decided())
            while own.busy or not self.places:
                if not self.turn.wait(until - time.monotonic()):
                    what = f"another sender of partition {partition}" if own.busy else "a place at the switch"
                    raise QueryError(f"waited {WAIT_SECONDS:g} s for {what}")
            own.busy = True
            return self.places.pop(), own

    def close(self, place: int, own: Decided) -> None:
        """The partition's sender is done, or gone."""
        with self.turn:
            own.busy = False
            self.places.append(place)
            self.turn.notify_all()

    def again(self, own: Decided, start: int, prints: np.ndarray) -> np.ndarray:
        """Verdicts of packets start, start + 1, ... decided before. Raises QueryError if they were others."""
        before = np.concatenate([np.zeros(0, np.uint64), *own.prints])[start : start + len(prints)]
        if len(before) != len(prints) or (before != prints).any():
            raise QueryError("a partition holds other rows than when it was first sent; persist the DataFrame, so that a "
                             "repeated task reads the same rows")
        return np.concatenate([np.zeros(0, np.uint16), *own.verdicts])[start : start + len(prints)]

    def rows(self, place: int, own: Decided, frames: np.ndarray) -> np.ndarray:
        """Puts a window of packets through the switch; (n,) uint16, each one's survivors. Raises QueryError."""
        count = len(frames)
        if not count or count > self.rack.window or (frames["worker"] != place).any():
            raise QueryError(f"a sender has {self.rack.window} packets outstanding at most, all of its own place")
        first = self.sequences[place]
        if (frames["sequence"] != np.arange(first, first + count)).any():
            raise QueryError("packets came in another order than that of their sequence numbers")
        verdicts, answered = np.zeros(count, np.uint16), np.zeros(count, bool)
        idle = rounds = 0
        while not answered.all():
            before = int(answered.sum())
            due = np.flatnonzero(~answered)
            with self.lock:
                replies = self._round(place, frames[due])
            rounds += len(due)
            at = replies["sequence"].astype(np.int64) - first
            replies, at = replies[(at >= 0) & (at < count)], at[(at >= 0) & (at < count)]
            verdicts[at], answered[at] = replies["valid"], True
            idle = idle + 1 if int(answered.sum()) == before else 0
            if idle == PATIENCE:
                raise QueryError(f"no packet was acknowledged in {PATIENCE} round trips: the switch is gone")
        with self.turn:
            self.sequences[place] = first + count
            own.prints.append(fingerprints(frames))
            own.verdicts.append(verdicts)
            self.traffic.packets += count
            self.traffic.repeats += rounds - count
            self.traffic.rows_sent += _ones(frames["valid"])
            self.traffic.rows_delivered += _ones(verdicts)
        return verdicts

    def _round(self, place: int, frames: np.ndarray) -> np.ndarray:
        """Acknowledgements that reach the worker, with the survivors' lanes: the switch's, and the master's."""
        out = self.rack.process([(self.rack.workers[place].port, self.link.carry(frames, self.traffic))])
        to_master = out.ports == self.rack.master.port
        answers = [self.link.carry(out.take(~to_master, HEADER), self.traffic)]
        arrived = self.link.carry(out.take(to_master & (out.lengths == FRAME.itemsize), FRAME), self.traffic)
        arrived = arrived[arrived["version_kind"] & 15 == SURVIVORS]
        if len(arrived):
            replies = self.link.carry(acknowledgements(arrived, self.rack.master), self.traffic)
            back = self.rack.process([(self.rack.master.port, replies)])
            answers.append(self.link.carry(back.take(np.ones(len(back.ports), bool), HEADER), self.traffic))
        joined = np.concatenate(answers)
        return joined[(joined["version_kind"] & 15 == ACKNOWLEDGEMENT) & (joined["worker"] == place)]

    def witness(self, hashes: np.ndarray, others: np.ndarray) -> None:
        """Raises QueryError if two keys with the same first hash have different second ones."""
        pairs: Sequence[tuple[int, int]] = list(zip(hashes.tolist(), others.tolist(), strict=True))
        with self.turn:
            for first, other in pairs:
                if self.witnesses.setdefault(first, other) != other:
                    raise QueryError("two different keys have the same 64-bit hash; the query cannot use the switch")


def _ones(masks: np.ndarray) -> int:
    return int(np.unpackbits(np.ascontiguousarray(masks.astype("<u2")).view(np.uint8)).sum())
