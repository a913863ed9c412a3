"""A DistributedDataParallel communication hook: gradients by the switch, whatever the process group's backend.

client = open_job(controller, "train", world_size, "eth0", Options(), rank)
model.register_comm_hook(Reducer(client), allreduce_hook)
"""

# No `from __future__ import annotations`: DistributedDataParallel compares the hook's annotations with its own types.
import torch
import torch.distributed as dist

from workers.torch_backend.reducer import Reducer


def allreduce_hook(reducer: Reducer, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Average one bucket over the ranks; the value of the future is the bucket's own memory.

    The future fails with a sentence that names the rank where one goes silent, and raises TypeError at once for
    gradients of a type the job's format does not carry.
    """
    buffer = bucket.buffer()
    if not reducer.carries(buffer):
        raise TypeError(f"a job of format {reducer.client.options.format} cannot sum {buffer.dtype} gradients")
    return reducer.submit([buffer], average=True, result=buffer)
