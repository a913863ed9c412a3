"""What is hashed, and hashes that keep state: both engines, single packets and batches."""

from __future__ import annotations

import itertools
import random

import pytest

from emulator.switch import hashes
from emulator.switch.switch import Switch
from tests.switch.programs import Builder, Json, assign, const, do, field, sm

ENGINES = ["interp", "jit"]
SEED = 20261121


def program(algo: str, inputs: list[Json]) -> Json:
    """Header h (a 3 bits, b 13 bits), a varbit header, 8 bytes for the hash in front; the rest is payload."""
    build = Builder()
    build.header("r", [("hash", 64)])
    build.header("h", [("a", 3), ("b", 13), ("n", 8)])
    build.header("v", [("x", 8), ("opt", "*")], max_length=20)
    length = {"type": "expression", "value": {"op": "<<", "left": field("h", "n"), "right": const(3)}}
    ops = [do("extract", {"type": "regular", "value": name}) for name in ("r", "h")]
    build.state("start", [*ops, do("extract_VL", {"type": "regular", "value": "v"}, length)])
    build.doc["calculations"].append({"name": "calc", "id": 0, "algo": algo, "input": inputs})
    hashed = do("modify_field_with_hash_based_offset", field("r", "hash"), const(0),
                {"type": "calculation", "value": "calc"}, const(1 << 64))  # fmt: skip
    build.run("in", [assign(sm("egress_spec"), const(1)), hashed])
    return build.json()


def packet(rng: random.Random) -> bytes:
    count = rng.randrange(8)
    return bytes(8) + rng.randbytes(2) + bytes([count]) + rng.randbytes(1 + count) + rng.randbytes(rng.randrange(12))


PARTS = {
    "a": field("h", "a"),
    "b": field("h", "b"),
    "opt": field("v", "opt"),
    "constant": {"type": "hexstr", "value": "0x15", "bitwidth": 5},
    "payload": {"type": "payload", "value": None},
}


def expected(parts: tuple[str, ...], data: bytes) -> bytes:
    """The hash's input: bits back to back, filled up to a byte before the payload and at the end."""
    count = data[10]
    known = {
        "a": f"{data[8] >> 5:03b}",
        "b": f"{int.from_bytes(data[8:10], 'big') & 0x1FFF:013b}",
        "opt": "".join(f"{byte:08b}" for byte in data[12 : 12 + count]),
        "constant": "10101",
    }
    out, bits = b"", ""
    for part in (*parts, ""):
        if part in ("payload", ""):
            bits += "0" * (-len(bits) % 8)
            out += bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
            out += data[12 + count :] if part else b""
            bits = ""
        else:
            bits += known[part]
    return out


@pytest.mark.parametrize("engine", ENGINES)
def test_inputs_are_packed_bit_by_bit(engine: str) -> None:
    rng = random.Random(SEED)
    choices = [c for n in (1, 2, 3, 4) for c in itertools.permutations(PARTS, n)]
    for parts in [("opt", "a", "payload", "b", "payload"), *rng.sample(choices, 12)]:
        switch = Switch.load(program("crc32", [PARTS[name] for name in parts]), engine=engine)  # type: ignore[arg-type]
        for _ in range(6):
            data = packet(rng)
            (_, out), *_ = switch.send(0, data)
            wanted = hashes.algorithm("crc32")(expected(parts, data))
            assert int.from_bytes(out[:8], "big") == wanted, (SEED, parts, data.hex())
            assert switch.send_batch([(0, data)]) == [(1, out)], (SEED, parts, data.hex())


@pytest.mark.parametrize("engine", ENGINES)
def test_round_robin_counts_across_single_packets_and_batches(engine: str) -> None:
    switch = Switch.load(program("round_robin", [PARTS["a"]]), engine=engine)  # type: ignore[arg-type]
    data = packet(random.Random(1))
    out = [*switch.send(0, data), *switch.send_batch([(0, data)] * 3), *switch.send(0, data)]
    assert [int.from_bytes(p[:8], "big") for _, p in out] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("engine", ENGINES)
def test_consistent_round_robin_remembers_inputs(engine: str) -> None:
    switch = Switch.load(program("round_robin_consistent", [PARTS["b"]]), engine=engine)  # type: ignore[arg-type]
    frames = [bytes(8) + bytes([0, n, 0, 0]) for n in (5, 9, 5, 7, 9)]
    out = [*switch.send(0, frames[0]), *switch.send_batch([(0, f) for f in frames[1:]])]
    assert [int.from_bytes(p[:8], "big") for _, p in out] == [0, 1, 0, 2, 1]


def test_random_hashes_follow_the_seed_on_both_engines() -> None:
    data = packet(random.Random(1))
    runs = []
    for engine in ENGINES:
        switch = Switch.load(program("random", []), engine=engine, seed=7)  # type: ignore[arg-type]
        runs.append([p for _, p in [*switch.send(0, data), *switch.send_batch([(0, data)] * 600), *switch.send(0, data)]])
    assert runs[0] == runs[1] and len(set(runs[0])) == 602


@pytest.mark.parametrize("form", ["interp", "stages", "fused"])
def test_the_payload_is_the_whole_packet_while_the_parser_runs(form: str) -> None:
    build = Builder()
    build.header("r", [("hash", 16)])
    calculation = {"type": "calculation", "value": "calc"}
    build.doc["calculations"].append({"name": "calc", "id": 0, "algo": "xor16", "input": [PARTS["payload"]]})
    hashed = do("modify_field_with_hash_based_offset", field("r", "hash"), const(0), calculation, const(1 << 16))
    build.state("start", [do("extract", {"type": "regular", "value": "r"}), do("primitive", hashed)])
    build.run("in", [assign(sm("egress_spec"), const(1))])
    switch = Switch.load(build.json(), engine="interp" if form == "interp" else "jit")
    data = bytes.fromhex("0102 1020 0040")
    found = switch.send_batch([(0, data)]) if form == "fused" else switch.send(0, data)
    assert found == [(1, bytes.fromhex("1162 1020 0040"))]
