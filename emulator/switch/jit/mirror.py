"""The control plane's tables, value sets and multicast groups in memory that compiled code reads.

A listener on Control: every change, or batch of changes, is in native memory when the control plane's call returns.
Whoever runs compiled code in another thread keeps it out meanwhile (the runner's mutex).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from emulator.native import tables as native
from emulator.switch.control import Change, Control, Entry, Table
from emulator.switch.jit.fused import GROUPS
from emulator.switch.jit.tables import GROUP, HEADER, NONE, arg_words
from emulator.switch.keys import Exact, Lpm, Range, Ternary, full, prefix_mask
from emulator.switch.model import Model, TableNode
from emulator.switch.table import DEFAULT_SLOT

FEW = 4
"""Fewer entries than this are inserted one by one."""
KINDS = {
    "exact": native.EXACT,
    "lpm": native.LPM,
    "ternary": native.TERNARY,
    "optional": native.TERNARY,
    "range": native.RANGE,
}


def part_words(part: object, width: int) -> tuple[int, int]:
    """(value, mask) of a key part as the native tables want them; a range's ends."""
    match part:
        case Exact(value):
            return value, full(width)
        case Lpm(value, length):
            return value, prefix_mask(width, length)
        case Ternary(value, mask):
            return value, mask
        case Range(low, high):
            return low, high
    raise AssertionError(part)


