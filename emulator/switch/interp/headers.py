"""Extracting and emitting headers, and operations on whole headers, unions and stacks."""

from __future__ import annotations

from collections.abc import Callable

from emulator.switch.interp.phv import Phv
from emulator.switch.model import Model

Operation = Callable[[Phv, int], None]


class Headers:
    """Operations for one model; a header index below 0 means an element that does not exist: no effect."""

    def __init__(self, model: Model):
        self.model = model
        self._fields = [_layout(model, h) for h in range(len(model.headers))]
        self._rest = [_other_members(model, h) for h in range(len(model.headers))]
        self._fixed = [model.header_type(h).fixed_bits for h in range(len(model.headers))]
        self._varbit = [model.header_type(h).varbit for h in range(len(model.headers))]

    def fill(self, p: Phv, h: int, bits: int, variable: int) -> None:
        """Sets all fields from the packet's next `bits` bits, of which `variable` belong to the varbit."""
        start = p.position
        whole = int.from_bytes(p.data[start // 8 : (start + bits) // 8], "big")
        row = p.values[h]
        left = bits
        for f, (width, mask, half) in enumerate(self._fields[h]):
            if f == self._varbit[h]:
                width, mask = variable, (1 << variable) - 1
            left -= width
            value = (whole >> left) & mask
            row[f] = ((value + half) & mask) - half if half else value
        p.varbits[h] = variable
        p.position = start + bits
        self.validate(p, h)

    def emit(self, p: Phv, h: int) -> bytes:
        value = 0
        for f, (width, mask, _) in enumerate(self._fields[h]):
            if f == self._varbit[h]:
                value = value << p.varbits[h] | p.values[h][f]
            else:
                value = value << width | (p.values[h][f] & mask)
        return value.to_bytes(self.size(p, h), "big")

    def size(self, p: Phv, h: int) -> int:
        """Bytes; a varbit that does not fill its last byte is padded in front of the header."""
        return -(-(self._fixed[h] + p.varbits[h]) // 8)

    def validate(self, p: Phv, h: int) -> None:
        """Makes a header valid; the other members of its union become invalid."""
        p.valid[h] = 1
        for other in self._rest[h]:
            p.valid[other] = 0

    def add(self, p: Phv, h: int) -> None:
        """setValid: a header that was not valid becomes zero."""
        if h < 0 or p.valid[h]:
            return
        p.values[h] = [0] * len(p.values[h])
        p.varbits[h] = 0
        self.validate(p, h)
        p.length += self.size(p, h)

    def remove(self, p: Phv, h: int) -> None:
        if h >= 0 and p.valid[h]:
            p.valid[h] = 0
            p.length -= self.size(p, h)

    def assign(self, p: Phv, target: int, source: int) -> None:
        """From an invalid header: the target becomes invalid and keeps its bits."""
        if target < 0:
            return
        if source < 0 or not p.valid[source]:
            p.valid[target] = 0
            return
        p.values[target] = p.values[source][:]
        p.varbits[target] = p.varbits[source]
        self.validate(p, target)

    def assign_union(self, p: Phv, target: tuple[int, ...], source: tuple[int, ...]) -> None:
        """The valid member is copied and the others become invalid; from an invalid union, all do."""
        for t, s in zip(target, source or (-1,) * len(target)):
            if s < 0 or not p.valid[s]:
                p.valid[t] = 0
        for t, s in zip(target, source):
            if p.valid[s]:
                self.assign(p, t, s)

    def assign_stack(self, p: Phv, target: int, source: int) -> None:
        stacks = self.model.stacks
        for t, s in zip(stacks[target].headers, stacks[source].headers):
            self.assign(p, t, s)
        p.next[target] = p.next[source]

    def assign_union_stack(self, p: Phv, target: int, source: int) -> None:
        for t, s in zip(self._union_rows(target), self._union_rows(source)):
            self.assign_union(p, t, s)
        p.union_next[target] = p.union_next[source]

    def push(self, p: Phv, stack: int, count: int) -> None:
        headers = self.model.stacks[stack].headers
        count = min(count, len(headers))
        for i in range(len(headers) - 1, count - 1, -1):
            self.assign(p, headers[i], headers[i - count])
        for h in headers[:count]:
            p.valid[h] = 0
        p.next[stack] = min(len(headers), p.next[stack] + count)

    def pop(self, p: Phv, stack: int, count: int) -> None:
        headers = self.model.stacks[stack].headers
        count = min(count, len(headers))
        for i in range(len(headers) - count):
            self.assign(p, headers[i], headers[i + count])
        for h in headers[len(headers) - count :]:
            p.valid[h] = 0
        p.next[stack] = max(0, p.next[stack] - count)

    def push_union(self, p: Phv, stack: int, count: int) -> None:
        rows = self._union_rows(stack)
        count = min(count, len(rows))
        for i in range(len(rows) - 1, count - 1, -1):
            self.assign_union(p, rows[i], rows[i - count])
        for row in rows[:count]:
            for h in row:
                p.valid[h] = 0
        p.union_next[stack] = min(len(rows), p.union_next[stack] + count)

    def pop_union(self, p: Phv, stack: int, count: int) -> None:
        rows = self._union_rows(stack)
        count = min(count, len(rows))
        for i in range(len(rows) - count):
            self.assign_union(p, rows[i], rows[i + count])
        for row in rows[len(rows) - count :]:
            for h in row:
                p.valid[h] = 0
        p.union_next[stack] = max(0, p.union_next[stack] - count)

    def _union_rows(self, stack: int) -> list[tuple[int, ...]]:
        return [self.model.unions[u].headers for u in self.model.union_stacks[stack].unions]


def _layout(model: Model, header: int) -> tuple[tuple[int, int, int], ...]:
    """Per field: width, mask, and half of the range for a signed field (else 0)."""
    fields = model.header_type(header).fields
    return tuple((f.width, (1 << f.width) - 1, (1 << f.width) // 2 if f.signed else 0) for f in fields)


def _other_members(model: Model, header: int) -> tuple[int, ...]:
    place = model.headers[header].union
    if place is None:
        return ()
    return tuple(h for h in model.unions[place[0]].headers if h != header)
