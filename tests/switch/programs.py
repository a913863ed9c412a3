"""Small bmv2 JSON programs put together in tests: headers, metadata, actions, tables, in a few calls."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

STANDARD = [
    ("ingress_port", 9), ("egress_spec", 9), ("egress_port", 9), ("instance_type", 32), ("packet_length", 32),
    ("enq_timestamp", 32), ("enq_qdepth", 19), ("deq_timedelta", 32), ("deq_qdepth", 19),
    ("ingress_global_timestamp", 48), ("egress_global_timestamp", 48), ("mcast_grp", 16), ("egress_rid", 16),
    ("checksum_error", 1), ("parser_error", 32), ("priority", 3), ("_padding", 3),
]  # fmt: skip


def field(header: str, name: str) -> Json:
    return {"type": "field", "value": [header, name]}


def sm(name: str) -> Json:
    return field("standard_metadata", name)


def const(value: int) -> Json:
    return {"type": "hexstr", "value": hex(value)}


def boolean(value: bool) -> Json:
    return {"type": "bool", "value": value}


def local(index: int) -> Json:
    return {"type": "local", "value": index}


def op(name: str, *operands: Json) -> Json:
    """An expression: one operand is the right one, three are cond, left, right."""
    body: Json = {"op": name, "left": None, "right": operands[-1]}
    if len(operands) > 1:
        body["left"] = operands[-2]
    if len(operands) == 3:
        body["cond"] = operands[0]
    return {"type": "expression", "value": body}


def masked(value: Json, width: int) -> Json:
    return op("&", value, const((1 << width) - 1))


def header(name: str) -> Json:
    return {"type": "header", "value": name}


def do(primitive: str, *parameters: Any) -> Json:
    return {"op": primitive, "parameters": list(parameters)}


def assign(target: Json, value: Json) -> Json:
    return do("assign", target, value)


class Builder:
    """Collects the sections; `json()` gives the program. Ingress runs its nodes in the order they are made."""

    def __init__(self) -> None:
        self.doc: Json = {
            "__meta__": {"version": [2, 23]}, "program": "test.p4",
            "header_types": [], "headers": [], "header_stacks": [], "header_union_types": [], "header_unions": [],
            "header_union_stacks": [], "field_lists": [], "errors": [], "enums": [], "parsers": [],
            "parse_vsets": [], "deparsers": [], "meter_arrays": [], "counter_arrays": [], "register_arrays": [],
            "calculations": [], "learn_lists": [], "actions": [], "checksums": [],
        }  # fmt: skip
        self.states: list[Json] = []
        self.order: list[str] = []
        self.pipelines: dict[str, Json] = {
            name: {
                "name": name,
                "id": i,
                "init_table": None,
                "tables": [],
                "action_profiles": [],
                "conditionals": [],
            }
            for i, name in enumerate(("ingress", "egress"))
        }
        self._chain: dict[str, list[Json]] = {"ingress": [], "egress": []}
        self.header("standard_metadata", STANDARD, metadata=True)

    # --- Data ---

    def header(
        self, name: str, fields: Sequence[Sequence[Any]], *, metadata: bool = False, **more: Any
    ) -> str:
        kind = f"{name}_t"
        rows = [[f[0], f[1], *(f[2:] or [False])] if f[1] != "*" else [f[0], "*"] for f in fields]
        self.doc["header_types"].append(
            {"name": kind, "id": len(self.doc["header_types"]), "fields": rows, **more}
        )
        self._header(name, kind, metadata)
        return name

    def _header(self, name: str, kind: str, metadata: bool) -> int:
        number = len(self.doc["headers"])
        self.doc["headers"].append({"name": name, "id": number, "header_type": kind, "metadata": metadata})
        if not metadata:
            self.order.append(name)
        return number

    def stack(self, name: str, fields: Sequence[Sequence[Any]], size: int) -> str:
        kind = f"{name}_t"
        rows = [[f[0], f[1], False] for f in fields]
        self.doc["header_types"].append({"name": kind, "id": len(self.doc["header_types"]), "fields": rows})
        ids = [self._header(f"{name}[{i}]", kind, False) for i in range(size)]
        self.doc["header_stacks"].append(
            {
                "name": name,
                "id": len(self.doc["header_stacks"]),
                "header_type": kind,
                "size": size,
                "header_ids": ids,
            }
        )
        return name

    def union(self, name: str, members: dict[str, Sequence[Sequence[Any]]]) -> str:
        pairs, ids = [], []
        for member, fields in members.items():
            self.header(f"{name}.{member}", fields)
            pairs.append([member, f"{name}.{member}_t"])
            ids.append(self.doc["headers"][-1]["id"])
        self.doc["header_union_types"].append({"name": f"{name}_u", "id": 0, "headers": pairs})
        self.doc["header_unions"].append(
            {"name": name, "id": len(self.doc["header_unions"]), "union_type": f"{name}_u", "header_ids": ids}
        )
        return name

    def union_stack(self, name: str, members: dict[str, Sequence[Sequence[Any]]], size: int) -> str:
        """Unions name[0], name[1], ... of one type."""
        kinds = {member: f"{name}.{member}_t" for member in members}
        for member, fields in members.items():
            rows = [[f[0], f[1], False] for f in fields]
            self.doc["header_types"].append({"name": kinds[member], "id": len(self.doc["header_types"]), "fields": rows})
        self.doc["header_union_types"].append(
            {"name": f"{name}_u", "id": len(self.doc["header_union_types"]), "headers": [[m, k] for m, k in kinds.items()]}
        )
        first = len(self.doc["header_unions"])
        for i in range(size):
            ids = [self._header(f"{name}[{i}].{member}", kinds[member], False) for member in members]
            row = {"name": f"{name}[{i}]", "id": first + i, "union_type": f"{name}_u", "header_ids": ids}
            self.doc["header_unions"].append(row)
        self.doc["header_union_stacks"].append(
            {"name": name, "id": 0, "union_type": f"{name}_u", "size": size, "header_union_ids": [*range(first, first + size)]}
        )
        return name

    def metadata(self, fields: Sequence[Sequence[Any]], name: str = "scalars") -> str:
        return self.header(name, fields, metadata=True)

    def register(self, name: str, width: int, size: int) -> str:
        row = {"name": name, "id": len(self.doc["register_arrays"]), "bitwidth": width, "size": size}
        self.doc["register_arrays"].append(row)
        return name

    # --- Parser ---

    def state(
        self, name: str, ops: list[Json], key: list[Json] | None = None, to: list[Json] | None = None
    ) -> None:
        transitions = to or [{"type": "default", "value": None, "mask": None, "next_state": None}]
        row = {"name": name, "id": len(self.states), "parser_ops": ops, "transitions": transitions}
        self.states.append({**row, "transition_key": key or []})

    def extract(self, *names: str) -> None:
        """A start state that extracts these headers and accepts."""
        self.state("start", [do("extract", {"type": "regular", "value": name}) for name in names])

    # --- Actions and nodes ---

    def action(self, name: str, body: list[Json], params: Sequence[tuple[str, int]] = ()) -> str:
        data = [{"name": n, "bitwidth": w} for n, w in params]
        self.doc["actions"].append(
            {"name": name, "id": len(self.doc["actions"]), "runtime_data": data, "primitives": body}
        )
        return name

    def _id(self, action: str) -> int:
        return next(a["id"] for a in self.doc["actions"] if a["name"] == action)

    def table(
        self,
        name: str,
        key: Sequence[tuple[str, str, str]],
        actions: Sequence[str],
        default: tuple[str, Sequence[int]] | None = None,
        *,
        pipeline: str = "ingress",
        **more: Any,
    ) -> str:
        """key: (kind, header, field)."""
        kinds = [k for k, _, _ in key]
        kind = next((k for k in ("range", "ternary", "lpm") if k in kinds), "exact")
        row: Json = {
            "name": name, "id": len(self.pipelines[pipeline]["tables"]), "match_type": kind, "type": "simple",
            "key": [{"match_type": k, "name": f"{h}.{f}", "target": [h, f], "mask": None} for k, h, f in key],
            "max_size": 1024, "with_counters": False, "support_timeout": False, "direct_meters": None,
            "action_ids": [self._id(a) for a in actions], "actions": list(actions), "base_default_next": None,
            "next_tables": {}, **more,
        }  # fmt: skip
        if default is not None:
            data = [hex(v) for v in default[1]]
            row["default_entry"] = {
                "action_id": self._id(default[0]),
                "action_const": False,
                "action_data": data,
            }
        self.pipelines[pipeline]["tables"].append(row)
        self._chain[pipeline].append(row)
        return name

    def run(self, name: str, body: list[Json], *, pipeline: str = "ingress") -> str:
        """An action that is simply carried out."""
        self.action(name, body)
        return self.table(f"tbl_{name}", [], [name], (name, ()), pipeline=pipeline)

    def condition(self, name: str, test: Json, *, pipeline: str = "ingress") -> str:
        """When false, the rest of the pipeline is skipped."""
        row = {"name": name, "id": 0, "expression": test, "true_next": None, "false_next": None}
        self.pipelines[pipeline]["conditionals"].append(row)
        self._chain[pipeline].append(row)
        return name

    def json(self) -> Json:
        doc = dict(self.doc)
        pipelines = copy.deepcopy(self.pipelines)
        for name, chain in self._chain.items():
            names = [row["name"] for row in chain]
            rows = {row["name"]: row for part in ("tables", "conditionals") for row in pipelines[name][part]}
            pipelines[name]["init_table"] = names[0] if names else None
            for here, after in zip(names, [*names[1:], None]):
                row = rows[here]
                if "expression" in row:
                    row["true_next"] = after
                    continue
                row["base_default_next"] = after
                row["next_tables"] = row["next_tables"] or dict.fromkeys(row["actions"], after)
        doc["pipelines"] = list(pipelines.values())
        start = self.states[0]["name"] if self.states else None
        doc["parsers"] = [{"name": "parser", "id": 0, "init_state": start, "parse_states": self.states}]
        doc["deparsers"] = [{"name": "deparser", "id": 0, "order": self.order, "primitives": []}]
        return doc


def calculator(
    width: int, body: list[Json], *, signed: bool = False, extra: Sequence[Sequence[Any]] = ()
) -> Builder:
    """Header `h` with operands a, b and result r of `width` bits (rounded up to bytes by `pad`); leaves port 1."""
    build = Builder()
    pad = -3 * width % 8
    fields: list[list[Any]] = [["a", width, signed], ["b", width, signed], ["r", width, signed]]
    build.header("h", fields + ([["pad", pad, False]] if pad else []))
    build.metadata([["x", width, signed], *extra])
    build.extract("h")
    build.run("compute", [*body, assign(sm("egress_spec"), const(1))])
    return build
