"""Operators' session over a real network: queries installed through the controller, rows sent by worker processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workers.query.codes import DELIVER, OPERATORS
from workers.query.exchange import Survivors, Traffic
from workers.query.net.control import Control, Installed
from workers.query.net.crew import Crew, RemoteScan
from workers.query.net.native import Receiver
from workers.query.pack import LANES

LOADING_PHASE = ("join", "having")
"""Operators whose first phase only fills the switch's registers."""


@dataclass
class NetSession:
    """What the operators of one query share, as `operators.Session`. master, hosts: IPv4 addresses.

    pruning: whether the switch drops anything; without it every row goes to the master."""

    control: Control
    receiver: Receiver
    crew: Crew
    master: str
    hosts: Sequence[str]
    cells: int | None = None
    pruning: bool = True
    traffic: Traffic = field(default_factory=Traffic)
    query: int = 0
    heard: Callable[[str], None] = lambda what: None

    @property
    def workers(self) -> int:
        return len(self.hosts)

    @contextmanager
    def phase(self, operator: str, **parameters: Any) -> Iterator[tuple[NetRack, NetPhase]]:
        """An installed query; its entries are gone afterwards."""
        asked = operator if self.pruning else "deliver"
        installed = self.control.install(
            asked, self.master, self.hosts, cells=self.cells, **parameters if self.pruning else {}
        )
        self.query = installed.query
        phase = NetPhase(self, operator, installed)
        try:
            self.receiver.expect(installed.query, phase.code, installed.before)
            yield NetRack(self, operator, installed), phase
        except BaseException:
            self.control.forget(installed.query)
            raise
        else:
            self.control.remove(installed.query, phase.sent)


@dataclass
class NetRack:
    """The registers of an installed query."""

    session: NetSession
    operator: str
    installed: Installed

    def region(self, query: int) -> Installed:
        return self.installed

    def arrays(self, region: Installed, names: Sequence[str]) -> list[np.ndarray]:
        """(16, cells) of each of the lanes' register arrays, in one read; zeros where nothing was pruned."""
        if not self.session.pruning:
            return [np.zeros((LANES, 1), np.uint64) for _ in names]
        return list(self.session.control.registers(region.query, names))


class NetPhase:
    """Rows of all workers through the switch, side by side; survivors at the receiver."""

    def __init__(self, session: NetSession, operator: str, installed: Installed) -> None:
        self.session, self.operator, self.installed = session, operator, installed
        self.code = OPERATORS[operator] if session.pruning else DELIVER
        self.sent = [0] * len(installed.before)

    def run(self, streams: Sequence[RemoteScan], *, second: bool = False) -> Survivors:
        """Sends all rows; returns what reached the master. Raises QueryError when somebody is gone."""
        session, traffic = self.session, self.session.traffic
        if not session.pruning and self.operator in LOADING_PHASE and not second:
            return Survivors(np.zeros(0, np.uint8), np.zeros(0, np.uint32), np.zeros(0, np.uint64), np.zeros(0, np.float32))
        for stream in streams:
            len(stream)  # the scan is over; what follows is the switch's time
        session.heard("sending")
        start = time.perf_counter()
        replies = session.crew.gather([self._ask(stream, second) for stream in streams])
        for number, (message, _) in enumerate(replies):
            self.sent[number] += int(message["packets"])
            traffic.packets += int(message["packets"])
        found, packets = session.receiver.take()
        traffic.delivered_packets += packets
        traffic.rows_sent += sum(map(len, streams))
        traffic.rows_delivered += len(found)
        traffic.seconds += time.perf_counter() - start
        return found

    def _ask(self, stream: RemoteScan, second: bool) -> Any:
        number = stream.worker.number
        first = (self.installed.before[number] + self.sent[number] + 1) & 0xFFFFFFFF
        spread = self.operator in ("filter", "topn") or not self.session.pruning
        return stream.worker.ask({"op": "send", "id": stream.id, "send": {
            "query": self.installed.query, "operator": self.code, "worker": number, "second": second,
            "spread": spread, "first_sequence": first,
        }})  # fmt: skip
