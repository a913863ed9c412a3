"""How values travel: float bits as they lie in memory, plain integers, or SwitchML's block-quantised ones.

A representation cuts an array into blocks of `elements` values and offers, for each queue, a lane: how many
chunks the queue needs, how to fill outgoing frames and how to take results out of incoming ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from workers.window import Chunks, split
from workers.wire import Frames

Array = NDArray[Any]

# IEEE fields of float32.
FIELD_SHIFT, FIELD_MASK = 23, 0xFF
# A block's exponent is the smallest e with 2^e above every magnitude: the largest exponent field less 126.
EXPONENT_OFFSET = 126
LARGEST_EXPONENT = 127
INT32_MAX = 2**31 - 1


class Representation(Enum):
    """RAW: bits as they lie in memory. SWAPPED: 32-bit integers, big-endian. QUANTISED: float32 as integers."""

    RAW = "raw"
    SWAPPED = "swapped"
    QUANTISED = "quantised"


class RepresentationError(ValueError):
    """Values that cannot travel this way."""


class Lane(Protocol):
    """One queue's part of an array. `chunks` are counted from 0 within the lane."""

    @property
    def total(self) -> int:
        """Chunks the lane needs."""

    @property
    def lag(self) -> int | None:
        """As `window.Window` has it."""

    @property
    def converts(self) -> bool:
        """Whether filling and draining changes the values' bits."""

    def fill(self, frames: Frames, chunks: Chunks) -> None:
        """Write values (and exponents) of `chunks` into as many frames."""

    def drain(self, frames: Frames, chunks: Chunks) -> None:
        """Take the results of `chunks`, each answered for the first time, out of as many frames."""


