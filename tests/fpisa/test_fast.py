"""Fast vectors against the NumPy twin; the C kernels where they are built, and the way without them."""

import numpy as np
import pytest

from fpisa import batch, fast
from fpisa.accuracy.inputs import finite_only, random_words
from fpisa.flags import STATUS_MASK
from fpisa.formats import FP32, FormatError, get_format

CASES = [(n, 32, g) for n in ("fp32", "fp16", "bf16") for g in (0, 3, 6)] + [
    ("fp16", 16, 0), ("bf16", 64, 8), ("fp8_e4m3", 32, 0),
]  # fmt: skip


@pytest.fixture(params=["native", "numpy"])
def means(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(fast, "KERNELS", {})
    elif fast.lib is None:
        pytest.skip("the C kernels are not built: python fpisa/native/build.py")
    return request.param


@pytest.mark.parametrize("specials", [True, False])
@pytest.mark.parametrize("shape", ["exact", "approx"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_equal_to_the_numpy_twin(case, shape, specials, means, rng):
    fmt = get_format(*case)
    assert fast.native(fmt) == (means == "native" and fmt.register_bits == 32 and not fmt.finite)
    rows = random_words(rng, fmt, 6 * 9001).reshape(6, 9001)
    rows = rows if specials else finite_only(fmt, rows)
    registers, state, status = fast.allocate(fmt, 9001), None, 0
    fast.first(registers, rows[0])
    state = batch.first(fmt, rows[0])
    for row in rows[1:]:
        state = batch.ADD[shape](fmt, state._replace(events=np.zeros_like(state.events)), row)
        events = fast.add(registers, row, shape)
        assert events == np.bitwise_or.reduce(state.events)
        status |= events
        assert (registers.exponent == state.exponent).all()
        assert (registers.mantissa == state.mantissa).all()
        assert (registers.special == state.special).all()
    for rounding in ("rne", "rtz"):
        words, flags = fast.read(registers, rounding)
        expected = batch.read(fmt, state._replace(events=np.zeros_like(state.events)), rounding)
        assert (words == expected.words).all()
        assert flags == np.bitwise_or.reduce(expected.flags)
        total, all_flags = fast.sum_vectors(fmt, rows, shape, rounding)
        assert (total == words).all() and all_flags == flags | status & STATUS_MASK


@pytest.mark.parametrize("guard_bits", [0, 6])
def test_every_mantissa_length_reads_alike(guard_bits, means, rng):
    fmt = FP32.with_registers(32, guard_bits)
    registers = fast.allocate(fmt, 200_000)
    registers.mantissa[:] = rng.integers(-(2**31), 2**31, 200_000) >> rng.integers(0, 32, 200_000)
    registers.exponent[:] = rng.integers(1, 255, 200_000)
    registers.mantissa[:2] = -(2**31), 2**31 - 1
    state = batch.Registers(*(part.astype(np.int64) for part in (registers.exponent, registers.mantissa)),
                            registers.special, np.zeros(200_000, np.uint8))  # fmt: skip
    for rounding in ("rne", "rtz"):
        assert (fast.read(registers, rounding)[0] == batch.read(fmt, state, rounding).words).all()


def test_floats_in_floats_out(means):
    registers = fast.allocate(FP32, 3)
    fast.first(registers, np.array([1.5, -2, 0], np.float32))
    assert fast.add(registers, np.array([1, 2, 0.5], np.float32)) == 0
    out = np.empty(3, np.float32)
    assert fast.read(registers, out=out)[0] is out
    assert out.tolist() == [2.5, 0.0, 0.5]


def test_strided_vectors_and_empty_ones(means):
    values = np.arange(20, dtype=np.float32)
    words, flags = fast.sum_vectors(FP32, [values[::2], values[1::2]])
    assert words.view(np.float32).tolist() == (values[::2] + values[1::2]).tolist() and flags == 0
    assert fast.sum_vectors(FP32, [values[:0], values[:0]])[0].size == 0


def test_a_new_round_forgets_the_old_one(means):
    registers = fast.allocate(FP32, 4)
    fast.first(registers, np.array([np.inf, np.nan, 1, 2], np.float32))
    fast.first(registers, np.array([1, 2, 3, 4], np.float32))
    assert fast.read(registers)[0].view(np.float32).tolist() == [1, 2, 3, 4]


def test_wrong_use_is_a_sentence(means):
    registers = fast.allocate(FP32, 4)
    for call, sentence in [
        (lambda: fast.add(registers, np.zeros(5, np.float32)), "shapes differ"),
        (lambda: fast.add(registers, np.zeros(4, np.int32)), "got int32"),
        (lambda: fast.add(registers, np.zeros(4, np.float32), "some"), "unknown shape"),
        (lambda: fast.read(registers, out=np.zeros(8, np.float32)[::2]), "writable contiguous"),
        (lambda: fast.sum_vectors(FP32, []), "at least one vector"),
    ]:
        with pytest.raises(FormatError, match=sentence):
            call()
