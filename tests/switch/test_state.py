"""Custom CRC parameters, value sets, counters and events of both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.switch.control import ControlError
from emulator.switch.hashes import Crc
from emulator.switch.switch import Switch
from tests.switch.programs import Builder, assign, const, do, field, sm

ENGINES = ["interp", "jit"]
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("engine", ENGINES)
def test_crc_parameters_can_be_set(engine: str) -> None:
    build = Builder()
    build.header("h", [("a", 32), ("r", 16)])
    build.extract("h")
    row = {"name": "calc", "id": 0, "algo": "crc16_custom", "input": [field("h", "a")]}
    build.doc["calculations"].append(row)
    calc = {"type": "calculation", "value": "calc"}
    body = [do("modify_field_with_hash_based_offset", field("h", "r"), const(0), calc, const(1 << 16))]
    build.run("go", [*body, assign(sm("egress_spec"), const(1))])
    switch = Switch.load(build.json(), engine=engine)
    data = bytes([1, 2, 3, 4])

    def hashed() -> int:
        return int.from_bytes(switch.send(0, data + bytes(2))[0][1][4:], "big")

    assert hashed() == Crc(16, 0x8005, 0, True, True)(data)
    switch.control.hashes.set_crc("calc", 0x1021, 0xFFFF, 0x5555)
    assert hashed() == Crc(16, 0x1021, 0xFFFF, False, False, 0x5555)(data)
    with pytest.raises(ControlError, match="does not fit 16 bits"):
        switch.control.hashes.set_crc("calc", 1 << 16)
    with pytest.raises(ControlError, match="no calculation 'nix'"):
        switch.control.hashes.set_crc("nix", 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_value_sets(engine: str) -> None:
    """State `by_set` of the golden program: kind 5, then a 16-bit key looked up in P.magic."""
    switch = Switch.load(GOLDEN / "18_select_lookahead" / "program.json", engine=engine)
    packet = bytes.fromhex("05") + bytes.fromhex("abcd") + bytes(20)
    before = switch.send(0, packet)
    magic = switch.control.value_sets["P.magic"]
    magic.add(0xABCD)
    inside = switch.send(0, packet)
    assert inside != before
    magic.remove(0xABCD)
    assert switch.send(0, packet) == before
    magic.add([(0xAB00, 0xFF00)])
    assert switch.send(0, packet) == inside
    magic.replace([1, 2, 3, 4])
    assert switch.send(0, packet) == before
    for act, kind in (
        (lambda: magic.add(5), "full"),
        (lambda: magic.remove(9), "not_found"),
        (lambda: magic.replace([1 << 16]), "invalid"),
    ):
        with pytest.raises(ControlError) as caught:
            act()
        assert caught.value.kind == kind
    assert len(magic.members()) == 4


@pytest.mark.parametrize("engine", ENGINES)
def test_direct_counters_follow_their_entries(engine: str) -> None:
    build = Builder()
    build.header("h", [("a", 8)])
    build.extract("h")
    build.action("out", [assign(sm("egress_spec"), const(1))])
    build.table("t", [("exact", "h", "a")], ["out"], with_counters=True)
    switch = Switch.load(build.json(), engine=engine)
    table = switch.control.tables["t"]
    assert table.direct_counter is not None
    first, second = table.insert((1,), "out"), table.insert((2,), "out")
    for value in (1, 2, 2, 3):
        switch.send(0, bytes([value, 0, 0]))
    found = [table.direct_counter.read(table.entry(h).slot) for h in (first, second)]
    assert found == [(1, 3), (2, 6)]
    table.delete(first)
    again = table.insert((3,), "out")
    assert table.direct_counter.read(table.entry(again).slot) == (0, 0)
    for i in range(4, 200):  # more entries than the array began with are no trouble
        table.insert((i,), "out")
    switch.send(0, bytes([150]))
    assert table.direct_counter.read(table.entry(table.find((150,)) or 0).slot) == (1, 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_batch_sends_the_same(engine: str) -> None:
    switch = Switch.load(GOLDEN / "01_l2_forward" / "program.json", engine=engine)
    switch.control.tables["Ig.dmac"].insert((7,), "Ig.forward", (4,))
    frame = (7).to_bytes(6, "big") + bytes(8)
    packets = [(1, frame), (2, bytes(14)), (3, frame)]
    one_by_one = [out for port, data in packets for out in switch.send(port, data)]
    assert switch.send_batch(packets) == one_by_one
    assert len(one_by_one) >= 2
