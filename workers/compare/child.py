"""Child processes that answer JSON lines: one request, one answer, within a stated time."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.compare.plan import CompareError

Message = dict[str, Any]
START_LIMIT = 60.0


class Child:
    """`python -m module`, whose standard input and output carry the messages; its errors go to `log`."""

    def __init__(self, name: str, module: str, log: Path) -> None:
        self.name, self.log = name, log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def tell(self, message: Message) -> None:
        """Raises CompareError where the child is gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise CompareError(self._gone()) from None

    def answer(self, limit: float) -> Message:
        """Raises CompareError with the child's own sentence, or one that says it ended or stayed silent."""
        try:
            line = self.lines.get(timeout=limit)
        except queue.Empty:
            raise CompareError(f"the {self.name} has not answered within {limit:g} s") from None
        if line is None:
            raise CompareError(self._gone())
        message: Message = json.loads(line)
        if "error" in message:
            raise CompareError(f"{self.name}: {message['error']}")
        return message

    def ask(self, message: Message, limit: float = START_LIMIT) -> Message:
        self.tell(message)
        return self.answer(limit)

    def _gone(self) -> str:
        try:
            last = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            last = []
        return f"the {self.name} has ended" + (f": {last[-1]}" if last else "")

    def close(self) -> None:
        """Ends the process: end of input, then by force."""
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except OSError:
                pass
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def serve(handle: Callable[[Message], Message], errors: tuple[type[BaseException], ...]) -> None:
    """The child's side: answers until the input ends. `errors` are answered as sentences."""
    for line in sys.stdin:
        try:
            reply = handle(json.loads(line))
        except errors as error:
            reply = {"error": str(error)}
        print(json.dumps(reply), flush=True)
