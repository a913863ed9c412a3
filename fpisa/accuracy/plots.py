"""The accuracy page's plots, from the rows and curves of a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure  # drawn without pyplot: no display, no global state

from fpisa.accuracy.methods import METHODS

SMALLEST_ERROR = 1e-12


def axes(xlabel: str, ylabel: str) -> tuple[Any, Any]:
    plot = Figure(figsize=(8, 4.5))
    axis = plot.subplots()
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.grid(alpha=0.3)
    return plot, axis


def with_legend(plot: Any, axis: Any) -> Any:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return plot


def style(method: str) -> dict[str, Any]:
    """FPISA solid, everything else dashed; one colour for each method on every plot."""
    colours = colormaps["tab20"].colors  # type: ignore[attr-defined]
    names = list(METHODS)
    index = names.index(method) if method in names else 0
    line = "-" if method.startswith("fpisa") else "--"
    return {"color": colours[index % len(colours)], "linestyle": line, "label": method, "linewidth": 1.4}


def error_cdf(curves: dict[str, Any]) -> Any:
    """Share of elements whose relative error is at most x."""
    plot, axis = axes("relative error", "share of elements at or below")
    for method, curve in curves.items():
        axis.plot([max(x, SMALLEST_ERROR) for x in curve["relative"]], curve["share"], **style(method))
    axis.set_xscale("log")
    return with_legend(plot, axis)


def error_against_workers(rows: Iterable[dict[str, Any]], field: str, label: str) -> Any:
    """One line for each method over the number of workers."""
    plot, axis = axes("workers", label)
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if row.get(field):
            lines.setdefault(row["method"], []).append((row["workers"], row[field]))
    for method, points in lines.items():
        axis.plot(*zip(*sorted(points)), marker="o", markersize=3, **style(method))
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    return with_legend(plot, axis)


def error_against_spread(curves: dict[str, Any]) -> Any:
    """Mean error in ulp of the elements whose contributions span so many binary exponents."""
    plot, axis = axes("binary exponents between largest and smallest contribution", "mean |error| in ulp")
    for method, curve in curves.items():
        axis.plot(curve["spread"], [max(y, 1e-3) for y in curve["mean_ulp"]], **style(method))
    axis.set_yscale("log")
    return with_legend(plot, axis)


def ratio_distribution(ratios: dict[str, Any]) -> Any:
    """Share of elements by the ratio of their largest to their smallest contribution."""
    plot, axis = axes("log2 of max/min |contribution| over the workers", "share of elements")
    for name, histogram in ratios.items():
        axis.step(histogram["power"], histogram["share"], where="post", label=name)
    axis.axvline(7, color="grey", linestyle=":", label="headroom of fp32: 2^7")
    return with_legend(plot, axis)


def table_accuracy(rows: list[dict[str, Any]]) -> Any:
    """Worst relative error of table look-ups against the tables' size."""
    plot, axis = axes("entries of all tables", "worst relative error")
    for operation, kind in dict.fromkeys((row["operation"], row["kind"]) for row in rows):
        chosen = [row for row in rows if (row["operation"], row["kind"]) == (operation, kind)]
        axis.plot(
            [row["entries"] for row in chosen],
            [row["max_relative"] for row in chosen],
            marker="o", markersize=3, label=f"{operation}, {kind}",
        )  # fmt: skip
    axis.axhline(2.0**-24, color="grey", linestyle=":", label="half an ulp of fp32")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log", base=2)
    return with_legend(plot, axis)
