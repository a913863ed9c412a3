"""Packet streams for the programs: workers that behave, and a network and peers that do not."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

from tests.p4.model import PORT, Job, Program, Worker, internet_checksum
from tests.p4.values import Integers, Words

SWITCH_MAC, SWITCH_IP = bytes.fromhex("0200000000fe"), bytes([10, 0, 0, 254])
Frame = tuple[int, bytes]


def worker(rank: int, udp_port: int = 18100, host: int | None = None) -> Worker:
    """A worker on a host of its own (port, MAC and IP by `host`, which is the rank unless told)."""
    host = rank if host is None else host
    return Worker(rank, host + 1, bytes([2, 0, 0, 0, 0, host + 1]), bytes([10, 0, 0, host + 1]), udp_port)


def make_job(job: int, workers: int, first_slot: int, slots: int, first_host: int = 0) -> Job:
    members = tuple(worker(rank, 18100 + 16 * (job % 1000), first_host + rank) for rank in range(workers))
    return Job(job, first_slot, slots, members)


def pool_index(job: Job, chunk: int) -> int:
    """Where the chunk goes if one queue owns all the job's slots."""
    return (job.first_slot + chunk % job.slots) * 2 + chunk // job.slots % 2


def contribution(
    program: Program,
    job: Job,
    rank: int,
    chunk: int,
    words: list[int],
    /,
    exponent: int = 0,
    queue: int = 0,
    **change,
) -> Frame:
    """A frame as a worker sends it. `change` overrides FPISA fields, `port`, `mac`, `ip`, `udp_bytes`."""
    member = job.workers[rank]
    letter = {4: "I", 2: "H", 1: "B"}[program.value_bytes]
    payload = struct.pack(f"{'>' if program.shape == 'int' else '<'}{len(words)}{letter}", *words)
    take = change.pop
    header = struct.pack(
        ">BBHBBHIBbH",
        take("version", 1) << 4 | take("kind", 0),
        take("format", program.code),
        take("job", job.id),
        take("rank", rank),
        queue,
        take("pool_index", pool_index(job, chunk)),
        chunk & 0xFFFFFFFF,
        take("flags", 0),
        exponent,
        take("elements", program.elements),
    )
    udp = struct.pack(">HHHH", member.udp_port + queue, PORT, take("udp_bytes", 24 + len(payload)), 0)
    ip = bytearray(
        struct.pack(">BBHHHBBH", 0x45, 0, 44 + len(payload), rank, 0x4000, 17, 17, 0)
        + take("ip", member.ip)
        + SWITCH_IP
    )
    ip[10:12] = struct.pack(">H", internet_checksum(bytes(ip)))
    port, mac = take("port", member.port), take("mac", member.mac)
    assert not change, f"no such fields: {list(change)}"
    return port, SWITCH_MAC + mac + b"\x08\x00" + bytes(ip) + udp + header + payload


@dataclass
class Stream:
    """Frames of one job: each worker walks through its chunks in order, slot by slot, as answers allow; some frames
    come again, late, or out of turn."""

    program: Program
    job: Job
    rng: random.Random
    misbehaviour: float = 0.2
    first_chunk: int = 0
    history: list[Frame] = field(default_factory=list)
    latest: dict[int, list[int]] = field(default_factory=dict)  # chunk -> some worker's words

    def __post_init__(self) -> None:
        source = Integers if self.program.shape == "int" else Words
        self.words = source(self.program.fmt, self.rng)
        slots = self.job.slots
        # For each worker and slot: the chunk it sends next. All begin at the first use of each slot.
        start = [self.first_chunk + slot for slot in range(slots)]
        self.next = [list(start) for _ in self.job.workers]

    def frames(self, count: int) -> list[Frame]:
        return [self.one() for _ in range(count)]

    def one(self) -> Frame:
        if self.history and self.rng.random() < self.misbehaviour:
            return self.mischief()
        return self.honest()

    def honest(self) -> Frame:
        """The next chunk of a worker that is not ahead of the others in some slot."""
        places = [
            (rank, slot)
            for slot in range(self.job.slots)
            for rank in range(len(self.next))
            if self.next[rank][slot] == min(chunks[slot] for chunks in self.next)
        ]
        rank, slot = self.rng.choice(places)
        chunk = self.next[rank][slot]
        self.next[rank][slot] += self.job.slots
        return self.send(rank, chunk)

    def send(self, rank: int, chunk: int) -> Frame:
        words = self.words.packet(self.program.elements, self.latest.get(chunk))
        self.latest[chunk] = words
        frame = contribution(
            self.program, self.job, rank, chunk, words, self.rng.randint(-128, 127), self.rng.randrange(4)
        )
        self.history.append(frame)
        return frame

    def mischief(self) -> Frame:
        """An old frame again (recent ones more often), or a chunk from the past or the future with other values."""
        if self.rng.random() < 0.7:
            age = int(self.rng.expovariate(0.1)) if self.rng.random() < 0.8 else self.rng.randrange(len(self.history))
            return self.history[-1 - min(age, len(self.history) - 1)]
        rank = self.rng.randrange(len(self.next))
        slot = self.rng.randrange(self.job.slots)
        chunk = self.next[rank][slot] + self.rng.choice((-4, -3, -2, -1, 1, 2)) * self.job.slots
        words = self.words.packet(self.program.elements, None)
        return contribution(self.program, self.job, rank, chunk % 2**32, words)
