"""An independent model of the switch programs: frames in, frames out, by the slot protocol's prose.

Written from docs/PROTOCOL.md with sets and tuples instead of bitmaps and registers; numbers come from
`fpisa`'s scalar reference. It is slow on purpose.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field

from fpisa import normalize, register, register_approx
from fpisa.formats import FP32, Format
from fpisa.ops import scale

# In the order of the counter's indices.
FATES = [
    *("absorbed", "completed", "resent", "duplicate", "stale", "early"),
    *("short", "version", "kind", "format", "elements", "job", "rank", "source", "slot"),
    *("forwarded", "flooded", "unknown"),
    *("raised", "raised_again", "answered"),
]
CODES = {"int32": 0, "fp32": 1, "fp16": 2, "bf16": 3, "fp8_e4m3": 4, "fp8_e5m2": 5}
PORT = 18000


@dataclass(frozen=True)
class Program:
    """What the P4 was compiled with. shape: exact, approx or int."""

    shape: str = "exact"
    fmt: Format = FP32
    elements: int = 64
    slots: int = 1024
    max_workers: int = 32
    rounding: str = "rne"
    track_inexact: bool = True
    average: bool = False  # jobs of several workers read their average
    tree: bool = False  # tests.p4.tree_model
    uplink: str = "packed"  # of a tree program: packed or raw

    @property
    def code(self) -> int:
        return 0 if self.shape == "int" else CODES[self.fmt.name]

    @property
    def value_bytes(self) -> int:
        return self.fmt.width // 8


@dataclass(frozen=True)
class Worker:
    """One member as the controller installs it."""

    rank: int
    port: int
    mac: bytes
    ip: bytes
    udp_port: int
    is_switch: bool = False  # a child of a tree: its answers go to PORT, whatever the queue


@dataclass(frozen=True)
class Parent:
    """Where a child of a tree sends its sums: the port, both ends' addresses, its own rank there, and by how much the
    parent's pool index for a chunk exceeds its own."""

    port: int
    mac: bytes
    ip: bytes
    own_mac: bytes
    own_ip: bytes
    rank: int
    pool_offset: int


@dataclass(frozen=True)
class Job:
    id: int
    first_slot: int
    slots: int
    workers: tuple[Worker, ...]
    parent: Parent | None = None
    total: int | None = None  # workers of the whole tree; None: len(workers)


@dataclass
class Set:
    """One set of a slot: the round it holds, who is still in it, who has not come yet, and the sums."""

    round: tuple[int, int] | None = None  # job, chunk
    holders: set[int] = field(default_factory=set)
    missing: int = 0
    answered: bool = False  # by the parent; the sums are its result
    flags: int = 0
    exponent: int = -128
    sums: list = field(default_factory=list)  # register.Register or int


def later(chunk: int, than: int) -> bool:
    """Serial-number arithmetic modulo 2^32."""
    return 0 < (chunk - than) % 2**32 < 2**31


def internet_checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


