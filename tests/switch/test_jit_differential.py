"""Compiled code against the interpreter on broken and random packets: the golden programs, both compiled forms."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from emulator.switch.load import load_model
from emulator.switch.stf import run_file
from emulator.switch.switch import Switch
from tests.switch.generate import install, random_entries, random_packet, random_program

GOLDEN = Path(__file__).parents[1] / "golden"
PROGRAMS = sorted(path.parent for path in GOLDEN.glob("*/case.stf"))
SEED = 20261120
PACKETS = 150


def recorded(case: Path) -> list[tuple[int, bytes]]:
    lines = (line.split() for line in case.read_text().splitlines() if line.startswith("packet "))
    return [(int(words[1]), bytes.fromhex(words[2]) if len(words) > 2 else b"") for words in lines]


def mutated(rng: random.Random, packets: list[tuple[int, bytes]]) -> tuple[int, bytes]:
    """A recorded packet cut, lengthened, with bits turned - or nothing but noise."""
    port, data = rng.choice(packets)
    if rng.random() < 0.1:
        return rng.randrange(512), rng.randbytes(rng.randrange(200))
    raw = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        if raw:
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    if rng.random() < 0.3:
        raw = raw[: rng.randrange(len(raw) + 1)]
    if rng.random() < 0.2:
        raw += rng.randbytes(rng.randrange(80))
    return port if rng.random() < 0.8 else rng.randrange(8), bytes(raw)


def left(switch: Switch) -> object:
    """Everything a packet can leave behind."""
    state = switch.state
    return (
        [r.read_all() for r in state.registers],
        [c.read_all()[:64] for c in state.counters],
        dict(switch.events),
    )


def per_port(out: list[tuple[int, bytes]]) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    for port, data in out:
        found.setdefault(port, []).append(data)
    return found


@pytest.mark.parametrize("form", ["stages", "fused"])
@pytest.mark.parametrize("folder", PROGRAMS, ids=lambda path: path.name)
def test_broken_packets(folder: Path, form: str) -> None:
    print(f"seed {SEED}")
    rng = random.Random(f"{SEED} {folder.name}")
    slow = Switch.load(folder / "program.json", engine="interp", seed=1, clock=lambda: 5)
    fast = Switch.load(folder / "program.json", engine="jit", seed=1, clock=lambda: 5)
    for switch in (slow, fast):
        run_file(switch, folder / "case.stf", "golden")
    packets = recorded(folder / "case.stf")
    for _ in range(PACKETS):
        port, data = mutated(rng, packets)
        expected = per_port(slow.send(port, data))
        found = per_port(fast.engine.process([(port, data)]) if form == "fused" else fast.send(port, data))
        assert found == expected, f"packet {port} {data.hex()}"
        assert left(fast) == left(slow), f"packet {port} {data.hex()}"


def test_random_programs_fused() -> None:
    """Random programs and packets: outputs and registers of the fused form equal the interpreter's."""
    for number in range(1000, 1025):
        rng = random.Random(number)
        model = load_model(random_program(rng))
        rows = random_entries(rng, Switch(model, engine="interp"))
        slow, fast = (Switch(model, engine=e, seed=1, clock=lambda: 5, max_passes=20) for e in ("interp", "jit"))
        fast.engine.background = False
        for switch in (slow, fast):
            install(switch, rows)
        fast.engine.fused.specialise()
        for _ in range(10):
            port, data = random_packet(rng)
            expected = per_port(slow.send(port, data))
            if "pass_limit" in slow.events:  # passes of the fast path are not counted, so the limit comes later
                break
            assert per_port(fast.engine.process([(port, data)])) == expected, f"program {number}, {data.hex()}"
            assert left(fast) == left(slow), f"program {number}, {data.hex()}"
