"""The wide build (64-bit registers, 32 guard bits): one bit pattern whatever the order in which workers arrive."""

import random
import struct

import numpy as np
import pytest

from fpisa.flags import INEXACT
from fpisa.formats import FP32, get_format
from fpisa.ops import scale
from fpisa.reference import exact_word
from fpisa.register import add
from tests.p4.model import Program
from tests.p4.rig import Rig
from tests.p4.traffic import contribution, make_job

SEED, WORKERS, ELEMENTS, ORDERS = 20261122, 12, 32, 1000
WIDE = Program("exact", get_format("fp32", 64, 32), ELEMENTS, 16)
NARROW = Program("exact", FP32, ELEMENTS, 16)


def close_rows(rng):
    """Contributions (WORKERS, ELEMENTS) of values within 2^32 of each other, element by element: normal ones, some that
    all but cancel, ties, and subnormals."""
    rows = rng.normal(size=(WORKERS, ELEMENTS)) * 2.0 ** rng.integers(-100, 100, ELEMENTS)
    rows *= 2.0 ** -rng.integers(0, 24, (WORKERS, ELEMENTS))
    rows = rows.astype(np.float32)
    rows[1::2, :8] = -rows[::2, :8]
    rows[0, :8] *= np.float32(1 + 2**-20)
    rows[:, 8] = [1, 2**-24, *[2**-25] * 2, *[0] * (WORKERS - 4)]
    rows[:, 9] = [1, 2**-24, 2**-31, -(2**-31), *[-0.0] * (WORKERS - 4)]
    rows[:, 10] = np.float32(1.4e-45) * rng.integers(-100, 100, WORKERS)
    rows[:, 11] = np.float32(3.4028234e38) * np.resize([0.25, -0.25, 0.5], WORKERS).astype(np.float32) / 2
    return rows.view(np.uint32)


def results(program, rows, seed, orders=ORDERS, engine="jit"):
    """(words, flags) of the result of each order, for each worker."""
    print(f"{orders} orders: seed {seed}")
    rng, rig, job = random.Random(seed), Rig.make(program, engine), make_job(9, WORKERS, 0, 16)
    rig.install(job)
    words = rows.tolist()
    frames = []
    for chunk in range(orders):
        ranks = rng.sample(range(WORKERS), WORKERS)
        frames += [contribution(program, job, rank, chunk, words[rank]) for rank in ranks]
    answers = rig.switch.send_batch(frames)
    assert len(answers) == orders * WORKERS, "every round is answered to every worker"
    found = []
    for _, answer in answers:
        frame = bytes(answer)
        found.append((struct.unpack_from(f"<{ELEMENTS}I", frame, 58), frame[54]))
    return found


def test_a_thousand_orders_of_arrival_give_one_exactly_rounded_sum():
    rows = close_rows(np.random.default_rng(SEED))
    found = set(results(WIDE, rows, SEED))
    assert len(found) == 1, "one bit pattern"
    words, flags = found.pop()
    assert flags & INEXACT == 0
    assert list(words) == [exact_word(FP32, column) for column in rows.T.tolist()]


def test_the_narrow_build_depends_on_the_order():
    """What the guard bits are for: the same contributions in 32 bits, told as inexact."""
    found = results(NARROW, close_rows(np.random.default_rng(SEED)), SEED, 20, "interp")
    assert len({words for words, _ in found}) > 10
    assert all(flags & INEXACT for _, flags in found)


def test_values_too_far_apart_are_told():
    """Beyond 2^32 a bit may be lost; then, and only then, `inexact` says that order may matter. Each order is held
    against the scalar model, and where its flag is clear against the exact sum."""
    rng = np.random.default_rng(SEED + 1)
    rows = close_rows(rng)
    rows[:, 20] = (rng.normal(size=WORKERS) * 2.0 ** -rng.integers(0, 60, WORKERS)).astype(np.float32).view(np.uint32)
    found = results(WIDE, rows, SEED + 1)
    told = {words for words, flags in found if flags & INEXACT}
    clear = {words for words, flags in found if not flags & INEXACT}
    assert told and len(clear) <= 1
    exact = [exact_word(FP32, column) for column in rows.T.tolist()]
    assert all(list(words) == exact for words in clear)
    others = [index for index in range(ELEMENTS) if index != 20]
    assert all([words[index] for index in others] == [exact[index] for index in others] for words in told)


@pytest.mark.slow
def test_averages_are_reproducible_too():
    """1 / n is folded into the read, so the average has one pattern as the sum has."""
    program = Program("exact", WIDE.fmt, ELEMENTS, 16, average=True)
    rows = close_rows(np.random.default_rng(SEED))
    (words, flags), *others = set(results(program, rows, SEED))
    assert not others and flags & INEXACT == 0
    for word, column in zip(words, rows.T.tolist(), strict=True):
        state = None
        for contributed in column:
            state = add(program.fmt, state, contributed)
        assert word == scale.read_average(program.fmt, state, WORKERS).word
