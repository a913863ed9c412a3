"""The reference switch under the same load: simple_switch_grpc, where it is installed, with the same program and entries.

FPISA_BMV2=PATH names another executable than the simple_switch_grpc on PATH. The switch is started in the namespace of the
calling thread with packet logs off; its P4Runtime server is on a Unix socket, which namespaces do not part.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.p4rt.entities import MulticastGroup, Replica
from controller.p4rt.p4info import from_p4info, read_p4info
from controller.p4rt.protos import p4r
from controller.p4rt.status import Code, P4RuntimeError
from controller.p4rt.switch import P4Switch
from emulator.compiler.api import compile_file
from emulator.server.bound import Bound
from emulator.server.program import Program
from emulator.server.reconcile import installed

NAME, VARIABLE = "simple_switch_grpc", "FPISA_BMV2"
CPU_PORT = 510
START_S, WRITE_S, BATCH = 30.0, 120.0, 500


@dataclass(frozen=True)
class Setup:
    """A program with what is installed in it: P4Info, bmv2 JSON, p4.v1.Update messages in the order they need."""

    p4info: Any
    config: bytes
    updates: Sequence[Any]


def executable() -> str | None:
    """The reference switch, None where there is none. Raises RuntimeError where FPISA_BMV2 names no program."""
    named = os.environ.get(VARIABLE)
    found = shutil.which(named or NAME)
    if named and found is None:
        raise RuntimeError(f"{VARIABLE}={named}: there is no such program")
    return found


def setup_of(source: Path, switch: Any, defines: Mapping[str, Any] | None = None) -> Setup:
    """What `switch`, which runs the P4 file `source`, has installed."""
    result = compile_file(source, defines=dict(defines or {}))
    if result.json is None:
        raise RuntimeError(f"{source.name} does not compile: {result.text()}")
    info = read_p4info(result.p4info.SerializeToString())
    config = json.dumps(result.json).encode()
    groups = [
        MulticastGroup(number, tuple(Replica(port, rid) for port, rid in replicas)).encode(None)  # type: ignore[arg-type]
        for number, replicas in switch.control.multicast.groups().items()
    ]
    bound = Bound(Program(from_p4info(info), config, None, switch))
    inserts = [p4r.Update(type=p4r.Update.INSERT, entity=group) for group in groups]
    return Setup(info, config, [*inserts, *installed(bound)])


class Process:
    """A running reference switch. address: of its P4Runtime server."""

    def __init__(self, command: Sequence[str], address: str, log: Path) -> None:
        self.address, self._log = address, log
        with log.open("w") as output:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far."""
        user, system = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def check(self) -> None:
        """Raises RuntimeError, with its last words, where it has ended."""
        if self._child.poll() is not None:
            said = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
            raise RuntimeError(f"{NAME} ended with status {self._child.returncode}: {said[-1] if said else 'it said nothing'}")

    def stop(self) -> None:
        self._child.terminate()
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def command(program: str, ports: Mapping[int, str], address: str) -> list[str]:
    attached = [word for port, name in ports.items() for word in ("-i", f"{port}@{name}")]
    return [program, "--no-p4", "--log-level", "off", "--device-id", "0", *attached,
            "--", "--grpc-server-addr", address, "--cpu-port", str(CPU_PORT)]  # fmt: skip


@contextmanager
def running(program: str, setup: Setup, ports: Mapping[int, str]) -> Iterator[Process]:
    """The switch with `setup` on it, between the interfaces. Raises RuntimeError where it does not get so far."""
    with tempfile.TemporaryDirectory(prefix="fpisa-bmv2-") as folder:
        address = f"unix:{folder}/grpc"
        process = Process(command(program, ports, address), address, Path(folder) / "log")
        try:
            fill(process, setup)
            yield process
        finally:
            process.stop()


def fill(process: Process, setup: Setup) -> None:
    try:
        with connected(process) as client:
            client.set_pipeline(setup.p4info, setup.config)
            for start in range(0, len(setup.updates), BATCH):
                client.client.write(setup.updates[start : start + BATCH], client.election)
    except P4RuntimeError as error:
        process.check()
        raise RuntimeError(f"{NAME}: {error}") from None


@contextmanager
def connected(process: Process) -> Iterator[P4Switch]:
    """A client, as soon as the server answers."""
    end = time.monotonic() + START_S
    while True:
        process.check()
        client = P4Switch(process.address, timeout=WRITE_S)
        try:
            client.connect(patience=0.5)
            break
        except P4RuntimeError as error:
            client.close()
            if error.code != Code.UNAVAILABLE or time.monotonic() > end:
                raise
    try:
        yield client
    finally:
        client.close()


def compared(name: str, ours: float, theirs: float | None) -> dict[str, dict[str, Any]]:
    """The row `<name>_over_bmv2`; a rate of None says that no reference switch is installed."""
    if theirs is None:
        value, against = None, f"{NAME} is not installed; {VARIABLE}=PATH names one"
    else:
        value, against = ours / max(theirs, 1e-9), f"{NAME}, {theirs:,.0f} packet/s"
    return {f"{name}_over_bmv2": {"value": value, "unit": "ratio", "goal": None, "against": against}}
