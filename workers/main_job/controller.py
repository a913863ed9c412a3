"""The command that starts the controller of one switch."""

from __future__ import annotations

import sys
from pathlib import Path

from workers.main_job.programs import Program


def command(switch: str, program: Program, hosts: Path, socket: Path) -> list[str]:
    """switch: address of its P4Runtime server. hosts: the hosts file. socket: where workers join."""
    return [
        sys.executable, "-m", "fpisa.cli", "controller", "--switch", switch, "--device-id", "1",
        "--program", str(program.json), "--p4info", str(program.p4info), "--hosts", str(hosts),
        "--listen", f"unix:{socket}",
    ]  # fmt: skip
