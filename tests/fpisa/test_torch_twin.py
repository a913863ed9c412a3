"""torch against NumPy on every bit: plain tensors, the fused kernel, floats in and out."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fpisa import batch
from fpisa.accuracy.inputs import finite_only, random_words
from fpisa.formats import FormatError, get_format

torch = pytest.importorskip("torch", reason="torch is not installed")
from fpisa.torch_twin import plain, reduce, sum_rows, words  # noqa: E402
from fpisa.torch_twin.reduce import has_triton  # noqa: E402

CASES = [
    ("fp32", 32, 0), ("fp32", 32, 6), ("fp32", 64, 32), ("fp32", 64, 0), ("fp16", 16, 0), ("fp16", 32, 3),
    ("bf16", 16, 0), ("bf16", 32, 4), ("bf16", 64, 32), ("fp8_e4m3", 16, 0), ("fp8_e4m3", 32, 5),
    ("fp8_e5m2", 32, 0),
]  # fmt: skip
ids = ["-".join(map(str, case)) for case in CASES]


def tensor(array):
    signed = array if array.itemsize == 1 else array.view(f"i{array.itemsize}")
    return torch.from_numpy(np.ascontiguousarray(signed))


def rows_of(rng, fmt, count=9, elements=6000):
    """Mixed words, and in the last third only finite ones, whose additions go further."""
    rows = random_words(rng, fmt, count * elements).reshape(count, elements)
    rows[:, -elements // 3 :] = finite_only(fmt, rows[:, -elements // 3 :])
    return rows


def same(results, expected):
    dtype = expected.words.dtype
    assert (results.words.cpu().numpy().view(dtype) == expected.words).all()
    assert (results.flags.cpu().numpy() == expected.flags).all()


@pytest.mark.parametrize("shape", ["exact", "approx"])
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_plain_sums(case, shape, rng):
    fmt = get_format(*case)
    rows = rows_of(rng, fmt)
    for rounding in ("rne", "rtz"):
        same(sum_rows(fmt, tensor(rows), shape, rounding), batch.sum_rows(fmt, rows, shape, rounding))


@pytest.mark.parametrize("shape", ["exact", "approx"])
def test_registers_after_every_step(shape, rng):
    for case in CASES:
        fmt = get_format(*case)
        ours = theirs = None
        for row in rows_of(rng, fmt, 6, 2000):
            ours = plain.add(fmt, ours, tensor(row), shape)
            theirs = batch.ADD[shape](fmt, theirs, row)
            for left, right in zip(ours, theirs):
                assert (left.numpy() == right).all()


@pytest.mark.parametrize("shape", ["exact", "approx"])
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_reduce_floats(case, shape, rng):
    fmt = get_format(*case)
    rows = finite_only(fmt, random_words(rng, fmt, 5 * 999)).reshape(5, 3, 333)
    from fpisa.torch_twin.words import floats

    total, status = reduce(fmt, floats(fmt, tensor(rows)), shape)
    expected = batch.sum_rows(fmt, rows, shape)
    assert total.shape == (3, 333)
    assert (words(fmt, total).numpy().view(rows.dtype) == expected.words).all()
    assert status == np.bitwise_or.reduce(expected.flags, axis=None)


def test_ends_of_a_64_bit_register():
    fmt = get_format("fp32", 64, 32)
    for word in (fmt.max_finite, fmt.max_finite | fmt.sign_bit):
        rows = np.full((300, 2), word, np.uint32)
        same(sum_rows(fmt, tensor(rows)), batch.sum_rows(fmt, rows))


def test_float_dtypes_are_the_formats_own():
    for name, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16), ("fp8_e4m3", torch.float8_e4m3fn)):
        ones = torch.ones(4, 3, dtype=dtype)
        total, status = reduce(get_format(name), ones)
        assert total.dtype == dtype and (total.float() == 4).all() and status == 0


def test_wrong_use_is_a_sentence():
    fmt = get_format("fp32")
    for call, sentence in [
        (
            lambda: reduce(fmt, torch.ones(2, 3, dtype=torch.float16)),
            "fp32 needs torch.float32 or torch.int32, got",
        ),
        (lambda: reduce(fmt, torch.ones(0, 3)), "at least one row"),
        (lambda: sum_rows(fmt, torch.ones(2, 3), "best"), "unknown shape"),
        (lambda: plain.add(fmt, plain.first(fmt, torch.ones(3)), torch.ones(4)), "shapes differ"),
    ]:
        with pytest.raises(FormatError, match=sentence):
            call()


@pytest.mark.skipif(not has_triton(), reason="Triton is not installed (it comes with torch for CUDA)")
def test_fused_kernel_in_the_interpreter():
    """In a process of its own: the interpreter is chosen when Triton is imported."""
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    script = Path(__file__).with_name("triton_cases.py")
    ran = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    print(ran.stdout)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("shape", ["exact", "approx"])
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_on_the_gpu(case, shape, rng):
    fmt = get_format(*case)
    rows = rows_of(rng, fmt)
    for rounding in ("rne", "rtz"):
        expected = batch.sum_rows(fmt, rows, shape, rounding)
        same(sum_rows(fmt, tensor(rows).cuda(), shape, rounding), expected)
        same(plain.sum_rows(fmt, tensor(rows).cuda(), shape, rounding), expected)
