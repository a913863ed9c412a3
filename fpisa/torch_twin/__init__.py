"""The number format on torch tensors, on CPU and GPU, equal to the NumPy twin on every bit.

    words(fmt, tensor)            a float tensor seen as the format's words (int32, int16 or uint8)
    sum_rows(fmt, rows, ...)      sums along dimension 0, with a status byte for each element
    reduce(fmt, rows, ...)        the same as floats with one ORed status, by the fastest means at hand
    plain.add / plain.read / ...  the twins of fpisa.batch, one operation at a time

On CUDA a fused Triton kernel keeps a sum's registers in the processor's, so each input byte is read once. On
the CPU `reduce` goes through the C kernels of `fpisa.fast`. Importing this package imports torch.
"""

from fpisa.torch_twin.reduce import reduce, sum_rows
from fpisa.torch_twin.words import words

__all__ = ["reduce", "sum_rows", "words"]
