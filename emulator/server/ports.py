"""The ports of a switch process: checked, so that what is wrong with one is said in a sentence, and made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .options import Options


class PortError(Exception):
    """A port cannot be attached; the message is one sentence."""


def make_runner(options: Options) -> Any | None:
    """The runner that moves packets between `options.interfaces` and the switch; None where there are none."""
    if not options.interfaces:
        if options.impair:
            raise PortError("--impair needs ports; attach some with -i PORT@INTERFACE")
        return None
    if options.use_files is None:
        for port, name in options.interfaces.items():
            _check_interface(port, name)
    return _runner(options)


def _check_interface(port: int, name: str) -> None:
    if not Path("/sys/class/net", name).exists() or "/" in name:
        here = ", ".join(sorted(os.listdir("/sys/class/net"))[:12])
        raise PortError(f"-i {port}@{name}: there is no interface {name} (there are {here})")
    if not _may_open_raw_sockets():
        raise PortError(f"-i {port}@{name}: no permission to open interface {name}; run as root or with CAP_NET_RAW")


def _may_open_raw_sockets() -> bool:
    import socket

    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        return True
    except PermissionError:
        return False


def _runner(options: Options) -> Any:
    from emulator.switch import runner as runners  # type: ignore[attr-defined]

    try:
        return runners.Runner(_specs(options, runners), impair=options.impair)
    except (OSError, ValueError) as error:
        raise PortError(str(error)) from None


def _specs(options: Options, runners: Any) -> dict[int, Any]:
    if options.use_files is None:
        record = options.pcap
        return {
            port: runners.Interface(name, **({} if record is None else {"record": record / f"{name}.pcap"}))
            for port, name in options.interfaces.items()
        }
    return {
        port: runners.Pcap(Path(f"{name}_in.pcap"), Path(f"{name}_out.pcap"), wait=options.use_files)
        for port, name in options.interfaces.items()
    }
