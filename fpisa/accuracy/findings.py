"""What a sweep says, in sentences: the paper's facts beside ours, and where FPISA is worse than IEEE."""

from __future__ import annotations

from typing import Any

REASONS = {
    "fpisa": "each alignment drops bits toward minus infinity, so errors add up in one direction; without guard "
    "bits one unit of the accumulator's last place each",
    "fpisa-g3": "the same truncation, an eighth as large; for two workers IEEE already gives the correctly rounded "
    "sum, which nothing beats",
    "fpisa-a": "a stored value more than the headroom below a new one is overwritten, and a left shift that leaves "
    "the headroom clamps",
    "fpisa-fp16": "truncation without guard bits, in a format with 11 bits to lose them from",
    "fpisa-fp16-r16": "truncation without guard bits, and a headroom of 4 bits that many workers outgrow",
    "fpisa-a-fp16": "overwriting and truncation without guard bits",
    "fpisa-bf16": "truncation without guard bits, in a format with 8 bits to lose them from",
    "fpisa-bf16-r16": "truncation without guard bits, and a headroom of 7 bits",
    "fpisa-wide": "a contribution too far below the largest still leaves 64 bits; that the result is inexact is told",
}


def rival(method: str) -> str:
    """The IEEE sum a method is held against: the same format, one after the other."""
    return "ieee-fp16" if "fp16" in method else "ieee-bf16" if "bf16" in method else "ieee"


def worse_than_ieee(rows: list[dict[str, Any]]) -> list[str]:
    """A sentence for each FPISA method and input where its mean relative error is the larger one."""
    index = {(row["input"], row["workers"], row["method"]): row for row in rows}
    losses: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for (name, workers, method), row in index.items():
        other = index.get((name, workers, rival(method)))
        if not method.startswith("fpisa") or other is None:
            continue
        ours, theirs = row["mean_relative"], other["mean_relative"]
        if ours is not None and theirs is not None and ours > theirs * 1.0001:
            losses.setdefault((method, name), []).append((workers, ours / theirs if theirs else float("inf")))
    sentences = []
    for (method, name), found in losses.items():
        counts = ", ".join(str(workers) for workers, _ in found)
        worst = max(ratio for _, ratio in found)
        times = (
            "where IEEE has none" if worst == float("inf") else f"up to {worst:.3g} times {rival(method)}'s"
        )
        reason = REASONS.get(method, "truncation")
        sentences.append(f"{method} on {name}, {counts} workers: mean relative error {times}; {reason}.")
    return sentences


def paper_facts(rows: list[dict[str, Any]], ratios: dict[str, Any]) -> list[list[Any]]:
    """[statement, the paper's figure, input, ours] at 8 workers, as near as the sweep has it."""
    table: list[list[Any]] = []
    for name, histogram in ratios.items():
        table.append(["elements with max/min below 2^7", "most", name, histogram["below_2^7"]])
    chosen = [row for row in rows if row["method"] == "fpisa-a" and row["input"] in ratios]
    for row in chosen:
        if row["workers"] != ratios[row["input"]]["workers"]:
            continue
        name = row["input"]
        table.append(["errors of fpisa-a up to 1e-8 (absolute)", "most", name, row["absolute_below_1e-8"]])
        table.append(["additions that overwrite", "under 0.009", name, row["overwritten_of_additions"]])
        table.append(
            ["additions whose left shift overflows", "under 0.001", name, row["left_overflow_of_additions"]]
        )
    return table


def clear_is_correct(rows: list[dict[str, Any]]) -> list[list[Any]]:
    """[method, input, workers, share with clear flags, share of those correctly rounded] of the wide build."""
    return [
        [row["method"], row["input"], row["workers"], row["clear_share"], row["correct_where_clear"]]
        for row in rows
        if row["method"] == "fpisa-wide"
    ]
