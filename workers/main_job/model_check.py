"""Are the sums of a run those of the number format, on every bit?

A sum depends on the order in which the contributions reached the switch, which is the same for all elements of a
packet. So each chunk of a kept gradient must equal the scalar model's sums for one of the orders.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np

from fpisa import batch
from fpisa.formats import FP32

SHAPES = {"fpisa": "exact", "fpisa-a": "approx"}
MOST_ORDERS = 120  # of five workers; with more of them nothing is checked


def share_explained(aggregator: str, folder: Path, workers: int, elements: int) -> float | None:
    """Share of the kept gradients' chunks that the model explains, 0..1; None where it cannot say.

    folder: with gradients-RANK.npz of every worker. elements: values a chunk."""
    if aggregator not in SHAPES or math.factorial(workers) > MOST_ORDERS:
        return None
    files = [np.load(folder / f"gradients-{rank}.npz") for rank in range(workers)]
    own = np.stack([file["own"] for file in files], axis=1)
    explained = [
        chunks_explained(own[step], total, SHAPES[aggregator], elements) for step, total in enumerate(files[0]["total"])
    ]
    return float(np.concatenate(explained).mean())


def chunks_explained(own: np.ndarray, total: np.ndarray, shape: str, elements: int) -> np.ndarray:
    """Whether each chunk of `total`, float32 (values,), is a sum of `own`, float32 (workers, values), in one order."""
    rows, result = (np.ascontiguousarray(array, np.float32).view(np.uint32) for array in (own, total))
    starts = np.arange(0, len(result), elements)
    found = np.zeros(len(starts), bool)
    for order in itertools.permutations(range(len(rows))):
        same = batch.sum_rows(FP32, rows[list(order)], shape).words == result
        found |= np.logical_and.reduceat(same, starts)
    return found
