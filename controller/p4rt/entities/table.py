"""Table entries: match values by field name.

    TableEntry("fib", {"hdr.ipv4.dst": "10.0.0.0/8"}, ActionCall("forward", {"port": 3}))

Match values, as numbers or as text that `values.parse` reads: exact v; lpm "v/len" or (v, len); ternary "v&&&mask" or
(v, mask); range "low..high" or (low, high); optional v. A field left out, or None, matches anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import values
from ..protos import p4r
from ..schema import MatchField, Schema, Table
from .action import Target, decode_target, encode_target


@dataclass(frozen=True)
class TableEntry:
    """An entry, a default entry, or a pattern for reading (no table: all tables; no match: all entries)."""

    table: str = ""
    match: Mapping[str, Any] = field(default_factory=dict)
    action: Target | None = None
    priority: int = 0
    is_default: bool = False
    idle_timeout_ns: int = 0
    metadata: bytes = b""
    rates: tuple[int, int, int, int] | None = None  # cir, cburst, pir, pburst of a direct meter
    counter: tuple[int, int] | None = None  # packets, bytes of a direct counter; (0, 0) in a read asks
    since_last_hit_ns: int | None = None  # in a read, 0 asks for it
    is_const: bool = False

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        entry = entity.table_entry
        entry.SetInParent()
        if self.table:
            table = schema.tables[self.table]
            entry.table_id = table.id
            _encode_match(self.match, table, entry)
            if self.action is not None:
                encode_target(self.action, schema, table, entry.action)
        entry.priority = self.priority
        entry.is_default_action = self.is_default
        entry.idle_timeout_ns = self.idle_timeout_ns
        entry.metadata = self.metadata
        entry.is_const = self.is_const
        self._encode_extras(entry)
        return entity

    def _encode_extras(self, entry: Any) -> None:
        if self.rates is not None:
            config = entry.meter_config
            config.SetInParent()
            config.cir, config.cburst, config.pir, config.pburst = self.rates
        if self.counter is not None:
            entry.counter_data.SetInParent()
            entry.counter_data.packet_count, entry.counter_data.byte_count = self.counter
        if self.since_last_hit_ns is not None:
            entry.time_since_last_hit.SetInParent()

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> TableEntry:
        if not message.table_id:
            return cls(is_default=message.is_default_action)
        table = schema.tables[message.table_id]
        config = message.meter_config
        data = message.counter_data
        return cls(
            table.name,
            dict(_decode_field(table, m) for m in message.match),
            decode_target(schema, message.action) if message.HasField("action") else None,
            message.priority,
            message.is_default_action,
            message.idle_timeout_ns,
            message.metadata,
            (config.cir, config.cburst, config.pir, config.pburst) if message.HasField("meter_config") else None,
            (data.packet_count, data.byte_count) if message.HasField("counter_data") else None,
            message.time_since_last_hit.elapsed_ns if message.HasField("time_since_last_hit") else None,
            message.is_const,
        )


def _encode_match(match: Mapping[str, Any], table: Table, entry: Any) -> None:
    for name, value in match.items():
        known = table.field(name)
        try:
            _encode_field(known, value, entry)
        except ValueError as error:
            raise ValueError(f"{table.name}.{known.name}: {error}") from None


def _encode_field(known: MatchField, value: Any, entry: Any) -> None:
    """Add a p4.v1.FieldMatch, or nothing for a value that matches anything."""
    width = known.bitwidth
    if value is None:
        return
    if known.kind in ("exact", "optional"):
        data = values.encode_field(value, width, known.translation)
        getattr(entry.match.add(field_id=known.id), known.kind).value = data
    elif known.kind == "lpm":
        number, length = values.parse_lpm(value, width)
        if length:
            lpm = entry.match.add(field_id=known.id).lpm
            lpm.value, lpm.prefix_len = values.encode(number, width), length
    elif known.kind == "ternary":
        number, mask = values.parse_ternary(value, width)
        if mask:
            ternary = entry.match.add(field_id=known.id).ternary
            ternary.value, ternary.mask = values.encode(number, width), values.encode(mask, width)
    else:
        low, high = values.parse_range(value, width)
        if (low, high) != (0, values.all_ones(width)):
            between = entry.match.add(field_id=known.id).range
            between.low, between.high = values.encode(low, width), values.encode(high, width)


def _decode_field(table: Table, message: Any) -> tuple[str, Any]:
    known = table.field(message.field_id)
    width = known.bitwidth
    kind = message.WhichOneof("field_match_type")
    if kind in ("exact", "optional"):
        return known.name, values.decode_field(getattr(message, kind).value, width, known.translation)
    if kind == "lpm":
        return known.name, (values.decode(message.lpm.value, width), message.lpm.prefix_len)
    if kind == "ternary":
        return known.name, (
            values.decode(message.ternary.value, width),
            values.decode(message.ternary.mask, width),
        )
    if kind == "range":
        return known.name, (values.decode(message.range.low, width), values.decode(message.range.high, width))
    raise ValueError(f"{table.name}.{known.name}: a match of kind {kind} is not supported")
