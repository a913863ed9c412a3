"""What a run found, one record an aggregator, from what its workers said."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from workers.main_job.model_check import share_explained
from workers.training.errors import largest_deviation, largest_error

Event = dict[str, Any]


@dataclass
class Heard:
    """What one worker said: the last event of each kind, and how its process ended."""

    last: dict[str, Event] = field(default_factory=dict)
    status: int | None = None
    words: str = ""  # its last line that was no event, such as a Python error

    def take(self, event: Event) -> None:
        self.last[event["event"]] = event


@dataclass(frozen=True)
class Result:
    """One row of the table. Counts are sums over the workers."""

    aggregator: str
    samples_per_second: float
    goodput_gbit_per_second: float  # bits of one worker's tensor / time of one all-reduce, median
    cpu_seconds_per_gb: float  # of a worker, per gigabyte of its tensor
    switch_cpu_seconds_per_gb: float | None  # of the switch's process, per gigabyte of one worker's tensor
    packets: int | None  # sent by the workers; None where nobody counts
    retransmissions: int
    accuracy: float  # on the test set, 0..1
    largest_error: float  # |result - exact| / sum of magnitudes of an element
    largest_deviation: float  # |result - exact| / largest |exact| of the tensor
    chunks_explained: float | None  # share of kept chunks equal to the number format's sums, 0..1
    equal_weights: bool  # every worker's parameters have the same bits
    curves: dict[str, Any]  # of rank 0
    bench_seconds: list[float]  # of rank 0, one a repeat
    link_bytes: dict[str, tuple[int, int]]  # lower-upper -> bytes up and down while rank 0 measured; empty: not known
    workers: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def conclude(
    aggregator: str,
    heard: list[Heard],
    packets: int | None,
    retransmissions: int,
    kept: Path,
    switch_cpu: float | None,
    elements: int,
    racks: tuple[int, ...] = (),
    uplink: str = "packed",
    link_bytes: dict[str, tuple[int, int]] | None = None,
) -> Result:
    """The record of a run whose workers all ended well. kept: folder of their gradients. switch_cpu: CPU seconds
    while they measured. elements: values a packet. racks: workers of each, where they are several; uplink: how their
    sums went up."""
    measured = [worker.last["measured"] for worker in heard]
    trained = [worker.last["trained"] for worker in heard]
    slowest = [max(times) for times in zip(*(m["seconds"] for m in measured), strict=True)]
    size, repeats = measured[0]["bytes"], len(slowest)
    gigabytes = size * repeats / 1e9
    return Result(
        aggregator=aggregator,
        samples_per_second=trained[0]["samples"] / max(t["seconds"] for t in trained),
        goodput_gbit_per_second=size * 8 / float(np.median(slowest)) / 1e9,
        cpu_seconds_per_gb=float(np.mean([m["cpu_seconds"] for m in measured])) / gigabytes,
        switch_cpu_seconds_per_gb=None if switch_cpu is None else switch_cpu / gigabytes,
        packets=packets,
        retransmissions=retransmissions,
        accuracy=trained[0]["accuracy"],
        largest_error=max(m["error"] for m in [*measured, gradient_errors(kept, len(heard))]),
        largest_deviation=max(m["deviation"] for m in [*measured, gradient_errors(kept, len(heard))]),
        chunks_explained=share_explained(aggregator, kept, racks or (len(heard),), elements, uplink),
        equal_weights=len({t["digest"] for t in trained}) == 1,
        curves=trained[0]["curve"],
        bench_seconds=slowest,
        link_bytes=link_bytes or {},
        workers=[worker.last for worker in heard],
    )


def gradient_errors(folder: Path, workers: int) -> dict[str, float]:
    """Largest `error` and `deviation` over the gradients that the workers kept during training."""
    files = [np.load(folder / f"gradients-{rank}.npz") for rank in range(workers)]
    own = np.stack([file["own"] for file in files], axis=1)  # step, worker, element
    total = files[0]["total"]
    return {
        "error": max(largest_error(own[i], total[i]) for i in range(len(total))),
        "deviation": max(largest_deviation(own[i], total[i]) for i in range(len(total))),
    }
