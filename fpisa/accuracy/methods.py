"""The ways of summing that are compared: FPISA's in several registers, IEEE's, and other systems'.

A method takes float32 gradients (workers, elements) and returns an `Outcome`. Narrow formats get the
gradients times a power of two common to all workers, as loss scaling does it, and the result is scaled back
exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpisa import batch
from fpisa.accuracy import ieee
from fpisa.accuracy.racks import tree_sum
from fpisa.batch import Array
from fpisa.flags import INEXACT, LEFT_OVERFLOW, OVERFLOW, OVERWRITTEN
from fpisa.formats import BF16, FP16, FP32, Format


@dataclass(frozen=True)
class Outcome:
    """Result words (elements) of `fmt`, standing for value * 2^power; per-element events ORed over the
    additions, and how many of all additions raised each event. Methods without registers have no events."""

    fmt: Format
    words: Array
    power: int = 0
    events: Array | None = None
    counts: dict[str, int] | None = None
    additions: int = 0


@dataclass(frozen=True)
class Method:
    """A named way to sum; `run` is a function of float32 gradients (workers, elements)."""

    name: str
    label: str
    run: Callable[[Array], Outcome]


EVENT_BITS = {
    "inexact": INEXACT,
    "overflow": OVERFLOW,
    "overwritten": OVERWRITTEN,
    "left_overflow": LEFT_OVERFLOW,
}


def loss_scale(fmt: Format, gradients: Array) -> int:
    """The largest power that keeps the sum of the largest contributions of all workers finite; 0 for fp32."""
    if fmt.exponent_bits >= 8:
        return 0
    with np.errstate(over="ignore"):
        largest = float(np.abs(gradients).sum(axis=0, dtype=np.float64).max(initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return 0
    limit = batch_value(fmt, fmt.max_finite)
    return int(np.floor(np.log2(limit / largest)))


def batch_value(fmt: Format, word: int) -> float:
    from fpisa.codec import to_float

    return to_float(fmt, word)


def as_format(fmt: Format, gradients: Array) -> tuple[Array, int]:
    """Gradients as words of `fmt`, and the power of two they were multiplied by."""
    power = loss_scale(fmt, gradients)
    values = np.ldexp(gradients.astype(np.float64), power) if power else gradients
    return ieee.from_float(fmt, values), power


def fpisa_method(fmt: Format, shape: str) -> Callable[[Array], Outcome]:
    """FPISA's sum in `fmt`'s registers, counting the events of every addition."""

    def run(gradients: Array) -> Outcome:
        rows, power = as_format(fmt, gradients)
        state = batch.first(fmt, rows[0])
        seen, counts = state.events, dict.fromkeys(EVENT_BITS, 0)
        for row in rows[1:]:
            state = batch.ADD[shape](fmt, state._replace(events=np.zeros_like(seen)), row)
            seen = seen | state.events
            for name, bit in EVENT_BITS.items():
                counts[name] += int(np.count_nonzero(state.events & bit))
        results = batch.read(fmt, state._replace(events=seen))
        additions = (len(rows) - 1) * rows.shape[1]
        return Outcome(fmt, results.words, power, seen | results.flags & OVERFLOW, counts, additions)

    return run


def racks_method(fmt: Format, shape: str, uplink: str) -> Callable[[Array], Outcome]:
    """FPISA's sum over racks (fpisa.accuracy.racks), events counted as `fpisa_method` does."""

    def run(gradients: Array) -> Outcome:
        rows, power = as_format(fmt, gradients)
        tally = tree_sum(fmt, rows, shape, uplink, tuple(EVENT_BITS.values()))
        results = batch.read(fmt, tally.state)
        counts = {name: tally.counts[bit] for name, bit in EVENT_BITS.items()}
        return Outcome(fmt, results.words, power, tally.state.events | results.flags & OVERFLOW, counts, tally.additions)

    return run


def ieee_method(fmt: Format, how: Callable[[Format, Array], Array]) -> Callable[[Array], Outcome]:
    """One of the sums of `fpisa.accuracy.ieee` in a format."""

    def run(gradients: Array) -> Outcome:
        rows, power = as_format(fmt, gradients)
        return Outcome(fmt, how(fmt, rows), power)

    return run


def half_ring(gradients: Array) -> Outcome:
    """fp16 ring with loss scaling."""
    power = loss_scale(FP16, gradients)
    scaled = np.ldexp(gradients.astype(np.float64), power).astype(np.float32)
    words = ieee.fp16_ring(FP32, scaled.view(np.uint32))
    return Outcome(FP16, ieee.from_float(FP16, words.view(np.float32)), power)


FP32_G3 = FP32.with_registers(32, 3)
FP16_SMALL, BF16_SMALL = FP16.with_registers(16), BF16.with_registers(16)

METHODS = {
    method.name: method
    for method in (
        Method("fpisa", "FPISA exact, fp32", fpisa_method(FP32, "exact")),
        Method("fpisa-g3", "FPISA exact, fp32, 3 guard bits", fpisa_method(FP32_G3, "exact")),
        Method("fpisa-a", "FPISA-A, fp32", fpisa_method(FP32, "approx")),
        Method("racks-packed", "FPISA in racks, floats sent up", racks_method(FP32, "exact", "packed")),
        Method("racks-raw", "FPISA in racks, registers sent up", racks_method(FP32, "exact", "raw")),
        Method("racks-g3-packed", "FPISA in racks, 3 guard bits, floats", racks_method(FP32_G3, "exact", "packed")),
        Method("racks-g3-raw", "FPISA in racks, 3 guard bits, registers", racks_method(FP32_G3, "exact", "raw")),
        Method("racks-a", "FPISA-A in racks, floats sent up", racks_method(FP32, "approx", "packed")),
        Method("fpisa-wide", "FPISA wide, 64 bits", fpisa_method(FP32.with_registers(64, 32), "exact")),
        Method("ieee", "IEEE fp32, one after the other", ieee_method(FP32, ieee.sequential)),
        Method("pairwise", "IEEE fp32, pairwise", ieee_method(FP32, ieee.pairwise)),
        Method("kahan", "IEEE fp32, Kahan", ieee_method(FP32, ieee.kahan)),
        Method("switchml", "SwitchML int32", ieee_method(FP32, ieee.switchml)),
        Method("fpisa-fp16", "FPISA exact, fp16, 32-bit registers", fpisa_method(FP16, "exact")),
        Method("fpisa-fp16-r16", "FPISA exact, fp16, 16-bit registers", fpisa_method(FP16_SMALL, "exact")),
        Method("fpisa-a-fp16", "FPISA-A, fp16, 32-bit registers", fpisa_method(FP16, "approx")),
        Method("ieee-fp16", "IEEE fp16, one after the other", ieee_method(FP16, ieee.sequential)),
        Method("fp16-ring", "fp16 ring all-reduce", half_ring),
        Method("fpisa-bf16", "FPISA exact, bf16, 32-bit registers", fpisa_method(BF16, "exact")),
        Method("fpisa-bf16-r16", "FPISA exact, bf16, 16-bit registers", fpisa_method(BF16_SMALL, "exact")),
        Method("ieee-bf16", "IEEE bf16, one after the other", ieee_method(BF16, ieee.sequential)),
    )
}
