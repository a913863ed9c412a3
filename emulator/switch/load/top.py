"""Reads a bmv2 JSON file from top to bottom into a Model."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emulator.switch.load.actions import Names, load_actions
from emulator.switch.load.calculations import (
    load_calculations,
    load_checksums,
    load_field_lists,
    load_learn_lists,
)
from emulator.switch.load.checked import describe, fail, index_by_name, natural, need, number, objects, typed
from emulator.switch.load.exprs import Scope, data_expr, lookup
from emulator.switch.load.headers import Data, load_data
from emulator.switch.load.parser import load_deparser, load_parser, load_value_sets
from emulator.switch.load.standard import load_standard
from emulator.switch.load.tables import load_pipelines
from emulator.switch.model import (
    Action,
    Counter,
    ExternInstance,
    Meter,
    Model,
    ModelError,
    Node,
    Pipeline,
    Register,
    TableNode,
)
from emulator.switch.state import check_size
from emulator.switch.widths import check_widths

log = logging.getLogger(__name__)
Bindings = dict[int, tuple[str, str]]
"""Index of a direct counter or meter -> (table's name, where it stands in the file)."""

VERSION = (2, 24)
MAX_REGISTER_WIDTH = 8192
CORE_ERRORS = (
    "NoError",
    "PacketTooShort",
    "NoMatch",
    "StackOutOfBounds",
    "HeaderTooShort",
    "ParserTimeout",
    "ParserInvalidArgument",
)


def load_model(
    source: str | Path | bytes | Mapping[str, Any],
    *,
    strict_select: bool = False,
    externs: Mapping[str, Any] | None = None,
) -> Model:
    """The program in `source`: a path, the file's bytes, or the parsed JSON object.

    strict_select: a select without a matching case is the parser error NoMatch, as the language has it, and
    not an accept, as the reference has it. externs: see externs.py. Raises ModelError (one sentence) whatever is
    wrong with the file."""
    doc = _document(source)
    try:
        return _model(doc, strict_select, externs or {})
    except RecursionError:
        raise ModelError("the file is nested too deep") from None


def _document(source: str | Path | bytes | Mapping[str, Any]) -> dict:
    if isinstance(source, Mapping):
        return dict(source)
    where = "the program" if isinstance(source, (bytes, bytearray)) else str(source)
    try:
        raw = source if isinstance(source, (bytes, bytearray)) else Path(source).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {where}: {error.strerror or error}") from None
    except ValueError:
        raise ModelError("the name of the JSON file is not valid") from None
    try:
        doc = json.loads(raw)
    except UnicodeDecodeError:
        raise ModelError(f"{where} is not text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise ModelError(f"{where}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        raise ModelError(f"{where} is nested too deep or holds too large a number") from None
    if not isinstance(doc, dict):
        raise ModelError(f"{where} does not hold a bmv2 JSON object but {describe(doc)}")
    return doc


SECTIONS = {
    *("__meta__", "program", "header_types", "headers", "header_stacks", "header_union_types", "header_unions"),
    *("header_union_stacks", "field_lists", "errors", "enums", "parsers", "parse_vsets", "deparsers", "meter_arrays"),
    *("counter_arrays", "register_arrays", "calculations", "learn_lists", "actions", "pipelines", "checksums"),
    *("field_aliases", "extern_instances"),
}
NEEDLESS = {"force_arith", "config_options", "source_info"}
"""force_arith says which fields need values of any size: here all have them. config_options sets how bmv2 treats programs
of P4_14; it is not documented, and p4c does not write it."""


def _note_unknown(doc: dict) -> None:
    unknown = sorted(set(map(str, doc)) - SECTIONS - NEEDLESS)
    if unknown:
        log.warning("not read, because bmv2 has no such sections: %s", ", ".join(unknown)[:200])
    if doc.get("config_options"):
        log.warning("section config_options is not heeded: header stacks and the rest behave as in P4_16")


def _model(doc: dict, strict_select: bool, externs: Mapping[str, Any]) -> Model:
    _check_version(doc)
    _note_unknown(doc)
    data = load_data(doc)
    scope = Scope(data)
    _length_expressions(data, scope)
    registers = _registers(doc)
    scope = replace(scope, registers=index_by_name([r.name for r in registers], "register_arrays"))
    calculations = load_calculations(doc, scope)
    calculation_index = index_by_name([c.name for c in calculations], "calculations")
    field_lists, learn_lists = load_field_lists(doc, scope), load_learn_lists(doc, scope)
    counters, counter_tables = _counters(doc)
    meters, meter_tables = _meters(doc, data)
    instances = _extern_instances(doc)
    names = Names(
        extern_types={e.name: e.type for e in instances},
        externs=externs,
        registers=scope.registers,
        counters=index_by_name([c.name for c in counters], "counter_arrays"),
        meters=index_by_name([m.name for m in meters], "meter_arrays"),
        calculations=calculation_index,
        field_lists={item.id: i for i, item in enumerate(field_lists)},
        learn_lists={item.id: i for i, item in enumerate(learn_lists)},
    )
    value_sets = load_value_sets(doc)
    parser = load_parser(doc, scope, names, value_sets)
    checksums, calculations = load_checksums(doc, scope, calculations)
    model = Model(
        program=need(doc, "program", str, "the file", ""),
        header_types=tuple(data.types),
        headers=tuple(data.headers),
        stacks=tuple(data.stacks),
        unions=tuple(data.unions),
        union_stacks=tuple(data.union_stacks),
        errors=_errors(doc),
        enums=_enums(doc),
        value_sets=tuple(value_sets),
        parser=parser,
        deparser=load_deparser(doc, scope, names),
        calculations=calculations,
        checksums=checksums,
        registers=tuple(registers),
        **_pipelines(
            doc, scope, load_actions(doc, scope, names), _State(counters, counter_tables, meters, meter_tables)
        ),
        field_lists=field_lists,
        learn_lists=learn_lists,
        standard=load_standard(data),
        aliases=data.aliases,
        strict_select=strict_select,
        extern_instances=instances,
    )
    check_widths(model)
    check_size(model)
    return model


@dataclass(frozen=True)
class _State:
    """Counters and meters with the tables that direct ones are bound to."""

    counters: list[Counter]
    counter_tables: Bindings
    meters: list[Meter]
    meter_tables: Bindings


def _pipelines(doc: dict, scope: Scope, actions: tuple[Action, ...], state: _State) -> dict[str, Any]:
    """The fields of Model that tables have a part in."""
    pipelines, profiles = load_pipelines(doc, scope, actions)
    tables = [n for p in pipelines.values() for n in p.nodes if isinstance(n, TableNode) and not n.again]
    tables.sort(key=lambda t: t.table)
    index_by_name([t.name for t in tables], "tables")
    tables, counters, meters = _bind(tables, state.counters, state.counter_tables, state.meters, state.meter_tables)
    empty = Pipeline("", (), None)
    return {
        "counters": tuple(counters),
        "meters": tuple(meters),
        "actions": actions,
        "action_profiles": tuple(profiles),
        "ingress": _with_tables(pipelines.get("ingress", empty), tables),
        "egress": _with_tables(pipelines.get("egress", empty), tables),
        "tables": tuple(tables),
    }


def _check_version(doc: dict) -> None:
    meta = need(doc, "__meta__", dict, "the file", {})
    version = need(meta, "version", list, "__meta__", None)
    if version is None:
        return
    if len(version) != 2:
        fail("__meta__", "the version is a list of two whole numbers")
    version = [typed(v, int, "__meta__, 'version'") for v in version]
    if version[0] != VERSION[0] or version[1] > VERSION[1]:
        fail(
            "__meta__",
            f"JSON version {version[0]}.{version[1]} is not supported; up to {VERSION[0]}.{VERSION[1]} are",
        )


def _length_expressions(data: Data, scope: Scope) -> None:
    """`length_exp` of a header type: bits of its varbit, from its fixed fields (read before it)."""
    for i, raw in data.length_json.items():
        where = f"header_types {data.types[i].name!r}, length_exp"
        own = next((h for h, header in enumerate(data.headers) if header.type == i), None)
        if own is None or data.types[i].varbit is None:
            continue
        data.types[i] = replace(data.types[i], length_expr=_own_fields(raw, data, own, scope, where))


def _own_fields(raw: Any, data: Data, header: int, scope: Scope, where: str) -> Any:
    """The expression with `local` numbers replaced by fields of `header`."""

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("type") == "local":
                index = natural(value, "value", where)
                fields = data.types[data.headers[header].type].fields
                if index >= len(fields):
                    fail(where, f"there is no field number {index}")
                return {"type": "field", "value": [data.headers[header].name, fields[index].name]}
            return {k: replaced(v) for k, v in value.items()}
        return value

    return data_expr(replaced(raw), scope, where)


def _extern_instances(doc: dict) -> tuple[ExternInstance, ...]:
    found = []
    for item, where in objects(doc, "extern_instances", "the file"):
        attributes: dict[str, int | str] = {}
        for raw in need(item, "attribute_values", list, where, []):
            value = raw.get("value") if isinstance(raw, dict) else None
            is_text = need(raw, "type", str, where) == "string"
            attributes[need(raw, "name", str, where)] = typed(value, str, where) if is_text else number(value, where)
        found.append(ExternInstance(need(item, "name", str, where), need(item, "type", str, where), attributes))
    return tuple(found)


def _registers(doc: dict) -> list[Register]:
    found = []
    for item, where in objects(doc, "register_arrays", "the file"):
        width = natural(item, "bitwidth", where, limit=MAX_REGISTER_WIDTH)
        if width == 0:
            fail(where, "'bitwidth' is 0")
        found.append(Register(need(item, "name", str, where), width, natural(item, "size", where)))
    return found


def _counters(doc: dict) -> tuple[list[Counter], Bindings]:
    found: list[Counter] = []
    bindings: Bindings = {}
    for item, where in objects(doc, "counter_arrays", "the file"):
        if need(item, "is_direct", bool, where, False):
            bindings[len(found)] = (need(item, "binding", str, where), where)
        size = natural(item, "size", where, 0)
        found.append(Counter(need(item, "name", str, where), size))
    return found, bindings


def _meters(doc: dict, data: Data) -> tuple[list[Meter], Bindings]:
    found: list[Meter] = []
    bindings: Bindings = {}
    for item, where in objects(doc, "meter_arrays", "the file"):
        kind = need(item, "type", str, where, "packets")
        if kind not in ("packets", "bytes"):
            fail(where, f"a meter counts packets or bytes, not {kind!r}")
        if natural(item, "rate_count", where, 2) != 2:
            fail(where, "only meters with two rates are supported")
        target = None
        if need(item, "is_direct", bool, where, False):
            bindings[len(found)] = (need(item, "binding", str, where), where)
            target = data.field_ref(item.get("result_target"), where)
        size = natural(item, "size", where, 0)
        found.append(Meter(need(item, "name", str, where), size, kind, None, target))
    return found, bindings


def _bind(
    tables: list[TableNode],
    counters: list[Counter],
    counter_tables: Bindings,
    meters: list[Meter],
    meter_tables: Bindings,
) -> tuple[list[TableNode], list[Counter], list[Meter]]:
    """Ties direct counters and meters to their tables, in both directions."""
    index = {t.name: i for i, t in enumerate(tables)}
    for i, (name, where) in counter_tables.items():
        table = lookup(index, name, "table", where)
        counters[i] = replace(counters[i], table=table, size=tables[table].max_size)
        tables[table] = replace(tables[table], counter=i)
    for i, (name, where) in meter_tables.items():
        table = lookup(index, name, "table", where)
        meters[i] = replace(meters[i], table=table, size=tables[table].max_size)
        tables[table] = replace(tables[table], meter=i)
    for i, found in enumerate(tables):  # a table may count without a counter_arrays entry
        if found.with_counters and found.counter is None:
            counters.append(Counter(f"{found.name}$counter", found.max_size, i))
            tables[i] = replace(found, counter=len(counters) - 1)
    return tables, counters, meters


def _with_tables(pipeline: Pipeline, tables: list[TableNode]) -> Pipeline:
    nodes: list[Node] = []
    for node in pipeline.nodes:
        if isinstance(node, TableNode):
            main = tables[node.table]
            node = replace(node, counter=main.counter, meter=main.meter) if node.again else main
        nodes.append(node)
    return replace(pipeline, nodes=tuple(nodes))


def _errors(doc: dict) -> dict[str, int]:
    """Core errors missing in the file get the numbers behind the largest."""
    found: dict[str, int] = {}
    for raw in need(doc, "errors", list, "the file", []):
        if not (isinstance(raw, list) and len(raw) == 2 and isinstance(raw[0], str)):
            fail("errors", "an error is a list [name, number]")
        found[raw[0]] = typed(raw[1], int, "errors") & 0xFFFFFFFF
    following = max(found.values(), default=-1) + 1
    for name in CORE_ERRORS:
        if name not in found:
            found[name] = following
            following += 1
    return found


def _enums(doc: dict) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for item, where in objects(doc, "enums", "the file"):
        entries = found.setdefault(need(item, "name", str, where), {})
        for raw in need(item, "entries", list, where, []):
            if not (isinstance(raw, list) and len(raw) == 2 and isinstance(raw[0], str)):
                fail(where, "an entry is a list [name, number]")
            entries[raw[0]] = typed(raw[1], int, where)
    return found
