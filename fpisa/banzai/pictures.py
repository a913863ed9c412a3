"""Pictures of pipelines as SVG text: stages are columns, what they use is coloured."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

COLOURS = {
    "stateless units": "#4c78a8", "stateful units": "#e45756", "instruction words": "#f2b701", "gateways": "#72b7b2",
    "SRAM blocks": "#9d755d", "TCAM blocks": "#b279a2", "crossbar bytes": "#7f7f7f",
}  # fmt: skip


def pipeline_picture(title: str, usage: Sequence[Mapping[str, int]], limits: Mapping[str, int]) -> str:
    """One row for each resource and one column for each stage; a bar as high as the share in use."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    rows = [name for name in COLOURS if name in limits]
    figure, axes = pyplot.subplots(len(rows), 1, sharex=True, figsize=(9, 0.9 * len(rows) + 0.8))
    for axis, name in zip(axes, rows):
        shares = [100 * stage.get(name, 0) / limits[name] for stage in usage]
        axis.bar(range(len(usage)), [100] * len(usage), color="#eeeeee", width=0.86)
        axis.bar(range(len(usage)), shares, color=COLOURS[name], width=0.86)
        for number, stage in enumerate(usage):
            if stage.get(name, 0):
                axis.text(number, 8, str(stage[name]), ha="center", fontsize=7)
        axis.set_ylim(0, 108)
        axis.set_yticks([])
        axis.set_ylabel(f"{name}\nof {limits[name]}", rotation=0, ha="right", va="center", fontsize=8)
        for side in ("top", "right", "left"):
            axis.spines[side].set_visible(False)
    axes[-1].set_xlabel("stage")
    axes[-1].set_xticks(range(len(usage)))
    axes[-1].tick_params(labelsize=7)
    figure.suptitle(title, fontsize=10)
    return as_svg(figure)


def bars_picture(title: str, values: Mapping[str, float], unit: str) -> str:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 0.42 * len(values) + 1))
    axis.barh(list(values), list(values.values()), color="#4c78a8")
    axis.invert_yaxis()
    axis.set_xlabel(unit)
    for number, value in enumerate(values.values()):
        axis.text(value, number, f" {value:,.0f}", va="center", fontsize=8)
    axis.set_title(title, fontsize=10)
    return as_svg(figure)


def as_svg(figure: object) -> str:
    from matplotlib import pyplot

    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight")  # type: ignore[attr-defined]
    pyplot.close(figure)  # type: ignore[arg-type]
    return text.getvalue()[text.getvalue().index("<svg") :]
