"""How far apart the workers' contributions to one element lie: what decides how much FPISA loses."""

from __future__ import annotations

import numpy as np

from fpisa.batch import Array

RATIO_POWERS = 24


def exponent_spread(gradients: Array) -> Array:
    """Per element, how many binary exponents lie between its largest and smallest nonzero one (int)."""
    magnitude = np.abs(gradients)
    smallest = np.where(magnitude == 0, np.inf, magnitude).min(axis=0)
    largest = magnitude.max(axis=0)
    some = np.isfinite(smallest)
    high, low = np.frexp(largest)[1], np.frexp(np.where(some, smallest, 1.0))[1]
    return np.where(some, high - low, 0)


def ratio_histogram(gradients: Array) -> dict[str, list[float]]:
    """Shares of elements by log2 of max/min |contribution| over the workers that sent one.

    `power` k holds ratios from 2^k up to 2^(k+1), the last all beyond; elements with fewer than two nonzero
    contributions are left out. Yuan et al. (NSDI 2022) plot the same of recorded gradients.
    """
    magnitude = np.abs(gradients).astype(np.float64)
    several = np.count_nonzero(magnitude, axis=0) >= 2
    magnitude = magnitude[:, several]
    if not magnitude.size:
        return {"power": [], "share": []}
    ratio = magnitude.max(axis=0) / np.where(magnitude == 0, np.inf, magnitude).min(axis=0)
    power = np.minimum(np.floor(np.log2(ratio)), RATIO_POWERS).astype(int)
    share = np.bincount(power, minlength=RATIO_POWERS + 1) / power.size
    return {"power": list(map(float, range(RATIO_POWERS + 1))), "share": share.tolist()}


def share_below(histogram: dict[str, list[float]], power: int) -> float | None:
    """Share of elements whose ratio is below 2^power."""
    if not histogram["power"]:
        return None
    return float(sum(histogram["share"][:power]))
