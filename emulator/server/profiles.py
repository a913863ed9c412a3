"""Action profiles: members and groups under the controller's own numbers.

The switch gives members handles in order of creation, and a selector chooses in that order, as simple_switch does; so
the controller's numbers are kept beside the handles instead of being used as such.
"""

from __future__ import annotations

from typing import Any

from controller.p4rt.schema import ActionProfile, Table
from controller.p4rt.status import Code
from emulator.switch.errors import ControlError
from emulator.switch.profile import Place

from .actions import ActionCodec
from .choice import Watch, WatchPorts, checked_weight, group_size, set_watch, watch_of
from .errors import Refused, invalid, not_found
from .one_shots import OneShots
from .undo import Undo

Row = tuple[int, int, Watch]
"""A group's member as written: its number, its weight, the port it watches."""


def _in_use(what: str) -> Refused:
    return Refused(Code.FAILED_PRECONDITION, f"{what} is in use", "let nothing name it any more, then delete it")


class Profile:
    """One action profile with the members and groups the controller made."""

    def __init__(
        self, info: ActionProfile, control: Any, actions: ActionCodec, ports: WatchPorts, tables: list[Table]
    ) -> None:
        self.info = info
        self._ports = ports
        self.control = control
        self.actions = actions
        self.tables = tables
        self.one_shots = OneShots(info, control, actions, ports)
        self.members: dict[int, int] = {}  # controller's id -> handle
        self.groups: dict[int, int] = {}
        self.member_ids: dict[int, int] = {}  # and back
        self.group_ids: dict[int, int] = {}
        self.max_sizes: dict[int, int] = {}  # group id -> as written
        self.watches: dict[int, tuple[Row, ...]] = {}  # group id -> as written

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

    def _rows(self, message: Any, limit: int) -> tuple[Row, ...]:
        """(member id, weight, watch) of a group message, checked. limit: its largest size, 0 for any."""
        rows = tuple((m.member_id, m.weight, watch_of(m)) for m in message.members)
        if len({row[0] for row in rows}) != len(rows):
            raise invalid(f"a member of group {message.group_id} is named twice", "use weights to repeat it")
        for number, _, watch in rows:
            self.member(number)
            self._ports.number(watch)
        weights = [self._times(weight, number) for number, weight, _ in rows]
        size, what = group_size(self.info.by_members, weights, f"group {message.group_id}")
        if limit and size > limit:
            raise Refused(
                Code.RESOURCE_EXHAUSTED,
                f"group {message.group_id}: {what} {size}, more than {limit}",
                "make it smaller, or make a larger group",
            )
        return rows

    def _times(self, weight: int, number: int) -> int:
        return checked_weight(self.info, weight, f"member {number}", self.info.by_members)

    def _places(self, rows: Any) -> list[Place]:
        return [
            Place(self.member(number), self._times(weight, number), self._ports.number(watch))
            for number, weight, watch in rows
        ]

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
