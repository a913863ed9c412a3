"""The fused kernel against NumPy on every format; run with TRITON_INTERPRET=1 where there is no GPU."""

import numpy as np
import torch

from fpisa import batch
from fpisa.accuracy.inputs import random_words
from fpisa.formats import ROUNDINGS, SHAPES, get_format
from fpisa.torch_twin import kernels

CASES = [
    ("fp32", 32, 0), ("fp32", 32, 6), ("fp32", 64, 32), ("fp16", 16, 0), ("fp16", 32, 3),
    ("bf16", 16, 0), ("bf16", 64, 32), ("fp8_e4m3", 16, 0), ("fp8_e4m3", 32, 5), ("fp8_e5m2", 32, 0),
]  # fmt: skip


def main() -> None:
    seed = int(np.random.SeedSequence().entropy % 2**32)
    print("seed", seed)
    rng = np.random.default_rng(seed)
    for case in CASES:
        fmt = get_format(*case)
        rows = random_words(rng, fmt, 7 * 3000).reshape(7, 3000)
        rows[:, :8] = np.array([fmt.max_finite, fmt.max_finite | fmt.sign_bit] * 4)
        signed = torch.from_numpy(rows if fmt.width == 8 else rows.view(f"i{fmt.width // 8}"))
        for shape in SHAPES:
            for rounding in ROUNDINGS:
                got = kernels.sum_rows(fmt, signed, shape, rounding, block=1024)
                expected = batch.sum_rows(fmt, rows, shape, rounding)
                assert (got.words.numpy().view(rows.dtype) == expected.words).all(), (case, shape, rounding)
                assert (got.flags.numpy() == expected.flags).all(), (case, shape, rounding)
    print("equal")


if __name__ == "__main__":
    main()
