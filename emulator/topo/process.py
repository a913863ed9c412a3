"""Child processes of a network: started in a namespace, known ready by a line they print, always reaped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from emulator.topo.spec import TopologyError

LAST_LINES = 12  # of a child's output, kept for the error sentence


def dying_with_parent() -> list[str]:
    """Words before a command whose process shall not outlive this one, not even where this one is killed; none without
    util-linux. Networks need them not: the next one ends what a dead one left."""
    tool = shutil.which("setpriv")
    return [tool, "--pdeathsig", "TERM", "--"] if tool is not None else []


class Child:
    """One process in its own session. Its output goes to `log`, and to `on_line` from a reader thread."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        namespace_pid: int | None = None,
        ready: Callable[[str], bool] | None = None,
        on_line: Callable[[str], None] | None = None,
        on_end: Callable[[], None] = lambda: None,
        env: dict[str, str] | None = None,
        wrap: Sequence[str] = (),
    ) -> None:
        """namespace_pid: a process whose network and mount namespaces to join. env: None for this process's
        own. wrap: a command put before all else. on_line, on_end: called in a thread of this object.

        Raises TopologyError if the program cannot be started."""
        self.name, self.log = name, log
        self.lines: list[str] = []
        self._ready, self._on_line, self._on_end = ready, on_line, on_end
        self._is_ready = threading.Event()
        enter = ["mnexec", "-a", str(namespace_pid)] if namespace_pid is not None else []
        try:
            self.process = subprocess.Popen(
                [*wrap, *enter, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=env,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise TopologyError(f"{name}: cannot start {command[0]}: {error.strerror}") from None
        self._reader = threading.Thread(target=self._read, daemon=True, name=f"output of {name}")
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _read(self) -> None:
        assert self.process.stdout is not None
        with opened(self.log) as log:
            for line in self.process.stdout:
                with suppress(OSError):  # a full disk costs the log, and not the child, which would wait for a reader
                    log.write(line.encode())
                self.lines = [*self.lines[1 - LAST_LINES :], line.rstrip("\n")]
                if self._ready is not None and self._ready(line):
                    self._is_ready.set()
                if self._on_line is not None:
                    self._on_line(line.rstrip("\n"))
        self._is_ready.set()  # the end of output also ends a wait for readiness
        self._on_end()

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Raises TopologyError if the process ends, or says nothing of being ready, within `timeout_s`."""
        became = self._is_ready.wait(timeout_s)
        if self.process.poll() is not None or not self._reader.is_alive():
            self.wait(5.0)
            raise TopologyError(f"{self.name} stopped at once: {self.complaint()}")
        if not became:
            raise TopologyError(f"{self.name} was not ready within {timeout_s:g} s; see {self.log}")

    def cpu_seconds(self) -> float:
        """CPU time of the process so far, user and system, all threads; 0 once it has ended."""
        try:
            text = Path(f"/proc/{self.pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return 0.0
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def complaint(self) -> str:
        """The last line it said, which by house rule is the error sentence."""
        said = [line for line in self.lines if line.strip()]
        return said[-1].strip() if said else f"it said nothing (exit status {self.process.poll()})"

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Its exit status, or None if it still runs after `timeout_s`. All output has been seen by then."""
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(5.0)
        return status

    def stop(self, grace_s: float = 3.0) -> None:
        """Ends it and whatever it started: SIGTERM, then SIGKILL."""
        if self.process.poll() is None:
            self._signal(signal.SIGTERM)
            if self.wait(grace_s) is None:
                self._signal(signal.SIGKILL)
        self.wait(5.0)
        self._signal(signal.SIGKILL)  # children that outlived the session's leader

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


def opened(log: Path) -> IO[bytes]:
    """The log to append to, or nowhere, where it cannot be written."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("ab", buffering=0)
    except OSError:
        return open(os.devnull, "wb", buffering=0)


def stop_all(children: Sequence[Child], grace_s: float = 3.0) -> None:
    """Ends all of them within one grace period rather than one each."""
    for child in children:
        if child.process.poll() is None:
            child._signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    for child in children:
        child.wait(max(0.0, deadline - time.monotonic()))
        child.stop(grace_s=0.1)
