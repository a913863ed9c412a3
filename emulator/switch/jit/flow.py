"""A pipeline's graph of tables and conditions as compiled code.

Small single-entry, single-exit pieces of the graph whose nodes can all run on a predicated path become straight-line
code: both arms, then selects (`FlatRegion`). Everything else keeps its branches, one basic block per node.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from emulator.switch import expr as x
from emulator.switch.jit import exprs, primitives, tables
from emulator.switch.jit.gen import Gen, Path
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.values import const
from emulator.switch.model import ActionNode, ConditionalNode, Node, Pipeline, Primitive, TableNode

FLAT_LIMIT = 600
"""Expression nodes a piece of the graph may have to be flattened."""
HEAVY = 10 * FLAT_LIMIT
END = -1


def weigh(item: object) -> int:
    """Number of expression nodes."""
    if isinstance(item, x.Const | x.FieldRead | x.Param):
        return 0
    if isinstance(item, tuple):
        return sum(weigh(i) for i in item)
    if is_dataclass(item):
        return 1 + sum(weigh(getattr(item, f.name)) for f in fields(item))
    return 0


class Graph:
    """Successors, costs and immediate post-dominators of a pipeline's nodes; END stands for its end."""

    def __init__(self, g: Gen, pipeline: Pipeline):
        self.g = g
        self.nodes = pipeline.nodes
        self.first = END if pipeline.first is None else pipeline.first
        self.next = [self._successors(n) for n in self.nodes]
        self.cost = [self._cost(n) for n in self.nodes]
        self.order = self._order()
        self.rank = {n: i for i, n in enumerate(self.order)}
        self.rank[END] = len(self.order)
        self.acyclic = all(self.rank[s] > self.rank[n] for n in self.order for s in self.next[n])
        self.join = self._post_dominators() if self.acyclic else {}

    @staticmethod
    def _end(node: int | None) -> int:
        return END if node is None else node

    def _successors(self, node: Node) -> list[int]:
        if isinstance(node, ConditionalNode):
            found = [node.true_next, node.false_next]
        elif isinstance(node, ActionNode):
            found = [node.next]
        elif node.branches:
            found = [node.hit_next, node.miss_next]
        else:
            found = [*node.next, node.base_next] if may_do_nothing(self.g, node) else list(node.next)
        return sorted({self._end(n) for n in found})

    def _actions(self, node: Node) -> list[int]:
        if isinstance(node, TableNode):
            return list(node.actions)
        return [node.call.action] if isinstance(node, ActionNode) else []

    def _cost(self, node: Node) -> int:
        model = self.g.model
        if isinstance(node, ConditionalNode):
            return 1 + weigh(node.cond)
        total = 1
        if isinstance(node, TableNode):
            if not tables.is_static(self.g, node):
                return HEAVY
            content = tables.content_of(self.g, node.table)
            total += 4 * len(content.rows) if content else 0
        for action in self._actions(node):
            body = model.actions[action].body
            if not primitives.is_flat(model, body) or any(p.op in SINGLE for p in body):
                return HEAVY
            total += sum(_primitive_cost(p) for p in body)
        return total

    def _order(self) -> list[int]:
        """Reachable nodes, each before its successors where the graph has no cycle."""
        seen: set[int] = set()
        out: list[int] = []
        stack: list[tuple[int, bool]] = [(self.first, False)]
        while stack:
            node, done = stack.pop()
            if done:
                out.append(node)
            elif node != END and node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((s, False) for s in self.next[node])
        return out[::-1]

    def _post_dominators(self) -> dict[int, int]:
        join: dict[int, int] = {}
        for node in reversed(self.order):
            meet: int | None = None
            for s in self.next[node]:
                meet = s if meet is None else self._meet(join, meet, s)
            join[node] = END if meet is None else meet
        return join

    def _meet(self, join: dict[int, int], a: int, b: int) -> int:
        while a != b:
            if self.rank[a] < self.rank[b]:
                a = join[a]
            else:
                b = join[b]
        return a

    def region(self, node: int) -> list[int] | None:
        """The nodes from `node` up to its join when together they are cheap enough to flatten, in order."""
        if not self.acyclic or self.cost[node] > FLAT_LIMIT:
            return None
        stop = self.join[node]
        found: set[int] = set()
        total = 0
        todo = [node]
        while todo:
            n = todo.pop()
            if n in found or n == stop:
                continue
            if n == END:
                return None
            found.add(n)
            total += self.cost[n]
            if total > FLAT_LIMIT:
                return None
            todo.extend(self.next[n])
        return sorted(found, key=self.rank.__getitem__)


