"""A rack in one process: the compiled switch with an operator's program, fed from memory, and its control plane."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emulator.compiler.api import compile_file
from emulator.switch.switch import Switch
from workers.query.codes import DELIVER, GUARD_BITS, MAX_QUERIES, MAX_WORKERS, OPERATORS, PROGRAMS, WINDOW
from workers.query.errors import QueryError
from workers.query.pack import FRAME, LANES, Host

RECORD = np.dtype([("data", "<u8"), ("length", "<u4"), ("port", "<u2"), ("flags", "<u2")])
ARGUMENTS = (
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32,
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64,
)  # fmt: skip


@dataclass(frozen=True)
class Region:
    """What a query owns on the switch: its number, cells first..first+cells-1 of every lane, one window a worker."""

    query: int
    slot: int
    first: int
    cells: int
    windows: tuple[int, ...]


@dataclass
class Outputs:
    """Frames that left: ports (n,) and lengths (n,), and the bytes of those that are `kind` by take()."""

    ports: np.ndarray
    lengths: np.ndarray
    starts: np.ndarray
    arena: np.ndarray

    def take(self, chosen: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Frames of the boolean mask `chosen`, (m,) of `dtype`; longer ones are cut."""
        windows = np.lib.stride_tricks.sliding_window_view(self.arena, dtype.itemsize)
        return np.ascontiguousarray(windows[self.starts[chosen]]).view(dtype).reshape(-1)


