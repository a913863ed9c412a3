"""P4Info: what the control plane may know, with the reference compiler's ids."""
from __future__ import annotations

from typing import Any

from . import ast, ir
from .p4info_ids import EXTERN, OBJECTS, PREFIX, Names, asked, extern_type_ids, user_externs
from .p4info_notes import add_package, number_of
from .p4info_order import action_order, object_order
from .p4info_types import TypeInfo
from .protos import p4info_message
from .types import strip, width_of

UNITS = {0: "PACKETS", 1: "BYTES", 2: "BOTH"}
SCOPES = ("tableonly", "defaultonly", "groupaction")
"""Annotations of a table's actions, in the order of ActionRef.Scope; none of them is 0."""
METER_TYPES = {"single_rate_three_color": 1, "single_rate_two_color": 2}
"""Annotations of meters that restrict them to one rate; @two_rate_three_color says what holds anyway."""


def emit_p4info(program: ir.Program) -> Any:
    """The P4Info message of a compiled program (p4.config.v1.P4Info)."""
    info = p4info_message()
    info.pkg_info.arch = program.architecture
    add_package(program.notes, info.pkg_info, program.constants)
    tables = [t for t in object_order(program, list(program.tables.values())) if not t.hidden]
    actions = action_order(program, tables)
    objects = [i for i in object_order(program, list(program.instances.values())) if i.kind in OBJECTS]
    digests = {name: kind for name, _, kind in program.learn_lists}
    wanted: dict[tuple[str, str], int | None] = {}
    for table in tables:
        wanted["table", table.name] = asked(table.decl.annotations)
    for name, decl, _ in actions:
        wanted["action", name] = asked(decl.annotations)
    for item in objects:
        wanted[OBJECTS[item.kind], item.name] = asked(item.decl)
    type_ids = extern_type_ids(program)
    own = [item for item in user_externs(program) if item.kind in type_ids]
    for item in own:
        wanted[EXTERN + item.kind, item.name] = asked(item.decl)
    for value_set in program.value_sets:
        wanted["value_set", value_set.name] = asked(value_set.decl.annotations)
    for name in digests:
        wanted["digest", name] = None
    for header in program.controller_headers:
        wanted["controller_header", _controller_name(header)] = asked(header.decl.annotations)
    hashed = {("controller_header", _controller_name(h)): h.name for h in program.controller_headers}
    prefix = PREFIX | {EXTERN + kind: number for kind, number in type_ids.items()}
    names = Names(wanted, hashed, program.constants, prefix)
    types = TypeInfo(info, list(program.errors), program.constants)
    for table in tables:
        _table(info.tables.add(), table, names, types, program)
    for name, decl, params in actions:
        _action(info.actions.add(), name, decl, params, names, types)
    for item in objects:
        _WRITERS[OBJECTS[item.kind]](info, item, names, types, program)
    for extern, number in type_ids.items():
        _extern(info.externs.add(), extern, number, [item for item in own if item.kind == extern], names)
    for header in program.controller_headers:
        _controller_header(info.controller_packet_metadata.add(), header, names, types)
    for value_set in program.value_sets:
        _value_set(info.value_sets.add(), value_set, names, types)
    for name, kind in digests.items():
        message = info.digests.add()
        names.preamble("digest", name, (), message.preamble)
        types.spec(kind, message.type_spec)
    if program.calls_externs or len(info.ListFields()) > 1:
        info.type_info.SetInParent()
    return info


def _extern(message: Any, kind: str, number: int, instances: list[ir.Instance], names: Names) -> None:
    message.extern_type_id, message.extern_type_name = number, kind
    for item in instances:
        names.preamble(EXTERN + kind, item.name, item.decl, message.instances.add().preamble)


