"""Inputs that differ from worker to worker, their exact sums, and how far a float's sum may be off."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emulator.native.engine import QUANTISED
from workers.compare.plan import Aggregator

Values = NDArray[Any]
# Floats have magnitudes of [2^-2, 2^2): exponents near enough that the approximate shape neither overwrites nor, with up
# to 8 workers, clamps (8 * 2^2 / 2^(-2-23) = 2^30 < 2^31), so that one bound holds for both shapes.
LOW, HIGH = -2.0, 2.0


def contribution(rank: int, count: int, seed: int, dtype: str) -> Values:
    """`count` values of `rank`: int32 over the whole range, or float32 of both signs."""
    rng = np.random.default_rng((seed, rank))
    if dtype == "int32":
        return rng.integers(-(2**31), 2**31, count, dtype=np.int32)
    magnitudes = np.exp2(rng.random(count, np.float32) * np.float32(HIGH - LOW) + np.float32(LOW))
    magnitudes = np.minimum(magnitudes, np.nextafter(np.float32(2**HIGH), np.float32(0)))
    return np.where(rng.integers(0, 2, count, dtype=np.uint8) == 1, magnitudes, -magnitudes)


def judge(aggregator: Aggregator, workers: int, count: int, seed: int) -> tuple[Values, Values | None]:
    """(sum, bound): int32 with wrap-around, bound None: exact; float64 sum, float64 bound an element, both sides.

    FPISA in 32-bit registers without guard bits (docs/NUMBERS.md): an addition loses less than one unit of the
    accumulator's last place, 2^-23 of the largest contribution at most; one rounding at the end.
    SwitchML: half a step a worker with steps of 2^e * workers / (2^31 - 1), 2^e at most the 4 of our inputs; rounding of
    x * scale to float32; two roundings on the way back.
    """
    if aggregator.dtype == "int32":
        total = contribution(0, count, seed, "int32")
        with np.errstate(over="ignore"):
            for rank in range(1, workers):
                total += contribution(rank, count, seed, "int32")
        return total, None
    total, largest, magnitude = (np.zeros(count) for _ in range(3))
    for rank in range(workers):
        values = contribution(rank, count, seed, "float32").astype(np.float64)
        total += values
        np.abs(values, out=values)
        np.maximum(largest, values, out=largest)
        magnitude += values
    if aggregator.representation == QUANTISED:
        step = 2**HIGH * workers / (2**31 - 1)
        return total, workers * step / 2 + magnitude * 2.0**-24 + np.abs(total) * 2.0**-22
    return total, (workers - 1) * 2.0**-23 * largest + np.abs(total) * 2.0**-24


def wrong(values: Values, total: Values, bound: Values | None) -> tuple[int, float]:
    """(values beyond the bound, largest absolute error); NaN is beyond any bound."""
    if bound is None:
        different = values != total
        return int(np.count_nonzero(different)), 0.0 if not different.any() else float("inf")
    error = np.abs(values.astype(np.float64) - total)
    return int(np.count_nonzero(~(error <= bound))), float(error.max(initial=0.0))
