"""From P4Info messages and files to a Schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .protos import DecodeError, p4i, parse_text
from .schema import (
    COMPOUND,
    Action,
    ActionProfile,
    ControllerHeader,
    Counter,
    Digest,
    Index,
    MatchField,
    Member,
    Meter,
    Param,
    Register,
    Schema,
    Scope,
    Table,
    ValueSet,
)

# Match kinds in the words of P4.
_MATCH_KINDS = {2: "exact", 3: "lpm", 4: "ternary", 5: "range", 6: "optional"}


def _preamble(message: Any) -> tuple[int, str, str]:
    return message.preamble.id, message.preamble.name, message.preamble.alias


def _translation(message: Any, types: Any) -> str:
    """The `type` of a field or parameter, where its values travel as text."""
    name = message.type_name.name
    if name and name in types.new_types:
        spec = types.new_types[name]
        if spec.WhichOneof("representation") == "translated_type":
            return name if spec.translated_type.WhichOneof("sdn_type") == "sdn_string" else ""
    return ""


def _params(messages: Any, types: Any) -> tuple[Param, ...]:
    return tuple(Param(p.id, p.name, p.bitwidth, _translation(p, types)) for p in messages)


def _fields(messages: Any, owner: str, types: Any) -> tuple[MatchField, ...]:
    found = []
    for m in messages:
        kind = _MATCH_KINDS.get(m.match_type)
        if kind is None:
            raise ValueError(f"P4Info: match field {m.name!r} of {owner} has an unknown match type")
        translation = _translation(m, types)
        if m.bitwidth < 1 and not translation:
            raise ValueError(f"P4Info: match field {m.name!r} of {owner} has no width")
        found.append(MatchField(m.id, m.name, m.bitwidth, kind, translation))
    return tuple(found)


def _table(t: Any, direct_counters: set[int], direct_meters: set[int], types: Any) -> Table:
    resources = list(t.direct_resource_ids)
    return Table(
        *_preamble(t),
        fields=_fields(t.match_fields, t.preamble.name, types),
        scopes={ref.id: Scope(ref.scope) for ref in t.action_refs},
        size=t.size,
        profile_id=t.implementation_id,
        direct_counter_id=next((i for i in resources if i in direct_counters), 0),
        direct_meter_id=next((i for i in resources if i in direct_meters), 0),
        idle_timeout=t.idle_timeout_behavior == 1,
        is_const=t.is_const_table,
        const_default_action_id=t.const_default_action_id,
        has_initial_entries=t.has_initial_entries,
    )


def _leaf(name: str, spec: Any, types: Any) -> Member:
    kind = spec.WhichOneof("type_spec")
    if kind == "bitstring":
        bits = spec.bitstring
        which = bits.WhichOneof("type_spec")
        if which == "varbit":
            raise ValueError(f"P4Info: {name!r} is a varbit, which registers and digests cannot hold")
        return Member(name, getattr(bits, which).bitwidth if which else 0, which == "int")
    if kind == "bool":
        return Member(name, 1, kind="bool")
    if kind == "serializable_enum":
        known = types.serializable_enums[spec.serializable_enum.name]
        return Member(name, known.underlying_type.bitwidth, kind=kind)
    if kind == "new_type":
        known = types.new_types[spec.new_type.name]
        if known.WhichOneof("representation") == "original_type":
            return _leaf(name, known.original_type, types)
        if known.translated_type.WhichOneof("sdn_type") == "sdn_string":
            return Member(name, 0, translation=spec.new_type.name)
        return Member(name, known.translated_type.sdn_bitwidth)
    if kind == "enum":
        return Member(name, 32, kind=kind, names=tuple(m.name for m in types.enums[spec.enum.name].members))
    if kind == "error":
        return Member(name, 32, kind=kind, names=tuple(types.error.members))
    raise ValueError(f"P4Info: {name!r} has a type that is not supported ({kind})")


def _digest(d: Any, types: Any) -> Digest:
    root = _member(d.preamble.name, d.type_spec, types)
    parts = root.members if root.kind in COMPOUND else (root,)
    return Digest(*_preamble(d), root=root, members=tuple(leaf for part in parts for leaf in part.leaves()))


_DEEPEST = 32  # structs in structs


def _member(name: str, spec: Any, types: Any, depth: int = 0) -> Member:
    """A digest's message, or a part of it."""
    if depth > _DEEPEST:
        raise ValueError(f"P4Info: {name!r} is inside more than {_DEEPEST} structs, or its type contains itself")
    kind = spec.WhichOneof("type_spec")
    if kind == "struct":
        found = types.structs[spec.struct.name].members
        parts = tuple(_member(m.name, m.type_spec, types, depth + 1) for m in found)
    elif kind == "tuple":
        parts = tuple(_member(f"f{i}", m, types, depth + 1) for i, m in enumerate(spec.tuple.members))
    elif kind == "header":
        found = types.headers[spec.header.name].members
        parts = tuple(_leaf(m.name, p4i.P4DataTypeSpec(bitstring=m.type_spec), types) for m in found)
    else:
        return _leaf(name, spec, types)
    return Member(name, 0, kind=kind, members=parts)


