"""Contents of small tables, as they are compiled into the code.

Look-ups in compiled code are functions of the key without memory or branches: an ordered list of matches becomes a chain
of selects; a single numeric key becomes a step function over intervals, and where the steps lie at powers of
two (leading-one tables), a function of the number of leading zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

from emulator.switch.keys import Exact, Lpm, Range, Ternary, full, prefix_mask
from emulator.switch.model import TableNode

MAX_CHAIN = 16
MAX_STEPS = 130


@dataclass(frozen=True, slots=True)
class Row:
    """action: position in the table's list of actions, None for no action at all. slot: of direct counters."""

    key: tuple[object, ...]
    action: int | None
    args: tuple[int, ...]
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """rows: in order of preference, first match wins. default: the row taken on a miss (its key is empty)."""

    rows: tuple[Row, ...]
    default: Row


Step = tuple[int, Row | None]
"""From this key value on, this row (None: miss)."""


def bounds(part: object, width: int) -> tuple[int, int] | None:
    """The interval a key part matches; None when it is not one interval."""
    match part:
        case Exact(value):
            return value, value
        case Lpm(value, length):
            return value, value | (full(width) ^ prefix_mask(width, length))
        case Range(low, high):
            return low, high
        case Ternary(value, mask):
            free = full(width) & ~mask
            return (value, value | free) if free & (free + 1) == 0 else None
    return None


def steps(node: TableNode, content: Content) -> list[Step] | None:
    """A table with one key as a step function, or None when it is none or has too many steps."""
    if len(node.keys) != 1:
        return None
    width = node.keys[0].width
    spans = [bounds(row.key[0], width) for row in content.rows]
    if any(s is None for s in spans):
        return None
    starts = sorted({0, *(s[0] for s in spans if s), *(s[1] + 1 for s in spans if s and s[1] < full(width))})
    found: list[Step] = []
    for start in starts:
        row = next((r for r, s in zip(content.rows, spans, strict=True) if s and s[0] <= start <= s[1]), None)
        if not found or found[-1][1] is not row:
            found.append((start, row))
    return found if len(found) <= MAX_STEPS else None


def is_bakeable(node: TableNode, content: Content) -> bool:
    """Whether compiled look-ups make sense for this content."""
    stateful = node.support_timeout or node.meter is not None or node.counter is not None
    if node.profile is not None or stateful or not node.keys:
        return False
    return len(content.rows) <= MAX_CHAIN or (
        len(content.rows) <= MAX_STEPS and node.keys[0].width <= 64 and steps(node, content) is not None
    )


def constant_content(node: TableNode) -> Content | None:
    """The content of a table that the control plane cannot change, if it is small."""
    if not node.const_entries or not node.default_const:
        return None
    rows = sorted(enumerate(node.entries), key=lambda e: _preference(node, e[0]))
    content = Content(
        tuple(Row(e.key, node.actions.index(e.call.action), e.call.args, i) for i, e in rows), default_row(node)
    )
    return content if is_bakeable(node, content) else None


def default_row(node: TableNode) -> Row:
    if node.default is None:
        return Row((), None, ())
    return Row((), node.actions.index(node.default.action), node.default.args)


def _preference(node: TableNode, index: int) -> tuple[int, int]:
    entry = node.entries[index]
    if node.kind == "lpm":
        return -sum(p.prefix_len for p in entry.key if isinstance(p, Lpm)), index
    return (-entry.priority, index) if node.kind in ("ternary", "range") else (0, index)
