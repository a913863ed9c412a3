"""Ingress and egress as bmv2's graph of tables and conditions.

Built from the end: each piece of code is given the node that follows it and answers the node it begins with, so
jumps are only edges. Straight code becomes a table without keys whose one action holds it.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import ir
from .emit_code import action_code
from .emit_expr import ExprEmitter, Json
from .emit_reuse import Places, count_places
from .emit_table import table_json
from .source import Diagnostics

Node = str | None


class ActionList:
    """The JSON file's actions; generated ones are named after their line."""

    def __init__(self, exprs: ExprEmitter, field_lists: dict[int, int]) -> None:
        self.exprs = exprs
        self.field_lists = field_lists
        self.actions: list[Json] = []
        self.ids: dict[int, int] = {}
        self.names: dict[str, int] = {}

    def add(self, name: str, params: list[Json], body: Sequence[ir.Stmt]) -> int:
        number = len(self.actions)
        self.actions.append({"name": name, "id": number, "runtime_data": params,
                             "primitives": action_code(self.exprs, body, self.field_lists)})
        return number

    def unique(self, name: str) -> str:
        count = self.names.get(name)
        self.names[name] = 0 if count is None else count + 1
        return name if count is None else self.unique(f"{name}_{count}")

    def declared(self, action: ir.Action) -> int:
        """The id of one of the program's own actions."""
        from .types import width_of

        found = self.ids.get(id(action))
        if found is None:
            params = [{"name": n, "bitwidth": width_of(t)} for n, t, _ in action.params]
            found = self.ids[id(action)] = self.add(action.name, params, action.body)
        return found


