"""The compiled engine against the interpreter: random programs, entries and packets, everything equal."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from emulator.switch.digests import DigestList
from emulator.switch.load import load_model
from emulator.switch.switch import Switch
from tests.switch.generate import install, random_entries, random_packet, random_program

PACKETS = 12


class Subject:
    """A switch with everything that can be seen of it written down."""

    def __init__(self, model: Any, engine: str, rows: Any) -> None:
        self.now = 0
        self.switch = Switch(model, engine=engine, clock=lambda: self.now, seed=1, max_passes=20)  # type: ignore[arg-type]
        self.digests: list[tuple[str, Any]] = []
        self.switch.on_digest = self._digest
        self.logs: list[str] = []
        self.switch.on_log = self.logs.append
        install(self.switch, rows)

    def _digest(self, message: DigestList) -> None:
        self.digests.append((message.name, message.samples))

    def send(self, port: int, data: bytes) -> Any:
        """Packets per port in order, and the state they leave."""
        self.now += 1000
        out: dict[int, list[str]] = {}
        for to, packet in self.switch.send(port, data):
            out.setdefault(to, []).append(packet.hex())
        control = self.switch.control
        registers = {name: control.registers[name].read_all() for name in control.registers}
        counters = {name: control.counters[name].read_all() for name in control.counters}
        meters = [meter.data.tolist() for meter in self.switch.state.meters]
        direct = [counter.read_all() for counter in self.switch.state.counters]
        return out, registers, counters, self.digests, dict(self.switch.events), self.logs, meters, direct, self.hits()

    def hits(self) -> list[tuple[str, int, int]]:
        """When the entries of tables with timeouts were hit last."""
        control = self.switch.control
        timed = [table for table in control.table_list if table.spec.support_timeout]
        for table in timed:
            control.refresh_hits(table)
        return [(table.name, entry.handle, entry.last_hit_us) for table in timed for entry in table.entries()]


def compare(rng: random.Random, packets: int) -> None:
    doc = random_program(rng)
    model = load_model(doc)
    rows = random_entries(rng, Switch(model, engine="interp"))
    slow, fast = Subject(model, "interp", rows), Subject(model, "jit", rows)
    for _ in range(packets):
        port, data = random_packet(rng)
        expected, found = slow.send(port, data), fast.send(port, data)
        assert found == expected, f"packet {port} {data.hex()} into\n{json.dumps(doc)}\nwith {rows}"


@seed(20261120)
@settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_random_programs_shrinking(rng: random.Random) -> None:
    compare(rng, 4)


def test_random_programs() -> None:
    """Plain seeds draw faster than hypothesis; a failing seed is printed."""
    for number in range(60):
        try:
            compare(random.Random(number), PACKETS)
        except Exception as error:
            raise AssertionError(f"program of seed {number}: {error}") from error


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_random_programs_at_length() -> None:
    start = random.SystemRandom().randrange(1 << 40)
    for number in range(start, start + 1000):
        try:
            compare(random.Random(number), PACKETS)
        except Exception as error:
            raise AssertionError(f"program of seed {number}: {error}") from error
