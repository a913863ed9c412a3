"""Random programs in the fused form with headers of any size left in memory, against the interpreter and the stages.

In earnest only headers of many fields stay in memory, and no random program has many of them. Here the plan takes headers of
one field on and whether or not it is worth it: stacks, unions, copies, headers made valid and invalid, emitted in another
order than they came. In some programs all other variables lie in memory as well."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from typing import Any

import pytest

from emulator.switch.jit import effort, home_plan
from emulator.switch.jit.fused import EGRESS_REQUESTS, INGRESS_REQUESTS, has_primitive
from emulator.switch.jit.phv import Phv
from emulator.switch.load import load_model
from emulator.switch.switch import Switch
from tests.switch.generate import install, random_entries, random_packet, random_program
from tests.switch.programs import Json
from tests.switch.test_jit_differential import left, per_port

FIRST = int(os.environ.get("FPISA_FUZZ_SEED", "2000000"))
PROGRAMS = 12
MANY = int(os.environ.get("FPISA_FUZZ_PROGRAMS", "500"))
PACKETS = 25


def drawn(rng: random.Random) -> Json:
    """A program most of whose headers may stay in memory; one in four also clones and goes round, and then none does."""
    doc = random_program(rng, whole=rng.random() < 0.8, direct=rng.random() < 0.75)
    if rng.random() < 0.5:
        rng.shuffle(doc["deparsers"][0]["order"])
    return doc


def compare(number: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether headers stayed in memory, once all forms agree on the program of this seed."""
    rng = random.Random(number)
    with monkeypatch.context() as patch:
        patch.setattr(home_plan, "FEW", rng.choice((1, 1, 2, 3)))
        if rng.random() < 0.7:
            patch.setattr(home_plan, "_is_carried", lambda model, header: True)
        if rng.random() < 0.3:
            patch.setattr(effort, "MANY_CHOICES", 0)
            patch.setattr(effort, "LONG_BLOCKS", 1 << 30)
        return _compare(rng, number)


def _compare(rng: random.Random, number: int) -> bool:
    doc = drawn(rng)
    model = load_model(doc)
    rows = random_entries(rng, Switch(model, engine="interp"))
    slow, staged, fused, batch = (
        Switch(model, engine=e, seed=1, clock=lambda: 5, max_passes=20) for e in ("interp", "jit", "jit", "jit")
    )
    for switch in (slow, staged, fused, batch):
        install(switch, rows)
    engine: Any = fused.engine
    engine.background = batch.engine.background = False  # type: ignore[attr-defined]
    if rng.random() < 0.5:
        engine.fused.specialise()
    about = f"program {number}: {json.dumps(doc)}\nwith {rows}"
    packets = [random_packet(rng) for _ in range(PACKETS)]
    wanted: Counter[tuple[int, bytes]] = Counter()
    for port, data in packets:
        expected = slow.send(port, data)
        if "pass_limit" in slow.events:  # passes of the fast path are not counted, so the limit comes later
            return False
        wanted.update(expected)
        assert per_port(staged.send(port, data)) == per_port(expected), f"stages, packet {data.hex()}, {about}"
        assert per_port(engine.process([(port, data)])) == per_port(expected), f"fused, packet {data.hex()}, {about}"
        for switch in (staged, fused):
            assert left(switch) == left(slow), f"state after packet {data.hex()}, {about}"
    found: Any = batch.engine
    assert Counter(found.process(packets)) == wanted, f"in one batch, {about}"
    assert left(batch) == left(slow), f"state after one batch, {about}"
    asked = has_primitive(model, INGRESS_REQUESTS | EGRESS_REQUESTS)
    return not asked and bool(home_plan.plan(model, Phv(model)))


def test_random_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    print(f"first seed {FIRST}")
    assert sum(compare(number, monkeypatch) for number in range(FIRST, FIRST + PROGRAMS)) > PROGRAMS // 3


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_random_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    start = FIRST if "FPISA_FUZZ_SEED" in os.environ else random.SystemRandom().randrange(1 << 40)
    print(f"programs {start} to {start + MANY}")
    for number in range(start, start + MANY):
        compare(number, monkeypatch)
