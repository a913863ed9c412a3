"""Register accesses to stateful units: one access per array and packet, a function one unit can compute, no circles."""

from __future__ import annotations

from dataclasses import dataclass

from fpisa.banzai.fit.assume import literals
from fpisa.banzai.fit.expression import NotMappable
from fpisa.banzai.fit.graph import COMPARISONS, Graph
from fpisa.banzai.fit.program import Access, Program

MOST_CASES = 512
BITWISE = frozenset({"&", "|", "^", "~"})
SUMS = frozenset({"+", "-", "|+|", "|-|"})


@dataclass(frozen=True)
class StateUnit:
    """What one register array asks of a stateful unit.

    `inputs` are the nodes the unit needs from outside, `index` the address; `shifts` says that the stored word is
    shifted by a distance known only at run time; `compares` counts comparisons with the stored word; `after` is the
    node of the new value, `before` that of the old one.
    """

    array: str
    bits: int
    size: int
    index: int
    inputs: frozenset[int]
    before: int
    after: int
    shifts: bool
    compares: int


def state_units(program: Program) -> list[StateUnit]:
    """Raises NotMappable naming the arrays that no pipeline can hold, all of them in one message."""
    by_array: dict[str, list[Access]] = {}
    for access in program.accesses:
        by_array.setdefault(access.array, []).append(access)
    units, problems = [], []
    for array, accesses in by_array.items():
        try:
            units.append(state_unit(program, array, accesses))
        except NotMappable as problem:
            problems.append(str(problem))
    problems += circles(program.graph, units)
    if problems:
        raise NotMappable("; ".join(problems))
    return units


def state_unit(program: Program, array: str, accesses: list[Access]) -> StateUnit:
    graph = program.graph
    index = one_index(graph, array, accesses)
    bits, size = program.arrays[array]
    before = graph.add("read", array, (index,), bits)
    after, written = before, graph.const(0)
    for access in accesses:
        if access.value is not None:
            after = graph.select(access.when, graph.bits(access.value, 0, bits), after)
            written = graph.op("or", written, access.when)
        elif not exclusive(graph, written, access.when):
            raise NotMappable(f"register {array} is read again after it was written by the same packet")
    inside = dependents(graph, after, before)
    inputs = frozenset(
        a for n in inside for a in graph[n].args if a not in inside and graph[a].kind != "const" and n != before
    ) | (frozenset({after}) if before not in graph.closure({after}) else frozenset())
    shifts, compares = capability(graph, array, before, after, inside)
    return StateUnit(array, bits, size, index, inputs, before, after, shifts, compares)


def one_index(graph: Graph, array: str, accesses: list[Access]) -> int:
    """The single address of a packet's access; different addresses only on paths that exclude each other."""
    index = accesses[0].index
    for position, access in enumerate(accesses):
        for other in accesses[:position]:
            if access.index != other.index and not exclusive(graph, access.when, other.when):
                raise NotMappable(f"register {array} is accessed at two different indices by the same packet")
        index = graph.select(access.when, access.index, index)
    return index


def exclusive(graph: Graph, one: int, two: int) -> bool:
    """Whether the two conditions can be seen never to hold together."""
    for a, b in ((one, two), (two, one)):
        if graph.constant(a) == 0:
            return True
        node = graph[a]
        if node.kind == "op" and node.label == "or":
            return all(exclusive(graph, part, b) for part in node.args)
    left, right = set(literals(graph, one)), set(literals(graph, two))
    if any((n, not sign) in right for n, sign in left):
        return True
    for n, sign in left:
        for m, other_sign in right:
            if sign and other_sign and different_constants(graph, n, m):
                return True
            # not (p or q) excludes p
            if not sign and graph[n].label == "or" and m in graph[n].args and other_sign:
                return True
            if not other_sign and graph[m].label == "or" and n in graph[m].args and sign:
                return True
    return False


def different_constants(graph: Graph, one: int, two: int) -> bool:
    """x == 1 and x == 2."""
    a, b = graph[one], graph[two]
    if a.label == b.label == "==" and a.args[0] == b.args[0]:
        x, y = graph.constant(a.args[1]), graph.constant(b.args[1])
        return x is not None and y is not None and x != y
    return False


def dependents(graph: Graph, root: int, source: int) -> set[int]:
    """The nodes between `source` and `root`, both included, that depend on `source`."""
    found: dict[int, bool] = {source: True}
    for number in sorted(graph.closure({root})):
        if number != source:
            found[number] = any(found.get(a, False) for a in graph[number].args)
    return {n for n, inside in found.items() if inside}


def capability(graph: Graph, array: str, before: int, after: int, inside: set[int]) -> tuple[bool, int]:
    """(needs the stored word shifted, comparisons with it). Raises NotMappable when one unit cannot compute it."""
    shifts, compared = False, set()
    for leaf in cases(graph, after, inside, array):
        shifts |= one_operation(graph, array, before, leaf, inside)
    for number in inside:
        if graph[number].kind == "select" and graph[number].args[0] in inside:
            compared |= {n for n in graph.closure({graph[number].args[0]}) if n in inside and compares(graph, n)}
    return shifts, len(compared)


def compares(graph: Graph, number: int) -> bool:
    node = graph[number]
    return node.kind == "op" and node.label in COMPARISONS


