"""One rank of benchmarks/torch_allreduce.py: a process group, and all-reduces of one tensor in it.

Requests: open {backend, environment}; reduce {count, repeats} -> {cpu, seconds, wrong}: this process's processor seconds,
all threads, and values further from the sum than a block's quantisation explains. Nothing fills the tensor between the
all-reduces: ranks that hold the same sum double it each time.
"""

from __future__ import annotations

import os
import resource
import time
from typing import Any

import torch
import torch.distributed as dist

from workers.compare.child import Message, serve

WARMUPS = 3
TOLERANCE = 1e-6  # of the largest value; FPISA's sums of such values are exact


def processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Rank:
    def __init__(self) -> None:
        self.tensors: dict[int, torch.Tensor] = {}

    def handle(self, message: Message) -> Message:
        return dict(getattr(self, "do_" + message["op"])(message))

    def do_open(self, message: Message) -> Message:
        os.environ.update(message["environment"])
        torch.set_num_threads(1)
        dist.init_process_group(message["backend"])
        return {}

    def do_reduce(self, message: Message) -> Message:
        count, repeats = message["count"], message["repeats"]
        tensor = self.tensors.setdefault(count, torch.empty(count))
        own = torch.arange(count, dtype=torch.float32) % 1000 - 500
        tensor.copy_(own * (dist.get_rank() + 1))
        for _ in range(WARMUPS):
            dist.all_reduce(tensor)
        dist.barrier()
        cpu, began = processor_seconds(), time.perf_counter()
        for _ in range(repeats):
            dist.all_reduce(tensor)
        seconds, cpu = time.perf_counter() - began, processor_seconds() - cpu
        size = dist.get_world_size()
        right = own * (size * (size + 1) / 2 * float(size) ** (WARMUPS + repeats - 1))
        wrong = int(((tensor - right).abs() > TOLERANCE * right.abs().max()).sum())
        return {"cpu": cpu, "seconds": seconds, "wrong": wrong}


def main() -> None:
    errors: Any = (RuntimeError, ValueError)
    serve(Rank().handle, errors)


if __name__ == "__main__":
    main()
