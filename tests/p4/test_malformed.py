"""A hundred thousand malformed packets change no register, are counted by reason, and stop nothing."""

import random

import numpy as np
import pytest

from tests.p4.model import FATES
from tests.p4.rig import USUAL, Rig
from tests.p4.traffic import Stream, contribution, make_job

SEED = 20261120
CHANGES = {
    "version": lambda rng: rng.choice((0, rng.randrange(2, 16))),
    "kind": lambda rng: rng.randrange(1, 16),
    "format": lambda rng: rng.choice((2, 3, 4, 5, rng.randrange(6, 256))),
    "elements": lambda rng: rng.choice((0, 32, 63, 65, 65535)),
    "job": lambda rng: rng.choice((0, 1, 4, 6, 65535)),
    "rank": lambda rng: rng.randrange(3, 256),
    "port": lambda rng: rng.choice((0, 9, 511)),
    "mac": lambda rng: rng.randbytes(6),
    "ip": lambda rng: rng.randbytes(4),
    "pool_index": lambda rng: rng.choice((0, 3, 12, 65535)),
    "udp_bytes": lambda rng: rng.choice((0, 8, 24, rng.randrange(65536))),
}


def malformed(program, job, rng):
    """One frame that must not be admitted: a wrong field, cut short, or random from some byte on."""
    words = [rng.getrandbits(32) for _ in range(program.elements)]
    rank = rng.randrange(len(job.workers))
    way = rng.random()
    if way < 0.5:
        names = rng.sample(sorted(CHANGES), rng.choice((1, 1, 1, 2, 3)))
        change = {name: CHANGES[name](rng) for name in names}
        if change.get("udp_bytes") == 24 + 4 * program.elements and len(change) == 1:
            change["udp_bytes"] += 1
        return contribution(program, job, rank, rng.getrandbits(32), words, **change)
    port, data = contribution(program, job, rank, rng.getrandbits(32), words)
    if way < 0.75:
        return port, data[: rng.randrange(len(data))]
    if way < 0.9:
        # Random from within the addresses or before: the source cannot be right, but for a chance of 2^-32.
        keep = rng.randrange(30)
        return port, data[:keep] + rng.randbytes(rng.randrange(len(data)) + 1 if keep < 14 else len(data) - keep)
    return rng.randrange(512), rng.randbytes(rng.choice((0, 1, 13, 14, 60, 64, 186, 314, 1500)))


RUNS = [("exact", "jit", 50_000), ("approx", "jit", 20_000), ("int", "jit", 20_000), ("exact", "interp", 10_000)]


@pytest.mark.parametrize(
    ("shape", "engine", "count"),
    [pytest.param(*run, marks=pytest.mark.xdist_group(f"p4-{run[0]}")) for run in RUNS],
)
def test_malformed_packets_change_nothing(shape, engine, count):
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    program = USUAL[shape]
    rig = Rig.make(program, engine)
    job = make_job(5, 3, 2, 4)
    rig.install(job)
    rig.feed(Stream(program, job, rng).frames(200))  # something to lose
    before, counted = rig.registers(), rig.fates()
    for _ in range(0, count, 1000):
        assert rig.feed([malformed(program, job, rng) for _ in range(1000)]) == []
    after = rig.registers()
    assert all(np.array_equal(after[name], before[name]) for name in before)
    fates = rig.fates()
    rig.compare()
    refused = set(FATES[FATES.index("short") : FATES.index("forwarded")]) | {"unknown"}
    assert {name for name in fates if fates[name] != counted[name]} == refused
    assert sum(fates.values()) == sum(counted.values()) + count
