"""A switch of several pipelines: a plane for each, and every job on those that its queues reach. Blocking calls.

A pipeline is a P4Runtime device of its own, with tables and registers of its own; queue q of every worker meets pipeline
q modulo their number, whose registers then hold that queue's share of the job's slots. Of a tree, every switch has as many
pipelines, and those of one number form a tree of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from .fabric import Fabric
from .fabric_plane import FabricPlane
from .hosts import Hosts
from .p4rt.schema import Schema
from .p4rt.status import P4RuntimeError
from .plane import Plane, Seat, Seen, Target
from .resume import shares
from .session import Job, SilentQuery

log = logging.getLogger("fpisa.controller")
AnyPlane = Plane | FabricPlane
_FAILURES = (P4RuntimeError, ValueError, OSError)


class PipelinesPlane:
    """All pipelines under this controller, in the order of their device ids. Raises as Plane does, the pipeline named."""

    def __init__(self, planes: Sequence[AnyPlane]) -> None:
        self.planes = tuple(planes)
        self._forgotten = False  # one that came back had lost its registers, and `connect` has not said so yet

    @property
    def schema(self) -> Schema:
        return self.planes[0].schema

    @property
    def slots(self) -> int:
        """Slots of a job: each pipeline must be able to hold any share of them, for a slot's number is the same everywhere."""
        return min(plane.slots for plane in self.planes)

    def connect(self, *, fresh: bool, patience: float | None = None) -> bool:
        """Connect to all. Returns whether all remember their registers; where one does not, all jobs are taken from the
        others, too: they come back under new ids."""
        remembering = []
        for number, plane in enumerate(self.planes):
            try:
                if plane.connect(fresh=fresh, patience=patience):
                    remembering.append(plane)
                else:
                    self._forgotten = True
            except _FAILURES as error:
                raise ValueError(f"pipeline {number}: {error}") from None
        forgotten, self._forgotten = self._forgotten, False
        if forgotten:
            for plane in remembering:
                plane.clear_jobs()
        return not forgotten

    def close(self) -> None:
        for plane in self.planes:
            plane.close()

    # -- jobs ------------------------------------------------------------------------------------------------

    def seat(self, job: Job, rank: int) -> Seat:
        return self.planes[0].seat(job, rank)

    def _of(self, job: Job) -> tuple[AnyPlane, ...]:
        """Those that the job's queues reach."""
        return self.planes[: job.queues]

    def install(self, job: Job) -> None:
        """In all of them, or in none."""
        done: list[AnyPlane] = []
        try:
            for plane in self._of(job):
                plane.install(job)
                done.append(plane)
        except _FAILURES as error:
            for number, problem in _release(job, done):
                log.warning("job %s stays on pipeline %d: %s", job.name, number, problem)
            raise ValueError(f"pipeline {len(done)}: {error}") from None

    def release(self, job: Job) -> None:
        failed = _release(job, self._of(job))
        if failed:
            raise ValueError("; ".join(f"pipeline {number}: {error}" for number, error in failed))

    # -- registers -------------------------------------------------------------------------------------------

    def remembered_jobs(self) -> set[int]:
        return set().union(*(plane.remembered_jobs() for plane in self.planes))

    def seen(self, job: Job, rank: int, query: SilentQuery) -> Seen | None:
        """What the pipeline that serves the slot knows of it."""
        slot = (query.pool_index >> 1) - self.seat(job, rank).first_slot
        queue = next(queue for queue, share in enumerate(shares(job)) if slot in share)
        return self.planes[queue % len(self.planes)].seen(job, rank, query)


def _release(job: Job, planes: Sequence[AnyPlane]) -> list[tuple[int, Exception]]:
    """Take the job from each; (number of the plane, why not) of those that refused."""
    failed: list[tuple[int, Exception]] = []
    for number, plane in enumerate(planes):
        try:
            plane.release(job)
        except _FAILURES as error:
            failed.append((number, error))
    return failed


def make_plane(
    target: Target, known: Hosts | Fabric, pipelines: int, on_lost: Callable[[str], None]
) -> AnyPlane | PipelinesPlane:
    """For one switch or a tree of them, of one pipeline or several. Device ids follow that of the target, or each switch's."""
    planes: list[AnyPlane] = [
        Plane(target, known, on_lost, pipeline) if isinstance(known, Hosts) else FabricPlane(target, known, on_lost, pipeline)
        for pipeline in range(pipelines)
    ]
    return planes[0] if pipelines == 1 else PipelinesPlane(planes)
