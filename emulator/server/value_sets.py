"""Value sets: modified as a whole. The switch knows values under masks; a range becomes the prefixes that make it up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from math import prod
from typing import Any

from controller.p4rt import values
from controller.p4rt.schema import ValueSet
from controller.p4rt.status import Code
from emulator.switch.keys import Exact, KeyPart, Lpm, Range, Ternary, full

from .errors import Refused
from .match import KeyCodec
from .undo import Undo

Masked = tuple[int, int]
Key = tuple[KeyPart, ...]
MAX_MASKED = 1 << 16
"""Masked values that a value set's members may come to: each is compared with packets in turn."""


class BoundValueSet:
    """One value set: its P4Info, its control, its codec. `keys` are the members as written."""

    def __init__(self, info: ValueSet, control: Any, codec: KeyCodec) -> None:
        self.info, self.control, self._codec = info, control, codec
        self.keys: tuple[Key, ...] = ()

    def write(self, message: Any) -> Undo:
        """Let it have the members of a ValueSetEntry; raises Refused, and then nothing has changed."""
        what = f"value set {self.info.name}"
        keys = tuple(self._codec.decode(member.match) for member in message.members)
        if len(set(keys)) != len(keys):
            raise Refused(Code.ALREADY_EXISTS, f"{what}: a member is given twice", "give each member once")
        limit = self.info.size or self.control.spec.max_size
        if len(keys) > limit:
            raise Refused(Code.RESOURCE_EXHAUSTED, f"{what} holds {limit} members, not {len(keys)}", "raise its size")
        members = [member for key in keys for member in islice(self._masked(key), MAX_MASKED + 1)]
        if len(members) > MAX_MASKED:
            raise Refused(Code.RESOURCE_EXHAUSTED, f"{what}: its ranges come to too many prefixes", "use narrower ones")
        before = self.keys, self.control.members()
        self._put(keys, members)
        return lambda: self._put(*before)

    def _put(self, keys: tuple[Key, ...], members: list[Any]) -> None:
        self.control.replace(members, count=len(keys))
        self.keys = keys

    def _masked(self, key: Key) -> Iterator[tuple[Masked, ...]]:
        parts = [list(_masked(part, width)) for part, width in zip(key, self._codec.widths)]
        return product(*parts) if prod(map(len, parts)) <= MAX_MASKED else iter([()] * (MAX_MASKED + 1))

    def read(self, into: Any) -> None:
        """Fill a ValueSetEntry."""
        into.value_set_id = self.info.id
        for key in self.keys:
            self._codec.encode(key, into.members.add().match)


def _masked(part: KeyPart, width: int) -> Iterator[Masked]:
    """(value, mask) pairs that together stand for a part of a key."""
    if isinstance(part, Exact):
        yield part.value, full(width)
    elif isinstance(part, Lpm):
        yield part.value, values.prefix_mask(part.prefix_len, width)
    elif isinstance(part, Ternary):
        yield part.value, part.mask
    else:
        yield from prefixes(part, width)


def prefixes(part: Range, width: int) -> Iterator[Masked]:
    """The fewest prefixes that make up a range, from its lowest value on."""
    low = part.low
    while low <= part.high:
        size = low & -low or 1 << width  # the largest block that can begin here
        while low + size - 1 > part.high:
            size >>= 1
        yield low, full(width) & ~(size - 1)
        low += size
