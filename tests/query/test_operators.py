"""Every operator's program against plain Python, row by row, on both engines of the switch."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from emulator.compiler.api import compile_file
from tests.query import model
from workers.query.floats import order
from workers.query.pack import (
    ENTRY,
    FRAME,
    HEADER,
    PORT,
    VERSION,
    WORKER_PORT,
    acknowledgements,
    headers,
    valid_lanes,
)
from workers.query.rack import OPERATORS, PROGRAMS, Rack

SEED = 20260711
CELLS = 8
CORNERS = [0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0xFF7FFFFF,
           0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x7F800001, 0x3F800000, 0xBF800000]  # fmt: skip
LADDER = [100.0, 2.5, 0.0, -1.0]


def bits(value: float) -> int:
    return struct.unpack(">I", struct.pack(">f", value))[0]


def ordered(value: float, flip: bool) -> int:
    return int(order(np.array([value], np.float32), flip)[0])


# name -> (operator, model, its parameters, what install takes, second phase)
CASES = {
    "filter": ("filter", model.Filter, {"low": -1.0, "high": 2.5},
               {"a": ordered(-1.0, False), "b": ordered(2.5, False)}, False),
    "filter up to NaN": ("filter", model.Filter, {"low": 0.0, "high": float("nan")},
                         {"a": ordered(0.0, False), "b": 0xFFFFFFFF}, False),
    "distinct": ("distinct", model.Distinct, {}, {}, False),
    "max": ("group_extreme", model.Extreme, {"flip": False, "exact": True}, {"a": 1}, False),
    "min": ("group_extreme", model.Extreme, {"flip": True, "exact": False}, {"flip": True}, False),
    "sum": ("group_sum", model.Sum, {}, {}, False),
    "join": ("join", model.Join, {}, {}, True),
    "ladder": ("topn", model.Top, {"n": 5, "ladder": LADDER, "matrix": False, "flip": False},
               {"a": 5, "ladder": [ordered(t, False) for t in LADDER]}, False),
    "matrix": ("topn", model.Top, {"n": 5, "ladder": [], "matrix": True, "flip": False}, {"a": 5, "b": 2}, False),
    "both, least first": ("topn", model.Top, {"n": 5, "ladder": LADDER, "matrix": True, "flip": True},
                          {"a": 5, "b": 2, "flip": True, "ladder": [ordered(t, True) for t in LADDER]}, False),
}  # fmt: skip


def random_packet(rng: random.Random, keys: list[int]) -> dict[int, model.Row]:
    packet = {}
    for lane in range(16):
        if rng.random() < 0.8:
            word = rng.choice(CORNERS) if rng.random() < 0.3 else bits(rng.choice([rng.gauss(0, 3), rng.randint(-3, 3)]))
            key = rng.choice(keys) & ~15 | lane if rng.random() < 0.97 else 0
            packet[lane] = model.Row(rng.getrandbits(32), key, word)
    return packet


def frame(rack: Rack, packet: dict[int, model.Row], sequence: int, *, second: bool = False, worker: int = 0,
          query: int = 3) -> np.ndarray:
    one = headers(1, FRAME, rack.workers[worker], rack.master)
    one["source_port"], one["destination_port"], one["version_kind"] = WORKER_PORT, PORT, VERSION << 4
    one["operator"], one["query"], one["worker"] = OPERATORS[rack.operator], query, worker
    one["flags"], one["sequence"] = second, sequence
    raw = one["rows"][0]
    for lane, row in packet.items():
        one["valid"] |= 1 << lane
        raw["row"][lane], raw["key"][lane] = row.row, row.key
        # As bits: an assignment of the float may quieten a NaN.
        raw[lane : lane + 1].view(np.uint8).reshape(-1)[12:16] = list(row.bits.to_bytes(4, "big"))
    return one


def send(rack: Rack, one: np.ndarray, worker: int = 0) -> tuple[int, list[int], list[int]]:
    """(port it left by, survivors, taken)."""
    ((port, data),) = rack.switch.send(rack.workers[worker].port, one.tobytes())
    head = np.frombuffer(data[: HEADER.itemsize], HEADER)[0]
    lanes = [[n for n in range(16) if int(head[name]) >> n & 1] for name in ("valid", "taken")]
    assert (len(data) == FRAME.itemsize) == bool(lanes[0])
    return port, lanes[0], lanes[1]


@pytest.mark.parametrize("engine", ["jit", "interp"])
@pytest.mark.parametrize("name", CASES)
def test_decisions(name: str, engine: str) -> None:
    operator, kind, parameters, installed, second = CASES[name]
    rng = random.Random(f"{SEED} {name}")
    print("seed", SEED, name)
    rack = Rack.build(operator, 2, cells=CELLS, engine=engine)
    rack.install(3, **installed)
    judge = kind(CELLS, **parameters)
    keys = [rng.getrandbits(64) for _ in range(30)]
    phases = [False, True] if second else [False]
    sequence = 0
    for phase in phases:
        for _ in range(60 if engine == "jit" else 12):
            sequence += 1
            packet = random_packet(rng, keys)
            if second and not phase:
                packet = dict(list(packet.items())[:3])  # leaves the Bloom filter some zeros
            sent = frame(rack, packet, sequence, second=phase)
            expected = judge.decide(packet, phase)
            port, survivors, taken = send(rack, sent)
            assert (survivors, taken) == expected, f"packet {sequence}"
            assert port == (rack.master if survivors else rack.workers[0]).port
            if rng.random() < 0.3:  # a repeat is answered alike and changes nothing, or later packets differ
                assert send(rack, sent) == (port, survivors, taken)
    if operator == "group_sum":
        check_sums(rack, judge)


def check_sums(rack: Rack, judge: model.Sum) -> None:
    """Registers bit for bit: exponent, mantissa, special, counts."""
    region = rack.region(3)
    names = ("owner", "count", "add.exponent", "add.mantissa", "add.special")
    arrays = {name: rack.registers(region, name) for name in names}
    assert np.count_nonzero(arrays["owner"]) == len(judge.state)
    for place, (key, register, count) in judge.state.items():
        found = [int(arrays[name][place]) for name in names]
        assert found == [key, count, register.exponent, register.mantissa % 2**64, register.special]


def test_having_drops_no_group_that_qualifies() -> None:
    rng = random.Random(SEED)
    rack = Rack.build("having", 1, cells=64)
    bound = 50.0
    word = bits(bound)
    rack.install(3, a=word >> 23, b=word & 0x7FFFFF | 0x800000)
    judge = model.Having(64, bound=bound)
    keys = [rng.getrandbits(64) for _ in range(40)]
    values = [0.0, 1e-40, 2.0**-149, 0.1, 1.0, 49.99999, 7.25]
    packets = []
    for _ in range(40):
        packet = {n: model.Row(0, rng.choice(keys[:8] if rng.random() < 0.3 else keys) & ~15 | n,
                               bits(rng.choice(values) * rng.random())) for n in range(16)}  # fmt: skip
        packets.append(packet)
    packets.append({0: model.Row(0, 16, 0x7F800000), 1: model.Row(0, 17, 0x7FC00000)})
    for number, packet in enumerate(packets, 1):
        assert send(rack, frame(rack, packet, number))[1:] == ([], sorted(packet))
        judge.decide(packet, False)
    kept = dropped = 0
    for number, packet in enumerate(packets, len(packets) + 1):
        _, survivors, _ = send(rack, frame(rack, packet, number, second=True))
        must, _ = judge.decide(packet, True)
        assert set(must) <= set(survivors)
        kept, dropped = kept + len(survivors), dropped + len(packet) - len(survivors)
    assert survivors == [0, 1]  # inf and NaN may be above any bound
    assert kept and dropped > 100


def test_having_threshold_is_sharp() -> None:
    """Alone in its cells, a group passes from the bound on; one unit of a float below, and one row's slack, it does not."""
    rack = Rack.build("having", 1, cells=64)
    word = bits(50.0)
    rack.install(3, a=word >> 23, b=word & 0x7FFFFF | 0x800000)
    rows = {2: model.Row(0, 2 | 5 << 10, word), 4: model.Row(0, 4 | 5 << 10, word - 1), 6: model.Row(0, 6, bits(1e30))}
    send(rack, frame(rack, rows, 1))
    assert send(rack, frame(rack, rows, 2, second=True))[1] == [2, 6]


