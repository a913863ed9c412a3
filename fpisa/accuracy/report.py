"""A sweep as an HTML page and as a table in the terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from fpisa.accuracy import page, plots
from fpisa.accuracy.findings import clear_is_correct, paper_facts, worse_than_ieee
from fpisa.accuracy.methods import METHODS

COLUMNS = {
    "correct_share": "correctly rounded",
    "mean_ulp": "mean ulp",
    "ulp_p50": "median ulp",
    "ulp_p99": "99 % ulp",
    "max_ulp": "max ulp",
    "bias_ulp": "bias ulp",
    "mean_relative": "mean relative",
    "relative_p99": "99 % relative",
    "max_relative": "max relative",
    "inexact_share": "inexact",
    "overflow_share": "overflow",
    "overwritten_of_additions": "overwritten/add",
    "left_overflow_of_additions": "left overflow/add",
}
SHORT = ("correct_share", "ulp_p50", "mean_ulp", "mean_relative", "bias_ulp", "overwritten_of_additions")

READING = (
    "Errors are against the exact sum of the float32 contributions, in units of the last place (ulp) of the result's "
    "own format at the exact sum. Where contributions cancel, the exact sum is small and one lost bit counts many "
    "ulp: means are ruled by such elements, medians are not. fp16 methods work on contributions times a power of "
    "two common to all workers (loss scaling); their errors include rounding the contributions to the format."
)


def terminal_table(rows: list[dict[str, Any]]) -> Table:
    """The short table, one line a cell."""
    table = Table(title="Error of sums against the exact sum", title_justify="left")
    for name in ("input", "workers", "method", *(COLUMNS[field] for field in SHORT)):
        table.add_column(name, justify="left" if name in ("input", "method") else "right")
    for row in rows:
        figures = [page.number(row.get(field)) for field in SHORT]
        table.add_row(row["input"], str(row["workers"]), row["method"], *figures)
    return table


def html_sections(results: dict[str, Any]) -> list[str]:
    """The page's sections in order."""
    rows = results["rows"]
    inputs = list(dict.fromkeys(row["input"] for row in rows))
    methods = page.bullets([f"{name}: {METHODS[name].label}" for name in results["plan"]["methods"]])
    worse = worse_than_ieee(rows)
    return [
        page.section("How to read this", page.paragraph(READING), methods),
        page.section(
            "Where FPISA is worse than IEEE",
            page.bullets(worse) if worse else page.paragraph("Nowhere in this run."),
        ),
        page.section(
            "The paper's observations",
            page.table(["observation", "paper", "input", "here"], paper_facts(rows, results["ratios"])),
            page.figure(plots.ratio_distribution(results["ratios"]), "How far apart contributions lie."),
        ),
        page.section(
            "Wide registers: clear flags mean the correctly rounded sum",
            page.table(["method", "input", "workers", "clear", "of those correct"], clear_is_correct(rows)),
        ),
        *(input_section(name, results) for name in inputs),
        page.section(
            "Operations by table",
            page.figure(plots.table_accuracy(results["tables"]), "Accuracy bought with table entries, fp32."),
        ),
    ]


def input_section(name: str, results: dict[str, Any]) -> str:
    """Plots and all figures of one input."""
    rows = [row for row in results["rows"] if row["input"] == name]
    parts = []
    if name in results["cdf"]:
        parts.append(page.figure(plots.error_cdf(results["cdf"][name]), f"Distribution of errors, {name}."))
        spread = plots.error_against_spread(results["by_spread"][name])
        parts.append(page.figure(spread, f"Error against exponent spread, {name}."))
    for field, label in (("ulp_p50", "median |error| in ulp"), ("mean_relative", "mean relative error")):
        plot = plots.error_against_workers(rows, field, label)
        parts.append(page.figure(plot, f"{label} against workers, {name}."))
    header = ["method", "workers", *COLUMNS.values()]
    figures = [[row["method"], row["workers"], *(row.get(field) for field in COLUMNS)] for row in rows]
    return page.section(f"Input: {name}", *parts, page.table(header, figures))
