"""Multicast groups and clone sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import values
from ..protos import p4r
from ..schema import Schema


@dataclass(frozen=True)
class Replica:
    """One copy: out of `port`, with replica id `instance` (egress_rid). backups: (port, instance) pairs that take its
    place while its port is down, the best first."""

    port: int
    instance: int = 0
    backups: tuple[tuple[int, int], ...] = ()


def _fill(replicas: tuple[Replica, ...], into: Any) -> None:
    for one in replicas:
        # `egress_port` is deprecated in favour of `port`, but it is what every server understands.
        added = into.add(egress_port=one.port, instance=one.instance)
        for port, instance in one.backups:
            added.backup_replicas.add(port=values.encode(port, 32), instance=instance)


def _read(messages: Any) -> tuple[Replica, ...]:
    return tuple(
        Replica(
            values.decode(m.port, 32) if m.WhichOneof("port_kind") == "port" else m.egress_port,
            m.instance,
            tuple((values.decode(b.port, 32), b.instance) for b in m.backup_replicas),
        )
        for m in messages
    )


@dataclass(frozen=True)
class MulticastGroup:
    """Group `id` (0 in a read: all groups)."""

    id: int = 0
    replicas: tuple[Replica, ...] = ()

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        group = entity.packet_replication_engine_entry.multicast_group_entry
        group.SetInParent()
        group.multicast_group_id = self.id
        _fill(self.replicas, group.replicas)
        return entity

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> MulticastGroup:
        return cls(message.multicast_group_id, _read(message.replicas))


@dataclass(frozen=True)
class CloneSession:
    """Where clones go, cut to `truncate` bytes (0: whole). Id 0 in a read: all sessions."""

    id: int = 0
    replicas: tuple[Replica, ...] = ()
    truncate: int = 0
    class_of_service: int = 0

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        session = entity.packet_replication_engine_entry.clone_session_entry
        session.SetInParent()
        session.session_id = self.id
        session.packet_length_bytes = self.truncate
        session.class_of_service = self.class_of_service
        _fill(self.replicas, session.replicas)
        return entity

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> CloneSession:
        return cls(message.session_id, _read(message.replicas), message.packet_length_bytes, message.class_of_service)