class Blocks:
    """A flat array as rows of `elements` values; the last row may be short and is then padded with zeros."""

    def __init__(self, flat: Array, elements: int) -> None:
        self.elements = elements
        self.count = -(-len(flat) // elements)
        self.full = len(flat) // elements
        self.rows = flat[: self.full * elements].reshape(self.full, elements)
        self.tail = flat[self.full * elements :]

    def get(self, blocks: Chunks) -> Array:
        """Rows of the blocks, shape (len(blocks), elements); a copy."""
        if len(self.tail) == 0 or len(blocks) == 0 or blocks.max() < self.full:
            return self.rows[blocks]
        out = np.zeros((len(blocks), self.elements), dtype=self.rows.dtype)
        whole = blocks < self.full
        out[whole] = self.rows[blocks[whole]]
        out[~whole, : len(self.tail)] = self.tail
        return out

    def put(self, blocks: Chunks, values: Array) -> None:
        """Store rows; what lies past the array's end is dropped."""
        whole = blocks < self.full
        if whole.all():
            self.rows[blocks] = values
            return
        self.rows[blocks[whole]] = values[whole]
        self.tail[:] = values[~whole][0, : len(self.tail)]


class RawLane:
    """Blocks copied as they are: float bits, or integers whose frame type swaps their bytes."""

    lag: int | None = None

    def __init__(self, blocks: Blocks, share: range, converts: bool) -> None:
        self.blocks, self.start, self.total, self.converts = blocks, share.start, len(share), converts

    def fill(self, frames: Frames, chunks: Chunks) -> None:
        frames["values"] = self.blocks.get(self.start + chunks)

    def drain(self, frames: Frames, chunks: Chunks) -> None:
        self.blocks.put(self.start + chunks, frames["values"])


class QuantisedLane:
    """SwitchML's scheme for floats: 32-bit integers scaled by a block exponent all workers agree on.

    Chunk k carries the values of block k - lag and this worker's exponent of block k; its result brings the
    sum of the one and the largest exponent of the other. So exponents travel one window ahead, and the first
    `lag` chunks carry no values.
    """

    converts = True

    def __init__(self, blocks: Blocks, exponents: Array, share: range, workers: int, window: int) -> None:
        self.blocks, self.exponents, self.start, self.count = blocks, exponents, share.start, len(share)
        self.lag = min(window, self.count)
        self.total = self.count + self.lag
        self.workers = workers
        self.scales = np.zeros(self.count, dtype=np.float32)

    def fill(self, frames: Frames, chunks: Chunks) -> None:
        frames["values"] = 0
        frames["fpisa_exponent"] = -128
        ahead = chunks < self.count
        frames["fpisa_exponent"][ahead] = self.exponents[self.start + chunks[ahead]]
        carries = chunks >= self.lag
        if carries.any():
            blocks = chunks[carries] - self.lag
            frames["values"][carries] = quantise(self.blocks.get(self.start + blocks), self.scales[blocks])

    def drain(self, frames: Frames, chunks: Chunks) -> None:
        ahead = chunks < self.count
        self.scales[chunks[ahead]] = scale_of(frames["fpisa_exponent"][ahead], self.workers)
        carries = chunks >= self.lag
        if carries.any():
            blocks = chunks[carries] - self.lag
            self.blocks.put(self.start + blocks, dequantise(frames["values"][carries], self.scales[blocks]))


def block_exponents(blocks: Blocks) -> Array:
    """int8 exponent of each block: 2^e is above every magnitude in it, and 2^(e-1) is not.

    Raises RepresentationError for magnitudes of 2^127 and more, infinities and NaN: int8 has no exponent for
    them.
    """
    largest = np.zeros(blocks.count, dtype=np.uint32)
    magnitudes = np.abs(blocks.rows).view(np.uint32) if blocks.full else blocks.rows
    if blocks.full:
        largest[: blocks.full] = magnitudes.max(axis=1)
    if len(blocks.tail):
        largest[-1] = np.abs(blocks.tail).view(np.uint32).max()
    exponents = (largest >> FIELD_SHIFT).astype(np.int32) - EXPONENT_OFFSET
    if len(exponents) and exponents.max() > LARGEST_EXPONENT:
        raise RepresentationError(
            "block-quantised integers cannot carry infinities, NaN or magnitudes of 2^127 and more"
        )
    return exponents.astype(np.int8)


def scale_of(exponents: Array, workers: int) -> Array:
    """float32 scale of blocks whose largest exponent over all workers is given, shape as `exponents`.

    (2^31 - 1) / (workers * 2^exponent), so a sum of `workers` blocks never leaves int32. Blocks too small to
    scale (the quotient leaves float32) get 0: they travel and come back as zeros.
    """
    with np.errstate(over="ignore"):
        scale = np.ldexp(INT32_MAX / workers, -exponents.astype(np.int32)).astype(np.float32)
    return np.where(np.isfinite(scale), scale, np.float32(0))


def quantise(values: Array, scales: Array) -> Array:
    """float32 (blocks, elements) to int32, rounded to nearest, ties to even."""
    return np.rint(values * scales[:, None]).astype(np.int32)


def dequantise(integers: Array, scales: Array) -> Array:
    """Integers (blocks, elements) back to float32; blocks whose scale is 0 give 0."""
    inverse = np.where(scales == 0, np.float32(np.inf), scales)
    return integers.astype(np.float32) / inverse[:, None]


def lanes(
    flat: Array, representation: Representation, elements: int, windows: Sequence[int], workers: int
) -> list[Lane]:
    """A lane for each queue. `flat` is a one-dimensional view onto the caller's memory; `windows` holds each
    queue's number of slots.

    Raises RepresentationError.
    """
    blocks = Blocks(flat, elements)
    shares = split(blocks.count, len(windows))
    if representation is not Representation.QUANTISED:
        return [RawLane(blocks, share, representation is Representation.SWAPPED) for share in shares]
    exponents = block_exponents(blocks)
    return [
        QuantisedLane(blocks, exponents, share, workers, window) for share, window in zip(shares, windows, strict=True)
    ]