SINGLE = frozenset({"exit", "modify_field_with_hash_based_offset"})
"""Primitives that are not worth doing on a path not taken."""


def _primitive_cost(p: Primitive) -> int:
    extra = {"push": 50, "pop": 50, "assign_header": 30, "assign_header_stack": 100, "assign_union": 50}
    return 1 + extra.get(p.op, 0) + sum(weigh(a) for a in p.args)


def may_do_nothing(g: Gen, node: TableNode) -> bool:
    """Whether a look-up can end without an action."""
    return node.profile is not None or node.default is None


def run_pipeline(g: Gen, pipeline: Pipeline) -> None:
    """All of a pipeline; afterwards the current block is behind it."""
    _Emitter(g, Graph(g, pipeline)).run()


class _Emitter:
    def __init__(self, g: Gen, graph: Graph):
        self.g = g
        self.graph = graph
        self.done = g.fn.label("end")
        self.labels: dict[int, str] = {END: self.done}
        self.regions = {n: graph.region(n) for n in graph.order}
        self.incoming = self._incoming()

    def _incoming(self) -> dict[int, int]:
        """Edges into each node once regions are collapsed."""
        count: dict[int, int] = {self.graph.first: 1}
        seen: set[int] = set()
        todo = [self.graph.first]
        while todo:
            n = todo.pop()
            if n == END or n in seen:
                continue
            seen.add(n)
            for s in self._after(n):
                count[s] = count.get(s, 0) + 1
                todo.append(s)
        return count

    def _after(self, node: int) -> list[int]:
        return [self.graph.join[node]] if self.regions[node] else self.graph.next[node]

    def label(self, node: int) -> str:
        if node not in self.labels:
            self.labels[node] = self.g.fn.label("node")
        return self.labels[node]

    def run(self) -> None:
        g = self.g
        g.set_const(g.phv.own.exit, 0)
        g.goto(self.label(self.graph.first))
        done: set[int] = set()
        while waiting := [n for n in self.graph.order if n in self.labels and n not in done]:
            for node in waiting:
                if node not in done:
                    g.start(self.labels[node])
                    self._chain(node, done)
        g.start(self.done)

    def _chain(self, node: int, done: set[int]) -> None:
        """The node and those that follow it without another way in, in one block as far as possible."""
        while True:
            done.add(node)
            region = self.regions[node]
            if region:
                run_flat(self.g, self.graph, region, self.graph.join[node])
                following = self.graph.join[node]
            else:
                found = self._node(node)
                if found is None:
                    return
                following = found
            if following == END or self.incoming.get(following, 0) > 1 or following in done:
                self.g.goto(self.label(following))
                return
            node = following

    def _node(self, number: int) -> int | None:
        """One node with real branches; the successor if there is one only (its block not begun)."""
        g, node = self.g, self.graph.nodes[number]
        if isinstance(node, ConditionalNode):
            yes, no = Graph._end(node.true_next), Graph._end(node.false_next)
            if yes == no:
                return yes
            sole = tuple(self.label(n) for n in (yes, no) if n != END and self.incoming.get(n) == 1)
            g.branch(exprs.cond(g, node.cond), self.label(yes), self.label(no), sole=sole)
            return None
        if isinstance(node, ActionNode):
            g.params = tuple(const(a) for a in node.call.args)
            self._body(node.call.action)
            return self._exit_or(node.call.action, Graph._end(node.next))
        return self._table(node)

    def _body(self, action: int) -> None:
        primitives.run_body(self.g, self.g.model.actions[action].body)

    def _exits(self, action: int) -> bool:
        return any(p.op == "exit" for p in self.g.model.actions[action].body)

    def _exit_or(self, action: int, following: int) -> int | None:
        if not self._exits(action):
            return following
        g = self.g
        g.branch(g.flag(g.phv.own.exit), self.done, self.label(following))
        return None

    def _table(self, node: TableNode) -> int | None:
        g = self.g
        found = tables.lookup(g, node)
        if found.action.const is not None:
            return self._known(node, found)
        g.flush()
        arms = {k: g.fn.label("action") for k in found.actions}
        nothing = g.fn.label("nothing")
        cases = " ".join(f"i32 {k}, label %{arms[k]}" for k in found.actions)
        g.fn.end(f"switch i32 {found.action.ref}, label %{nothing} [{cases}]")
        for k in found.actions:
            g.start(arms[k])
            g.params = tables.params(g, node, found, k)
            self._body(node.actions[k])
            self._leave(node, node.actions[k], self._following(node, k), found.hit)
        g.start(nothing)
        if may_do_nothing(g, node):
            self._leave(node, None, self._following(node, None), found.hit)
        else:
            g.fn.end("unreachable")
        return None

    def _following(self, node: TableNode, position: int | None) -> int | None:
        if node.branches:
            return None
        return Graph._end(node.base_next if position is None else node.next[position])

    def _leave(self, node: TableNode, action: int | None, following: int | None, hit: Ref) -> None:
        g = self.g
        if action is not None and self._exits(action):
            on = g.fn.label("on")
            g.branch(g.flag(g.phv.own.exit), self.done, on)
            g.start(on)
        if following is not None:
            g.goto(self.label(following))
            return
        yes, no = self.label(Graph._end(node.hit_next)), self.label(Graph._end(node.miss_next))
        g.branch(hit, yes, no)

    def _known(self, node: TableNode, found: tables.Found) -> int | None:
        """The action is the same for all packets."""
        position = found.action.const
        action = None
        if position != tables.NONE and position is not None:
            self.g.params = tables.params(self.g, node, found, position)
            action = node.actions[position]
            self._body(action)
        else:
            position = None
        if node.branches:
            self._leave(node, action, None, found.hit)
            return None
        following = self._following(node, position)
        assert following is not None
        return following if action is None else self._exit_or(action, following)


