"""`fpisa topo`: build a network, start its switches, and hand it to a person or to one command."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from emulator.topo.build import Network
from emulator.topo.shapes import SHAPES
from emulator.topo.spec import Topology, TopologyError, attachment
from emulator.topo.switches import KINDS, start_switch

EXAMPLES = """examples:
  fpisa topo --hosts 4 --rate 200 --switch bridge
  fpisa topo --hosts 2 --p4 p4src/allreduce_fpisa.p4 --impair in:loss=0.01,seed=7
  fpisa topo --hosts 2 --switch bridge --on h1 -- ip address
"""


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(
        prog="fpisa topo",
        description="Build a Mininet network with P4 switches; ends with its prompt, a command, or Ctrl-C.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words.add_argument("--shape", choices=sorted(SHAPES), default="star", help="shape of the network (star)")
    words.add_argument("--hosts", type=int, default=4, metavar="N", help="number of hosts (4)")
    words.add_argument("--rate", type=float, metavar="MBIT", help="rate of each link, both ways (unlimited)")
    words.add_argument("--cpu", type=float, metavar="SHARE", help="share of all CPUs a host may use (no limit)")
    words.add_argument("--switch", choices=KINDS, default="fpisa", help="what the switches are (fpisa)")
    words.add_argument("--p4", type=Path, metavar="FILE", help="P4 source or bmv2 JSON to start with")
    words.add_argument("--impair", default="", metavar="SPEC", help="port faults, as fpisa switch --impair")
    words.add_argument("--on", metavar="HOST", help="run the command in this host, end with its status")
    words.add_argument("--json", action="store_true", help="print the network as JSON before anything else")
    words.add_argument("command", nargs="*", help="the command for --on, after --")
    return words


def main(argv: Sequence[str] | None = None) -> int:
    words = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the network is taken down
    try:
        topology = SHAPES[words.shape](words.hosts, words.rate, cpu=words.cpu, impair=words.impair)
        if bool(words.on) != bool(words.command):
            raise TopologyError("--on HOST and a command after -- belong together")
        if words.on and words.on not in {host.name for host in topology.hosts}:
            raise TopologyError(f"there is no host {words.on}; hosts are h1 to h{words.hosts}")
        with tempfile.TemporaryDirectory(prefix="fpisa-topo-") as folder:
            return run(topology, words, Path(folder))
    except TopologyError as error:
        print(f"fpisa topo: error: {error}", file=sys.stderr)
        return 1


def run(topology: Topology, words: argparse.Namespace, folder: Path) -> int:
    program = None if words.p4 is None else compiled(words.p4, folder)
    with Network(topology, folder / "logs", offloads=words.switch != "bmv2") as network:
        servers = {
            switch.name: start_switch(network, switch, words.switch, program=program)[1] for switch in topology.switches
        }
        say = described if words.json else sentence
        print(say(topology, servers), flush=True)
        if words.on:
            return follow(network, words.on, words.command)
        prompt(network)
    return 0


def compiled(source: Path, folder: Path) -> Path:
    """bmv2 JSON for `source`, which may be that already."""
    if not source.is_file():
        raise TopologyError(f"there is no file {source}")
    if source.suffix == ".json":
        return source
    output = folder / f"{source.stem}.json"
    command = [sys.executable, "-m", "fpisa.cli", "compile", str(source), "-o", str(output)]
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        raise TopologyError(f"{source} did not compile")
    return output


def follow(network: Network, host: str, command: Sequence[str]) -> int:
    """Runs the command in the host and passes on what it says; its status, as a shell has it. Where nobody reads that any
    more, or nothing can be written, the command is ended. Raises OSError then."""
    over = threading.Event()
    failures: list[OSError] = []

    def echo(line: str) -> None:
        try:
            print(line, flush=True)
        except OSError as error:
            failures.append(error)
            over.set()

    child = network.start("command", command, host=host, on_line=echo, on_end=over.set)
    over.wait()
    if failures:
        child.stop()
        raise failures[0]
    status = child.wait()
    if status is None:
        return 1
    return status if status >= 0 else 128 - status


def described(topology: Topology, servers: dict[str, str]) -> str:
    """The network as one JSON object."""
    ends = {host.name: attachment(topology, host.name) for host in topology.hosts}
    switches = [
        {"name": switch.name, "device_id": switch.device_id, "p4runtime": servers[switch.name]}
        for switch in topology.switches
    ]
    hosts = [
        {"name": h.name, "ip": h.ip, "mac": h.mac, "switch": ends[h.name].node, "port": ends[h.name].port}
        for h in topology.hosts
    ]
    return json.dumps({"switches": switches, "hosts": hosts})


def sentence(topology: Topology, servers: dict[str, str]) -> str:
    switches = ", ".join(f"{name} (P4Runtime on {at})" if at else name for name, at in servers.items())
    return f"{len(topology.hosts)} hosts on {switches}"


def prompt(network: Network) -> None:
    """Mininet's own prompt on a terminal; without one, until told to stop."""
    if sys.stdin.isatty():
        from mininet.cli import CLI

        CLI(network.net)
    else:
        signal.pause()
