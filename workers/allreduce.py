"""The all-reduce client: an array goes in, the sum over all workers comes out, in the same memory."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from controller.session import JoinRequest, Silent
from emulator.native.pool import Pool, PoolError
from workers import wire
from workers.engine import Engine, Overdue, PythonEngine, Seat, Stats
from workers.join import Membership, PeerLost, join
from workers.represent import Representation, RepresentationError
from workers.resume import refuse
from workers.transport import RawSocket, Transport, TransportError, interface_address
from workers.window import Timing

Array = NDArray[Any]

# The NumPy type of a frame's value, by wire format, and the array types that may be seen as it.
NATIVE: dict[str, np.dtype[Any]] = {
    "int32": np.dtype(np.int32),
    "fp32": np.dtype(np.uint32),
    "fp16": np.dtype(np.uint16),
    "bf16": np.dtype(np.uint16),
    "fp8_e4m3": np.dtype(np.uint8),
    "fp8_e5m2": np.dtype(np.uint8),
}
FLOATS = {"fp32": "float32", "fp16": "float16"}
FLAG_NAMES = {wire.INEXACT: "inexact", wire.OVERFLOW: "overflow", wire.INVALID: "invalid"}


@dataclass(frozen=True)
class Options:
    """How a client takes part in a job.

    All members must agree but for `timing`, `udp_port`, `join_timeout`, `engine` and `registered`.
    format: the wire format of the switch's program; `int32` is the SwitchML baseline, which takes float32
    arrays by block quantisation and int32 arrays as they are. elements: values a packet. slots: the window,
    chunks in flight over all queues. queues: threads, each with its share of the slots. udp_port: where
    results of queue 0 arrive. join_timeout: seconds to wait for the other workers. engine:
    `native` (C, a thread a queue) or `python` (NumPy batches, one thread). average: the switch divides the sums by the
    number of workers, rounding once; its program must be compiled with AVERAGE=1. registered: over shared memory the switch
    reads and writes arrays where they lie, if they lie in memory that it has mapped (docs/PROTOCOL.md, "Registered memory").
    """

    format: str = "fp32"
    elements: int = 64
    slots: int = 64
    queues: int = 1
    udp_port: int = 18100
    timing: Timing = field(default_factory=Timing)
    join_timeout: float = 60.0
    engine: str = "native"
    average: bool = False
    registered: bool = True

    def __post_init__(self) -> None:
        wire.get_format(self.format)
        wire.check_elements(self.elements)
        if self.average and self.format == "int32":
            raise ValueError("a job of integers has no average; divide the sums")
        if self.engine not in ("native", "python"):
            raise ValueError(f"there is no engine {self.engine!r}; there are native and python")
        if not 1 <= self.queues <= self.slots:
            raise ValueError(f"{self.queues} queues cannot share {self.slots} slots")
        if not 1 <= self.udp_port <= 65536 - self.queues:
            raise ValueError(f"UDP ports {self.udp_port} and up leave no room for {self.queues} queues")

    def request(self, job: str, workers: int, host: str, rank: int | None) -> JoinRequest:
        """The join message these options amount to."""
        return JoinRequest(
            job, workers, host, self.udp_port, self.slots, self.queues, self.format, self.elements, rank, self.average
        )


class Watcher(Protocol):
    """Whoever knows what became of the other workers; `join.Membership` is one."""

    def check(self) -> None: ...

    def silent(self, pool_index: int, chunk: int) -> Silent: ...

    def leave(self) -> None: ...


class AllReduce:
    """One worker's client in one job. Calls must come in the same order and sizes on every worker."""

    def __init__(self, engine: Engine, seat: Seat, options: Options, watcher: Watcher) -> None:
        self.engine, self.seat, self.options, self.watcher = engine, seat, options, watcher
        self.broken: str | None = None

    @property
    def stats(self) -> Stats:
        """A copy of the counts so far."""
        return copy.copy(self.engine.stats)

    def allreduce(self, array: Array) -> int:
        """Replace `array`'s values by their sum over all workers, or their average where the options say so; returns the
        flags (wire.INEXACT, ...).

        Any shape. A contiguous array is worked on in place without a copy of the whole. Raises TypeError for
        a type the job's format cannot carry, RepresentationError for values it cannot, PeerLost naming the
        silent rank, JoinError and TransportError where controller or interface fail. After any but the first
        two the client is of no more use.
        """
        if self.broken:
            raise RuntimeError(f"this client failed before: {self.broken}")
        flat = np.ascontiguousarray(array).reshape(-1)
        flags = self._reduce(flat) if flat.size else 0
        if flat.size and not np.may_share_memory(flat, array):
            array[...] = flat.reshape(array.shape)
        return flags

    @property
    def pool(self) -> Pool | None:
        """Memory that the switch on this machine reads and writes itself; None where arrays are copied into packets anyway."""
        return getattr(self.engine, "pool", None)

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
        """An array whose sums cost this process least: from the pool where there is one with room, otherwise NumPy's."""
        if self.pool is not None:
            try:
                return self.pool.empty(shape, dtype)
            except PoolError:
                pass
        return np.empty(shape, dtype)

    def close(self) -> None:
        """Leave the job."""
        self.watcher.leave()
        self.engine.close()

    def __enter__(self) -> AllReduce:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reduce(self, flat: Array) -> int:
        values, representation = self._represent(flat)
        try:
            return self._run(values, representation)
        except RepresentationError:
            raise  # nothing was sent
        except Exception as error:
            self.broken = str(error)
            raise

    def _run(self, values: Array, representation: Representation) -> int:
        try:
            return self.engine.run(values, representation)
        except Overdue as late:
            answer = self.watcher.silent(late.pool_index, late.chunk)
            raise PeerLost(answer.silent, answer.reason or str(late)) from None

    def _represent(self, flat: Array) -> tuple[Array, Representation]:
        """How the job carries such an array, and the array as the engine wants it: the same memory."""
        name = self.options.format
        if name == "int32" and flat.dtype == np.float32:
            return flat, Representation.QUANTISED
        native = NATIVE[name]
        if flat.dtype.name == FLOATS.get(name) or flat.dtype == native:
            return flat.view(np.dtype(native)), Representation.SWAPPED if name == "int32" else Representation.RAW
        raise TypeError(f"a job of format {name} cannot sum an array of {flat.dtype}")


