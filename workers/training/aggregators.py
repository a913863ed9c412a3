"""Who adds the gradients: one interface, and an implementation for each name.

An aggregator replaces a float32 tensor by the sum over all workers. Making one joins the job and blocks until
every worker has; `close` leaves it.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from workers.allreduce import AllReduce, Options, open_job
from workers.join import JoinError, PeerLost
from workers.represent import RepresentationError
from workers.transport import TransportError
from workers.window import Timing


class AggregatorError(Exception):
    """A sentence for the user; `silent` names the ranks that did not answer, when known."""

    def __init__(self, sentence: str, silent: tuple[int, ...] = ()) -> None:
        super().__init__(sentence)
        self.silent = silent


class Aggregator(Protocol):
    rank: int  # assigned when joining

    def allreduce(self, values: np.ndarray) -> None:
        """Replaces `values`, contiguous float32 of any length, by the sum. Raises AggregatorError."""

    def counts(self) -> dict[str, Any]:
        """Counters since joining, such as packets and retransmissions; names differ between aggregators."""

    def cpu_seconds(self) -> float:
        """CPU seconds of this worker so far."""

    def close(self) -> None: ...


def process_cpu() -> float:
    """CPU seconds of this process so far, all threads, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@dataclass(frozen=True)
class Seat:
    """What a worker must know to take part."""

    job: str
    rank: int
    workers: int
    host: str  # own IP address
    controller: str  # address of the controller's socket
    first_host: str  # IP address of rank 0, where gloo's workers meet
    port: int  # TCP port there
    deadline_s: float = 8.0  # without an answer for so long, somebody is silent
    interface: str = "eth0"
    options: dict[str, Any] = field(default_factory=dict)  # fields of workers.allreduce.Options


class Alone:
    """One worker: its gradient is the sum. What the other aggregators' accuracy is compared with."""

    def __init__(self, seat: Seat) -> None:
        self.rank = 0

    def allreduce(self, values: np.ndarray) -> None:
        pass

    def counts(self) -> dict[str, Any]:
        return {}

    def cpu_seconds(self) -> float:
        return process_cpu()

    def close(self) -> None:
        pass


class Gloo:
    """torch.distributed's gloo: a ring over TCP between the workers, no help from the switch."""

    def __init__(self, seat: Seat) -> None:
        import torch.distributed as dist

        # gloo must not guess: a namespace's host name has no address.
        os.environ["GLOO_SOCKET_IFNAME"] = seat.interface
        self.dist, self.rank, self.whole = dist, seat.rank, True
        try:
            dist.init_process_group(
                "gloo",
                init_method=f"tcp://{seat.first_host}:{seat.port}",
                rank=seat.rank,
                world_size=seat.workers,
                timeout=datetime.timedelta(seconds=max(seat.deadline_s, 1.0)),
            )
        except (RuntimeError, ValueError) as error:
            raise AggregatorError(f"gloo: the workers did not find each other: {first_line(error)}") from None

    def allreduce(self, values: np.ndarray) -> None:
        import torch

        try:
            self.dist.all_reduce(torch.from_numpy(values))
        except RuntimeError as error:
            self.whole = False
            raise AggregatorError(f"gloo: a worker went silent: {first_line(error)}") from None

    def counts(self) -> dict[str, Any]:
        return {}

    def cpu_seconds(self) -> float:
        return process_cpu()

    def close(self) -> None:
        """Together with the others: a connection that closes under a peer's last collective would end that peer."""
        if self.dist.is_initialized():
            with contextlib.suppress(RuntimeError):
                if self.whole:  # a peer that has gone cannot be waited for
                    self.dist.barrier()
            self.dist.destroy_process_group()


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


class InNetwork:
    """The P4 switch adds: FPISA's floats as they lie in memory, or SwitchML's block-quantised integers."""

    def __init__(self, seat: Seat, client: AllReduce | None = None) -> None:
        """client: of a worker that is a thread beside others; None: joins through the seat's interface."""
        self.is_thread = client is not None
        self.client = open_client(seat) if client is None else client
        self.rank = self.client.seat.rank

    def allreduce(self, values: np.ndarray) -> None:
        try:
            self.client.allreduce(values)
        except PeerLost as error:
            raise AggregatorError(str(error), error.ranks) from None
        except (JoinError, TransportError, RepresentationError) as error:
            raise AggregatorError(str(error)) from None

    def counts(self) -> dict[str, Any]:
        return self.client.stats.as_dict()

    def cpu_seconds(self) -> float:
        if not self.is_thread:
            return process_cpu()
        stats = self.client.stats  # without the transport, whose other end is the switch itself
        return stats.cpu_convert + stats.cpu_copy + stats.cpu_other

    def close(self) -> None:
        self.client.close()


def open_client(seat: Seat) -> AllReduce:
    options = Options(**seat.options, timing=Timing(deadline=seat.deadline_s))
    try:
        return open_job(seat.controller, seat.job, seat.workers, seat.interface, options, seat.rank)
    except (JoinError, TransportError, ValueError) as error:
        raise AggregatorError(str(error)) from None


MAKERS: dict[str, Callable[[Seat], Aggregator]] = {
    "alone": Alone,
    "gloo": Gloo,
    "fpisa": InNetwork,
    "fpisa-a": InNetwork,
    "switchml": InNetwork,
}
