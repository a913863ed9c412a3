"""The controller's part when a switch has lost its registers: every job's workers tell their state, give each other the
results that some lack, and go on under the job's new id (docs/PROTOCOL.md, "A restarted switch")."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from typing import Any, Protocol

from .jobs import Refusal, Registry
from .resume import Apart, Gathered
from .session import GIVEN, Given, Job, Restarted, Resume, State, refusal

log = logging.getLogger("fpisa.controller")


class Listener(Protocol):
    def send(self, message: dict[str, Any]) -> None: ...


class Restarts:
    """Jobs on their way back. Clients are the registry's, each a Listener."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._gathered: dict[int, Gathered] = {}

    def begin(self, job: Job) -> None:
        """The job's entries are on the switch again, under its new id."""
        self._gathered = {i: g for i, g in self._gathered.items() if self._registry.clients_of(i)}
        self._gathered[job.id] = Gathered(job)
        self._tell(job, {rank: Restarted(job.id).wire() for rank in range(job.workers)})

    def missing(self, job: Job) -> tuple[int, ...]:
        """Ranks that a job on its way back still waits for."""
        gathered = self._gathered.get(job.id)
        return gathered.missing if gathered else ()

    def state(self, client: Hashable, state: State) -> None:
        """Raises Refusal. What is about an earlier restart is ignored: the worker will hear of the later one."""
        job, rank = self._place(client)
        gathered = self._gathered.get(job.id)
        if state.job != job.id or gathered is None:
            return
        try:
            course = gathered.add(rank, state.next)
        except Apart as error:
            log.error("job %s cannot resume: %s", job.name, error)
            del self._gathered[job.id]
            sentence = f"the job cannot resume after the switch's restart: {error}"
            self._tell(job, dict.fromkeys(range(job.workers), refusal(sentence)))
            return
        if course is None:
            return
        del self._gathered[job.id]
        given = sum(course.awaited.values())
        log.warning("job %s resumes as %d; workers give each other %d results", job.name, job.id, given)
        self._tell(
            job, {rank: Resume(job.id, course.needs[rank], course.awaited[rank]).wire() for rank in course.awaited}
        )

    def give(self, client: Hashable, given: Given) -> None:
        """Passes one worker's result on. Raises Refusal."""
        job, _ = self._place(client)
        if given.job == job.id:
            self._tell(job, {rank: given.wire(GIVEN) for rank in given.ranks})

    def _place(self, client: Hashable) -> tuple[Job, int]:
        place = self._registry.job_of(client)
        if place is None:
            raise Refusal("this connection is in no job")
        return place

    def _tell(self, job: Job, messages: Mapping[int, dict[str, Any]]) -> None:
        """One message a rank, to those whose connection is up."""
        for client, rank in self._registry.clients_of(job.id).items():
            if rank in messages:
                client.send(messages[rank])  # type: ignore[attr-defined]
