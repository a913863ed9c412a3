"""A stand-in for simple_switch_grpc: takes its command line, as documented and nothing else, and starts our switch behind it.

It also ends as the real one does where it is told to: FPISA_STAND_IN=broken lets it complain and exit.
"""

from __future__ import annotations

import argparse
import os
import sys


def parse(argv: list[str]) -> tuple[argparse.Namespace, argparse.Namespace]:
    """Options of the switch, and those behind `--`, which belong to its P4Runtime target."""
    own, target = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(prog="simple_switch_grpc", allow_abbrev=False)
    parser.add_argument("program", nargs="?")
    parser.add_argument("--no-p4", action="store_true")
    parser.add_argument("-i", "--interface", action="append", default=[])
    parser.add_argument("--device-id", type=int, default=0)
    parser.add_argument("--thrift-port", type=int)
    parser.add_argument("--log-console", action="store_true")
    parser.add_argument("--log-file")
    parser.add_argument("-L", "--log-level", choices=("trace", "debug", "info", "warn", "error", "off"))
    behind = argparse.ArgumentParser(prog="simple_switch_grpc --", allow_abbrev=False)
    behind.add_argument("--grpc-server-addr", default="0.0.0.0:9559")
    behind.add_argument("--cpu-port", type=int)
    behind.add_argument("--drop-port", type=int)
    behind.add_argument("--priority-queues", type=int)
    return parser.parse_args(own), behind.parse_args(target)


def main(argv: list[str]) -> None:
    own, target = parse(argv)
    if bool(own.program) == own.no_p4:
        sys.exit("Either give an input file or --no-p4")
    if os.environ.get("FPISA_STAND_IN") == "broken":
        sys.exit("bind: the interface is gone")
    attached = [word for port in own.interface for word in ("-i", port)]
    words = [own.program or "--no-p4", *attached, "--device-id", str(own.device_id), "-L", "error"]
    words += ["--", "--grpc-server-addr", target.grpc_server_addr]
    words += ["--cpu-port", str(target.cpu_port)] if target.cpu_port is not None else []
    print(f"Server listening on {target.grpc_server_addr}", flush=True)
    start = "import sys; from emulator.server.main import main; sys.exit(main(sys.argv[1:]))"
    os.execv(sys.executable, [sys.executable, "-c", start, *words])


if __name__ == "__main__":
    main(sys.argv[1:])
