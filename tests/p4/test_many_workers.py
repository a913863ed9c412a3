"""Jobs of more than 32 workers: programs compiled with wider bitmaps, and a tree of switches, both beside the model."""

import random

import pytest

from tests.p4.model import Program
from tests.p4.rig import Rig
from tests.p4.traffic import Stream, make_job


@pytest.mark.parametrize(
    ("most", "workers", "engine"),
    [
        (64, 40, "jit"),
        pytest.param(64, 64, "interp", marks=pytest.mark.slow),
        pytest.param(128, 100, "jit", marks=pytest.mark.slow),
        pytest.param(128, 128, "interp", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("shape", ["int", pytest.param("exact", marks=pytest.mark.slow)])
def test_wide_bitmaps(shape: str, most: int, workers: int, engine: str) -> None:
    """Two jobs with traffic that repeats, lags and leads: every output, register and counter is the model's."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    program = Program(shape, elements=32, slots=16, max_workers=most)
    rig = Rig.make(program, engine)
    rng = random.Random(seed)
    jobs = [make_job(7, workers, 0, 4), make_job(8, 33, 4, 3, first_host=workers)]
    streams = [Stream(program, job, rng) for job in jobs]
    for job in jobs:
        rig.install(job)
    for _ in range(30):
        rig.feed([rng.choice(streams).one() for _ in range(100)])
    rig.compare()
    assert rig.fates()["completed"] >= 4 and rig.fates()["duplicate"] > 0
