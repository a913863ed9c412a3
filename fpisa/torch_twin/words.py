"""Float tensors seen as words, and back."""

from __future__ import annotations

import torch

from fpisa.formats import Format, FormatError

WORD_DTYPES = {32: torch.int32, 16: torch.int16, 8: torch.uint8}
FLOAT_DTYPES = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8_e4m3": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}


def words(fmt: Format, tensor: torch.Tensor) -> torch.Tensor:
    """The tensor's bits as int32, int16 or uint8 words of `fmt`, sharing memory.

    Takes the format's own float dtype, or its word dtype as it is. Raises FormatError for any other.
    """
    if tensor.dtype == FLOAT_DTYPES[fmt.name]:
        return tensor.view(WORD_DTYPES[fmt.width])
    if tensor.dtype == WORD_DTYPES[fmt.width]:
        return tensor
    raise FormatError(
        f"{fmt.name} needs {FLOAT_DTYPES[fmt.name]} or {WORD_DTYPES[fmt.width]}, got {tensor.dtype}"
    )


def floats(fmt: Format, tensor: torch.Tensor) -> torch.Tensor:
    """Words as the format's float dtype, sharing memory."""
    return tensor.view(FLOAT_DTYPES[fmt.name])