def flag_names(flags: int) -> list[str]:
    """The names of the status flags set."""
    return [name for bit, name in FLAG_NAMES.items() if flags & bit]


def make_seat(membership: Membership, mac: bytes) -> Seat:
    """The engine's view of a membership whose frames leave from `mac`."""
    joined, request = membership.joined, membership.request
    addresses = wire.Addresses(mac, request.host, wire.mac_bytes(joined.switch_mac), joined.switch_ip)
    return Seat(
        joined.job,
        joined.rank,
        joined.workers,
        joined.first_slot,
        joined.slots,
        request.queues,
        request.udp_port,
        addresses,
    )


def own_mac(membership: Membership) -> bytes:
    """The worker's MAC address as the controller knows it."""
    rank = membership.joined.rank
    return wire.mac_bytes(next(member.mac for member in membership.joined.members if member.rank == rank))


def frame_bytes(options: Options) -> int:
    """Length of the job's frames."""
    return wire.frame_dtype(wire.get_format(options.format), options.elements).itemsize


@dataclass(frozen=True)
class MemoryPort:
    """A switch's shared-memory port on this machine: the path of its socket, and the worker's own addresses. mac: None for
    the one in the controller's hosts file."""

    path: str
    mac: bytes | None
    ip: str


def attach(membership: Membership, mac: bytes, transport: Transport, options: Options) -> AllReduce:
    """A client for a membership over a transport, with the engine in Python."""
    seat = make_seat(membership, mac)
    wire_format = wire.get_format(options.format)
    engine = PythonEngine(transport, seat, wire_format, options.elements, options.timing, lambda: refuse(membership))
    return AllReduce(engine, seat, options, membership)


def open_job(
    controller: str,
    job: str,
    workers: int,
    place: str | MemoryPort,
    options: Options,
    rank: int | None = None,
) -> AllReduce:
    """Join `job` through a network interface (its name) or a shared-memory port, and wait for its other workers.

    Raises JoinError, TransportError, and ValueError for a combination of options that cannot be.
    """
    mac, host = (place.mac, place.ip) if isinstance(place, MemoryPort) else interface_address(place)
    membership = join(controller, options.request(job, workers, host, rank), options.join_timeout)
    try:
        seat = make_seat(membership, mac or own_mac(membership))
        engine = make_engine(place, seat, options, lambda: refuse(membership), membership)
    except BaseException:
        membership.leave()
        raise
    return AllReduce(engine, seat, options, membership)


def make_engine(
    place: str | MemoryPort,
    seat: Seat,
    options: Options,
    watch: Callable[[], None],
    membership: Membership | None = None,
) -> Engine:
    """The engine the options name; with a membership the native one survives the switch's restart. Raises
    TransportError."""
    wire_format, elements, timing = wire.get_format(options.format), options.elements, options.timing
    if options.engine == "python":
        if isinstance(place, MemoryPort):
            raise TransportError("shared-memory ports need the native engine")
        transport = RawSocket(place, frame_bytes(options), options.udp_port, options.queues)
        return PythonEngine(transport, seat, wire_format, elements, timing, watch)
    from workers.native_engine import NativeEngine

    where = {"memory": place.path} if isinstance(place, MemoryPort) else {"interface": place}
    registered = options.registered
    return NativeEngine(seat, wire_format, elements, timing, watch, membership=membership, registered=registered, **where)
