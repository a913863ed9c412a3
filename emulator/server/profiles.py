"""Action profiles: members and groups under the controller's own numbers, and one-shots.

The switch gives members handles in order of creation, and a selector chooses in that order, as simple_switch does; so
the controller's numbers are kept beside the handles instead of being used as such.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controller.p4rt.schema import ActionProfile, Table
from controller.p4rt.status import Code
from emulator.switch.errors import ControlError
from emulator.switch.profile import Place

from .actions import ActionCodec
from .errors import Refused, invalid, not_found, unimplemented
from .undo import Undo


@dataclass(frozen=True)
class Shot:
    """One action of a one-shot as the controller gave it, without its repeats."""

    action: str
    args: tuple[int, ...]
    weight: int
    watch: bytes | int | None


@dataclass(frozen=True)
class OneShot:
    """The hidden group and members that serve one entry."""

    group: int
    members: tuple[int, ...]
    shots: tuple[Shot, ...]
    mode: int = 0  # as written: how to choose, and how the size is counted
    semantics: int = 0


MAX_PORT = 511
MAX_WEIGHT = 1 << 16  # a group writes its weights out


def _in_use(what: str) -> Refused:
    return Refused(Code.FAILED_PRECONDITION, f"{what} is in use", "let nothing name it any more, then delete it")


def watch_of(message: Any) -> bytes | int | None:
    which = message.WhichOneof("watch_kind")
    return None if which is None else getattr(message, which)


PortOf = Callable[[bytes, str], int]
"""The number of a port that a controller gives as bytes; the second argument says where, for an error."""


def watch_port(watch: bytes | int | None, port_of: PortOf) -> int | None:
    """The port number to watch; None to be always up."""
    if watch is None or watch == b"":
        return None
    port = watch if isinstance(watch, int) else port_of(watch, "watch_port")
    if not 0 <= port <= MAX_PORT:
        raise invalid(f"watch_port: there is no port {port}", f"ports are 0..{MAX_PORT}")
    return port


def check_weight(info: ActionProfile, weight: int, what: str) -> None:
    """Refuse a weight that no place in a group of this profile can have."""
    if weight < 1:
        raise invalid(f"{what}: weight {weight} is below 1", "weights start at 1")
    if info.max_member_weight and weight > info.max_member_weight:
        raise invalid(f"{what}: weight {weight} is above {info.max_member_weight}", "lower it, or raise max_member_weight")
    if weight > 1 and not info.weights_allowed:
        raise invalid(f"{what}: weight {weight} is above 1", f"groups of {info.name} have no weights")
    if weight > MAX_WEIGHT:
        raise Refused(Code.RESOURCE_EXHAUSTED, f"{what}: weight {weight} is above {MAX_WEIGHT}", "lower it")


def group_size(by_members: bool, weights: list[int]) -> tuple[int, str]:
    """(size of a group, words for it)."""
    return (len(weights), "members number") if by_members else (sum(weights), "the weights add up to")


class OneShots:
    """All one-shots of one profile, by the entry they serve."""

    def __init__(self, info: ActionProfile, control: Any, actions: ActionCodec, port_of: PortOf) -> None:
        self.info = info
        self._control = control
        self._actions, self._port_of = actions, port_of
        self._by_entry: dict[tuple[int, int], OneShot] = {}

    def __len__(self) -> int:
        return len(self._by_entry)

    def create(self, table: Table, action_set: Any) -> OneShot:
        """Make the hidden members and group of an ActionProfileActionSet; nothing is left after a refusal."""
        if not self.info.with_selector:
            raise invalid(f"action profile {self.info.name} has no selector", "one-shots need one")
        messages = action_set.action_profile_actions
        if action_set.HasField("group_action") or action_set.action_selection_mode == 2:
            raise unimplemented("group actions and random selection are not supported", "leave them unset")
        shots = []
        for one in messages:
            check_weight(self.info, one.weight, "one-shot")
            self._actions.check_scope(table, one.action.action_id, default=False)
            watch_port(watch_of(one), self._port_of)
            shots.append(Shot(*self._actions.decode(one.action), one.weight, watch_of(one)))
        by_members = {1: False, 2: True}.get(action_set.size_semantics, self.info.by_members)
        size, what = group_size(by_members, [shot.weight for shot in shots])
        if self.info.max_group_size and size > self.info.max_group_size:
            raise invalid(
                f"one-shot: {what} {size}, more than {self.info.max_group_size}",
                "make it smaller, or raise max_group_size in the P4 program",
            )
        return self._make(tuple(shots), action_set.action_selection_mode, action_set.size_semantics)

    def recreate(self, shot: OneShot) -> OneShot:
        """A one-shot like one that was destroyed."""
        return self._make(shot.shots, shot.mode, shot.semantics)

    def _make(self, shots: tuple[Shot, ...], mode: int, semantics: int) -> OneShot:
        members: list[int] = []
        try:
            for shot in shots:
                members.append(self._control.add_member(shot.action, shot.args))
            places = [Place(m, s.weight, watch_port(s.watch, self._port_of)) for m, s in zip(members, shots)]
            group = self._control.add_group(places)
        except ControlError:
            for member in members:
                self._control.delete_member(member)
            raise
        return OneShot(group, tuple(members), shots, mode, semantics)

    def destroy(self, shot: OneShot) -> None:
        self._control.delete_group(shot.group)
        for member in shot.members:
            self._control.delete_member(member)

    def attach(self, table_id: int, handle: int, shot: OneShot | None) -> OneShot | None:
        """Let the entry have `shot` (None: none); the one it had before."""
        old = self._by_entry.pop((table_id, handle), None)
        if shot is not None:
            self._by_entry[table_id, handle] = shot
        return old

    def of(self, table_id: int, handle: int) -> OneShot | None:
        return self._by_entry.get((table_id, handle))

    def encode(self, shot: OneShot, into: Any) -> None:
        """Fill an ActionProfileActionSet."""
        into.action_selection_mode, into.size_semantics = shot.mode, shot.semantics
        for one in shot.shots:
            added = into.action_profile_actions.add(weight=one.weight)
            self._actions.encode(one.action, one.args, added.action)
            set_watch(added, one.watch)


def set_watch(message: Any, watch: bytes | int | None) -> None:
    if isinstance(watch, bytes):
        message.watch_port = watch
    elif watch is not None:
        message.watch = watch


class Profile:
    """One action profile with the members and groups the controller made."""

    def __init__(
        self, info: ActionProfile, control: Any, actions: ActionCodec, port_of: PortOf, tables: list[Table]
    ) -> None:
        self.info = info
        self._port_of = port_of
        self.control = control
        self.actions = actions
        self.tables = tables
        self.one_shots = OneShots(info, control, actions, port_of)
        self.members: dict[int, int] = {}  # controller's id -> handle
        self.groups: dict[int, int] = {}
        self.member_ids: dict[int, int] = {}  # and back
        self.group_ids: dict[int, int] = {}
        self.max_sizes: dict[int, int] = {}  # group id -> as written
        self.watches: dict[int, tuple[tuple[int, int, bytes | int | None], ...]] = {}  # group id -> as written

    def member(self, number: int) -> int:
        if number not in self.members:
            raise not_found(
                f"action profile {self.info.name} has no member {number}",
                "insert the member before its users",
            )
        return self.members[number]

    def group(self, number: int) -> int:
        if number not in self.groups:
            raise not_found(
                f"action profile {self.info.name} has no group {number}", "insert the group before its users"
            )
        return self.groups[number]

    # -- members ---------------------------------------------------------------------------------------------

    def write_member(self, kind: str, message: Any) -> Undo:
        number = message.member_id
        if not number:
            raise invalid("member 0 cannot be written", "0 stands for all members in a read")
        if kind != "DELETE":
            self._check_action(message.action)
        if kind == "INSERT":
            self._refuse_one_shots("members")
            if number in self.members:
                raise ControlError("exists", f"action profile {self.info.name} already has member {number}")
            return self._add_member(number, *self.actions.decode(message.action))
        handle = self.member(number)
        found = self.control.member(handle)
        before = self.control.model.actions[found.action_id].name, found.args
        if kind == "MODIFY":
            self.control.modify_member(handle, *self.actions.decode(message.action))
            return lambda: self.control.modify_member(handle, *before)
        if found.users:
            raise _in_use(f"member {number} of {self.info.name}")
        self._delete_member(number)
        return lambda: self._add_member(number, *before, handle=handle)

    def _refuse_one_shots(self, what: str) -> None:
        if len(self.one_shots):
            raise invalid(
                f"the entries of {self.info.name} are made by one-shots, and so it takes no {what}",
                "keep to one of the two ways; delete the one-shots first",
            )

    def _check_action(self, message: Any) -> None:
        """The action must be one that all of the profile's tables allow in entries."""
        if not message.action_id:
            raise invalid(f"a member of {self.info.name} needs an action", "set ActionProfileMember.action")
        for table in self.tables:
            self.actions.check_scope(table, message.action_id, default=False)

    def _add_member(self, number: int, action: str, args: tuple[int, ...], handle: int | None = None) -> Undo:
        handle = self.control.add_member(action, args, handle=handle)
        self.members[number], self.member_ids[handle] = handle, number
        return lambda: self._delete_member(number)

    def _delete_member(self, number: int) -> None:
        handle = self.members[number]
        self.control.delete_member(handle)
        del self.members[number], self.member_ids[handle]

    # -- groups ----------------------------------------------------------------------------------------------

    def write_group(self, kind: str, message: Any) -> Undo:
        if not self.info.with_selector:
            raise invalid(f"action profile {self.info.name} has no selector", "it has members but no groups")
        number = message.group_id
        if not number:
            raise invalid("group 0 cannot be written", "0 stands for all groups in a read")
        if kind == "INSERT":
            self._refuse_one_shots("groups")
            if number in self.groups:
                raise ControlError("exists", f"action profile {self.info.name} already has group {number}")
            return self._add_group(number, self._rows(message, self._max_size(message)), message.max_size)
        handle = self.group(number)
        before, size = self.watches[number], self.max_sizes[number]
        if kind == "MODIFY":
            if message.max_size and message.max_size != size:
                raise invalid(
                    f"the size of group {number} is {size} since it was made", "leave max_size as it is, or 0"
                )
            self._set_group(number, self._rows(message, size or self.info.max_group_size))
            return lambda: self._set_group(number, before)
        if self.control.group(handle).users:
            raise _in_use(f"group {number} of {self.info.name}")
        self._delete_group(number)
        return lambda: self._add_group(number, before, size, handle)

    def _max_size(self, message: Any) -> int:
        limit = self.info.max_group_size
        if message.max_size < 0 or (limit and message.max_size > limit):
            raise invalid(f"max_size {message.max_size} is not in 0..{limit}", "0 takes the program's own limit")
        return message.max_size or limit

    def _rows(self, message: Any, limit: int) -> tuple[tuple[int, int, bytes | int | None], ...]:
        """(member id, weight, watch) of a group message, checked. limit: its largest size, 0 for any."""
        rows = tuple((m.member_id, m.weight, watch_of(m)) for m in message.members)
        if len({row[0] for row in rows}) != len(rows):
            raise invalid(f"a member of group {message.group_id} is named twice", "use weights to repeat it")
        for number, weight, watch in rows:
            self.member(number)
            watch_port(watch, self._port_of)
            check_weight(self.info, weight, f"member {number}")
        size, what = group_size(self.info.by_members, [row[1] for row in rows])
        if limit and size > limit:
            raise Refused(
                Code.RESOURCE_EXHAUSTED,
                f"group {message.group_id}: {what} {size}, more than {limit}",
                "make it smaller, or make a larger group",
            )
        return rows

    def _places(self, rows: Any) -> list[Place]:
        return [Place(self.member(number), weight, watch_port(watch, self._port_of)) for number, weight, watch in rows]

    def _add_group(self, number: int, rows: Any, size: int, handle: int | None = None) -> Undo:
        handle = self.control.add_group(self._places(rows), handle=handle)
        self.groups[number], self.group_ids[handle], self.watches[number] = handle, number, rows
        self.max_sizes[number] = size
        return lambda: self._delete_group(number)

    def _set_group(self, number: int, rows: Any) -> None:
        self.control.modify_group(self.groups[number], self._places(rows))
        self.watches[number] = rows

    def _delete_group(self, number: int) -> None:
        handle = self.groups[number]
        self.control.delete_group(handle)
        del self.groups[number], self.group_ids[handle], self.watches[number], self.max_sizes[number]

    def fill_group(self, number: int, into: Any) -> None:
        """Add the members of a group, as they were written, to an ActionProfileGroup."""
        for member, weight, watch in self.watches[number]:
            set_watch(into.members.add(member_id=member, weight=weight), watch)
