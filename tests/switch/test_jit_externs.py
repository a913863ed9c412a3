"""Hashes, meters and random numbers of whole programs: compiled, stage by stage and in batches, against the interpreter."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from emulator.compiler.api import compile_file
from emulator.switch.switch import Switch

ALGORITHMS = ["crc16", "crc32", "crc16_custom", "crc32_custom", "identity", "xor16", "csum16"]
SEED = 411

PROGRAM = """
#include <core.p4>
#include <v1model.p4>
header data_t { bit<32> a; bit<13> b; bit<3> c; bit<48> d; bit<32> sum; bit<16> chance; bit<8> row; bit<8> paint; }
struct headers_t { data_t data; }
struct meta_t {}
parser P(packet_in packet, out headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    state start { packet.extract(hdr.data); transition accept; }
}
control V(inout headers_t hdr, inout meta_t meta) { apply {} }
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {
    meter(16, MeterType.bytes) rates;
    apply {
        hash(hdr.data.sum, HashAlgorithm.ALGORITHM, 32w5,
             { hdr.data.a, hdr.data.b, hdr.data.c, hdr.data.d }, 32w1000003);
        random(hdr.data.chance, 16w3, 16w40000);
        bit<2> colour = 0;
        rates.execute_meter((bit<32>)hdr.data.row, colour);
        hdr.data.paint = (bit<8>)colour;
        std.egress_spec = 2;
    }
}
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) { apply {} }
control C(inout headers_t hdr, inout meta_t meta) { apply {} }
control D(packet_out packet, in headers_t hdr) { apply { packet.emit(hdr); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
"""


def load(json: Any, engine: Any, clock: list[int]) -> Switch:
    switch = Switch.load(json, engine=engine, clock=lambda: clock[0], seed=SEED)
    (meter,) = switch.control.meters.values()
    for row in range(8):
        meter.set_rates(row, 1000 * row, 60, 3000 * row, 90)
    return switch


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_compiled_equals_interpreted(tmp_path: Path, algorithm: str) -> None:
    source = tmp_path / "externs.p4"
    source.write_text(PROGRAM.replace("ALGORITHM", algorithm))
    result = compile_file(source)
    assert result.json is not None, result.text()
    clock = [0]
    slow, staged, batched = (load(result.json, engine, clock) for engine in ("interp", "jit", "jit"))
    rng = random.Random(f"{SEED} {algorithm}")
    for turn in range(60):
        clock[0] += rng.choice([0, 10, 20_000])
        if turn == 30 and algorithm.endswith("_custom"):
            for switch in (slow, staged, batched):
                switch.control.hashes.set_crc(next(iter(switch.control.hashes._algos)), 0x1021, 0xFFF, reflect_in=True)
        packet = rng.randbytes(18) + bytes([rng.randrange(10)]) + rng.randbytes(rng.randrange(1, 60))
        wanted = slow.send(1, packet)
        assert staged.send(1, packet) == wanted, (SEED, turn)
        assert batched.send_batch([(1, packet)]) == wanted, (SEED, turn)
