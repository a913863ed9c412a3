"""What `fpisa hw` shows: tables on the terminal, and a page with pictures."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from fpisa.banzai.layout import configure
from fpisa.banzai.machine import named
from fpisa.banzai.pictures import bars_picture, pipeline_picture
from fpisa.banzai.usage import limits, of_configuration
from fpisa.formats import FORMATS

TITLES = {
    "alu": "stateless unit", "alu_shift": "stateless unit, operand shift", "raw_atom": "stateful unit (RAW)",
    "rsaw_atom": "stateful unit (RSAW)", "byte_shuffle": "byte shuffler", "fp32_add": "IEEE fp32 adder",
}  # fmt: skip

Rows = list[list[str]]


def unit_rows(story: dict[str, Any]) -> Rows:
    def text(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    return [
        [TITLES[name], f"{one['cells']}", f"{one['area']:,.0f}", text(one["transistors"], ",d"), f"{one['depth']}",
         text(one["delay"], ",.0f")]
        for name, one in story["units"].items()
    ]  # fmt: skip


UNIT_HEAD = ["unit", "cells", "area (NAND2)", "transistors", "gates deep", "delay (tau)"]
RATIO_HEAD = ["ratio of areas", "here", "the paper", "difference"]


def ratio_rows(story: dict[str, Any]) -> Rows:
    r, paper = story["ratios"], story["paper"]
    bound, fpu = 1 + paper["overhead_under"], paper["fpu_over_rsaw_at_least"]
    return [
        ["operand shift over default", f"{r['alu_shift_over_alu']:.2f}", f"under {bound:.2f}",
         against(r["alu_shift_over_alu"], bound)],
        ["RSAW over RAW", f"{r['rsaw_over_raw']:.2f}", f"under {bound:.2f}", against(r["rsaw_over_raw"], bound)],
        ["fp32 adder over RSAW", f"{r['fpu_over_rsaw']:.2f}", f"about {fpu:.0f}",
         f"{fpu / r['fpu_over_rsaw']:.1f} times less than the paper's"],
        ["fp32 adder over what RSAW adds to RAW", f"{r['fpu_over_added_rsaw']:.1f}", "-", ""],
        ["fp32 adder over what the operand shift adds", f"{r['fpu_over_added_shift']:.0f}", "-", ""],
    ]  # fmt: skip


def against(value: float, bound: float) -> str:
    return "holds" if value < bound else f"{100 * (value - bound):.0f} points over"


WHY = (
    "The paper's figures come from a 15-nm standard-cell library; ours from generic cells, mapped for area with no clock to "
    "meet. Three things pull the ratios apart. Without a clock adders may ripple, so a shifter weighs more against them here. "
    "Our RAW unit already carries a comparison, predication, saturation and bit operations. And the floating-point yardstick is "
    "one unpipelined adder: no multiplication, no pipeline registers. The last two rows compare what is added, which depends "
    "less on the tool; --liberty repeats all of it with a real cell library."
)
FIT_HEAD = ["machine", "exact", "FPISA-A", "passes for 64 elements", "bandwidth left", "what stops the next element"]


def fit_rows(story: dict[str, Any]) -> Rows:
    rows = []
    for name, both in story["pipelines"].items():
        best = max(both.values(), key=lambda one: one["elements"])
        passes = best["passes_for_64"]
        rows.append(
            [name, str(both["exact"]["elements"]), str(both["approx"]["elements"]), str(passes or "-"),
             f"{100 / passes:.0f} %" if passes else "-", best["stopped_by"]]
        )  # fmt: skip
    return rows


def share_line(story: dict[str, Any]) -> str:
    s = story["share_of_chip"]
    return (
        f"Of the whole chip the extensions take {100 * s['total']:.2f} % (operand shifts {100 * s['shift']:.2f} %, RSAW "
        f"{100 * s['rsaw']:.2f} %, byte shuffle {100 * s['shuffle']:.3f} %); an fp32 adder beside each stateful unit would take "
        f"{100 * s['floating_point']:.2f} %. The action engine's share of a chip, 7.4 %, is from Bosshart et al. (SIGCOMM 2013)."
    )


def show(story: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, head, rows in (
        (f"Units ({story['library']})", UNIT_HEAD, unit_rows(story)),
        ("Ratios", RATIO_HEAD, ratio_rows(story)),
        ("fp32 elements of a packet in one pass", FIT_HEAD, fit_rows(story)),
    ):
        table = Table(*head, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print(WHY)
    console.print(share_line(story))
    for one in story["verified"]:
        console.print(f"{one['unit']}: {one['vectors']:,} vectors, {one['mismatch'] or 'all equal to the model'}")


def html_table(head: list[str], rows: Rows) -> str:
    cells = "".join(f"<th>{escape(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"


STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #ccc;padding:.25rem .6rem;text-align:left}"
    "th{background:#f3f3f3}svg{max-width:100%;height:auto}"
)


def write_page(story: dict[str, Any], folder: Path) -> Path:
    """index.html in the folder: the tables, why the ratios differ, and a picture of each machine's pipeline."""
    pictures = [bars_picture("Area of each unit", {TITLES[u]: c["area"] for u, c in story["units"].items()}, "NAND2")]
    for name, both in story["pipelines"].items():
        shape = max(both, key=lambda s: both[s]["elements"])
        count = both[shape]["elements"]
        if count:
            built = configure(FORMATS["fp32"], shape, named(name), count, status=False)
            title = f"{name}: {count} x fp32, {'exact' if shape == 'exact' else 'FPISA-A'}"
            pictures.append(pipeline_picture(title, of_configuration(built), limits(named(name))))
    parts = [
        f"<h1>The hardware FPISA asks for</h1><p>Cells: {escape(story['library'])}.</p>",
        "<h2>Units</h2>", html_table(UNIT_HEAD, unit_rows(story)), pictures[0],
        "<h2>Ratios beside the paper's</h2>", html_table(RATIO_HEAD, ratio_rows(story)), f"<p>{escape(WHY)}</p>",
        f"<p>{escape(share_line(story))}</p>",
        "<h2>How many floats of a packet fit</h2>", html_table(FIT_HEAD, fit_rows(story)), *pictures[1:],
    ]  # fmt: skip
    page = folder / "index.html"
    page.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>FPISA hardware</title><style>{STYLE}</style>'
        + "".join(parts) + "</html>",
        encoding="utf-8",
    )  # fmt: skip
    return page
