"""`fpisa controller`: serve workers, or look into a switch."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_EPILOG = """\
examples:
  fpisa controller --switch 127.0.0.1:9559 --p4info build/p4/allreduce_fpisa.p4info.txtpb \\
      --json-config build/p4/allreduce_fpisa.json --hosts hosts.json --listen unix:/tmp/controller.sock
  fpisa controller --fabric racks.json --p4info build/p4/allreduce_tree.p4info.txtpb \\
      --json-config build/p4/allreduce_tree.json --listen unix:/tmp/controller.sock
  fpisa controller --switch 127.0.0.1:9559 --pipelines 2 --hosts hosts.json \\
      --p4info build/p4/allreduce_fpisa.p4info.txtpb --json-config build/p4/allreduce_fpisa.json
  fpisa controller inspect --switch 127.0.0.1:9559 tables
  fpisa controller inspect --switch 127.0.0.1:9559 registers ingress.slot.round_0 --json
"""


class UsageError(Exception):
    """The command line is wrong; the message is one sentence."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{message}; `{self.prog} --help` shows the options")


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    inspecting = words[:1] == ["inspect"]
    if words[:1] in (["inspect"], ["serve"]):
        words = words[1:]
    try:
        if inspecting:
            from .inspect import run

            return run(_inspect_parser().parse_args(words))
        from .serve import run as serve

        return serve(_serve_parser().parse_args(words))
    except UsageError as error:
        print(f"fpisa controller: {error}", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        named = isinstance(error, OSError) and error.filename is not None and error.strerror
        text = f"cannot use {error.filename}: {error.strerror}" if named else error  # type: ignore[union-attr]
        print(f"fpisa controller: {text}", file=sys.stderr)
        return 1


def _common(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """several: there may be more switches than one, and then --switch is none of them."""
    parser.add_argument("--switch", required=not several, metavar="HOST:PORT", help="the switch's P4Runtime address")
    parser.add_argument("--device-id", type=int, default=0, metavar="N", help="its device id (0)")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="S", help="seconds to wait for it (10)")
    parser.add_argument("--cacert", type=Path, metavar="PEM", help="CA of the switch's certificate: use TLS")
    parser.add_argument("--cert", type=Path, metavar="PEM", help="our certificate, where the switch wants one")
    parser.add_argument("--key", type=Path, metavar="PEM", help="its key")
    parser.add_argument("--server-name", default="", metavar="NAME", help="name in the switch's certificate")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _serve_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fpisa controller",
        description="Load the all-reduce program, and admit workers' jobs. (`inspect` looks into a switch.)",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _common(parser, several=True)
    parser.add_argument("--p4info", type=Path, metavar="FILE", help="P4Info of the program to load")
    parser.add_argument("--json-config", "--program", type=Path, metavar="FILE", dest="config",
                        help="bmv2 JSON of the program to load (without both, the switch keeps its own)")  # fmt: skip
    parser.add_argument("--hosts", type=Path, metavar="FILE", help="JSON: who is at which port of --switch")
    parser.add_argument("--fabric", type=Path, metavar="FILE",
                        help="JSON: several switches, their P4Runtime addresses, and who is where (instead of both)")  # fmt: skip
    parser.add_argument("--pipelines", type=int, default=1, metavar="N",
                        help="of each switch, by device ids; a job uses as many as it has queues (1)")  # fmt: skip
    parser.add_argument("--listen", default="tcp:127.0.0.1:18001", metavar="WHERE",
                        help="unix:PATH or tcp:HOST:PORT for workers (tcp:127.0.0.1:18001; port 0: any)")  # fmt: skip
    parser.add_argument("--election-id", type=int, default=1 << 16, metavar="N", help="to be primary with (65536)")
    parser.add_argument("--gather-timeout", type=float, default=60.0, metavar="S",
                        help="seconds a job may wait for its workers (60)")  # fmt: skip
    parser.add_argument("--format", help="the program's number format: refuse jobs of another")
    parser.add_argument("--elements", type=int, help="the program's values a packet: refuse jobs of another")
    parser.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="write the ready line there as well")
    return parser


def _inspect_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fpisa controller inspect",
        description="Show what a switch holds. Reads only: it does not take part in the election.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _common(parser)
    parser.add_argument("what", choices=("tables", "registers", "counters", "groups", "jobs", "program"))
    parser.add_argument("names", nargs="*", help="only these tables, registers or counters")
    parser.add_argument("--index", type=int, help="only this cell of a register or counter")
    parser.add_argument("--all", action="store_true", help="show cells that are zero and empty tables, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
