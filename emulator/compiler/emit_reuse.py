"""One table applied at several places (--allow table-reuse).

The target gives a table one set of successors. Places that exclude each other share one node all the same: each
place writes its number to a variable before the table, and behind the table conditions on that variable lead back
to the place's own code. Where one place can follow another that would be a loop; then the later places are clones:
complete where the table is constant, and otherwise marked `shares_entries_with`.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import fold, ir
from .passes.walk import statements
from .types import Bits

if TYPE_CHECKING:
    from .emit_pipeline import Node, PipelineEmitter

Place = tuple[dict[str, "Node"], "Node", int]
SITE = Bits(8)


def count_places(body: Sequence[ir.Stmt]) -> Counter[str]:
    return Counter(s.table for s in statements(body) if isinstance(s, ir.Apply))


class Places:
    """The places of the tables that have several; tables come into being when all places are known."""

    def __init__(self, emitter: PipelineEmitter) -> None:
        self.emitter = emitter
        self.places: dict[str, list[Place]] = {}
        self.stubs: dict[str, list[str]] = {}
        self.fields: dict[str, ir.Field] = {}

    def add(self, table: ir.Table, nexts: dict[str, Node], base: Node, pos: int) -> str:
        """A new place; the node to go to is one that writes the place's number."""
        places = self.places.setdefault(table.name, [])
        field = self.fields.get(table.name)
        if field is None:
            name = f"{table.name}.place"
            self.emitter.program.scalars[name] = SITE
            field = self.fields[table.name] = ir.Field("scalars", name, SITE)
        stub = self.emitter.straight_code([ir.Assign(field, fold.const(len(places), SITE), pos)], table.name)
        assert stub is not None
        places.append((nexts, base, pos))
        self.stubs.setdefault(table.name, []).append(stub)
        return stub

    def finish(self) -> None:
        for name in self.places:
            table = self.emitter.program.tables[name]
            if not self._merge(table):
                self._clone(table)

    def _merge(self, table: ir.Table) -> bool:
        """One node for all places, if no place can follow another."""
        places = self.places[table.name]
        keys = _common_keys(table, places)
        if keys is None:
            return False
        for nexts, base, _ in places:
            if self._reaches([*nexts.values(), base], table.name):
                return False
        field = self.fields[table.name]
        merged: dict[str, Node] = {}
        for key in keys:
            node = _next(places[-1], key)
            for number in range(len(places) - 2, -1, -1):
                cond = fold.equal(field, fold.const(number, SITE))
                node = self.emitter.condition(cond, _next(places[number], key), node)
            merged[key] = node
        base = next(iter(merged.values())) if len(set(merged.values())) == 1 else None
        self.emitter.add_table(table, table.name, merged, base)
        return True

    def _reaches(self, starts: Sequence[Node], goal: str) -> bool:
        seen: set[str] = set()
        work = [n for n in starts if n is not None]
        while work:
            node = work.pop()
            if node == goal:
                return True
            if node not in seen:
                seen.add(node)
                work.extend(n for n in self.emitter.edges.get(node, ()) if n is not None)
        return False

    def _clone(self, table: ir.Table) -> None:
        """A node for each place; the first is the table itself."""
        constant = (table.default_const or table.default is None) and (not table.keys or (
            table.entries is not None and table.entries_const))
        for number, (nexts, base, pos) in enumerate(self.places[table.name]):
            name = table.name if number == 0 else f"{table.name}$apply{number}"
            body = self.emitter.add_table(table, name, nexts, base)
            if number:
                self.emitter.redirect(self.stubs[table.name][number], name)
            if number and not constant:
                body["shares_entries_with"] = table.name
                self.emitter.diags.warn(pos, f"table {table.name} is applied again after an earlier application: "
                                             "simple_switch does not know 'shares_entries_with'", "reuse")


def _common_keys(table: ir.Table, places: list[Place]) -> list[str] | None:
    """Successors by hit and miss, or by action; None where the places want both."""
    kinds = {"__HIT__" in nexts for nexts, base, _ in places if len({*nexts.values(), base}) > 1}
    if len(kinds) > 1:
        return None
    return ["__HIT__", "__MISS__"] if kinds == {True} else [u.action.name for u in table.actions]


def _next(place: Place, key: str) -> Any:
    nexts, base, _ = place
    return nexts.get(key, nexts.get("__HIT__", base))
