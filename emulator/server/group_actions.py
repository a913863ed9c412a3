"""Group actions: a one-shot may name an action that runs before the action of whichever member is chosen.

P4Info marks such actions of a table by the scope GROUP_ACTION (`@groupaction` in P4). bmv2's JSON has no such thing, so
a program is given one more action for each pair of them: the group's primitives, then the member's, with the arguments
of both. The engines then run a group action as they run any other.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from controller.p4rt.schema import Schema, Scope, Table
from emulator.switch.load.tables import SHARES


def both(group: str, member: str) -> str:
    """Name of the action that is `group` and then `member`."""
    return f"{group} + {member}"


def tables_with(schema: Schema) -> list[Table]:
    """The tables with an action profile that have group actions."""
    return [t for t in schema.tables if t.profile_id and Scope.GROUP in t.scopes.values()]


def add_pairs(schema: Schema, document: dict[str, Any]) -> None:
    """Give the tables of a bmv2 JSON file, which has been loaded once and found right, the actions that stand for a group's
    and a member's."""
    tables = {t.name: t for t in tables_with(schema)}
    pairs = _Pairs(document["actions"])
    for pipeline in document["pipelines"]:
        for node in pipeline.get("tables", ()):
            info = tables.get(node["name"]) or tables.get(node.get(SHARES, ""))
            if info is not None and "action_ids" in node:
                scopes = {schema.actions.by_id[number].name: scope for number, scope in info.scopes.items()}
                _extend(node, scopes, pairs)


class _Pairs:
    """The actions of a file by their ids, and the pairs made of them: the places of one table share theirs."""

    def __init__(self, actions: list[dict[str, Any]]) -> None:
        self.by_id = {a["id"]: a for a in actions}
        self._all = actions
        self._made: dict[tuple[int, int], dict[str, Any]] = {}

    def of(self, first: int, second: int) -> dict[str, Any]:
        found = self._made.get((first, second))
        if found is None:
            found = _pair(self.by_id[first], self.by_id[second], 1 + max(self.by_id))
            self._made[first, second] = self.by_id[found["id"]] = found
            self._all.append(found)
        return found


def _extend(node: dict[str, Any], scopes: dict[str, Scope], pairs: _Pairs) -> None:
    own = [(number, pairs.by_id[number]["name"]) for number in node["action_ids"]]
    for first, name in own:
        for second, member in own:
            if scopes.get(name) is Scope.GROUP and scopes.get(member) in (Scope.ANY, Scope.TABLE_ONLY):
                pair = pairs.of(first, second)
                node["action_ids"].append(pair["id"])
                node.setdefault("actions", []).append(pair["name"])
                _follow(node.get("next_tables"), member, pair["name"])


def _follow(following: Any, member: str, pair: str) -> None:
    """After the pair comes what comes after the member's action: that is the one that ran, to `action_run`."""
    if isinstance(following, dict) and member in following:
        following[pair] = following[member]


def _pair(first: dict[str, Any], second: dict[str, Any], number: int) -> dict[str, Any]:
    ahead, behind = copy.deepcopy(first), copy.deepcopy(second)
    args, steps = ahead.get("runtime_data", []), ahead.get("primitives", [])
    later = behind.get("primitives", [])
    for primitive in later:
        for data in _action_data(primitive.get("parameters", [])):
            data["value"] += len(args)
        if str(primitive.get("op")).startswith("_jump"):
            _move_target(primitive["parameters"][-1], len(steps))
    return {
        "name": both(first["name"], second["name"]),
        "id": number,
        "runtime_data": args + behind.get("runtime_data", []),
        "primitives": steps + later,
    }


def _action_data(value: Any) -> Iterator[dict[str, Any]]:
    """All references to an action's arguments inside a parameter."""
    if isinstance(value, list):
        for item in value:
            yield from _action_data(item)
    elif isinstance(value, dict):
        if value.get("type") in ("runtime_data", "local") and isinstance(value.get("value"), int):
            yield value
        else:
            for item in value.values():
                yield from _action_data(item)


def _move_target(target: Any, by: int) -> None:
    """Jumps inside an action count its primitives from 0."""
    if isinstance(target, dict) and isinstance(target.get("value"), str):
        target["value"] = hex(int(target["value"], 0) + by)
    elif isinstance(target, dict) and isinstance(target.get("value"), int):
        target["value"] += by
