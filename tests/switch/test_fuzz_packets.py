"""Random and damaged packets: the switch goes on, and every packet is either sent or counted as dropped."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from emulator.switch.stf import read_lines, run_file
from emulator.switch.switch import Switch

GOLDEN = Path(__file__).parents[1] / "golden"
FOLDERS = sorted(path.parent for path in GOLDEN.glob("*/case.stf"))


def recorded(folder: Path) -> list[tuple[int, bytes]]:
    """Packets of the case, to damage."""
    found = []
    for line in read_lines((folder / "case.stf").read_text()):
        if line.command == "packet":
            port, _, data = line.rest.partition(" ")
            found.append((int(port), bytes.fromhex(data)))
    return found


def damaged(rng: random.Random, packets: list[tuple[int, bytes]]) -> tuple[int, bytes]:
    """Cut, lengthened, bits flipped, bytes overwritten, or random from the start."""
    port, data = rng.choice(packets)
    kind = rng.randrange(5)
    if kind == 0:
        return port, data[: rng.randint(0, len(data))]
    if kind == 1:
        return port, data + rng.randbytes(rng.randint(1, 40))
    if kind == 2:
        return rng.randrange(512), rng.randbytes(rng.randint(0, 80))
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.choice((0, 0xFF, rng.randrange(256)))
    return port, bytes(changed)


def soak(folder: Path, count: int, number: int, engine: str) -> None:
    rng = random.Random(f"{folder.name} {number}")
    switch = Switch.load(folder / "program.json", engine=engine, seed=1, max_passes=64)
    run_file(switch, folder / "case.stf", "golden")
    packets = recorded(folder)
    for _ in range(count):
        port, data = damaged(rng, packets)
        try:
            out = switch.send(port, data)
        except Exception as error:
            raise AssertionError(f"packet {port} {data.hex()}: {error!r}") from error
        assert all(0 <= to < 65536 and isinstance(packet, bytes) for to, packet in out)
    unknown = [name for name in switch.events if not re.fullmatch("[a-z_]+", name)]
    assert not unknown


@pytest.mark.parametrize("engine", ["interp", "jit"])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_damaged_packets(folder: Path, engine: str) -> None:
    soak(folder, 60, 1, engine)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("engine", ["interp", "jit"])
def test_a_million_damaged_packets(engine: str) -> None:
    number = random.SystemRandom().randrange(1 << 40)
    for folder in FOLDERS:
        soak(folder, 500_000 // len(FOLDERS) + 1, number, engine)


def test_both_engines_agree_on_damaged_packets() -> None:
    """Outputs of the same damaged packets, recorded cases' entries installed."""
    for folder in FOLDERS:
        rng = random.Random(folder.name)
        switches = []
        for engine in ("interp", "jit"):
            switch = Switch.load(
                folder / "program.json", engine=engine, seed=1, clock=lambda: 5, max_passes=64
            )
            run_file(switch, folder / "case.stf", "golden")
            switches.append(switch)
        packets = recorded(folder)
        for _ in range(40):
            port, data = damaged(rng, packets)
            slow, fast = (sorted(s.send(port, data), key=lambda item: item[0]) for s in switches)
            if folder.name.startswith("35"):
                continue  # draws random numbers; the engines need not draw alike
            assert slow == fast, f"{folder.name}: packet {port} {data.hex()}"
