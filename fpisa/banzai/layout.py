"""Units to stages: the earliest stage after what a unit reads, within what the machine has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fpisa.banzai.configuration import (
    Configuration,
    Lookup,
    Stage,
    Stateful,
    Stateless,
    operands,
    stage_problems,
)
from fpisa.banzai.element import NARROW, Element, Unit, units
from fpisa.banzai.machine import Machine
from fpisa.formats import Format


class DoesNotFit(ValueError):
    """A configuration that the machine cannot hold; the message names the limit."""


def reads(unit: Unit) -> Iterator[str]:
    if isinstance(unit, Stateless):
        yield from operands(unit)
    elif isinstance(unit, Lookup):
        yield unit.key
    else:
        yield from (w for w in (unit.index, unit.operand, unit.force, unit.distance) if w)


def writes(unit: Unit) -> tuple[str, ...]:
    if isinstance(unit, Stateless):
        return (unit.dst,)
    return tuple(unit.default) if isinstance(unit, Lookup) else (unit.out,)


def needed(all_units: Sequence[Unit], outputs: Iterable[str]) -> list[Unit]:
    """The units that the outputs or the state depend on, in their order."""
    wanted, kept = set(outputs), []
    for unit in reversed(all_units):
        if isinstance(unit, Stateful) or wanted.intersection(writes(unit)):
            wanted.update(reads(unit))
            kept.append(unit)
    return kept[::-1]


def in_order(all_units: Sequence[Unit]) -> list[Unit]:
    """Producers before consumers. Raises DoesNotFit where words depend on each other in a circle."""
    producer = {word: unit for unit in all_units for word in writes(unit)}
    done: dict[int, None] = {}
    open_units: set[int] = set()
    ordered: list[Unit] = []

    def visit(unit: Unit) -> None:
        if id(unit) in done:
            return
        if id(unit) in open_units:
            raise DoesNotFit(f"{', '.join(writes(unit))} depends on itself within one packet")
        open_units.add(id(unit))
        for word in reads(unit):
            if word in producer:
                visit(producer[word])
        done[id(unit)] = None
        ordered.append(unit)

    for unit in all_units:
        visit(unit)
    return ordered


@dataclass
class Draft:
    """Stages being filled."""

    stages: list[list[Unit]]
    home: dict[str, int]
    refused: Counter[str]  # every limit that pushed a unit to a later stage

    def place(self, unit: Unit, machine: Machine) -> None:
        earliest = max((self.home[word] + 1 for word in reads(unit) if word in self.home), default=0)
        for number in range(earliest, machine.stages):
            problem = next(iter(stage_problems(as_stage([*self.stages[number], unit]), machine)), None)
            if problem is None:
                self.stages[number].append(unit)
                self.home.update(dict.fromkeys(writes(unit), number))
                return
            self.refused[problem] += 1
        raise DoesNotFit(f"{machine.stages} stages are too few for {', '.join(writes(unit))}; {self.why()}")

    def why(self) -> str:
        """The limit that pushed the most units down the pipeline."""
        if not self.refused:
            return "the chain of dependent steps alone is too long"
        return f"most often in the way: {self.refused.most_common(1)[0][0]}"


def as_stage(members: Sequence[Unit]) -> Stage:
    return Stage(
        tuple(u for u in members if isinstance(u, Lookup)),
        tuple(u for u in members if isinstance(u, Stateless)),
        tuple(u for u in members if isinstance(u, Stateful)),
    )


def is_narrow(word: str) -> bool:
    return word.rpartition(".")[2] in NARROW


def live_words(stages: Sequence[Stage], outputs: Iterable[str]) -> list[tuple[int, int]]:
    """(32-bit words, narrow words) kept before each stage and after the last: made or arrived, and still to be read."""
    members: list[list[Unit]] = [[*s.lookups, *s.stateless, *s.stateful] for s in stages]
    last: dict[str, int] = dict.fromkeys(outputs, len(stages))
    born: dict[str, int] = {}
    for number, stage in enumerate(members):
        for unit in stage:
            for word in reads(unit):
                last[word] = max(last.get(word, 0), number)
                born.setdefault(word, 0)
    for number, stage in enumerate(members):
        for unit in stage:
            born.update(dict.fromkeys(writes(unit), number + 1))
    live = [[w for w in born if born[w] <= n <= last.get(w, -1)] for n in range(len(stages) + 1)]
    return [(sum(not is_narrow(w) for w in words), sum(map(is_narrow, words))) for words in live]


def configure(fmt: Format, shape: str, machine: Machine, elements: int = 1, *, status: bool = True) -> Configuration:
    """The configuration of an all-reduce packet of that many elements. Raises DoesNotFit with the limit that binds."""
    outputs = ["result", "overflow", "invalid", *(["inexact"] if status else [])]
    draft = Draft([[] for _ in range(machine.stages)], {}, Counter())
    wanted: list[str] = []
    for number in range(elements):
        prefix = f"{number}." if elements > 1 else ""
        mine = [prefix + word for word in outputs]
        wanted += mine
        built = units(Element(fmt, shape, machine, prefix, status))
        for unit in in_order(needed(built, mine)):
            draft.place(unit, machine)
    while draft.stages and not draft.stages[-1]:
        draft.stages.pop()
    stages = tuple(as_stage(members) for members in draft.stages)
    for wide, narrow in live_words(stages, wanted):
        if wide > machine.words:
            raise DoesNotFit(f"{wide} 32-bit words of header vector in use at once, {machine.name} has {machine.words}")
        if narrow > machine.narrow_words:
            raise DoesNotFit(f"{narrow} narrow words in use at once, {machine.name} has {machine.narrow_words}")
    swap = frozenset(f"{n}.x" if elements > 1 else "x" for n in range(elements)) if machine.parser_swap else frozenset()
    return Configuration(f"{shape} {fmt.name} x{elements}", stages, swap)


def most_elements(
    fmt: Format, shape: str, machine: Machine, *, status: bool = True, limit: int = 256
) -> tuple[int, str]:
    """How many elements of a packet fit in one pass, and what stops the next one."""
    fitting, reason = 0, ""
    while fitting < limit:
        try:
            configure(fmt, shape, machine, fitting + 1, status=status)
        except DoesNotFit as stop:
            reason = str(stop)
            break
        fitting += 1
    return fitting, reason
