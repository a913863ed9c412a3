"""CPU quotas by cgroup, version 1 or 2: a host that may use only a share of the machine's CPUs.

A group is named after its network's tag and its host, so that clean-up finds it.
"""

from __future__ import annotations

import os
from pathlib import Path

from emulator.topo.spec import TopologyError

V1 = Path("/sys/fs/cgroup/cpu")
V2 = Path("/sys/fs/cgroup")
# A short period keeps a throttled host's pauses below a retransmission timeout.
PERIOD_US = 10_000


def root() -> Path:
    """Where groups with a CPU quota are made. Raises TopologyError where there is no such place."""
    if (V1 / "cpu.cfs_quota_us").exists() or (V1 / "cgroup.procs").exists():
        return V1
    controllers = V2 / "cgroup.controllers"
    if controllers.exists() and "cpu" in controllers.read_text().split():
        return V2
    raise TopologyError("CPU shares need the cpu controller of cgroups, which is not mounted in /sys/fs/cgroup")


def limit(name: str, cpu: float) -> Path:
    """Makes the group `name`, limited to `cpu` (0 < cpu <= 1) of all CPUs. Raises TopologyError."""
    base = root()
    quota = max(1000, round(cpu * (os.cpu_count() or 1) * PERIOD_US))
    group = base / name
    try:
        if base == V2:
            (base / "cgroup.subtree_control").write_text("+cpu")
        group.mkdir()
        if base == V2:
            (group / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
    except OSError as error:
        raise TopologyError(f"cannot set the CPU share of {name}: {error.strerror}") from None
    return group


def inside(group: Path) -> list[str]:
    """A command prefix that runs the rest of the command line in `group`."""
    return ["sh", "-c", f'echo $$ >"{group}/cgroup.procs" && exec "$@"', "sh"]


def remove(tag: str) -> None:
    """Removes the groups of a network whose processes have ended."""
    for base in (V1, V2):
        for group in base.glob(f"{tag}-*"):
            try:
                group.rmdir()
            except OSError:
                continue
