"""The controller as a process: built from its command line, run until a signal."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import secrets
import signal
import sys
from pathlib import Path

from . import entries, fabric, hosts
from .app import App
from .jobs import MAX_GROUP, Limits, Registry
from .p4rt.client import Tls
from .p4rt.status import P4RuntimeError
from .pipelines import AnyPlane, PipelinesPlane, make_plane
from .plane import Target
from .session import FORMATS

log = logging.getLogger("fpisa.controller")


def tls_of(args: argparse.Namespace) -> Tls | None:
    if args.cacert is None and args.cert is None:
        return None
    for path in (args.cacert, args.cert, args.key):
        if path is not None and not path.is_file():
            raise OSError(f"there is no file {path}")
    return Tls(args.cacert, args.cert, args.key, args.server_name)


def run(args: argparse.Namespace) -> int:
    """Raises ValueError or OSError, one sentence, where it cannot start."""
    logging.basicConfig(stream=sys.stderr, level=args.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    _check(args)
    target = Target(
        args.switch or "", args.p4info, args.config, args.device_id, args.election_id, tls_of(args), args.timeout
    )
    app: list[App] = []

    def lost(reason: str) -> None:
        if app:
            app[0].switch_lost(reason)

    known = hosts.read(args.hosts) if args.fabric is None else fabric.read(args.fabric)
    plane = make_plane(target, known, args.pipelines, lost)
    try:
        plane.connect(fresh=True)
    except P4RuntimeError as error:
        raise ValueError(str(error)) from None
    app.append(App(plane, _registry(args, plane, known), gather_timeout=args.gather_timeout))
    return asyncio.run(_serve(app[0], args))


def _check(args: argparse.Namespace) -> None:
    if not 1 <= args.pipelines <= 16:
        raise ValueError(f"--pipelines must be from 1 to 16, not {args.pipelines}")
    if (args.p4info is None) != (args.config is None):
        raise ValueError("--p4info and --json-config go together: give both, or none")
    if args.fabric is None and (args.switch is None or args.hosts is None):
        raise ValueError("give --switch and --hosts, or --fabric for several switches")
    if args.fabric is not None and (args.switch is not None or args.hosts is not None):
        raise ValueError("--fabric names the switches and the hosts; leave out --switch and --hosts")
    for path in (args.p4info, args.config, args.hosts, args.fabric):
        if path is not None and not path.is_file():
            raise OSError(f"there is no file {path}")
    if args.format is not None and args.format not in FORMATS:
        raise ValueError(f"there is no format {args.format!r}; there are {', '.join(FORMATS)}")
    kind, _, rest = args.listen.partition(":")
    port = rest.rpartition(":")[2]
    if kind not in ("unix", "tcp") or (kind == "tcp" and not (port.isdecimal() and int(port) <= 65535)):
        raise ValueError(f"--listen {args.listen}: write unix:PATH or tcp:HOST:PORT")


def _registry(
    args: argparse.Namespace, plane: AnyPlane | PipelinesPlane, known: hosts.Hosts | fabric.Fabric
) -> Registry:
    """A start at random keeps ids apart from an earlier controller's, even where registers cannot be read."""
    limits = Limits(
        plane.slots,
        workers=entries.most_workers(plane.schema),
        format=args.format,
        elements=args.elements,
        averages=entries.averages(plane.schema),
    )
    first = secrets.randbelow(MAX_GROUP) + 1
    return Registry(limits, known, first, avoid=plane.remembered_jobs())


async def _serve(app: App, args: argparse.Namespace) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        where = await app.start(args.listen)
    except OSError as error:
        await app.stop()
        raise OSError(f"cannot listen on {args.listen}: {error.strerror or error}") from None
    facts = {"listen": where, "switch": args.switch, "device": args.device_id}
    if args.fabric is not None:
        facts = {"listen": where, "fabric": str(args.fabric)}
    if args.pipelines > 1:
        facts["pipelines"] = args.pipelines
    if args.json:
        line = json.dumps({"ready": True, **facts})
    else:
        line = "ready " + " ".join(f"{key}={value}" for key, value in facts.items())
    try:
        written = args.ready_file is not None and _write_ready_file(args.ready_file, line + "\n")
        print(line, flush=True)
        await stop.wait()
    finally:
        await app.stop()
    if written:
        args.ready_file.unlink(missing_ok=True)
    return 0


def _write_ready_file(path: Path, text: str) -> bool:
    """Whole or not at all for who waits for the file; a pipe, a device or a link is only written to. Whether a file was made."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_text(text)
        return False
    partial = path.with_name(path.name + ".new")
    partial.write_text(text)
    partial.rename(path)
    return True
