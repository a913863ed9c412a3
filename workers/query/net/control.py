"""The master's way to the query controller (`controller/query_app.py`)."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from controller.session import MAX_LINE, decode, encode
from workers.query.errors import QueryError, SwitchLost
from workers.query.net.cells import can_decode, decoded
from workers.query.net.channel import connect

ANSWER_LIMIT = 30.0


@dataclass(frozen=True)
class Installed:
    """A query on the switch: its number, cells of each array, and each worker's sequence number before its first."""

    query: int
    cells: int
    before: tuple[int, ...]
    window: int


class Control:
    """One connection. Every method raises QueryError: with the controller's own sentence, or when it or the switch is
    gone. `gone` says why once the controller is gone, `lost` why the switch is, until `revive`; both at any time."""

    def __init__(self, where: str) -> None:
        self._socket = connect(where)
        self._stream = self._socket.makefile("rb")
        self._asked = threading.Lock()
        self._changed = threading.Condition()
        self._answer: tuple[dict[str, Any], bytes] | None = None
        self.gone: str | None = None
        self.lost: str | None = None
        self._tag = 0
        self.seconds = 0.0  # waited for answers
        threading.Thread(target=self._read, name="controller", daemon=True).start()

    def _read(self) -> None:
        reason = "the controller is gone: its connection closed"
        try:
            while line := self._stream.readline(MAX_LINE):
                message = decode(line)
                size = sum(message["parts"]) if "parts" in message else 8 * math.prod(message.get("shape", [0]))
                body = self._stream.read(size)
                with self._changed:
                    if message.get("event") == "lost":
                        self.lost = str(message.get("reason"))
                    elif message.get("tag") == self._tag:  # others are late: nobody waits for them any more
                        self._answer = message, body
                        self.lost = None if message.get("back") else self.lost
                    self._changed.notify_all()
        except (OSError, ValueError):
            pass
        with self._changed:
            self.gone = reason
            self._changed.notify_all()

    def check(self) -> None:
        """Raises QueryError once the controller is gone, SwitchLost once the switch is."""
        if self.gone is not None:
            raise QueryError(self.gone)
        if self.lost is not None:
            raise SwitchLost(self.lost)

    def _ask(self, message: dict[str, Any], limit: float = ANSWER_LIMIT, *, lost: bool = False) -> tuple[dict[str, Any], bytes]:
        """lost: ask although the switch is."""
        with self._asked:
            start = time.perf_counter()
            with self._changed:
                self._tag += 1
                self._answer = None
            try:
                if not lost:
                    self.check()
                self._socket.sendall(encode({**message, "tag": self._tag}))
            except OSError:
                raise QueryError("the controller is gone: its connection broke") from None
            with self._changed:
                self._changed.wait_for(lambda: self._answer or self.gone or (self.lost and not lost), limit)
                if self._answer is None:
                    if not lost:
                        self.check()
                    raise QueryError(self.gone or f"the controller has not answered within {limit:g} s")
                answer, body = self._answer
            self.seconds += time.perf_counter() - start
        if answer.get("ok") is not True:
            raise (SwitchLost if answer.get("lost") else QueryError)(str(answer.get("error")))
        return answer, body

    def revive(self, patience: float) -> None:
        """Returns once the switch can take queries again. Raises SwitchLost if that takes longer than `patience` seconds."""
        self._ask({"op": "revive", "patience": patience}, patience + ANSWER_LIMIT, lost=True)

    def install(self, operator: str, master: str, workers: Sequence[str], *, cells: int | None = None, flip: bool = False,
                a: int = 0, b: int = 0, ladder: Sequence[int] = ()) -> Installed:
        """master, workers: IPv4 addresses of hosts; the rest as `Rack.install` has it."""
        answer, _ = self._ask({
            "op": "install", "operator": operator, "master": master, "workers": list(workers), "cells": cells,
            "flip": bool(flip), "a": int(a), "b": int(b), "ladder": [int(rung) for rung in ladder],
        })  # fmt: skip
        return Installed(answer["query"], answer["cells"], tuple(answer["before"]), answer["window"])

    def registers(self, query: int, arrays: Sequence[str]) -> np.ndarray:
        """(arrays, 16, cells) uint64."""
        wanted = {"op": "registers", "query": query, "arrays": list(arrays)}
        if can_decode():
            answer, body = self._ask({**wanted, "raw": True})
            found = decoded(answer, body)
            if found is not None:
                return found.reshape(len(arrays), -1, answer["cells"])
        answer, body = self._ask(wanted)
        return np.frombuffer(body, "<u8").reshape(answer["shape"])

    def drops(self) -> int | None:
        """Packets dropped at the switch's ports since it began; None where that is not known."""
        found = self._ask({"op": "drops"})[0]["drops"]
        return None if found is None else int(found)

    def remove(self, query: int, sent: Sequence[int]) -> None:
        """sent: packets of each worker."""
        self._ask({"op": "remove", "query": query, "sent": list(sent)})

    def forget(self, query: int) -> None:
        """Removes a query that failed, without waiting: whoever it failed for must hear why, not wait for a switch that is
        perhaps gone."""
        with suppress(OSError):
            self._socket.sendall(encode({"op": "remove", "query": query, "sent": None}))

    def close(self) -> None:
        self._socket.close()
