"""Meters: two rates (RFC 2698, colour-blind) as v1model has them, or one rate with an excess burst (RFC 2697).

Two rates: a token bucket per rate, full at the start, checked peak rate first. A packet that does not fit the peak bucket
is red and costs nothing; one that fits it but not the committed bucket is yellow and costs peak tokens; else green.

One rate: what no longer fits the committed bucket flows into the excess bucket. A packet that fits the committed bucket is
green, one that fits only the excess bucket yellow, and each costs tokens of that bucket alone; else red.

Buckets count millionths of a token so that rates in units per second and time in microseconds need no rounding.
"""

from __future__ import annotations

import numpy as np

GREEN, YELLOW, RED = 0, 1, 2
MICRO = 1_000_000
TWO_RATES, ONE_RATE = 1, 2
"""What column SET holds of a configured cell. With one rate PBURST is the excess burst and PTOKENS its bucket."""
# columns of MeterArray.data (int64)
SET, CIR, CBURST, PIR, PBURST, CTOKENS, PTOKENS, LAST, COUNTS = range(9)
COLUMNS = 16
MAX_RATE = 1 << 40
MAX_BURST = 1 << 40


class MeterArray:
    """`data[i]`: kind (0: not configured), four parameters (units/s, units), two buckets (millionths), last time (us); from
    COUNTS on packets and bytes of each colour in turn, counted whether the cell is configured or not."""

    def __init__(self, name: str, size: int, kind: str):
        self.name = name
        self.size = size
        self.kind = kind
        self.data = np.zeros((size, COLUMNS), np.int64)

    def set_rates(self, index: int, cir: int, cburst: int, pir: int, pburst: int) -> None:
        """Units (bytes or packets) per second, bursts in units. Fills the buckets.

        Raises IndexError; ValueError for numbers out of range or cir > pir."""
        if cir > pir:
            raise ValueError(f"meter {self.name}: the committed rate {cir} is above the peak rate {pir}")
        self._configure(index, TWO_RATES, cir, cburst, pir, pburst)

    def set_single_rate(self, index: int, cir: int, cburst: int, eburst: int) -> None:
        """One rate with a committed and an excess burst, in the same units. Fills the buckets.

        Raises IndexError; ValueError for numbers out of range."""
        self._configure(index, ONE_RATE, cir, cburst, cir, eburst)

    def _configure(self, index: int, kind: int, cir: int, cburst: int, pir: int, second: int) -> None:
        self._check(index)
        for value, limit in ((cir, MAX_RATE), (cburst, MAX_BURST), (pir, MAX_RATE), (second, MAX_BURST)):
            if not 0 <= value <= limit:
                raise ValueError(f"meter {self.name}: {value} is not in 0..{limit}")
        self.data[index, :COUNTS] = (kind, cir, cburst, pir, second, cburst * MICRO, second * MICRO, -1)

    def get_rates(self, index: int) -> tuple[int, int, int, int] | None:
        """(cir, cburst, pir, pburst), None when not configured; with one rate, that rate and its burst twice."""
        self._check(index)
        row = self.data[index].tolist()
        if not row[SET]:
            return None
        return row[CIR], row[CBURST], row[PIR], row[CBURST if row[SET] == ONE_RATE else PBURST]

    def excess_burst(self, index: int) -> int:
        """Of a cell with one rate; else 0."""
        self._check(index)
        return int(self.data[index, PBURST]) if self.data[index, SET] == ONE_RATE else 0

    def unset(self, index: int) -> None:
        """Every packet is green again."""
        self._check(index)
        self.data[index, :COUNTS] = 0

    def counts(self, index: int) -> tuple[tuple[int, int], ...]:
        """(packets, bytes) of green, yellow and red."""
        self._check(index)
        row = self.data[index, COUNTS : COUNTS + 6].tolist()
        return tuple(zip(row[::2], row[1::2], strict=True))

    def clear_counts(self, index: int) -> None:
        self._check(index)
        self.data[index, COUNTS:] = 0

    def execute(self, index: int, length: int, now: int) -> int:
        """Colour of a packet of `length` bytes at time `now` (microseconds)."""
        row = self.data[index]
        colour = self._colour(row, length, now)
        row[COUNTS + 2 * colour] += 1
        row[COUNTS + 2 * colour + 1] += length
        return colour

    def _colour(self, row: np.ndarray, length: int, now: int) -> int:
        kind, cir, cburst, pir, pburst, ctokens, ptokens, last = row[:COUNTS].tolist()
        if not kind:
            return GREEN
        elapsed = max(0, now - last) if last >= 0 else 0
        earned = ctokens + cir * elapsed
        ctokens = min(cburst * MICRO, earned)
        ptokens = min(pburst * MICRO, ptokens + (earned - ctokens if kind == ONE_RATE else pir * elapsed))
        cost = (length if self.kind == "bytes" else 1) * MICRO
        colour, ctokens, ptokens = (_by_one_rate if kind == ONE_RATE else _by_two_rates)(ctokens, ptokens, cost)
        row[CTOKENS], row[PTOKENS], row[LAST] = ctokens, ptokens, max(now, last)
        return colour

    def reset(self) -> None:
        self.data[...] = 0

    def grow(self, size: int) -> None:
        if size > self.size:
            data = np.zeros((size, COLUMNS), np.int64)
            data[: self.size] = self.data
            self.data, self.size = data, size

    def _check(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise IndexError(f"meter {self.name} has no index {index}; its size is {self.size}")


def _by_two_rates(committed: int, peak: int, cost: int) -> tuple[int, int, int]:
    """(colour, committed tokens, peak tokens)"""
    if peak < cost:
        return RED, committed, peak
    if committed < cost:
        return YELLOW, committed, peak - cost
    return GREEN, committed - cost, peak - cost


def _by_one_rate(committed: int, excess: int, cost: int) -> tuple[int, int, int]:
    """(colour, committed tokens, excess tokens)"""
    if committed >= cost:
        return GREEN, committed - cost, excess
    if excess >= cost:
        return YELLOW, committed, excess - cost
    return RED, committed, excess
