"""A job over the switch's restart, seen from a worker (docs/PROTOCOL.md, "A restarted switch")."""

from __future__ import annotations

import base64
import binascii
import time
from typing import Protocol

from controller.session import GIVE, Given, Resume, State
from emulator.native.engine import NativeEngineError, Result
from workers.join import JoinError, Membership, PeerLost
from workers.transport import TransportError


class Resumable(Protocol):
    """What an engine offers; emulator.native.engine.NativeEngine does."""

    def halt(self) -> None: ...
    def progress(self) -> list[list[int]]: ...
    def give(self, queue: int, chunk: int) -> Result: ...
    def take(self, result: Result) -> None: ...
    def resume(self, job: int) -> None: ...


def check(membership: Membership, engine: Resumable, deadline: float) -> None:
    """Membership.check, and where the switch was restarted, bring the engine over it within `deadline` seconds.

    Raises PeerLost naming who did not answer, JoinError, TransportError."""
    membership.check()
    while membership.restarted is not None:
        try:
            follow(membership, engine, membership.restarted.job, time.monotonic() + deadline)
        except NativeEngineError as error:
            raise TransportError(f"the job cannot resume after the switch's restart: {error}") from None


def refuse(membership: Membership) -> None:
    """Membership.check for an engine that cannot resume."""
    membership.check()
    if membership.restarted is not None:
        raise TransportError("the switch was restarted, and the engine in Python cannot resume; use the native one")


def follow(membership: Membership, engine: Resumable, job: int, end: float) -> None:
    """One restart; returns early when another one follows."""
    engine.halt()
    membership.lines.write(State(job, tuple(tuple(queue) for queue in engine.progress())).wire())
    course: Resume | None = None
    taken = 0
    while course is None or taken < course.awaited:
        message = next_message(membership, end)
        if membership.restarted is None or membership.restarted.job != job:
            return
        if message.get("event") == "resume" and message.get("job") == job:
            course = Resume.read(message)
            give(membership, engine, course)
        elif message.get("event") == "given" and message.get("job") == job:
            engine.take(result_of(Given.read(message)))
            taken += 1
        elif message.get("ok") is False:
            raise JoinError(str(message.get("error")))
    engine.resume(job)
    membership.restarted = None


def next_message(membership: Membership, end: float) -> dict[str, object]:
    """Raises PeerLost and JoinError; after `end` PeerLost with the controller's word on who is missing."""
    message = membership.event(max(end - time.monotonic(), 0.0))
    if message is None:
        found = membership.silent(2 * membership.joined.first_slot, 0)
        raise PeerLost(found.silent, found.reason)
    return message


def give(membership: Membership, engine: Resumable, course: Resume) -> None:
    for need in course.needs:
        found = engine.give(need.queue, need.chunk)
        text = base64.b64encode(found.values).decode()
        given = Given(course.job, need.queue, need.chunk, need.ranks, text, found.scale, found.flags)
        membership.lines.write(given.wire(GIVE))


def result_of(given: Given) -> Result:
    try:
        values = base64.b64decode(given.values, validate=True)
    except binascii.Error:
        raise TransportError("another worker's result is not understood") from None
    return Result(given.queue, given.chunk, values, given.scale, given.flags)
