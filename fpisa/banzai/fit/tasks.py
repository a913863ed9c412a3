"""The work a pipeline has to do for a packet: dataflow nodes gathered into the tasks that take a unit or a table.

A choice takes one unit with an instruction for each thing it may do; an operation used only by that choice is one of
those instructions. Runs of one associative operation become a balanced tree. What is free is `dataflow`'s to say.
"""

from __future__ import annotations

from dataclasses import dataclass

from fpisa.banzai.fit.byte_order import byte_order
from fpisa.banzai.fit.dataflow import Dataflow
from fpisa.banzai.fit.expression import NotMappable
from fpisa.banzai.fit.graph import COMPARISONS, LOGIC, Graph
from fpisa.banzai.fit.program import Program, Table
from fpisa.banzai.fit.state import StateUnit
from fpisa.banzai.machine import Machine

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


def gather(program: Program, machine: Machine, states: list[StateUnit]) -> list[Task]:
    """All tasks of the program. Raises NotMappable for operations without a unit."""
    work = Dataflow(program, machine, states)
    tasks = [stateful_task(work, unit) for unit in states]
    tasks += [table_task(work, table) for table in program.tables]
    for number in sorted(work.needed):
        node = work.graph[number]
        if number in work.given or work.free(number) or work.absorbed(number):
            continue
        if node.kind == "op" and node.label == "*":
            raise NotMappable("the pipeline has no unit for the operation *")
        tasks.append(stateless_task(work, number))
    return tasks


def stateless_task(work: Dataflow, number: int) -> Task:
    needs: set[int] = set()
    gates: set[int] = set()
    count = instructions(work, number, needs, gates)
    width = work.graph[number].width
    narrow = int(width <= 16)
    gateways = comparators(work, gates, needs)
    return Task(
        describe(work.graph, number), "reduce" if work.is_run(number) else "stateless", frozenset(needs),
        frozenset({number}), wide=0 if narrow else -(-width // 32), narrow=narrow, instructions=count,
        gateways=gateways, chooser=frozenset(gates or distances(work, number)),
    )  # fmt: skip


def distances(work: Dataflow, number: int) -> set[int]:
    """The words that pick a shift's instruction where each distance has one."""
    node = work.graph[number]
    by_word = node.label in ("<<", ">>") and work.graph.constant(node.args[1]) is None
    return {node.args[1]} if by_word and not work.machine.operand_shift else set()


def instructions(work: Dataflow, number: int, needs: set[int], gates: set[int]) -> int:
    """Instruction words of the unit that makes the node; collects what it reads and the conditions it hangs on."""
    node = work.graph[number]
    if node.kind == "select":
        gates.add(node.args[0])
        return sum(choice(work, branch, needs, gates) for branch in node.args[1:])
    for argument in node.args:
        if work.absorbed(argument) and work.graph[argument].kind != "select":
            instructions(work, argument, needs, gates)
        else:
            needs.update(work.sources(argument))
    if node.label in ("<<", ">>") and work.graph.constant(node.args[1]) is None and not work.machine.operand_shift:
        # One word for each distance but 0, which leaves the word as it is; what lies past the word is the default action's.
        width, distance = work.graph[node.args[0]].width, work.graph[node.args[1]]
        return min(min(width, 32) - 1, (1 << distance.width) - 1)
    if isinstance(node.label, str) and byte_order(work.graph, number) is not None:
        return 2
    return 1


def choice(work: Dataflow, branch: int, needs: set[int], gates: set[int]) -> int:
    if work.absorbed(branch) and not work.free(branch):
        return instructions(work, branch, needs, gates)
    needs.update(work.sources(branch))
    return 1


def comparators(work: Dataflow, gates: set[int], needs: set[int]) -> int:
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
                needs.update(work.sources(argument))
        elif node.kind != "const":
            needs.update(work.sources(number))
    return len(compared)


def stateful_task(work: Dataflow, unit: StateUnit) -> Task:
    needs: set[int] = set()
    gates: set[int] = set()
    for number in (unit.index, *unit.inputs):
        node = work.graph[number]
        if node.kind == "op" and (node.label in COMPARISONS or node.label in LOGIC):
            gates.add(number)
        else:
            needs.update(work.sources(number))
    count = comparators(work, gates, needs)
    makes = {unit.before} | ({unit.after} & work.given)
    bits = max(8, 1 << (unit.bits - 1).bit_length())
    blocks = -(-unit.size * bits // work.machine.sram_block_bits) + 1
    return Task(
        f"register {unit.array}", "stateful", frozenset(needs), frozenset(makes), stateful=-(-unit.bits // 64),
        gateways=count, sram=blocks,
    )  # fmt: skip


def table_task(work: Dataflow, table: Table) -> Task:
    machine = work.machine
    needs = frozenset(n for _, node, _ in table.keys for n in work.sources(node))
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
