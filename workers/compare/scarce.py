"""Making CPU scarce for workers: a quota by cgroup, or one core for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from emulator.topo import quota
from emulator.topo.spec import TopologyError

LEAST = 0.1  # cores; the smallest quota that emulator.topo.quota sets


def way() -> tuple[str, str]:
    """("cgroup" or "affinity", a sentence that says so)."""
    reason = "not root" if os.geteuid() else ""
    if not reason:
        try:
            base = quota.root()
            name = "fpisa-compare-probe-" + str(os.getpid())
            quota.limit(name, 0.5).rmdir()
        except (TopologyError, OSError) as error:
            reason = str(error)
        else:
            version = "version 1" if base == quota.V1 else "version 2"
            return "cgroup", (
                f"CPU is made scarce by cgroup ({version}): each worker has a quota, in cores, in every "
                f"{quota.PERIOD_US / 1e3:g} ms; the switch is not limited."
            )
    return "affinity", (
        f"CPU quotas cannot be set ({reason}): instead all workers share one core (sched_setaffinity), so the "
        "CPU sweep has one scarce point, a core divided by the number of workers."
    )


@contextmanager
def limited(pids: Sequence[int], share: float | None, by: str) -> Iterator[None]:
    """Within: each process may use `share` cores (cgroup), or all of them one core (affinity). None: no limit.

    Raises TopologyError where a quota cannot be set.
    """
    if share is None:
        yield
    elif by == "cgroup":
        with grouped(pids, share):
            yield
    else:
        cores = {pid: os.sched_getaffinity(pid) for pid in pids}
        try:
            for pid in pids:
                os.sched_setaffinity(pid, {max(cores[pid])})
            yield
        finally:
            for pid, before in cores.items():
                try:
                    os.sched_setaffinity(pid, before)
                except ProcessLookupError:
                    continue


@contextmanager
def grouped(pids: Sequence[int], share: float) -> Iterator[None]:
    homes = {pid: home(pid) for pid in pids}
    try:
        for pid in pids:
            group = quota.limit(f"{tag()}-{pid}", share / (os.cpu_count() or 1))
            move(pid, group)
        yield
    finally:
        for pid, group in homes.items():
            try:
                move(pid, group)
            except (TopologyError, ProcessLookupError):
                continue
        remove()


def tag() -> str:
    return f"fpisa-compare-{os.getpid()}"


def remove() -> None:
    """Removes this process's groups, but for those that still hold a process (also one not yet waited for)."""
    quota.remove(tag())


def home(pid: int) -> Path:
    """The group a process is in now."""
    base = quota.root()
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if ("cpu" in controllers.split(",")) if base == quota.V1 else controllers == "":
            return base / path.lstrip("/")
    return base


def move(pid: int, group: Path) -> None:
    try:
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        raise TopologyError(f"cannot move process {pid} into {group.name}: {error.strerror}") from None
