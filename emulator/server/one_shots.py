"""One-shots: a table entry with the members and the group that serve it alone, in one message.

The group and members are the switch's own, hidden from reads; the entry is read back as it was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.p4rt.schema import ActionProfile, Table
from controller.p4rt.status import Code
from emulator.switch.errors import ControlError
from emulator.switch.profile import Place

from .actions import ActionCodec
from .choice import Watch, WatchPorts, checked_weight, group_size, set_watch, watch_of
from .errors import Refused, invalid
from .group_actions import both

Call = tuple[str, tuple[int, ...]]
"""An action's name and its arguments."""
DEFAULT, HASH, RANDOM = range(3)  # ActionSelectionMode
BY_SELECTOR, BY_WEIGHTS, BY_MEMBERS = range(3)  # SizeSemantics


@dataclass(frozen=True)
class Shot:
    """One action as the controller gave it. times: how often it stands in the group."""

    call: Call
    weight: int
    watch: Watch
    times: int


@dataclass(frozen=True)
class ActionSet:
    """An ActionProfileActionSet that was found right. mode, semantics: as written; size: by the semantics that hold."""

    shots: tuple[Shot, ...]
    group_action: Call | None
    mode: int
    semantics: int
    size: int

    def call(self, shot: Shot) -> Call:
        """What the switch's member runs: the group's action first, where there is one."""
        if self.group_action is None:
            return shot.call
        return both(self.group_action[0], shot.call[0]), self.group_action[1] + shot.call[1]


@dataclass(frozen=True)
class OneShot:
    """The hidden group and members of one entry."""

    group: int
    members: tuple[int, ...]
    made_of: ActionSet


class OneShots:
    """All one-shots of one profile, by the entry they serve."""

    def __init__(self, info: ActionProfile, control: Any, actions: ActionCodec, ports: WatchPorts) -> None:
        self.info = info
        self._control = control
        self._actions, self._ports = actions, ports
        self._by_entry: dict[tuple[int, int], OneShot] = {}
        self._size = 0  # of all groups

    def __len__(self) -> int:
        return len(self._by_entry)

    # -- messages --------------------------------------------------------------------------------------------

    def decode(self, table: Table, message: Any) -> ActionSet:
        """Check an ActionProfileActionSet."""
        if not self.info.with_selector:
            raise invalid(f"action profile {self.info.name} has no selector", "one-shots need one")
        self._check_mode(message.action_selection_mode)
        by_members = self._by_members(message.size_semantics)
        shots = tuple(self._shot(table, one, by_members) for one in message.action_profile_actions)
        group_action = None
        if message.HasField("group_action"):
            self._actions.check_group_action(table, message.group_action.action_id)
            group_action = self._actions.decode(message.group_action)
        size, what = group_size(by_members, [shot.times for shot in shots], "one-shot")
        if self.info.max_group_size and size > self.info.max_group_size:
            raise invalid(
                f"one-shot: {what} {size}, more than {self.info.max_group_size}",
                "make it smaller, or raise max_group_size in the P4 program",
            )
        return ActionSet(shots, group_action, message.action_selection_mode, message.size_semantics, size)

    def _check_mode(self, mode: int) -> None:
        if mode not in (DEFAULT, HASH, RANDOM):
            raise invalid(f"one-shot: there is no action selection mode {mode}", "use HASH or RANDOM, or leave it unset")
        if mode == HASH and self._control.spec.selector_algo == "random":
            raise invalid(
                f"one-shot: the selector of {self.info.name} is random and has no hash",
                "leave action_selection_mode unset, or give the selector a hash in the P4 program",
            )

    def _by_members(self, semantics: int) -> bool:
        if semantics not in (BY_SELECTOR, BY_WEIGHTS, BY_MEMBERS):
            raise invalid(f"one-shot: there are no size semantics {semantics}", "use SUM_OF_WEIGHTS or SUM_OF_MEMBERS")
        return self.info.by_members if semantics == BY_SELECTOR else semantics == BY_MEMBERS

    def _shot(self, table: Table, message: Any, by_members: bool) -> Shot:
        times = checked_weight(self.info, message.weight, "one-shot", by_members)
        self._actions.check_scope(table, message.action.action_id, default=False)
        self._ports.number(watch_of(message))
        return Shot(self._actions.decode(message.action), message.weight, watch_of(message), times)

    def encode(self, shot: OneShot, into: Any) -> None:
        """Fill an ActionProfileActionSet."""
        found = shot.made_of
        into.action_selection_mode, into.size_semantics = found.mode, found.semantics
        if found.group_action is not None:
            self._actions.encode(*found.group_action, into.group_action)
        for one in found.shots:
            added = into.action_profile_actions.add(weight=one.weight)
            self._actions.encode(*one.call, added.action)
            set_watch(added, one.watch)

    # -- the switch's groups ---------------------------------------------------------------------------------

    def make(self, wanted: ActionSet) -> OneShot:
        """The hidden members and group of an action set; nothing is left after a refusal."""
        self._check_room(wanted.size)
        members = self._add_members(wanted, wanted.shots)
        try:
            group = self._control.add_group(self._places(members, wanted), random=wanted.mode == RANDOM)
        except ControlError:
            self._delete_members(members)
            raise
        self._size += wanted.size
        return OneShot(group, members, wanted)

    def change(self, shot: OneShot, wanted: ActionSet) -> OneShot:
        """Let the group of a one-shot have other actions. It keeps its members as far as they go, so that a full profile
        can be changed; nothing has changed after a refusal."""
        self._check_room(wanted.size - shot.made_of.size)
        kept = len(wanted.shots[: len(shot.members)])
        members = shot.members[:kept] + self._add_members(wanted, wanted.shots[kept:])
        for member, one in zip(members[:kept], wanted.shots):
            self._control.modify_member(member, *wanted.call(one))
        self._control.modify_group(shot.group, self._places(members, wanted), random=wanted.mode == RANDOM)
        self._delete_members(shot.members[kept:])
        self._size += wanted.size - shot.made_of.size
        return OneShot(shot.group, members, wanted)

    def destroy(self, shot: OneShot) -> None:
        self._control.delete_group(shot.group)
        self._delete_members(shot.members)
        self._size -= shot.made_of.size

    def _check_room(self, more: int) -> None:
        if more > 0 and self.info.size and self._size + more > self.info.size:
            raise Refused(
                Code.RESOURCE_EXHAUSTED,
                f"the groups of {self.info.name} would be {self._size + more} large in all, more than {self.info.size}",
                "delete something, or give the selector a larger size in the P4 program",
            )

    def _add_members(self, wanted: ActionSet, shots: tuple[Shot, ...]) -> tuple[int, ...]:
        members: list[int] = []
        try:
            for shot in shots:
                members.append(self._control.add_member(*wanted.call(shot)))
        except ControlError:
            self._delete_members(members)
            raise
        return tuple(members)

    def _delete_members(self, members: Any) -> None:
        for member in members:
            self._control.delete_member(member)

    def _places(self, members: tuple[int, ...], wanted: ActionSet) -> list[Place]:
        return [Place(m, s.times, self._ports.number(s.watch)) for m, s in zip(members, wanted.shots)]

    # -- entries ---------------------------------------------------------------------------------------------

    def attach(self, table_id: int, handle: int, shot: OneShot | None) -> OneShot | None:
        """Let the entry have `shot` (None: none); the one it had before."""
        old = self._by_entry.pop((table_id, handle), None)
        if shot is not None:
            self._by_entry[table_id, handle] = shot
        return old

    def of(self, table_id: int, handle: int) -> OneShot | None:
        return self._by_entry.get((table_id, handle))