def _profile(p: Any) -> ActionProfile:
    return ActionProfile(
        *_preamble(p),
        tuple(p.table_ids),
        p.with_selector,
        p.size,
        p.max_group_size,
        by_members=p.WhichOneof("selector_size_semantics") == "sum_of_members",
        max_member_weight=p.sum_of_members.max_member_weight,
        weights_allowed=not p.weights_disallowed,
    )


_METER_TYPES = {1: "SINGLE_RATE_THREE_COLOR", 2: "SINGLE_RATE_TWO_COLOR"}


def _meter(m: Any, size: int, table_id: int) -> Meter:
    kind = _METER_TYPES.get(m.spec.type, "TWO_RATE_THREE_COLOR")
    return Meter(*_preamble(m), _UNITS.get(m.spec.unit, "BYTES"), size, table_id, kind)


_UNITS = {0: "BOTH", 1: "BYTES", 2: "PACKETS", 3: "BOTH"}


def from_p4info(message: Any) -> Schema:
    """A Schema of a p4.config.v1.P4Info; ValueError, one sentence, where it contradicts itself."""
    _check_ids(message)
    return Schema(message=message, **_tables_of(message), **_counts_of(message), **_state_of(message))


def _tables_of(message: Any) -> dict[str, Any]:
    counter_ids = {c.preamble.id for c in message.direct_counters}
    meter_ids = {m.preamble.id for m in message.direct_meters}
    types = message.type_info
    return {
        "tables": Index("table", [_table(t, counter_ids, meter_ids, types) for t in message.tables]),
        "actions": Index(
            "action",
            [
                Action(*_preamble(a), params=_params(a.params, types))
                for a in message.actions
            ],
        ),
        "profiles": Index(
            "action profile",
            [_profile(p) for p in message.action_profiles],
        ),
    }


def _counts_of(message: Any) -> dict[str, Any]:
    return {
        "counters": Index(
            "counter",
            [Counter(*_preamble(c), _UNITS.get(c.spec.unit, "BOTH"), c.size) for c in message.counters],
        ),
        "direct_counters": Index(
            "direct counter",
            [
                Counter(*_preamble(c), _UNITS.get(c.spec.unit, "BOTH"), 0, c.direct_table_id)
                for c in message.direct_counters
            ],
        ),
        "meters": Index(
            "meter", [_meter(m, m.size, 0) for m in message.meters]
        ),
        "direct_meters": Index(
            "direct meter",
            [_meter(m, 0, m.direct_table_id) for m in message.direct_meters],
        ),
    }


def _state_of(message: Any) -> dict[str, Any]:
    types = message.type_info
    return {
        "registers": Index(
            "register",
            [Register(*_preamble(r), _leaf(r.preamble.name, r.type_spec, types), r.size) for r in message.registers],
        ),
        "value_sets": Index(
            "value set",
            [ValueSet(*_preamble(v), _fields(v.match, v.preamble.name, types), v.size) for v in message.value_sets],
        ),
        "digests": Index("digest", [_digest(d, types) for d in message.digests]),
        "headers": Index(
            "controller header",
            [
                ControllerHeader(*_preamble(h), _params(h.metadata, types))
                for h in message.controller_packet_metadata
            ],
        ),
    }


def _check_ids(message: Any) -> None:
    """Ids are unique and references lead somewhere; a P4Info may come from anyone."""
    groups = (
        "tables",
        "actions",
        "action_profiles",
        "counters",
        "direct_counters",
        "meters",
        "direct_meters",
        "registers",
        "value_sets",
        "digests",
        "controller_packet_metadata",
    )
    seen: dict[int, str] = {}
    for group in (*groups, "externs"):
        items = [i for e in message.externs for i in e.instances] if group == "externs" else getattr(message, group)
        for item in items:
            number, name = item.preamble.id, item.preamble.name
            if not number:
                raise ValueError(f"P4Info: {name!r} in {group} has no id")
            if number in seen:
                raise ValueError(f"P4Info: id 0x{number:08x} belongs to both {seen[number]!r} and {name!r}")
            seen[number] = name
    actions = {a.preamble.id for a in message.actions}
    profiles = {p.preamble.id for p in message.action_profiles}
    for table in message.tables:
        for ref in table.action_refs:
            if ref.id not in actions:
                raise ValueError(
                    f"P4Info: table {table.preamble.name!r} refers to action id 0x{ref.id:08x}, which does not exist"
                )
        if table.implementation_id and table.implementation_id not in profiles:
            raise ValueError(
                f"P4Info: table {table.preamble.name!r} refers to action profile id"
                f" 0x{table.implementation_id:08x}, which does not exist"
            )


def read_p4info(source: str | Path | bytes) -> Any:
    """A P4Info message from a file (text, or binary when it ends in .bin) or from binary bytes."""
    if isinstance(source, bytes):
        return _from_binary(source, "P4Info")
    path = Path(source)
    if path.suffix in (".bin", ".pb"):
        return _from_binary(path.read_bytes(), str(path))
    try:
        return parse_text(path.read_text(encoding="utf-8"), p4i.P4Info())
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a P4Info text file: {error}") from None


def _from_binary(data: bytes, name: str) -> Any:
    try:
        return p4i.P4Info.FromString(data)
    except DecodeError:
        raise ValueError(f"{name}: not a binary P4Info") from None
