"""How far a sum is from the exact one: in units of the last place, relative, and in which direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fpisa.accuracy.ieee import to_float32
from fpisa.accuracy.methods import EVENT_BITS, Outcome
from fpisa.batch import Array, highest_bit
from fpisa.flags import INEXACT, OVERFLOW
from fpisa.reference import ExactSums, round_sums, to_float64

QUANTILES = (0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True)
class Errors:
    """Per element: signed error in ulp of the result's format, |relative error| (NaN where only the exact sum
    is 0), |error| itself, and whether the result is the correctly rounded exact sum."""

    ulp: Array
    relative: Array
    absolute: Array
    correct: Array


def errors(outcome: Outcome, exact: ExactSums) -> Errors:
    """Errors of finite results; infinite results have infinite errors. Differences are taken in double: an
    exact sum is known there to 2^-29 of a float32's last place."""
    scaled = exact._replace(exponent=exact.exponent + outcome.power)
    target = to_float64(scaled)
    values = to_float32(outcome.fmt, outcome.words).astype(np.float64)
    difference = values - target
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(difference) / np.abs(target)
        ulp = difference / unit_in_the_last_place(outcome, scaled)
    relative[target == 0] = np.where(difference[target == 0] == 0, 0.0, np.nan)
    expected = round_sums(outcome.fmt, scaled)
    absolute = np.ldexp(np.abs(difference), -outcome.power)
    return Errors(ulp, relative, absolute, expected == outcome.words)


def unit_in_the_last_place(outcome: Outcome, exact: ExactSums) -> Array:
    """Distance of neighbouring numbers of the format where the exact sum lies."""
    fmt = outcome.fmt
    leading = highest_bit(exact.magnitude) + exact.exponent
    lowest = 1 - fmt.bias
    exponent = np.where(exact.magnitude == 0, lowest, np.maximum(leading, lowest))
    return np.ldexp(1.0, (exponent - fmt.fraction_bits).astype(np.int32))


def summarise(outcome: Outcome, found: Errors) -> dict[str, Any]:
    """One row of figures. Shares are of elements, except `*_of_additions`."""
    finite = np.isfinite(found.ulp)
    size, relative = np.abs(found.ulp[finite]), found.relative[np.isfinite(found.relative)]
    row: dict[str, Any] = {
        "elements": int(found.ulp.size),
        "finite_share": _share(finite),
        "correct_share": _share(found.correct),
        "mean_ulp": _mean(size),
        "max_ulp": float(size.max(initial=0.0)),
        "bias_ulp": _mean(found.ulp[finite]),
        "mean_relative": _mean(relative),
        "max_relative": float(relative.max(initial=0.0)),
        "mean_absolute": _mean(found.absolute[finite]),
        "absolute_below_1e-8": _share(found.absolute[finite] <= 1e-8),
    }
    for quantile in QUANTILES:
        row[f"ulp_p{quantile * 100:g}"] = float(np.quantile(size, quantile)) if size.size else None
        row[f"relative_p{quantile * 100:g}"] = (
            float(np.quantile(relative, quantile)) if relative.size else None
        )
    row.update(_event_shares(outcome, found))
    return row


def _event_shares(outcome: Outcome, found: Errors) -> dict[str, float | None]:
    if outcome.events is None or outcome.counts is None:
        return {}
    events = outcome.events
    row: dict[str, float | None] = {f"{n}_share": _share(events & bit != 0) for n, bit in EVENT_BITS.items()}
    for name, count in outcome.counts.items():
        row[f"{name}_of_additions"] = count / max(outcome.additions, 1)
    clear = outcome.events & (INEXACT | OVERFLOW) == 0
    row["clear_share"] = _share(clear)
    row["correct_where_clear"] = _share(found.correct[clear]) if clear.any() else None
    return row


def _share(where: Array) -> float:
    return float(np.count_nonzero(where) / max(where.size, 1))


def _mean(values: Array) -> float | None:
    return float(values.mean()) if values.size else None
