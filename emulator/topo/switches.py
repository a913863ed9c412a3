"""Starting what a topology's switches are: our switch, simple_switch_grpc, or the kernel's bridge."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from emulator.topo.build import Network
from emulator.topo.process import Child
from emulator.topo.spec import Switch, TopologyError

KINDS = ("fpisa", "bmv2", "bridge")
CPU_PORT = 510  # 511 is the drop port; both as in simple_switch's usual set-ups


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_switch(
    network: Network, switch: Switch, kind: str, *, program: Path | None = None, options: Sequence[str] = ()
) -> tuple[Child | None, str]:
    """Starts `switch` and waits until it is ready.

    kind: one of KINDS. program: bmv2 JSON to begin with, None: wait for one over P4Runtime. options: further
    arguments for our switch. Returns the process and the address of its P4Runtime server (None and "" for the
    bridge). Raises TopologyError.
    """
    if kind == "bridge":
        start_bridge(network, switch)
        return None, ""
    address = f"127.0.0.1:{free_port()}"
    if kind == "fpisa":
        command, ready = fpisa_command(network, switch, address, program, options), "ready"
    elif kind == "bmv2":
        command, ready = bmv2_command(network, switch, address, program), "Server listening on"
    else:
        raise TopologyError(f"unknown kind of switch {kind!r}; there are {', '.join(KINDS)}")
    child = network.start(switch.name, command, ready=lambda line: ready in line)
    child.wait_ready(60.0)
    return child, address


def interface_arguments(network: Network, switch: Switch) -> list[str]:
    return [word for port, name in network.ports(switch.name).items() for word in ("-i", f"{port}@{name}")]


def own_interface_arguments(network: Network, switch: Switch) -> list[str]:
    """As above, for our switch: between two of them packets may travel in trains from the start."""
    switches = {other.name for other in network.topology.switches}
    between = {own.port for own, far, _ in network.topology.ends(switch.name) if far.node in switches}
    words = []
    for port, name in network.ports(switch.name).items():
        words += ["-i", f"{port}@{name},trains" if port in between and network.offloads else f"{port}@{name}"]
    return words


def fpisa_command(
    network: Network, switch: Switch, address: str, program: Path | None, options: Sequence[str]
) -> list[str]:
    return [
        sys.executable, "-m", "fpisa.cli", "switch",
        *([str(program)] if program is not None else ["--no-p4"]),
        *own_interface_arguments(network, switch),
        "--device-id", str(switch.device_id), "--grpc-server-addr", address, "--cpu-port", str(CPU_PORT),
        *(["--impair", switch.impair] if switch.impair else []),
        *options,
    ]  # fmt: skip


def bmv2_command(network: Network, switch: Switch, address: str, program: Path | None) -> list[str]:
    if shutil.which("simple_switch_grpc") is None:
        raise TopologyError("simple_switch_grpc is not installed; without --switch bmv2 our own is used")
    if switch.impair:
        raise TopologyError("simple_switch_grpc cannot impair its ports; use our own switch")
    return [
        "simple_switch_grpc", "--log-console", "-L", "warn", "--device-id", str(switch.device_id),
        *interface_arguments(network, switch),
        *([str(program)] if program is not None else ["--no-p4"]),
        "--", "--grpc-server-addr", address, "--cpu-port", str(CPU_PORT),
    ]  # fmt: skip


def start_bridge(network: Network, switch: Switch) -> None:
    """A learning bridge of the kernel: what the same links do without any software switch."""
    if switch.impair:
        raise TopologyError("the kernel's bridge cannot impair its ports; use our own switch")
    bridge = f"{network.tag}{switch.name}"
    commands = [["ip", "link", "add", bridge, "type", "bridge"], ["ip", "link", "set", bridge, "up"]]
    members = network.ports(switch.name).values()
    commands += [["ip", "link", "set", name, "master", bridge] for name in members]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise TopologyError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
