"""Cost of a packet against what grows, as a picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def plot(costs: dict[str, dict[int, float]], path: Path, unit: str = "entries", of: str = "table size") -> None:
    """costs: per curve's name, nanoseconds a packet by number of `unit`. The path's ending decides the format."""
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for name, found in costs.items():
        axes.plot(list(found), list(found.values()), marker="o", label=name)
    axes.set(xscale="log", xlabel=unit, ylabel="ns a packet", ylim=(0, None), title=f"Cost against {of}")
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)
