"""A Topology made real with Mininet: one network namespace a host, veth links, HTB rates, static neighbours.

Needs root and Debian's mininet package. The kernel need not have netem: loss, duplication and reordering are
the switch's business (`--impair`), so links here only have a rate.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from emulator.topo import leftovers, quota
from emulator.topo.process import Child, stop_all
from emulator.topo.spec import Link, Topology, TopologyError

TOOLS = {
    "mnexec": "mininet",
    "ip": "iproute2",
    "tc": "iproute2",
    "ifconfig": "net-tools",
    "ethtool": "ethtool",
}
MTU_BYTES = 1500
# What to switch off where the switch must see whole checksums and frames of at most the MTU.
OFFLOADS = ("rx", "tx", "sg", "tso", "gso", "gro", "tx-udp-segmentation")
# One burst lasts a millisecond at the link's rate, but a token bucket below two frames would never pass one.
BURST_SECONDS = 0.001
MIN_BURST_BYTES = 3200


def why_not() -> str | None:
    """The reason why no network can be built here, as a clause; None if one can."""
    if os.geteuid() != 0:
        return "this is not root"
    for tool, package in TOOLS.items():
        if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return f"the tool {tool} is missing (Debian package {package})"
    if importlib.util.find_spec("mininet") is None:
        return "Mininet is missing (Debian package mininet; `make setup` links it into .venv)"
    return None


class Network:
    """A running network; a context manager. All of it goes on exit, whatever happened inside."""

    def __init__(self, topology: Topology, logs: Path, *, offloads: bool = True) -> None:
        """logs: folder for the output of the processes started here. offloads: hosts may leave checksums and
        the cutting of TCP segments to the links' far end, which our switch and the kernel's bridge understand
        and simple_switch does not. Raises TopologyError."""
        reason = why_not()
        if reason is not None:
            raise TopologyError(f"no network can be built: {reason}")
        self.topology, self.logs, self.offloads = topology, logs, offloads
        self.children: list[Child] = []
        self.tag = ""
        self.groups: dict[str, Path] = {}  # of hosts with a CPU share
        self.net: Any = None

    def __enter__(self) -> Network:
        leftovers.clean_stale()
        self.tag = leftovers.claim()
        try:
            self.groups = {
                host.name: quota.limit(f"{self.tag}-{host.name}", host.cpu)
                for host in self.topology.hosts
                if host.cpu is not None
            }
            self.net = build(self.topology, self.tag, self.offloads)
        except BaseException as error:
            self.close()
            if isinstance(error, Exception) and not isinstance(error, TopologyError):
                raise TopologyError(f"the network could not be built: {error}") from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        stop_all(self.children)
        self.children.clear()
        if self.net is not None:
            self.net.stop()
            self.net = None
        if self.tag:
            leftovers.release(self.tag)
            self.tag = ""

    @property
    def folder(self) -> Path:
        """A folder that lives as long as the network; its path is short enough for a socket's name."""
        return leftovers.STATE / self.tag

    def interface(self, switch: str, port: int) -> str:
        """Name of the root namespace's interface at a switch port."""
        return interface_name(self.tag, switch, port)

    def ports(self, switch: str) -> dict[int, str]:
        """Port number -> interface of each link at `switch`."""
        return {own.port: self.interface(switch, own.port) for own, _, _ in self.topology.ends(switch)}

    def start(self, name: str, command: Sequence[str], *, host: str | None = None, **options: Any) -> Child:
        """Starts a process in a host's namespaces (None: beside the switches); options as Child's."""
        pid = None if host is None else self.net[host].pid
        env = {**leftovers.environment(self.tag), **options.pop("env", {})}
        wrap = quota.inside(self.groups[host]) if host in self.groups else []
        child = Child(name, command, self.logs / f"{name}.log", namespace_pid=pid, env=env, wrap=wrap, **options)
        self.children.append(child)
        return child

    def link_bytes(self) -> dict[str, tuple[int, int]]:
        """Bytes since the network began over each link at a switch, "lower-upper" -> (towards the upper end, back). A
        frame counts with its Ethernet header, without preamble and checksum."""
        names = {switch.name for switch in self.topology.switches}
        found = {}
        for link in self.topology.links:
            lower, upper = link.a, link.b  # shapes name a link's lower end first
            if upper.node not in names:
                lower, upper = upper, lower
            statistics = Path("/sys/class/net") / self.interface(upper.node, upper.port) / "statistics"
            up, down = (int((statistics / f"{way}_bytes").read_text()) for way in ("rx", "tx"))
            found[f"{lower.node}-{upper.node}"] = (up, down)
        return found

    def counters(self, host: str) -> dict[str, int]:
        """Since the host began: tx_packets, rx_packets, tx_bytes, rx_bytes of eth0 (a TCP super-frame, not yet
        cut, is one packet); tcp_segments sent, tcp_retransmissions."""
        return host_counters(self.net[host].pid)


