"""A worker over the switch's restart, with the controller's side of the connection played by the test."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from controller.session import GIVEN, Given, Joined, JoinRequest, Lost, Need, Restarted, Resume, Silent
from emulator.native.engine import NativeEngineError, Result
from workers.join import Lines, Membership, PeerLost
from workers.resume import check, refuse
from workers.transport import TransportError

JOINED = Joined(7, 0, 2, 4, 8, "02:00:00:00:00:fe", "10.0.0.254", 18000, ())


class Engine:
    """Records what it is told."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def halt(self) -> None:
        self.calls.append("halt")

    def progress(self) -> list[list[int]]:
        return [[0, 9]]

    def give(self, queue: int, chunk: int) -> Result:
        if chunk == 99:
            raise NativeEngineError("the result of chunk 99 is no longer here")
        return Result(queue, chunk, b"abcd", 0.5, 1)

    def take(self, result: Result) -> None:
        self.calls.append(result)

    def resume(self, job: int) -> None:
        self.calls.append(("resume", job))


class Controller:
    def __init__(self) -> None:
        near, self.sock = socket.socketpair()
        self.sock.settimeout(10)
        self.membership = Membership(Lines(near), JOINED, JoinRequest("j", 2, "10.0.0.1", 9000, 8))
        self.lines = self.sock.makefile("rb")
        self.failure: list[BaseException] = []

    def say(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self.sock.sendall(json.dumps(message).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.lines.readline())
        return found

    def during(self, work: Callable[[], None], play: Callable[[], None]) -> None:
        """Runs the worker's side in a thread while the test plays the controller; raises what the worker raises."""

        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                self.failure.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        play()
        thread.join(10)
        assert not thread.is_alive()
        if self.failure:
            raise self.failure[0]


@pytest.fixture
def controller() -> Iterator[Controller]:
    made = Controller()
    yield made
    made.lines.close()
    made.sock.close()
    made.membership.lines.sock.close()


def test_states_are_told_results_given_and_taken(controller: Controller) -> None:
    engine = Engine()

    def play() -> None:
        assert controller.hear() == {"op": "state", "job": 8, "next": [[0, 9]]}
        given = Given(8, 0, 5, (0,), base64.b64encode(b"wxyz").decode(), 0.25, 2)
        controller.say(given.wire(GIVEN), Resume(8, (Need(0, 1, (1,)),), 2).wire())
        assert controller.hear() == {
            "op": "give", "job": 8, "queue": 0, "chunk": 1, "ranks": [1], "values": "YWJjZA==", "scale": 0.5, "flags": 1,
        }  # fmt: skip
        controller.say(given.wire(GIVEN))

    controller.say(Restarted(8).wire())
    controller.during(lambda: check(controller.membership, engine, 5.0), play)
    taken = Result(0, 5, b"wxyz", 0.25, 2)
    assert engine.calls == ["halt", taken, taken, ("resume", 8)]
    assert controller.membership.restarted is None


def test_another_restart_begins_anew(controller: Controller) -> None:
    engine = Engine()

    def play() -> None:
        assert controller.hear()["job"] == 8
        controller.say(Restarted(9).wire())
        assert controller.hear()["job"] == 9
        controller.say(Resume(8, (), 0).wire(), Resume(9, (), 0).wire())

    controller.say(Restarted(8).wire())
    controller.during(lambda: check(controller.membership, engine, 5.0), play)
    assert engine.calls == ["halt", "halt", ("resume", 9)]


def test_who_does_not_answer_is_named(controller: Controller) -> None:
    def play() -> None:
        assert controller.hear()["op"] == "state"
        assert controller.hear() == {"op": "silent", "pool_index": 8, "chunk": 0}
        controller.say(Silent((1,), "they have not said how far they are").wire())

    controller.say(Restarted(8).wire())
    with pytest.raises(PeerLost, match="rank 1 went silent: they have not said"):
        controller.during(lambda: check(controller.membership, Engine(), 0.05), play)


def test_a_peer_lost_meanwhile_is_named(controller: Controller) -> None:
    controller.say(Restarted(8).wire(), Lost(1, "it hung up").wire())
    with pytest.raises(PeerLost, match="rank 1 went silent: it hung up"):
        check(controller.membership, Engine(), 5.0)


def test_a_result_that_is_gone_is_a_sentence(controller: Controller) -> None:
    def play() -> None:
        controller.hear()
        controller.say(Resume(8, (Need(0, 99, (1,)),), 0).wire())

    controller.say(Restarted(8).wire())
    with pytest.raises(TransportError, match="cannot resume after the switch's restart: the result of chunk 99"):
        controller.during(lambda: check(controller.membership, Engine(), 5.0), play)


def test_the_python_engine_refuses(controller: Controller) -> None:
    controller.say(Restarted(8).wire())
    with pytest.raises(TransportError, match="the engine in Python cannot resume"):
        refuse(controller.membership)
