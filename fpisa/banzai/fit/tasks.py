"""The work a pipeline has to do for a packet: dataflow nodes gathered into the tasks that take a unit or a table.

Free of charge: constants, inputs, cutting a word at its low end, whole bytes taken from an input, comparisons (they are
gateways of the stage that uses them). A choice takes one unit with an instruction for each thing it may do; an operation
used only by that choice is one of those instructions. Runs of one associative operation become a balanced tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fpisa.banzai.fit.expression import NotMappable
from fpisa.banzai.fit.graph import COMPARISONS, LOGIC, Graph, Node
from fpisa.banzai.fit.program import Program, Table
from fpisa.banzai.fit.state import StateUnit
from fpisa.banzai.machine import Machine

ASSOCIATIVE = frozenset({"|", "&", "^", "+"})
TERNARY = frozenset({"lpm", "ternary", "range", "optional"})


@dataclass(frozen=True)
class Task:
    """Something that takes place in one stage. `needs` are the nodes it reads, `makes` the nodes it provides.

    Counts are of one stage's resources. `chooser` is what picks among the instructions: tasks with the same chooser
    share instruction words, since a word instructs every unit of the stage. A "reduce" is one associative operation on
    many words, spread over stages as a tree. `same_stage` marks a match whose result an action of the same stage can use.
    """

    name: str
    kind: str  # stateless, reduce, stateful, table
    needs: frozenset[int]
    makes: frozenset[int]
    wide: int = 0  # units of 32-bit words
    narrow: int = 0  # units of 8- and 16-bit words
    stateful: int = 0
    instructions: int = 0
    chooser: frozenset[int] = frozenset()
    gateways: int = 0
    sram: int = 0
    tcam: int = 0
    exact_bytes: int = 0
    ternary_bytes: int = 0
    same_stage: bool = False


@dataclass
class Gathering:
    """Nodes on their way to tasks."""

    program: Program
    machine: Machine
    states: list[StateUnit]
    tasks: list[Task] = field(default_factory=list)

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


def byte_order(graph: Graph, number: int) -> int | None:
    """The node whose bytes this one holds in reverse order, if that is what it is."""
    parts = dict(concatenated(graph, number, 0))
    sources = {node for node, _ in parts.values()}
    if len(sources) != 1 or len(parts) < 2:
        return None
    source = next(iter(sources))
    count = len(parts)
    reverse = {8 * k: 8 * (count - 1 - k) for k in range(count)}
    return source if {at: low for at, (_, low) in parts.items()} == reverse else None


def concatenated(graph: Graph, number: int, at: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """(position, (source, low bit)) of each byte of a word put together from bytes; nothing sensible for other words."""
    node = graph[number]
    if node.kind == "op" and node.label in ("|", "^", "+"):
        for argument in node.args:
            yield from concatenated(graph, argument, at)
    elif node.kind == "op" and node.label == "<<" and graph.constant(node.args[1]) is not None:
        yield from concatenated(graph, node.args[0], at + (graph.constant(node.args[1]) or 0))
    elif node.kind == "op" and isinstance(node.label, tuple) and node.label[2] == 8:
        yield at, (node.args[0], node.label[1])
    else:
        yield -1 - number, (number, 0)


def gather(program: Program, machine: Machine, states: list[StateUnit]) -> list[Task]:
    """All tasks of the program. Raises NotMappable for operations without a unit."""
    work = Gathering(program, machine, states)
    tasks = [stateful_task(work, unit) for unit in states]
    tasks += [table_task(work, table) for table in program.tables]
    for number in sorted(work.needed):
        node = work.graph[number]
        if number in work.given or work.free(number) or absorbed(work, number):
            continue
        if node.kind == "op" and node.label == "*":
            raise NotMappable("the pipeline has no unit for the operation *")
        tasks.append(stateless_task(work, number))
    return tasks


def absorbed(work: Gathering, number: int) -> bool:
    """An operation or choice used by one choice only, as a thing chosen: an instruction of that choice's unit."""
    users = work.users.get(number, [])
    if number in work.roots or len(users) != 1:
        return False
    user, node = work.graph[users[0]], work.graph[number]
    if user.kind == "select" and number in user.args[1:]:
        return True
    if inner_of_run(work, number):
        return True
    # Shift and mask of a piece on its way into a word: the unit that puts the word together does it.
    piece = isinstance(node.label, tuple) or (node.label == "<<" and work.graph.constant(node.args[1]) is not None)
    return piece and user.kind == "op" and user.label == "|"


