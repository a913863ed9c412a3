"""What a table entry does: an action, a member or a group of a profile, or a one-shot set of actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import values
from ..schema import Action, Schema, Table


@dataclass(frozen=True)
class ActionCall:
    """An action by name with its arguments by parameter name."""

    name: str
    args: Mapping[str, values.Value] = field(default_factory=dict)

    def __str__(self) -> str:
        args = ", ".join(f"{k}={v:#x}" if isinstance(v, int) else f"{k}={v!r}" for k, v in self.args.items())
        return f"{self.name}({args})"


@dataclass(frozen=True)
class MemberRef:
    """An entry of a table with an action profile: one member."""

    id: int


@dataclass(frozen=True)
class GroupRef:
    """An entry of a table with an action selector: one group."""

    id: int


@dataclass(frozen=True)
class Weighted:
    """One action of a one-shot, with its weight and the port that must be up for it (None: always)."""

    action: ActionCall
    weight: int = 1
    watch_port: int | None = None


@dataclass(frozen=True)
class OneShot:
    """A group made together with its entry. group_action: runs before the action that is chosen. selection: "hash" or
    "random", sizes: "weights" or "members"; by default as the selector has them."""

    actions: tuple[Weighted, ...]
    group_action: ActionCall | None = None
    selection: str = ""
    sizes: str = ""


SELECTIONS = ("", "hash", "random")  # in P4Runtime's order, as are the next
SIZES = ("", "weights", "members")


Target = ActionCall | MemberRef | GroupRef | OneShot


def encode_call(call: ActionCall, action: Action, into: Any) -> None:
    """Fill a p4.v1.Action. Every parameter must be given, and no other."""
    into.action_id = action.id
    if len(call.args) != len(action.params):
        missing = [p.name for p in action.params if p.name not in call.args]
        if missing:
            raise ValueError(f"action {action.name} lacks {', '.join(missing)}")
    for name, value in call.args.items():
        param = action.param(name)
        try:
            data = values.encode_field(value, param.bitwidth, param.translation)
        except ValueError as error:
            raise ValueError(f"{action.name}.{param.name}: {error}") from None
        into.params.add(param_id=param.id, value=data)


def decode_call(schema: Schema, message: Any) -> ActionCall:
    action = schema.actions[message.action_id]
    args: dict[str, values.Value] = {}
    for one in message.params:
        param = action.param(one.param_id)
        args[param.name] = values.decode_field(one.value, param.bitwidth, param.translation)
    return ActionCall(action.name, args)


def encode_port(port: int) -> bytes:
    return values.encode(port, 32)


def encode_target(target: Target, schema: Schema, table: Table, into: Any) -> None:
    """Fill a p4.v1.TableAction."""
    if isinstance(target, ActionCall):
        encode_call(target, schema.action_of(table, target.name), into.action)
    elif isinstance(target, MemberRef):
        into.action_profile_member_id = target.id
    elif isinstance(target, GroupRef):
        into.action_profile_group_id = target.id
    else:
        _encode_one_shot(target, schema, table, into.action_profile_action_set)


def _encode_one_shot(shot: OneShot, schema: Schema, table: Table, into: Any) -> None:
    into.SetInParent()  # which may be empty
    into.action_selection_mode = _place(shot.selection, SELECTIONS, "selection")
    into.size_semantics = _place(shot.sizes, SIZES, "sizes")
    if shot.group_action is not None:
        encode_call(shot.group_action, schema.action_of(table, shot.group_action.name), into.group_action)
    for one in shot.actions:
        added = into.action_profile_actions.add(weight=one.weight)
        encode_call(one.action, schema.action_of(table, one.action.name), added.action)
        if one.watch_port is not None:
            added.watch_port = encode_port(one.watch_port)


def _place(word: str, words: tuple[str, ...], what: str) -> int:
    if word not in words:
        raise ValueError(f"{what} of a one-shot are {', '.join(repr(w) for w in words)}, not {word!r}")
    return words.index(word)


def decode_target(schema: Schema, message: Any) -> Target | None:
    kind = message.WhichOneof("type")
    if kind == "action":
        return decode_call(schema, message.action)
    if kind == "action_profile_member_id":
        return MemberRef(message.action_profile_member_id)
    if kind == "action_profile_group_id":
        return GroupRef(message.action_profile_group_id)
    if kind == "action_profile_action_set":
        return _decode_one_shot(schema, message.action_profile_action_set)
    return None


def _decode_one_shot(schema: Schema, message: Any) -> OneShot:
    actions = tuple(
        Weighted(decode_call(schema, one.action), one.weight, decode_watch(one)) for one in message.action_profile_actions
    )
    group_action = decode_call(schema, message.group_action) if message.HasField("group_action") else None
    return OneShot(actions, group_action, SELECTIONS[message.action_selection_mode], SIZES[message.size_semantics])


def decode_watch(message: Any) -> int | None:
    which = message.WhichOneof("watch_kind")
    if which == "watch_port":
        return values.decode(message.watch_port, 32) if message.watch_port else None
    return message.watch if which == "watch" and message.watch else None
