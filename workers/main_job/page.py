"""The main job's result page."""

from __future__ import annotations

from workers.main_job.plan import METHODS, Plan
from workers.main_job.result import Result
from workers.main_job.table import HEADER, payload_limit, row
from workers.report import page, plots


def render(plan: Plan, results: list[Result], alone: float, notes: list[str]) -> str:
    """HTML of a run. alone: accuracy of single-process training, 0..1; notes: sentences on how it was run."""
    comparison = page.section(
        "Comparison",
        page.table(HEADER, [row(result) for result in results]),
        page.paragraph(
            f"Single-process training reaches {alone:.2%}. Goodput counts the bits of one worker's tensor of "
            f"{plan.bench_bytes / 1e6:g} MB over the time of one all-reduce. CPU is a worker's, per gigabyte "
            "of its tensor. Largest error: |result - exact sum| / sum of magnitudes of an element.",
            "note",
        ),
    )
    sums = page.section(
        "How good the sums are",
        page.table(
            ("aggregator", "largest error", "largest deviation", "as the number format says"),
            [
                (
                    r.aggregator,
                    f"{r.largest_error:.1e}",
                    f"{r.largest_deviation:.1e}",
                    "" if r.chunks_explained is None else f"{r.chunks_explained:.2%} of chunks",
                )
                for r in results
            ],
        ),
        page.paragraph(
            "Deviation: |result - exact sum| / largest sum of the tensor, which is kinder to block-quantised "
            "integers. The last column compares gradients kept during training with the number format's model "
            "in every order of arrival, on every bit.",
            "note",
        ),
    )
    methods = page.section(
        "Aggregators",
        page.table(("aggregator", "P4 program", "what it is"), [
            (r.aggregator, METHODS[r.aggregator].program, METHODS[r.aggregator].says) for r in results
        ]),
    )  # fmt: skip
    how = page.section("How", *(page.paragraph(note) for note in notes))
    sections = [comparison, figures(plan, results), *links(plan, results), sums, methods, how]
    return page.page("FPISA: who adds the gradients?", sections)


def links(plan: Plan, results: list[Result]) -> list[str]:
    """Bytes over each link while the all-reduce was measured, by byte of one worker's tensor; [] where nobody counted."""
    counted = [result for result in results if result.link_bytes]
    if not counted:
        return []
    total = plan.bench_bytes * plan.bench_repeats
    rows = [
        (result.aggregator, name, f"{up / total:.2f}", f"{down / total:.2f}")
        for result in counted
        for name, (up, down) in result.link_bytes.items()
    ]
    note = "Frames with their Ethernet headers; a train of packets counts its headers once. Up is away from the workers."
    return [
        page.section(
            "Bytes over each link, by byte of one worker's tensor",
            page.table(("aggregator", "link", "up", "down"), rows),
            page.paragraph(note, "note"),
        )
    ]


def figures(plan: Plan, results: list[Result]) -> str:
    limit = payload_limit(plan)
    line = None if limit is None else ("what the link carries", limit)
    goodput = {r.aggregator: r.goodput_gbit_per_second for r in results}
    drawn = [
        plots.bars(goodput, "All-reduce goodput", "Gbit/s", line),
        plots.bars({r.aggregator: r.samples_per_second for r in results}, "Training speed", "samples/s"),
        plots.bars({r.aggregator: r.cpu_seconds_per_gb for r in results}, "CPU of a worker", "s/GB"),
        plots.lines(
            {r.aggregator: [100 * a for a in r.curves["accuracy"]] for r in results},
            "Test accuracy", "epoch", "%",
        ),
        plots.lines({r.aggregator: r.curves["loss"] for r in results}, "Training loss", "step", "", 0),
        plots.lines(
            {r.aggregator: [1e3 * t for t in r.curves["allreduce_seconds"]] for r in results},
            "Time to sum one step's gradients", "step", "ms", 0,
        ),
    ]  # fmt: skip
    return page.section("Plots", page.gallery(drawn))