@dataclass
class Rack:
    """A switch running one operator. hosts: the master first, then the workers."""

    operator: str
    switch: Switch
    master: Host
    workers: tuple[Host, ...]
    cells: int
    window: int
    _regions: dict[int, Region] = field(default_factory=dict)

    @classmethod
    def build(cls, operator: str, workers: int, *, cells: int = 4096, window: int = WINDOW, engine: str = "jit",
              defines: Mapping[str, Any] | None = None) -> Rack:
        """Compiles p4src/query_<operator>.p4 and connects `workers` hosts and a master to it.

        cells: of each register array of a lane, a power of two up to 2^18. Raises QueryError."""
        if not 1 <= workers <= MAX_WORKERS:
            raise QueryError(f"a query takes 1 to {MAX_WORKERS} workers, not {workers}")
        if cells & (cells - 1) or not 2 <= cells <= 1 << 18:
            raise QueryError(f"cells must be a power of two from 2 to 262144, not {cells}")
        names = {"CELLS": cells, "WINDOW": window, "GUARD_BITS": GUARD_BITS, **(defines or {})}
        compiled = compile_file(PROGRAMS / f"query_{operator}.p4", defines=names)
        if compiled.json is None:
            raise QueryError(f"the program of operator {operator} does not compile:\n{compiled.text()}")
        switch = Switch.load(compiled.json, engine=engine)  # type: ignore[arg-type]
        hosts = [Host(port, 0x020000000000 + port, 0x0A000000 + port) for port in range(1, workers + 2)]
        for host in hosts:
            switch.control.tables["ingress.forward.hosts"].insert((host.mac,), "ingress.forward.to_port", (host.port,))
        return cls(operator, switch, hosts[0], tuple(hosts[1:]), cells, window)

    # ---- control plane ----

    def install(self, query: int, *, cells: int | None = None, flip: bool = False, a: int = 0, b: int = 0,
                ladder: Sequence[int] = ()) -> Region:
        """Admits a query and its workers to cells of its own. Raises QueryError when there is no room."""
        if query in self._regions:
            raise QueryError(f"query {query} is installed already")
        cells = self.cells if cells is None else cells
        a = 1 if self.operator == "join" else a  # the filter's cells are cleared below
        first = self._space(cells)
        slot = self._free(range(MAX_QUERIES), {r.slot for r in self._regions.values()}, "queries")
        used = {w for r in self._regions.values() for w in r.windows}
        windows = []
        for _ in self.workers:
            windows.append(self._free(range(MAX_WORKERS), used, "workers"))
            used.add(windows[-1])
        region = Region(query, slot, first, cells, tuple(windows))
        tables = self.switch.control.tables
        self.clear(region)
        with self.switch.control.batch():
            if self.operator == "topn":
                rungs = [*sorted(ladder, reverse=True), *[0] * 8][:8]
                tables["ingress.operator.ladder"].insert((slot,), "ingress.operator.thresholds", tuple(rungs))
            for worker, host in enumerate(self.workers):
                tables["ingress.admission.members"].insert(
                    (query, worker), "ingress.admission.member", (host.port, host.ip, windows[worker])
                )
            master = (self.master.port, self.master.mac, self.master.ip)
            values = (OPERATORS[self.operator], slot, first, cells - 1, 0xFFFFFFFF if flip else 0, a, b, *master)
            tables["ingress.admission.queries"].insert((query,), "ingress.admission.query", values)
        self._regions[query] = region
        return region

    def remove(self, query: int) -> None:
        """Takes a query's entries away and clears its cells."""
        region = self._regions.pop(query)
        tables = self.switch.control.tables
        with self.switch.control.batch():
            table = tables["ingress.admission.queries"]
            table.delete(_handle(table, (query,)))
            table = tables["ingress.admission.members"]
            for worker in range(len(self.workers)):
                table.delete(_handle(table, (query, worker)))
            if self.operator == "topn":
                table = tables["ingress.operator.ladder"]
                table.delete(_handle(table, (region.slot,)))
        self.clear(region)

    def region(self, query: int) -> Region:
        """What an installed query owns."""
        return self._regions[query]

    def clear(self, region: Region) -> None:
        """Zeroes what a query owns."""
        for name, array in self.switch.control.registers.items():
            if name == "ingress.decision":
                for window in region.windows:
                    array.data[window * self.window : (window + 1) * self.window] = 0
            elif name.startswith("ingress.operator.passed_"):
                array.data[region.slot] = 0
            else:
                array.data[region.first : region.first + region.cells] = 0

    def registers(self, region: Region, name: str) -> np.ndarray:
        """(16, cells) of the lanes' register array `name`, such as "owner" or "add.mantissa"; a copy."""
        arrays = self.switch.control.registers
        lanes = [arrays[f"ingress.operator.lane_{lane:x}.{name}"].data for lane in range(LANES)]
        return np.stack([data[region.first : region.first + region.cells] for data in lanes])

    def arrays(self, region: Region, names: Sequence[str]) -> list[np.ndarray]:
        """`registers` of each name."""
        return [self.registers(region, name) for name in names]

    def _space(self, cells: int) -> int:
        if cells & (cells - 1) or cells < 1:
            raise QueryError(f"a query's cells must be a power of two, not {cells}")
        taken = {(r.first, r.first + r.cells) for r in self._regions.values()}
        for first in range(0, self.cells - cells + 1, cells):
            if all(first + cells <= low or high <= first for low, high in taken):
                return first
        raise QueryError(f"the switch has no {cells} cells left for another query")

    @staticmethod
    def _free(numbers: range, used: set[int], what: str) -> int:
        for number in numbers:
            if number not in used:
                return number
        raise QueryError(f"the switch holds no more than {len(numbers)} {what}")

    # ---- data plane ----

    def process(self, batches: Sequence[tuple[int, np.ndarray]]) -> Outputs:
        """Sends frames into the switch: (port, (n,) records of one dtype) each, and returns all that leaves."""
        count = sum(len(frames) for _, frames in batches)
        records = np.zeros(max(count, 1), RECORD)
        keep, at = [], 0
        for port, frames in batches:
            data = np.concatenate([frames.view(np.uint8).reshape(-1), np.zeros(64, np.uint8)])
            keep.append(data)
            part = records[at : at + len(frames)]
            part["data"] = data.ctypes.data + frames.dtype.itemsize * np.arange(len(frames), dtype=np.uint64)
            part["length"], part["port"] = frames.dtype.itemsize, port
            at += len(frames)
        arena = np.zeros((count + 16) * (FRAME.itemsize + 128), np.uint8)
        out = np.zeros(count + 16, RECORD)
        left = np.zeros(1, np.int32)
        address, state = self.switch.engine.native_process()  # type: ignore[attr-defined]
        function = ctypes.CFUNCTYPE(ctypes.c_int32, *ARGUMENTS)(address)
        done = function(state, records.ctypes.data, count, out.ctypes.data, len(out), left.ctypes.data,
                        arena.ctypes.data, arena.nbytes, self.switch.clock())
        if done != count:
            raise QueryError(f"the switch took {done} packets of a batch of {count}")
        out = out[: int(left[0])]
        starts = (out["data"] - np.uint64(arena.ctypes.data)).astype(np.int64)
        return Outputs(out["port"].astype(np.int64), out["length"].astype(np.int64), starts, arena)


def _handle(table: Any, key: tuple[int, ...]) -> int:
    handle = table.find(key)
    if handle is None:
        raise QueryError(f"the switch has lost an entry of table {table.name}; was it restarted?")
    return int(handle)


__all__ = ["ARGUMENTS", "DELIVER", "GUARD_BITS", "OPERATORS", "PROGRAMS", "RECORD", "WINDOW", "Outputs", "Rack", "Region"]
