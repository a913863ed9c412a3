"""The fused form at run time: which compiled code is in use, and replacing it when small tables change.

Two versions exist: a general one that looks every table up, and one with the contents of small numeric tables
compiled in. A change of such a table puts the general one in use at once; when the control plane has been quiet
for a while, a thread compiles the contents in anew. Callers hold a pointer that never changes.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emulator.switch.jit import effort, entry, fused, program
from emulator.switch.jit.baked import MAX_STEPS, Content, present_content
from emulator.switch.jit.batches import Batch
from emulator.switch.jit.machine import Code
from emulator.switch.jit.wiring import Wiring

if TYPE_CHECKING:
    from emulator.switch.jit.engine import JitEngine

QUIET = 0.2
"""Seconds without a change before contents are compiled in."""
KEPT = 4
"""Versions kept in memory: a batch may still run in an old one."""
_ARGS = (
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int32,
    ctypes.c_void_p,
    ctypes.c_int32,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_uint64,
)


class Version:
    """One compiled form of the program."""

    def __init__(self, engine: JitEngine, baked: Mapping[int, Content]):
        self.queued = engine.queued
        shared = program.new_shared(engine.model, engine.drop_port, baked, engine.sites, self.queued)
        text = program.module_text(shared, [effort.settle(fused.build(shared))])
        self.baked = dict(baked)
        self.lines = text.count("\n")
        self.code = Code(text, (fused.NAME,), 3)
        self.wiring = Wiring(shared, engine.resolve)
        self.pair = np.array([self.code.addresses[fused.NAME], self.wiring.address], np.uint64)


class Fused:
    """`address` and `state` make a fp_process_fn call; both stay good while the engine lives."""

    def __init__(self, engine: JitEngine):
        self.engine = engine
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._dirty = False
        self._thread: threading.Thread | None = None
        self.general = Version(engine, {})
        self.current = self.general
        self._old: list[Version] = []
        self._cell = np.array([self.general.pair.ctypes.data], np.uint64)
        self._entry = Code(entry.text(), (entry.NAME,), 1)
        self.address = self._entry.addresses[entry.NAME]
        self.state = int(self._cell.ctypes.data)
        self.call = self._entry.function(entry.NAME, ctypes.c_int32, *_ARGS)
        self.table_changed(range(len(engine.model.tables)))

    # --- versions ---

    def _use(self, version: Version) -> None:
        if version is self.current:
            return
        if self.current is not self.general:
            self._old = [*self._old[1 - KEPT :], self.current]
        self.current = version
        self._cell[0] = version.pair.ctypes.data

    def queue(self) -> None:
        """Packets may have to wait from now on: code that can let them."""
        version = Version(self.engine, {})
        with self.lock:
            self._old = [*self._old[1 - KEPT :], self.general]
            self.general = version
            self._use(version)
        self.table_changed(range(len(self.engine.model.tables)))

    def refresh(self) -> None:
        """Addresses have moved."""
        with self.lock:
            for version in {id(v): v for v in (self.general, self.current)}.values():
                version.wiring.refresh()

    def table_changed(self, tables: Sequence[int]) -> None:
        """Contents changed: nothing that was compiled in may be used for them any more."""
        with self.lock:
            if any(t in self.current.baked for t in tables):
                self._use(self.general)
            if any(self._may_bake(t) for t in tables):
                self._dirty = True
                self._changed.notify_all()
                if self._thread is None and self.engine.background:
                    self._thread = threading.Thread(target=self._follow, name="jit", daemon=False)
                    self._thread.start()

    def _may_bake(self, number: int) -> bool:
        table = self.engine.control.table_list[number]
        return table.spec.kind != "exact" and 0 < len(table) <= MAX_STEPS

    def _contents(self, tables: Sequence[int]) -> dict[int, Content]:
        found = {}
        for number in tables:
            table = self.engine.control.table_list[number]
            content = None if table.spec.const_entries and table.spec.default_const else present_content(table)
            if content is not None:
                found[number] = content
        return found

    def specialise(self) -> bool:
        """Compiles the present contents of small tables in and uses the result, unless they change meanwhile.
        True when code that fits the present contents is in use."""
        tables = self.engine.control.table_list
        with self.lock:
            self._dirty = False
            contents = self._contents(range(len(tables)))
            versions = {n: tables[n].version for n in contents}
            if contents == self.current.baked:
                return True
        version = Version(self.engine, contents)
        with self.lock:
            stale = version.queued != self.engine.queued
            if stale or any(tables[n].version != v for n, v in versions.items()):
                self._dirty = True
                return False
            version.wiring.refresh()
            self._use(version)
            self._changed.notify_all()
        return True

    def wait_until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Waits, with the lock held, until `reached()` after some version came into use; False when time ran out."""
        return self._changed.wait_for(reached, seconds)

    def _follow(self) -> None:
        """Runs while there is something to compile. Not a daemon: a process must not end in the middle of LLVM."""
        while self._settled():
            try:
                self.specialise()
            except Exception:  # the general version goes on serving
                self.engine.control.state.event("specialise_failed")

    def _settled(self) -> bool:
        """Waits until the contents are quiet; False when nothing is left to do, or nobody is left to do it for."""
        with self.lock:
            while self._dirty and threading.main_thread().is_alive():
                self._dirty = False
                if not self._changed.wait_for(lambda: self._dirty, QUIET):
                    return True
            self._thread = None
            return False

    # --- batches from Python ---

    def run(self, packets: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """All that leaves, in order."""
        engine = self.engine
        batch = Batch(packets, int(engine.limits[0]), int(engine.limits[1]))
        results: list[tuple[int, bytes]] = []
        done = 0
        while done < len(packets):
            taken = batch.call(self.call, self.state, done, engine.control.clock())
            results += batch.results()
            if taken <= 0:
                engine.control.state.event("drop_output_full")
                taken = 1
            done += taken
        engine.sync_events()
        return results
