"""`fpisa worker`: join a job, all-reduce a tensor, say how fast and whether the sums were right."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

from workers import wire
from workers.allreduce import MemoryPort, Options, open_job
from workers.bench import Report, bench
from workers.join import JoinError, PeerLost
from workers.represent import RepresentationError
from workers.transport import TransportError
from workers.window import Timing

EXAMPLES = """examples:
  fpisa worker --controller 10.0.0.100:9100 --job demo --workers 4 --interface h1-eth0
  fpisa worker --controller /run/fpisa/controller --job demo --workers 2 --interface eth0 \\
      --format int32 --size 25M --repeats 20 --json
  fpisa worker --controller 10.0.0.100:9100 --job mean --workers 3 --interface h1-eth0 --average

Every worker of the job runs the same command on its own host. The exit status is 0 if all sums were right,
1 if some were not or the job failed, 2 for options that make no sense."""

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
FAILURES = (JoinError, PeerLost, TransportError, RepresentationError)


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (`{self.prog} --help` shows the options)\n")


def size(text: str) -> int:
    """Bytes, with K, M or G for powers of 1024."""
    found = re.fullmatch(r"(\d+)([KMG]?)", text.upper())
    if not found or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 4096, 25M or 1G")
    return int(found[1]) * UNITS[found[2]]


def positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time in seconds")
    return value


def build_parser() -> Parser:
    parser = Parser(
        prog="fpisa worker",
        description="Join a job and all-reduce a tensor through the switch, timing it and checking the sums.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    job = parser.add_argument_group("the job")
    job.add_argument("--controller", required=True, metavar="ADDRESS", help="HOST:PORT, or a socket's path")
    job.add_argument("--job", required=True, metavar="NAME", help="the same on every worker")
    job.add_argument("--workers", required=True, type=positive, metavar="W", help="how many the job has")
    job.add_argument("--interface", metavar="IF", help="network interface to the switch, or instead of it:")
    job.add_argument("--memory", metavar="PATH", help="socket of the switch's shared-memory port")
    job.add_argument("--mac", metavar="MAC", help="own MAC address, with --memory")
    job.add_argument("--ip", metavar="IP", help="own IPv4 address, with --memory")
    job.add_argument("--rank", type=int, metavar="R", help="rank to ask for (the controller chooses)")
    job.add_argument("--format", default="fp32", choices=sorted(wire.FORMATS), help="the program's (fp32)")
    job.add_argument("--elements", type=positive, default=64, metavar="N", help="values a packet (64)")
    job.add_argument("--average", action="store_true", help="the switch divides the sums by the number of workers")
    job.add_argument("--slots", type=positive, default=64, metavar="S", help="packets in flight (64)")
    job.add_argument("--queues", type=positive, default=1, metavar="Q", help="threads of the engine (1)")
    job.add_argument("--engine", choices=("native", "python"), default="native", help="in C, or NumPy (native)")
    job.add_argument("--udp-port", type=positive, default=18100, metavar="P", help="for results (18100)")
    job.add_argument("--deadline", type=seconds, default=8.0, metavar="S", help="until a peer is silent (8)")
    job.add_argument("--join-timeout", type=seconds, default=60.0, metavar="S", help="for all to come (60)")
    work = parser.add_argument_group("the work")
    work.add_argument("--size", type=size, default=1 << 20, metavar="BYTES", help="of the tensor (1M)")
    work.add_argument("--type", choices=("float32", "int32"), default="float32", help="of its values")
    work.add_argument("--repeats", type=positive, default=10, metavar="N", help="timed all-reduces (10)")
    work.add_argument("--warmups", type=int, default=1, metavar="N", help="untimed ones before them (1)")
    work.add_argument("--seed", type=int, default=1, help="of the values; the same on every worker (1)")
    work.add_argument("--no-check", action="store_true", help="do not compare the sums")
    work.add_argument("--json", action="store_true", help="the result as JSON")
    return parser


def chosen_options(parser: Parser, args: argparse.Namespace) -> Options:
    if args.type == "int32" and args.format != "int32":
        parser.error(f"a job of format {args.format} does not sum int32; use --format int32")
    if args.format not in ("fp32", "int32"):
        parser.error(f"this command makes fp32 and int32 tensors only, not {args.format}")
    try:
        return Options(
            format=args.format,
            elements=args.elements,
            slots=args.slots,
            queues=args.queues,
            udp_port=args.udp_port,
            timing=Timing(deadline=args.deadline),
            join_timeout=args.join_timeout,
            engine=args.engine,
            average=args.average,
        )
    except ValueError as error:
        parser.error(str(error))


def chosen_place(parser: Parser, args: argparse.Namespace) -> str | MemoryPort:
    if (args.interface is None) == (args.memory is None):
        parser.error("give either --interface or --memory")
    if args.interface is not None:
        return args.interface
    if args.mac is None or args.ip is None:
        parser.error("--memory needs --mac and --ip as well")
    try:
        wire.ip_number(args.ip)
        return MemoryPort(args.memory, wire.mac_bytes(args.mac), args.ip)
    except ValueError as error:
        parser.error(str(error))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = build_parser()
    args = parser.parse_args(argv)
    options, place = chosen_options(parser, args), chosen_place(parser, args)
    try:
        report = run(args, place, options)
    except FAILURES as error:
        print(f"fpisa worker: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        parser.error(str(error))
    print(json.dumps(report.as_dict()) if args.json else describe(report))
    return 1 if report.wrong else 0


def run(args: argparse.Namespace, place: str | MemoryPort, options: Options) -> Report:
    count = max(args.size // 4, 1)
    job = open_job(args.controller, args.job, args.workers, place, options, args.rank)
    with job as client, progress(args.warmups + args.repeats, not args.json) as advance:
        return bench(client, count, args.repeats, args.warmups, args.seed, args.type, not args.no_check, advance)


def progress(total: int, wanted: bool) -> AbstractContextManager[Callable[[int], None]]:
    """A bar on a terminal; elsewhere nothing."""
    if not wanted or not sys.stderr.isatty():
        return nullcontext(lambda done: None)
    return Bar(total)


class Bar(AbstractContextManager[Callable[[int], None]]):
    """rich's bar with the time left."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self.progress = Progress(console=Console(stderr=True), transient=True)
        self.task = self.progress.add_task("all-reduce", total=total)

    def __enter__(self) -> Callable[[int], None]:
        self.progress.start()
        return lambda done: self.progress.update(self.task, completed=done)

    def __exit__(self, *error: Any) -> None:
        self.progress.stop()


def describe(report: Report) -> str:
    """The result in a few lines."""
    stats = report.stats
    checked = {None: "not checked", 0: "all sums right"}.get(report.wrong, f"{report.wrong} values WRONG")
    return "\n".join(
        (
            f"rank {report.rank} of {report.workers}: {report.tensor_bytes} bytes"
            f" in {report.median * 1e3:.3f} ms (median of {len(report.seconds)}),"
            f" {report.goodput / 1e9:.4f} Gbit/s, {checked}",
            f"packets {stats['packets_sent']:.0f} sent, {stats['retransmissions']:.0f} of them again,"
            f" {stats['packets_received']:.0f} received, {stats['discarded']:.0f} of them discarded",
            f"CPU {report.cpu_per_gigabyte:.2f} s/GB: convert {stats['cpu_convert']:.3f} s,"
            f" copy {stats['cpu_copy']:.3f} s, system calls {stats['cpu_syscall']:.3f} s,"
            f" other {stats['cpu_other']:.3f} s; waiting {stats['wait']:.3f} s",
            f"flags {', '.join(report.flags) or 'none'}",
        )
    )
