"""The HTML page around tables and plots."""

from __future__ import annotations

import html
from collections.abc import Sequence

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 72rem; margin: 2rem auto }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left }
.plots { display: flex; flex-wrap: wrap; gap: 1rem } .plots svg { max-width: 34rem; height: auto }
.note { color: #555 }
"""


def page(title: str, sections: Sequence[str]) -> str:
    """A whole document; `sections` are HTML already, `title` is text."""
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{html.escape(kind)}">{html.escape(text)}</p>'


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are text."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def gallery(plots: Sequence[str]) -> str:
    return '<div class="plots">' + "\n".join(plots) + "</div>"


def section(heading: str, *parts: str) -> str:
    return f"<h2>{html.escape(heading)}</h2>\n" + "\n".join(parts)
