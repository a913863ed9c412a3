"""Rows of text, for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Sequence

from workers.compare.models import PAPER_HEADLINE, Speedup, cpu_words
from workers.compare.plan import Sweep
from workers.compare.row import Row

HEADER = (
    "aggregator", "ms", "Gbit/s", "packets", "sent again", "wire MB",
    "CPU s/GB", "convert", "copy", "syscall", "other", "wait", "switch", "sums",
)  # fmt: skip
MODEL_HEADER = ("model", "tensor MB", "compute ms", "switchml ms", "fpisa ms", "gain", "middle half", "paper")


def sweep_rows(sweep: Sweep, points: Sequence[Sequence[Row]]) -> list[tuple[str, ...]]:
    """One line a measurement, the sweep's value in front."""
    return [(label, *cells(row)) for label, rows in zip(sweep.points, points, strict=True) for row in rows]


def cells(row: Row) -> tuple[str, ...]:
    return (
        row.aggregator,
        f"{row.typical * 1e3:.3g}",
        f"{row.goodput:.3f}",
        f"{row.packets:,.0f}",
        f"{row.retransmissions:,.0f}",
        f"{row.wire_bytes / 1e6:.3g}",
        f"{row.cpu:.3f}",
        *(f"{value:.3f}" for value in (row.convert, row.copy, row.system_call, row.other, row.wait, row.switch_cpu)),
        "right" if row.wrong == 0 else f"{row.wrong:,} wrong",
    )


def model_rows(speedups: Sequence[Speedup]) -> list[tuple[str, ...]]:
    return [
        (
            s.model,
            f"{s.tensor_bytes / 1e6:.2f}",
            f"{s.compute * 1e3:.2f}",
            f"{s.switchml * 1e3:.2f}",
            f"{s.fpisa * 1e3:.2f}",
            f"{s.gain:+.1%}",
            "{:+.0%} to {:+.0%}".format(*s.middle),
            f"+{PAPER_HEADLINE:.1%}" if s.model == "DeepLight" and s.rate_gbit == 10 and s.cpu_share else "",
        )
        for s in speedups
    ]


def model_groups(speedups: Sequence[Speedup]) -> list[tuple[str, list[Speedup]]]:
    """Speed-ups by link rate and CPU, with a heading each."""
    groups: dict[str, list[Speedup]] = {}
    for s in speedups:
        groups.setdefault(f"computing as at {s.rate_gbit} Gbit/s, CPU {cpu_words(s.cpu_share)}", []).append(s)
    return list(groups.items())