def cases(graph: Graph, root: int, inside: set[int], array: str) -> set[Tree]:
    """The new value with every choice made, one way for each combination of conditions."""
    found: set[Tree] = set()
    pending: list[dict[int, bool]] = [{}]
    while pending:
        chosen = pending.pop()
        try:
            found.add(resolve(graph, root, inside, chosen))
        except Undecided as open_choice:
            pending += [{**chosen, open_choice.condition: True}, {**chosen, open_choice.condition: False}]
        if len(found) + len(pending) > MOST_CASES:
            raise NotMappable(f"register {array} is updated in more ways than a stateful unit has instructions")
    return found


class Undecided(Exception):
    def __init__(self, condition: int) -> None:
        self.condition = condition


@dataclass(frozen=True)
class Tree:
    """A resolved expression: an operation on trees, the state word, or something from outside ("outside", or a constant)."""

    label: object
    args: tuple[Tree, ...] = ()


STATE, OUTSIDE = Tree("state"), Tree("outside")


def resolve(graph: Graph, number: int, inside: set[int], chosen: dict[int, bool], operand: bool = False) -> Tree:
    """`operand` is set below an operation, where a choice from outside matters if it may be zero."""
    node = graph[number]
    if node.kind == "const":
        return Tree(node.label)
    if node.kind == "select":
        condition, flip = node.args[0], False
        while graph[condition].kind == "op" and graph[condition].label == "not":
            condition, flip = graph[condition].args[0], not flip
        if number not in inside and not (operand and any(graph.constant(a) == 0 for a in node.args[1:])):
            return OUTSIDE
        if condition not in chosen:
            raise Undecided(condition)
        return resolve(graph, node.args[1] if chosen[condition] != flip else node.args[2], inside, chosen, operand)
    if number not in inside:
        return OUTSIDE
    if node.kind == "read":
        return STATE
    return reduced(node.label, tuple(resolve(graph, a, inside, chosen, True) for a in node.args))


def reduced(label: object, args: tuple[Tree, ...]) -> Tree:
    """Neutral elements dropped, and what no longer touches the state named as coming from outside."""
    zero = Tree(0)
    if all(a == OUTSIDE or isinstance(a.label, int) for a in args):
        return OUTSIDE
    if isinstance(label, tuple) and label[0] == "bits":
        return args[0] if args[0] in (STATE, OUTSIDE) else Tree("bits", args)
    if label in (">>", "<<") and args[0] == zero:
        return zero
    if label in (">>", "<<", "|", "^", *SUMS) and len(args) == 2:
        if args[1] == zero:
            return args[0]
        if args[0] == zero and label not in (">>", "<<", "-", "|-|"):
            return args[1]
    return Tree(label, args)


def one_operation(graph: Graph, array: str, before: int, tree: Tree, inside: set[int]) -> bool:
    """Whether the operation shifts the stored word. Raises NotMappable for more than shift, then one operation."""
    if tree in (STATE, OUTSIDE) or isinstance(tree.label, int):
        return False
    if bitwise(tree):
        return False
    if tree.label == "bits":
        return one_operation(graph, array, before, tree.args[0], inside)
    if tree.label == ">>" and tree.args[0] == STATE:
        return not isinstance(tree.args[1].label, int)
    if tree.label in SUMS:
        sides = [shifted_state(a) for a in tree.args]
        if None not in sides and sum(s is not OUTSIDE for s in sides) == 1:
            return any(s == "shifted" for s in sides)
    raise NotMappable(f"register {array} is updated by {describe(tree)}, more than one stateful unit computes")


def shifted_state(tree: Tree) -> object:
    """OUTSIDE, "stored" for the state word, "shifted" for it shifted right by a word; None for anything else."""
    while tree.label == "bits":
        tree = tree.args[0]
    if tree == OUTSIDE or isinstance(tree.label, int):
        return OUTSIDE
    if tree == STATE:
        return "stored"
    if tree.label == ">>" and tree.args[0] == STATE:
        return "stored" if isinstance(tree.args[1].label, int) else "shifted"
    return None


def bitwise(tree: Tree) -> bool:
    """Only bit selection and bit-by-bit operations: one look-up per bit."""
    if not tree.args:
        return True
    if tree.label in BITWISE or tree.label == "bits":
        return all(bitwise(a) for a in tree.args)
    return tree.label in ("<<", ">>") and bitwise(tree.args[0]) and isinstance(tree.args[1].label, int)


def describe(tree: Tree) -> str:
    if not tree.args:
        return str(tree.label)
    if len(tree.args) == 2:
        return f"({describe(tree.args[0])} {tree.label} {describe(tree.args[1])})"
    return f"{tree.label}({', '.join(map(describe, tree.args))})"


def circles(graph: Graph, units: list[StateUnit]) -> list[str]:
    """Arrays whose accesses need each other's stored words: no order of stages serves them."""
    reads = {u.before: u.array for u in units}
    needs = {}
    for unit in units:
        found = {reads[n] for n in graph.closure({unit.index, *unit.inputs}) if n in reads}
        needs[unit.array] = (
            found - {unit.array} if unit.before not in graph.closure({unit.index, *unit.inputs}) else found
        )
    problems, told = [], set()
    for array in needs:
        ring = reachable(needs, array)
        if array in ring and array not in told:
            together = sorted(other for other in ring if array in reachable(needs, other))
            told.update(together)
            problems.append(
                f"registers {', '.join(together)} depend on each other within one packet, a circle through state"
            )
    return problems


def reachable(needs: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    stack = list(needs[start])
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack += needs.get(name, ())
    return seen
