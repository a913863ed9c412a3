"""The controller's side of one switch: its program, its jobs' entries, its registers. Blocking calls.

All calls come from one thread, so writes never interleave; `on_lost` alone comes from the connection's own.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import entries
from .hosts import Hosts
from .jobs import silent_ranks
from .p4rt.client import Tls
from .p4rt.entities import Encodable, MulticastGroup, RegisterEntry, TableEntry
from .p4rt.p4info import read_p4info
from .p4rt.schema import Schema
from .p4rt.status import P4RuntimeError
from .p4rt.switch import P4Switch
from .session import Job, SilentQuery

log = logging.getLogger("fpisa.controller")


@dataclass(frozen=True)
class Target:
    """Where the switch is and what it is to run. No program: it keeps the one it has."""

    address: str
    p4info: Path | None = None
    config: Path | None = None
    device_id: int = 0
    election_id: int = 1 << 16
    tls: Tls | None = None
    timeout: float = 10.0


@dataclass(frozen=True)
class Seen:
    """What the switch remembers of a set: whose chunk it holds, and who has contributed."""

    job: int
    chunk: int
    silent: tuple[int, ...]
    reason: str = ""  # how it was found out, where that is not plain


@dataclass(frozen=True)
class Seat:
    """What a worker must know of its own switch."""

    switch_mac: str
    switch_ip: str
    first_slot: int


class Plane:
    """One switch under this controller. Raises P4RuntimeError, ValueError or OSError, each one sentence."""

    def __init__(self, target: Target, hosts: Hosts, on_lost: Callable[[str], None], pipeline: int = 0) -> None:
        """pipeline: of the switch's several, each the device of the next id."""
        self.target = replace(target, device_id=target.device_id + pipeline)
        self.hosts = hosts
        self._on_lost = on_lost
        self._switch: P4Switch | None = None
        self._p4info = read_p4info(target.p4info) if target.p4info else None
        self._config = target.config.read_bytes() if target.config else b""
        self._readable = True

    @property
    def schema(self) -> Schema:
        return self._connected().schema

    @property
    def slots(self) -> int:
        """Slots of its program."""
        return entries.slot_count(self.schema)

    def _connected(self) -> P4Switch:
        if self._switch is None:
            raise ValueError(f"the switch at {self.target.address} is not connected")
        return self._switch

    # -- the program -----------------------------------------------------------------------------------------

    def connect(self, *, fresh: bool, patience: float | None = None) -> bool:
        """Connect, load the program (when `fresh` or when the switch runs another) and install what is not a job's.
        patience: seconds to wait for the switch, where that is not the target's timeout. Returns whether the switch
        still runs the program that this controller loaded, and so remembers its registers."""
        self.close()
        target = self.target
        switch = P4Switch(
            target.address,
            device_id=target.device_id,
            election_id=target.election_id,
            tls=target.tls,
            timeout=target.timeout,
        )
        self._switch = switch
        try:
            election = switch.connect(patience)
            if not election.primary:
                raise ValueError(
                    f"{target.address}: another controller is primary there with election id {election.primary_id}"
                )
            switch.on_lost = lambda error: self._on_lost(str(error))
            return self._prepare(switch, fresh)
        except Exception:
            self.close()
            raise

    def _prepare(self, switch: P4Switch, fresh: bool) -> bool:
        cookie = int.from_bytes(hashlib.sha256(self._config).digest()[:8], "big")
        loaded = False
        if self._p4info is not None and (fresh or self._cookie(switch) != cookie):
            switch.set_pipeline(self._p4info, self._config, cookie=cookie)
            loaded = True
        entries.check_program(switch.schema)
        if not loaded:
            self._remove_jobs(switch)
        items, default = entries.forwarding(self.hosts)
        switch.ensure(*entries.program_entries(switch.schema))
        switch.ensure(*items)
        switch.modify(default)
        return self._p4info is not None and not loaded

    def _cookie(self, switch: P4Switch) -> int | None:
        try:
            config = switch.client.get_pipeline()
        except P4RuntimeError as error:
            if error.is_pipeline_missing:
                return None
            raise
        return config.cookie.cookie if config.HasField("cookie") else None

    def _remove_jobs(self, switch: P4Switch) -> None:
        """Take away what an earlier controller left; admission first, so nothing is half there."""
        for table in entries.job_tables(switch.schema):
            switch.remove(*switch.read(TableEntry(table)))
        groups = [g for g in switch.read(MulticastGroup()) if g.id != entries.FLOOD_GROUP]
        switch.remove(*(MulticastGroup(g.id) for g in groups))

    def clear_jobs(self) -> None:
        """Take away every job's entries."""
        self._remove_jobs(self._connected())

    def close(self) -> None:
        if self._switch is not None:
            self._switch.on_lost = None
            self._switch.close()
            self._switch = None

    # -- jobs ------------------------------------------------------------------------------------------------

    def seat(self, job: Job, rank: int) -> Seat:
        return Seat(self.hosts.switch_mac, self.hosts.switch_ip, job.first_slot)

    def install(self, job: Job) -> None:
        """All of a job's entries, or none: what was written is taken back when something is refused."""
        self.write(entries.job_entries(job))

    def write(self, items: Iterable[Encodable]) -> None:
        """As `install`, of any entries."""
        switch = self._connected()
        done: list[Encodable] = []
        try:
            for item in items:
                switch.ensure(item)
                done.append(item)
        except P4RuntimeError:
            self._undo(switch, done)
            raise

    def _undo(self, switch: P4Switch, done: list[Encodable]) -> None:
        for item in reversed(done):
            try:
                switch.remove(item)
            except P4RuntimeError as error:
                log.warning("could not take back %s: %s", item, error)
                return

    def release(self, job: Job) -> None:
        self.take_back(entries.job_entries(job))

    def take_back(self, items: list[Encodable]) -> None:
        """Remove entries, the last one first."""
        switch = self._connected()
        for item in reversed(items):
            switch.remove(item)

    # -- registers -------------------------------------------------------------------------------------------

    def remembered_jobs(self) -> set[int]:
        """Job ids that the switch's registers still hold; empty where registers cannot be read."""
        cells = [cell for name in entries.ROUNDS for cell in self._read(RegisterEntry(name)) or ()]
        return {cell.value >> 32 for cell in cells if cell.value}

    def seen(self, job: Job, rank: int, query: SilentQuery) -> Seen | None:
        """What the set of a silent query holds; None where registers cannot be read. rank: the asker's."""
        return self.look(range(job.workers), query.pool_index)

    def look(self, ranks: Iterable[int], pool_index: int) -> Seen | None:
        """What a set holds, and which of `ranks` have not contributed; None where registers cannot be read."""
        slot = pool_index >> 1
        rounds = self._read(RegisterEntry(entries.ROUNDS[pool_index & 1], slot))
        bitmaps = self._read(RegisterEntry(entries.SEEN, slot))
        if not rounds or not bitmaps:
            return None
        held = rounds[0].value
        silent = silent_ranks(ranks, bitmaps[0].value, pool_index, entries.most_workers(self.schema))
        return Seen(held >> 32, held & 0xFFFFFFFF, silent)

    def _read(self, pattern: RegisterEntry) -> list[Any] | None:
        if not self._readable:
            return None
        try:
            return list(self._connected().read(pattern))
        except P4RuntimeError as error:
            if error.is_unimplemented or error.code.name == "UNKNOWN":
                self._readable = False
                log.warning("the switch has no registers over P4Runtime; silent workers are told by connection")
                return None
            raise
