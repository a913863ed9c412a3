"""Fresh network namespaces for tests: a thread leaves the host's namespace, and everything dies with it."""

from __future__ import annotations

import ctypes
import subprocess
import threading
from collections.abc import Callable
from typing import Any

CLONE_NEWNET = 0x40000000


def run_isolated(body: Callable[..., Any], *args: Any, timeout: float = 120) -> Any:
    """Runs body(*args) in a thread with a network namespace of its own and returns (or raises) what it
    does. Threads and commands it starts are in the same namespace."""
    outcome: dict[str, Any] = {}

    def work() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET):
            outcome["error"] = OSError(ctypes.get_errno(), "cannot make a network namespace")
            return
        try:
            ip("link set lo up")
            outcome["value"] = body(*args)
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        raise TimeoutError(f"{body.__name__} did not end within {timeout} s")
    if "error" in outcome:
        raise outcome["error"]
    return outcome.get("value")


def ip(command: str) -> None:
    """One `ip` command in the calling thread's namespace."""
    subprocess.run(["ip", *command.split()], check=True, capture_output=True)


def quiet(interface: str) -> None:
    """Sets an interface up without IPv6, whose announcements would join the test."""
    subprocess.run(
        ["sysctl", "-q", "-w", f"net.ipv6.conf.{interface}.disable_ipv6=1"], check=False, capture_output=True
    )
    ip(f"link set {interface} up")


def veth_pairs(n: int) -> list[tuple[str, str]]:
    """n pairs: (switch's end sN, host's end hN), up and silent."""
    pairs = [(f"s{i}", f"h{i}") for i in range(n)]
    for switch_end, host_end in pairs:
        ip(f"link add {switch_end} type veth peer name {host_end}")
        quiet(switch_end)
        quiet(host_end)
    return pairs
