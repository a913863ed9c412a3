"""A configuration at work: one packet enters and one leaves each clock, with a packet in every stage between."""

from __future__ import annotations

from collections import defaultdict

from fpisa.banzai.configuration import (
    RELATIONS,
    Configuration,
    Stage,
    Stateful,
    Stateless,
    Word,
    check,
    run_instruction,
)
from fpisa.banzai.machine import Machine
from fpisa.banzai.units import MASK, SWAP, byte_shuffle, rsaw

Header = dict[str, int]


class Pipeline:
    """Raises ValueError with every reason when the machine cannot hold the configuration."""

    def __init__(self, configuration: Configuration, machine: Machine) -> None:
        problems = check(configuration, machine)
        if problems:
            raise ValueError(f"{configuration.name} does not map onto {machine.name}: " + "; ".join(problems))
        self.configuration = configuration
        self.resident: list[Header | None] = [None] * len(configuration.stages)
        self.state: dict[str, defaultdict[int, int]] = {
            unit.array: defaultdict(int) for stage in configuration.stages for unit in stage.stateful
        }

    def clock(self, packet: Header | None = None) -> Header | None:
        """One clock: every resident packet passes its stage; returns the packet that leaves, if any."""
        if packet is not None:
            packet = {
                word: byte_shuffle(SWAP, value) if word in self.configuration.swap else value & MASK
                for word, value in packet.items()
            }
        # The last stage first: a packet sees the state that the packet ahead of it left one clock earlier.
        entering = [packet, *self.resident]
        leaving = None
        for number in reversed(range(len(self.resident) + 1)):
            here = entering[number]
            if number == len(self.resident):
                leaving = here
            else:
                self.resident[number] = None if here is None else self.step(self.configuration.stages[number], here)
        return leaving

    def run(self, packets: list[Header]) -> list[Header]:
        """Packets back to back, then empty clocks until the last has left."""
        out = [self.clock(packet) for packet in packets]
        out += [self.clock() for _ in range(len(self.resident))]
        return [packet for packet in out if packet is not None]

    def step(self, stage: Stage, header: Header) -> Header:
        after = dict(header)
        for lookup in stage.lookups:
            after.update(lookup.find(header[lookup.key]))
        for unit in stage.stateless:
            self.act(unit, header, after)
        for stateful in stage.stateful:
            self.access(stateful, header, after)
        return after

    @staticmethod
    def act(unit: Stateless, seen: Header, after: Header) -> None:
        def read(word: Word) -> int:
            return seen[word] if isinstance(word, str) else word & MASK

        for instruction in unit.instructions:
            if all(RELATIONS[gate.relation](read(gate.a), read(gate.b)) for gate in instruction.when):
                after[unit.dst] = run_instruction(instruction, read)
                return

    def access(self, unit: Stateful, seen: Header, after: Header) -> None:
        cells = self.state[unit.array]
        index = seen[unit.index]
        force = seen[unit.force] if unit.force else 0
        distance = seen[unit.distance] if unit.distance else 0
        cells[index], after[unit.out] = rsaw(unit.atom, cells[index], seen[unit.operand], force, distance)
