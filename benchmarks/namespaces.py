"""Work in a network namespace of its own, which vanishes with the thread that made it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable
from typing import TypeVar

CLONE_NEWNET = 0x40000000
T = TypeVar("T")


def isolated(body: Callable[[], T]) -> T:
    """Runs body in a thread with a fresh network namespace and returns what it returns, or raises what it
    raises. Raises RuntimeError without the right to make one."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(CLONE_NEWNET):
                raise RuntimeError(f"cannot make a network namespace: {os.strerror(ctypes.get_errno())}")
            outcome.append(body())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def veth(n: int) -> list[tuple[str, str]]:
    """n silent pairs in the thread's namespace: (switch's end, host's end)."""
    pairs = [(f"s{i}", f"h{i}") for i in range(n)]
    for pair in pairs:
        _run("ip", "link", "add", pair[0], "type", "veth", "peer", "name", pair[1])
        for end in pair:
            _run("sysctl", "-q", "-w", f"net.ipv6.conf.{end}.disable_ipv6=1")
            _run("ip", "link", "set", end, "up")
    return pairs


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and command[0] == "ip":
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