def refused(rack: Rack, one: np.ndarray, fate: int, port: int | None = None) -> None:
    counter = rack.switch.control.counters["ingress.fate"]
    before = counter.read(fate)[0]
    assert rack.switch.send(rack.workers[0].port if port is None else port, one.tobytes()) == []
    assert counter.read(fate)[0] == before + 1


def test_admission() -> None:
    rack = Rack.build("distinct", 2, cells=CELLS)
    rack.install(3)
    packet = {0: model.Row(1, 16, 0)}
    good = frame(rack, packet, 5 + rack.window)
    for name, value, fate in (("version_kind", 2 << 4, 4), ("version_kind", VERSION << 4 | 1, 4), ("operator", 1, 4),
                              ("udp_bytes", 100, 4), ("query", 4, 5), ("worker", 2, 6), ("source_ip", 1, 6)):
        bad = good.copy()
        bad[name] = value
        refused(rack, bad, fate)
    refused(rack, good, 6, rack.workers[1].port)
    refused(rack, good.view(np.uint8)[:-1], 4)
    assert send(rack, good)[1] == [0]
    refused(rack, frame(rack, packet, 5), 3)  # its window has moved on
    assert send(rack, good)[1] == [0]
    assert rack.switch.control.counters["ingress.fate"].read(2)[0] == 1


