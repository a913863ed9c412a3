"""Entities as frozen dataclasses, each with `encode(schema)` to a p4.v1.Entity and a `decode(schema, message)`.

Names instead of ids, numbers instead of bytes. A wildcard read is an entity with its fields left at their defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..schema import Schema
from .action import ActionCall, GroupRef, MemberRef, OneShot, Weighted
from .counter import CounterEntry, DirectCounterEntry, DirectMeterEntry, MeterEntry, MeterRates
from .digest import DigestEntry, DigestList
from .packet import PacketIn, PacketOut
from .profile import GroupMember, ProfileGroup, ProfileMember
from .register import RegisterEntry
from .replication import CloneSession, MulticastGroup, Replica
from .table import TableEntry
from .value_set import ValueSetEntry

__all__ = [
    "ActionCall",
    "CloneSession",
    "CounterEntry",
    "DigestEntry",
    "DigestList",
    "DirectCounterEntry",
    "DirectMeterEntry",
    "Encodable",
    "GroupMember",
    "GroupRef",
    "MemberRef",
    "MeterEntry",
    "MeterRates",
    "MulticastGroup",
    "OneShot",
    "PacketIn",
    "PacketOut",
    "ProfileGroup",
    "ProfileMember",
    "RegisterEntry",
    "Replica",
    "TableEntry",
    "ValueSetEntry",
    "Weighted",
    "decode",
]


class Encodable(Protocol):
    """Whatever can be written to a switch or asked of it."""

    def encode(self, schema: Schema) -> Any: ...


_DECODERS: dict[str, Callable[[Schema, Any], Encodable]] = {
    "table_entry": TableEntry.decode,
    "action_profile_member": ProfileMember.decode,
    "action_profile_group": ProfileGroup.decode,
    "meter_entry": MeterEntry.decode,
    "direct_meter_entry": DirectMeterEntry.decode,
    "counter_entry": CounterEntry.decode,
    "direct_counter_entry": DirectCounterEntry.decode,
    "value_set_entry": ValueSetEntry.decode,
    "register_entry": RegisterEntry.decode,
    "digest_entry": DigestEntry.decode,
}
_REPLICATION: dict[str, Callable[[Schema, Any], Encodable]] = {
    "multicast_group_entry": MulticastGroup.decode,
    "clone_session_entry": CloneSession.decode,
}


def decode(schema: Schema, entity: Any) -> Encodable:
    """A p4.v1.Entity as a dataclass; ValueError where it is of a kind not known here."""
    kind = entity.WhichOneof("entity")
    if kind == "packet_replication_engine_entry":
        inner = entity.packet_replication_engine_entry
        kind = inner.WhichOneof("type")
        if kind in _REPLICATION:
            return _REPLICATION[kind](schema, getattr(inner, kind))
    elif kind in _DECODERS:
        return _DECODERS[kind](schema, getattr(entity, kind))
    raise ValueError(f"cannot read an entity of kind {kind}")
