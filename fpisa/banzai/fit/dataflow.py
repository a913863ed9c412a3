"""Which parts of a program's dataflow take a unit of the pipeline, and which come with something else.

Free of charge: constants, inputs, cutting a word at its low end, whole bytes taken from an input, comparisons (they are
gateways of the stage that uses them), bytes reversed where the parser does it. Absorbed by its one user: an operation
that a choice picks, the inner operations of a run of one associative operation, a piece on its way into a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fpisa.banzai.fit.byte_order import byte_order
from fpisa.banzai.fit.graph import COMPARISONS, LOGIC, Graph, Node
from fpisa.banzai.fit.program import Program
from fpisa.banzai.fit.state import StateUnit
from fpisa.banzai.machine import Machine

ASSOCIATIVE = frozenset({"|", "&", "^", "+"})


@dataclass
class Dataflow:
    """What of a program a pipeline must compute, who uses it, and which of it takes no unit of its own."""

    program: Program
    machine: Machine
    states: list[StateUnit]

    def __post_init__(self) -> None:
        self.graph: Graph = self.program.graph
        self.written = {u.after: u for u in self.states}
        roots = set(self.program.outputs.values())
        for unit in self.states:
            roots |= {unit.index, *unit.inputs}
        for table in self.program.tables:
            roots |= {node for _, node, _ in table.keys}
        self.roots = roots
        self.given = self.given_new()
        self.results: dict[str, set[int]] = {}
        for number, node in enumerate(self.graph.nodes):
            if node.kind == "lookup" and isinstance(node.label, tuple):
                self.results.setdefault(node.label[0], set()).add(number)
        self.needed = self.reach(roots)
        self.users: dict[int, list[int]] = {}
        for number in sorted(self.needed):
            for argument in dict.fromkeys(self.graph[number].args):
                self.users.setdefault(argument, []).append(number)

    def reach(self, roots: set[int]) -> set[int]:
        """What the roots need, not looking inside what a stateful unit gives as its new word."""
        new_words = self.given
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            number = stack.pop()
            if number not in seen:
                seen.add(number)
                if number not in new_words:
                    stack += self.graph[number].args
        return seen

    def given_new(self) -> set[int]:
        """New words of stateful units whose old word nothing else needs: the unit's one output is the new one."""
        given = set()
        everything = self.graph.closure(set(self.program.outputs.values()))
        for unit in self.states:
            alone = unit.after in self.program.outputs.values()
            others = self.graph.closure(set(self.program.outputs.values()) - {unit.after}) if alone else everything
            if unit.before not in others or (unit.after in others and unit.before == unit.after):
                given.add(unit.after)
        return given

    def free(self, number: int) -> bool:
        node = self.graph[number]
        if node.kind in ("const", "any", "input", "lookup", "read", "extern"):
            return True
        if self.is_gate(number):
            return True
        return self.is_cut(node) or self.is_swap(number)

    def is_gate(self, number: int) -> bool:
        """A condition that only ever chooses."""
        node = self.graph[number]
        if node.kind != "op" or (node.label not in COMPARISONS and node.label not in LOGIC):
            return False
        return number not in self.roots and all(self.chooses(user, number) for user in self.users.get(number, ()))

    def chooses(self, user: int, number: int) -> bool:
        node = self.graph[user]
        if node.kind == "select":
            return number not in node.args[1:]
        return node.kind == "op" and node.label in LOGIC

    def is_cut(self, node: Node) -> bool:
        if node.kind != "op" or not isinstance(node.label, tuple):
            return False
        _, low, width = node.label
        return low == 0 or (self.graph[node.args[0]].kind == "input" and low % 8 == 0 and width % 8 == 0)

    def is_swap(self, number: int) -> bool:
        """A word with its bytes reversed, where the parser or deparser does that."""
        return self.machine.parser_swap and byte_order(self.graph, number) is not None

    def absorbed(self, number: int) -> bool:
        """An operation or choice used by one choice only, as a thing chosen: an instruction of that choice's unit."""
        users = self.users.get(number, [])
        if number in self.roots or len(users) != 1:
            return False
        user, node = self.graph[users[0]], self.graph[number]
        if user.kind == "select" and number in user.args[1:]:
            return True
        if self.inner_of_run(number):
            return True
        # Shift and mask of a piece on its way into a word: the unit that puts the word together does it.
        piece = isinstance(node.label, tuple) or (node.label == "<<" and self.graph.constant(node.args[1]) is not None)
        return piece and user.kind == "op" and user.label == "|"

    def is_run(self, number: int) -> bool:
        """A run of one associative operation: its inner operations are taken in by `absorbed`."""
        node = self.graph[number]
        return node.label in ASSOCIATIVE and any(self.inner_of_run(a) for a in node.args)

    def inner_of_run(self, number: int) -> bool:
        """An associative operation whose only user is the same operation."""
        node, users = self.graph[number], self.users.get(number, [])
        if number in self.roots or len(users) != 1 or node.label not in ASSOCIATIVE:
            return False
        user = self.graph[users[0]]
        return user.kind == "op" and user.label == node.label and (node.label != "+" or user.width == node.width)

    def sources(self, number: int) -> Iterator[int]:
        """The nodes with a place of their own (an input, a task's result) behind what is free."""
        node = self.graph[number]
        if node.kind in ("const", "any"):
            return
        if node.kind in ("input", "lookup", "read", "extern") or not self.free(number):
            yield number
            return
        swapped = byte_order(self.graph, number) if self.is_swap(number) else None
        for argument in node.args if swapped is None else (swapped,):
            yield from self.sources(argument)
