"""The convergence study's page: curves, and final differences with their confidence intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpisa.accuracy import page
from fpisa.accuracy.plots import axes, style, with_legend

READING = (
    "Every reducer starts from the same weights and sees the same batches; only the sum of the workers' gradients "
    "differs. Differences are of final test accuracy, paired by seed, against IEEE fp32 sums, in percentage points, "
    "with the 95 % interval of Student's t. An interval that holds 0 shows no difference. fp16 reducers send "
    "gradients times a power of two (loss scaling)."
)


def sections(results: dict[str, Any]) -> list[str]:
    """The page's sections in order."""
    header = ["network", "reducer", "seeds", "accuracy", "loss", "difference", "95 % +-"]
    fields = ("study", "reducer", "seeds", "accuracy", "loss", "difference_points", "confidence_points")
    rows = [[row[field] for field in fields] for row in results["differences"]]
    parts = [page.section("Final differences", page.paragraph(READING), page.table(header, rows))]
    for name in results["models"]:
        curves = [curve for curve in results["curves"] if curve["study"] == name]
        plots = [
            page.figure(mean_curves(curves, field, label), f"{label} of {name}, mean of the seeds.")
            for field, label in (("accuracy", "test accuracy"), ("loss", "training loss"))
        ]
        parts.append(page.section(f"Network: {name}", *plots))
    return parts


def mean_curves(curves: list[dict[str, Any]], field: str, label: str) -> Any:
    """One line for each reducer: the mean over seeds, with the range of seeds shaded."""
    plot, axis = axes("step", label)
    for reducer in dict.fromkeys(curve["reducer"] for curve in curves):
        chosen = [curve for curve in curves if curve["reducer"] == reducer]
        values = np.array([curve[field] for curve in chosen])
        looks = style(reducer)
        axis.plot(chosen[0]["steps"], values.mean(axis=0), **looks)
        axis.fill_between(
            chosen[0]["steps"], values.min(axis=0), values.max(axis=0), color=looks["color"], alpha=0.1
        )
    if field == "loss":
        axis.set_yscale("log")
    return with_legend(plot, axis)
