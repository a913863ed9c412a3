"""The default entry of a table: it is always there, and can be modified or put back to what the program has."""

from __future__ import annotations

from typing import Any

from controller.p4rt.schema import Table
from emulator.switch.table import DEFAULT_SLOT

from .actions import ActionCodec
from .entry_extras import NO_EXTRA, Direct, DirectResources, Extra
from .errors import denied, invalid
from .state_write import DONE
from .undo import Undo


class DefaultEntry:
    """extra: what the controller gave with it. fixed: it belongs to an action profile's table, which has no other default
    than the program's."""

    def __init__(self, info: Table, control: Any, actions: ActionCodec, direct: DirectResources, fixed: bool) -> None:
        self.info, self.control = info, control
        self.extra = NO_EXTRA
        self._actions, self._direct, self._fixed = actions, direct, fixed

    def write(self, kind: str, entry: Any) -> Undo:
        """Do one update; raises Refused or ControlError, and then nothing has changed."""
        self._check(kind, entry)
        before, extra, direct = self.control.default, self.extra, Direct.of(self.control, DEFAULT_SLOT)
        if entry.HasField("action"):
            if entry.action.WhichOneof("type") != "action":
                raise invalid(f"the default entry of table {self.info.name} needs an action", "set TableEntry.action.action")
            self._actions.check_scope(self.info, entry.action.action.action_id, default=True)
            self._refuse_const()
            self.control.set_default(*self._actions.decode(entry.action.action))
            self.extra = Extra(entry.metadata, entry.controller_metadata)
        else:
            self._refuse_const()
            self.control.reset_default()
            self.extra = NO_EXTRA
            self._direct.reset(DEFAULT_SLOT)
        self._direct.write(DEFAULT_SLOT, entry)
        return lambda: self._put_back(before, extra, direct)

    def _check(self, kind: str, entry: Any) -> None:
        name = self.info.name
        if kind != "MODIFY":
            raise invalid(f"the default entry of table {name} cannot be {DONE[kind]}", "use MODIFY")
        if entry.match or entry.priority:
            raise invalid(f"the default entry of table {name} has no match and no priority", "leave them out")
        if entry.idle_timeout_ns or entry.HasField("time_since_last_hit"):
            raise invalid(f"the default entry of table {name} has no timeout", "leave it out")
        self._direct.check(entry)
        if self._fixed:
            raise denied(
                f"table {name} has an action profile, so its default entry is constant",
                "its counter and meter are modified as direct_counter_entry and direct_meter_entry",
            )

    def _refuse_const(self) -> None:
        if self.info.const_default_action_id:
            raise denied(f"the default action of table {self.info.name} is constant", "it is fixed in the P4 program")

    def _put_back(self, before: tuple[str | None, tuple[int, ...]], extra: Extra, direct: Direct) -> None:
        action, args = before
        if action is None:
            self.control.reset_default()
        else:
            self.control.set_default(action, args)
        self.extra = extra
        direct.put(self.control, DEFAULT_SLOT)
