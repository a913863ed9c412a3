"""The worker engine in C from Python: window, timers and retransmission without Python per packet.

    engine = NativeEngine(seat, interface="eth0")
    flags = engine.allreduce(array, RAW)

`emulator/native/worker.h` is the contract. The interpreter's lock is released while packets move.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emulator.native import lib_and_ffi
from emulator.native.pool import Pool

RAW, SWAPPED, QUANTISED = 0, 1, 2
"""Representations: values as they lie in memory; int32 with bytes swapped; float32 as SwitchML's scaled
integers."""
SLICE_MS = 100
_STATUS_AGAIN, _OVERDUE, _FAILED, _CANCELLED, _UNREPRESENTABLE = 1, -1, -2, -3, -4


class NativeEngineError(Exception):
    """The engine or its transport failed; one sentence."""


class Cancelled(NativeEngineError):
    """cancel() was called while an all-reduce was under way."""


class Unrepresentable(ValueError):
    """QUANTISED: an infinity, a NaN or a magnitude of 2^127 and more. Nothing was sent; the engine is as it
    was."""


class ChunkOverdue(NativeEngineError):
    """A chunk stayed unanswered past the deadline."""

    def __init__(self, pool_index: int, chunk: int, seconds: float) -> None:
        super().__init__(f"chunk {chunk} has been without an answer for {seconds:g} s")
        self.pool_index, self.chunk, self.seconds = pool_index, chunk, seconds


@dataclass(frozen=True)
class NativeSeat:
    """A worker's place in a job and how it is reached. MACs are 6 bytes, IPv4 addresses integers. format:
    code of docs/PROTOCOL.md; value_bytes: of one value. slots are shared by the queues; results of queue q
    come to udp_port + q. window: most chunks under way per queue, 0 for all its slots, and fewer where measurement says
    that fewer fill the path (window_size.c); below 0 always all. resumable: somebody
    will call halt() and resume() when the switch has been restarted; until then a shared-memory port that is
    gone is waited for. Times in seconds."""

    job: int
    rank: int
    workers: int
    first_slot: int
    slots: int
    queues: int
    format: int
    elements: int
    value_bytes: int
    udp_port: int
    source_mac: bytes
    source_ip: int
    switch_mac: bytes
    switch_ip: int
    switch_port: int = 18000
    window: int = 0
    initial_timeout: float = 0.010
    shortest_timeout: float = 0.0005
    longest_timeout: float = 0.5
    deadline: float = 8.0
    resumable: bool = False

    def options(self) -> dict[str, Any]:
        """The fields of struct fpw_options."""
        same = (
            "job rank workers first_slot slots queues format elements value_bytes udp_port "
            "source_ip switch_ip switch_port window resumable"
        )
        found: dict[str, Any] = {name: getattr(self, name) for name in same.split()}
        found["source_mac"], found["switch_mac"] = list(self.source_mac), list(self.switch_mac)
        for name in ("initial", "shortest", "longest"):
            found[f"{name}_us"] = max(1, round(getattr(self, f"{name}_timeout") * 1e6))
        found["deadline_ms"] = max(1, round(self.deadline * 1e3))
        return found


def set_vectors(width: int) -> int:
    """How QUANTISED and SWAPPED convert from now on in this process: 0 one value at a time, 1 AVX2, 2 AVX-512, -1 the
    widest there is (the default). Returns what will be used. Raises RuntimeError without the C part."""
    lib, _ = lib_and_ffi()
    return int(lib.fpw_set_vectors(width))


@dataclass(frozen=True)
class Result:
    """A chunk's result between workers: its payload's values as they lie in memory, the agreed scale (QUANTISED; else
    0), and at least its flags."""

    queue: int
    chunk: int
    values: bytes
    scale: float
    flags: int


class NativeEngine:
    """All-reduces of one worker in one job, one after another, through a packet socket on an interface or a
    switch's shared-memory ports (path of a Unix socket for queue 0, with ".q" appended for queue q). watch:
    called every 100 ms while one is under way; what it raises ends the all-reduce (and the engine). Raises
    NativeEngineError where the interface cannot be opened."""

    def __init__(
        self,
        seat: NativeSeat,
        *,
        interface: str | None = None,
        memory: str | None = None,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        if (interface is None) == (memory is None):
            raise ValueError("give either an interface or a shared-memory port")
        try:
            self._lib, self._ffi = lib_and_ffi()
        except RuntimeError as error:
            raise NativeEngineError(str(error)) from None
        self.seat, self.watch = seat, watch
        self.pools: list[Pool] = []
        self._error = self._ffi.new("char[256]")
        try:
            options = self._ffi.new("struct fpw_options *", seat.options())
        except OverflowError as error:
            raise NativeEngineError(f"a value of the seat is out of range: {error}") from None
        if interface is not None:
            self._engine = self._lib.fpw_open_interface(options, interface.encode(), self._error)
        else:
            self._engine = self._lib.fpw_open_memory(options, str(memory).encode(), self._error)
        if self._engine == self._ffi.NULL:
            raise NativeEngineError(self._sentence())

    def _sentence(self) -> str:
        return str(self._ffi.string(self._error).decode(errors="replace"))

    def register(self, pool: Pool) -> None:
        """From now on RAW arrays in the pool travel without being copied here. Between all-reduces; a pool serves one engine
        until that is closed. Raises NativeEngineError where it serves another, or where transport or switch take none; the
        engine then goes on and copies."""
        if self._engine == self._ffi.NULL:
            raise NativeEngineError("the engine is closed")
        if self._lib.fpw_register(self._engine, pool.raw, self._error):
            raise NativeEngineError(self._sentence())
        self.pools.append(pool)

    def allreduce(self, array: np.ndarray, representation: int = RAW) -> int:
        """Replaces the values by their sum over all workers; returns the flags ORed (bit 0 inexact, 1
        overflow, 2 invalid).

        array: contiguous and writable, of the seat's value size. Raises ChunkOverdue, Cancelled,
        Unrepresentable, NativeEngineError, ValueError for an array that does not fit, and whatever watch
        raises."""
        if self._engine == self._ffi.NULL:
            raise NativeEngineError("the engine is closed")
        if not (array.flags.c_contiguous and array.flags.writeable):
            raise ValueError("the array must be contiguous and writable")
        if array.dtype.itemsize != self.seat.value_bytes:
            raise ValueError(f"the job's values have {self.seat.value_bytes} bytes, not {array.dtype.itemsize}")
        values = self._ffi.cast("void *", array.ctypes.data)
        status = self._lib.fpw_begin(self._engine, values, array.size, representation, self._error)
        if status == _UNREPRESENTABLE:
            raise Unrepresentable(
                "block-quantised integers cannot carry infinities, NaN or magnitudes of 2^127 and more"
            )
        if status < 0:
            raise NativeEngineError(self._sentence())
        return self._finish(status)

    def _finish(self, status: int) -> int:
        flags = self._ffi.new("int32_t *")
        try:
            while status == _STATUS_AGAIN:
                status = self._lib.fpw_step(self._engine, SLICE_MS, flags, self._error)
                if status == _STATUS_AGAIN:
                    self.watch()
        except BaseException:
            self._abandon(flags)
            raise
        if status == _OVERDUE:
            pool_index, chunk = self._ffi.new("uint32_t *"), self._ffi.new("uint32_t *")
            self._lib.fpw_overdue(self._engine, pool_index, chunk)
            raise ChunkOverdue(int(pool_index[0]), int(chunk[0]), self.seat.deadline)
        if status == _CANCELLED:
            raise Cancelled("the all-reduce was cancelled")
        if status < 0:
            raise NativeEngineError(self._sentence())
        return int(flags[0])

    def _abandon(self, flags: Any) -> None:
        """Ends an all-reduce under way, so that no thread touches the array any more."""
        self._lib.fpw_cancel(self._engine)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            if self._lib.fpw_step(self._engine, SLICE_MS, flags, self._error) != _STATUS_AGAIN:
                return

    def cancel(self) -> None:
        """From any thread: the all-reduce under way raises Cancelled; the engine is of no more use."""
        if self._engine != self._ffi.NULL:
            self._lib.fpw_cancel(self._engine)

    # ---- over the switch's restart: worker.h, fpw_halt ----

    def halt(self) -> None:
        """From `watch`, or between all-reduces: no thread sends or receives until resume(), nor does the old switch write
        results. Raises NativeEngineError where it may still do so."""
        if self._lib.fpw_halt(self._engine, self._error):
            raise NativeEngineError(self._sentence())

    def progress(self) -> list[list[int]]:
        """For each queue, the first unanswered chunk of each of its slots. Only between halt() and resume()."""
        found = []
        for queue in range(self.seat.queues):
            numbers = self._ffi.new("uint32_t[]", self.seat.slots)
            count = self._lib.fpw_progress(self._engine, queue, numbers, self.seat.slots)
            found.append([int(numbers[i]) for i in range(count)])
        return found

    def give(self, queue: int, chunk: int) -> Result:
        """What this worker has got for a chunk. Raises NativeEngineError where it has not."""
        values = self._ffi.new("uint8_t[]", self.seat.elements * self.seat.value_bytes)
        scale, flags = self._ffi.new("float *"), self._ffi.new("int32_t *")
        if self._lib.fpw_export(self._engine, queue, chunk, values, scale, flags):
            raise NativeEngineError(f"the result of chunk {chunk} is no longer here")
        return Result(queue, chunk, bytes(self._ffi.buffer(values)), float(scale[0]), int(flags[0]))

    def take(self, result: Result) -> None:
        """Another worker's result as if the switch had sent it. Raises NativeEngineError where none is awaited."""
        if len(result.values) != self.seat.elements * self.seat.value_bytes or self._lib.fpw_import(
            self._engine, result.queue, result.chunk, result.values, result.scale, result.flags
        ):
            raise NativeEngineError(f"no result of chunk {result.chunk} is awaited")

    def resume(self, job: int) -> None:
        """Goes on as job `job`; what was under way is sent once more."""
        if self._lib.fpw_resume(self._engine, job, self._error):
            raise NativeEngineError(self._sentence())

    @property
    def stats(self) -> dict[str, int]:
        """Counts since the engine was made: packets, bytes, and nanoseconds of processor time (cpu; of it
        convert, copy and syscall) over all threads, and of wall time inside allreduce; after close() the last."""
        if self._engine == self._ffi.NULL:
            return dict(self._last_stats)
        raw = self._ffi.new("struct fpw_stats *")
        self._lib.fpw_get_stats(self._engine, raw)
        return {name: int(getattr(raw, name)) for name, _ in self._ffi.typeof("struct fpw_stats").fields}

    def close(self) -> None:
        """Frees sockets and memory; also twice."""
        if self._engine != self._ffi.NULL:
            self._last_stats = self.stats
            self._lib.fpw_close(self._engine)
            self._engine = self._ffi.NULL
            self.pools.clear()

    def __enter__(self) -> NativeEngine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
