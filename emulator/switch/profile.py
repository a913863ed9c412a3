"""Action profiles: members (an action with its arguments) and groups of members chosen among by a hash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulator.switch.errors import ControlError
from emulator.switch.model import Model


@dataclass(slots=True, eq=False)
class Member:
    """users: table entries and group places that refer to it."""

    handle: int
    action_id: int
    args: tuple[int, ...]
    users: int = 0
    metadata: Any = None


@dataclass(frozen=True, slots=True)
class Place:
    """A member's place in a group: taken `weight` times, and only while `watch_port` (if any) is up."""

    member: int
    weight: int = 1
    watch_port: int | None = None


@dataclass(slots=True, eq=False)
class Group:
    """active: member handles to choose from, weights written out, in order of their handles. random: chosen among by the
    switch's random numbers instead of the selector's hash."""

    handle: int
    places: tuple[Place, ...] = ()
    max_size: int = 0
    random: bool = False
    active: list[int] = field(default_factory=list)
    users: int = 0
    metadata: Any = None


class ActionProfile:
    """Handles are given out in order of creation unless the caller names one. `ports_down` is shared with
    Control: members that watch such a port take no packets."""

    def __init__(self, model: Model, number: int, ports_down: set[int]):
        self.model = model
        self.spec = model.action_profiles[number]
        self.name = self.spec.name
        self.version = 0
        self.changed: Any = lambda profile, op, item: None
        self._ports_down = ports_down
        self._members: dict[int, Member] = {}
        self._groups: dict[int, Group] = {}
        self._next = 0
        tables = [t for t in model.tables if t.profile == number]
        ids = {a for t in tables for a in t.actions}
        self._actions = {model.actions[a].name: (a, model.actions[a].params) for a in ids}

    # --- Members ---

    def add_member(self, action: str, args: Sequence[int] = (), *, handle: int | None = None) -> int:
        action_id, values = self._checked(action, args)
        if handle in self._members:
            raise ControlError("exists", f"action profile {self.name} has a member {handle} already")
        if len(self._members) >= self.spec.max_size:
            raise ControlError("full", f"action profile {self.name} is full: {self.spec.max_size} members")
        if handle is None:
            handle = self._next
        self._next = max(self._next, handle + 1)
        self._members[handle] = Member(handle, action_id, values)
        self._done("add_member", self._members[handle])
        return handle

    def modify_member(self, handle: int, action: str, args: Sequence[int] = ()) -> None:
        member = self.member(handle)
        member.action_id, member.args = self._checked(action, args)
        self._done("modify_member", member)

    def delete_member(self, handle: int) -> None:
        member = self.member(handle)
        if member.users:
            raise ControlError("invalid", f"member {handle} of action profile {self.name} is in use")
        del self._members[handle]
        self._done("delete_member", member)

    def member(self, handle: int) -> Member:
        if handle not in self._members:
            raise ControlError("not_found", f"action profile {self.name} has no member {handle}")
        return self._members[handle]

    def members(self) -> list[Member]:
        return [self._members[handle] for handle in sorted(self._members)]

    # --- Groups ---

    def add_group(
        self,
        members: Iterable[int | Place] = (),
        *,
        handle: int | None = None,
        max_size: int = 0,
        random: bool = False,
    ) -> int:
        """members: handles or Places. max_size: largest sum of weights (0: the profile's). random: as in Group."""
        if self.spec.selector_algo is None:
            raise ControlError("unsupported", f"action profile {self.name} has no selector, so no groups")
        if handle in self._groups:
            raise ControlError("exists", f"action profile {self.name} has a group {handle} already")
        places = self._places(members, max_size)
        if handle is None:
            handle = max(self._groups, default=-1) + 1
        self._groups[handle] = Group(handle, max_size=max_size, random=random)
        self._place(self._groups[handle], places)
        self._done("add_group", self._groups[handle])
        return handle

    def modify_group(self, handle: int, members: Iterable[int | Place], *, random: bool = False) -> None:
        group = self.group(handle)
        self._place(group, self._places(members, group.max_size))
        group.random = random
        self._done("modify_group", group)

    def delete_group(self, handle: int) -> None:
        group = self.group(handle)
        if group.users:
            raise ControlError("invalid", f"group {handle} of action profile {self.name} is in use")
        self._place(group, ())
        del self._groups[handle]
        self._done("delete_group", group)

    def group(self, handle: int | None) -> Group:
        if handle not in self._groups:
            raise ControlError("not_found", f"action profile {self.name} has no group {handle}")
        return self._groups[handle]

    def groups(self) -> list[Group]:
        return [self._groups[handle] for handle in sorted(self._groups)]

    def refresh(self) -> None:
        """Chooses the active members of all groups anew (a port went up or down)."""
        for group in self._groups.values():
            self._activate(group)
        self._done("ports", None)

    def hold(self, member: int | None, group: int | None, count: int) -> None:
        """A table entry begins (+1) or ceases (-1) to refer to a member or group."""
        if member is not None:
            self._members[member].users += count
        if group is not None:
            self._groups[group].users += count

    def choose(self, group: int, number: int) -> Member | None:
        """The member that hash value `number` selects; None from an empty group."""
        active = self._groups[group].active
        return self._members[active[number % len(active)]] if active else None

    def clear(self) -> None:
        """Forgets all members and groups; the tables' entries must be gone."""
        self._members, self._groups, self._next = {}, {}, 0
        self._done("clear", None)

    def _checked(self, action: str, args: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        found = self._actions.get(action)
        if found is None:
            raise ControlError("invalid", f"no table of action profile {self.name} has an action {action!r}")
        action_id, params = found
        if len(args) != len(params):
            raise ControlError("invalid", f"action {action} takes {len(params)} arguments, not {len(args)}")
        for value, param in zip(args, params):
            if not 0 <= value < 1 << param.width:
                raise ControlError(
                    "invalid", f"argument {value} of action {action} does not fit {param.width} bits"
                )
        return action_id, tuple(args)

    def _places(self, members: Iterable[int | Place], max_size: int) -> tuple[Place, ...]:
        places = tuple(m if isinstance(m, Place) else Place(m) for m in members)
        for place in places:
            self.member(place.member)
            if place.weight < 1:
                raise ControlError("invalid", f"the weight of member {place.member} is below 1")
        if max_size and sum(place.weight for place in places) > max_size:
            raise ControlError(
                "full", f"the weights of a group of {self.name} add up to more than {max_size}"
            )
        return places

    def _place(self, group: Group, places: tuple[Place, ...]) -> None:
        for place in group.places:
            self._members[place.member].users -= 1
        for place in places:
            self._members[place.member].users += 1
        group.places = places
        self._activate(group)

    def _activate(self, group: Group) -> None:
        up = [p for p in group.places if p.watch_port is None or p.watch_port not in self._ports_down]
        group.active = [p.member for p in sorted(up, key=lambda p: p.member) for _ in range(p.weight)]

    def _done(self, op: str, item: Member | Group | None) -> None:
        self.version += 1
        self.changed(self, op, item)
