"""Leaves under a spine, workers under the leaves, and links between them that lose, repeat and reorder.

Each switch is a rig: whatever it does with a frame is compared with its model, byte for byte. Workers are state machines of
docs/PROTOCOL.md's rules, without clocks: when nothing is under way any more, everybody sends again what is unanswered.
"""

from __future__ import annotations

import itertools
import random
import struct
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from fpisa import batch, register
from fpisa.ops import scale
from tests.p4.model import Job, Parent, Program, Worker
from tests.p4.rig import Rig
from tests.p4.traffic import Frame, contribution
from tests.p4.values import Integers, Words

SPINE = "spine"


def switch_address(number: int) -> tuple[bytes, bytes]:
    return bytes([2, 0, 0, 0, 0xFE, number]), bytes([10, 0, 1, number])


@dataclass(frozen=True)
class Shape:
    """workers: of each rack. slots: of the job. first: its first slot in each leaf, and in the spine last."""

    workers: tuple[int, ...]
    slots: int = 4
    first: tuple[int, ...] = (2, 5, 9)
    job: int = 11
    queues: int = 2

    @property
    def racks(self) -> int:
        return len(self.workers)


def place(shape: Shape) -> tuple[list[Job], Job]:
    """The job as each leaf, and as the spine, knows it. Leaf n hangs on the spine's port n + 1; its own uplink is port 30."""
    spine_mac, spine_ip = switch_address(100)
    leaves, children = [], []
    for rack, count in enumerate(shape.workers):
        mac, ip = switch_address(rack + 1)
        members = tuple(
            Worker(rank, rank + 1, bytes([2, 0, 0, 0, rack, rank + 1]), bytes([10, 0, rack, rank + 1]), 18100)
            for rank in range(count)
        )
        offset = 2 * (shape.first[-1] - shape.first[rack])
        parent = Parent(30, spine_mac, spine_ip, mac, ip, rack, offset & 0xFFFF)
        leaves.append(Job(shape.job, shape.first[rack], shape.slots, members, parent))
        children.append(Worker(rack, rack + 1, mac, ip, 0, is_switch=True))
    total = sum(shape.workers)
    return leaves, Job(shape.job, shape.first[-1], shape.slots, tuple(children), total=total)


class ResultsDiffer(AssertionError):
    """A worker got two results for one chunk that are not the same."""


@dataclass
class Member:
    """One worker: `inputs[chunk]` are its words; at most `slots` chunks are under way."""

    rack: int
    rank: int
    job: Job
    program: Program
    inputs: list[list[int]]
    results: dict[int, bytes] = field(default_factory=dict)
    flags: dict[int, int] = field(default_factory=dict)

    def open(self) -> list[int]:
        """Chunks that may be sent now and are not answered. Chunk c waits for the result of c - slots."""
        slots = self.job.slots
        return [
            chunk
            for chunk in range(len(self.inputs))
            if chunk not in self.results and (chunk < slots or chunk - slots in self.results)
        ]

    def frame(self, chunk: int) -> Frame:
        queue = chunk % 2
        return contribution(self.program, self.job, self.rank, chunk, self.inputs[chunk], queue=queue)

    def take(self, frame: bytes) -> list[int]:
        """A result arrived: the chunks it lets this worker send."""
        (chunk,) = struct.unpack(">I", frame[50:54])
        if chunk in self.results:
            if self.results[chunk] != frame[58:]:
                raise ResultsDiffer(f"two results of chunk {chunk} differ")
            return []
        self.results[chunk], self.flags[chunk] = frame[58:], frame[54]
        later = chunk + self.job.slots
        return [later] if later < len(self.inputs) else []


@dataclass
class Trouble:
    """Chances for each frame on each link."""

    loss: float = 0.0
    twice: float = 0.0
    reorder: float = 0.0
    late: float = 0.0  # a copy is kept back and comes at any later moment


