"""The answer: does the program fit the machine, how many elements of a packet do, and what is in the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from fpisa.banzai.fit.elements import membership, numbering
from fpisa.banzai.fit.place import Placement, place
from fpisa.banzai.fit.program import Program, read_program
from fpisa.banzai.fit.state import StateUnit, state_units
from fpisa.banzai.fit.tasks import Task, gather
from fpisa.banzai.machine import Machine

MOST_ROUNDS = 4  # a chain of steps longer than this many pipelines is not worth recirculating


@dataclass(frozen=True)
class Fit:
    """A program on a machine.

    `elements` is what the program carries in a packet; `fitting` of them fit at once (for a program without numbered
    register series: 1 or 0), a packet going `rounds` times through the pipeline when its chain of steps is longer than
    that. `placement` is that of the fitting part, or of the first attempt that failed.
    """

    machine: Machine
    elements: int
    fitting: int
    bottleneck: str
    placement: Placement
    stateful_units: int
    tasks: int
    rounds: int = 1

    @property
    def fits(self) -> bool:
        """The whole packet in one pass, at line rate."""
        return self.fitting >= self.elements and self.rounds == 1

    @property
    def passes(self) -> int | None:
        """Passes through the pipeline, by recirculation, for a whole packet; None where nothing fits."""
        return -(-self.elements // self.fitting) * self.rounds if self.fitting else None


def fit(document: dict[str, Any], machine: Machine) -> Fit:
    """Lay the program of a bmv2 JSON document onto the machine. Raises NotMappable where no pipeline could hold it."""
    program = read_program(document)
    units = state_units(program)
    return fit_program(program, units, machine)


def fit_program(program: Program, units: list[StateUnit], machine: Machine) -> Fit:
    tasks = gather(program, machine, units)
    numbers = numbering(units)
    members = membership(tasks, numbers)
    count = max(numbers.values(), default=0) + 1
    outputs = set(program.outputs.values())

    def attempt(k: int, rounds: int) -> tuple[Placement, str]:
        chosen = part(tasks, members, k)
        made = {n for t in chosen for n in t.makes}
        placed = place(program.graph, chosen, {n for n in outputs if n in made}, machine, rounds)
        return placed, obstacle(placed, units, machine, k, numbers)

    def most(rounds: int) -> Fit:
        low, high = 0, count
        best, bottleneck = attempt(count, rounds)
        if not bottleneck:
            low = count
        while high - low > 1:
            middle = (low + high) // 2
            placed, why = attempt(middle, rounds)
            if why:
                high, bottleneck = middle, why
                best = placed if low == 0 else best
            else:
                low, best = middle, placed
        return Fit(machine, count, low, bottleneck, best, sum(t.stateful for t in tasks), len(tasks), rounds)

    tried = []
    for rounds in range(1, MOST_ROUNDS + 1):
        tried.append(most(rounds))
        if tried[-1].fitting:
            return tried[-1]
    return tried[-1]


def part(tasks: list[Task], members: list[frozenset[int]], k: int) -> list[Task]:
    """The tasks of the first k elements and the shared ones; a gathering task keeps what it gathers from those."""
    kept = [t for t, m in zip(tasks, members) if not m or (min(m) < k and (len(m) > 1 or max(m) < k))]
    everything = {n for t in tasks for n in t.makes}
    made = {n for t in kept for n in t.makes}
    return [replace(t, needs=frozenset(n for n in t.needs if n not in everything or n in made)) for t in kept]


def obstacle(placed: Placement, units: list[StateUnit], machine: Machine, k: int, numbers: dict[str, int]) -> str:
    """Why the placement is none, as a phrase; empty where it is one."""
    shifted = [u.array for u in units if u.shifts and numbers.get(u.array, 0) < k]
    if shifted and not machine.rsaw:
        return f"register {shifted[0]}: the stored word is shifted by a distance known at run time, which needs the RSAW unit"
    busy = [u for u in units if u.compares > 2]
    if busy:
        return f"register {busy[0].array}: {busy[0].compares} comparisons with the stored word, a unit has two"
    if placed.failed is not None:
        return f"no stage left for {placed.failed.name}; most often in the way: {common(placed.limits)}"
    if placed.header_bits > machine.header_bits:
        return f"{placed.header_bits} bits of header vector in use at once, the machine has {machine.header_bits}"
    return ""


def common(limits: Counter[str]) -> str:
    """What pushed the most tasks down, apart from the end of the pipeline itself."""
    others = Counter({k: n for k, n in limits.items() if k != "stages"})
    return others.most_common(1)[0][0] if others else "the length of the chain of dependent steps"
