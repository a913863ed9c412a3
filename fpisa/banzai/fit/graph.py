"""The dataflow of one packet: hash-consed nodes, so that equal computations are one node.

A node is a constant, an input (header field or metadata as the packet arrives), an operation, a choice, a value read
from a register array, or something looked up in a table. Widths are in bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
LOGIC = frozenset({"and", "or", "not"})
WRAPPING = frozenset({"+", "-", "*", "<<", "~"})


@dataclass(frozen=True)
class Node:
    """`kind` is const, input, op, select, read, lookup or extern; `label` its value, name or operation."""

    kind: str
    label: object
    args: tuple[int, ...]
    width: int


@dataclass
class Graph:
    nodes: list[Node] = field(default_factory=list)
    index: dict[Node, int] = field(default_factory=dict)
    known: dict[int, dict[int, int]] = field(default_factory=dict)  # condition -> node -> its value where that holds
    facts: dict[int, dict[int, bool]] = field(default_factory=dict)  # condition -> what else holds where it does

    def add(self, kind: str, label: object, args: tuple[int, ...], width: int) -> int:
        node = Node(kind, label, args, max(width, 1))
        if node not in self.index:
            self.index[node] = len(self.nodes)
            self.nodes.append(node)
        return self.index[node]

    def __getitem__(self, number: int) -> Node:
        return self.nodes[number]

    def const(self, value: int) -> int:
        return self.add("const", value, (), value.bit_length())

    def constant(self, number: int) -> int | None:
        node = self.nodes[number]
        return node.label if node.kind == "const" and isinstance(node.label, int) else None

    def input(self, name: str, width: int) -> int:
        return self.add("input", name, (), width)

    def select(self, condition: int, yes: int, no: int) -> int:
        known = self.constant(condition)
        if known is not None:
            return yes if known else no
        if yes == no:
            return yes
        inner = self.nodes[no]
        if inner.kind == "select" and inner.args[0] == condition:
            no = inner.args[2]
        inner = self.nodes[yes]
        if inner.kind == "select" and inner.args[0] == condition:
            yes = inner.args[1]
        return self.add("select", None, (condition, yes, no), max(self.nodes[yes].width, self.nodes[no].width))

    def op(self, name: str, *args: int, width: int | None = None) -> int:
        """An operation, simplified where that needs no thought: constants, neutral elements, double negation."""
        constants = [self.constant(a) for a in args]
        if name in COMPARISONS and len(args) == 2 and constants[1] is not None:
            decided = self.compared_choice(name, args[0], args[1])
            if decided is not None:
                return decided
        simple = self.simplified(name, args, constants)
        if simple is not None:
            return simple
        if name in COMPARISONS or name in LOGIC:
            width = 1
        if width is None:
            width = max(self.nodes[a].width for a in args)
        return self.add("op", name, args, width)

    def compared_choice(self, name: str, number: int, constant: int) -> int | None:
        """A choice among constants, compared with a constant, is a condition on what chooses; None for anything else."""
        node = self.nodes[number]
        if node.kind == "const":
            return self.folded(name, self.constant(number) or 0, self.constant(constant) or 0)
        if node.kind != "select":
            return None
        condition = node.args[0]
        yes, no = (self.compared_choice(name, branch, constant) for branch in node.args[1:])
        if yes is None or no is None:
            return None
        chosen = self.op("and", condition, yes)
        return self.op("or", chosen, self.op("and", self.op("not", condition), no))

    def simplified(self, name: str, args: tuple[int, ...], constants: list[int | None]) -> int | None:
        if name == "not":
            inner = self.nodes[args[0]]
            if constants[0] is not None:
                return self.const(int(not constants[0]))
            return inner.args[0] if inner.kind == "op" and inner.label == "not" else None
        if name in ("and", "or"):
            return self.simplified_logic(name, args, constants)
        if len(args) == 2:
            a, b = constants
            if name in ("+", "|", "^") and 0 in (a, b):
                return args[1] if a == 0 else args[0]
            if name in ("-", "<<", ">>") and b == 0:
                return args[0]
            if (name in ("<<", ">>", "*", "&") and a == 0) or (name in ("*", "&") and b == 0):
                return self.const(0)
            if a is not None and b is not None:
                return self.folded(name, a, b)
        return None

    def simplified_logic(self, name: str, args: tuple[int, ...], constants: list[int | None]) -> int | None:
        neutral = 1 if name == "and" else 0
        for mine, other in ((0, 1), (1, 0)):
            if constants[mine] is not None:
                return args[other] if bool(constants[mine]) == bool(neutral) else self.const(1 - neutral)
        a, b = args
        if a == b:
            return a
        if self.op("not", a) == b:
            return self.const(1 - neutral)
        if name == "or":  # p and c, or p and not c: p
            for c, rest in ((a, b), (b, a)):  # c, or not c and y: c or y
                parts = self.nodes[rest]
                if parts.kind == "op" and parts.label == "and" and self.op("not", c) in parts.args:
                    return self.op("or", c, parts.args[1 - parts.args.index(self.op("not", c))])
            left, right = self.nodes[a], self.nodes[b]
            if left.label == right.label == "and" and left.kind == right.kind == "op":
                for i in (0, 1):
                    for k in (0, 1):
                        if left.args[i] == right.args[k] and self.op("not", left.args[1 - i]) == right.args[1 - k]:
                            return left.args[i]
        return None

    def folded(self, name: str, a: int, b: int) -> int | None:
        table = {
            "+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "&": lambda: a & b, "|": lambda: a | b,
            "^": lambda: a ^ b, "<<": lambda: a << min(b, 4096), ">>": lambda: a >> min(b, 4096),
            "==": lambda: int(a == b), "!=": lambda: int(a != b), "<": lambda: int(a < b), ">": lambda: int(a > b),
            "<=": lambda: int(a <= b), ">=": lambda: int(a >= b),
        }  # fmt: skip
        return self.const(table[name]()) if name in table else None

    def bits(self, number: int, low: int, width: int) -> int:
        """`width` bits from `low` up. Wrapping arithmetic cut at its low end is the same arithmetic, narrower."""
        node = self.nodes[number]
        if low == 0 and node.width <= width:
            return number
        value = self.constant(number)
        if value is not None:
            return self.const(value >> low & (1 << width) - 1)
        if low == 0 and node.kind == "op" and node.label in WRAPPING:
            return self.add("op", node.label, node.args, width)
        if node.kind == "op" and isinstance(node.label, tuple) and node.label[0] == "bits":
            return self.bits(node.args[0], node.label[1] + low, min(width, max(node.label[2] - low, 1)))
        return self.add("op", ("bits", low, width), (number,), width)

    def closure(self, roots: set[int]) -> set[int]:
        """The nodes that the roots are computed from, themselves included."""
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            number = stack.pop()
            if number not in seen:
                seen.add(number)
                stack += self.nodes[number].args
        return seen

    def users(self, roots: set[int]) -> dict[int, list[int]]:
        """For each node the roots need, the nodes that use it."""
        used: dict[int, list[int]] = {}
        for number in sorted(self.closure(roots)):
            for argument in dict.fromkeys(self.nodes[number].args):
                used.setdefault(argument, []).append(number)
        return used
