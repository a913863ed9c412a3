"""The ports of a switch process: checked, so that what is wrong with one is said in a sentence, and made."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import Options

if TYPE_CHECKING:
    from emulator.switch.ports import PortSpec


class PortError(Exception):
    """A port cannot be attached; the message is one sentence."""


def make_runner(options: Options, clock: Callable[[], int], pipeline: int = 0) -> Any | None:
    """The runner that moves packets between `options.interfaces` and one pipeline; None where there are none."""
    if not options.interfaces:
        if options.impair:
            raise PortError("--impair needs ports; attach some with -i PORT@INTERFACE")
        return None
    if options.use_files is None:
        for port, name in options.interfaces.items():
            _check_interface(port, name)
    from emulator.switch.ports import parse_impairments
    from emulator.switch.runner import Runner, RunnerError

    try:
        impair = parse_impairments(options.impair) if options.impair else None
        specs = {port: of_pipeline(spec, pipeline, options.pipelines) for port, spec in _specs(options).items()}
        if impair is not None and pipeline:
            impair = replace(impair, seed=impair.seed + pipeline)
        return Runner(specs, impair=impair, cpu_port=options.cpu_port, clock=clock)
    except (RunnerError, OSError, ValueError) as error:
        raise PortError(str(error)) from None


def of_pipeline(spec: PortSpec, pipeline: int, pipelines: int) -> PortSpec:
    """The share of a port that one of several pipelines serves (docs/PROTOCOL.md, "Several pipelines")."""
    from emulator.switch.ports import Interface, Memory

    if isinstance(spec, Memory) and pipeline:
        return replace(spec, path=f"{spec.path}.{pipeline}")
    if isinstance(spec, Interface) and pipelines > 1:
        return replace(spec, pipeline=pipeline, pipelines=pipelines)
    return spec


SHARED = "shm:"
"""Before the path of a socket: a shared-memory port instead of a network interface."""


def _shared(port: int, name: str) -> PortSpec:
    """`shm:PATH`, and after it, apart by commas, slots=N and bytes=N (of a slot)."""
    from emulator.switch.ports import Memory

    path, *settings = name.removeprefix(SHARED).split(",")
    known = {"slots": 1024, "bytes": 2048}
    for setting in settings:
        key, _, value = setting.partition("=")
        if key not in known or not value.isdecimal():
            raise PortError(f"-i {port}@{name}: write shm:PATH,slots=N,bytes=N")
        known[key] = int(value)
    if not path:
        raise PortError(f"-i {port}@{name}: write the path of the socket behind shm:")
    return Memory(path, known["slots"], known["bytes"])


TRAINS = ",trains"
"""After the name of an interface: at its other end is a switch of this kind, which reads super-frames of UDP."""


def _check_interface(port: int, name: str) -> None:
    if name.startswith(SHARED):
        _shared(port, name)
        return
    name = name.removesuffix(TRAINS)
    present = [known for _, known in socket.if_nameindex()]  # /sys may show another network namespace
    if name not in present:
        here = ", ".join(sorted(present)[:12])
        raise PortError(f"-i {port}@{name}: there is no interface {name} (there are {here})")
    if not _may_open_raw_sockets():
        raise PortError(f"-i {port}@{name}: no permission to open interface {name}; run as root or with CAP_NET_RAW")


def _may_open_raw_sockets() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        return True
    except PermissionError:
        return False


def _specs(options: Options) -> dict[int, PortSpec]:
    """Names of files are simple_switch's: <interface>_in.pcap and <interface>_out.pcap."""
    from emulator.switch.ports import Interface, Pcap

    folder = options.pcap if options.pcap is not None else Path()

    def files(name: str) -> tuple[Path, Path]:
        return folder / f"{name}_in.pcap", folder / f"{name}_out.pcap"

    if options.use_files is not None:
        return {port: Pcap(*files(name)) for port, name in options.interfaces.items()}
    if options.pcap is None:
        return {
            port: _shared(port, name) if name.startswith(SHARED) else _interface(name, Interface)
            for port, name in options.interfaces.items()
        }
    if not folder.is_dir():
        raise PortError(f"--pcap: there is no directory {folder}")
    if any(name.startswith(SHARED) for name in options.interfaces.values()):
        raise PortError("--pcap records network interfaces, not shared-memory ports")
    return {
        port: _interface(name, Interface, *files(name.removesuffix(TRAINS))) for port, name in options.interfaces.items()
    }


def _interface(name: str, make: Any, pcap_in: Path | None = None, pcap_out: Path | None = None) -> Any:
    plain = name.removesuffix(TRAINS)
    return make(plain, trains=plain != name, pcap_in=pcap_in, pcap_out=pcap_out)
