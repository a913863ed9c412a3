"""The figures of one setting, from what its workers and its switch counted."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workers.compare.child import Message
from workers.compare.plan import Setting

NANO = 1e-9


@dataclass(frozen=True)
class Row:
    """One setting's measurement. Counts are of one all-reduce, over all workers; CPU is in seconds for 10^9 bytes of one
    worker's tensor: of a worker (the mean of all), split, and of the switch. wait: a worker's wall time less its CPU."""

    aggregator: str
    tensor_bytes: int
    workers: int
    elements: int
    loss: float
    cpu_share: float | None
    seconds: tuple[float, ...]  # of each all-reduce, its slowest worker
    packets: float
    retransmissions: float
    wire_bytes: float  # sent and received by the workers, headers included
    cpu: float
    convert: float
    copy: float
    system_call: float
    other: float
    wait: float
    switch_cpu: float
    wrong: int  # values beyond the bound, and all-reduces after which workers held different bits
    largest_error: float

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def typical(self) -> float:
        """Seconds of one all-reduce: the median, which one interruption by other work does not move; under a CPU quota the
        mean, for there most fall between two pauses and a few bear them."""
        return self.median if self.cpu_share is None else statistics.fmean(self.seconds)

    @property
    def goodput(self) -> float:
        """Gbit/s: bits of one worker's tensor by the typical time."""
        return self.tensor_bytes * 8 / self.typical / 1e9

    def as_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "median_s": self.median,
            "typical_s": self.typical,
            "goodput_gbit_per_second": self.goodput,
        }


def row_of(setting: Setting, replies: Sequence[Message], switch_cpu: float) -> Row:
    """replies: one a worker, of `reduce`; switch_cpu: seconds during it."""
    seconds = tuple(max(times) for times in zip(*(r["seconds"] for r in replies), strict=True))
    repeats = len(seconds)
    gigabytes = setting.tensor_bytes * repeats / 1e9

    def total(name: str) -> float:
        return float(sum(r["stats"][name] for r in replies))

    def each(name: str) -> float:
        return total(name) * NANO / len(replies) / gigabytes

    cpu, convert, copy, system_call = (each(f"{n}_ns") for n in ("cpu", "convert", "copy", "syscall"))
    disagreed = sum(len(set(sums)) > 1 for sums in zip(*(r["sums"] for r in replies), strict=True))
    return Row(
        aggregator=setting.aggregator.name,
        tensor_bytes=setting.tensor_bytes,
        workers=setting.workers,
        elements=setting.elements,
        loss=setting.loss,
        cpu_share=setting.cpu_share,
        seconds=seconds,
        packets=total("packets_sent") / repeats,
        retransmissions=total("retransmissions") / repeats,
        wire_bytes=(total("bytes_sent") + total("bytes_received")) / repeats,
        cpu=cpu,
        convert=convert,
        copy=copy,
        system_call=system_call,
        other=max(cpu - convert - copy - system_call, 0.0),
        wait=max(each("wall_ns") - cpu, 0.0),
        switch_cpu=switch_cpu / gigabytes,
        wrong=sum(r["wrong"] for r in replies) + disagreed,
        largest_error=max(r["largest_error"] for r in replies),
    )


def merged(rows: Sequence[Row]) -> Row:
    """Rounds of one setting as one row: times of all, other figures the mean by number of repeats."""
    weights = [len(row.seconds) for row in rows]

    def mean(name: str) -> float:
        return sum(getattr(r, name) * w for r, w in zip(rows, weights, strict=True)) / sum(weights)

    averaged = ("packets", "retransmissions", "wire_bytes", "cpu", "convert", "copy", "system_call", "other", "wait")
    return Row(
        **{
            **asdict(rows[0]),
            **{name: mean(name) for name in (*averaged, "switch_cpu")},
            "seconds": tuple(t for r in rows for t in r.seconds),
            "wrong": sum(r.wrong for r in rows),
            "largest_error": max(r.largest_error for r in rows),
        }
    )
