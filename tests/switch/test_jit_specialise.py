"""Contents of small tables compiled in: equal results before, during and after changes."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from emulator.switch.jit.baked import Content, Row, is_bakeable, present_content, steps
from emulator.switch.keys import Lpm, Ternary
from emulator.switch.switch import Switch
from tests.switch.wide_program import wide_program

ELEMENTS = 4
WORKERS = 4
SEED = 20261120


def open_tables(elements: int = ELEMENTS) -> dict:
    """The wide program with leading-zero tables that the control plane fills."""
    doc = wide_program(elements)
    for table in doc["pipelines"][0]["tables"]:
        if "leading_zeros" in table["name"]:
            table.pop("entries")
            table["default_entry"]["action_const"] = False
            table["default_entry"]["action_entry_const"] = False
            table["max_size"] = 64
    return doc


def fill(switch: Switch, offset: int = 0) -> None:
    """Zeros in front of a 32-bit number, plus an offset that makes one content differ from another."""
    with switch.control.batch():
        for name, table in switch.control.tables.items():
            if "leading_zeros" in name:
                action = switch.model.actions[table.spec.actions[0]].name
                for entry in list(table.entries()):
                    table.delete(entry.handle)
                for zeros in range(32):
                    table.insert((Lpm(1 << (31 - zeros), zeros + 1),), action, (zeros + offset,))
    switch.control.multicast.set_group(1, [(1, 1)])


def contribution(rng: random.Random, worker: int, turn: int) -> tuple[int, bytes]:
    values = b"".join(struct.pack(">f", rng.gauss(0, 1) * 2.0 ** rng.randrange(-20, 20)) for _ in range(ELEMENTS))
    return worker + 1, bytes([worker, turn % 2]) + values


def pair(doc: dict) -> tuple[Switch, Switch]:
    slow, fast = Switch.load(doc, engine="interp"), Switch.load(doc, engine="jit")
    fast.engine.background = False
    return slow, fast


def play(slow: Switch, fast: Switch, rng: random.Random, turns: int) -> None:
    for turn in range(turns):
        batch = [contribution(rng, worker, turn) for worker in rng.sample(range(WORKERS), WORKERS)]
        expected = [found for port, data in batch for found in slow.send(port, data)]
        assert fast.engine.process(batch) == expected
        assert expected


def test_results_follow_every_change() -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    slow, fast = pair(open_tables())
    fused = fast.engine.fused
    for offset in (0, 1, 3):
        for switch in (slow, fast):
            fill(switch, offset)
        assert fused.current is fused.general, "contents that are gone must not be in use"
        play(slow, fast, rng, 4)
        assert fused.specialise()
        assert len(fused.current.baked) == ELEMENTS
        play(slow, fast, rng, 6)


def test_a_change_of_another_table_keeps_the_compiled_contents() -> None:
    _, fast = pair(open_tables())
    fill(fast)
    fast.engine.fused.specialise()
    used = fast.engine.fused.current
    fast.control.multicast.set_group(2, [(3, 3)])
    assert fast.engine.fused.current is used


def test_the_address_stays_while_code_changes() -> None:
    _, fast = pair(open_tables())
    before = fast.engine.native_process()
    fill(fast)
    fast.engine.fused.specialise()
    assert fast.engine.native_process() == before


def test_contents_are_compiled_in_by_themselves() -> None:
    fast = Switch.load(open_tables(1), engine="jit")
    fused = fast.engine.fused
    fill(fast)
    with fused.lock:
        done = fused.wait_until(lambda: len(fused.current.baked) == 1, 60)
    assert done


def table_of(doc: dict, name: str) -> object:
    return Switch.load(doc, engine="interp").control.tables[name]


@pytest.mark.parametrize("width", [1, 7, 32])
def test_step_function_equals_lookup(width: int) -> None:
    """Every start and end of a step, for random prefixes."""
    print(f"seed {SEED}")
    rng = random.Random(SEED + width)
    doc = open_tables(1)
    table = table_of(doc, "Ig.leading_zeros")
    for _ in range(20):
        table.clear()
        for _ in range(rng.randrange(1, 12)):
            length = rng.randrange(0, width + 1)
            value = rng.getrandbits(width) << (32 - width) & 0xFFFFFFFF
            key = (Lpm(value >> (32 - length) << (32 - length) if length else 0, length),)
            if table.find(key) is None:
                table.insert(key, "Ig.zeros", (rng.randrange(40),))
        content = present_content(table)
        found = steps(table.spec, content)
        assert found is not None
        points = {0, 0xFFFFFFFF, *(s for s, _ in found), *(s - 1 for s, _ in found if s)}
        for point in points | {rng.getrandbits(32) for _ in range(20)}:
            row = [r for s, r in found if s <= point][-1]
            entry = table.lookup((point,))
            assert (row.args if row else None) == (entry.args if entry else None)


def test_what_is_not_compiled_in() -> None:
    spec = table_of(open_tables(1), "Ig.leading_zeros").spec
    miss = Row((), None, ())
    many = tuple(Row((Ternary(i << 8, 0xFF00FF00),), 0, (i,)) for i in range(40))
    assert not is_bakeable(spec, Content(many, miss))
    scattered = tuple(Row((Lpm(i * 2 << 8, 24),), 0, (i,)) for i in range(60))
    assert not is_bakeable(spec, Content(scattered, miss))


def test_registers_are_ordinary_arrays() -> None:
    """Interleaved and widened in memory, but read and written like any other."""
    fast = Switch.load(wide_program(8), engine="jit")
    registers = [r for r in fast.state.registers if r.name.startswith("Ig.expo")]
    assert len(registers) == 8
    assert {r.data.dtype for r in registers} == {np.dtype("u4")} and {r.data.strides for r in registers} != {(4,)}
    for k, register in enumerate(registers):
        for cell in range(register.size):
            register.write(cell, 300 + k + cell)
    for k, register in enumerate(registers):
        assert register.read_all() == [(300 + k + cell) & 0xFF for cell in range(register.size)]
        register.reset()
        assert register.read_all() == [0] * register.size
