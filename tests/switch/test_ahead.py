"""Look-ups ahead of the batch give what the interpreter gives: large tables of every kind, packets whose keys are not where
they were guessed, tables that change between batches and small ones that grow."""

from __future__ import annotations

import random

import pytest

from emulator.compiler.api import compile_file
from emulator.switch.keys import Exact, Lpm, Range, Ternary, full
from emulator.switch.switch import Switch

SEED = 20261121
PROGRAM = """
#include <core.p4>
#include <v1model.p4>
header shim_t { bit<8> kind; }
header keys_t { bit<48> station; bit<32> route; bit<128> wide; bit<16> port; bit<8> flags; bit<8> room; }
header found_t { bit<16> station; bit<16> route; bit<16> wide; bit<16> rule; }
struct headers_t { shim_t shim; keys_t keys; found_t found; }
struct meta_t {}
struct seen_t { bit<48> station; bit<32> route; }
parser P(packet_in p, out headers_t h, inout meta_t m, inout standard_metadata_t s) {
    state start {
        transition select(p.lookahead<bit<8>>()) { 0xee: shim; default: keys; }
    }
    state shim { p.extract(h.shim); transition keys; }
    state keys { p.extract(h.keys); p.extract(h.found); transition accept; }
}
control V(inout headers_t h, inout meta_t m) { apply {} }
control I(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    action station(bit<16> x) { h.found.station = x; }
    action route(bit<16> x) { h.found.route = x; }
    action wide(bit<16> x) { h.found.wide = x; }
    action rule(bit<16> x) { h.found.rule = x; }
    table stations { key = { h.keys.station: exact; } actions = { station; NoAction; } size = 100000; }
    table routes { key = { h.keys.route: lpm; } actions = { route; NoAction; } size = 100000; }
    table wides { key = { h.keys.wide: lpm; } actions = { wide; NoAction; } size = 100000; }
    table rules {
        key = { h.keys.route: ternary; h.keys.wide: ternary; h.keys.port: range; h.keys.flags: optional; h.keys.station: lpm; }
        actions = { rule; NoAction; } size = 100000;
    }
    apply {
        s.egress_spec = 1;
        stations.apply(); routes.apply(); wides.apply(); rules.apply();
        if (h.keys.room == 1) { digest<seen_t>(1, { h.keys.station, h.keys.route }); }
    }
}
control E(inout headers_t h, inout meta_t m, inout standard_metadata_t s) { apply {} }
control C(inout headers_t h, inout meta_t m) { apply {} }
control D(packet_out p, in headers_t h) { apply { p.emit(h); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = tmp_path_factory.mktemp("ahead") / "ahead.p4"
    path.write_text(PROGRAM)
    result = compile_file(path)
    assert result.json is not None, result.text()
    return result.json


class Pair:
    """The interpreter and the compiled engine, always written alike."""

    def __init__(self, doc: dict, rng: random.Random):
        self.rng = rng
        self.slow, self.fast = Switch.load(doc, engine="interp"), Switch.load(doc, engine="jit")
        self.fast.engine.background = False  # type: ignore[attr-defined]
        self.told = False
        self.bases = {"station": 48, "route": 32, "wide": 128}
        self.known = {k: [rng.getrandbits(w) for _ in range(40)] for k, w in self.bases.items()}

    def value(self, name: str) -> int:
        width = self.bases[name]
        return self.rng.choice(self.known[name]) ^ self.rng.getrandbits(self.rng.randrange(1, width // 2))

    def key(self, table: str) -> tuple:
        rng = self.rng
        if table == "stations":
            value = self.value("station")
            if rng.random() < 0.2:  # what stands there when another station is one byte further on
                value = 0xEE << 40 | rng.choice(self.known["station"]) >> 8
            self.known["station"].append(value)
            return (Exact(value),)
        if table in ("routes", "wides"):
            name = table[:-1]
            return (Lpm(self.value(name), rng.randrange(8, self.bases[name] + 1)),)
        low = rng.randrange(1 << 16)
        masks = [full(32) ^ full(rng.choice([0, 8, 16, 32])), full(128) ^ full(rng.choice([0, 64, 96, 128]))]
        if rng.random() < 0.1:
            masks = [rng.getrandbits(32), rng.getrandbits(128)]
        return (
            Ternary(self.value("route"), masks[0]),
            Ternary(self.value("wide"), masks[1]),
            Range(low, rng.choice([low, min(low + 1000, 0xFFFF), 0xFFFF])) if rng.random() < 0.6 else None,
            Ternary(rng.randrange(4), 0xFF) if rng.random() < 0.4 else None,
            Lpm(self.value("station"), rng.choice([0, 0, 8, 48])),
        )

    def both(self, table: str, change) -> None:
        for switch in (self.slow, self.fast):
            with switch.control.batch():
                change(switch.control.tables[f"I.{table}"])

    def fill(self, table: str, n: int) -> None:
        action, keys = f"I.{table[:-1]}", {}
        while len(keys) < n:
            key = self.key(table)
            priority = self.rng.randrange(1, 50) if table == "rules" else 0
            if self.slow.control.tables[f"I.{table}"].find(key, priority) is None:
                keys[self.slow.control.tables[f"I.{table}"].checked_key(key), priority] = self.rng.randrange(1 << 16)
        rows = [(key, action, (x,), priority) for (key, priority), x in keys.items()]
        self.both(table, lambda t: t.insert_many(rows))

    def delete(self, table: str, n: int) -> None:
        handles = [e.handle for e in self.slow.control.tables[f"I.{table}"].entries()]
        gone = self.rng.sample(handles, min(n, len(handles)))
        self.both(table, lambda t: [t.delete(handle) for handle in gone])

    def packet(self) -> tuple[int, bytes]:
        rng = self.rng
        data = b"\xee" if rng.random() < 0.15 else b""  # everything is one byte further on than was guessed
        data += self.value("station").to_bytes(6, "big") + self.value("route").to_bytes(4, "big")
        data += self.value("wide").to_bytes(16, "big") + rng.getrandbits(16).to_bytes(2, "big")
        data += bytes([rng.randrange(4), self.told and rng.random() < 0.03]) + bytes(8 + rng.randrange(20))
        return 0, data if rng.random() > 0.03 else data[: rng.randrange(1, len(data))]

    def compare(self, batches: int) -> None:
        for _ in range(batches):
            packets = [self.packet() for _ in range(self.rng.choice([1, 3, 63, 64, 65, 200, 700]))]
            expected = [found for port, data in packets for found in self.slow.send(port, data)]
            assert self.fast.engine.process(packets) == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize("table, size", [("stations", 5000), ("routes", 5000), ("wides", 4500), ("rules", 300)])
def test_large_tables_that_change(program: dict, table: str, size: int) -> None:
    print(f"seed {SEED}")
    pair = Pair(program, random.Random(f"{SEED} {table}"))
    pair.fill(table, size)
    pair.compare(3)
    for _ in range(4):
        pair.delete(table, size // 10)
        pair.compare(1)
        pair.fill(table, size // 12)
        pair.compare(1)
    pair.delete(table, size * 2)
    pair.compare(1)


def test_all_tables_at_once_through_every_size(program: dict) -> None:
    print(f"seed {SEED}")
    pair = Pair(program, random.Random(SEED))
    for n in (1, 20, 60, 300, 4500):
        for table in ("stations", "routes", "wides", "rules"):
            pair.fill(table, min(n, 400) if table == "rules" else n)
        pair.compare(2)


def toggle(switch: Switch, table: str, key: tuple) -> None:
    """The entry comes or goes."""
    found = switch.control.tables[f"I.{table}"]
    handle = found.find(key)
    if handle is not None:
        found.delete(handle)
    else:
        found.insert(key, f"I.{table[:-1]}", (0xABCD,))


@pytest.mark.parametrize("table", ["stations", "routes"])
def test_a_digest_that_changes_the_table_in_the_middle_of_a_batch(program: dict, table: str) -> None:
    print(f"seed {SEED}")
    pair = Pair(program, random.Random(f"{SEED} {table}"))
    pair.told = True
    pair.fill(table, 4500)
    for switch in (pair.slow, pair.fast):

        def changed(message, switch=switch) -> None:
            for station, route in message.samples:
                key = (Exact(station),) if table == "stations" else (Lpm(route, 32),)
                toggle(switch, table, key)

        switch.on_digest = changed
    pair.compare(6)
    quiet = bytes(range(1, 30)) + bytes(20)
    telling = quiet[:29] + b"\1" + quiet[30:]
    packets = [(0, data) for data in [quiet, telling, quiet, telling, quiet] * 20]
    expected = [found for port, data in packets for found in pair.slow.send(port, data)]
    assert pair.fast.engine.process(packets) == expected  # type: ignore[attr-defined]
    assert len(set(expected)) > 2  # it came and went
