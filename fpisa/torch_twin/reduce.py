"""Sums of tensors by the fastest means at hand: Triton on CUDA, C on the CPU, plain torch otherwise."""

from __future__ import annotations

import functools
import importlib.util

import numpy as np
import torch
from torch import Tensor

from fpisa import fast
from fpisa.formats import Format, FormatError, check_rounding, check_shape
from fpisa.torch_twin import plain
from fpisa.torch_twin.plain import Results
from fpisa.torch_twin.words import floats, words


@functools.cache
def has_triton() -> bool:
    """Whether Triton is installed; torch brings it with its CUDA builds."""
    return importlib.util.find_spec("triton") is not None


def sum_rows(fmt: Format, rows: Tensor, shape: str = "exact", rounding: str = "rne") -> Results:
    """Sums along dimension 0 of (n, ...) words or floats, n >= 1: words and a status byte for each element.

    Raises FormatError for other dtypes, unknown shapes or roundings, and n = 0.
    """
    check_shape(shape)
    check_rounding(rounding)
    bits = words(fmt, rows)
    if rows.is_cuda and has_triton() and len(rows):
        from fpisa.torch_twin import kernels

        results = kernels.sum_rows(fmt, bits.reshape(len(bits), -1).contiguous(), shape, rounding)
        return Results(*(part.reshape(rows.shape[1:]) for part in results))
    return plain.sum_rows(fmt, bits, shape, rounding)


def reduce(fmt: Format, rows: Tensor, shape: str = "exact", rounding: str = "rne") -> tuple[Tensor, int]:
    """Sum along dimension 0 of a float tensor (n, ...): the format's floats (...) and the ORed flags."""
    if len(rows) == 0:
        raise FormatError("a sum needs at least one row of words")
    if not rows.is_cuda and fast.native(fmt):
        contiguous = words(fmt, rows).contiguous().reshape(len(rows), -1)
        total, status = fast.sum_vectors(fmt, _numpy_words(contiguous), shape, rounding)
        return floats(fmt, torch.from_numpy(_signed(total))).reshape(rows.shape[1:]), status
    results = sum_rows(fmt, rows, shape, rounding)
    status = 0
    for bit in (1, 2, 4):
        status |= bit * bool((results.flags & bit).any())
    return floats(fmt, results.words), status


def _numpy_words(tensor: Tensor) -> np.ndarray:
    array = tensor.numpy()
    return array.view(f"u{array.itemsize}")


def _signed(array: np.ndarray) -> np.ndarray:
    return array.view(f"i{array.itemsize}")
