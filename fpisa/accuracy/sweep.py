"""Methods x inputs x workers -> rows of figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpisa.accuracy.error import Errors, errors, summarise
from fpisa.accuracy.inputs import GRADIENTS, designed
from fpisa.accuracy.methods import METHODS, Method
from fpisa.accuracy.spread import exponent_spread, ratio_histogram, share_below
from fpisa.batch import Array
from fpisa.formats import FP32
from fpisa.reference import exact_sums

GENERATORS: dict[str, Callable[[np.random.Generator, int, int], Array]] = {"designed": designed, **GRADIENTS}
CDF_POINTS = 200
LEAST_ELEMENTS = 256


@dataclass(frozen=True)
class Plan:
    """What to measure: inputs by name (generated, or recorded arrays), worker counts, methods, and how many
    values a cell sums (workers * elements)."""

    inputs: tuple[str, ...]
    workers: tuple[int, ...]
    methods: tuple[str, ...]
    values: int
    seed: int
    recorded: dict[str, Array]

    def cells(self) -> list[tuple[str, int]]:
        """(input, workers); a recording has its own workers and every smaller count asked for."""
        generated = [(name, count) for name in self.inputs for count in self.workers]
        kept = []
        for name, array in self.recorded.items():
            counts = {count for count in self.workers if count < len(array)} | {len(array)}
            kept += [(name, count) for count in sorted(counts)]
        return generated + kept


def gradients_of(plan: Plan, name: str, workers: int) -> Array:
    """float32 (workers, elements) of a cell; the same for every run with the same seed."""
    elements = max(LEAST_ELEMENTS, plan.values // workers)
    if name in plan.recorded:
        return plan.recorded[name][:workers, :elements]
    source = int.from_bytes(name.encode(), "little") % 2**32
    return GENERATORS[name](np.random.default_rng([plan.seed, source, workers]), workers, elements)


def sweep(plan: Plan, on_step: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """All cells: `rows` of figures, `cdf` and `by_spread` of some cells, `ratios` of every input."""
    rows: list[dict[str, Any]] = []
    curves: dict[str, dict[str, Any]] = {}
    spreads: dict[str, dict[str, Any]] = {}
    ratios: dict[str, dict[str, Any]] = {}
    middle = min(plan.workers, key=lambda count: abs(count - 8))
    for name, workers in plan.cells():
        gradients = gradients_of(plan, name, workers)
        exact = exact_sums(FP32, gradients.view(np.uint32))
        on_step(f"{name}, {workers} workers: exact sum")
        wanted = workers == middle or (name in plan.recorded and workers == len(plan.recorded[name]))
        spread = exponent_spread(gradients)
        if wanted:
            histogram = ratio_histogram(gradients)
            ratios[name] = {**histogram, "workers": workers, "below_2^7": share_below(histogram, 7)}
        for method in methods_of(plan):
            outcome = method.run(gradients)
            found = errors(outcome, exact)
            rows.append(
                {"input": name, "workers": workers, "method": method.name, **summarise(outcome, found)}
            )
            if wanted:
                curves.setdefault(name, {})[method.name] = cdf(found)
                spreads.setdefault(name, {})[method.name] = by_spread(found, spread)
            on_step(f"{name}, {workers} workers: {method.label}")
    return {"rows": rows, "cdf": curves, "by_spread": spreads, "ratios": ratios}


def methods_of(plan: Plan) -> Iterator[Method]:
    return (METHODS[name] for name in plan.methods)


def steps(plan: Plan) -> int:
    """How often `sweep` reports a step."""
    return len(plan.cells()) * (1 + len(plan.methods))


def cdf(found: Errors) -> dict[str, list[float]]:
    """The |relative error| reached by each of `CDF_POINTS` shares of the elements."""
    values = np.sort(found.relative[np.isfinite(found.relative)])
    if not values.size:
        return {"relative": [], "share": []}
    share = np.linspace(0, 1, CDF_POINTS)
    return {"relative": np.quantile(values, share).tolist(), "share": share.tolist()}


def by_spread(found: Errors, spread: Array) -> dict[str, list[float]]:
    """Mean |error| in ulp of the elements of each exponent spread."""
    finite = np.isfinite(found.ulp)
    powers = np.unique(np.minimum(spread[finite], 40))
    means = [float(np.abs(found.ulp[finite][np.minimum(spread[finite], 40) == p]).mean()) for p in powers]
    return {"spread": powers.astype(float).tolist(), "mean_ulp": means}
