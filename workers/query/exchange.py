"""A phase of a query: every worker's rows through the switch, survivors to the master, each exactly once.

A worker keeps at most a window of packets outstanding and sends those again that nobody acknowledged within a round
trip. The switch answers a repeated packet as it did the first time; the master takes each survivor packet once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from workers.query.codes import OPERATORS
from workers.query.errors import QueryError
from workers.query.pack import (
    ACKNOWLEDGEMENT,
    FRAME,
    HEADER,
    SURVIVORS,
    Address,
    Stream,
    acknowledgements,
    pack,
    valid_lanes,
)

if TYPE_CHECKING:
    from workers.query.rack import Rack

CHUNK = 1 << 18
"""Rows of a worker that are packets at a time: 5 MiB of frames."""
PATIENCE = 200
"""Round trips without any acknowledgement after which a peer counts as dead."""


@dataclass
class Traffic:
    """What a query has sent: packets and rows counted once however often they were repeated."""

    rows_sent: int = 0
    rows_delivered: int = 0
    packets: int = 0
    delivered_packets: int = 0
    repeats: int = 0
    lost: int = 0
    seconds: float = 0.0

    @property
    def rows_pruned(self) -> int:
        """Rows that never reached the master: dropped, or held in registers."""
        return self.rows_sent - self.rows_delivered


@dataclass
class Survivors:
    """Rows that reached the master: workers (n,), rows (n,), keys (n,), values (n,)."""

    workers: np.ndarray
    rows: np.ndarray
    keys: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, worker: int) -> np.ndarray:
        """Row ids of one worker, ascending."""
        return np.sort(self.rows[self.workers == worker])


@dataclass
class Link:
    """Loses packets at random, each with the given probability. traffic.lost counts them."""

    loss: float = 0.0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def carry(self, frames: np.ndarray, traffic: Traffic) -> np.ndarray:
        if not self.loss or not len(frames):
            return frames
        kept = frames[self.rng.random(len(frames)) >= self.loss]
        traffic.lost += len(frames) - len(kept)
        return kept


@dataclass
class Phase:
    """One pass of rows over a rack. sequences: each worker's next sequence number, kept across phases."""

    rack: Rack
    query: int
    sequences: list[int]
    traffic: Traffic
    link: Link

    def run(self, streams: Sequence[Stream], *, second: bool = False) -> Survivors:
        """Sends all rows; returns what reached the master. Raises QueryError when nobody answers any more."""
        start = time.perf_counter()
        chunks = max([-(-len(s) // CHUNK) for s in streams], default=0)
        found: list[Survivors] = []
        for number in range(chunks):
            parts = [s.part(number * CHUNK, (number + 1) * CHUNK) for s in streams]
            self._chunk(parts, second, found)
        self.traffic.rows_sent += sum(map(len, streams))
        joined = [np.concatenate([getattr(s, name) for s in found]) if found else np.zeros(0, dtype)
                  for name, dtype in (("workers", "u1"), ("rows", "u4"), ("keys", "u8"), ("values", "f4"))]
        survivors = Survivors(*joined)
        self.traffic.rows_delivered += len(survivors)
        self.traffic.seconds += time.perf_counter() - start
        return survivors

    def _chunk(self, parts: Sequence[Stream], second: bool, found: list[Survivors]) -> None:
        spread = self.rack.operator in ("filter", "topn")
        code = OPERATORS[self.rack.operator]
        frames, open_, taken = [], [], []
        for worker, part in enumerate(parts):
            address = Address(code, self.query, worker, second, self.rack.workers[worker], self.rack.master)
            frames.append(pack(part, address, self.sequences[worker], spread))
            open_.append(np.ones(len(frames[-1]), bool))
            taken.append(np.zeros(len(frames[-1]), bool))
            self.traffic.packets += len(frames[-1])
        idle = sent = 0
        while any(o.any() for o in open_):
            before = sum(int(o.sum()) for o in open_)
            sent += self._round(frames, open_, taken, found)
            idle = idle + 1 if sum(int(o.sum()) for o in open_) == before else 0
            if idle == PATIENCE:
                raise QueryError(f"no packet was acknowledged in {PATIENCE} round trips: the switch or master is gone")
        self.traffic.repeats += sent - sum(map(len, frames))
        for worker, own in enumerate(frames):
            self.sequences[worker] += len(own)

    def _round(self, frames: list[np.ndarray], open_: list[np.ndarray], taken: list[np.ndarray],
               found: list[Survivors]) -> int:
        """One round trip: what the windows allow goes out, acknowledgements come back. Returns packets sent."""
        batches, sent = [], 0
        for worker, host in enumerate(self.rack.workers):
            if not open_[worker].any():
                continue
            base = int(open_[worker].argmax())
            due = base + np.flatnonzero(open_[worker][base : base + self.rack.window])
            sent += len(due)
            batches.append((host.port, self.link.carry(frames[worker][due], self.traffic)))
        out = self.rack.process(batches)
        to_master = out.ports == self.rack.master.port
        self.traffic.delivered_packets += int(to_master.sum())
        self._acknowledged(self.link.carry(out.take(~to_master, HEADER), self.traffic), open_)
        arrived = self.link.carry(out.take(to_master & (out.lengths == FRAME.itemsize), FRAME), self.traffic)
        arrived = arrived[arrived["version_kind"] & 15 == SURVIVORS]
        if len(arrived):
            self._collect(arrived, taken, found)
            replies = self.link.carry(acknowledgements(arrived, self.rack.master), self.traffic)
            back = self.rack.process([(self.rack.master.port, replies)])
            self._acknowledged(self.link.carry(back.take(np.ones(len(back.ports), bool), HEADER), self.traffic), open_)
        return sent

    def _acknowledged(self, replies: np.ndarray, open_: list[np.ndarray]) -> None:
        replies = replies[replies["version_kind"] & 15 == ACKNOWLEDGEMENT]
        for worker in np.unique(replies["worker"]):
            own = replies["sequence"][replies["worker"] == worker].astype(np.int64) - self.sequences[worker]
            open_[worker][own[(own >= 0) & (own < len(open_[worker]))]] = False

    def _collect(self, arrived: np.ndarray, taken: list[np.ndarray], found: list[Survivors]) -> None:
        """The master's side: each survivor packet once."""
        for worker in np.unique(arrived["worker"]):
            own = arrived[arrived["worker"] == worker]
            place = own["sequence"].astype(np.int64) - self.sequences[worker]
            fresh = (place >= 0) & (place < len(taken[worker]))
            own, place = own[fresh], place[fresh]
            _, first = np.unique(place, return_index=True)
            own, place = own[first], place[first]
            new = ~taken[worker][place]
            taken[worker][place] = True
            own = own[new]
            entries = own["rows"][valid_lanes(own)]
            number = np.full(len(entries), worker, np.uint8)
            native = [entries[name].astype(entries[name].dtype.newbyteorder("=")) for name in ("row", "key", "value")]
            found.append(Survivors(number, *native))
