"""Sums over racks: the arrays equal the scalar reference; raw loses no more than one switch with the same order of exponents."""

import numpy as np
import pytest

from fpisa import batch, normalize, register, register_approx
from fpisa.accuracy import methods
from fpisa.accuracy.error import errors
from fpisa.accuracy.inputs import GRADIENTS, random_words
from fpisa.accuracy.racks import rack_sizes, tree_sum
from fpisa.bits import highest_bit, shifted_out
from fpisa.flags import INEXACT, OVERFLOW
from fpisa.formats import FP32, get_format
from fpisa.reference import exact_sums

SEED = 20261121


@pytest.mark.parametrize("fmt", [FP32, get_format("fp32", 64, 32), get_format("bf16", 16), get_format("fp8_e4m3", 16, 2)])
def test_merging_arrays_is_merging_registers(fmt):
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    a, b, c, d = (random_words(rng, fmt, 5000) for _ in range(4))
    arrays = batch.merge(fmt, batch.add(fmt, batch.first(fmt, a), b), batch.add(fmt, batch.first(fmt, c), d))
    for index in range(5000):
        one, two, three, four = (int(words[index]) for words in (a, b, c, d))
        left = register.add(fmt, register.first(fmt, one), two)
        right = register.add(fmt, register.first(fmt, three), four)
        merged = register.merge(fmt, left, right)
        assert tuple(int(part[index]) for part in arrays) == tuple(merged), (hex(one), hex(two), hex(three), hex(four))
        assert register.merge(fmt, None, right)[:3] == (right[:3] if not right.special else (1, 0, right.special))


@pytest.mark.parametrize("uplink", ["packed", "raw"])
@pytest.mark.parametrize("shape", ["exact", "approx"])
def test_a_tree_of_arrays_is_a_tree_of_registers(shape, uplink):
    if (shape, uplink) == ("approx", "raw"):
        return  # no such program
    print(f"seed {SEED}")
    adder = register.add if shape == "exact" else register_approx.add
    rows = random_words(np.random.default_rng(SEED), FP32, 5 * 1000).reshape(5, 1000)
    tally = tree_sum(FP32, rows, shape, uplink, (INEXACT,))
    for index in range(1000):
        words = [int(word) for word in rows[:, index]]
        total, events = None, 0
        for part in (words[:3], words[3:]):
            leaf = None
            for word in part:
                leaf = adder(FP32, leaf, word)
            events |= leaf.events
            if uplink == "raw":
                total = register.merge(FP32, total, leaf)
            else:
                result = normalize.read(FP32, leaf)
                events |= INEXACT * drops(leaf) | result.flags & OVERFLOW
                total = adder(FP32, total, result.word)
        assert tuple(int(part[index]) for part in tally.state[:3]) == total[:3]
        assert int(tally.state.events[index]) == events | total.events


def drops(state):
    if state.special or not state.mantissa:
        return False
    leading = highest_bit(abs(state.mantissa))
    distance = leading - FP32.fraction_bits + max(0, 1 - (leading + state.exponent + FP32.scale + FP32.bias))
    return distance > 0 and shifted_out(abs(state.mantissa), distance)


def test_racks_are_even_and_add_up():
    assert [rack_sizes(n) for n in (2, 4, 5, 8, 16, 24)] == [[1, 1], [2, 2], [3, 2], [4, 4], [8, 8], [8, 8, 8]]
    assert all(sum(rack_sizes(n)) == n and len(rack_sizes(n)) <= 32 for n in range(2, 1025))


@pytest.mark.parametrize("name", ["racks-packed", "racks-raw", "racks-g3-packed", "racks-g3-raw", "racks-a"])
def test_clear_flags_mean_the_correctly_rounded_sum(name):
    gradients = GRADIENTS["normal"](np.random.default_rng(SEED), 16, 20_000)
    gradients = (gradients.view(np.uint32) & 0xFFFE0000).view(np.float32)  # few bits, so that some sums lose none
    outcome = methods.METHODS[name].run(gradients)
    found = errors(outcome, exact_sums(FP32, gradients.view(np.uint32)))
    clear = outcome.events & (INEXACT | OVERFLOW) == 0
    assert 0 < clear.mean() < 1 and found.correct[clear].all()


def test_raw_registers_lose_less_than_packed_floats():
    gradients = GRADIENTS["normal"](np.random.default_rng(SEED), 16, 100_000)
    exact = exact_sums(FP32, gradients.view(np.uint32))
    correct = {}
    for name in ("racks-g3-packed", "racks-g3-raw"):
        correct[name] = errors(methods.METHODS[name].run(gradients), exact).correct.mean()
    assert correct["racks-g3-raw"] > correct["racks-g3-packed"]
