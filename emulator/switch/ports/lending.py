"""Something in C that several threads use and one frees: it is freed when none of them uses it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Lending:
    """Counts who uses it. Using may nest, and does not keep others from using."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._users = 0

    @contextmanager
    def of(self, find: Callable[[], Any]) -> Iterator[Any]:
        """What `find` gives (or raises), which stays good inside."""
        with self._changed:
            thing = find()
            self._users += 1
        try:
            yield thing
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()

    def last(self, take: Callable[[], Any], limit: float) -> tuple[Any, bool]:
        """(what `take` gives, after which `find` must not find it; whether nobody uses it now). Waits at most limit seconds."""
        with self._changed:
            thing = take()
            return thing, self._changed.wait_for(lambda: not self._users, limit)
