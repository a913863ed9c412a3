"""10^8 pairs over the wide formats: torch against NumPy on all, NumPy against the scalar reference on a sample."""

import itertools

import numpy as np
import pytest

from fpisa import batch, fast, scalar
from fpisa.accuracy.inputs import random_words
from fpisa.formats import FP8_E4M3, FP8_E5M2, get_format

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
CASES = [
    ("fp32", 32, 0),
    ("fp32", 32, 3),
    ("fp32", 64, 32),
    ("fp16", 16, 0),
    ("fp16", 32, 0),
    ("bf16", 32, 0),
]
PAIRS, CHUNK, SAMPLE = 10**8, 1 << 21, 10**6


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_pairs(case, rng):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from fpisa.torch_twin import sum_rows

    fmt = get_format(*case)
    settings = itertools.cycle(itertools.product(("exact", "approx"), ("rne", "rtz")))
    chunks = -(-PAIRS // (len(CASES) * CHUNK))
    for _ in range(chunks):
        shape, rounding = next(settings)
        rows = random_words(rng, fmt, 2 * CHUNK).reshape(2, CHUNK)
        expected = batch.sum_rows(fmt, rows, shape, rounding)
        got = sum_rows(fmt, torch.from_numpy(rows.view(f"i{fmt.width // 8}")), shape, rounding)
        assert (got.words.numpy().view(rows.dtype) == expected.words).all()
        assert (got.flags.numpy() == expected.flags).all()
        if fast.native(fmt):
            words, flags = fast.sum_vectors(fmt, rows, shape, rounding)
            assert (words == expected.words).all() and flags == np.bitwise_or.reduce(expected.flags)
        for index in range(SAMPLE // (len(CASES) * chunks)):
            one = scalar.sum_words(fmt, rows[:, index].tolist(), shape, rounding)
            assert one == (int(expected.words[index]), int(expected.flags[index]))


@pytest.mark.parametrize("fmt", [FP8_E4M3, FP8_E5M2], ids=lambda fmt: fmt.name)
def test_all_triples_of_fp8_by_numpy_and_torch(fmt):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from fpisa.torch_twin import sum_rows

    low = np.indices((256, 256)).reshape(2, -1).astype(np.uint8)
    for first in range(256):
        rows = np.concatenate([np.full((1, 65536), first, np.uint8), low])
        for shape in ("exact", "approx"):
            expected = batch.sum_rows(fmt, rows, shape)
            got = sum_rows(fmt, torch.from_numpy(rows), shape)
            assert (got.words.numpy() == expected.words).all() and (got.flags.numpy() == expected.flags).all()


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_pairs_of_all_exponents(name, rng):
    """Every pair of exponent fields and signs, 64 fractions each, scalar against NumPy by sums of two."""
    fmt = get_format(name)
    fields = fmt.field_mask + 1
    tops = np.arange(2 * fields, dtype=np.uint32) << fmt.fraction_bits
    count = 64 if name == "fp16" else 1
    pairs = np.stack(np.meshgrid(tops, tops), axis=-1).reshape(-1, 2).repeat(count, axis=0)
    words = (pairs + rng.integers(0, fmt.hidden, pairs.shape)).astype(np.uint16)
    for shape in ("exact", "approx"):
        results = batch.sum_rows(fmt, words.T, shape)
        for pair, word, flags in zip(words.tolist(), results.words.tolist(), results.flags.tolist()):
            assert scalar.sum_words(fmt, pair, shape) == (word, flags)
