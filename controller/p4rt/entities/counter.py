"""Counters and meters, in arrays and beside table entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..protos import p4r
from ..schema import Schema
from .table import TableEntry


@dataclass(frozen=True)
class MeterRates:
    """Rates a second and bursts, in the meter's unit (packets or bytes). eburst: excess burst of a meter of one rate and
    three colours, whose other two numbers repeat the first two."""

    cir: int
    cburst: int
    pir: int
    pburst: int
    eburst: int = 0

    def fill(self, config: Any) -> None:
        config.cir, config.cburst, config.pir, config.pburst = self.cir, self.cburst, self.pir, self.pburst
        config.eburst = self.eburst

    @classmethod
    def read(cls, config: Any) -> MeterRates:
        return cls(config.cir, config.cburst, config.pir, config.pburst, config.eburst)


@dataclass(frozen=True)
class CounterEntry:
    """One cell of a counter array. A read with no index asks for the whole array, with no counter for all."""

    counter: str = ""
    index: int | None = None
    packets: int | None = None
    bytes: int | None = None

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        entry = entity.counter_entry
        entry.SetInParent()
        if self.counter:
            entry.counter_id = schema.counters[self.counter].id
        if self.index is not None:
            entry.index.index = self.index
        if self.packets is not None or self.bytes is not None:
            entry.data.packet_count = self.packets or 0
            entry.data.byte_count = self.bytes or 0
        return entity

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> CounterEntry:
        return cls(
            schema.counters[message.counter_id].name,
            message.index.index,
            message.data.packet_count,
            message.data.byte_count,
        )


@dataclass(frozen=True)
class DirectCounterEntry:
    """The counter of a table entry. A read with an entry of a table alone asks for all of the table's."""

    entry: TableEntry
    packets: int | None = None
    bytes: int | None = None

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        message = entity.direct_counter_entry
        message.table_entry.CopyFrom(self.entry.encode(schema).table_entry)
        if self.packets is not None or self.bytes is not None:
            message.data.packet_count = self.packets or 0
            message.data.byte_count = self.bytes or 0
        return entity

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> DirectCounterEntry:
        entry = TableEntry.decode(schema, message.table_entry)
        return cls(entry, message.data.packet_count, message.data.byte_count)


@dataclass(frozen=True)
class MeterEntry:
    """One cell of a meter array; no rates in a write makes every packet green."""

    meter: str = ""
    index: int | None = None
    rates: MeterRates | None = None

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        entry = entity.meter_entry
        entry.SetInParent()
        if self.meter:
            entry.meter_id = schema.meters[self.meter].id
        if self.index is not None:
            entry.index.index = self.index
        if self.rates is not None:
            self.rates.fill(entry.config)
            entry.config.SetInParent()
        return entity

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> MeterEntry:
        rates = MeterRates.read(message.config) if message.HasField("config") else None
        return cls(schema.meters[message.meter_id].name, message.index.index, rates)


@dataclass(frozen=True)
class DirectMeterEntry:
    """The meter of a table entry."""

    entry: TableEntry
    rates: MeterRates | None = None

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        message = entity.direct_meter_entry
        message.table_entry.CopyFrom(self.entry.encode(schema).table_entry)
        if self.rates is not None:
            self.rates.fill(message.config)
            message.config.SetInParent()
        return entity

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> DirectMeterEntry:
        rates = MeterRates.read(message.config) if message.HasField("config") else None
        return cls(TableEntry.decode(schema, message.table_entry), rates)
