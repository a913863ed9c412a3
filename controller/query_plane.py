"""The query controller's side of one switch: its program, queries' entries, their registers. Blocking calls."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .entries import HOSTS
from .hosts import Host, Hosts
from .p4rt.entities import ActionCall, Encodable, RegisterEntry, TableEntry
from .p4rt.p4info import read_p4info
from .p4rt.protos import p4r
from .p4rt.register_cells import arrays as whole_arrays
from .p4rt.schema import Schema
from .p4rt.status import Code, P4RuntimeError
from .p4rt.switch import P4Switch
from .query_pool import GENERATIONS, MAX_ID, Pool, Region

QUERIES, MEMBERS, DECISION = "ingress.admission.queries", "ingress.admission.members", "ingress.decision"
CODES = {"deliver": 0, "filter": 1, "topn": 2, "distinct": 3, "group_extreme": 4, "group_sum": 5, "having": 6, "join": 7}
LANES = 16
RUNGS = 8
# Of each operator: an array that has its cells, and the arrays to clear after a query (docs/QUERIES.md says why no more).
CELLS_OF = {
    "topn": "one.largest", "distinct": "newest", "group_extreme": "owner", "group_sum": "owner",
    "having": "one.count", "join": "one.filter",
}  # fmt: skip
CLEARED = {
    "topn": ("one.largest", "two.largest", "three.largest", "four.largest"), "distinct": ("newest", "older"),
    "group_extreme": ("owner",), "group_sum": ("owner",), "having": ("one.count", "two.count"),
}  # fmt: skip
MATRIX = 2
"""In b of topn: the matrix is used (p4src/query_topn.p4)."""
FILTERS = ("one.filter", "two.filter", "three.filter")
ANSWER_SECONDS = 5.0
"""A switch that takes longer for a request than this is lost, but for loading a program or reading registers."""
TRY_SECONDS, AGAIN_SECONDS = 2.0, 0.1
_COOKIE_ONLY = p4r.GetForwardingPipelineConfigRequest.COOKIE_ONLY


class SwitchLost(Exception):
    """The switch is gone or is another one than before; the message is one sentence."""


@dataclass(frozen=True)
class Wanted:
    """A query as its master asks for it. flip, a, b, ladder: as p4src/query_<operator>.p4 has them."""

    operator: str
    master: Host
    workers: tuple[Host, ...]
    cells: int | None = None
    flip: bool = False
    a: int = 0
    b: int = 0
    ladder: tuple[int, ...] = ()


@dataclass(frozen=True)
class Names:
    """Where a program keeps an operator's registers: combined programs have them one level deeper."""

    operator: str
    schema: Schema

    @property
    def prefix(self) -> str:
        deep = f"ingress.operator.{self.operator}."
        names = [register.name for register in self.schema.registers]
        return deep if any(name.startswith(deep) for name in names) else "ingress.operator."

    def lane(self, lane: int, array: str) -> str:
        return f"{self.prefix}lane_{lane:x}.{array}"

    def lanes(self, arrays: Iterable[str]) -> list[str]:
        return [self.lane(lane, array) for array in arrays for lane in range(LANES)]

    @property
    def cells(self) -> int | None:
        """Cells of each array; 1 for an operator without arrays, None for one that the program does not have."""
        if self.operator not in CELLS_OF:
            return 1
        name = self.lane(0, CELLS_OF[self.operator])
        return self.schema.registers[name].size if name in self.schema.registers else None


@dataclass(frozen=True)
class Cells:
    """What a switch said of registers: serialised ReadResponses of whole arrays of `size` cells, by ids."""

    ids: list[int]
    size: int
    responses: list[bytes]


