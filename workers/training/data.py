"""The handwritten digits that ship inside scikit-learn: 1,797 images of 8 x 8 grey levels, ten classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from workers.training.recipe import TRAIN_SAMPLES

SPLIT_SEED = 20190710


@dataclass(frozen=True)
class Digits:
    """x: float32 (samples, 64) in 0..1; y: int64 (samples,) in 0..9."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


@cache
def digits() -> Digits:
    """The same split on every worker: a fifth is for testing, chosen by a fixed seed."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = (bunch.data / 16.0).astype(np.float32)  # grey levels are 0..16
    y = bunch.target.astype(np.int64)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(y))
    train, test = order[:TRAIN_SAMPLES], order[TRAIN_SAMPLES:]
    return Digits(x[train], y[train], x[test], y[test])


def steps_per_epoch(samples: int, global_batch: int) -> int:
    """Whole batches only: every step has as many samples as every other."""
    if samples < global_batch:
        raise ValueError(f"a batch of {global_batch} samples is more than the {samples} there are")
    return samples // global_batch


def batch_indices(samples: int, epoch: int, step: int, global_batch: int, seed: int) -> np.ndarray:
    """Samples of one step over all workers, shape (global_batch,); each epoch has its own shuffle."""
    order = np.random.default_rng((seed, epoch)).permutation(samples)
    return order[step * global_batch : (step + 1) * global_batch]


def share(indices: np.ndarray, rank: int, workers: int) -> np.ndarray:
    """The part of a step's samples that belongs to `rank`; parts are disjoint and equally large."""
    return indices.reshape(workers, -1)[rank]
