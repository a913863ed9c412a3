"""What a query's processes leave when the one that started them is killed by force, and how the next one finds it.

Each has a folder in the temporary directory, and holds a lock on a file in it, which ends with the process that took it. Its
processes carry the folder's name in their environment."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

PREFIX = "fpisa-q"
VARIABLE = "FPISA_QUERY"
OWNER = "owner"
YOUNG_SECONDS = 60.0
"""A folder without a lock file may be in the making for so long."""
GONE_SECONDS = 5.0
LOOK_SECONDS = 0.02


def claim() -> tuple[Path, IO[bytes]]:
    """A folder of one's own, and the file whose closing gives it up. What others left is removed."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    file = (folder / OWNER).open("wb")
    fcntl.flock(file, fcntl.LOCK_EX)
    return folder, file


def environment(folder: Path) -> dict[str, str]:
    """For every process of the query."""
    return {**os.environ, VARIABLE: str(folder)}


def sweep() -> list[Path]:
    """Ends the processes and removes the folders of queries whose starter is gone; these folders. Those of other users stay."""
    found = [folder for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if _is_stale(folder)]
    for folder in found:
        _end(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _is_stale(folder: Path) -> bool:
    try:
        status = folder.stat()
        if status.st_uid != os.getuid() or not folder.is_dir():
            return False
        with (folder / OWNER).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return folder.exists() and time.time() - status.st_mtime > YOUNG_SECONDS
    except OSError:
        return False  # locked, or not ours to read


def _end(folder: Path) -> None:
    """Returns when its processes are gone, at most GONE_SECONDS later."""
    until = time.monotonic() + GONE_SECONDS
    while (pids := members(folder)) and time.monotonic() < until:
        for pid in pids:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)


def members(folder: Path) -> list[int]:
    """Living processes that carry the folder's name."""
    wanted = f"{VARIABLE}={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
    return found
