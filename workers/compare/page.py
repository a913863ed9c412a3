"""The comparison's page."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from workers.compare.course import Outcome
from workers.compare.plan import AGGREGATORS, Plan, Sweep
from workers.compare.row import Row
from workers.compare.tables import HEADER, MODEL_HEADER, model_groups, model_rows, sweep_rows
from workers.report import page, plots


def render(plan: Plan, outcome: Outcome, notes: Sequence[str]) -> str:
    """HTML; notes: sentences on where and how this ran."""
    parts = [swept(sweep, points) for sweep, points in outcome.sweeps]
    if outcome.speedups:
        parts.append(models(plan, outcome))
    parts.append(page.section("How", *(page.paragraph(note) for note in [*notes, *outcome.notes, *COLUMNS])))
    parts.append(
        page.section(
            "Aggregators",
            page.table(
                ("name", "P4 program", "what it is"),
                [(name, AGGREGATORS[name].source, AGGREGATORS[name].says) for name in AGGREGATORS],
            ),
        )
    )
    return page.page("FPISA and SwitchML over shared memory", parts)


COLUMNS = (
    "Aggregators take turns at every point; times are medians of each all-reduce's slowest worker, means under a CPU "
    "quota. Goodput: bits of one worker's tensor by that time. Packets, packets sent again and bytes on the "
    "wire (both ways, headers included) are of "
    "one all-reduce over all workers.",
    "CPU: seconds of a worker for 10^9 bytes of its tensor; convert (exponent scan, quantising, byte order), copy (values as "
    "they are), syscall (waking the peer) and other (window, timers, offering the core to others) are its parts; wait is wall "
    "time less CPU. Switch: seconds of its packet loop for 10^9 bytes of one worker's tensor.",
    "Sums: workers hold different data; integers must be exact, floats within a bound on both sides, and all workers must "
    "hold the same bits. Loss is drawn for each packet at the switch's ports, both ways, and each receiver of a multicast "
    "by itself.",
)


def swept(sweep: Sweep, points: Sequence[Sequence[Row]]) -> str:
    series = by_aggregator(points)
    drawn = [
        curves(sweep, {n: [r.goodput for r in rows] for n, rows in series.items()}, "Goodput", "Gbit/s"),
        curves(sweep, {n: [r.cpu for r in rows] for n, rows in series.items()}, "CPU of a worker", "s/GB"),
    ]
    if sweep.label == "tensor":
        times = {n: [r.typical * 1e3 for r in rows] for n, rows in series.items()}
        drawn.append(curves(sweep, times, "Time of an all-reduce", "ms", logarithmic=True))
    return page.section(
        sweep.name,
        page.gallery(drawn),
        page.table((sweep.label, *HEADER), sweep_rows(sweep, points)),
    )


def by_aggregator(points: Sequence[Sequence[Row]]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for rows in points:
        for row in rows:
            found.setdefault(row.aggregator, []).append(row)
    return found


def curves(sweep: Sweep, series: dict[str, list[float]], title: str, unit: str, logarithmic: bool = False) -> str:
    """One line an aggregator over the sweep's points, evenly spaced."""
    figure = Figure(figsize=plots.SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    for (name, values), colour in zip(series.items(), plots.COLOURS, strict=False):
        axes.plot(sweep.points, values, marker="o", markersize=4, label=name, color=colour, linewidth=1.5)
    axes.set(title=title, xlabel=sweep.label, ylabel=unit)
    if logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    return plots.finished(figure)


def models(plan: Plan, outcome: Outcome) -> str:
    parts = [
        page.paragraph(
            f"Each worker sleeps for the model's computing time, then sums its gradient; both divided by {plan.model_scale}. "
            "Computing time: communication at the stated link rate * (1 - share) / share, with the shares of the FPISA "
            "authors' talk. Gradient sizes: SwitchML, NSDI 2021, in MB of 2^20 bytes. Gain: iterations a second of fpisa "
            "over switchml."
        )
    ]
    for heading, group in model_groups(outcome.speedups):
        parts.append(page.paragraph(heading[0].upper() + heading[1:] + ":"))
        parts.append(page.table(MODEL_HEADER, model_rows(group)))
        gains = {s.model: 100 * s.gain for s in group}
        parts.append(page.gallery([plots.bars(gains, heading, "% more iterations a second")]))
    parts += [page.paragraph(sentence) for sentence in outcome.why]
    return page.section("Eight models", *parts)
