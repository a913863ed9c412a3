"""Registers and results of the programs equal the scalar model's on every bit, in any order of packets."""

import random

import pytest

from fpisa.formats import get_format
from tests.p4.model import Program
from tests.p4.rig import USUAL, Rig
from tests.p4.traffic import Stream, make_job

SEED = 20261120
FP32 = get_format("fp32")
SHAPES = [pytest.param(shape, marks=pytest.mark.xdist_group(f"p4-{shape}")) for shape in USUAL]
# Every knob of the programs at least once; 32 elements, so the compiled code stays small.
VARIANTS = [
    Program("exact", get_format("fp32", 64, 32), 32, 16),
    Program("exact", get_format("fp32", 32, 3), 32, 16),
    Program("exact", FP32, 32, 16, rounding="rtz"),
    Program("exact", FP32, 32, 16, track_inexact=False),
    Program("approx", get_format("fp32", 32, 2), 32, 16, rounding="rtz"),
    Program("exact", FP32, 32, 16, average=True),
    Program("approx", get_format("fp32", 64, 32), 32, 16, rounding="rtz", average=True),
    Program("exact", get_format("fp8_e4m3", 16, 2), 32, 16, average=True),
    Program("exact", get_format("fp16", 16, 1), 32, 16),
    Program("exact", get_format("fp16", 32, 8), 32, 16),
    Program("approx", get_format("fp16", 16), 32, 16),
    Program("exact", get_format("bf16", 16), 32, 16),
    Program("approx", get_format("bf16", 32, 4), 32, 16),
    Program("exact", get_format("fp8_e4m3", 16, 2), 32, 16),
    Program("approx", get_format("fp8_e4m3", 16), 32, 16),
    Program("exact", get_format("fp8_e5m2", 16, 1), 32, 16),
]


def name_of(program: Program) -> str:
    fmt = program.fmt
    return f"{program.shape}-{fmt.name}-R{fmt.register_bits}-G{fmt.guard_bits}-{program.rounding}{'-average' * program.average}"


def drive(program: Program, engine: str, additions: int, seed: int) -> None:
    """Streams of three jobs, mixed at random, until `additions` element additions were made."""
    print(f"{name_of(program)} on {engine}: seed {seed}")
    rng = random.Random(seed)
    rig = Rig.make(program, engine)
    slots = program.slots
    jobs = [
        make_job(5, 3, 0, 3),
        make_job(0xFFFF, 2, 3, 1, first_host=4),
        make_job(77, 1, slots - 2, 2, first_host=8),
    ]
    for job in jobs:
        rig.install(job)
    starts = (0, 2**32 - 5, 2**31 - 3)  # chunk numbers wrap, and pass half the circle
    streams = [
        Stream(program, job, rng, first_chunk=start // job.slots * job.slots)
        for job, start in zip(jobs, starts, strict=True)
    ]
    made = 0
    while made < additions:
        batch = [rng.choices(streams, weights=(6, 3, 1))[0].one() for _ in range(200)]
        rig.feed(batch)
        made = (rig.model.fates["absorbed"] + rig.model.fates["completed"]) * program.elements
    rig.compare()
    fates = rig.fates()
    assert all(fates[name] > 0 for name in ("absorbed", "completed", "resent", "duplicate", "stale", "early"))
    drawn = sum(stream.words.count for stream in streams)
    assert 0.4 < sum(stream.words.cornered for stream in streams) / drawn < 0.6


@pytest.mark.parametrize("shape", SHAPES)
def test_two_hundred_thousand_additions_compiled(shape):
    drive(USUAL[shape], "jit", 200_000, SEED)


@pytest.mark.parametrize("shape", SHAPES)
def test_two_hundred_thousand_additions_interpreted(shape):
    drive(USUAL[shape], "interp", 200_000, SEED + 2)


@pytest.mark.parametrize("program", VARIANTS, ids=name_of)
def test_formats_registers_guards_and_roundings(program):
    drive(program, "interp", 5_000, SEED + 3)


@pytest.mark.slow
@pytest.mark.parametrize("program", VARIANTS, ids=name_of)
def test_formats_registers_guards_and_roundings_compiled(program):
    drive(program, "jit", 200_000, SEED + 4)


@pytest.mark.slow
@pytest.mark.parametrize("elements", [33, 100, 256])
def test_any_number_of_elements(elements):
    drive(Program("exact", FP32, elements, 16), "jit", 50_000, SEED + 5)
