"""What a role may do: the P4RoleConfig message that Stratum defines, which finsy and others send in `role.config`.

P4Runtime leaves the format of role configurations open; this one is in use. Its fields: exclusive_p4_ids (1) and
shared_p4_ids (2), repeated uint32; packet_in_filter (3) with metadata_id (1) and value (2, bytes); receives_packet_ins (4);
can_push_pipeline (5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

NAME = "stratum.P4RoleConfig"
TYPE_URL = f"type.googleapis.com/{NAME}"


def _message() -> Any:
    """The message class, in a pool of its own: another library's copy cannot collide with it."""
    file = descriptor_pb2.FileDescriptorProto(name="p4_role_config", package="stratum", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    config = file.message_type.add(name="P4RoleConfig")
    inner = config.nested_type.add(name="PacketFilter")
    inner.field.add(name="metadata_id", number=1, type=kinds.TYPE_UINT32, label=kinds.LABEL_OPTIONAL)
    inner.field.add(name="value", number=2, type=kinds.TYPE_BYTES, label=kinds.LABEL_OPTIONAL)
    for number, name in enumerate(("exclusive_p4_ids", "shared_p4_ids"), 1):
        config.field.add(name=name, number=number, type=kinds.TYPE_UINT32, label=kinds.LABEL_REPEATED)
    config.field.add(
        name="packet_in_filter", number=3, type=kinds.TYPE_MESSAGE, label=kinds.LABEL_OPTIONAL,
        type_name=".stratum.P4RoleConfig.PacketFilter",
    )  # fmt: skip
    for number, name in enumerate(("receives_packet_ins", "can_push_pipeline"), 4):
        config.field.add(name=name, number=number, type=kinds.TYPE_BOOL, label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(NAME))


P4RoleConfig: Any = _message()


@dataclass(frozen=True)
class RoleConfig:
    """ids: of P4Info. exclusive: no other role may have them. packet_filter: (metadata id, its value in canonical bytes)
    of the packet-ins that the role receives; None for all."""

    exclusive: frozenset[int] = frozenset()
    shared: frozenset[int] = frozenset()
    packet_filter: tuple[int, bytes] | None = None
    receives_packets: bool = False
    pushes_pipeline: bool = False

    @property
    def ids(self) -> frozenset[int]:
        return self.exclusive | self.shared

    def fill(self, into: Any) -> None:
        """Fill a google.protobuf.Any."""
        message = P4RoleConfig(
            exclusive_p4_ids=sorted(self.exclusive),
            shared_p4_ids=sorted(self.shared),
            receives_packet_ins=self.receives_packets,
            can_push_pipeline=self.pushes_pipeline,
        )
        if self.packet_filter is not None:
            message.packet_in_filter.metadata_id, message.packet_in_filter.value = self.packet_filter
        into.type_url, into.value = TYPE_URL, message.SerializeToString()

    @classmethod
    def decode(cls, message: Any) -> RoleConfig:
        """From a google.protobuf.Any; ValueError, one sentence, where it is of another kind."""
        if message.type_url.rpartition("/")[2] != NAME:
            raise ValueError(f"role configurations of type {message.type_url or 'none'!r} are not known")
        try:
            found = P4RoleConfig.FromString(message.value)
        except DecodeError:
            raise ValueError(f"the role configuration is not a {NAME}") from None
        wanted = found.packet_in_filter
        return cls(
            frozenset(found.exclusive_p4_ids),
            frozenset(found.shared_p4_ids),
            (wanted.metadata_id, wanted.value) if found.HasField("packet_in_filter") else None,
            found.receives_packet_ins,
            found.can_push_pipeline,
        )
