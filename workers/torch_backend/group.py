"""The process group: all_reduce SUM and AVG in the switch, all other collectives delegated to gloo."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import (  # type: ignore[attr-defined]
    AllreduceOptions,
    _create_work_from_future,
)
from torch.distributed.distributed_c10d import ProcessGroupGloo, ReduceOp

from workers.allreduce import open_job
from workers.join import JoinError
from workers.torch_backend.reducer import Reducer
from workers.torch_backend.settings import read_settings
from workers.transport import TransportError

SUMS = (ReduceOp.SUM, ReduceOp.AVG)


class FpisaGroup(dist.ProcessGroup):
    """A ProcessGroup in Python; torch.distributed and DistributedDataParallel call its methods."""

    def __init__(self, rank: int, size: int, gloo: Any, reducer: Reducer) -> None:
        super().__init__(rank, size)  # type: ignore[call-arg]
        self.gloo, self.reducer = gloo, reducer

    def getBackendName(self) -> str:
        return "fpisa"

    def allreduce(self, tensors: Any, options: Any = None) -> Any:  # type: ignore[override]
        tensors = tensors if isinstance(tensors, list) else [tensors]
        op = ReduceOp.SUM if options is None else op_of(options)
        if op in SUMS and all(self.reducer.carries(tensor) for tensor in tensors):
            return _create_work_from_future(self.reducer.submit(tensors, op == ReduceOp.AVG))
        return self._elsewhere(tensors, op, options)

    def allreduce_coalesced(self, tensors: list[torch.Tensor], options: Any = None) -> Any:
        return self.allreduce(tensors, options)

    def shutdown(self) -> None:
        self.reducer.close()

    def abort(self) -> None:
        self.reducer.close()

    def _elsewhere(self, tensors: list[torch.Tensor], op: Any, options: Any) -> Any:
        """What the switch does not add. gloo has no AVG: sum, then divide."""
        if op != ReduceOp.AVG:
            return self.gloo.allreduce(tensors, options or AllreduceOptions())
        summed = AllreduceOptions()
        summed.reduceOp = ReduceOp.SUM  # type: ignore[assignment]
        work = self.gloo.allreduce(tensors, summed)
        size = self.size()

        def divide(done: Any) -> list[torch.Tensor]:
            done.value()
            return [tensor.div_(size) for tensor in tensors]

        return _create_work_from_future(work.get_future().then(divide))


def registered_empty(shape: tuple[int, ...], dtype: torch.dtype, group: Any) -> torch.Tensor:
    """See workers.torch_backend.registered_empty."""
    group = dist.group.WORLD if group is None else group
    if group is None:
        raise RuntimeError("there is no process group yet; call torch.distributed.init_process_group first")
    if not isinstance(group, FpisaGroup):
        try:
            group = group._get_backend(torch.device("cpu"))
        except RuntimeError:  # a group of GPU tensors only
            group = None
    if not isinstance(group, FpisaGroup):
        return torch.empty(shape, dtype=dtype)
    return group.reducer.empty(shape, dtype)


def op_of(options: Any) -> Any:
    """The operation asked for; PREMUL_SUM and the like are objects that compare with none of the others."""
    return getattr(options.reduceOp, "op", options.reduceOp)


DELEGATED = (
    "broadcast",
    "reduce",
    "allgather",
    "allgather_coalesced",
    "_allgather_base",
    "all_gather_single",
    "all_gather_single_coalesced",
    "allgather_into_tensor_coalesced",
    "gather",
    "scatter",
    "reduce_scatter",
    "_reduce_scatter_base",
    "reduce_scatter_single",
    "reduce_scatter_single_coalesced",
    "reduce_scatter_tensor_coalesced",
    "alltoall",
    "alltoall_base",
    "all_to_all_single",
    "barrier",
    "monitored_barrier",
    "send",
    "recv",
    "recv_anysource",
)


def _delegate(name: str) -> Any:
    def method(self: FpisaGroup, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.gloo, name)(*args, **kwargs)

    method.__name__ = name
    return method


for _name in DELEGATED:
    if hasattr(ProcessGroupGloo, _name):
        setattr(FpisaGroup, _name, _delegate(_name))


def create(options: Any) -> FpisaGroup:
    """What torch calls for init_process_group and new_group: join a job of the group's own.

    Raises RuntimeError with one sentence where settings, controller or interface are not right.
    """
    rank, size = options.group_rank, options.group_size
    gloo = ProcessGroupGloo(options.store, rank, size, options.timeout)
    try:
        settings = read_settings()
        name = settings.job if options.group_id in ("", "0") else f"{settings.job}.{options.group_id}"
        client = open_job(settings.controller, name, size, settings.place(rank), settings.options, rank)
    except (ValueError, JoinError, TransportError) as error:
        raise RuntimeError(f'backend "fpisa": {error}') from None
    return FpisaGroup(rank, size, gloo, Reducer(client))
