"""bmv2 JSON -> the dataflow of one packet through ingress and egress, if-converted.

Every assignment under a condition becomes a choice, every table a look-up whose result selects what its actions assign;
what remains is the graph of what reaches the packet, the switch's metadata and the registers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from fpisa.banzai.fit.assume import settled, under
from fpisa.banzai.fit.expression import NotMappable, convert
from fpisa.banzai.fit.graph import Graph

REQUESTS = {
    "generate_digest", "clone_ingress_pkt_to_egress", "clone_egress_pkt_to_egress", "resubmit", "recirculate", "truncate",
}  # fmt: skip
NOTHING = {"no_op", "assume", "assert", "log_msg", "exit"}


@dataclass(frozen=True)
class Access:
    """One register access: under `when`, at `index`; `value` is what is written, None for a read."""

    array: str
    when: int
    index: int
    value: int | None


@dataclass(frozen=True)
class Table:
    """A table as the placement needs it: key nodes with match kinds, entries, actions, bits of action data."""

    name: str
    when: int
    keys: tuple[tuple[str, int, int], ...]  # (match kind, node, width)
    size: int
    actions: int
    data_bits: int


@dataclass
class Program:
    """What a packet does: `outputs` are the nodes that leave it, `accesses` in program order."""

    graph: Graph
    widths: dict[str, int]
    outputs: dict[str, int] = field(default_factory=dict)
    accesses: list[Access] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    arrays: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> (bits, size)


def field_widths(document: dict[str, Any]) -> dict[str, int]:
    types = {t["name"]: t for t in document["header_types"]}
    widths: dict[str, int] = {}
    for header in document["headers"]:
        for one in types[header["header_type"]]["fields"]:
            bits = one[1] if isinstance(one[1], int) else types[header["header_type"]].get("max_length", 0) * 8
            widths[f"{header['name']}.{one[0]}"] = bits
        widths[f"{header['name']}.$valid$"] = 1
    return widths


def kept_fields(document: dict[str, Any]) -> set[str]:
    """The headers that a deparser emits."""
    return {name for deparser in document.get("deparsers", []) for name in deparser["order"]}


def read_program(document: dict[str, Any]) -> Program:
    """Raises NotMappable where the program does what no pipeline can, KeyError on JSON that is not bmv2's."""
    graph = Graph()
    program = Program(graph, field_widths(document))
    program.arrays = {a["name"]: (a["bitwidth"], a["size"]) for a in document.get("register_arrays", [])}
    env: dict[str, int] = {}
    for pipeline in document["pipelines"]:
        if pipeline["name"] in ("ingress", "egress"):
            Walk(document, pipeline, program, env).run()
    emitted = kept_fields(document)
    for name, node in env.items():
        header = name.rpartition(".")[0]
        if header in emitted or name in ("standard_metadata.egress_spec", "standard_metadata.mcast_grp"):
            if graph[node].kind != "input":
                program.outputs[name] = node
    settle(program)
    return program


def settle(program: Program) -> None:
    """Undefined values chosen away, in everything that the program does."""
    graph = program.graph
    done: dict[int, int] = {}

    def new(number: int) -> int:
        return settled(graph, number, done)

    program.outputs = {name: new(node) for name, node in program.outputs.items()}
    program.accesses = [
        Access(a.array, new(a.when), new(a.index), None if a.value is None else new(a.value)) for a in program.accesses
    ]
    program.tables = [
        replace(t, when=new(t.when), keys=tuple((kind, new(node), width) for kind, node, width in t.keys))
        for t in program.tables
    ]


def rejoined(order: list[str], successors: dict[str, list[str | None]]) -> dict[str, str]:
    """Node -> the earlier node all of whose paths come back together there, so that it runs under the same condition."""
    through: dict[str | None, set[str | None]] = {None: {None}}  # what every path from a node passes
    for name in reversed(order):
        passed_later: list[set[str | None]] = [through[after] for after in successors[name]]
        through[name] = passed_later[0].intersection(*passed_later[1:]) | {name}
    before: dict[str, set[str]] = {}  # what every path to a node has passed
    for name in order:
        passed = before.get(name, set()) | {name}
        before[name] = passed
        for after in successors[name]:
            if after is not None:
                before[after] = before[after] & passed if after in before else set(passed)
    rank = {name: n for n, name in enumerate(order)}
    meets: dict[str, str] = {}
    for name in order:
        forks = [d for d in before[name] if d != name and name in through[d]]
        if forks:
            meets[name] = max(forks, key=rank.__getitem__)
    return meets