def _table(message: Any, table: ir.Table, names: Names, types: TypeInfo, program: ir.Program) -> None:
    names.preamble("table", table.name, table.decl.annotations, message.preamble)
    for number, key in enumerate(table.keys, 1):
        field = message.match_fields.add()
        field.id = asked(key.annotations) or number
        field.name = key.name
        field.bitwidth = types.bitwidth(key.source, key.type)
        field.match_type = MATCH_TYPES[key.match]
        types.name(key.source, field.type_name)
        names.notes(key.annotations, field)
    for use in table.actions:
        if use.action.hidden:
            continue
        ref = message.action_refs.add()
        ref.id = names.ids["action", use.action.name]
        names.notes(use.annotations, ref)
        for scope, note in enumerate(SCOPES, 1):
            if ast.annotation(use.annotations, note):
                ref.scope = scope
    _defaults(message, table, names)
    if table.implementation:
        message.implementation_id = names.ids["action_profile", table.implementation]
    for kind, name in (("direct_counter", table.counter), ("direct_meter", table.meter)):
        if name:
            message.direct_resource_ids.append(names.ids[kind, name])
    message.size = table.size
    if table.support_timeout:
        message.idle_timeout_behavior = 1
    if table.entries is not None:
        message.is_const_table = table.entries_const
        message.has_initial_entries = bool(table.entries)


