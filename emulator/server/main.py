"""`fpisa switch`: a P4 switch as a process, from its command line to its end by a signal."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import logs
from .options import Options, UsageError, build_parser, parse

if TYPE_CHECKING:
    from .device import Device

log = logging.getLogger("fpisa.switch")


class StartError(Exception):
    """The switch cannot start; the message is one sentence."""


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if "-h" in words or "--help" in words:
        build_parser().print_help()
        return 0
    if "--version" in words or "-v" in words:
        from importlib.metadata import version

        print("fpisa switch", version("fpisa"))
        return 0
    if "--json-version" in words:
        print("2.23")
        return 0
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own log lines say nothing that ours do not
    try:
        options = parse(words)
        logs.set_up(options.log_level, options.log_file)
        return _run(options)
    except UsageError as error:
        print(f"fpisa switch: {error}", file=sys.stderr)
        return 2
    except (StartError, OSError) as error:
        print(f"fpisa switch: {_sentence(error)}", file=sys.stderr)
        return 1


def _sentence(error: Exception) -> str:
    """The system's own errors have a number in front, and the file behind."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"cannot use {error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "cannot write the ready line: no space left on the device"
    return str(error)


def _run(options: Options) -> int:
    """Start everything, say so, and wait for a signal; what was started is stopped in reverse order."""
    for note in options.notes:
        print(f"fpisa switch: note: {note}", file=sys.stderr)
    stop = _stop_signal()
    with ExitStack() as running:
        config = _read_program(options)
        devices = _devices(options, running)
        server = _server(options, devices)
        running.callback(server.stop)
        for device in devices:
            _load(options, device, config)
        server.start()
        metrics = _metrics(options, devices, running)
        if options.admin is not None:
            from .admin import AdminServer

            running.callback(AdminServer(options.admin, devices).stop)
        if not options.use_files:
            _start_ports(devices)
        _announce(options, server.address, metrics, running)
        if options.use_files and not stop.wait(options.use_files):
            _start_ports(devices)
        stop.wait()
        log.info("stopping")
    return 0


def _stop_signal() -> threading.Event:
    """Set by SIGTERM or SIGINT. A second one ends the process at once, whatever it is stuck in."""
    stop = threading.Event()

    def on_signal(number: int, _: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
    return stop


# -- the program -------------------------------------------------------------------------------------------------


def _read_program(options: Options) -> tuple[bytes, Path | None] | None:
    """(bmv2 JSON, P4Info file if there is one); None to start without a program."""
    if options.program is None:
        return None
    path = options.program
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise StartError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise StartError(f"{path} is a directory, not a bmv2 JSON file") from None
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}") from None
    p4info = options.p4info or _beside(path)
    if options.p4info is not None and not options.p4info.is_file():
        raise StartError(f"there is no file {options.p4info}")
    return data, p4info


def _beside(program: Path) -> Path | None:
    """The P4Info that the compiler put next to the JSON file."""
    names = [f"{program.stem}.{end}" for end in ("p4info.txtpb", "p4info.txt", "p4info.bin", "p4info")]
    return next((program.with_name(name) for name in names if program.with_name(name).is_file()), None)


def _load(options: Options, device: Device, config: tuple[bytes, Path | None] | None) -> None:
    if config is None:
        return
    data, p4info = config
    try:
        if p4info is None:
            device.use_switch(_bare_switch(data, device))
        else:
            _commit(device, data, p4info)
    except ValueError as error:  # of a program, a P4Info or an engine
        raise StartError(f"{options.program}: {error}") from None


def _bare_switch(data: bytes, device: Device) -> Any:
    """A switch without P4Info: it forwards, and P4Runtime has no pipeline until a controller sends one."""
    from emulator.switch.switch import Switch

    own = device.options
    return Switch.load(
        data,
        engine=own.engine,
        drop_port=own.drop_port,
        cpu_port=own.cpu_port,
        seed=own.seed,
        clock=own.clock,
        queues=own.queues,
        externs=own.externs,
    )


