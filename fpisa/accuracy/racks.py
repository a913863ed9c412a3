"""Sums of sums: each rack's switch adds its own workers, a spine adds the racks (docs/PROTOCOL.md, "A tree of switches")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fpisa import batch
from fpisa.batch import Array, Registers
from fpisa.batch_bits import highest_bit, shifted_out
from fpisa.flags import INEXACT, OVERFLOW
from fpisa.formats import Format

RACK_WORKERS, MOST_RACKS = 8, 32


def rack_sizes(workers: int) -> list[int]:
    """Workers of each rack: two racks at least, of eight workers while there are at most 32 racks, as even as can be."""
    racks = min(max(2, -(-workers // RACK_WORKERS)), MOST_RACKS)
    return [workers // racks + (rack < workers % racks) for rack in range(racks)]


class Tally(NamedTuple):
    """An accumulation: final registers, how many additions it made and how many of them raised each event."""

    state: Registers
    additions: int
    counts: dict[int, int]


def tree_sum(fmt: Format, rows: Array, shape: str, uplink: str, bits: tuple[int, ...]) -> Tally:
    """Words (workers, elements) added rack by rack in their order, then the racks in theirs.

    uplink: `packed`, each rack's sum is rounded to a word, which is an event (INEXACT) where a bit is dropped; or `raw`,
    its registers are added as they are. bits: the events to count."""
    counts = dict.fromkeys(bits, 0)
    seen = np.zeros(rows.shape[1], np.uint8)
    state: Registers | None = None
    additions = at = 0
    for size in rack_sizes(len(rows)):
        leaf = batch.first(fmt, rows[at])
        for row in rows[at + 1 : at + size]:
            leaf = batch.ADD[shape](fmt, _fresh(leaf), row)
            seen, additions = _note(leaf.events, seen, counts), additions + rows.shape[1]
        at += size
        first = state is None
        before = None if state is None else _fresh(state)
        if uplink == "raw":
            state = batch.merge(fmt, before, leaf)
        else:
            seen = _note(rounding_events(fmt, leaf), seen, {})
            state = batch.ADD[shape](fmt, before, batch.read(fmt, _fresh(leaf)).words)
        if not first:
            seen, additions = _note(state.events, seen, counts), additions + rows.shape[1]
    assert state is not None
    return Tally(state._replace(events=seen), additions, counts)


def rounding_events(fmt: Format, registers: Registers) -> Array:
    """What packing these registers loses: INEXACT where a bit is dropped, OVERFLOW where the word cannot hold the value."""
    magnitude = np.abs(registers.mantissa).view(np.uint64)
    leading = highest_bit(magnitude)
    field = leading + registers.exponent + fmt.scale + fmt.bias
    distance = np.maximum(leading - fmt.fraction_bits + np.maximum(0, 1 - field), 0)
    dropped = shifted_out(magnitude.view(np.int64), distance) & (registers.special == 0) & (registers.mantissa != 0)
    return dropped * INEXACT | batch.read(fmt, _fresh(registers)).flags & OVERFLOW


def _fresh(registers: Registers) -> Registers:
    return registers._replace(events=np.zeros_like(registers.events))


def _note(events: Array, seen: Array, counts: dict[int, int]) -> Array:
    for bit in counts:
        counts[bit] += int(np.count_nonzero(events & bit))
    return seen | events.astype(np.uint8)
