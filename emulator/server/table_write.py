"""Writing table entries, default entries and what hangs on them: counters, meters, idle timeouts, one-shots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.p4rt.schema import Meter, Table
from emulator.switch.errors import ControlError

from .actions import ActionCodec
from .entry_extras import NO_EXTRA, Direct, DirectResources, Extra, extra_of
from .errors import Refused, denied, invalid, not_found
from .match import KeyCodec
from .one_shots import ActionSet, OneShot
from .profiles import Profile
from .table_default import DefaultEntry
from .undo import Undo


@dataclass(frozen=True)
class Snapshot:
    """An entry as it was, for an undo."""

    key: Any
    priority: int
    action: str | None
    args: tuple[int, ...]
    member: int | None
    group: int | None
    extra: Extra
    direct: Direct


def _canonical(info: Table, control: Any, codec: KeyCodec) -> bool:
    """Whether the codec's keys are the switch's own: the same kinds of match, and nothing translated."""
    kinds = {field.name: "ternary" if field.kind == "optional" else field.kind for field in info.fields}
    own = {key.name: "ternary" if key.kind == "optional" else key.kind for key in control.spec.keys}
    return bool(own) and kinds == own and len(own) == len(info.fields) == len(control.spec.keys) and not codec.translated


class BoundTable:
    """One table: its P4Info, its control, its codecs. `profile` is set for tables with an action profile."""

    def __init__(
        self,
        info: Table,
        control: Any,
        codec: KeyCodec,
        actions: ActionCodec,
        profile: Profile | None,
        meter: Meter | None = None,
    ) -> None:
        """meter: P4Info's, of the table's direct meter."""
        self.info = info
        self.control = control
        self.codec = codec
        self.actions = actions
        self.profile = profile
        self.direct = DirectResources(info, control, meter)
        self.default = DefaultEntry(info, control, actions, self.direct, fixed=profile is not None)
        self._needs_priority = info.needs_priority
        self._canonical = _canonical(info, control, codec)
        self._usable = {number for number, scope in info.scopes.items() if scope.name in ("ANY", "TABLE_ONLY")}

    # -- finding ---------------------------------------------------------------------------------------------

    def key_of(self, entry: Any) -> tuple[tuple[Any, ...], int]:
        """(key, priority) of a p4.v1.TableEntry that names one entry."""
        key = self.codec.decode(entry.match)
        priority = entry.priority
        if self._needs_priority:
            if priority <= 0:
                raise invalid(
                    f"table {self.info.name} needs a priority above 0, not {priority}",
                    "it has ternary, range or optional fields; the larger priority wins",
                )
        elif priority:
            raise invalid(
                f"table {self.info.name} takes no priority, and {priority} was given",
                "leave it 0: there are no ternary, range or optional fields",
            )
        return key, priority

    def find(self, entry: Any) -> int:
        """The handle of the entry with this key and priority; NOT_FOUND where there is none."""
        key, priority = self.key_of(entry)
        handle = self.control.find(key, priority)
        if handle is None:
            raise not_found(f"table {self.info.name} has no entry with this key", "use INSERT to create it")
        return handle

    def _handle(self, key: Any, priority: int) -> int:
        """For undos: a deleted entry that was put back has its key and priority, but another handle."""
        handle = self.control.find(key, priority)
        assert handle is not None
        return handle

    # -- writing ---------------------------------------------------------------------------------------------

    def write(self, kind: str, entry: Any) -> Undo:
        if entry.is_const and kind != "DELETE":  # which looks at the key alone
            raise invalid("is_const is set by the P4 program only", "leave it out")
        if entry.is_default_action:
            return self.default.write(kind, entry)
        if kind == "MODIFY":
            return self._modify(entry)
        if self.info.is_const:
            raise self._constant()
        return self._insert(entry) if kind == "INSERT" else self._delete(entry)

    def _constant(self) -> Refused:
        return denied(
            f"table {self.info.name} is constant", "its entries are fixed in the P4 program; change them there"
        )

    def _insert(self, entry: Any) -> Undo:
        key, priority = self.key_of(entry)
        self._check_extras(entry)
        action = entry.action
        which = action.WhichOneof("type")
        if which == "action" and self.profile is None:
            call = action.action
            if call.action_id not in self._usable:
                self.actions.check_scope(self.info, call.action_id, default=False)
            name, args = self.actions.decode(call)
            handle = self.control.insert(key, name, args, priority, canonical=self._canonical)
        else:
            handle = self._insert_indirect(which, action, key, priority)
        self._apply_extras(handle, entry)
        return lambda: self._remove(self._handle(key, priority))

    def _insert_indirect(self, which: str | None, action: Any, key: Any, priority: int) -> int:
        profile = self._profile_for(which)
        if which == "action_profile_member_id":
            return self.control.insert_member(key, profile.member(action.action_profile_member_id), priority)
        if which == "action_profile_group_id":
            return self.control.insert_group(key, profile.group(action.action_profile_group_id), priority)
        shot = profile.one_shots.make(self._action_set(profile, action))
        try:
            handle = self.control.insert_group(key, shot.group, priority)
        except ControlError:
            profile.one_shots.destroy(shot)
            raise
        profile.one_shots.attach(self.info.id, handle, shot)
        return handle

    def _action_set(self, profile: Profile, action: Any) -> ActionSet:
        if profile.members or profile.groups:
            raise invalid(
                f"action profile {profile.info.name} has members or groups, and so its tables take no one-shots",
                "keep to one of the two ways; delete the members and groups first",
            )
        return profile.one_shots.decode(self.info, action.action_profile_action_set)

    def _profile_for(self, which: str | None) -> Profile:
        if which is None:
            raise invalid(f"the entry of table {self.info.name} has no action", "set TableEntry.action")
        if self.profile is None:
            raise invalid(f"table {self.info.name} has no action profile, and {which} was given", "give it an action")
        if which == "action":
            raise invalid(
                f"table {self.info.name} has action profile {self.profile.info.name}, and an action was given",
                "name a member or a group of the profile, or send a one-shot action set",
            )
        if which != "action_profile_member_id" and not self.profile.info.with_selector:
            raise invalid(f"action profile {self.profile.info.name} has no selector", "name a member, not a group")
        return self.profile

    def _modify(self, entry: Any) -> Undo:
        handle = self.find(entry)
        self._check_extras(entry)
        before = self._snapshot(handle)
        which = entry.action.WhichOneof("type")
        shot = None
        if which is None:  # as it is
            shot = self._shot(handle)
        elif self.control.entry(handle).is_const:
            raise self._constant() if self.info.is_const else denied("the entry is constant", "leave its action out")
        elif which == "action" and self.profile is None:
            self.actions.check_scope(self.info, entry.action.action.action_id, default=False)
            self.control.modify(handle, *self.actions.decode(entry.action.action))
        else:
            shot = self._modify_indirect(which, entry.action, handle)
        self._apply_extras(handle, entry)
        if which is None:
            return lambda: self._put_back(self._handle(before.key, before.priority), before)
        return lambda: self._restore(self._handle(before.key, before.priority), before, shot)

    def _shot(self, handle: int) -> OneShot | None:
        return None if self.profile is None else self.profile.one_shots.of(self.info.id, handle)

    def _modify_indirect(self, which: str | None, action: Any, handle: int) -> OneShot | None:
        """Point the entry elsewhere; the one-shot it had, if any, for an undo."""
        profile = self._profile_for(which)
        old = self._shot(handle)
        if which == "action_profile_member_id":
            self.control.modify_member(handle, profile.member(action.action_profile_member_id))
            self._drop_shot(handle)
        elif which == "action_profile_group_id":
            self.control.modify_group(handle, profile.group(action.action_profile_group_id))
            self._drop_shot(handle)
        else:
            self._give_shot(handle, self._action_set(profile, action))
        return old

    def _give_shot(self, handle: int, wanted: ActionSet) -> None:
        """Let an entry have this one-shot, whatever it had; after a refusal it has what it had."""
        assert self.profile is not None
        shots, old = self.profile.one_shots, self._shot(handle)
        new = shots.make(wanted) if old is None else shots.change(old, wanted)
        self.control.modify_group(handle, new.group)
        shots.attach(self.info.id, handle, new)

    def _delete(self, entry: Any) -> Undo:
        handle = self.find(entry)
        before = self._snapshot(handle)
        shot = self._remove(handle)
        return lambda: self._reinsert(before, shot)

    def _remove(self, handle: int) -> OneShot | None:
        """Delete an entry and the one-shot made with it; the one-shot's description, for an undo."""
        self.control.delete(handle)
        if self.profile is None:
            return None
        shot = self.profile.one_shots.attach(self.info.id, handle, None)
        if shot is not None:
            self.profile.one_shots.destroy(shot)
        return shot

    # -- what hangs on an entry --------------------------------------------------------------------------------

    def _check_extras(self, entry: Any) -> None:
        if entry.idle_timeout_ns:
            if not self.info.idle_timeout:
                raise invalid(
                    f"table {self.info.name} has no idle timeout",
                    "give it support_timeout = true in the P4 program",
                )
            if entry.idle_timeout_ns < 0:
                raise invalid("idle_timeout_ns is negative", "0 turns the timeout off")
        if entry.HasField("time_since_last_hit"):
            raise invalid("time_since_last_hit cannot be written", "leave it out")
        self.direct.check(entry)

    def _apply_extras(self, handle: int, message: Any) -> None:
        """Set everything beside key and action; each has been checked. Unset fields mean none."""
        entry = self.control.entry(handle)
        self.direct.write(entry.slot, message)
        if message.metadata or message.controller_metadata or message.idle_timeout_ns:
            extra = Extra(message.metadata, message.controller_metadata, message.idle_timeout_ns)
            self._set_extra(entry, extra)
        elif entry.metadata is not None:
            self._set_extra(entry, NO_EXTRA)

    def _set_extra(self, entry: Any, extra: Extra) -> None:
        entry.metadata = None if extra == NO_EXTRA else extra
        entry.ttl_us = -(-extra.idle_timeout_ns // 1000)

    # -- undoing -----------------------------------------------------------------------------------------------

    def _snapshot(self, handle: int) -> Snapshot:
        entry, control = self.control.entry(handle), self.control
        return Snapshot(
            entry.key,
            entry.priority,
            entry.action,
            entry.args,
            entry.member,
            entry.group,
            extra_of(entry),
            Direct.of(control, entry.slot),
        )

    def _restore(self, handle: int, before: Snapshot, old_shot: OneShot | None) -> None:
        control = self.control
        if before.action is not None:
            control.modify(handle, before.action, before.args)
        elif old_shot is not None:
            self._give_shot(handle, old_shot.made_of)
        else:
            if before.member is not None:
                control.modify_member(handle, before.member)
            else:
                control.modify_group(handle, before.group)
            self._drop_shot(handle)
        self._put_back(handle, before)

    def _drop_shot(self, handle: int) -> None:
        """The entry names something else now."""
        assert self.profile is not None
        old = self.profile.one_shots.attach(self.info.id, handle, None)
        if old is not None:
            self.profile.one_shots.destroy(old)

    def _reinsert(self, before: Snapshot, old_shot: OneShot | None) -> None:
        control = self.control
        if before.action is not None:
            handle = control.insert(before.key, before.action, before.args, before.priority)
        elif old_shot is not None and self.profile is not None:
            shot = self.profile.one_shots.make(old_shot.made_of)
            handle = control.insert_group(before.key, shot.group, before.priority)
            self.profile.one_shots.attach(self.info.id, handle, shot)
        elif before.member is not None:
            handle = control.insert_member(before.key, before.member, before.priority)
        else:
            handle = control.insert_group(before.key, before.group, before.priority)
        self._put_back(handle, before)

    def _put_back(self, handle: int, before: Snapshot) -> None:
        entry, control = self.control.entry(handle), self.control
        self._set_extra(entry, before.extra)
        before.direct.put(control, entry.slot)