def record(action: int, hit: int, words: Sequence[int]) -> np.ndarray:
    """Memory laid out as a native entry."""
    out = np.zeros(HEADER // 8 + len(words), np.uint64)
    out[:1].view(np.uint32)[0] = action
    out[1:2].view(np.uint32)[0] = hit
    for k, word in enumerate(words):
        out[HEADER // 8 + k] = word
    return out


def mask_of(kind: str, width: int) -> Callable[[Any], int]:
    """What gives a key part's mask (a range's upper end); part_words() in the form that bulk loads want."""
    if kind == "exact":
        ones = full(width)
        return lambda part: ones
    if kind == "lpm":
        return _prefixes(width)
    return itemgetter(1)


def _prefixes(width: int) -> Callable[[Any], int]:
    table = [prefix_mask(width, length) for length in range(width + 1)]
    return lambda part: table[part[1]]


def flat_words(n: int, width: int, rows: Iterable[Sequence[int]]) -> np.ndarray:
    """(n, width) words."""
    return np.fromiter(chain.from_iterable(rows), np.uint64, n * width).reshape(n, width)


class TableMirror:
    """One table. `address` is stable; `record` (tables without a key) is the default entry."""

    def __init__(self, model: Model, table: Table):
        self.model, self.table = model, table
        self.spec: TableNode = table.spec
        self.words = arg_words(model, self.spec)
        self.positions = {action: k for k, action in enumerate(self.spec.actions)}
        # A profile's members name one of several copies of an action: each table of the profile has its own.
        by_name = {model.actions[a].name: k for a, k in self.positions.items()}
        for number, action in enumerate(model.actions):
            if action.name in by_name:
                self.positions.setdefault(number, by_name[action.name])
        self.widths = [[p.width for p in model.actions[a].params] for a in self.spec.actions]
        self.one_word = all(key.width <= 64 for key in self.spec.keys)
        self.plain_args = [all(w <= 64 for w in widths) for widths in self.widths]
        self.may_move = table.direct_counter is not None or table.direct_meter is not None
        """A new entry may enlarge the arrays of its counter or meter."""
        self.masks = [mask_of(key.kind, key.width) for key in self.spec.keys]
        self.record = record(NONE, 0, [0] * self.words)
        several = sum(key.kind == "lpm" for key in self.spec.keys) > 1  # then priorities decide, and they are masks
        kinds = ["ternary" if several and key.kind == "lpm" else key.kind for key in self.spec.keys]
        fields = [(key.width, KINDS[kind]) for key, kind in zip(self.spec.keys, kinds)]
        self.native = native.NativeTable(fields, self.words) if fields else None
        self._members: dict[int, np.ndarray] = {}
        self._groups: dict[int, np.ndarray] = {}
        self.rebuild()

    def arguments(self, slot: int, action: int | None, args: Sequence[int]) -> tuple[int, list[int]]:
        """(action number, words) as compiled code reads them."""
        position = NONE if action is None else self.positions[action]
        if position != NONE and self.plain_args[position]:
            return position, [slot, *args, *[0] * (self.words - 1 - len(args))]
        words = [slot]
        if action is not None:
            words += native.key_words(args, self.widths[self.positions[action]])
        words += [0] * (self.words - len(words))
        return position, words

    def set_default(self) -> None:
        number, words = self.arguments(DEFAULT_SLOT, self.table.default_id, self.table.default_args)
        self.record[:] = record(number, 0, words)
        if self.native is not None:
            self.native.set_default(number, words)

    def target(self, entry: Entry) -> tuple[int, list[int]]:
        """Action number and words of an entry, its member or group looked up."""
        profile = self.table.profile
        if profile is None:
            return self.arguments(entry.slot, entry.action_id, entry.args)
        if entry.member is not None:
            member = profile.member(entry.member)
            return self.arguments(entry.slot, member.action_id, member.args)
        assert entry.group is not None
        return GROUP, [entry.slot, self._group(entry.group), *[0] * (self.words - 2)]

    def _group(self, handle: int) -> int:
        """Address of a group: the number of its members, whether they are chosen at random, and their records; behind the 0 of
        an empty one stands the default."""
        found = self._groups.get(handle)
        if found is None:
            profile = self.table.profile
            assert profile is not None
            group = profile.group(handle)
            members = [self._member(m) for m in group.active]
            head = [len(members), int(group.random)]
            found = self._groups[handle] = np.array([*head, *(members or [self.record.ctypes.data])], np.uint64)
        return int(found.ctypes.data)

    def _member(self, handle: int) -> int:
        found = self._members.get(handle)
        if found is None:
            profile = self.table.profile
            assert profile is not None
            member = profile.member(handle)
            number, words = self.arguments(0, member.action_id, member.args)
            found = self._members[handle] = record(number, 1, words)
        return int(found.ctypes.data)

    def row(self, entry: Entry) -> tuple[list[int], list[int]]:
        """Key words: values and masks."""
        if self.one_word:
            return [part[0] for part in entry.key], [m(part) for m, part in zip(self.masks, entry.key, strict=True)]
        value: list[int] = []
        mask: list[int] = []
        for part, key in zip(entry.key, self.spec.keys, strict=True):
            v, m = part_words(part, key.width)
            value += native.key_words([v], [key.width])
            mask += native.key_words([m], [key.width])
        return value, mask

    def insert(self, entries: Sequence[Entry]) -> None:
        if self.native is None or not entries:
            return
        if len(entries) < FEW:
            for entry in entries:
                words = self.row(entry)
                action, args = self.target(entry)
                self.native.insert(*words, priority=entry.priority, handle=entry.handle, action=action, args=args)
            return
        value, mask = self._columns(entries)
        targets = [self.target(e) for e in entries]
        self.native.insert_many(
            value,
            mask,
            np.array([e.priority for e in entries], np.int32),
            np.array([e.handle for e in entries], np.uint32),
            np.array([t[0] for t in targets], np.uint32),
            flat_words(len(entries), self.words, (t[1] for t in targets)),
        )

    def _columns(self, entries: Sequence[Entry]) -> tuple[np.ndarray, np.ndarray | None]:
        """Key words of many entries: values and masks; no masks where all fields are exact."""
        n, width = len(entries), len(self.spec.keys)
        if not self.one_word:
            rows = [self.row(e) for e in entries]
            return np.array([r[0] for r in rows], np.uint64), np.array([r[1] for r in rows], np.uint64)
        value = flat_words(n, width, ([part[0] for part in e.key] for e in entries))
        if self.spec.kind == "exact":
            return value, None
        masks = self.masks
        pairs = ([m(part) for m, part in zip(masks, e.key)] for e in entries)
        return value, flat_words(n, width, pairs)

    def rebuild(self) -> None:
        """Everything anew, from the control plane's table."""
        self._members, self._groups = {}, {}
        if self.native is not None:
            self.native.clear()
        self.set_default()
        self.insert(list(self.table.entries()))

    def apply(self, changes: Sequence[Change]) -> None:
        """Changes of this table, in order."""
        if any(c.op == "restart" for c in changes):
            self.rebuild()
            return
        waiting: list[Entry] = []
        for change in changes:
            if change.op == "insert":
                waiting.append(change.item)
                continue
            self._insert_living(waiting)
            waiting = []
            self._other(change)
        self._insert_living(waiting)

    def _insert_living(self, entries: list[Entry]) -> None:
        self.insert(entries)

    def _other(self, change: Change) -> None:
        if change.op == "default":
            self.set_default()
        elif self.native is not None and change.op == "delete":
            self.native.delete(change.item.handle)
        elif self.native is not None and change.op == "modify":
            self.native.modify(change.item.handle, *self.target(change.item))


class Mirror:
    """All of a control plane's state that compiled code reads."""

    def __init__(self, model: Model, control: Control):
        self.model, self.control = model, control
        self.tables = [TableMirror(model, t) for t in control.table_list]
        self._by_name = {m.table.name: m for m in self.tables}
        self.value_sets = [np.zeros(1, np.uint64) for _ in model.value_sets]
        self.group_index = np.zeros(GROUPS, np.uint64)
        self._groups: dict[int, np.ndarray] = {}
        self.largest_group = 1
        for number in range(len(self.value_sets)):
            self._value_set(number)
        for gid in control.multicast.groups():
            self._multicast(gid)

    def told(self, changes: list[Change]) -> bool:
        """Takes over changes; True when addresses may have moved."""
        per_table: dict[str, list[Change]] = {}
        moved = False
        for change in changes:
            if change.kind == "table":
                per_table.setdefault(change.name, []).append(change)
                moved |= self._by_name[change.name].may_move
            elif change.kind == "profile" and not change.op.startswith("add_"):  # nothing names what is new
                for table in self.tables:
                    if table.table.profile is not None and table.table.profile.name == change.name:
                        per_table[table.table.name] = [Change("table", table.table.name, "restart")]
            elif change.kind == "value_set":
                self._value_set([v.name for v in self.model.value_sets].index(change.name))
                moved = True
            elif change.kind == "multicast":
                self._multicast(change.item)
        for name, found in per_table.items():
            self._by_name[name].apply(found)
        return moved

    def _value_set(self, number: int) -> None:
        """Rows of [values, masks], a fresh 64-bit word for each part, behind their number."""
        state = self.control.value_set_list[number]
        words = [len(state.members())]
        for member in state.members():
            widths = state.spec.widths
            words += native.key_words([v for v, _ in member], widths)
            words += native.key_words([m for _, m in member], widths)
        self.value_sets[number] = np.array(words, np.uint64)

    def _multicast(self, gid: int) -> None:
        """A group's list: number, then port and replication id as 32-bit numbers each."""
        replicas = self.control.multicast.group(gid)
        if replicas is None:
            self.group_index[gid] = 0
            self._groups.pop(gid, None)
            return
        cells = [len(replicas), 0]
        for port, rid in replicas:
            cells += [port, rid]
        found = np.array(cells, np.uint32)
        self._groups[gid] = found
        self.group_index[gid] = found.ctypes.data
        self.largest_group = max([1, *(int(g[0]) for g in self._groups.values())])