def stateless_task(work: Gathering, number: int) -> Task:
    needs: set[int] = set()
    gates: set[int] = set()
    count = instructions(work, number, needs, gates)
    width = work.graph[number].width
    narrow = int(width <= 16)
    gateways = comparators(work, gates, needs)
    return Task(
        describe(work.graph, number), "reduce" if is_run(work, number) else "stateless", frozenset(needs),
        frozenset({number}), wide=0 if narrow else -(-width // 32), narrow=narrow, instructions=count,
        gateways=gateways, chooser=frozenset(gates or distances(work, number)),
    )  # fmt: skip


def distances(work: Gathering, number: int) -> set[int]:
    """The words that pick a shift's instruction where each distance has one."""
    node = work.graph[number]
    by_word = node.label in ("<<", ">>") and work.graph.constant(node.args[1]) is None
    return {node.args[1]} if by_word and not work.machine.operand_shift else set()


def is_run(work: Gathering, number: int) -> bool:
    """A run of one associative operation: its inner operations are taken in by `absorbed`."""
    node = work.graph[number]
    return node.label in ASSOCIATIVE and any(inner_of_run(work, a) for a in node.args)


def inner_of_run(work: Gathering, number: int) -> bool:
    """An associative operation whose only user is the same operation."""
    node, users = work.graph[number], work.users.get(number, [])
    if number in work.roots or len(users) != 1 or node.label not in ASSOCIATIVE:
        return False
    user = work.graph[users[0]]
    return user.kind == "op" and user.label == node.label and (node.label != "+" or user.width == node.width)


def instructions(work: Gathering, number: int, needs: set[int], gates: set[int]) -> int:
    """Instruction words of the unit that makes the node; collects what it reads and the conditions it hangs on."""
    node = work.graph[number]
    if node.kind == "select":
        gates.add(node.args[0])
        return sum(choice(work, branch, needs, gates) for branch in node.args[1:])
    for argument in node.args:
        if absorbed(work, argument) and work.graph[argument].kind != "select":
            instructions(work, argument, needs, gates)
        else:
            needs.update(sources(work, argument))
    if node.label in ("<<", ">>") and work.graph.constant(node.args[1]) is None and not work.machine.operand_shift:
        # One word for each distance but 0, which leaves the word as it is; what lies past the word is the default action's.
        width, distance = work.graph[node.args[0]].width, work.graph[node.args[1]]
        return min(min(width, 32) - 1, (1 << distance.width) - 1)
    if isinstance(node.label, str) and byte_order(work.graph, number) is not None:
        return 2
    return 1


def choice(work: Gathering, branch: int, needs: set[int], gates: set[int]) -> int:
    if absorbed(work, branch) and not work.free(branch):
        return instructions(work, branch, needs, gates)
    needs.update(sources(work, branch))
    return 1


def sources(work: Gathering, number: int) -> Iterator[int]:
    """The nodes with a place of their own (an input, a task's result) behind what is free."""
    node = work.graph[number]
    if node.kind in ("const", "any"):
        return
    if node.kind in ("input", "lookup", "read", "extern") or not work.free(number):
        yield number
        return
    swapped = byte_order(work.graph, number) if work.is_swap(number) else None
    for argument in node.args if swapped is None else (swapped,):
        yield from sources(work, argument)


def comparators(work: Gathering, gates: set[int], needs: set[int]) -> int:
    """Gateways the conditions take; adds the words they compare to `needs`. Bits used as they are cost none."""
    compared: set[int] = set()
    stack = list(gates)
    while stack:
        number = stack.pop()
        node = work.graph[number]
        if node.kind == "op" and node.label in LOGIC:
            stack += node.args
        elif node.kind == "op" and node.label in COMPARISONS:
            keyed = any(work.graph[a].kind == "lookup" for a in node.args)
            if not keyed and number not in compared:
                compared.add(number)
            for argument in node.args:
                needs.update(sources(work, argument))
        elif node.kind != "const":
            needs.update(sources(work, number))
    return len(compared)


def stateful_task(work: Gathering, unit: StateUnit) -> Task:
    needs: set[int] = set()
    gates: set[int] = set()
    for number in (unit.index, *unit.inputs):
        node = work.graph[number]
        if node.kind == "op" and (node.label in COMPARISONS or node.label in LOGIC):
            gates.add(number)
        else:
            needs.update(sources(work, number))
    count = comparators(work, gates, needs)
    makes = {unit.before} | ({unit.after} & work.given)
    bits = max(8, 1 << (unit.bits - 1).bit_length())
    blocks = -(-unit.size * bits // work.machine.sram_block_bits) + 1
    return Task(
        f"register {unit.array}", "stateful", frozenset(needs), frozenset(makes), stateful=-(-unit.bits // 64),
        gateways=count, sram=blocks,
    )  # fmt: skip


def table_task(work: Gathering, table: Table) -> Task:
    machine = work.machine
    needs = frozenset(n for _, node, _ in table.keys for n in sources(work, node))
    key_bytes = sum(-(-width // 8) for _, _, width in table.keys)
    by_mask = any(kind in TERNARY for kind, _, _ in table.keys)
    looked_up = work.results.get(table.name, set())
    data_bits = table.data_bits + 8
    sram = -(-table.size * (data_bits + (0 if by_mask else 8 * key_bytes)) // machine.sram_block_bits)
    wide = -(-8 * key_bytes // machine.tcam_block_bits)
    tcam = wide * -(-table.size // machine.tcam_block_entries) if by_mask else 0
    return Task(
        f"table {table.name}", "table", needs, frozenset(looked_up), instructions=table.actions, sram=max(sram, 1),
        tcam=tcam, exact_bytes=0 if by_mask else key_bytes, ternary_bytes=key_bytes if by_mask else 0, same_stage=True,
    )  # fmt: skip


def describe(graph: Graph, number: int, depth: int = 2) -> str:
    """A short P4-like text of a node, for people."""
    node = graph[number]
    if node.kind in ("const", "input", "read"):
        return str(node.label)
    if depth == 0:
        return "..."
    parts = [describe(graph, a, depth - 1) for a in node.args]
    if node.kind == "select":
        return f"({parts[0]} ? {parts[1]} : {parts[2]})"
    if isinstance(node.label, tuple):
        return f"{node.label[0]}({', '.join(parts)})"
    return f"({f' {node.label} '.join(parts)})" if len(parts) > 1 else f"{node.label} {parts[0] if parts else ''}"