class Fabric:
    def __init__(
        self,
        program: Program,
        shape: Shape,
        chunks: int = 0,
        seed: int = 0,
        engine: str = "interp",
        trouble: Trouble | None = None,
        beside: Fabric | None = None,
    ) -> None:
        """engine: of the spine and the first leaf; the other leaves are interpreted. beside: another job's, on whose
        switches this one runs, too."""
        self.program, self.shape, self.trouble = program, shape, trouble or Trouble()
        self.random = random.Random(seed)
        self.leaves, self.spine = place(shape)
        self.rigs = beside.rigs if beside is not None else make_rigs(program, shape.racks, engine)
        for rack, job in enumerate(self.leaves):
            self.rigs[rack].install(job)
        self.rigs[SPINE].install(self.spine)
        words = (Integers if program.shape == "int" else Words)(program.fmt, self.random)
        self.members = {
            (rack, rank): Member(
                rack, rank, self.leaves[rack], program, [words.packet(program.elements, None) for _ in range(chunks)]
            )
            for rack, count in enumerate(shape.workers)
            for rank in range(count)
        }
        self.flying: list[tuple[object, Frame]] = []  # (switch or worker it goes to, frame)
        self.kept: list[tuple[object, Frame]] = []
        self.spine_bytes = 0
        self.steps = 0

    # -- links -----------------------------------------------------------------------------------------------

    def launch(self, to: object, frame: Frame) -> None:
        trouble, draw = self.trouble, self.random.random
        if draw() < trouble.late:
            self.kept.append((to, frame))
        if draw() < trouble.loss:
            return
        for _ in range(2 if draw() < trouble.twice else 1):
            self.flying.append((to, frame))

    def pick(self) -> tuple[object, Frame]:
        if self.kept and self.random.random() < 0.1:
            return self.kept.pop(self.random.randrange(len(self.kept)))
        far = self.random.random() < self.trouble.reorder
        return self.flying.pop(self.random.randrange(len(self.flying)) if far else 0)

    # -- running ---------------------------------------------------------------------------------------------

    def turn(self, most_steps: int = 200_000) -> None:
        """One frame moves; where none is under way, everybody sends what is unanswered."""
        if not self.flying:
            self.poke()
        if self.flying:
            self.step()
        assert self.steps < most_steps, "the job does not come to an end"

    def run(self) -> None:
        """Until every worker has every result."""
        while not self.done or self.flying:
            self.turn()
        self.flying, self.kept = self.kept, []
        while self.flying:  # the last stragglers change nothing
            self.step()

    @property
    def done(self) -> bool:
        return all(len(member.results) == len(member.inputs) for member in self.members.values())

    def poke(self) -> None:
        """Everybody sends what is unanswered."""
        for (rack, _), member in self.members.items():
            for chunk in member.open():
                self.launch(rack, member.frame(chunk))

    def step(self) -> None:
        self.steps += 1
        to, frame = self.pick()
        if isinstance(to, tuple):
            rack, _ = to
            for chunk in self.members[to].take(frame[1]):
                self.launch(rack, self.members[to].frame(chunk))
            return
        for port, data in self.rigs[to].feed([frame]):
            self.carry(to, port, data)

    def carry(self, switch: object, port: int, data: bytes) -> None:
        """From a switch's port to whoever is at its other end."""
        if switch == SPINE:
            self.spine_bytes += len(data)
            self.launch(port - 1, (30, data))
        elif port == 30:
            self.spine_bytes += len(data)
            self.launch(SPINE, (switch + 1, data))
        else:
            self.launch((switch, port - 1), (port, data))

    def remove(self) -> None:
        """The job ends, wherever it stands; its frames and workers are gone."""
        for rack, job in enumerate(self.leaves):
            self.rigs[rack].remove(job)
        self.rigs[SPINE].remove(self.spine)

    # -- judging ---------------------------------------------------------------------------------------------

    def fates(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for rig in self.rigs.values():
            total += rig.fates()
        return total

    def compare(self) -> None:
        """Registers and counters of all switches are their models'; all workers have the same bits; and each chunk is what
        the number format gives for some order of arrival at each switch."""
        for rig in self.rigs.values():
            rig.compare()
        first = next(iter(self.members.values()))
        for member in self.members.values():
            assert member.results == first.results
        for chunk, got in first.results.items():
            words = np.frombuffer(got, first_dtype(self.program))
            possible = expected_sums(self.program, self.racks_of(chunk))
            assert any(np.array_equal(words, one) for one in possible), f"chunk {chunk} is no sum of the workers' values"

    def racks_of(self, chunk: int) -> list[np.ndarray]:
        """Words (workers of the rack, elements) of a chunk."""
        dtype = batch.word_dtype(self.program.fmt) if self.program.shape != "int" else np.dtype(np.uint32)
        return [
            np.array([self.members[rack, rank].inputs[chunk] for rank in range(count)], dtype)
            for rack, count in enumerate(self.shape.workers)
        ]


def make_rigs(program: Program, racks: int, engine: str) -> dict[object, Rig]:
    rigs: dict[object, Rig] = {rack: Rig.make(program, "interp" if rack else engine, rack + 1) for rack in range(racks)}
    rigs[SPINE] = Rig.make(program, engine, 0)
    return rigs


def first_dtype(program: Program) -> np.dtype:
    return np.dtype(">u4") if program.shape == "int" else batch.word_dtype(program.fmt)


def expected_sums(program: Program, racks: list[np.ndarray]) -> list[np.ndarray]:
    """The result words of every order of arrival, by the NumPy twin."""
    if program.shape == "int":
        return [np.concatenate(racks).sum(axis=0, dtype=np.uint32)]
    fmt, partials = program.fmt, []
    for rows in racks:
        orders = itertools.permutations(range(len(rows)))
        partials.append([accumulate(program, rows[list(order)]) for order in orders])
    out = []
    total = sum(len(rows) for rows in racks)
    for parts in itertools.product(*partials):
        for order in itertools.permutations(range(len(parts))):
            state = None
            for index in order:
                if program.uplink == "raw":
                    state = batch.merge(fmt, state, parts[index])
                else:
                    word = batch.read(fmt, parts[index], program.rounding).words
                    state = batch.ADD[program.shape](fmt, state, word)
            out.append(finish(program, state, total))
    return out


def accumulate(program: Program, rows: np.ndarray) -> batch.Registers:
    state = None
    for row in rows:
        state = batch.ADD[program.shape](program.fmt, state, row)
    return state


def finish(program: Program, state: batch.Registers, total: int) -> np.ndarray:
    words = batch.read(program.fmt, state, program.rounding).words
    if program.average:  # the root alone divides, by all workers; there is no array version of it
        registers = [register.Register(*(int(part[i]) for part in state)) for i in range(len(words))]
        results = [scale.read_average(program.fmt, one, total, program.rounding) for one in registers]
        words = np.array([result.word for result in results], words.dtype)
    # On its way down a result passes the leaf's registers, where a zero has no sign.
    return np.where(words == program.fmt.sign_bit, 0, words).astype(words.dtype)
