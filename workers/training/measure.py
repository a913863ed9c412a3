"""All-reduce of one large tensor: time, CPU and error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from workers.training.aggregators import process_cpu
from workers.training.errors import largest_deviation, largest_error
from workers.training.loop import AllReduce

CHECKED_ELEMENTS = 1 << 18  # of the first result, compared with the exact sum


@dataclass(frozen=True)
class Measurement:
    """One worker's view; times are of the repeats only, the warm-up is left out."""

    bytes: int  # of the tensor
    seconds: list[float]  # of each repeat
    cpu_seconds: float  # of this worker, all repeats
    error: float  # largest_error of the first result
    deviation: float  # largest_deviation of the first result

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def contribution(rank: int, elements: int, seed: int) -> np.ndarray:
    """Gradient-like float32 values, different on each rank: most are small, scales differ between layers."""
    random = np.random.default_rng((seed, rank))
    scale = np.exp2(-np.arange(elements, dtype=np.float32) // 4096 % 12)
    return (random.standard_normal(elements, dtype=np.float32) * scale * np.float32(0.01)).astype(np.float32)


def measure(
    allreduce: AllReduce,
    rank: int,
    workers: int,
    size_bytes: int,
    repeats: int,
    seed: int = 11,
    on_repeat: Callable[[int], None] = lambda done: None,
    cpu: Callable[[], float] = process_cpu,
) -> Measurement:
    """Sums a tensor of `size_bytes` once to warm up and `repeats` times for the clock.

    on_repeat(done) is called after the warm-up, with 0, and after each repeat. cpu() gives the worker's CPU
    seconds so far."""
    elements = max(1, size_bytes // 4)
    own = contribution(rank, elements, seed)
    values = own.copy()
    allreduce(values)
    error, deviation = checked(values, workers, elements, seed)
    seconds: list[float] = []
    on_repeat(0)
    used = -cpu()
    for repeat in range(repeats):
        np.copyto(values, own)
        began = time.perf_counter()
        allreduce(values)
        seconds.append(time.perf_counter() - began)
        on_repeat(repeat + 1)
    used += cpu()
    return Measurement(elements * 4, seconds, used, error, deviation)


def checked(result: np.ndarray, workers: int, elements: int, seed: int) -> tuple[float, float]:
    """largest_error and largest_deviation of the first part of `result`."""
    part = slice(0, min(elements, CHECKED_ELEMENTS))
    parts = np.stack([contribution(rank, elements, seed)[part] for rank in range(workers)])
    return largest_error(parts, result[part]), largest_deviation(parts, result[part])
