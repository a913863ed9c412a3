"""Addresses and seats of a comparison's job: what a controller would hand out."""

from __future__ import annotations

from emulator.native.engine import NativeSeat
from workers.compare.plan import Aggregator

SWITCH_MAC, SWITCH_IP = bytes([2, 0, 0, 0, 0, 0xFE]), 0x0A0000FE
UDP_PORT = 9000
HEADERS = 58  # Ethernet, IPv4, UDP and FPISA
# Frames that a port's ring holds: twice the largest window fits, and the rings of a few ports stay in the cache.
RING_SLOTS = 1024
DEADLINE_S = 30.0
TRAIN_BYTES = 64 << 20  # of the tensors that are summed one after another; a larger one goes alone


def mac(rank: int) -> int:
    return 0x0200_0000_0000 + rank + 1


def ip(rank: int) -> int:
    return 0x0A00_0001 + rank


def frame_bytes(elements: int) -> int:
    return HEADERS + 4 * elements


def seat(
    aggregator: Aggregator, job: int, rank: int, workers: int, slots: int, elements: int, queues: int = 1
) -> NativeSeat:
    """The same timing for every aggregator: 10 ms at first, then by the measured round trip."""
    return NativeSeat(
        job=job, rank=rank, workers=workers, first_slot=0, slots=slots, queues=queues, format=aggregator.format,
        elements=elements, value_bytes=4, udp_port=UDP_PORT, source_mac=mac(rank).to_bytes(6, "big"),
        source_ip=ip(rank), switch_mac=SWITCH_MAC, switch_ip=SWITCH_IP, deadline=DEADLINE_S,
    )  # fmt: skip
