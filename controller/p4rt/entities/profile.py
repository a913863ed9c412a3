"""Members and groups of action profiles and selectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..protos import p4r
from ..schema import Schema
from .action import ActionCall, decode_call, decode_watch, encode_call, encode_port


@dataclass(frozen=True)
class ProfileMember:
    """One action of a profile under a number of the controller's choice."""

    profile: str = ""
    id: int = 0
    action: ActionCall | None = None

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        member = entity.action_profile_member
        member.SetInParent()
        member.member_id = self.id
        if self.profile:
            member.action_profile_id = schema.profiles[self.profile].id
        if self.action is not None:
            encode_call(self.action, schema.actions[self.action.name], member.action)
        return entity

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> ProfileMember:
        profile = schema.profiles[message.action_profile_id]
        return cls(profile.name, message.member_id, decode_call(schema, message.action))


@dataclass(frozen=True)
class GroupMember:
    id: int
    weight: int = 1
    watch_port: int | None = None


@dataclass(frozen=True)
class ProfileGroup:
    """A group of members, among which a selector chooses. `max_size` 0 means the program's own limit."""

    profile: str = ""
    id: int = 0
    members: tuple[GroupMember, ...] = ()
    max_size: int = 0

    def encode(self, schema: Schema) -> Any:
        entity = p4r.Entity()
        group = entity.action_profile_group
        group.SetInParent()
        group.group_id = self.id
        group.max_size = self.max_size
        if self.profile:
            group.action_profile_id = schema.profiles[self.profile].id
        for one in self.members:
            added = group.members.add(member_id=one.id, weight=one.weight)
            if one.watch_port is not None:
                added.watch_port = encode_port(one.watch_port)
        return entity

    @classmethod
    def decode(cls, schema: Schema, message: Any) -> ProfileGroup:
        members = tuple(GroupMember(m.member_id, m.weight, decode_watch(m)) for m in message.members)
        name = schema.profiles[message.action_profile_id].name
        return cls(name, message.group_id, members, message.max_size)
