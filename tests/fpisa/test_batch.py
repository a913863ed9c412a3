"""NumPy twin against the scalar reference: a million additions, every bit."""

import numpy as np
import pytest

from fpisa import batch, scalar
from fpisa.accuracy.inputs import corner_words, random_words
from fpisa.formats import FORMATS, FP32, FormatError, get_format

WIDE_CASES = [
    (name, bits, guard)
    for name in ("fp32", "fp16", "bf16")
    for bits, guard in ((32, 0), (32, 3), (64, 0), (64, 32), (16, 0), (16, 2))
    if not (name == "fp32" and bits == 16)
]


def against_scalar(fmt, words, lengths, shape, rounding):
    results = batch.sum_ragged(fmt, words, lengths, shape, rounding)
    start = 0
    flat = words.tolist()
    for index, length in enumerate(lengths.tolist()):
        expected = scalar.sum_words(fmt, flat[start : start + length], shape, rounding)
        got = int(results.words[index]), int(results.flags[index])
        assert got == expected, (fmt, shape, rounding, [hex(word) for word in flat[start : start + length]])
        start += length


@pytest.mark.parametrize("shape", ["exact", "approx"])
@pytest.mark.parametrize("case", WIDE_CASES, ids=lambda case: "-".join(map(str, case)))
def test_sums_of_many_lengths(case, shape, rng):
    fmt = get_format(*case)
    lengths = rng.integers(1, 12, 3000)
    words = random_words(rng, fmt, int(lengths.sum()))
    for rounding, part in (("rne", slice(0, 2000)), ("rtz", slice(2000, None))):
        count = lengths[part]
        start = int(lengths[: part.start].sum())
        against_scalar(fmt, words[start : start + int(count.sum())], count, shape, rounding)


@pytest.mark.parametrize("shape", ["exact", "approx"])
@pytest.mark.parametrize("name", ["fp8_e4m3", "fp8_e5m2"])
@pytest.mark.parametrize("bits", [16, 32])
def test_all_pairs_of_fp8(name, bits, shape):
    fmt = get_format(name, bits)
    pairs = np.indices((256, 256)).reshape(2, -1).T.astype(np.uint8)
    against_scalar(fmt, pairs.reshape(-1), np.full(65536, 2), shape, "rne")


def test_corners_with_corners():
    corners = corner_words(FP32)
    rng = np.random.default_rng(1)
    pairs = np.stack([np.repeat(corners, 40), rng.choice(corners, corners.size * 40)], axis=1)
    for shape in ("exact", "approx"):
        against_scalar(FP32, pairs.reshape(-1), np.full(len(pairs), 2), shape, "rne")


def test_registers_equal_the_scalar_ones_after_every_step(rng):
    for name in FORMATS:
        fmt = get_format(name)
        rows = random_words(rng, fmt, 10 * 200).reshape(10, 200)
        for shape in ("exact", "approx"):
            state = None
            columns = [list(scalar.accumulate(fmt, column, shape)) for column in rows.T.tolist()]
            for step, row in enumerate(rows):
                state = batch.ADD[shape](fmt, state, row)
                assert [tuple(map(int, values)) for values in zip(*state)] == [c[step] for c in columns]


def test_ends_of_a_64_bit_register():
    fmt = get_format("fp32", 64, 32)
    largest = fmt.max_finite
    for sequence in (
        [largest] * 300,
        [largest | fmt.sign_bit] * 300,
        [largest | fmt.sign_bit] * 129 + [1, largest],
    ):
        for shape in ("exact", "approx"):
            against_scalar(fmt, np.array(sequence, np.uint32), np.array([len(sequence)]), shape, "rne")


def test_sum_rows_is_the_same_sum(rng):
    rows = random_words(rng, FP32, 7 * 500).reshape(7, 500)
    ragged = batch.sum_ragged(FP32, rows.T.reshape(-1), np.full(500, 7), "approx", "rtz")
    direct = batch.sum_rows(FP32, rows, "approx", "rtz")
    assert (direct.words == ragged.words).all() and (direct.flags == ragged.flags).all()
    floats = batch.sum_rows(FP32, rows.view(np.float32), "approx", "rtz")
    assert (floats.words == direct.words).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: batch.first(FP32, np.arange(3)),
            "fp32 words must be uint32 or floats of that width, got int64",
        ),
        (lambda: batch.first(FP32, np.zeros(3)), "got float64"),
        (
            lambda: batch.add(FP32, batch.first(FP32, np.zeros(3, np.uint32)), np.zeros(4, np.uint32)),
            r"shapes differ: registers \(3,\), contribution \(4,\)",
        ),
        (lambda: batch.sum_rows(FP32, np.zeros((0, 3), np.uint32)), "at least one row"),
        (lambda: batch.sum_rows(FP32, np.zeros((1, 3), np.uint32), shape="round"), "unknown shape 'round'"),
        (lambda: batch.sum_rows(FP32, np.zeros((1, 3), np.uint32), rounding="up"), "unknown rounding 'up'"),
        (lambda: batch.sum_ragged(FP32, np.zeros(3, np.uint32), [3, 0]), "at least one word"),
    ],
)
def test_wrong_use_is_a_sentence(call, sentence):
    with pytest.raises(FormatError, match=sentence):
        call()
