"""An executor's connection to a switch in another process: entries in, out comes which of them the switch let pass."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from workers.query.channel import WAIT_SECONDS, Address, Channel
from workers.query.pack import FRAME, Host, Stream, fingerprints, pack, valid_lanes
from workers.query.pack import Address as Route


@dataclass
class Sender:
    """One partition's pass of one query. Opened with its first packet, so an empty partition takes no place."""

    address: Address
    query: int
    partition: int
    second: bool = False
    channel: Channel = field(init=False)
    opened: dict = field(default_factory=dict)
    at: int = 0  # packets decided

    def __post_init__(self) -> None:
        self.channel = Channel(self.address)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def through(self, entries_keys: np.ndarray, values: np.ndarray, *, spread: bool = False) -> np.ndarray:
        """(n,) bool: which entries the switch let pass. entries_keys (n,) uint64, values (n,) float32."""
        if not self.opened:
            self.opened, _ = self.channel.ask("open", seconds=WAIT_SECONDS + 30, query=self.query,
                                              partition=self.partition, second=self.second)
        to = self.opened
        worker, master = (Host(*host) for host in to["hosts"])
        route = Route(to["operator"], self.query, to["worker"], self.second, worker, master)
        stream = Stream(np.arange(len(values), dtype=np.uint32), entries_keys, values)
        frames = pack(stream, route, (to["sequence"] + self.at - to["done"]) & 0xFFFFFFFF, spread)
        known = min(max(to["done"] - self.at, 0), len(frames))
        parts = []
        if known:  # a sender of this partition before us had these decided
            parts.append(self.channel.ask("again", fingerprints(frames[:known]).tobytes(), start=self.at)[1])
        for start in range(known, len(frames), to["window"]):
            parts.append(self.channel.ask("rows", frames[start : start + to["window"]].view(np.uint8).data)[1])
        self.at += len(frames)
        left = np.zeros(len(frames), FRAME)
        left["valid"] = np.frombuffer(b"".join(parts), "<u2")
        passed = np.zeros(len(values), bool)
        passed[frames["rows"]["row"][valid_lanes(left)]] = True
        return passed
