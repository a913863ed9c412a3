"""The engine in C behind the same two methods as `engine.PythonEngine`; both may serve in one job."""

from __future__ import annotations

import os
from collections.abc import Callable

from emulator.native.engine import (
    QUANTISED,
    RAW,
    SWAPPED,
    ChunkOverdue,
    NativeEngineError,
    NativeSeat,
    Unrepresentable,
)
from emulator.native.engine import NativeEngine as Core
from emulator.native.pool import Pool, PoolError
from workers import wire
from workers.engine import Overdue, Seat, Stats
from workers.join import Membership
from workers.represent import Array, Representation, RepresentationError
from workers.resume import check
from workers.transport import TransportError, close_all, reserve_ports
from workers.window import Timing

CODES = {
    Representation.RAW: RAW,
    Representation.SWAPPED: SWAPPED,
    Representation.QUANTISED: QUANTISED,
}
NANO = 1e-9
MOST_POOL_BYTES = 64 << 30


def native_seat(
    seat: Seat, wire_format: wire.WireFormat, elements: int, timing: Timing, resumable: bool = False
) -> NativeSeat:
    """A seat in the terms of the C engine."""
    return NativeSeat(
        job=seat.job,
        rank=seat.rank,
        workers=seat.workers,
        first_slot=seat.first_slot,
        slots=seat.slots,
        queues=seat.queues,
        format=wire_format.code,
        elements=elements,
        value_bytes=wire.value_bytes(wire_format),
        udp_port=seat.udp_port,
        source_mac=seat.addresses.source_mac,
        source_ip=wire.ip_number(seat.addresses.source_ip),
        switch_mac=seat.addresses.switch_mac,
        switch_ip=wire.ip_number(seat.addresses.switch_ip),
        switch_port=wire.PORT,
        initial_timeout=timing.initial,
        shortest_timeout=timing.shortest,
        longest_timeout=timing.longest,
        deadline=timing.deadline,
        resumable=resumable,
    )


class NativeEngine:
    """One of `interface` (raw sockets) and `memory` (path of a shared-memory port's socket). With a
    `membership` the engine goes on after the switch was restarted, and `watch` is not called.

    pool: over shared memory, where arrays travel without being copied here (docs/PROTOCOL.md, "Registered memory");
    None where there is no such thing.

    Raises TransportError where it cannot be opened.
    """

    def __init__(
        self,
        seat: Seat,
        wire_format: wire.WireFormat,
        elements: int,
        timing: Timing,
        watch: Callable[[], None],
        *,
        interface: str | None = None,
        memory: str | None = None,
        membership: Membership | None = None,
        registered: bool = True,
    ) -> None:
        def look() -> None:
            if membership is None:
                watch()
            else:
                check(membership, self.core, timing.deadline)

        self.watch = look
        address = seat.addresses.source_ip
        self.held = reserve_ports(address, seat.udp_port, seat.queues) if interface is not None else []
        try:
            place = native_seat(seat, wire_format, elements, timing, membership is not None)
            self.core = Core(place, interface=interface, memory=memory, watch=look)
        except NativeEngineError as error:
            close_all(self.held)
            raise TransportError(str(error)) from None
        shares = registered and memory is not None and wire_format is not wire.FORMATS["int32"]
        self.pool = self.make_pool() if shares else None

    def make_pool(self) -> Pool | None:
        """A pool that the switch has mapped. It takes no memory before it is used."""
        try:
            pool = Pool(pool_bytes())
            self.core.register(pool)
        except (PoolError, NativeEngineError):
            return None  # arrays are copied, as they are over an interface
        return pool

    @property
    def stats(self) -> Stats:
        return read_stats(self.core.stats)

    def run(self, flat: Array, representation: Representation) -> int:
        self.watch()  # the switch may have been restarted since the last one
        try:
            return self.core.allreduce(flat, CODES[representation])
        except ChunkOverdue as late:
            raise Overdue(late.pool_index, late.chunk, late.seconds) from None
        except Unrepresentable as error:
            raise RepresentationError(str(error)) from None
        except NativeEngineError as error:
            raise TransportError(str(error)) from None

    def close(self) -> None:
        self.core.close()
        close_all(self.held)


def pool_bytes() -> int:
    """Half of this machine's memory: as much as arrays may take of it at most."""
    return min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2, MOST_POOL_BYTES)


def read_stats(raw: dict[str, int]) -> Stats:
    """The C engine's counters as Stats; its nanoseconds count all its threads."""
    known = ("convert_ns", "copy_ns", "syscall_ns")
    convert, copy, syscall = (raw[name] * NANO for name in known)
    return Stats(
        calls=raw["calls"],
        packets_sent=raw["packets_sent"],
        packets_received=raw["packets_received"],
        retransmissions=raw["retransmissions"],
        discarded=raw["discarded"],
        bytes_sent=raw["bytes_sent"],
        bytes_received=raw["bytes_received"],
        payload_bytes=raw["payload_bytes"],
        cpu_convert=convert,
        cpu_copy=copy,
        cpu_syscall=syscall,
        cpu_other=max(raw["cpu_ns"] * NANO - convert - copy - syscall, 0.0),
        wall=raw["wall_ns"] * NANO,
    )
