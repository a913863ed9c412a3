"""One rank of tests/e2e/test_ddp.py: DistributedDataParallel until told to stop, a line of JSON a step.

Arguments: one JSON object. dtype: of the model. width: of its inner layer. hook: gradients go by the communication hook, the
group being gloo's; the job is then joined by hand. Rank 0 reads STOP from its input, and the others hear of it in a sum.
"""

import json
import select
import sys
import zlib

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from workers.torch_backend import registered_empty


def join(model: DistributedDataParallel) -> object:
    """Gradients by the hook; what is to be closed in the end."""
    from workers.allreduce import open_job
    from workers.comm_hook import allreduce_hook
    from workers.torch_backend.reducer import Reducer
    from workers.torch_backend.settings import read_settings

    settings, rank = read_settings(), dist.get_rank()
    client = open_job(settings.controller, "hook", dist.get_world_size(), settings.place(rank), settings.options, rank)
    reducer = Reducer(client)
    model.register_comm_hook(reducer, allreduce_hook)
    return reducer


def adopted(reducer: object) -> int:
    """Storages whose memory the switch reads and writes itself."""
    reducer = reducer or getattr(dist.group.WORLD, "reducer", None)
    adopter = getattr(reducer, "adopter", None)
    return 0 if adopter is None else adopter.adopted


def over() -> bool:
    told = dist.get_rank() == 0 and bool(select.select([sys.stdin], [], [], 0)[0])
    answer = registered_empty(200, dtype=torch.float32).fill_(told)
    dist.all_reduce(answer)
    return bool(answer[-1].item())


def run(words: dict) -> None:
    dist.init_process_group(words["backend"])
    torch.manual_seed(1)
    dtype = getattr(torch, words["dtype"])
    width = words.get("width", 48)
    layers = torch.nn.Sequential(torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, 10)).to(dtype)
    model = DistributedDataParallel(layers, bucket_cap_mb=0.002)  # several buckets are in flight at once
    reducer = join(model) if words["hook"] else None
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    torch.manual_seed(100 + dist.get_rank())
    step, ending = 0, False
    while not ending:
        optimiser.zero_grad()
        inputs, labels = torch.randn(16, 64).to(dtype), torch.randint(0, 10, (16,))
        torch.nn.functional.cross_entropy(model(inputs).float(), labels).backward()
        optimiser.step()
        bits = b"".join(p.detach().view(torch.uint8).numpy().tobytes() for p in model.parameters())
        ending = over()
        told = {"turn": step, "sum": zlib.crc32(bits), "wrong": 0, "adopted": adopted(reducer)}
        print(json.dumps(told), flush=True)
        step += 1
    if reducer is not None:
        reducer.close()  # type: ignore[attr-defined]
    dist.destroy_process_group()


def main() -> int:
    try:
        run(json.loads(sys.argv[1]))
    except RuntimeError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
