"""The command line of `fpisa switch`: simple_switch_grpc's usual options, on either side of `--`, and our own."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emulator.switch.errors import ControlError
from emulator.switch.queues import Queues, QueueSettings

_EPILOG = """\
examples:
  fpisa switch prog.json -i 0@veth0 -i 1@veth2
  fpisa switch --no-p4 --pipelines 2 -i 1@shm:/tmp/w1 -i 2@shm:/tmp/w2
  fpisa switch --no-p4 -i 0@veth0 --device-id 1 -- --grpc-server-addr 0.0.0.0:9559 --cpu-port 255

Port names: an interface (veth0; veth0,trains where a switch of this kind is at the other end), or
shm:PATH[,slots=N][,bytes=N], shared memory with one process that connects to the Unix socket PATH.
With --pipelines N every port has a queue for each: of an interface, pipeline p takes the packets whose FPISA queue is p,
p + N, ..., and pipeline 0 all else; of shared memory, its queue p is the socket PATH.p (pipeline 0: PATH).
With --use-files N, port 0@eth0 reads eth0_in.pcap and writes eth0_out.pcap.
"""

MAX_PIPELINES = 16
_LEVELS = ("trace", "debug", "info", "warn", "warning", "error", "critical", "off")


class UsageError(Exception):
    """The command line is wrong; the message is one sentence."""


@dataclass(frozen=True)
class Options:
    """What the command line says, checked as far as that goes without touching the system."""

    program: Path | None
    no_p4: bool
    p4info: Path | None
    interfaces: dict[int, str]
    grpc_addr: str
    device_id: int
    pipelines: int
    cpu_port: int | None
    drop_port: int
    engine: str
    log_level: str
    log_file: Path | None
    pcap: Path | None
    use_files: int | None
    impair: str | None
    queues: QueueSettings
    externs: Path | None
    metrics_addr: str | None
    admin: Path | None
    ready_file: Path | None
    ready_fd: int | None
    json: bool
    seed: int | None
    tls_cert: Path | None
    tls_key: Path | None
    tls_cacert: Path | None
    tls_client_auth: bool
    notes: tuple[str, ...] = field(default=())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{message}; `{self.prog} --help` shows the options")


# Options of simple_switch_grpc that mean nothing here: (flags, takes a value, why).
_IGNORED: tuple[tuple[tuple[str, ...], bool, str], ...] = (
    (("--thrift-port",), True, "there is no Thrift server; use P4Runtime, which has registers here"),
    (("--nanolog",), True, "there is no nanomsg log"),
    (("--notifications-addr",), True, "there are no nanomsg notifications; use P4Runtime's"),
    (("--debugger-addr",), True, "use `fpisa p4 trace` instead of the debugger"),
    (("--debugger",), False, "use `fpisa p4 trace` instead of the debugger"),
    (("--log-flush",), False, "log lines are always flushed"),
    (("--log-file-max-size",), True, "log files are not rotated"),
    (("--log-file-max-files",), True, "log files are not rotated"),
    (("--dump-packet-data",), True, "use --pcap"),
    (("--max-port-count",), True, "every port number below the drop port may be used"),
    (("--restore-state",), True, "state is not saved"),
    (("--packet-in",), True, "use --use-files, or the in-process API"),
    (("--dp-grpc-server-addr",), True, "use the in-process API for packets without interfaces"),
    (("--disable-swap",), False, "a new program is always loaded whole"),
    (("--max-mc-groups", "--max-l1-entries", "--max-l2-entries"), True, "multicast groups are not limited"),
)


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fpisa switch",
        description="Start a P4 switch that loads bmv2 JSON and speaks P4Runtime.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("program", nargs="?", type=Path, help="bmv2 JSON to start with")
    parser.add_argument("--no-p4", action="store_true", help="start without a program and wait for one over P4Runtime")
    parser.add_argument("--p4info", type=Path, help="P4Info of PROGRAM (default: the file beside it, if there is one)")
    parser.add_argument(
        "-i",
        "--interface",
        action="append",
        default=[],
        metavar="PORT@NAME",
        help="attach a network interface to a port; may be repeated",
    )
    parser.add_argument("--device-id", type=int, default=0, metavar="N", help="P4Runtime device id (0)")
    parser.add_argument(
        "--pipelines", type=int, default=1, metavar="N",
        help="pipelines, each a thread with registers and tables of its own and the next device id (1)",
    )  # fmt: skip
    _add_grpc(parser)
    _add_data_plane(parser)
    _add_output(parser)
    for flags, value, _ in _IGNORED:
        for flag in flags:
            keywords = {"metavar": "X"} if value else {"action": "store_true"}
            parser.add_argument(flag, help=argparse.SUPPRESS, default=None, **keywords)  # type: ignore[arg-type]
    return parser


def _add_grpc(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("P4Runtime server")
    group.add_argument(
        "--grpc-server-addr",
        default="0.0.0.0:9559",
        metavar="HOST:PORT",
        help="where to listen (0.0.0.0:9559); port 0 takes a free one",
    )
    group.add_argument(
        "--grpc-tls",
        "--grpc-server-ssl",
        dest="tls",
        action="store_true",
        help="serve over TLS; needs a certificate and its key",
    )
    group.add_argument("--grpc-server-cert", type=Path, metavar="PEM", help="the server's certificate")
    group.add_argument("--grpc-server-key", type=Path, metavar="PEM", help="the certificate's private key")
    group.add_argument("--grpc-server-cacert", type=Path, metavar="PEM", help="the CA that signs clients")
    group.add_argument(
        "--grpc-server-with-client-auth",
        action="store_true",
        help="refuse clients without a certificate of that CA",
    )


def _add_data_plane(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data plane")
    group.add_argument("--cpu-port", type=int, metavar="N", help="port of packet-in and packet-out")
    group.add_argument("--drop-port", type=int, default=511, metavar="N", help="egress_spec that drops (511)")
    group.add_argument(
        "--engine",
        choices=("auto", "jit", "interp"),
        default="auto",
        help="compiled data plane, the plain interpreter, or whichever is there (auto)",
    )
    group.add_argument(
        "--impair", metavar="SPEC", help="lose, duplicate, reorder packets: in:loss=0.01,out:dup=0.001,seed=7"
    )
    group.add_argument(
        "--pcap",
        nargs="?",
        const=Path(),
        type=Path,
        metavar="DIR",
        help="record every port's packets in DIR (here)",
    )
    group.add_argument(
        "--use-files",
        type=int,
        metavar="SECONDS",
        help="read and write pcap files instead of interfaces, after a wait",
    )
    group.add_argument("--seed", type=int, metavar="N", help="seed of random() in the program, for repeatable runs")
    group.add_argument(
        "--externs",
        "--load-modules",
        type=Path,
        metavar="FILE.py",
        help="Python file whose dictionary EXTERNS holds the program's own externs",
    )
    group.add_argument(
        "--priority-queues", type=int, default=1, metavar="N", help="queues per port; the larger priority goes first (1)"
    )
    group.add_argument(
        "--queue-rate",
        action="append",
        default=[],
        metavar="[PORT:]PPS",
        help="packets per second that a port (all ports) sends at most; may be repeated (unlimited)",
    )
    group.add_argument(
        "--queue-depth",
        action="append",
        default=[],
        metavar="[PORT:]N",
        help="packets that may wait in a port's queues; may be repeated (64)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("logs and monitoring")
    group.add_argument("-L", "--log-level", choices=_LEVELS, default=None, help="how much to log (info)")
    group.add_argument("--log-console", action="store_true", help="log to standard error")
    group.add_argument("--log-file", type=Path, metavar="FILE", help="log to FILE (FILE.txt, as simple_switch does)")
    group.add_argument(
        "--metrics-addr", metavar="HOST:PORT", help="serve Prometheus metrics at http://HOST:PORT/metrics"
    )
    group.add_argument(
        "--admin", type=Path, metavar="SOCKET", help="Unix socket on which rates and depths of queues are read and set, as HTTP"
    )
    group.add_argument("--ready-file", type=Path, metavar="FILE", help="write the ready line there as well")
    group.add_argument("--ready-fd", type=int, metavar="FD", help="and to this file descriptor, which is then closed")
    group.add_argument("--json", action="store_true", help="print the ready line as JSON")


def parse(argv: Sequence[str]) -> Options:
    """Read the command line; `--` separates nothing here, both sides take every option. Raises UsageError."""
    merged = [word for word in argv if word != "--"]
    args = build_parser().parse_args(_protect_pcap(merged))
    _check(args)
    if args.tls and not (args.grpc_server_cert and args.grpc_server_key):
        raise UsageError("--grpc-tls needs --grpc-server-cert and --grpc-server-key")
    if args.grpc_server_with_client_auth and not args.grpc_server_cacert:
        raise UsageError("--grpc-server-with-client-auth needs --grpc-server-cacert")
    return Options(
        program=args.program,
        no_p4=args.no_p4,
        p4info=args.p4info,
        interfaces=_interfaces(args.interface, args.drop_port, args.cpu_port),
        grpc_addr=args.grpc_server_addr,
        device_id=args.device_id,
        pipelines=args.pipelines,
        cpu_port=args.cpu_port,
        drop_port=args.drop_port,
        engine=args.engine,
        log_level=args.log_level or ("info" if args.log_console or args.log_file else "warning"),
        log_file=args.log_file,
        pcap=args.pcap,
        use_files=args.use_files,
        impair=args.impair,
        queues=_queues(args),
        externs=args.externs,
        metrics_addr=args.metrics_addr,
        admin=args.admin,
        ready_file=args.ready_file,
        ready_fd=args.ready_fd,
        json=args.json,
        seed=args.seed,
        tls_cert=args.grpc_server_cert if args.tls else None,
        tls_key=args.grpc_server_key if args.tls else None,
        tls_cacert=args.grpc_server_cacert,
        tls_client_auth=args.grpc_server_with_client_auth,
        notes=tuple(_notes(args)),
    )


def _protect_pcap(words: list[str]) -> list[str]:
    """`--pcap prog.json` means no directory: simple_switch wants `--pcap=DIR`, and so do we before a .json."""
    out = []
    for index, word in enumerate(words):
        after = words[index + 1] if index + 1 < len(words) else ""
        out.append("--pcap=." if word == "--pcap" and (after.endswith(".json") or not after) else word)
    return out


def _check(args: argparse.Namespace) -> None:
    if args.program is None and not args.no_p4:
        raise UsageError("give a bmv2 JSON file, or --no-p4 to wait for a program over P4Runtime")
    if args.program is not None and args.no_p4:
        raise UsageError(f"--no-p4 and the program {args.program} exclude each other")
    if not 1 <= args.pipelines <= MAX_PIPELINES:
        raise UsageError(f"--pipelines must be from 1 to {MAX_PIPELINES}, not {args.pipelines}")
    if args.device_id < 0 or args.device_id + args.pipelines - 1 >> 64:
        raise UsageError(f"device id {args.device_id} is not a 64-bit number")
    if args.pipelines > 1 and (args.pcap is not None or args.use_files is not None):
        raise UsageError("--pcap and --use-files have one file a port; leave them out, or --pipelines")
    if not 0 <= args.drop_port <= 511:
        raise UsageError(f"drop port {args.drop_port} is not in 0..511")
    if args.cpu_port is not None and not 0 <= args.cpu_port <= 511:
        raise UsageError(f"CPU port {args.cpu_port} is not in 0..511")
    if args.cpu_port is not None and args.cpu_port == args.drop_port:
        raise UsageError(f"port {args.cpu_port} cannot be both the CPU port and the drop port")


def _interfaces(words: Sequence[str], drop_port: int, cpu_port: int | None) -> dict[int, str]:
    found: dict[int, str] = {}
    for word in words:
        match = re.fullmatch(r"(\d+)@(.+)", word)
        if match is None:
            raise UsageError(f"-i {word}: write it as PORT@INTERFACE, such as 0@veth0")
        port, name = int(match[1]), match[2]
        if port > 511 or port == drop_port:
            raise UsageError(f"-i {word}: port {port} is {'the drop port' if port == drop_port else 'above 511'}")
        if port == cpu_port:
            raise UsageError(f"-i {word}: port {port} is the CPU port, which has no interface")
        if port in found:
            raise UsageError(f"-i {word}: port {port} already has {found[port]}")
        if name in found.values():
            raise UsageError(f"-i {word}: {name} is already attached")
        found[port] = name
    return found


def _queues(args: argparse.Namespace) -> QueueSettings:
    default: dict[str, int] = {}
    ports: dict[int, dict[str, int]] = {}
    for what, words in (("depth", args.queue_depth), ("rate_pps", args.queue_rate)):
        for word in words:
            match = re.fullmatch(r"(?:(\d+):)?(\d+)", word)
            if match is None:
                flag = "--queue-depth" if what == "depth" else "--queue-rate"
                raise UsageError(f"{flag} {word}: write it as N, or as PORT:N such as 1:1000")
            place = default if match[1] is None else ports.setdefault(int(match[1]), {})
            place[what] = int(match[2])
    own = {port: (found.get("depth"), found.get("rate_pps")) for port, found in ports.items()}
    settings = QueueSettings(args.priority_queues, ports=own, **default)
    try:
        Queues(settings)
    except ControlError as error:
        raise UsageError(str(error)) from None
    return settings


def _notes(args: argparse.Namespace) -> list[str]:
    given = vars(args)
    return [
        f"{flag} is accepted and ignored: {why}"
        for flags, _, why in _IGNORED
        for flag in flags
        if given[flag.lstrip("-").replace("-", "_")] is not None
        and given[flag.lstrip("-").replace("-", "_")] is not False
    ]
