"""A runner that is closed while other threads use it: they are refused, and nothing is used that was freed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from emulator.switch.ports import Queue
from emulator.switch.ports.lending import Lending
from emulator.switch.runner import Runner, RunnerError

WAIT = 20.0


def use(runner: Runner) -> list[Callable[[], object]]:
    def hold() -> None:
        with runner.paused():
            pass

    return [
        hold,
        lambda: runner.inject(0, bytes(60)),
        lambda: runner.emit(0, bytes(60)),
        lambda: runner.take(0, 0),
        runner.stats,
        runner.loop_stats,
    ]


def test_closing_under_use() -> None:
    for _ in range(30):
        runner = Runner({0: Queue()}, cpu_port=5)
        runner.start()
        begun = threading.Barrier(7)
        failed: list[BaseException] = []

        def work(call: Callable[[], object], begun: threading.Barrier = begun, failed: list = failed) -> None:
            begun.wait(WAIT)
            while True:
                try:
                    call()
                except RunnerError as error:
                    if "is closed" in str(error):
                        return
                except BaseException as error:
                    failed.append(error)
                    return

        threads = [threading.Thread(target=work, args=(call,)) for call in use(runner)]
        for thread in threads:
            thread.start()
        begun.wait(WAIT)
        runner.close()
        for thread in threads:
            thread.join(WAIT)
            assert not thread.is_alive()
        assert not failed, failed
        with pytest.raises(RunnerError):
            runner.stats()


def test_what_is_lent_is_not_given_back_before_it_is_returned() -> None:
    lending, thing = Lending(), ["good"]
    inside, leave = threading.Event(), threading.Event()

    def borrow() -> None:
        with lending.of(lambda: thing[0]):
            inside.set()
            leave.wait(WAIT)

    thread = threading.Thread(target=borrow)
    thread.start()
    assert inside.wait(WAIT)

    def take() -> str:
        found, thing[0] = thing[0], "gone"
        return found

    assert lending.last(take, 0) == ("good", False), "it is in use"
    leave.set()
    thread.join(WAIT)
    began = time.monotonic()
    assert lending.last(take, WAIT) == ("gone", True) and time.monotonic() - began < WAIT
    with pytest.raises(KeyError), lending.of(lambda: {}["nothing"]):
        pass
    assert lending.last(take, 0)[1], "who got nothing does not use it"