class PipelineEmitter:
    def __init__(self, program: ir.Program, exprs: ExprEmitter, actions: ActionList, diags: Diagnostics, stem: str,
                 allow: frozenset[str]) -> None:
        self.program = program
        self.exprs = exprs
        self.actions = actions
        self.diags = diags
        self.stem = stem
        self.allow = allow
        self.nodes: dict[str, Json] = {}
        self.is_table: dict[str, bool] = {}
        self.edges: dict[str, list[Node]] = {}
        self.labels: dict[int, Node] = {}
        self.applied: dict[str, list[tuple[Any, str]]] = {}
        self.conditions = 0

    def emit(self, name: str, number: int, body: Sequence[ir.Stmt]) -> Json:
        self.nodes, self.is_table, self.edges, self.applied = {}, {}, {}, {}
        self.count = count_places(body)
        self.places = Places(self)
        first = self.sequence(body, None)
        self.places.finish()
        order = self._order(first)
        profiles = self._profiles(name)
        return {"name": name, "id": number, "init_table": first,
                "tables": [self.nodes[n] for n in order if self.is_table[n]], "action_profiles": profiles,
                "conditionals": [self.nodes[n] for n in order if not self.is_table[n]]}

    def _order(self, first: Node) -> list[str]:
        """Nodes from the first one on, each before those it leads to where the graph allows."""
        seen: set[str] = set()
        out: list[str] = []
        work: list[Node] = [first]
        while work:
            node = work.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            out.append(node)
            work.extend(reversed(self.edges[node]))
        return out

    # -- statements, from the last to the first
    def sequence(self, body: Sequence[ir.Stmt], following: Node) -> Node:
        index = len(body)
        node = following
        while index > 0:
            start = index
            while start > 0 and self._straight(body[start - 1]):
                start -= 1
            if start < index:
                node = self.straight_code(body[start:index], node)
                index = start
                continue
            index -= 1
            node = self._statement(body[index], node)
        return node

    def _straight(self, stmt: ir.Stmt) -> bool:
        if isinstance(stmt, ir.Loop):
            if not _closed(stmt.body, {stmt.label}):
                raise self.diags.fatal(stmt.pos, "this loop cannot be unrolled, and so cannot apply tables or be "
                                                 "left by return here")
            return True
        return isinstance(stmt, (ir.Assign, ir.Prim))

    def straight_code(self, body: Sequence[ir.Stmt], following: Node) -> Node:
        line = self.diags.line_of(body[0].pos)
        name = self.actions.unique(f"{self.stem}{line}" if line else "act")
        number = self.actions.add(name, [], body)
        table = self._fresh(f"tbl_{name}")
        use = {"action_id": number, "action_const": True, "action_data": [], "action_entry_const": True}
        self._add(table, True, [following], {
            "name": table, "id": 0, "key": [], "match_type": "exact", "type": "simple", "max_size": 1024,
            "with_counters": False, "support_timeout": False, "direct_meters": None, "action_ids": [number],
            "actions": [name], "base_default_next": following, "next_tables": {name: following},
            "default_entry": use})
        return table

    def _fresh(self, name: str) -> str:
        while name in self.program.tables:
            name += "_"
        return name

    def _add(self, name: str, is_table: bool, edges: list[Node], body: Json) -> None:
        self.nodes[name] = body
        self.is_table[name] = is_table
        self.edges[name] = edges

    def _statement(self, stmt: ir.Stmt, following: Node) -> Node:
        if isinstance(stmt, ir.If):
            then = self.sequence(stmt.then, following)
            orelse = self.sequence(stmt.orelse, following)
            return self.condition(stmt.cond, then, orelse)
        if isinstance(stmt, ir.Block):
            self.labels[stmt.label] = following
            return self.sequence(stmt.body, following)
        if isinstance(stmt, ir.Jump):
            return self.labels[stmt.label]
        if isinstance(stmt, ir.Exit):
            return None
        assert isinstance(stmt, ir.Apply), stmt
        return self._apply(stmt, following)

    def condition(self, cond: ir.Expr, then: Node, orelse: Node) -> Node:
        while isinstance(cond, ir.Op) and cond.op == "not":
            cond, then, orelse = cond.args[0], orelse, then
        if then == orelse:
            return then
        self.conditions += 1
        name = f"node_{self.conditions}"
        self._add(name, False, [then, orelse], {
            "name": name, "id": 0, "expression": self.exprs.expr(cond), "true_next": then, "false_next": orelse})
        return name

    def _apply(self, stmt: ir.Apply, following: Node) -> Node:
        table = self.program.tables[stmt.table]
        cases = {label: self.sequence(body, following) for label, body in stmt.cases}
        base: Node = following
        if "__HIT__" in cases or "__MISS__" in cases:
            hit, miss = cases.get("__HIT__", following), cases.get("__MISS__", following)
            nexts: dict[str, Node] = {"__HIT__": hit, "__MISS__": miss}
            if hit == miss:
                nexts, base = {u.action.name: hit for u in table.actions}, hit
            else:
                base = None
        else:
            otherwise = cases.get(None, following)
            nexts = {u.action.name: cases.get(u.action.name, otherwise) for u in table.actions}
        return self._table(table, nexts, base, stmt.pos)

    def _table(self, table: ir.Table, nexts: dict[str, Node], base: Node, pos: int) -> str:
        """The node of a table; a second application shares it where the same nodes follow."""
        if "table-reuse" in self.allow and self.count[table.name] > 1:
            return self.places.add(table, nexts, base, pos)
        key = (tuple(sorted(nexts.items(), key=str)), base)
        known = self.applied.setdefault(table.name, [])
        for old, name in known:
            if old == key:
                return name
        if known:
            self.diags.error(table.decl.pos, f"table {table.decl.name} is applied at two places, which lead to "
                                             f"different code (second: {self.diags.describe(pos)}); this target "
                                             "has one place for each table (lift with --allow table-reuse)")
        known.append((key, table.name))
        self.add_table(table, table.name, nexts, base)
        return table.name

    def add_table(self, table: ir.Table, name: str, nexts: dict[str, Node], base: Node) -> Json:
        body = table_json(self.program, self.exprs, self.actions, table, nexts, base)
        body["name"] = name
        self._add(name, True, list(dict.fromkeys([*nexts.values(), base])), body)
        return body

    def redirect(self, node: str, following: str) -> None:
        """Let a piece of straight code go on elsewhere."""
        body = self.nodes[node]
        body["base_default_next"] = following
        body["next_tables"] = dict.fromkeys(body["next_tables"], following)
        self.edges[node] = [following]

    # -- action profiles
    def _profiles(self, pipeline: str) -> list[Json]:
        out: list[Json] = []
        for instance in self.program.instances.values():
            if instance.kind not in ("action_profile", "action_selector"):
                continue
            tables = [t for t in self.program.tables.values() if t.implementation == instance.name]
            if not tables or tables[0].pipeline != pipeline:
                continue
            profile: Json = {"name": instance.name, "id": len(out), "max_size": instance.values["size"]}
            if instance.kind == "action_selector":
                from .extern_hash import HASH_NAMES

                profile["selector"] = {"algo": HASH_NAMES[instance.values["algorithm"]],
                                       "input": [self.exprs.raw(e) for e in tables[0].selector]}
            out.append(profile)
        return out


def _closed(body: Sequence[ir.Stmt], labels: set[int]) -> bool:
    """Do all jumps in the code stay in it, and does it apply no table?"""
    for stmt in body:
        if isinstance(stmt, ir.Apply) or (isinstance(stmt, ir.Jump) and stmt.label not in labels):
            return False
        if isinstance(stmt, ir.If) and not (_closed(stmt.then, labels) and _closed(stmt.orelse, labels)):
            return False
        if isinstance(stmt, (ir.Block, ir.Loop)) and not _closed(stmt.body, labels | {stmt.label}):
            return False
    return True
