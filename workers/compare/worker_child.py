"""One worker of a comparison: a process with the native engine on a shared-memory port.

Requests: open {aggregator, path, job, rank, workers, slots, elements, queues}; fill {count, repeats, seed, check}; run {compute,
settle} -> {seconds, stats}; check -> {sums, wrong, largest_error}; close.

Timed all-reduces follow each other without a gap, for a pause would let a CPU quota recover: a train of tensors is filled
before and checked after, outside the quota. One of a single packet goes before, which lets all workers begin together.
settle: seconds of sleep between that one and the first timed one. A quota's period begins when its process wakes after having
been idle for one; so the periods of all workers begin together, as those of workers on cores of their own would not differ.
Otherwise one worker runs while another is held back, and how much of that there is differs from round to round.
"""

from __future__ import annotations

import time
import zlib
from typing import Any

import numpy as np

from emulator.native.engine import NativeEngine, NativeEngineError, set_vectors
from emulator.native.pool import Pool
from workers.compare.child import Message, serve
from workers.compare.plan import AGGREGATORS, Aggregator, CompareError
from workers.compare.seats import TRAIN_BYTES, seat
from workers.compare.values import contribution, judge, wrong

POOL_BYTES = (256 << 20) + TRAIN_BYTES  # a train, or the largest tensor
COUNTED = (
    "packets_sent", "packets_received", "retransmissions", "timeouts", "discarded", "bytes_sent", "bytes_received",
    "convert_ns", "copy_ns", "syscall_ns", "cpu_ns", "wall_ns",
)  # fmt: skip


class Worker:
    def __init__(self) -> None:
        self.engine: NativeEngine | None = None
        self.aggregator: Aggregator = AGGREGATORS["fpisa"]
        self.pool: Pool | None = None
        self.tensor: tuple[Any, Any, Any] = (None, None, None)  # (what it is, own values, (sum, bound))
        self.train: Any = np.empty((0, 0), np.float32)
        self.right: Any = None

    def handle(self, message: Message) -> Message:
        return dict(getattr(self, "do_" + message["op"])(message))

    def do_open(self, message: Message) -> Message:
        self.do_close(message)
        self.aggregator = AGGREGATORS[message["aggregator"]]
        place = seat(
            self.aggregator, message["job"], message["rank"], message["workers"], message["slots"], message["elements"],
            message.get("queues", 1),
        )  # fmt: skip
        set_vectors(self.aggregator.vectors)
        self.engine = NativeEngine(place, memory=message["path"])
        if self.aggregator.registered:
            if self.pool is None:
                self.pool = Pool(POOL_BYTES)
            self.engine.register(self.pool)
        return {}

    def do_close(self, message: Message) -> Message:
        if self.engine is not None:
            self.engine.close()
            self.engine = None
        return {}

    def do_fill(self, message: Message) -> Message:
        """Makes the train: `repeats` tensors, each with this worker's values."""
        engine = self.opened()
        own, self.right = self.inputs(engine, message["count"], message["seed"], message["check"])
        self.train = self.memory((message["repeats"], own.size), own.dtype)
        self.train[:] = own
        return {}

    def do_run(self, message: Message) -> Message:
        engine = self.opened()
        self.meet(engine, self.train.dtype)
        if message["settle"]:
            time.sleep(message["settle"])
        before = engine.stats
        seconds = self.timed(engine, self.train, message["compute"])
        after = engine.stats
        return {"seconds": seconds, "stats": {name: after[name] - before[name] for name in COUNTED}}

    def do_check(self, message: Message) -> Message:
        """Each result's checksum, and, where this worker judges, what is wrong with it."""
        sums, count, largest = [], 0, 0.0
        for tensor in self.train:
            sums.append(zlib.crc32(tensor))
            if self.right is not None:
                beyond, error = wrong(tensor, *self.right)
                count += beyond
                largest = max(largest, error)
        return {"sums": sums, "wrong": count, "largest_error": largest}

    def opened(self) -> NativeEngine:
        if self.engine is None:
            raise CompareError("work came before open")
        return self.engine

    def memory(self, shape: tuple[int, int], dtype: Any) -> Any:
        """Where tensors lie while they are summed."""
        if self.aggregator.registered and self.pool is not None:
            return self.pool.empty(shape, dtype)
        return np.empty(shape, dtype)

    def timed(self, engine: NativeEngine, tensors: Any, compute: float) -> list[float]:
        """Sums one tensor after another; seconds of each, computing included."""
        seconds = []
        for tensor in tensors:
            began = time.perf_counter()
            if compute:
                time.sleep(compute)
            engine.allreduce(tensor, self.aggregator.representation)
            seconds.append(time.perf_counter() - began)
        return seconds

    def meet(self, engine: NativeEngine, dtype: Any) -> None:
        """Nobody goes on before all workers are here."""
        engine.allreduce(np.zeros(1, dtype), self.aggregator.representation)

    def inputs(self, engine: NativeEngine, count: int, seed: int, check: bool) -> tuple[Any, Any]:
        """Own values and, where this worker checks, the judgement; kept for the next call alike."""
        rank, workers = engine.seat.rank, engine.seat.workers
        what = (self.aggregator.name, rank, workers, count, seed, check)
        if self.tensor[0] != what:
            right = judge(self.aggregator, workers, count, seed) if check else None
            self.tensor = what, contribution(rank, count, seed, self.aggregator.dtype), right
        return self.tensor[1], self.tensor[2]


def main() -> None:
    worker = Worker()
    try:
        serve(worker.handle, (CompareError, NativeEngineError, OSError, ValueError, MemoryError))
    except KeyboardInterrupt:
        pass
    finally:
        worker.do_close({})


if __name__ == "__main__":
    main()