class Model:
    """The switch. `sets[slot][set]`; `fates` counts packets by name."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.jobs: dict[int, Job] = {}
        self.sets = {}
        self.fates: Counter[str] = Counter()
        self.hosts: dict[bytes, int] = {}
        self.flood_ports: list[int] = []

    def slot_sets(self, slot: int) -> tuple[Set, Set]:
        return self.sets.setdefault(slot, (Set(), Set()))

    def process(self, frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        out = []
        for port, frame in frames:
            fate, answers = self.one(port, frame)
            self.fates[fate] += 1
            out += answers
        return out

    def one(self, port: int, frame: bytes) -> tuple[str, list[tuple[int, bytes]]]:
        if len(frame) < 14:
            return "unknown", []
        if not self.is_fpisa(frame):
            return self.forward(port, frame)
        reason = self.refusal(port, frame)
        if reason:
            return reason, []
        return self.contribute(port, frame)

    def is_fpisa(self, frame: bytes) -> bool:
        return (
            len(frame) >= 42
            and frame[12:15] == b"\x08\x00\x45"
            and struct.unpack(">H", frame[20:22])[0] & 0x3FFF == 0
            and frame[23] == 17
            and struct.unpack(">H", frame[36:38])[0] == PORT
        )

    def forward(self, port: int, frame: bytes) -> tuple[str, list[tuple[int, bytes]]]:
        if frame[:6] in self.hosts:
            return "forwarded", [(self.hosts[frame[:6]], frame)]
        if self.flood_ports:
            return "flooded", [(other, frame) for other in self.flood_ports if other != port]
        return "unknown", []

    def refusal(self, port: int, frame: bytes) -> str | None:
        program = self.program
        payload = program.elements * program.value_bytes
        if len(frame) < 58 + payload or struct.unpack(">H", frame[38:40])[0] != 24 + payload:
            return "short"
        first, fmt, job_id, rank, _, pool, _, _, _, elements = struct.unpack(">BBHBBHIBbH", frame[42:58])
        for wrong, name in (
            (first >> 4 != 1, "version"),
            (first & 15 != 0, "kind"),
            (fmt != program.code, "format"),
            (elements != program.elements, "elements"),
            (job_id not in self.jobs, "job"),
        ):
            if wrong:
                return name
        job = self.jobs[job_id]
        if rank >= len(job.workers):
            return "rank"
        worker = job.workers[rank]
        if (port, frame[6:12], frame[26:30]) != (worker.port, worker.mac, worker.ip):
            return "source"
        if not job.first_slot <= pool >> 1 < min(job.first_slot + job.slots, program.slots):
            return "slot"
        return None

    def contribute(self, port: int, frame: bytes) -> tuple[str, list[tuple[int, bytes]]]:
        _, _, job_id, rank, _, pool, chunk, _, exponent, _ = struct.unpack(">BBHBBHIBbH", frame[42:58])
        job = self.jobs[job_id]
        pair = self.slot_sets(pool >> 1)
        own, other = pair[pool & 1], pair[1 - (pool & 1)]
        fate = self.verdict(own, other, job_id, chunk, rank)
        if fate == "resent":
            return fate, [self.answer(frame, job, job.workers[rank], own, 2)]
        if fate == "overfull":  # only after a set was reused too soon: nothing is added, but the bit is marked by then
            own.holders.add(rank)
            other.holders.discard(rank)
            return "stale", []
        if fate not in ("absorbed", "early"):
            return fate, []
        self.absorb(own, job, chunk, rank, exponent, self.values(frame))
        other.holders.discard(rank)
        if own.missing:
            return fate, []
        return "completed", [self.answer(frame, job, worker, own, 1) for worker in job.workers]

    @staticmethod
    def verdict(own: Set, other: Set, job_id: int, chunk: int, rank: int) -> str:
        if own.round is None or own.round[0] != job_id:
            return "absorbed"
        if own.round[1] == chunk:
            if rank in own.holders:
                return "duplicate" if own.missing else "resent"
            moved_on = other.round is not None and other.round[0] == job_id and later(other.round[1], chunk)
            if moved_on and rank in other.holders:
                return "stale"
            return "absorbed" if own.missing else "overfull"
        if later(chunk, own.round[1]):
            return "early" if own.holders else "absorbed"
        return "stale"

    def absorb(self, own: Set, job: Job, chunk: int, rank: int, exponent: int, words: list[int]) -> None:
        if own.round != (job.id, chunk):
            own.round, own.holders, own.missing = (job.id, chunk), set(), len(job.workers)
            own.sums, own.exponent = [None] * len(words), -128
        own.holders.add(rank)
        own.missing -= 1
        own.exponent = max(own.exponent, exponent)
        own.sums = [self.add(state, word) for state, word in zip(own.sums, words, strict=True)]

    def add(self, state, word: int):
        if self.program.shape == "int":
            return ((state or 0) + word) % 2**32
        adder = register if self.program.shape == "exact" else register_approx
        return adder.add(self.program.fmt, state, word)

    def order(self) -> str:
        letter = {4: "I", 2: "H", 1: "B"}[self.program.value_bytes]
        return f"{'>' if self.program.shape == 'int' else '<'}{self.program.elements}{letter}"

    def values(self, frame: bytes) -> list[int]:
        end = 58 + self.program.elements * self.program.value_bytes
        return list(struct.unpack(self.order(), frame[58:end]))

    @staticmethod
    def divisor(job: Job) -> int:
        return len(job.workers)

    def result(self, own: Set, count: int) -> tuple[int, list[int]]:
        if self.program.shape == "int":
            return 0, own.sums
        divisor = count if self.program.average else 1
        results = [self.read(state, divisor) for state in own.sums]
        flags = own.flags
        for _, raised in results:
            flags |= raised
        if not self.program.track_inexact:
            flags &= ~1
        return flags, [word for word, _ in results]

    def read(self, state: register.Register, divisor: int) -> normalize.Result:
        if divisor == 1:
            return normalize.read(self.program.fmt, state, self.program.rounding)
        return scale.read_average(self.program.fmt, state, divisor, self.program.rounding)

    def answer(self, frame: bytes, job: Job, worker: Worker, own: Set, kind: int) -> tuple[int, bytes]:
        """The reply to one worker, made from the frame that asked for it."""
        flags, words = self.result(own, self.divisor(job))
        to_port = PORT if worker.is_switch else (worker.udp_port + frame[47]) & 0xFFFF
        end = 58 + len(words) * self.program.value_bytes
        ip = bytearray(frame[14:34])
        ip[4:6] = b"\0\0"  # identification
        ip[8] = 64
        ip[10:12] = b"\0\0"
        ip[12:16], ip[16:20] = frame[30:34], worker.ip
        ip[10:12] = struct.pack(">H", internet_checksum(bytes(ip)))
        exponent = own.exponent if self.program.shape == "int" else struct.unpack(">b", frame[55:56])[0]
        return worker.port, b"".join(
            (
                worker.mac,
                frame[0:6],
                frame[12:14],
                bytes(ip),
                struct.pack(">HHHH", PORT, to_port, 24 + end - 58, 0),
                bytes([0x10 | kind]),
                frame[43:46],
                bytes([worker.rank]),
                frame[47:54],
                struct.pack(">Bb", flags, exponent),
                frame[56:58],
                struct.pack(self.order(), *words),
                frame[end:],
            )
        )
