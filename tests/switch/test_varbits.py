"""Varbits that begin anywhere in a byte, on both engines: extracted, emitted, copied, compared, hashed and recirculated."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from emulator.compiler.api import compile_file
from emulator.switch.switch import Switch
from tests.switch.test_jit_differential import left, per_port

SEED = 20261123
PACKETS = 40
MOST = 6
"""Bytes of the longest varbit."""
PROGRAM = """
#include <core.p4>
#include <v1model.p4>
header head_t { bit<8> n; bit<8> todo; }
header options_t { %(front)s varbit<%(most)d> data; %(back)s }
struct headers { head_t head; options_t one; options_t two; }
struct meta { bit<32> sum; }
parser P(packet_in p, out headers hdr, inout meta m, inout standard_metadata_t s) {
    state start {
        p.extract(hdr.head);
        p.extract(hdr.one, (bit<32>)hdr.head.n << 3);
        transition select(hdr.head.todo) { 0x80 &&& 0x80: second; default: accept; }
    }
    state second { p.extract(hdr.two, (bit<32>)(hdr.head.n ^ 1) << 3); transition accept; }
}
control V(inout headers hdr, inout meta m) { apply { } }
control I(inout headers hdr, inout meta m, inout standard_metadata_t s) {
    register<bit<32>>(2) seen;
    apply {
        s.egress_spec = 1;
        if (hdr.head.todo[0:0] == 1) { hdr.two = hdr.one; }
        if (hdr.head.todo[1:1] == 1) { hdr.one.setInvalid(); }
        if (hdr.head.todo[2:2] == 1) {
            hash(m.sum, HashAlgorithm.crc32, 32w0, { hdr.two.data, hdr.head.n, hdr.one.data }, 32w0xffffffff);
        }
        if (hdr.head.todo[3:3] == 1 && hdr.one == hdr.two) { s.egress_spec = 2; }
        if (hdr.head.todo[4:4] == 1) { hdr.one.front = ~hdr.one.front; hdr.one.back = hdr.one.back + 1; }
        if (hdr.head.todo[5:5] == 1) { hdr.two.setInvalid(); hdr.two.setValid(); }
        if (hdr.head.todo[6:6] == 1) { s.mcast_grp = 1; }
        seen.write(0, m.sum);
    }
}
control E(inout headers hdr, inout meta m, inout standard_metadata_t s) {
    apply {
        if (s.egress_rid == 4) { hdr.two = hdr.one; hdr.one.back = 0; }
        if (s.egress_rid == 5 && hdr.head.n == 2) { hdr.head.todo = hdr.head.todo & 0x3f; recirculate_preserving_field_list(0); }
    }
}
control C(inout headers hdr, inout meta m) { apply { } }
control D(packet_out p, in headers hdr) { apply { p.emit(hdr.two); p.emit(hdr.head); p.emit(hdr.one); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
"""


def switches(folder: Path, front: int) -> tuple[Switch, Switch, Switch]:
    """Interpreter, compiled stages and the fused form, all with a multicast group."""
    path = folder / "program.p4"
    back = -front % 8 or 8
    path.write_text(
        PROGRAM % {"front": f"bit<{front}> front;", "most": 8 * MOST, "back": f"bit<{back}> back;"}
    )
    result = compile_file(path)
    assert result.json is not None, result.text()
    slow, staged, fused = (
        Switch.load(result.json, engine=engine, clock=lambda: 5) for engine in ("interp", "jit", "jit")
    )
    for switch in (slow, staged, fused):
        switch.control.multicast.set_group(1, [(1, 2), (3, 4), (4, 5)])
    return slow, staged, fused


@pytest.mark.parametrize("front", [1, 4, 7, 8, 13, 65])
def test_any_place_in_a_byte(tmp_path: Path, front: int) -> None:
    print(f"seed {SEED}")
    rng = random.Random(f"{SEED} {front}")
    slow, staged, fused = switches(tmp_path, front)
    for number in range(PACKETS):
        count = number % (MOST + 2)
        data = bytes([count, rng.getrandbits(8)]) + rng.randbytes(rng.choice((0, 3, 12, 40, 60)))
        expected = per_port(slow.send(3, data))
        assert per_port(staged.send(3, data)) == expected, data.hex()
        assert per_port(fused.send_batch([(3, data)])) == expected, data.hex()
        assert left(staged) == left(fused) == left(slow), data.hex()


def test_bits_lie_where_they_were(tmp_path: Path) -> None:
    """By hand: three bits, two bytes that begin behind them, five bits."""
    sent = bytes([2, 0x10]) + bytes([0b101_00000, 0b111_11111, 0b000_10011])
    for switch in switches(tmp_path, 3):
        assert switch.send_batch([(0, sent + b"rest")]) == [
            (1, bytes([2, 0x10]) + bytes([0b010_00000, 0b111_11111, 0b000_10100]) + b"rest")
        ]
