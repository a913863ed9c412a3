"""The pictures of `fpisa query --plot`: time against the rate of the links, for our way and the opponents'; the pruning that
the switch needs to be faster than each; where the time goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

RATES = np.logspace(6, 11, 60)
"""Bits a second."""
Ways = Mapping[str, Mapping[str, Any]]


class PictureError(Exception):
    """The picture cannot be written; the text says why."""


def seconds(way: Mapping[str, Any]) -> np.ndarray:
    """(60,) seconds at RATES: work, then the busier of a worker's and the master's link."""
    return way["work_seconds"] + 8 * max(way["worker_bytes"], way["master_bytes"]) / RATES


def needed(ways: Ways, opponent: str) -> np.ndarray:
    """(60,) the least share of the unpruned bytes that the switch must keep from the master's link to be faster than an
    opponent at RATES; above 1 where no pruning suffices.

    Our work and the workers' links stay as they were; only what reaches the master changes."""
    own, whole = ways["switch"], ways["unpruned"]["master_bytes"]
    spare = seconds(ways[opponent]) - own["work_seconds"]
    room = spare * RATES / 8  # bytes that may pass the busiest link
    share = 1 - room / max(whole, 1)
    return np.where(room < own["worker_bytes"], np.inf, np.maximum(share, 0.0))


def kept(ways: Ways) -> float:
    """The share of the unpruned bytes that the switch did keep from the master's link."""
    return 1 - ways["switch"]["master_bytes"] / max(ways["unpruned"]["master_bytes"], 1)


def _times(axes: Any, ways: Ways) -> None:
    for name, way in ways.items():
        axes.loglog(RATES / 1e9, seconds(way), label=name, linewidth=2.5 if name == "switch" else 1.2)
    axes.set(xlabel="rate of every link, Gbit/s", ylabel="seconds")
    axes.grid(alpha=0.3)
    axes.legend()


def _map(axes: Any, ways: Ways) -> None:
    for name in ways:
        if name == "switch":
            continue
        share = needed(ways, name)
        wins = share <= 1
        here = wins & (share <= kept(ways))
        rate = f"here below {RATES[here].max() / 1e9:.2g} Gbit/s" if here.any() else "not here"
        said = rate if wins.any() else "at no rate, whatever is pruned"
        (line,) = axes.semilogx(RATES / 1e9, np.where(wins, share, np.nan), label=f"{name}: {said}")
        axes.fill_between(RATES / 1e9, np.where(wins, share, 1), 1, color=line.get_color(), alpha=0.12)
    axes.axhline(kept(ways), color="black", linestyle=":", label=f"this query keeps {kept(ways):.1%}")
    axes.set(xlabel="rate of every link, Gbit/s", ylabel="share of bytes kept from the master", ylim=(0, 1.02),
             title="the switch is faster in the shaded areas")  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _phases(axes: Any, phases: Mapping[str, float]) -> None:
    left = 0.0
    for name, spent in phases.items():
        axes.barh([0], [spent], left=left, label=f"{name}: {spent:.3f} s")
        left += max(spent, 0.0)
    axes.set(yticks=[], xlabel="seconds", title="where the time goes")
    axes.legend(fontsize="small")


def plot(title: str, ways: Ways, output: Path, phases: Mapping[str, float] | None = None) -> None:
    """Writes a picture in the format of the file's suffix. Raises PictureError for one nobody can write."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    count = 3 if phases else 2
    figure, panels = pyplot.subplots(1, count, figsize=(5.5 * count, 4), layout="constrained")
    figure.suptitle(title)
    _times(panels[0], ways)
    _map(panels[1], ways)
    if phases:
        _phases(panels[2], phases)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(output, dpi=120)
    except ValueError as error:
        raise PictureError(f"cannot write {output}: {str(error).splitlines()[0]}") from None
    finally:
        pyplot.close(figure)