class Walk:
    """One pipeline, node by node in topological order; `env` holds each field's current node."""

    def __init__(
        self, document: dict[str, Any], pipeline: dict[str, Any], program: Program, env: dict[str, int]
    ) -> None:
        self.actions = {a["id"]: a for a in document["actions"]}
        self.pipeline = pipeline
        self.program, self.graph, self.env = program, program.graph, env
        self.nodes = {n["name"]: n for n in [*pipeline["tables"], *pipeline["conditionals"]]}
        self.gone = self.graph.const(0)  # where `exit` was met

    def run(self) -> None:
        reached: dict[str, int] = {}
        order = self.topological()
        if self.pipeline["init_table"]:
            reached[self.pipeline["init_table"]] = self.graph.const(1)
        meets = rejoined(order, {name: list(self.successors(self.nodes[name])) for name in order})
        for name in order:
            if name in reached:
                if name in meets and self.graph.constant(self.gone) == 0:
                    reached[name] = reached[meets[name]]
                for target, when in self.visit(self.nodes[name], reached[name]):
                    if target is not None:
                        alive = self.graph.op("and", when, self.graph.op("not", self.gone))
                        before = reached.get(target)
                        reached[target] = alive if before is None else self.graph.op("or", before, alive)

    def topological(self) -> list[str]:
        order: list[str] = []
        seen: set[str] = set()
        stack: list[tuple[str, bool]] = [(self.pipeline["init_table"], False)] if self.pipeline["init_table"] else []
        while stack:
            name, done = stack.pop()
            if done:
                order.append(name)
            elif name not in seen:
                seen.add(name)
                stack.append((name, True))
                stack += [(n, False) for n in self.successors(self.nodes[name]) if n is not None]
        return order[::-1]

    @staticmethod
    def successors(node: dict[str, Any]) -> Iterator[str | None]:
        if "expression" in node:
            yield from (node["true_next"], node["false_next"])
        else:
            yield from node["next_tables"].values()

    def visit(self, node: dict[str, Any], when: int) -> Iterator[tuple[str | None, int]]:
        if "expression" in node:
            chosen = convert(self.graph, node["expression"], self.read, [])
            yield node["true_next"], self.graph.op("and", when, chosen)
            yield node["false_next"], self.graph.op("and", when, self.graph.op("not", chosen))
            return
        yield from self.apply(node, when)

    def read(self, name: str) -> int:
        if name not in self.env:
            width = self.program.widths.get(name, 32)
            # A local variable read before it is written may hold anything; what it would be never constrains the pipeline.
            local = name.startswith("scalars.")
            self.env[name] = self.graph.add("any", None, (), width) if local else self.graph.input(name, width)
        return self.env[name]

    def write(self, name: str, node: int, when: int) -> None:
        value = under(self.graph, self.graph.bits(node, 0, self.program.widths.get(name, 32)), when)
        self.env[name] = self.graph.select(when, value, self.read(name))

    def apply(self, table: dict[str, Any], when: int) -> Iterator[tuple[str | None, int]]:
        if not table["key"]:
            default = table.get("default_entry", {})
            action = self.actions[default.get("action_id", table["action_ids"][0])]
            data = [self.graph.const(int(v, 16)) for v in default.get("action_data", [])]
            self.run_action(action, when, data)
            following = table["next_tables"]
            yield following.get(action["name"], following.get("__MISS__", table["base_default_next"])), when
            return
        keys = tuple(self.key(k) for k in table["key"])
        arguments = tuple(node for _, node, _ in keys)
        label = table["name"]
        chosen = self.graph.add("lookup", (label, "action"), arguments, 8)
        data_bits, count = 0, 0
        following = table["next_tables"]
        for number, identity in enumerate(table["action_ids"]):
            action = self.actions[identity]
            taken = self.graph.op("and", when, self.graph.op("==", chosen, self.graph.const(number)))
            data = [
                self.graph.add("lookup", (label, identity, position), arguments, one["bitwidth"])
                for position, one in enumerate(action["runtime_data"])
            ]
            data_bits = max(data_bits, sum(one["bitwidth"] for one in action["runtime_data"]))
            count += 1
            self.run_action(action, taken, data)
            if action["name"] in following and len(set(following.values())) > 1:
                yield following[action["name"]], taken
        if len(set(following.values())) == 1:
            yield next(iter(following.values())), when
        elif "__HIT__" in following:
            hit = self.graph.add("lookup", (label, "hit"), arguments, 1)
            yield following["__HIT__"], self.graph.op("and", when, hit)
            yield following["__MISS__"], self.graph.op("and", when, self.graph.op("not", hit))
        size = table["max_size"]
        self.program.tables.append(Table(label, when, keys, size, count, data_bits))

    def key(self, key: dict[str, Any]) -> tuple[str, int, int]:
        node = self.read(".".join(key["target"]))
        if key.get("mask"):
            node = self.graph.op("&", node, self.graph.const(int(key["mask"], 16)))
        return key["match_type"], node, self.program.widths.get(".".join(key["target"]), 32)

    def run_action(self, action: dict[str, Any], when: int, data: list[int]) -> None:
        """Straight-line code with forward jumps: each primitive runs under the condition that reaches it."""
        never = self.graph.const(0)
        arriving: dict[int, int] = {}
        now = when
        for position, primitive in enumerate(action["primitives"]):
            if position in arriving:
                now = self.graph.op("or", now, arriving[position])
            op, parameters = primitive["op"], primitive["parameters"]
            if op in ("_jump", "_jump_if_zero"):
                target = int(parameters[-1]["value"], 16)
                taken = now
                if op == "_jump_if_zero":
                    value = convert(self.graph, parameters[0], self.read, data)
                    zero = (
                        self.graph.op("==", value, never)
                        if self.graph[value].width > 1
                        else self.graph.op("not", value)
                    )
                    taken = self.graph.op("and", now, zero)
                    now = self.graph.op("and", now, self.graph.op("not", zero))
                else:
                    now = never
                arriving[target] = self.graph.op("or", arriving.get(target, never), taken)
            elif self.graph.constant(now) != 0:
                self.primitive(op, parameters, now, data)

    def primitive(self, op: str, parameters: list[Any], when: int, data: list[int]) -> None:
        def value(position: int) -> int:
            return convert(self.graph, parameters[position], self.read, data)

        if op == "assign":
            self.write(".".join(parameters[0]["value"]), value(1), when)
        elif op == "register_read":
            name, index = parameters[1]["value"], under(self.graph, value(2), when)
            self.program.accesses.append(Access(name, when, index, None))
            bits = self.program.arrays[name][0]
            self.write(".".join(parameters[0]["value"]), self.graph.add("read", name, (index,), bits), when)
        elif op == "register_write":
            name = parameters[0]["value"]
            index, stored = (under(self.graph, value(k), when) for k in (1, 2))
            self.program.accesses.append(Access(name, when, index, stored))
        elif op == "mark_to_drop":
            self.write("standard_metadata.egress_spec", self.graph.const(511), when)
            self.write("standard_metadata.mcast_grp", self.graph.const(0), when)
        elif op in ("add_header", "remove_header"):
            self.write(f"{parameters[0]['value']}.$valid$", self.graph.const(int(op == "add_header")), when)
        elif op == "assign_header":
            self.copy_header(parameters[0]["value"], parameters[1]["value"], when)
        elif op == "count":
            self.program.counters[parameters[0]["value"]] = when
            self.program.outputs[f"counter {parameters[0]['value']}"] = value(1)
        elif op == "exit":
            self.gone = self.graph.op("or", self.gone, when)
        elif op == "modify_field_with_hash_based_offset":
            hashed = self.graph.add("extern", ("hash", parameters[2]["value"]), (), 32)
            self.write(".".join(parameters[0]["value"]), hashed, when)
        elif op == "modify_field_rng_uniform":
            self.write(".".join(parameters[0]["value"]), self.graph.add("extern", "random", (), 32), when)
        elif op not in NOTHING and op not in REQUESTS:
            raise NotMappable(f"the pipeline has no unit for the primitive {op}")

    def copy_header(self, target: str, source: str, when: int) -> None:
        for name in self.program.widths:
            header, _, member = name.rpartition(".")
            if header == target:
                self.write(name, self.read(f"{source}.{member}"), when)
