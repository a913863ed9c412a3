"""Parser states as bmv2 JSON. States with branches or sub-parsers inside are cut into several."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import ir
from .emit_code import parser_op
from .emit_expr import ExprEmitter, Json
from .source import Diagnostics
from .types import BOOL, width_of
from .values import ValueSetV


class ParserEmitter:
    def __init__(self, program: ir.Program, exprs: ExprEmitter, field_lists: dict[int, int],
                 diags: Diagnostics) -> None:
        self.program = program
        self.exprs = exprs
        self.field_lists = field_lists
        self.diags = diags
        self.states: list[Json] = []
        self.names = {s.name for s in program.states}
        self.labels: dict[int, str] = {}
        self.has_reject = any(s.name == "reject" for s in program.states)
        self.targets = {t for s in program.states for _, t in s.cases}

    def emit(self) -> Json:
        for state in self.program.states:
            self._state(state)
        states = self._reachable()
        for number, state_json in enumerate(states):
            state_json["id"] = number
        return {"name": "parser", "id": 0, "init_state": "start", "parse_states": states}

    def _reachable(self) -> list[Json]:
        by_name = {s["name"]: s for s in self.states}
        seen: list[str] = []
        work = ["start"]
        while work:
            name = work.pop()
            if name in seen:
                continue
            seen.append(name)
            work.extend(t["next_state"] for t in reversed(by_name[name]["transitions"]) if t["next_state"] is not None)
        return [s for s in self.states if s["name"] in seen]

    def _state(self, state: ir.State) -> None:
        final = self._transitions(state)
        self._piece(state.name, state.body, [self.exprs.raw(k) for k in state.keys], final)

    def _piece(self, name: str, body: Sequence[ir.Stmt], keys: list[Json], transitions: list[Json]) -> None:
        """Emit states for `body`, the first called `name`, the last with the given transitions."""
        for index, stmt in enumerate(body):
            if isinstance(stmt, (ir.Assign, ir.Prim)) and not (isinstance(stmt, ir.Prim) and stmt.op == "$call"):
                continue
            self._cut(name, body[:index], stmt, body[index + 1:], keys, transitions)
            return
        self._add(name, body, keys, transitions)

    def _cut(self, name: str, before: Sequence[ir.Stmt], stmt: ir.Stmt, rest: Sequence[ir.Stmt], keys: list[Json],
             transitions: list[Json]) -> None:
        if isinstance(stmt, ir.Prim):
            entry, after = stmt.args[0].value, stmt.args[1].value
            self._add(name, before, [], [_default(entry)])
            self._piece(after, rest, keys, transitions)
            return
        if isinstance(stmt, ir.Jump):
            self._add(name, before, [], [_default(self.labels[stmt.label])])
            return
        after = self._fresh(f"{name}_after")
        if isinstance(stmt, ir.Block):
            self.labels[stmt.label] = after
            self._piece(name, (*before, *stmt.body), [], [_default(after)])
        elif isinstance(stmt, ir.If):
            then, orelse = self._fresh(f"{name}_true"), self._fresh(f"{name}_false")
            key, test = self._test(stmt.cond)
            yes: Json = {"type": "hexstr", "value": "0x01", "mask": None, "next_state": then}
            self._add(name, [*before, *test], [key], [yes, _default(orelse)])
            self._piece(then, stmt.then, [], [_default(after)])
            self._piece(orelse, stmt.orelse, [], [_default(after)])
        elif isinstance(stmt, ir.Loop):
            start = self._fresh(f"{name}_loop")
            self.labels[stmt.label] = after
            self._add(name, before, [], [_default(start)])
            self._piece(start, stmt.body, [], [_default(start)])
        else:
            raise self.diags.fatal(stmt.pos, "this statement cannot stand in a parser")
        self._piece(after, rest, keys, transitions)

    def _test(self, cond: ir.Expr) -> tuple[Json, list[ir.Stmt]]:
        """A condition as a one-bit key."""
        if isinstance(cond, ir.Field):
            return self.exprs.raw(cond), []
        name = "branch"
        number = 0
        while f"{name}_{number}" in self.program.scalars:
            number += 1
        self.program.scalars[f"{name}_{number}"] = BOOL
        field = ir.Field("scalars", f"{name}_{number}", BOOL)
        return self.exprs.raw(field), [ir.Assign(field, cond, -1)]

    def _fresh(self, name: str) -> str:
        number = 0
        found = name
        while found in self.names:
            found = f"{name}_{number}"
            number += 1
        self.names.add(found)
        return found

    def _add(self, name: str, body: Sequence[ir.Stmt], keys: list[Json], transitions: list[Json]) -> None:
        self.states.append({
            "name": name, "id": 0, "parser_ops": [parser_op(self.exprs, s, self.field_lists) for s in body],
            "transitions": transitions, "transition_key": keys})

    def _transitions(self, state: ir.State) -> list[Json]:
        widths = [width_of(k.type) for k in state.keys]
        return [self._transition(match, target, widths) for match, target in state.cases]

    def _transition(self, match: Any, target: str, widths: list[int]) -> Json:
        goal: str | None = target
        if target == "accept" or (target == "reject" and not self.has_reject):
            goal = None
        if match is None:
            return {"type": "default", "value": None, "mask": None, "next_state": goal}
        if isinstance(match, ValueSetV):
            return {"type": "parse_vset", "value": match.name, "mask": None, "next_state": goal}
        value = mask = total = 0
        for (part, part_mask), width in zip(match, widths):
            padded = (width + 7) // 8 * 8
            value = value << padded | part
            mask = mask << padded | part_mask
            total += padded
        full = all(m == (1 << w) - 1 for (_, m), w in zip(match, widths))
        digits = total // 4
        return {"type": "hexstr", "value": f"0x{value:0{digits}x}", "mask": None if full else f"0x{mask:0{digits}x}",
                "next_state": goal}


def _default(target: str) -> Json:
    goal = None if target == "accept" else target
    return {"type": "default", "value": None, "mask": None, "next_state": goal}
