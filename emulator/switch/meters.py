"""Two-rate meters as v1model has them: a token bucket per rate, full at the start, checked peak rate first.

A packet that does not fit the peak bucket is red and costs nothing; one that fits it but not the committed
bucket is yellow and costs peak tokens; else green. Buckets count millionths of a token so that rates in units
per second and time in microseconds need no rounding.
"""

from __future__ import annotations

import numpy as np

GREEN, YELLOW, RED = 0, 1, 2
MICRO = 1_000_000
# columns of MeterArray.data (int64)
SET, CIR, CBURST, PIR, PBURST, CTOKENS, PTOKENS, LAST, COUNTS = range(9)
COLUMNS = 16
MAX_RATE = 1 << 40
MAX_BURST = 1 << 40


class MeterArray:
    """`data[i]`: configured, four parameters (units/s, units), two buckets (millionths), last time (us); from COUNTS
    on packets and bytes of each colour in turn, counted whether the cell is configured or not."""

    def __init__(self, name: str, size: int, kind: str):
        self.name = name
        self.size = size
        self.kind = kind
        self.data = np.zeros((size, COLUMNS), np.int64)

    def set_rates(self, index: int, cir: int, cburst: int, pir: int, pburst: int) -> None:
        """Units (bytes or packets) per second, bursts in units. Fills the buckets.

        Raises IndexError; ValueError for numbers out of range or cir > pir."""
        self._check(index)
        for value, limit in ((cir, MAX_RATE), (cburst, MAX_BURST), (pir, MAX_RATE), (pburst, MAX_BURST)):
            if not 0 <= value <= limit:
                raise ValueError(f"meter {self.name}: {value} is not in 0..{limit}")
        if cir > pir:
            raise ValueError(f"meter {self.name}: the committed rate {cir} is above the peak rate {pir}")
        self.data[index, :COUNTS] = (1, cir, cburst, pir, pburst, cburst * MICRO, pburst * MICRO, -1)

    def get_rates(self, index: int) -> tuple[int, int, int, int] | None:
        """(cir, cburst, pir, pburst), None when not configured."""
        self._check(index)
        row = self.data[index].tolist()
        return (row[CIR], row[CBURST], row[PIR], row[PBURST]) if row[SET] else None

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
        done, cir, cburst, pir, pburst, ctokens, ptokens, last = row[:COUNTS].tolist()
        if not done:
            return GREEN
        elapsed = max(0, now - last) if last >= 0 else 0
        ctokens = min(cburst * MICRO, ctokens + cir * elapsed)
        ptokens = min(pburst * MICRO, ptokens + pir * elapsed)
        cost = (length if self.kind == "bytes" else 1) * MICRO
        colour = GREEN
        if ptokens < cost:
            colour = RED
        else:
            ptokens -= cost
            if ctokens < cost:
                colour = YELLOW
            else:
                ctokens -= cost
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
