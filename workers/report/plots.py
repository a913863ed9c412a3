"""Plots as SVG text, in one style."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

COLOURS = ("#0b6e99", "#7fb7be", "#d9822b", "#6b4c9a", "#4f772d", "#a4243b")
SIZE_INCHES = (5.4, 3.2)


def bars(values: Mapping[str, float], title: str, unit: str, limit: tuple[str, float] | None = None) -> str:
    """One bar a name. limit: (words, height) of a dashed line across."""
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    drawn = axes.bar(list(values), list(values.values()), color=COLOURS[: len(values)], width=0.6)
    axes.bar_label(drawn, fmt="%.3g", fontsize=9)
    if limit is not None:
        words, height = limit
        axes.axhline(height, color="#444444", linestyle="--", linewidth=1)
        axes.annotate(words, (0.99, height), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8)
    axes.set(title=title, ylabel=unit)
    axes.margins(y=0.15)
    return finished(figure)


def lines(series: Mapping[str, Sequence[float]], title: str, x: str, y: str, floor: float | None = None) -> str:
    """One line a name over 1, 2, 3, ...; `floor` is the lower end of the y axis."""
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    for (name, values), colour in zip(series.items(), COLOURS * 3, strict=False):
        axes.plot(range(1, len(values) + 1), values, label=name, color=colour, linewidth=1.5)
    axes.set(title=title, xlabel=x, ylabel=y)
    if floor is not None:
        axes.set_ylim(bottom=floor)
    axes.legend(fontsize=8)
    return finished(figure)


def finished(figure: Figure) -> str:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    text = buffer.getvalue()
    return text[text.index("<svg") :]
