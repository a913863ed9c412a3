"""The commands that start a controller, of one switch or of several."""

from __future__ import annotations

import sys
from pathlib import Path

from workers.main_job.programs import Program


def command(switch: str, program: Program, hosts: Path, socket: Path, pipelines: int = 1) -> list[str]:
    """switch: address of its P4Runtime server. hosts: the hosts file. socket: where workers join. pipelines: of the switch."""
    return [
        sys.executable, "-m", "fpisa.cli", "controller", "--switch", switch, "--device-id", "1",
        "--program", str(program.json), "--p4info", str(program.p4info), "--hosts", str(hosts),
        "--listen", f"unix:{socket}", "--pipelines", str(pipelines),
    ]  # fmt: skip


def fabric_command(fabric: Path, program: Program, socket: Path, pipelines: int = 1) -> list[str]:
    """fabric: the file of switches and hosts. pipelines: of every switch."""
    return [
        sys.executable, "-m", "fpisa.cli", "controller", "--fabric", str(fabric),
        "--program", str(program.json), "--p4info", str(program.p4info), "--listen", f"unix:{socket}",
        "--pipelines", str(pipelines),
    ]  # fmt: skip
