"""How far a sum is from the exact one."""

from __future__ import annotations

import numpy as np


def largest_error(contributions: np.ndarray, result: np.ndarray) -> float:
    """Largest |result - exact| / sum of |contributions| over the elements.

    contributions: float32 (workers, elements); result: float32 (elements,). Dividing by the sum of magnitudes
    keeps the measure finite where contributions cancel; half an ulp of fp32 is about 6e-8 in it. An element
    whose exact sum is not finite, or whose contributions are all zero, counts as 0 if the result is what fp32
    addition gives and as infinite otherwise.
    """
    wide = contributions.astype(np.longdouble)
    with np.errstate(all="ignore"):
        exact, scale = wide.sum(axis=0), np.abs(wide).sum(axis=0)
        error = np.abs(result.astype(np.longdouble) - exact) / scale
        special = ~np.isfinite(exact) | (scale == 0)
        expected = exact.astype(np.float32)
    same = (result == expected) | (np.isnan(result) & np.isnan(expected))
    error[special] = np.where(same[special], 0.0, np.inf)
    error[~special & ~np.isfinite(result)] = np.inf
    return float(error.max(initial=0.0))


def largest_deviation(contributions: np.ndarray, result: np.ndarray) -> float:
    """Largest |result - exact| over the elements, as a share of the largest |exact| among them.

    Shapes as largest_error's. Elements whose exact sum is not finite are left out; 0 where no sum is finite."""
    exact = contributions.astype(np.longdouble).sum(axis=0)
    finite = np.isfinite(exact)
    if not finite.any() or not (largest := np.abs(exact[finite]).max()):
        return 0.0
    return float(np.abs(result[finite].astype(np.longdouble) - exact[finite]).max() / largest)