def _commit(device: Device, data: bytes, p4info: Path) -> None:
    from controller.p4rt.p4info import read_p4info
    from controller.p4rt.protos import p4r

    from .errors import Refused
    from .program import build

    config = p4r.ForwardingPipelineConfig(p4_device_config=data)
    config.p4info.CopyFrom(read_p4info(p4info))
    try:
        device.commit(build(config, device.options))
    except Refused as error:
        raise ValueError(str(error)) from None


# -- the parts ---------------------------------------------------------------------------------------------------


def _devices(options: Options, running: ExitStack) -> list[Device]:
    """A device for each pipeline. They share the clock and nothing else."""
    start = time.monotonic_ns()

    def clock() -> int:
        return (time.monotonic_ns() - start) // 1000

    return [_device(options, pipeline, clock, running) for pipeline in range(options.pipelines)]


def _device(options: Options, pipeline: int, clock: Callable[[], int], running: ExitStack) -> Device:
    from .device import Device
    from .ports import PortError, make_runner
    from .program import SwitchOptions

    try:
        runner = make_runner(options, clock, pipeline)
    except PortError as error:
        raise StartError(str(error)) from None
    if runner is not None:
        running.callback(runner.close)
    switch = SwitchOptions(
        options.engine, options.drop_port, options.cpu_port, options.seed, clock, options.queues, _externs(options)
    )
    device = Device(switch, device_id=options.device_id + pipeline, runner=runner)
    running.callback(device.close)
    return device


def _start_ports(devices: Sequence[Device]) -> None:
    for device in devices:
        if device.runner is not None:
            device.runner.start()


def _externs(options: Options) -> Any:
    from emulator.switch.externs import read_file
    from emulator.switch.model import ModelError

    try:
        return None if options.externs is None else read_file(options.externs)
    except ModelError as error:
        raise StartError(str(error)) from None


def _server(options: Options, devices: Sequence[Device]) -> Any:
    from .service import Server, ServerTls

    tls = None
    if options.tls_cert is not None and options.tls_key is not None:
        for path in (options.tls_cert, options.tls_key, options.tls_cacert):
            if path is not None and not path.is_file():
                raise StartError(f"there is no file {path}")
        tls = ServerTls(options.tls_cert, options.tls_key, options.tls_cacert, options.tls_client_auth)
    return Server(devices, options.grpc_addr, tls)


def _metrics(options: Options, devices: Sequence[Device], running: ExitStack) -> int | None:
    if options.metrics_addr is None:
        return None
    from .device_metrics import collect_all
    from .metrics import MetricsServer

    server = MetricsServer(options.metrics_addr, lambda: collect_all(devices))
    running.callback(server.stop)
    return server.port


def _announce(options: Options, address: str, metrics: int | None, running: ExitStack) -> None:
    """Say that the switch is ready: on standard output, and wherever else it was asked for."""
    ports = {str(port): name for port, name in sorted(options.interfaces.items())}
    facts: dict[str, Any] = {"grpc": address, "device": options.device_id, "ports": ports}
    if metrics is not None:
        facts["metrics"] = metrics
    if options.pipelines > 1:
        facts["pipelines"] = options.pipelines
    if options.json:
        line = json.dumps({"ready": True, **facts})
    else:
        listed = ",".join(f"{port}@{name}" for port, name in ports.items())
        more = "".join(f" {name}={facts[name]}" for name in ("metrics", "pipelines") if name in facts)
        line = f"ready grpc={address} device={options.device_id} ports={listed}{more}"
    if options.ready_file is not None:
        _write_ready_file(options.ready_file, line + "\n", running)
    if options.ready_fd is not None:
        try:
            with open(options.ready_fd, "w") as stream:
                stream.write(line + "\n")
        except OSError as error:
            raise StartError(f"--ready-fd {options.ready_fd}: {error.strerror}") from None
    print(line, flush=True)


def _write_ready_file(path: Path, text: str, running: ExitStack) -> None:
    """Whole or not at all for who waits for the file, and gone at the end; a pipe, a device or a link is only written to."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_text(text)
        return
    partial = path.with_name(path.name + ".new")
    partial.write_text(text)
    partial.rename(path)
    running.callback(path.unlink, missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