def test_several_queries_share_a_switch() -> None:
    """Their cells are apart; one that ends leaves nothing behind for the next."""
    rack = Rack.build("distinct", 1, cells=16)
    rack.install(3, cells=8)
    rack.install(4, cells=8)
    packet = {0: model.Row(1, 16, 0)}
    assert send(rack, frame(rack, packet, 1))[1] == [0]
    assert send(rack, frame(rack, packet, 1, query=4))[1] == [0]
    assert send(rack, frame(rack, packet, 2, query=4))[1] == []
    rack.remove(3)
    rack.install(5, cells=8)
    assert send(rack, frame(rack, packet, 1, query=5))[1] == [0]
    assert send(rack, frame(rack, packet, 3, query=4))[1] == []


def test_the_frame_is_the_header_file() -> None:
    """Names, widths and order of the NumPy record are those of the compiled headers."""
    compiled = compile_file(PROGRAMS / "query_filter.p4").json
    assert compiled is not None
    types = {t["name"]: [(f[0], f[1]) for f in t["fields"]] for t in compiled["header_types"]}
    query = [("version_kind", 8), *types["query_h"][2:]]
    assert [w for _, w in types["query_h"][:2]] == [4, 4]
    query[1] = ("operator", query[1][1])
    assert query == [(name, 8 * HEADER[name].itemsize) for name in HEADER.names[-8:]]
    lane = [(f"{name}_{n:x}", 8 * ENTRY[name].itemsize) for n in range(16) for name in ENTRY.names]
    assert types["rows_h"] == lane
    assert HEADER.itemsize == 14 + 20 + 8 + 14 and FRAME.itemsize == HEADER.itemsize + 256
    one = frame(Rack.build("filter", 1), {3: model.Row(1, 2, 3)}, 1)
    assert valid_lanes(one)[0].tolist() == [n == 3 for n in range(16)]


def test_checksums() -> None:
    """What leaves the switch and what the master answers have IPv4 checksums that add up."""
    rack = Rack.build("distinct", 1, cells=CELLS)
    rack.install(3)
    sent = frame(rack, {0: model.Row(1, 16, 0)}, 1)
    ((_, survivor),) = rack.switch.send(rack.workers[0].port, sent.tobytes())
    ((_, answer),) = rack.switch.send(rack.workers[0].port, frame(rack, {0: model.Row(2, 16, 0)}, 2).tobytes())
    replies = acknowledgements(np.frombuffer(survivor, FRAME), rack.master)
    ((port, forwarded),) = rack.switch.send(rack.master.port, replies.tobytes())
    assert port == rack.workers[0].port and forwarded == replies.tobytes()
    for data in (sent.tobytes(), survivor, answer, forwarded):
        total = sum(struct.unpack(">10H", data[14:34]))
        assert total % 0xFFFF == 0
        assert int.from_bytes(data[16:18], "big") == len(data) - 14
