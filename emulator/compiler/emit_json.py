"""The whole bmv2 JSON document (version 2.23)."""
from __future__ import annotations

from typing import Any

from . import ast, ir
from .context import Options
from .emit_code import action_code
from .emit_expr import ExprEmitter, Json, hexstr
from .emit_parser import ParserEmitter
from .emit_pipeline import ActionList, PipelineEmitter
from .source import Diagnostics
from .types import BOOL, Bits, Enum, Type, Varbit, width_of

COMPILER = "fpisa"


def emit_json(program: ir.Program, diags: Diagnostics, options: Options) -> Json:
    exprs = ExprEmitter(program)
    lists, list_ids = _field_lists(program, exprs)
    actions = ActionList(exprs, list_ids)
    stem = program.name.rsplit(".", 1)[0]
    pipelines = PipelineEmitter(program, exprs, actions, diags, stem, options.allow)
    ingress = pipelines.emit("ingress", 0, program.ingress)
    egress = pipelines.emit("egress", 1, program.egress)
    _number(ingress, egress)
    parser = ParserEmitter(program, exprs, list_ids, diags).emit()
    headers, ids = _headers(program)
    return {
        "header_types": _header_types(program),
        "headers": headers,
        "header_stacks": [_stack(n, s, ids) for n, s in enumerate(program.stacks.values())],
        "header_union_types": [{"name": n, "id": i, "headers": [list(m) for m in members]}
                               for i, (n, members) in enumerate(program.union_types.items())],
        "header_unions": [{"name": u.name, "id": i, "union_type": u.type, "header_ids": [ids[h] for h in u.headers],
                           "pi_omit": True} for i, u in enumerate(program.unions.values())],
        "header_union_stacks": _union_stacks(program),
        "field_lists": lists,
        "errors": [[n, v] for n, v in program.errors.items()],
        "enums": [],
        "parsers": [parser],
        "parse_vsets": [{"name": v.name, "id": i, "compressed_bitwidth": width_of(v.type), "max_size": v.size}
                        for i, v in enumerate(program.value_sets)],
        "deparsers": [{"name": "deparser", "id": 0, "order": program.deparser,
                       "primitives": action_code(exprs, program.deparser_body, list_ids)}],
        "meter_arrays": _meters(program),
        "counter_arrays": _counters(program),
        "register_arrays": _registers(program),
        "calculations": [{"name": c.name, "id": i, "algo": c.algorithm, "input": [_input(exprs, x) for x in c.input]}
                         for i, c in enumerate(program.calculations)],
        "learn_lists": [{"id": i, "name": name, "elements": [exprs.raw(e) for e in elements]}
                        for i, (name, elements, _) in enumerate(program.learn_lists, 1)],
        "actions": actions.actions,
        "pipelines": [ingress, egress],
        "checksums": [_checksum(exprs, i, c) for i, c in enumerate(program.checksums)],
        "force_arith": [],
        "extern_instances": _externs(program, options),
        "field_aliases": _aliases(program),
        "program": program.name,
        "__meta__": {"version": [2, 23], "compiler": COMPILER},
    }


def _number(*pipelines: Json) -> None:
    tables = conditions = 0
    for pipeline in pipelines:
        for table in pipeline["tables"]:
            table["id"] = tables
            tables += 1
        for condition in pipeline["conditionals"]:
            condition["id"] = conditions
            conditions += 1


def _field(name: str, kind: Type) -> list[Any]:
    if isinstance(kind, Varbit):
        return [name, "*"]
    return [name, 1 if kind is BOOL else width_of(kind), isinstance(kind, Bits) and kind.signed]


def _header_types(program: ir.Program) -> list[Json]:
    scalars = [_field(n, t) for n, t in program.scalars.items()]
    out: list[Json] = [{"name": "scalars_0", "id": 0, "fields": _padded(scalars, "_padding_0")}]
    for kind in program.header_types.values():
        fields = [_field(n, t) for n, t in kind.fields]
        item: Json = {"name": kind.name, "id": len(out), "fields": fields}
        if kind.name == "standard_metadata":
            item["fields"] = _padded(fields, "_padding")
        if any(isinstance(t, Varbit) for _, t in kind.fields):
            item["max_length"] = sum(width_of(t) for _, t in kind.fields) // 8
        out.append(item)
    return out


def _padded(fields: list[list[Any]], name: str) -> list[list[Any]]:
    extra = -sum(f[1] for f in fields) % 8
    return [*fields, [name, extra, False]] if extra else fields


def _headers(program: ir.Program) -> tuple[list[Json], dict[str, int]]:
    out: list[Json] = [{"name": "scalars", "id": 0, "header_type": "scalars_0", "metadata": True, "pi_omit": True}]
    ids: dict[str, int] = {}
    for header in program.headers.values():
        ids[header.name] = len(out)
        out.append({"name": header.name, "id": len(out), "header_type": header.type, "metadata": header.metadata,
                    "pi_omit": True})
    return out, ids


def _stack(number: int, stack: ir.HeaderStack, ids: dict[str, int]) -> Json:
    return {"name": stack.name, "id": number, "header_type": stack.type, "size": stack.size,
            "header_ids": [ids[h] for h in stack.headers]}


