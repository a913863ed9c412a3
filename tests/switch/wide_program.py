"""The golden floating-point aggregator with N values a packet instead of one: N instances of the same code.

Made from the golden suite's JSON: the nodes that work on the value are repeated, with names of their own.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[1] / "golden" / "28_fp32_aggregate" / "program.json"
SHARED_FIELDS = {"old_0", "other_0", "tmp_2", "tmp_3", "tmp_4"}
SHARED_REGISTERS = {"Ig.seen"}


def wide_program(elements: int, slots: int = 16) -> dict[str, Any]:
    """bmv2 JSON (parsed). slots: size of every register array."""
    doc = json.loads(GOLDEN.read_text())
    nodes = _Nodes(doc)
    first_add = nodes.path("tbl_program83", "node_27")
    first_read = nodes.path("node_29", None)
    adds = [first_add] + [nodes.repeat(first_add, i) for i in range(1, elements)]
    reads = [first_read] + [nodes.repeat(first_read, i) for i in range(1, elements)]
    for i in range(1, elements):
        nodes.join(adds[i - 1], "node_27", _entry(adds[i], i, "tbl_program83"))
    nodes.join(adds[-1], None, "node_27") if elements == 1 else None
    for i in range(1, elements):
        nodes.join(reads[i - 1], None, _entry(reads[i], i, "node_29"))
    _data(doc, elements, slots)
    return doc


def _entry(names: list[str], number: int, base: str) -> str:
    return f"{base}__{number}"


class _Nodes:
    def __init__(self, doc: dict[str, Any]):
        self.doc = doc
        self.pipeline = doc["pipelines"][0]
        self.tables = {t["name"]: t for t in self.pipeline["tables"]}
        self.conditionals = {c["name"]: c for c in self.pipeline["conditionals"]}
        self.actions = {a["id"]: a for a in doc["actions"]}

    def following(self, name: str) -> set[str | None]:
        if name in self.conditionals:
            return {self.conditionals[name]["true_next"], self.conditionals[name]["false_next"]}
        table = self.tables[name]
        return {table["base_default_next"], *table["next_tables"].values()}

    def path(self, first: str, stop: str | None) -> list[str]:
        """All nodes from `first` on, `stop` not included."""
        found = [first]
        for name in found:
            found += [n for n in self.following(name) if n is not None and n != stop and n not in found]
        return found

    def repeat(self, names: list[str], number: int) -> list[str]:
        renamed = {n: f"{n}__{number}" for n in names}
        for name in names:
            if name in self.conditionals:
                node = _renamed(self.conditionals[name], number)
                node["name"] = renamed[name]
                node["id"] = len(self.conditionals) + 1000
                for key in ("true_next", "false_next"):
                    node[key] = renamed.get(node[key], node[key])
                self.conditionals[renamed[name]] = node
                self.pipeline["conditionals"].append(node)
            else:
                self._table(name, renamed, number)
        return list(renamed.values())

    def _table(self, name: str, renamed: dict[str, str], number: int) -> None:
        table = _renamed(self.tables[name], number)
        table["name"] = renamed[name]
        table["id"] = len(self.tables) + 1000
        ids = []
        for old in self.tables[name]["action_ids"]:
            action = _renamed(self.actions[old], number)
            action["id"] = max(self.actions) + 1
            action["primitives"] = [p for p in action["primitives"] if "Ig.seen" not in json.dumps(p)]
            self.actions[action["id"]] = action
            self.doc["actions"].append(action)
            ids.append(action["id"])
        remap = dict(zip(self.tables[name]["action_ids"], ids, strict=True))
        table["action_ids"] = ids
        table["default_entry"]["action_id"] = remap[table["default_entry"]["action_id"]]
        for entry in table.get("entries", []):
            entry["action_entry"]["action_id"] = remap[entry["action_entry"]["action_id"]]
        table["next_tables"] = {k: renamed.get(v, v) for k, v in table["next_tables"].items()}
        table["base_default_next"] = renamed.get(table["base_default_next"], table["base_default_next"])
        self.tables[renamed[name]] = table
        self.pipeline["tables"].append(table)

    def join(self, names: list[str], stop: str | None, to: str) -> None:
        """Edges of `names` that lead to `stop` lead to node `to`."""
        for name in names:
            if name in self.conditionals:
                node = self.conditionals[name]
                for key in ("true_next", "false_next"):
                    node[key] = to if node[key] == stop else node[key]
            else:
                table = self.tables[name]
                table["next_tables"] = {k: to if v == stop else v for k, v in table["next_tables"].items()}
                if table["base_default_next"] == stop:
                    table["base_default_next"] = to


def _renamed(item: Any, number: int) -> Any:
    """A copy whose per-value variables and registers carry the number."""
    if isinstance(item, list):
        return [_renamed(i, number) for i in item]
    if not isinstance(item, dict):
        return copy.copy(item)
    if item.get("type") == "field":
        header, field = item["value"]
        own = (header == "scalars" and field not in SHARED_FIELDS) or field == "value"
        return {"type": "field", "value": [header, f"{field}__{number}" if own else field]}
    if item.get("type") == "register_array" and item["value"] not in SHARED_REGISTERS:
        return {"type": "register_array", "value": f"{item['value']}__{number}"}
    out = {k: _renamed(v, number) for k, v in item.items()}
    if isinstance(out.get("target"), list) and out["target"][0] == "scalars":
        out["target"] = [out["target"][0], f"{out['target'][1]}__{number}"]
    return out


def _data(doc: dict[str, Any], elements: int, slots: int) -> None:
    """Fields and registers of the further values."""
    for kind in doc["header_types"]:
        if kind["name"] == "scalars_0":
            own = [f for f in kind["fields"] if f[0] not in SHARED_FIELDS and not f[0].startswith("_padding")]
        elif kind["name"] == "agg_h":
            own = [f for f in kind["fields"] if f[0] == "value"]
        else:
            continue
        kind["fields"] += [[f"{f[0]}__{i}", *f[1:]] for i in range(1, elements) for f in own]
        for field in kind["fields"]:
            if field[0].startswith("_padding"):
                field[1] = 8
        if kind["name"] == "scalars_0":
            width = sum(f[1] for f in kind["fields"] if not f[0].startswith("_padding"))
            next(f for f in kind["fields"] if f[0].startswith("_padding"))[1] = 8 + -width % 8
    registers = doc["register_arrays"]
    for register in [r for r in registers if r["name"] not in SHARED_REGISTERS]:
        for i in range(1, elements):
            registers.append({**register, "name": f"{register['name']}__{i}", "id": len(registers)})
    for register in registers:
        register["size"] = slots
