"""After a switch's restart: which results some workers of a job have and others lack. Pure.

A worker sends a chunk only when it has the result of the one before it in its slot, so of one slot some workers can be one
chunk ahead of others, and no more. What the switch stored is gone: those who are ahead give the others the results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .session import Job, Need

WRAP = 1 << 32


class Apart(ValueError):
    """The workers' states do not go together; the message is one sentence."""


@dataclass(frozen=True)
class Course:
    """needs: by the rank that gives. awaited: by rank, how many results it gets."""

    needs: dict[int, tuple[Need, ...]]
    awaited: dict[int, int]


class Gathered:
    """The states of a job's workers, one after another. A state is, for each queue, the first unanswered chunk of each of
    its slots."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.states: dict[int, Sequence[Sequence[int]]] = {}

    def add(self, rank: int, state: Sequence[Sequence[int]]) -> Course | None:
        """What is to be done, once all have told. Raises Apart."""
        shape = [len(share) for share in shares(self.job)]
        if [len(queue) for queue in state] != shape:
            raise Apart(f"rank {rank} tells of other slots than its job has")
        self.states[rank] = state
        return course(self.job, self.states) if len(self.states) == self.job.workers else None

    @property
    def missing(self) -> tuple[int, ...]:
        return tuple(rank for rank in range(self.job.workers) if rank not in self.states)


def shares(job: Job) -> list[range]:
    """The slots of each queue (docs/PROTOCOL.md, "Frame")."""
    bounds = [queue * job.slots // job.queues for queue in range(job.queues + 1)]
    return [range(bounds[queue], bounds[queue + 1]) for queue in range(job.queues)]


def course(job: Job, states: Mapping[int, Sequence[Sequence[int]]]) -> Course:
    """Raises Apart where two workers are further apart than one chunk of a slot."""
    needs: dict[int, list[Need]] = {rank: [] for rank in states}
    awaited = dict.fromkeys(states, 0)
    for queue, share in enumerate(shares(job)):
        for slot in range(len(share)):
            numbers = {rank: state[queue][slot] for rank, state in states.items()}
            need, giver = behind(numbers, queue, len(share))
            if need is not None:
                needs[giver].append(need)
                for rank in need.ranks:
                    awaited[rank] += 1
    return Course({rank: tuple(found) for rank, found in needs.items()}, awaited)


def behind(numbers: Mapping[int, int], queue: int, step: int) -> tuple[Need | None, int]:
    """(what the slot's slower workers need, the rank that has it); None where all are alike. Numbers wrap."""
    base = next(iter(numbers.values()))
    ahead = {rank: (number - base + WRAP // 2) % WRAP - WRAP // 2 for rank, number in numbers.items()}
    last = max(ahead.values())
    slower = tuple(sorted(rank for rank, lead in ahead.items() if lead < last))
    if any(last - ahead[rank] != step for rank in slower):
        raise Apart("the workers' chunks of one slot are further apart than the protocol allows")
    giver = min(rank for rank, lead in ahead.items() if lead == last)
    if not slower:
        return None, giver
    return Need(queue, (base + last - step) % WRAP, slower), giver