def _union_stacks(program: ir.Program) -> list[Json]:
    numbers = {name: i for i, name in enumerate(program.unions)}
    return [{"name": s.name, "id": i, "union_type": s.type, "size": s.size,
             "header_union_ids": [numbers[u] for u in s.headers]}
            for i, s in enumerate(program.union_stacks.values())]


def _field_lists(program: ir.Program, exprs: ExprEmitter) -> tuple[list[Json], dict[int, int]]:
    """Field lists and the map from the program's list numbers to ids; ids start at 1, -1 is the empty list."""
    out: list[Json] = []
    ids: dict[int, int] = {}
    asked = _asked_lists(program)
    for number in sorted(program.field_lists):
        ids[number] = len(out) + 1
        out.append({"id": len(out) + 1, "name": f"field_list{number}",
                    "elements": [exprs.raw(e) for e in program.field_lists[number]]})
    for number in sorted(asked - set(ids)):
        ids[number] = len(out) + 1
        out.append({"id": len(out) + 1, "name": "fl" if number < 0 else f"empty{number}", "elements": []})
    return out, ids


def _asked_lists(program: ir.Program) -> set[int]:
    found: set[int] = set()

    def search(stmt: Any) -> None:
        if isinstance(stmt, ir.Prim):
            for arg in stmt.args:
                if isinstance(arg, ir.Raw) and isinstance(arg.value, tuple):
                    found.add(arg.value[1])
        elif isinstance(stmt, ir.If):
            for part in (*stmt.then, *stmt.orelse):
                search(part)
        elif isinstance(stmt, (ir.Block, ir.Loop)):
            for part in stmt.body:
                search(part)
        elif isinstance(stmt, ir.Apply):
            for _, body in stmt.cases:
                for part in body:
                    search(part)

    for body in (program.ingress, program.egress, *[a.body for a in program.actions]):
        for stmt in body:
            search(stmt)
    return found


def _input(exprs: ExprEmitter, part: Any) -> Json:
    if part == "payload":
        return {"type": "payload", "value": None}
    if isinstance(part, ir.Const):
        width = width_of(part.type)
        return {**hexstr(part.value & ((1 << width) - 1), width), "bitwidth": width}
    return exprs.raw(part)


def _checksum(exprs: ExprEmitter, number: int, item: ir.Checksum) -> Json:
    target = exprs.raw(item.target)["value"]
    return {"name": f"cksum{'' if number == 0 else f'_{number - 1}'}", "id": number, "target": target,
            "type": "generic", "calculation": item.calculation, "verify": item.verify, "update": item.update,
            "if_cond": exprs.expr(item.cond)}


def _meters(program: ir.Program) -> list[Json]:
    out: list[Json] = []
    for item in program.instances.values():
        if item.kind not in ("meter", "direct_meter"):
            continue
        unit = ["packets", "bytes"][item.values["type"]]
        meter: Json = {"name": item.name, "id": len(out), "is_direct": item.kind == "direct_meter"}
        if item.kind == "meter":
            meter["size"] = item.values["size"]
        meter |= {"rate_count": 2, "type": unit}
        if item.kind == "direct_meter":
            if item.binding is None:
                continue
            result = exprs_field(item.result)
            meter |= {"size": program.tables[item.binding].size, "binding": item.binding, "result_target": result}
        out.append(meter)
    return out


def exprs_field(field: ir.Expr | None) -> list[str] | None:
    return [field.header, field.name] if isinstance(field, ir.Field) else None


def _counters(program: ir.Program) -> list[Json]:
    out: list[Json] = []
    for item in program.instances.values():
        if item.kind == "counter":
            out.append({"name": item.name, "id": len(out), "size": item.values["size"], "is_direct": False})
        elif item.kind == "direct_counter" and item.binding is not None:
            out.append({"name": item.name, "id": len(out), "is_direct": True, "binding": item.binding})
    return out


def _registers(program: ir.Program) -> list[Json]:
    registers = [i for i in program.instances.values() if i.kind == "register"]
    return [{"name": r.name, "id": n, "size": r.values["size"], "bitwidth": width_of(r.type_args[0])}
            for n, r in enumerate(registers)]


KNOWN_EXTERNS = frozenset([
    "register", "counter", "direct_counter", "meter", "direct_meter", "action_profile", "action_selector",
    "packet_in", "packet_out", "Checksum16"])


def _externs(program: ir.Program, options: Options) -> list[Json]:
    """Objects of extern types that the program declares, for a switch that loads a module with them."""
    found = [i for i in program.instances.values() if i.kind not in KNOWN_EXTERNS] if options.emit_externs else []
    return [{"name": item.name, "id": number, "type": item.kind, "attribute_values": [
        {"name": name, "type": "string" if isinstance(value, str) else "hexstr",
         "value": value if isinstance(value, str) else hex(value)} for name, value in item.values.items()]}
        for number, item in enumerate(found)]


def _aliases(program: ir.Program) -> list[Any]:
    decl = program.header_types["standard_metadata"].decl
    out = []
    for item in decl.fields:
        alias = ast.string_annotation(item.annotations, "alias")
        if alias:
            out.append([alias, ["standard_metadata", item.name]])
    return out


__all__ = ["Enum", "emit_json"]
