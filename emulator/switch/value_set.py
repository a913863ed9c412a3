"""Parser value sets: members the control plane adds, matched by select."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.switch.errors import ControlError
from emulator.switch.model import ValueSet

Ternaries = tuple[tuple[int, int], ...]


class ValueSetState:
    """A member is one (value, mask) per part of the key; a plain number stands for an exact match of all
    parts together, most significant first."""

    def __init__(self, spec: ValueSet):
        self.spec = spec
        self.name = spec.name
        self.changed: Any = lambda value_set, op, item: None
        self._members: list[Ternaries] = []
        self._exact: set[tuple[int, ...]] = set()

    def add(self, value: int | Sequence[tuple[int, int]]) -> None:
        member = self._member(value)
        if member in self._members:
            raise ControlError("exists", f"value set {self.name} has this member already")
        if len(self._members) >= self.spec.max_size:
            raise ControlError(
                "full", f"value set {self.name} is full: it holds {self.spec.max_size} members"
            )
        self._set([*self._members, member], "insert")

    def remove(self, value: int | Sequence[tuple[int, int]]) -> None:
        member = self._member(value)
        if member not in self._members:
            raise ControlError("not_found", f"value set {self.name} has no such member")
        self._set([m for m in self._members if m != member], "delete")

    def replace(self, values: Sequence[int | Sequence[tuple[int, int]]], *, count: int | None = None) -> None:
        """All members at once. count: how many they are to the control plane, where several stand for one range."""
        members = [self._member(value) for value in values]
        if (len(members) if count is None else count) > self.spec.max_size:
            raise ControlError("full", f"value set {self.name} holds {self.spec.max_size} members at most")
        self._set(list(dict.fromkeys(members)), "modify")

    def clear(self) -> None:
        self._set([], "clear")

    def members(self) -> list[Ternaries]:
        return list(self._members)

    def matches(self, values: tuple[int, ...], masks: tuple[int, ...]) -> bool:
        """Whether the key's parts, under the transition's masks, equal a member."""
        if values in self._exact:
            return True
        return any(
            all((v ^ w) & m & k == 0 for v, (w, m), k in zip(values, member, masks))
            for member in self._members
        )

    def _member(self, value: int | Sequence[tuple[int, int]]) -> Ternaries:
        widths = self.spec.widths
        if isinstance(value, int):
            if not 0 <= value < 1 << self.spec.width:
                raise ControlError(
                    "invalid", f"{value} does not fit value set {self.name} ({self.spec.width} bits)"
                )
            parts = []
            for width in reversed(widths):
                parts.append((value & ((1 << width) - 1), (1 << width) - 1))
                value >>= width
            return tuple(reversed(parts))
        if len(value) != len(widths):
            raise ControlError("invalid", f"a member of value set {self.name} has {len(widths)} parts")
        for part, width in zip(value, widths):
            if not all(0 <= v < 1 << width for v in part):
                raise ControlError("invalid", f"a part of value set {self.name} does not fit {width} bits")
        return tuple((v & m, m) for v, m in value)

    def _set(self, members: list[Ternaries], op: str) -> None:
        self._members = members
        full = tuple((1 << width) - 1 for width in self.spec.widths)
        self._exact = {tuple(v for v, _ in m) for m in members if tuple(k for _, k in m) == full}
        self.changed(self, op, None)
