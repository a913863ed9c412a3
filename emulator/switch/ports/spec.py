"""Ports as data: what the command line and topologies say, before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Interface:
    """A network interface (veth, tap, a real card) through a packet socket; needs root or CAP_NET_RAW.

    ring_frames: length of the receive ring. queue_bytes: what may wait while the link is slow.
    bypass_qdisc: past the interface's traffic control - faster, but link rates set there are not kept.
    trains: the other end is a switch like this one: UDP packets alike may leave as one super-frame from the start, not only
    once such a one has arrived.
    pipeline, pipelines: of several runners on the interface, this one takes the packets whose FPISA queue modulo `pipelines`
    is `pipeline`; the one of pipeline 0 takes all that are not FPISA's as well.
    pcap_in, pcap_out: logs of the port."""

    name: str
    ring_frames: int = 4096
    queue_bytes: int = 2 << 20
    bypass_qdisc: bool = False
    trains: bool = False
    pipeline: int = 0
    pipelines: int = 1
    pcap_in: str | Path | None = None
    pcap_out: str | Path | None = None


@dataclass(frozen=True)
class Queue:
    """A port within the process: packets enter by Runner.inject and are fetched by Runner.take.
    packets: how many may wait."""

    packets: int = 65536


@dataclass(frozen=True)
class Pcap:
    """A capture file as input, one as output; either may be absent. The input is read once, from the
    start."""

    read: str | Path | None = None
    write: str | Path | None = None


@dataclass(frozen=True)
class Memory:
    """Shared memory with one worker on this machine: path is a Unix socket on which it finds the port
    (`emulator/native/rings.h`). slots: a power of two, in each direction; slot_bytes: the longest frame, a
    multiple of 64."""

    path: str | Path
    slots: int = 1024
    slot_bytes: int = 2048


PortSpec = Interface | Queue | Pcap | Memory
