"""Tables of the forwarding programs in p4/, and traffic that hits their entries, as arrays.

Route lengths follow the spread of a public IPv4 table; access rules that of filter sets in the literature (prefixes of a few
lengths, mostly exact or free ports). Everything is drawn from a seed, so each size is the same in every run.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emulator.switch.keys import Exact, Lpm, Ternary
from emulator.switch.switch import Switch

PORTS = 8
ETHERNET_DST, IPV4_PROTOCOL, IPV4_SRC, IPV4_DST, L4_SRC, L4_DST = 0, 23, 26, 30, 34, 36
ROUTE_LENGTHS = ([8, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 28, 32],
                 [1, 2, 5, 5, 60, 30, 60, 100, 150, 160, 400, 350, 2300, 5, 5])  # fmt: skip
RULE_LENGTHS = ([0, 8, 12, 16, 20, 24, 28, 30, 32], [12, 4, 4, 14, 6, 26, 8, 4, 22])
PORT_MASKS = ([0, 0xFC00, 0xFFF0, 0xFFFF], [50, 8, 6, 36])
Column = tuple[int, np.ndarray]


@dataclass(frozen=True)
class Filled:
    """switch: with the table filled. columns: (offset in the frame, bytes (packets, width)) of traffic that hits."""

    switch: Switch
    entries: int
    columns: tuple[Column, ...]


def frame() -> bytes:
    """A UDP packet of 64 bytes; the fields that tables match are filled in later."""
    ethernet = bytes(6) + bytes.fromhex("020000000001") + b"\x08\x00"
    ipv4 = struct.pack(">BBHHHBBHII", 0x45, 0, 50, 0, 0, 64, 17, 0, 0x0A000001, 0x0A000002)
    return ethernet + ipv4 + struct.pack(">HHHH", 1000, 2000, 30, 0) + bytes(22)


def big_endian(values: np.ndarray, width: int) -> np.ndarray:
    """(n, width) bytes of unsigned numbers."""
    return np.ascontiguousarray(values.astype(">u8")).view(np.uint8).reshape(-1, 8)[:, 8 - width :].copy()


def _insert(switch: Switch, table: str, action: str, keys: list, args: list, priorities: list[int]) -> None:
    into = switch.control.tables[table]
    with switch.control.batch():
        into.insert_many(zip(keys, [action] * len(keys), args, priorities, strict=True))


def _sample(rng: np.random.Generator, choice: tuple[list[int], list[int]], n: int) -> np.ndarray:
    values, weights = choice
    return rng.choice(np.array(values, np.uint64), n, p=np.array(weights) / sum(weights))


def prefix_masks(lengths: np.ndarray, width: int = 32) -> np.ndarray:
    ones = (1 << width) - 1
    table = np.array([ones ^ (ones >> k) for k in range(width + 1)], np.uint64)
    return table[lengths.astype(np.int64)]


def stations(switch: Switch, n: int, packets: int) -> Filled:
    """n exact Ethernet addresses."""
    rng = np.random.default_rng(n)
    macs = np.unique(rng.integers(0, 1 << 46, n + n // 100 + 8, dtype=np.uint64) << np.uint64(2))
    macs = rng.permutation(macs)[:n]
    args = [(int(p),) for p in rng.integers(1, PORTS + 1, n)]
    _insert(switch, "Forward.stations", "Forward.forward", [(Exact(m),) for m in macs.tolist()], args, [0] * n)
    return Filled(switch, n, ((ETHERNET_DST, big_endian(rng.choice(macs, packets), 6)),))


def routes(switch: Switch, n: int, packets: int) -> Filled:
    """n IPv4 prefixes."""
    rng = np.random.default_rng(n)
    lengths = _sample(rng, ROUTE_LENGTHS, n + n // 5 + 8)
    values = rng.integers(1 << 24, 224 << 24, len(lengths), dtype=np.uint64) & prefix_masks(lengths)
    both = rng.permutation(np.unique(np.stack([values, lengths], 1), axis=0))[:n]
    n = len(both)
    keys = [(Lpm(value, length),) for value, length in both.tolist()]
    args = [(int(p), 0x0200_0000_0000 + int(p)) for p in rng.integers(1, PORTS + 1, n)]
    _insert(switch, "Forward.routes", "Forward.hop", keys, args, [0] * n)
    chosen = both[rng.integers(0, n, packets)]
    host = rng.integers(0, 1 << 32, packets, dtype=np.uint64) & ~prefix_masks(chosen[:, 1]) & np.uint64(0xFFFFFFFF)
    return Filled(switch, n, ((IPV4_DST, big_endian(chosen[:, 0] | host, 4)),))


RULE_FIELDS = ((IPV4_SRC, 4), (IPV4_DST, 4), (IPV4_PROTOCOL, 1), (L4_SRC, 2), (L4_DST, 2))


def rules(switch: Switch, n: int, packets: int) -> Filled:
    """n rules over five fields, no two alike, the first of them the strongest."""
    rng = np.random.default_rng(n)
    drawn = n + n // 2 + 8
    addresses = [prefix_masks(_sample(rng, RULE_LENGTHS, drawn)) for _ in range(2)]
    protocol = _sample(rng, ([0, 0xFF], [1, 4]), drawn)
    ports = [np.where(protocol > 0, _sample(rng, PORT_MASKS, drawn), 0).astype(np.uint64) for _ in range(2)]
    masks = np.stack([*addresses, protocol, *ports], 1)
    free = [1 << 32, 1 << 32, 1, 1 << 16, 1 << 16]
    values = np.stack([rng.integers(0, top, drawn, dtype=np.uint64) for top in free], 1)
    values[:, 2] = rng.choice(np.array([6, 17], np.uint64), drawn)
    narrow = (masks != 0).sum(1) >= 2  # a rule for nearly all packets would hide the weaker ones
    both = np.unique(np.concatenate([values & masks, masks], 1)[narrow], axis=0)
    both = rng.permutation(both)[:n]
    n = len(both)
    keys = [tuple(Ternary(row[k], row[k + 5]) for k in range(5)) for row in both.tolist()]
    args = [(int(p),) for p in rng.integers(1, PORTS + 1, n)]
    _insert(switch, "Forward.rules", "Forward.permit", keys, args, list(range(n, 0, -1)))
    chosen = both[rng.integers(0, n, packets)]
    noise = np.stack([rng.integers(0, top, packets, dtype=np.uint64) for top in free], 1)
    noise[:, 2] = rng.choice(np.array([6, 17], np.uint64), packets)
    wanted = chosen[:, :5] | noise & ~chosen[:, 5:]
    columns = ((at, big_endian(wanted[:, k], width)) for k, (at, width) in enumerate(RULE_FIELDS))
    return Filled(switch, n, tuple(columns))


FILL: dict[str, Callable[[Switch, int, int], Filled]] = {"l2": stations, "l3": routes, "acl": rules}
