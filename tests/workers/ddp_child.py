"""One rank of tests/workers/test_torch_backend.py: DistributedDataParallel and collectives, then a line of JSON.

Like any script for torchrun but for the backend's name; nothing of the project is imported.
"""

import json
import os
import sys

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def train() -> list[str]:
    """A few steps on different data per rank; the parameters' bits afterwards."""
    torch.manual_seed(1)
    model = DistributedDataParallel(
        torch.nn.Sequential(torch.nn.Linear(64, 48), torch.nn.ReLU(), torch.nn.Linear(48, 10)), bucket_cap_mb=0.005
    )
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.manual_seed(100 + dist.get_rank())
    for step in range(3):
        optimiser.zero_grad()
        if step == 2 and os.environ.get("DIE") == str(dist.get_rank()):
            os._exit(9)
        loss = torch.nn.functional.cross_entropy(model(torch.randn(16, 64)), torch.randint(0, 10, (16,)))
        loss.backward()
        optimiser.step()
    return [p.detach().numpy().tobytes().hex() for p in model.parameters()]


def collectives() -> dict[str, object]:
    rank, size = dist.get_rank(), dist.get_world_size()
    out: dict[str, object] = {}
    ours = torch.full((1000,), float(rank + 1))
    second = (torch.ones(5, 3) * (rank + 1)).t()
    works = [dist.all_reduce(tensor, async_op=True) for tensor in (ours, second)]
    for work in works:
        work.wait()
    out["sum"] = [ours.unique().tolist(), second.unique().tolist()]
    mean = torch.full((10,), float(rank))
    dist.all_reduce(mean, op=dist.ReduceOp.AVG)
    out["avg"] = mean.unique().tolist()
    wide = torch.full((10,), float(rank), dtype=torch.float64)
    dist.all_reduce(wide, op=dist.ReduceOp.AVG)
    out["avg64"] = wide.unique().tolist()
    largest = torch.tensor([float(rank), -float(rank)])
    dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    out["max"] = largest.tolist()
    whole = torch.tensor([rank, 7])
    dist.all_reduce(whole)
    out["int64"] = whole.tolist()
    parts = [torch.zeros(2) for _ in range(size)]
    dist.all_gather(parts, torch.full((2,), float(rank)))
    out["gather"] = torch.stack(parts).tolist()
    told = torch.tensor([float(rank * 10 + 5)])
    dist.broadcast(told, src=1)
    out["broadcast"] = told.item()
    objects = [None] * size
    dist.all_gather_object(objects, {"rank": rank})
    out["objects"] = objects
    dist.barrier()
    return out


def main() -> None:
    backend, url = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    dist.init_process_group(backend, init_method=url)
    result = {"rank": dist.get_rank(), "backend": dist.get_backend(), **collectives()}
    result["weights"] = train()
    dist.destroy_process_group()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
