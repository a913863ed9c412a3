"""A configuration: which unit does what in which stage, as plain data, and its check against a machine.

Within a stage everything reads the header vector as it came in. The match half decides: gateways compare words, a
table looks a word up. The action half acts: a stateless unit runs the first of its instructions whose gateways hold and
writes its own word; a table's action writes its data; a stateful unit reads, operates and writes one word of its array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fpisa.banzai.machine import Machine
from fpisa.banzai.units import SHIFTS, Atom, Op, alu, signed

Word = str | int  # a header-vector word by name, or an immediate

RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: signed(a) < signed(b),
    ">": lambda a, b: signed(a) > signed(b),
    "u>": lambda a, b: a > b,
    "bit": lambda a, b: bool(a & b),  # any of these bits set
}


@dataclass(frozen=True)
class Gate:
    """One comparison of a gateway."""

    a: Word
    relation: str
    b: Word


@dataclass(frozen=True)
class Instruction:
    """`dst = op(a, b)` where every gate holds."""

    op: Op
    a: Word
    b: Word
    when: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class Stateless:
    """One stateless unit: its own word, and the instructions it may run, first match first. None holds: unchanged."""

    dst: str
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True)
class Stateful:
    """One stateful unit with its register array."""

    array: str
    atom: Atom
    index: str
    operand: str
    out: str
    force: str | None = None
    distance: str | None = None
    bits: int = 32


@dataclass(frozen=True)
class Lookup:
    """A longest-prefix table on one word; its action writes the data into words of those names."""

    name: str
    key: str
    entries: tuple[tuple[int, int, Mapping[str, int]], ...]  # value, prefix length, action data
    default: Mapping[str, int]

    def find(self, key: int) -> Mapping[str, int]:
        best, data = -1, self.default
        for value, length, found in self.entries:
            if length > best and (key ^ value) >> (32 - length) == 0:
                best, data = length, found
        return data


@dataclass(frozen=True)
class Stage:
    lookups: tuple[Lookup, ...] = ()
    stateless: tuple[Stateless, ...] = ()
    stateful: tuple[Stateful, ...] = ()


@dataclass(frozen=True)
class Configuration:
    """Stages from first to last; `swap` names the words whose bytes the parser reverses."""

    name: str
    stages: tuple[Stage, ...]
    swap: frozenset[str] = field(default_factory=frozenset)


def operands(unit: Stateless) -> Iterator[str]:
    for instruction in unit.instructions:
        for gate in instruction.when:
            yield from (w for w in (gate.a, gate.b) if isinstance(w, str))
        yield from (w for w in (instruction.a, instruction.b) if isinstance(w, str))


def instruction_words(stage: Stage) -> int:
    """VLIW instruction words: one for each different action of each table; units that choose alike share a table."""
    tables: dict[tuple[tuple[Gate, ...], ...], list[Stateless]] = {}
    for unit in stage.stateless:
        tables.setdefault(tuple(i.when for i in unit.instructions), []).append(unit)
    words = len(stage.lookups)
    for sharing in tables.values():
        words += len(set(zip(*(map(action, unit.instructions) for unit in sharing))))
    return words


def action(instruction: Instruction) -> tuple[Op, Word, Word]:
    """What the unit is told to do, whatever chose it; a copy has one operand."""
    first = 0 if instruction.op is Op.COPY else instruction.a
    return instruction.op, first, instruction.b


def gateways(stage: Stage) -> int:
    """Distinct comparisons in a stage; equality of one word with a constant is a table key and costs none."""
    return len(
        {
            gate
            for unit in stage.stateless
            for instruction in unit.instructions
            for gate in instruction.when
            if not (gate.relation == "==" and isinstance(gate.b, int))
        }
    )


def check(configuration: Configuration, machine: Machine) -> list[str]:
    """Every reason why the machine cannot hold the configuration; empty when it can."""
    problems: list[str] = []
    if configuration.swap and not machine.parser_swap:
        problems.append(
            f"{machine.name}: the parser cannot reverse the bytes of {', '.join(sorted(configuration.swap))}"
        )
    if len(configuration.stages) > machine.stages:
        problems.append(f"{len(configuration.stages)} stages, {machine.name} has {machine.stages}")
    homes: dict[str, int] = {}
    for number, stage in enumerate(configuration.stages):
        problems += [f"stage {number}: {text}" for text in stage_problems(stage, machine)]
        for unit in stage.stateful:
            if homes.setdefault(unit.array, number) != number or sum(u.array == unit.array for u in stage.stateful) > 1:
                problems.append(f"stage {number}: register array {unit.array} is accessed a second time")
    return problems


def stage_problems(stage: Stage, machine: Machine) -> Iterable[str]:
    counts = {
        "stateless units": (len(stage.stateless), machine.words),
        "stateful units": (len(stage.stateful), machine.stateful),
        "instruction words": (instruction_words(stage), machine.instructions),
        "gateways": (gateways(stage), machine.gateways),
    }
    for what, (used, limit) in counts.items():
        if used > limit:
            yield f"{used} {what}, {machine.name} has {limit}"
    written = [unit.dst for unit in stage.stateless] + [unit.out for unit in stage.stateful]
    written += [word for lookup in stage.lookups for word in lookup.default]
    for word in {w for w in written if written.count(w) > 1}:
        yield f"two units write {word}"
    for unit in stage.stateful:
        if unit.distance is not None and not machine.rsaw:
            yield f"{unit.array}: {machine.name} cannot shift a stored word (no read-shift-add-write unit)"
    for plain in stage.stateless:
        for instruction in plain.instructions:
            if instruction.op in SHIFTS and isinstance(instruction.b, str) and not machine.operand_shift:
                yield f"{plain.dst}: {machine.name} shifts only by a distance written in the instruction"


def run_instruction(instruction: Instruction, read: Callable[[Word], int]) -> int:
    return alu(instruction.op, read(instruction.a), read(instruction.b))