def interface_name(tag: str, switch: str, port: int) -> str:
    name = f"{tag}{switch}-{port}"
    assert len(name) < 16, name  # IFNAMSIZ
    return name


def build(topology: Topology, tag: str, offloads: bool) -> Any:
    """The started mininet.net.Mininet for `topology`, its processes and interfaces marked with `tag`."""
    from mininet.log import setLogLevel
    from mininet.net import Mininet
    from mininet.node import Host, Node, Switch

    setLogLevel("critical")
    env = leftovers.environment(tag)

    class Marked(Node):
        def _popen(self, cmd: Any, **params: Any) -> Any:
            return super()._popen(cmd, **{"env": env, **params})

    class MarkedHost(Marked, Host):
        pass

    class Ports(Marked, Switch):
        """Only the place where the links of a switch end; the switch itself is a process of ours."""

        def start(self, controllers: Any) -> None:
            pass

    net = Mininet(controller=None, host=MarkedHost, switch=Ports, build=False)
    for host in topology.hosts:
        net.addHost(host.name, ip=f"{host.ip}/24", mac=host.mac)
    for switch in topology.switches:
        net.addSwitch(switch.name, dpid=str(switch.device_id))
    for link in topology.links:
        add_link(net, topology, link, tag, offloads)
    net.build()
    net.staticArp()
    net.start()
    return net


def add_link(net: Any, topology: Topology, link: Link, tag: str, offloads: bool) -> None:
    switches = {switch.name for switch in topology.switches}
    ends = (link.a, link.b)
    names = [interface_name(tag, end.node, end.port) if end.node in switches else "eth0" for end in ends]
    made = net.addLink(
        net[link.a.node], net[link.b.node], port1=link.a.port, port2=link.b.port,
        intfName1=names[0], intfName2=names[1],
    )  # fmt: skip
    for interface in (made.intf1, made.intf2):
        prepare(interface, link.rate_mbit, offloads)


def prepare(interface: Any, rate_mbit: float | None, offloads: bool) -> None:
    """MTU, offloads and rate of one end of a link. Raises TopologyError with what the tool said."""
    name = interface.name
    # Without IPv6 an idle link carries nothing that a test did not send; a kernel may lack it altogether.
    say(interface, f"echo 1 >/proc/sys/net/ipv6/conf/{name}/disable_ipv6", may_fail=True)
    say(interface, f"ip link set dev {name} mtu {MTU_BYTES} up")
    if not offloads:
        say(interface, f"ethtool -K {name} {' '.join(f'{feature} off' for feature in OFFLOADS)}")
    if rate_mbit is not None:
        for command in shaping(name, rate_mbit):
            say(interface, command)


def shaping(interface: str, rate_mbit: float) -> list[str]:
    """The tc commands that limit what leaves `interface` to `rate_mbit`."""
    burst = max(MIN_BURST_BYTES, round(rate_mbit * 1e6 / 8 * BURST_SECONDS))
    return [
        f"tc qdisc replace dev {interface} root handle 1: htb default 1",
        f"tc class add dev {interface} parent 1: classid 1:1 htb rate {rate_mbit:g}Mbit "
        f"burst {burst} cburst {burst} quantum {MTU_BYTES + 14}",
    ]


def say(interface: Any, command: str, *, may_fail: bool = False) -> None:
    """Runs a command where the interface lives; raises TopologyError if it fails and may not."""
    said, _, status = interface.node.cmd(f"{{ {command}; }} 2>&1; echo status=$?").rpartition("status=")
    if status.strip() != "0" and not may_fail:
        raise TopologyError(f"`{command}` failed: {said.strip() or 'it said nothing'}")


def host_counters(pid: int) -> dict[str, int]:
    """See Network.counters; `pid` is any process of the host's namespace."""
    devices = Path(f"/proc/{pid}/net/dev").read_text().splitlines()
    eth0 = next(line for line in devices if line.strip().startswith("eth0:")).partition(":")[2].split()
    protocols = Path(f"/proc/{pid}/net/snmp").read_text().splitlines()
    names, values = (line.split() for line in protocols if line.startswith("Tcp:"))
    tcp = dict(zip(names, values, strict=True))
    return {
        "rx_bytes": int(eth0[0]),
        "rx_packets": int(eth0[1]),
        "tx_bytes": int(eth0[8]),
        "tx_packets": int(eth0[9]),
        "tcp_segments": int(tcp["OutSegs"]),
        "tcp_retransmissions": int(tcp["RetransSegs"]),
    }
