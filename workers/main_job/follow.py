"""Following the workers of one method until all have ended, and wording what went wrong."""

from __future__ import annotations

import json
import queue
import signal
import time
from collections.abc import Callable

from workers.main_job.plan import JobError
from workers.main_job.result import Event, Heard

ANSWER_S = 4.0  # beyond the workers' own deadline, for asking the controller and ending


class Follower:
    """Collects the workers' lines. `line` and `end` may be called from any thread; the rest from one."""

    def __init__(self, workers: int, on_event: Callable[[int, Event], None], deadline_s: float = 8.0) -> None:
        """deadline_s: how long a worker waits for an answer before it calls somebody silent."""
        self.grace_s = deadline_s + ANSWER_S
        self.heard = [Heard() for _ in range(workers)]
        self._on_event = on_event
        self._inbox: queue.Queue[tuple[int, str | None]] = queue.Queue()

    def line(self, rank: int, text: str) -> None:
        self._inbox.put((rank, text))

    def end(self, rank: int) -> None:
        self._inbox.put((rank, None))

    def follow(self, status: Callable[[int], int | None], limit_s: float) -> None:
        """Returns when all workers ended well; status(rank) gives the exit status of one that ended.

        Raises JobError when one did not, or when they are not done after `limit_s`."""
        deadline = time.monotonic() + limit_s
        running = set(range(len(self.heard)))
        failed = False
        while running:
            try:
                rank, text = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if text is not None:
                self._take(rank, text)
                continue
            running.discard(rank)
            self.heard[rank].status = status(rank)
            if self.heard[rank].status != 0 and not failed:
                failed, deadline = True, min(deadline, time.monotonic() + self.grace_s)
        if failed:
            raise JobError(self.verdict(running))
        if running:
            ranks = name_ranks(sorted(running))
            raise JobError(f"{ranks} did not finish within {limit_s:g} s")

    def _take(self, rank: int, text: str) -> None:
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "event" not in event:
            self.heard[rank].words = text
            return
        self.heard[rank].take(event)
        self._on_event(rank, event)

    def verdict(self, running: set[int]) -> str:
        """What happened to whom, in one sentence."""
        said = []
        for rank, worker in enumerate(self.heard):
            error = worker.last.get("error")
            if rank in running:
                said.append(f"rank {rank} was still running")
            elif error is not None:
                said.append(f"rank {rank} says: {error['error']}")
            elif worker.status is not None and worker.status < 0:
                said.append(f"rank {rank} was killed by {signal.Signals(-worker.status).name}")
            elif worker.status != 0:
                said.append(f"rank {rank} ended with status {worker.status}: {worker.words or 'no word'}")
        return "; ".join(said)


def name_ranks(ranks: list[int]) -> str:
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    return "ranks " + ", ".join(map(str, ranks[:-1])) + f" and {ranks[-1]}"
