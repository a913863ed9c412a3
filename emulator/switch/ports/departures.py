"""Sends packets that wait in the switch's queues when their turn comes, in real time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)


def nothing() -> None:
    """For a callback that nobody waits for."""


def queues_of(switch: Any) -> Any:
    """A switch's queues (emulator.switch.queues), None where it has none."""
    return getattr(getattr(switch, "control", None), "queues", None)


def keeps_queues(switch: Any) -> bool:
    """Whether its engine can keep what waits in native code, so that no thread of Python's is needed for it."""
    return hasattr(getattr(switch, "engine", None), "native_queues")


class Departures:
    """A thread that calls serve() whenever a packet is due. serve sends what is due and says when the next will be, in
    microseconds of `clock`, or None; wake() says that a packet began to wait."""

    def __init__(self, serve: Callable[[], int | None], clock: Callable[[], int]) -> None:
        self._serve, self._clock = serve, clock
        self._changed = threading.Condition()
        self._woken = self._stopped = False
        self._thread = threading.Thread(target=self._run, name="fpisa-queues", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """From any thread, also one that holds packets off."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        due: int | None = None
        while True:
            with self._changed:
                if not self._woken and not self._stopped:
                    self._changed.wait(None if due is None else max(0, due - self._clock()) / 1e6)
                if self._stopped:
                    return
                self._woken = False
            try:
                due = self._serve()
            except Exception:
                log.exception("packets that waited in a queue were not sent")
                due = None
