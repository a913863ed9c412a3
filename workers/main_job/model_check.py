"""Are the sums of a run those of the number format, on every bit?

A sum depends on the order in which the contributions reached the switch, which is the same for all elements of a
packet. So each chunk of a kept gradient must equal the scalar model's sums for one of the orders; in a tree of switches, for one
of the orders at every leaf and at the spine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fpisa import batch
from fpisa.formats import FP32

SHAPES = {"fpisa": "exact", "fpisa-a": "approx"}
MOST_ORDERS = 120  # of five workers; with more of them nothing is checked


def share_explained(
    aggregator: str, folder: Path, racks: tuple[int, ...], elements: int, uplink: str = "packed"
) -> float | None:
    """Share of the kept gradients' chunks that the model explains, 0..1; None where it cannot say.

    folder: with gradients-RANK.npz of every worker. racks: workers of each, in the order of ranks; one rack is one
    switch. elements: values a chunk. uplink: what leaves send up."""
    if aggregator not in SHAPES or order_count(racks) > MOST_ORDERS:
        return None
    files = [np.load(folder / f"gradients-{rank}.npz") for rank in range(sum(racks))]
    own = np.stack([file["own"] for file in files], axis=1)
    explained = [
        chunks_explained(own[step], total, SHAPES[aggregator], elements, racks, uplink)
        for step, total in enumerate(files[0]["total"])
    ]
    return float(np.concatenate(explained).mean())


def order_count(racks: tuple[int, ...]) -> int:
    """In how many ways contributions can arrive: at each leaf, and the leaves' at the spine."""
    at_leaves = math.prod(math.factorial(count) for count in racks)
    return at_leaves * (math.factorial(len(racks)) if len(racks) > 1 else 1)


def chunks_explained(
    own: np.ndarray,
    total: np.ndarray,
    shape: str,
    elements: int,
    racks: tuple[int, ...] = (),
    uplink: str = "packed",
) -> np.ndarray:
    """Whether each chunk of `total`, float32 (values,), is a sum of `own`, float32 (workers, values), in one order."""
    rows, result = (np.ascontiguousarray(array, np.float32).view(np.uint32) for array in (own, total))
    starts = np.arange(0, len(result), elements)
    found = np.zeros(len(starts), bool)
    for words in possible_sums(rows, shape, racks or (len(rows),), uplink):
        found |= np.logical_and.reduceat(words == result, starts)
    return found


def possible_sums(rows: np.ndarray, shape: str, racks: tuple[int, ...], uplink: str) -> Iterator[np.ndarray]:
    """Words of `rows`' sum, one array for each order of arrival."""
    if len(racks) == 1:
        for order in itertools.permutations(range(len(rows))):
            yield batch.sum_rows(FP32, rows[list(order)], shape).words
        return
    raw = uplink == "raw" and shape == "exact"
    ends = list(itertools.accumulate(racks))
    groups = [
        [accumulate(rows[list(order)], shape) for order in itertools.permutations(range(end - count, end))]
        for count, end in zip(racks, ends, strict=True)
    ]
    for partials in itertools.product(*groups):
        for arrivals in itertools.permutations(partials):
            yield leaf_readout(order_sum(arrivals, shape, raw))


def accumulate(rows: np.ndarray, shape: str) -> batch.Registers:
    state = batch.first(FP32, rows[0])
    for row in rows[1:]:
        state = batch.ADD[shape](FP32, state, row)
    return state


def order_sum(partials: Sequence[batch.Registers], shape: str, raw: bool) -> np.ndarray:
    """The spine's result for leaves' registers in this order of arrival."""
    state: batch.Registers | None = None
    for partial in partials:
        if raw:
            state = batch.merge(FP32, state, partial)
        else:
            state = batch.ADD[shape](FP32, state, batch.read(FP32, partial).words)
    assert state is not None
    return batch.read(FP32, state).words


def leaf_readout(words: np.ndarray) -> np.ndarray:
    """A result passes the leaf's registers on its way down."""
    return batch.read(FP32, batch.first(FP32, words)).words
