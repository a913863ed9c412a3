"""Time against the rate of the links, for our way and the opponents': a picture of `fpisa query --plot`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

RATES = np.logspace(6, 11, 60)
"""Bits a second."""


class PictureError(Exception):
    """The picture cannot be written; the text says why."""


def seconds(way: Mapping[str, Any]) -> np.ndarray:
    """(60,) seconds at RATES: work, then the busier of a worker's and the master's link."""
    return way["work_seconds"] + 8 * max(way["worker_bytes"], way["master_bytes"]) / RATES


def plot(title: str, ways: Mapping[str, Mapping[str, Any]], output: Path) -> None:
    """Writes a picture in the format of the file's suffix. Raises PictureError for one nobody can write."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name, way in ways.items():
        axes.loglog(RATES / 1e9, seconds(way), label=name, linewidth=2.5 if name == "switch" else 1.2)
    axes.set(title=title, xlabel="rate of every link, Gbit/s", ylabel="seconds")
    axes.grid(alpha=0.3)
    axes.legend()
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(output, dpi=120)
    except ValueError as error:
        raise PictureError(f"cannot write {output}: {str(error).splitlines()[0]}") from None
    finally:
        pyplot.close(figure)