# --- Flattened regions ---


def run_flat(g: Gen, graph: Graph, region: list[int], stop: int) -> None:
    """All nodes of the region on one path; jumps become selects."""
    start, whole = g.path, g.path.pred
    waiting: dict[int, list[tuple[Ref, Path]]] = {region[0]: [(1, start.fork(whole))]}
    for number in [*region, stop]:
        arms = waiting.pop(number, [])
        if not arms:
            continue
        local: Ref = 1
        if waiting:
            local = 0
            for c, _ in arms:
                local = g.fn.or_(local, c)
        g.path = g.merge(arms, g.fn.and_(whole, local))
        if number == stop:
            start.absorb(g.path)
            g.path = start
            return
        for test, path, following in _flat_node(g, graph.nodes[number]):
            along = g.fn.and_(local, test)
            if along != 0:
                path.pred = g.fn.and_(whole, along)
                waiting.setdefault(following, []).append((along, path))


def _flat_node(g: Gen, node: Node) -> list[tuple[Ref, Path, int]]:
    """(condition, path, successor) of each way out of a node."""
    if isinstance(node, ConditionalNode):
        test = exprs.cond(g, node.cond)
        yes, no = Graph._end(node.true_next), Graph._end(node.false_next)
        if yes == no:
            return [(1, g.path, yes)]
        return [(test, g.path.fork(0), yes), (g.fn.not_(test), g.path.fork(0), no)]
    if isinstance(node, ActionNode):
        g.params = tuple(const(a) for a in node.call.args)
        primitives.run_body(g, g.model.actions[node.call.action].body)
        return [(1, g.path, Graph._end(node.next))]
    return _flat_table(g, node)


def _flat_table(g: Gen, node: TableNode) -> list[tuple[Ref, Path, int]]:
    """Each possible action on a path of its own; then one way out per successor."""
    found = tables.lookup(g, node)
    start, whole = g.path, g.path.pred
    ways: list[tuple[Ref, Path, int | None]] = []
    others: Ref = 1
    for k in found.actions:
        chosen = g.arith.compare("==", found.action, const(k))
        if chosen == 0:
            continue
        if not found.none and k == found.actions[-1]:
            chosen = others
        others = g.fn.and_(others, g.fn.not_(chosen))
        g.path = start.fork(g.fn.and_(whole, chosen))
        g.params = tables.params(g, node, found, k)
        primitives.run_body(g, g.model.actions[node.actions[k]].body)
        ways.append((chosen, g.path, None if node.branches else Graph._end(node.next[k])))
    if others != 0 and found.none:
        ways.append((others, start.fork(0), None if node.branches else Graph._end(node.base_next)))
    if not node.branches:
        return [(c, p, s) for c, p, s in ways if s is not None]
    g.path = g.merge([(c, p) for c, p, _ in ways], whole)
    hit, miss = Graph._end(node.hit_next), Graph._end(node.miss_next)
    if hit == miss:
        return [(1, g.path, hit)]
    return [(found.hit, g.path.fork(0), hit), (g.fn.not_(found.hit), g.path.fork(0), miss)]