class QueryPlane:
    """One switch. Raises P4RuntimeError, ValueError, OSError, Refusal or SwitchLost, each one sentence."""

    def __init__(self, address: str, p4info: Path, config: Path, hosts: Hosts, *, device_id: int = 0, timeout: float = 10.0):
        self.address, self.hosts = address, hosts
        self._p4info, self._config = read_p4info(p4info), config.read_bytes()
        self._device_id, self._timeout = device_id, timeout
        self._switch: P4Switch | None = None
        self._broken: str | None = None
        self.lock = threading.RLock()
        self.pool = Pool({}, 0, 0)
        self._loads = 0
        self._cookie = 0
        self._without_matrix: set[int] = set()  # queries of topn that leave its arrays as they are
        self.on_lost = lambda reason: None

    # -- the switch --------------------------------------------------------------------------------------------

    def connect(self, patience: float | None = None) -> None:
        """Connects and loads the program, which empties all tables and registers. patience: seconds to wait for the switch,
        by default the timeout."""
        with self.lock:
            self.close()
            switch = P4Switch(self.address, device_id=self._device_id, timeout=ANSWER_SECONDS)
            try:
                if not switch.connect(self._timeout if patience is None else patience).primary:
                    raise ValueError(f"{self.address}: another controller is primary there")
                self._broken = None
                switch.on_lost = lambda error: self._lost(str(error))
                self._cookie = secrets.randbits(63)
                switch.set_pipeline(self._p4info, self._config, cookie=self._cookie)
                self._prepare(switch)
            except Exception:
                switch.close()
                raise
            self._switch = switch

    def _prepare(self, switch: P4Switch) -> None:
        schema = switch.schema
        if QUERIES not in schema.tables or DECISION not in schema.registers:
            raise ValueError("this is no query program: its P4Info has no table ingress.admission.queries")
        found = {name: Names(name, schema).cells for name in CODES}
        sizes = {name: count for name, count in found.items() if count is not None}
        self.window = schema.registers[DECISION].size // schema.tables[MEMBERS].size
        first = self.pool.first_id if self._loads else secrets.randbelow(MAX_ID) + 1  # late packets find no query of theirs
        self._loads += 1
        self.pool = Pool(sizes, schema.tables[QUERIES].size, schema.tables[MEMBERS].size, first, load=self._loads)
        ports = {host.mac: host.port for host in self.hosts.by_ip.values()}
        switch.ensure(*(TableEntry(HOSTS, {"destination": mac}, ActionCall("ingress.forward.to_port", {"egress": port}))
                        for mac, port in sorted(ports.items())))  # fmt: skip

    def _lost(self, reason: str) -> None:
        self._broken = reason
        self.on_lost(reason)

    def is_lost(self, error: Exception) -> bool:
        """Whether an error of a request says that the switch is lost; then all masters are told."""
        if not isinstance(error, P4RuntimeError):
            return isinstance(error, SwitchLost)
        if error.code not in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED):
            return False
        if self._broken is None:
            self._lost(str(error))
        return True

    def revive(self, patience: float) -> None:
        """Returns once the switch has this plane's program: at once, or after a switch that came back is loaded again. Raises
        SwitchLost after `patience` seconds."""
        until = time.monotonic() + patience
        while True:
            try:
                with self.lock:
                    if not self._has_program():
                        self.connect(min(TRY_SECONDS, max(AGAIN_SECONDS, until - time.monotonic())))
                return
            except (P4RuntimeError, OSError):
                if time.monotonic() > until:
                    raise SwitchLost(f"the switch at {self.address} has not come back within {patience:g} s") from None
            time.sleep(AGAIN_SECONDS)

    def _has_program(self) -> bool:
        """Whether the switch is there and has been neither restarted nor loaded by anybody else."""
        if self._switch is None or self._broken is not None:
            return False
        try:
            return bool(self._switch.client.get_pipeline(_COOKIE_ONLY).cookie.cookie == self._cookie)
        except P4RuntimeError:
            return False

    def _connected(self) -> P4Switch:
        if self._switch is None or self._broken is not None:
            raise SwitchLost(f"the connection to the switch is lost: {self._broken or 'it was closed'}")
        return self._switch

    def close(self) -> None:
        with self.lock:
            if self._switch is not None:
                self._switch.on_lost = None
                self._switch.close()
                self._switch = None

    # -- queries -----------------------------------------------------------------------------------------------

    def install(self, wanted: Wanted) -> Region:
        """Admits a query: all of its entries, or none. A switch that came back is loaded again first."""
        with self.lock:
            if self._switch is None or self._broken is not None:
                self.connect(ANSWER_SECONDS)
            switch = self._connected()
            region = self.pool.place(wanted.operator, len(wanted.workers), wanted.cells)
            try:
                if region.generation > GENERATIONS:
                    self._zero(switch, region, FILTERS)
                    region = self.pool.cleared(region)
                *members, query = self._entries(region, wanted)
                _insert_all(switch, members)
                try:
                    switch.insert(query)
                except P4RuntimeError:
                    switch.remove(*members)
                    raise
            except Exception:
                self.pool.give_back(region.query, [0] * len(region.windows))
                raise
            if wanted.operator == "topn" and not wanted.b & MATRIX:
                self._without_matrix.add(region.query)
            return region

    def _entries(self, region: Region, wanted: Wanted) -> Iterator[TableEntry]:
        """What admits comes last and is written last, so no packet finds half a query."""
        if region.operator == "topn":
            rungs = [*sorted(wanted.ladder, reverse=True), *[0] * RUNGS][:RUNGS]
            prefix = Names("topn", self._connected().schema).prefix
            call = ActionCall(f"{prefix}thresholds", {f"v{place}": rung for place, rung in enumerate(rungs)})
            yield TableEntry(f"{prefix}ladder", {"slot": region.slot}, call)
        for number, (host, window) in enumerate(zip(wanted.workers, region.windows, strict=True)):
            call = ActionCall("ingress.admission.member",
                              {"ingress": host.port, "source_ip": host.ip, "window_number": window})  # fmt: skip
            yield TableEntry(MEMBERS, {"query": region.query, "worker": number}, call)
        master = wanted.master
        call = ActionCall("ingress.admission.query", {
            "code": CODES[region.operator], "slot": region.slot, "first": region.first, "mask": region.cells - 1,
            "flip": 0xFFFFFFFF if wanted.flip else 0, "a": region.generation if region.operator == "join" else wanted.a,
            "b": wanted.b, "master_port": master.port, "master_mac": master.mac, "master_ip": master.ip,
        })  # fmt: skip
        yield TableEntry(QUERIES, {"query": region.query}, call)

    def remove(self, region: Region) -> None:
        """Takes a query's entries away. `clear` follows."""
        with self.lock:
            if region.load != self.pool.load:
                return
            switch = self._connected()
            keys = [TableEntry(QUERIES, {"query": region.query})]
            keys += [TableEntry(MEMBERS, {"query": region.query, "worker": n}) for n in range(len(region.windows))]
            if region.operator == "topn":
                keys.append(TableEntry(f"{Names('topn', switch.schema).prefix}ladder", {"slot": region.slot}))
            switch.remove(*keys)

    def clear(self, region: Region, sent: Sequence[int] | None) -> None:
        """Zeroes what the next owner of the query's cells must find zero, and gives them back. sent: packets of each worker;
        None where that is not known: then its window is zeroed, too."""
        with self.lock:
            untouched = region.query in self._without_matrix
            self._without_matrix.discard(region.query)
            if region.load != self.pool.load:
                return
            switch = self._connected()
            self._zero(switch, region, () if untouched else CLEARED.get(region.operator, ()))
            if region.operator == "topn":
                prefix = Names("topn", switch.schema).prefix
                switch.modify(*(RegisterEntry(f"{prefix}passed_{rung}", region.slot, 0) for rung in range(RUNGS)))
            if sent is None:
                for window in region.windows:
                    places = range(window * self.window, (window + 1) * self.window)
                    switch.modify(*(RegisterEntry(DECISION, place, 0) for place in places))
            self.pool.give_back(region.query, sent)

    def _zero(self, switch: P4Switch, region: Region, arrays: Iterable[str]) -> None:
        names = Names(region.operator, switch.schema)
        chosen = names.lanes(arrays)
        if region.cells == names.cells:
            switch.modify(*(RegisterEntry(name, None, 0) for name in chosen))
        else:
            places = range(region.first, region.first + region.cells)
            switch.modify(*(RegisterEntry(name, place, 0) for name in chosen for place in places))

    # -- registers ---------------------------------------------------------------------------------------------

    def cells(self, region: Region, arrays: Sequence[str]) -> Cells:
        """All cells of the lanes' arrays, such as "owner" or "add.mantissa", in one read. Arrays are read whole, of which
        the query may have a part: a request for each cell costs more than a hundred cells read.

        Raises SwitchLost where the switch does not have the query: then its registers are not the query's either."""
        with self.lock:
            switch = self._connected()
            if region.load != self.pool.load:
                raise SwitchLost("the switch has forgotten the query; it was restarted")
            names = Names(region.operator, switch.schema)
            lanes = names.lanes(arrays)
            entries = [RegisterEntry(name).encode(switch.schema) for name in lanes]
            responses = list(switch.client.read_bytes(entries))
            if switch.read_one(TableEntry(QUERIES, {"query": region.query})) is None:
                raise SwitchLost("the switch has forgotten the query; it was restarted")
            return Cells([switch.schema.registers[name].id for name in lanes], names.cells or 1, responses)

    def registers(self, region: Region, arrays: Sequence[str]) -> np.ndarray:
        """(arrays, 16, cells) uint64 of the query's own cells. Raises as `cells` does."""
        read = self.cells(region, arrays)
        try:
            found = whole_arrays(read.responses, read.ids, read.size)
        except ValueError as error:
            raise SwitchLost(str(error)) from None
        return found[:, region.first : region.first + region.cells].reshape(len(arrays), LANES, region.cells)


def _insert_all(switch: P4Switch, items: Sequence[Encodable]) -> None:
    """In one request; none of them where one fails."""
    try:
        switch.insert(*items)
    except P4RuntimeError as error:
        failed = {failure.index for failure in error.failures}
        if failed:
            switch.remove(*(item for place, item in enumerate(items) if place not in failed))
        raise


__all__ = ["CODES", "P4RuntimeError", "QueryPlane", "SwitchLost", "Wanted"]
