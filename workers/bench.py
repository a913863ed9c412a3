"""Time all-reduces and check their sums: what `fpisa worker` does once it is in the job.

Goodput is the tensor's bits (one worker's) by the time; headers, exponents and what is sent again are not
counted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.allreduce import AllReduce, flag_names

GRID_BITS = 6  # inputs are multiples of 2^-6 ...
LARGEST = 1 << 19  # ... below 2^13, so sums of up to 32 of them are exact in fp32, in any order
PEAK = np.float32(LARGEST / (1 << GRID_BITS))


@dataclass(frozen=True)
class Report:
    """One worker's view of the timed repeats; `stats` are theirs alone (engine.Stats), warm-up left out."""

    rank: int
    workers: int
    tensor_bytes: int
    seconds: tuple[float, ...]
    flags: tuple[str, ...]
    wrong: int | None  # values that differ from the sum by more than is allowed; None: not checked
    largest_error: float | None
    stats: dict[str, float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def goodput(self) -> float:
        """bit/s at the median."""
        return self.tensor_bytes * 8 / self.median

    @property
    def cpu_per_gigabyte(self) -> float:
        """CPU seconds of this worker for 10^9 bytes of tensor."""
        return self.stats["cpu"] / (self.tensor_bytes * len(self.seconds)) * 1e9

    def as_dict(self) -> dict[str, Any]:
        derived = {"median": self.median, "goodput": self.goodput, "cpu_per_gigabyte": self.cpu_per_gigabyte}
        return {**asdict(self), **derived}


def contribution(rank: int, count: int, seed: int, dtype: str) -> NDArray[Any]:
    """`count` values of `rank`, different on each rank: float32, or int32 over its whole range."""
    rng = np.random.default_rng((seed, rank))
    if dtype == "int32":
        return rng.integers(-(2**31), 2**31, count, dtype=np.int32)
    grid = rng.integers(-LARGEST, LARGEST, count, dtype=np.int32)
    return grid.astype(np.float32) / np.float32(1 << GRID_BITS)


def expected(workers: int, count: int, seed: int, dtype: str) -> NDArray[Any]:
    """The sum over all workers; int32 wraps, as the switch's registers do."""
    total = contribution(0, count, seed, dtype)
    with np.errstate(over="ignore"):
        for rank in range(1, workers):
            total += contribution(rank, count, seed, dtype)
    return total


def divided(total: NDArray[Any], workers: int) -> NDArray[Any]:
    """The correctly rounded average of sums that are exact in fp32."""
    return (total.astype(np.float64) / workers).astype(np.float32)


def allowed_error(client: AllReduce, dtype: str, right: NDArray[Any]) -> float | NDArray[Any]:
    """0 where values travel as they are; half a quantum a worker where blocks are quantised; for an average one unit in the
    last place, since the switch multiplies by 1 / workers to 32 bits (nothing for a power of two)."""
    workers = client.seat.workers
    if client.options.average and workers & (workers - 1):
        return np.spacing(np.abs(right)).astype(np.float64)
    if client.options.format != "int32" or dtype == "int32":
        return 0.0
    quantum = 2 * float(PEAK) * workers / 2**31
    return workers * quantum / 2 + float(PEAK) * workers * 2.0**-23


def bench(
    client: AllReduce,
    count: int,
    repeats: int,
    warmups: int = 1,
    seed: int = 1,
    dtype: str = "float32",
    check: bool = True,
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Sum (or average) `count` values `warmups + repeats` times, timing the latter; with `check`, compare every value.

    Calls `progress(done)` after each. Raises whatever `AllReduce.allreduce` raises.
    """
    own = contribution(client.seat.rank, count, seed, dtype)
    right = expected(client.seat.workers, count, seed, dtype) if check else None
    if right is not None and client.options.average:
        right = divided(right, client.seat.workers)
    bound = 0.0 if right is None else allowed_error(client, dtype, right)
    values, seconds, flags, wrong, largest = client.empty(own.shape, own.dtype), [], 0, 0, 0.0
    before = client.stats
    for turn in range(warmups + repeats):
        if turn == warmups:
            before = client.stats
        np.copyto(values, own)
        began = time.perf_counter()
        raised = client.allreduce(values)
        if turn >= warmups:
            seconds.append(time.perf_counter() - began)
        flags |= raised
        if right is not None:
            error = np.abs(values.astype(np.float64) - right)
            wrong += int(np.count_nonzero(error > bound))
            largest = max(largest, float(error.max(initial=0.0)))
        progress(turn + 1)
    return Report(
        client.seat.rank,
        client.seat.workers,
        own.nbytes,
        tuple(seconds),
        tuple(flag_names(flags)),
        wrong if check else None,
        largest if check else None,
        client.stats.since(before).as_dict(),
    )