def _defaults(message: Any, table: ir.Table, names: Names) -> None:
    if table.default is None or table.default.action.hidden:
        return
    number = names.ids["action", table.default.action.name]
    if table.default_const:
        message.const_default_action_id = number
    message.initial_default_action.action_id = number
    for index, (value, (_, kind, _)) in enumerate(zip(table.default.args or [], table.default.action.params), 1):
        argument = message.initial_default_action.arguments.add()
        argument.param_id = index
        width = width_of(kind)
        argument.value = (value & ((1 << width) - 1)).to_bytes((width + 7) // 8, "big")


def _action(message: Any, name: str, decl: Any, params: list[tuple[str, Any, Any]], names: Names,
            types: TypeInfo) -> None:
    names.preamble("action", name, decl.annotations, message.preamble)
    for number, (param, kind, notes) in enumerate(params, 1):
        item = message.params.add()
        item.id = asked(notes) or number
        item.name = ast.string_annotation(notes, "name") or param
        item.bitwidth = types.bitwidth(kind, kind)
        types.name(kind, item.type_name)
        names.notes(notes, item)


def _profile(info: Any, item: ir.Instance, names: Names, types: TypeInfo, program: ir.Program) -> None:
    message = info.action_profiles.add()
    names.preamble("action_profile", item.name, item.decl, message.preamble)
    ids = [names.ids["table", t.name] for t in program.tables.values()
           if t.implementation == item.name and ("table", t.name) in names.ids]
    message.table_ids.extend(sorted(ids))
    message.with_selector = item.kind == "action_selector"
    message.size = item.values["size"]
    largest = number_of(item.decl, "max_group_size", names.constants)
    if largest is not None:
        message.max_group_size = largest
    _selector_size(message, item, names)


def _selector_size(message: Any, item: ir.Instance, names: Names) -> None:
    """What sizes of groups count: @selector_size_semantics("sum_of_weights" or "sum_of_members")."""
    semantics = ast.string_annotation(item.decl, "selector_size_semantics")
    heaviest = number_of(item.decl, "max_member_weight", names.constants)
    if semantics == "sum_of_weights":
        message.sum_of_weights.SetInParent()
    elif semantics == "sum_of_members" or heaviest is not None:
        message.sum_of_members.SetInParent()
        if heaviest is not None:
            message.sum_of_members.max_member_weight = heaviest
    message.weights_disallowed = ast.annotation(item.decl, "weights_disallowed") is not None


def _counter(info: Any, item: ir.Instance, names: Names, types: TypeInfo, program: ir.Program) -> None:
    message = info.counters.add()
    names.preamble("counter", item.name, item.decl, message.preamble)
    message.spec.unit = {"PACKETS": 2, "BYTES": 1, "BOTH": 3}[UNITS[item.values["type"]]]
    message.size = item.values["size"]
    if len(item.type_args) == 1:
        types.name(item.type_args[0], message.index_type_name)


def _direct_counter(info: Any, item: ir.Instance, names: Names, types: TypeInfo, program: ir.Program) -> None:
    if item.binding is None:
        return
    message = info.direct_counters.add()
    names.preamble("direct_counter", item.name, item.decl, message.preamble)
    message.spec.unit = {"PACKETS": 2, "BYTES": 1, "BOTH": 3}[UNITS[item.values["type"]]]
    message.direct_table_id = names.ids["table", item.binding]


def _meter_type(item: ir.Instance) -> int:
    return next((number for name, number in METER_TYPES.items() if ast.annotation(item.decl, name) is not None), 0)


def _meter(info: Any, item: ir.Instance, names: Names, types: TypeInfo, program: ir.Program) -> None:
    message = info.meters.add()
    names.preamble("meter", item.name, item.decl, message.preamble)
    message.spec.unit, message.spec.type = {"PACKETS": 2, "BYTES": 1}[UNITS[item.values["type"]]], _meter_type(item)
    message.size = item.values["size"]
    if len(item.type_args) == 1:
        types.name(item.type_args[0], message.index_type_name)


def _direct_meter(info: Any, item: ir.Instance, names: Names, types: TypeInfo, program: ir.Program) -> None:
    if item.binding is None:
        return
    message = info.direct_meters.add()
    names.preamble("direct_meter", item.name, item.decl, message.preamble)
    message.spec.unit, message.spec.type = {"PACKETS": 2, "BYTES": 1}[UNITS[item.values["type"]]], _meter_type(item)
    message.direct_table_id = names.ids["table", item.binding]


def _register(info: Any, item: ir.Instance, names: Names, types: TypeInfo, program: ir.Program) -> None:
    message = info.registers.add()
    names.preamble("register", item.name, item.decl, message.preamble)
    types.spec(item.type_args[0], message.type_spec)
    message.size = item.values["size"]
    if len(item.type_args) == 2:
        types.name(item.type_args[1], message.index_type_name)


_WRITERS: dict[str, Any] = {
    "action_profile": _profile, "counter": _counter, "direct_counter": _direct_counter, "meter": _meter,
    "direct_meter": _direct_meter, "register": _register,
}


def _controller_name(header: Any) -> str:
    name = ast.string_annotation(header.decl.annotations, "controller_header")
    return name if name is not None else str(header.name)


def _controller_header(message: Any, header: Any, names: Names, types: TypeInfo) -> None:
    names.preamble("controller_header", _controller_name(header), header.decl.annotations, message.preamble)
    for number, item in enumerate(header.decl.fields, 1):
        meta = message.metadata.add()
        meta.id = asked(item.annotations) or number
        meta.name = ast.string_annotation(item.annotations, "name") or item.name
        kind = header.fields[item.name]
        meta.bitwidth = types.bitwidth(kind, kind)
        types.name(kind, meta.type_name)
        names.notes(item.annotations, meta)


MATCH_TYPES = {"exact": 2, "lpm": 3, "ternary": 4, "range": 5, "optional": 6}


def _value_set(message: Any, item: ir.ValueSet, names: Names, types: TypeInfo) -> None:
    """A struct's fields are matched each; @match(ternary) says how."""
    names.preamble("value_set", item.name, item.decl.annotations, message.preamble)
    message.size = item.size
    kind = strip(item.type)
    fields = getattr(kind, "decl", None)
    if fields is None or not hasattr(kind, "fields"):
        _match(message.match.add(), 1, item.type, (), names, types)
        return
    for number, part in enumerate(fields.fields, 1):
        match = message.match.add()
        match.name = part.name
        _match(match, asked(part.annotations) or number, kind.fields[part.name], part.annotations, names, types)  # type: ignore[attr-defined]


def _match(match: Any, number: int, kind: Any, notes: ast.Annotations, names: Names, types: TypeInfo) -> None:
    match.id = number
    match.bitwidth = types.bitwidth(kind, kind)
    how = ast.annotation(notes, "match")
    match.match_type = MATCH_TYPES.get(how.text or "", 2) if how is not None else 2
    types.name(kind, match.type_name)
    names.notes(notes, match)


def write_message(message: Any, path: str, form: str, otherwise: str = "") -> None:
    """Write a protobuf message as `form` (text, json, binary) or the suffix tells, as `otherwise` where neither does."""
    known = {"json": "json", "bin": "binary", "txt": "text", "txtpb": "text"}
    form = form or known.get(path.rsplit(".", 1)[-1], otherwise or "text")
    if form == "binary":
        with open(path, "wb") as handle:
            handle.write(message.SerializeToString(deterministic=True))
        return
    if form == "json":
        from google.protobuf import json_format

        text = json_format.MessageToJson(message, preserving_proto_field_name=True) + "\n"
    else:
        from google.protobuf import text_format

        name = message.DESCRIPTOR
        text = f"# proto-file: {name.file.name}\n# proto-message: {name.full_name}\n\n"
        text += text_format.MessageToString(message)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
