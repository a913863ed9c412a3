"""Contents of small tables, as they are compiled into the code.

Look-ups in compiled code are functions of the key without memory or branches: an ordered list of matches becomes a chain
of selects; a single numeric key becomes a step function over intervals, and where the steps lie at powers of
two (leading-one tables), a function of the number of leading zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

from emulator.switch.keys import Exact, Lpm, Range, Ternary, full, prefix_mask
from emulator.switch.model import TableNode
from emulator.switch.table import Table

MAX_CHAIN = 16
MAX_STEPS = 130
MAX_SELECTS = 40
"""Rows of a chain of matches; entries of a step function; its steps when they are not at powers of two."""


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


def by_powers(table: list[Step]) -> bool:
    """Whether all steps lie at powers of two: then the result depends on the key's bit length alone."""
    return not any(start & (start - 1) for start, _ in table)


def is_bakeable(node: TableNode, content: Content) -> bool:
    """Whether compiled look-ups make sense for this content."""
    stateful = node.support_timeout or node.meter is not None or node.counter is not None
    if node.profile is not None or stateful or not node.keys:
        return False
    if len(content.rows) <= MAX_CHAIN:
        return True
    if len(content.rows) > MAX_STEPS or node.keys[0].width > 64:
        return False
    found = steps(node, content)
    return found is not None and (len(found) <= MAX_SELECTS or by_powers(found))


def constant_content(node: TableNode) -> Content | None:
    """The content of a table that the control plane cannot change, if it is small."""
    if not node.const_entries or not node.default_const:
        return None
    rows = sorted(enumerate(node.entries), key=lambda e: (_rank(node, e[1].key, e[1].priority), e[0]))
    content = Content(
        tuple(Row(e.key, node.actions.index(e.call.action), e.call.args, i) for i, e in rows), default_row(node)
    )
    return content if is_bakeable(node, content) else None


def default_row(node: TableNode) -> Row:
    if node.default is None:
        return Row((), None, ())
    return Row((), node.actions.index(node.default.action), node.default.args)


def present_content(table: Table) -> Content | None:
    """What a table holds now, if it is worth compiling in: numeric keys (lpm, range, ternary), few entries.

    Exact tables are left alone: they hold what comes and goes, and a hash finds it as fast."""
    node = table.spec
    if node.kind == "exact" or node.profile is not None or len(table) == 0 or len(table) > MAX_STEPS:
        return None
    entries = sorted(table.entries(), key=lambda e: (_rank(node, e.key, e.priority), e.handle))
    rows = tuple(Row(e.key, node.actions.index(e.action_id), e.args, e.slot) for e in entries)
    action = None if table.default_id is None else node.actions.index(table.default_id)
    content = Content(rows, Row((), action, table.default_args))
    return content if is_bakeable(node, content) else None


def _rank(node: TableNode, key: tuple[object, ...], priority: int) -> int:
    """Smaller is preferred."""
    if node.kind == "lpm":
        return -sum(p.prefix_len for p in key if isinstance(p, Lpm))
    return -priority
