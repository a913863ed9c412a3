"""All-reduces of tensors in the order they were asked for, on a thread of their own.

The caller goes on (backward passes overlap with communication) and waits on a torch Future.
"""

from __future__ import annotations

import atexit
import math
import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.futures import Future

from emulator.native.pool import PoolError
from workers.allreduce import AllReduce
from workers.torch_backend.storage import Adopter, NoStorage

# Which tensors a job's format carries, and the integer type whose bits NumPy sees (it has no bfloat16).
CARRIED: dict[str, dict[torch.dtype, torch.dtype | None]] = {
    "fp32": {torch.float32: None},
    "fp16": {torch.float16: None},
    "bf16": {torch.bfloat16: torch.int16},
    "fp8_e4m3": {torch.float8_e4m3fn: torch.uint8},
    "fp8_e5m2": {torch.float8_e5m2: torch.uint8},
    "int32": {torch.int32: None, torch.float32: None},
}


class Reducer:
    """Owns a client and the thread that uses it."""

    def __init__(self, client: AllReduce) -> None:
        self.client, self.closed = client, False
        self.carried = CARRIED[client.options.format]
        self.adopter = make_adopter(client)
        self.waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._serve, name="fpisa-allreduce", daemon=True)
        self.thread.start()
        # A script may end without destroy_process_group: leave, or the others hear that this rank was lost.
        atexit.register(self.close)

    def carries(self, tensor: torch.Tensor) -> bool:
        """Whether the switch can sum this tensor."""
        return tensor.dtype in self.carried and not tensor.is_sparse

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """A tensor in memory that the switch reads and writes itself, where there is such memory; otherwise torch's own."""
        pool, wanted = self.client.pool, math.prod(shape) * dtype.itemsize
        if pool is None or wanted == 0:
            return torch.empty(shape, dtype=dtype)
        try:
            return torch.from_numpy(pool.empty(wanted, np.uint8)).view(dtype).reshape(shape)
        except PoolError:
            return torch.empty(shape, dtype=dtype)

    def submit(self, tensors: list[torch.Tensor], average: bool, result: Any = None) -> Future[Any]:
        """Sum each tensor over all ranks, in place, in turn. The future's value is `result`, or the tensors."""
        done = future_for(tensors)
        failures: list[str] = []
        events = [ready_event(tensor) for tensor in tensors]

        def work() -> None:
            try:
                for tensor, event in zip(tensors, events, strict=True):
                    self._reduce(tensor, event, average)
            except Exception as error:  # whatever it is, the one who waits must hear of it
                failures.append(f"fpisa: {error}")
            done.set_result(tensors if result is None else result)

        def outcome(finished: Future[Any]) -> Any:
            # An error must arise here: one set by set_exception is unknown to the C++ side of torch.
            if failures:
                raise RuntimeError(failures[0])
            return finished.value()

        self.waiting.put(work)
        return done.then(outcome)

    def close(self) -> None:
        """Finish what was asked for and leave the job; also twice."""
        atexit.unregister(self.close)
        self.waiting.put(None)
        self.thread.join()
        if not self.closed:
            self.closed = True
            self.client.close()

    def _serve(self) -> None:
        while (work := self.waiting.get()) is not None:
            work()

    def _reduce(self, tensor: torch.Tensor, event: Any, average: bool) -> None:
        host = on_host(tensor, event)
        if self.adopter is not None and host.data_ptr() == tensor.data_ptr():
            self.adopter.see(host)
        self.client.allreduce(as_array(host, self.carried[tensor.dtype]))
        if host.data_ptr() != tensor.data_ptr():
            tensor.copy_(host.view(tensor.shape))
        if average:
            divide(tensor, self.client.seat.workers)
        if tensor.is_cuda:
            torch.cuda.current_stream(tensor.device).synchronize()


def make_adopter(client: AllReduce) -> Adopter | None:
    """None where tensors are copied into packets anyway."""
    try:
        return None if client.pool is None else Adopter(client.pool)
    except NoStorage:
        return None


def future_for(tensors: list[torch.Tensor]) -> Future[Any]:
    """A future that may hold these tensors: torch refuses a GPU's in one that was made without its device."""
    devices: list[Any] = sorted({tensor.device for tensor in tensors if tensor.is_cuda}, key=str)
    return Future(devices=devices) if devices else Future()


def ready_event(tensor: torch.Tensor) -> Any:
    """For a GPU tensor, an event after the work that makes it; None on the host."""
    return torch.cuda.current_stream(tensor.device).record_event() if tensor.is_cuda else None


def on_host(tensor: torch.Tensor, event: Any) -> torch.Tensor:
    """The tensor itself if it lies contiguous in host memory, otherwise a copy (pinned, for a GPU's)."""
    tensor = tensor.detach()
    if not tensor.is_cuda:
        return tensor.contiguous()
    staging = pinned(tensor)
    event.synchronize()
    staging.copy_(tensor)
    return staging


def pinned(tensor: torch.Tensor) -> torch.Tensor:
    """Host memory for a GPU tensor's values that the GPU reads and writes by itself; torch keeps it for the next call."""
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)


def as_array(tensor: torch.Tensor, bits: torch.dtype | None) -> np.ndarray:
    """The same memory as a flat NumPy array, of unsigned integers where NumPy lacks the type."""
    flat = tensor.view(-1)
    if bits is None:
        return flat.numpy()
    array = flat.view(bits).numpy()
    return array.view(np.dtype(f"u{array.dtype.itemsize}"))


def divide(tensor: torch.Tensor, by: int) -> None:
    if tensor.dtype.is_floating_point:
        tensor.copy_(tensor.float().div_(by)) if tensor.dtype.itemsize == 1 else tensor.div_(by)
    else:
        tensor.floor_divide_(by)
