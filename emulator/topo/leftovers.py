"""What a crashed run leaves behind, and how it is found again.

A run has a tag such as `fpk3x9`. Its interfaces in the root namespace begin with the tag, its processes carry
it in their environment, and /run/fpisa/<tag>/owner names the process that owns the run. A run whose owner is
dead is stale: its processes are killed, then its interfaces deleted; namespaces go with their last process.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

from emulator.topo import quota

STATE = Path("/run/fpisa")
VARIABLE = "FPISA_NETWORK"
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
TAG = re.compile(f"fp[{LETTERS}]{{4}}")


def claim() -> str:
    """A fresh tag, recorded as owned by this process."""
    STATE.mkdir(parents=True, exist_ok=True)
    while True:
        tag = "fp" + "".join(secrets.choice(LETTERS) for _ in range(4))
        try:
            (STATE / tag).mkdir()
        except FileExistsError:
            continue
        (STATE / tag / "owner").write_text(f"{os.getpid()} {started(os.getpid())}\n")
        return tag


def environment(tag: str) -> dict[str, str]:
    """For every process of the run, so that `members` finds it and what it starts."""
    return {**os.environ, VARIABLE: tag}


def release(tag: str) -> None:
    """Ends a run: nothing of it survives this call."""
    sweep(tag)
    shutil.rmtree(STATE / tag, ignore_errors=True)


def started(pid: int) -> int | None:
    """Start time of a living process in clock ticks since boot; it tells a reused pid from the old one."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def stale_tags() -> list[str]:
    """Runs whose owner no longer lives."""
    if not STATE.is_dir():
        return []
    return [path.name for path in sorted(STATE.iterdir()) if TAG.fullmatch(path.name) and not owner_lives(path)]


def owner_lives(path: Path) -> bool:
    try:
        pid, since = (path / "owner").read_text().split()
    except (ValueError, OSError):
        return path.exists() and time.time() - path.stat().st_mtime < 5  # being made
    return started(int(pid)) == int(since)


def members(tag: str) -> list[int]:
    """Processes that inherited the tag."""
    wanted = f"{VARIABLE}={tag}".encode()
    found = []
    for path in Path("/proc").iterdir():
        if not path.name.isdigit() or int(path.name) == os.getpid():
            continue
        try:
            if wanted in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
        except OSError:
            continue
    return found


def interfaces(tag: str) -> list[str]:
    return sorted(path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith(tag))


def sweep(tag: str) -> None:
    """Kills the run's processes, deletes its interfaces and groups."""
    assert TAG.fullmatch(tag), tag  # anything else would match what is not ours
    deadline = time.monotonic() + 5
    while (pids := members(tag)) and time.monotonic() < deadline:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            try:
                os.waitpid(pid, os.WNOHANG)  # ours, if we are its parent
            except ChildProcessError:
                pass
        time.sleep(0.01)
    for name in interfaces(tag):
        subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)
    quota.remove(tag)


def clean_stale() -> list[str]:
    """Removes what dead runs left; returns their tags. Running networks are not touched."""
    tags = stale_tags()
    for tag in tags:
        release(tag)
    return tags
