"""Adding long vectors at memory speed: registers in their smallest form, C kernels where they are built.

Unlike `fpisa.batch`, registers are changed in place and events come ORed over the vector (as the switch
returns them) and not one by one. The bits are the same. Without the C part, or for registers of other than 32
bits and for fp8, the same functions run on the NumPy twin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fpisa import batch
from fpisa.batch import Array, as_words, word_dtype
from fpisa.flags import STATUS_MASK
from fpisa.formats import Format, FormatError, check_rounding, check_shape

try:
    from fpisa.native._accumulate import ffi, lib
except ImportError:
    ffi = lib = None

# Format -> the C functions that add and read, and C's name of its words.
KERNELS: dict[str, tuple[Any, Any, str]] = {}
if lib is not None:
    KERNELS = {
        "fp32": (lib.fp32_add, lib.fp32_read, "uint32_t[]"),
        "fp16": (lib.fp16_add, lib.fp16_read, "uint16_t[]"),
        "bf16": (lib.bf16_add, lib.bf16_read, "uint16_t[]"),
    }
FIRST = 2
SHAPE_CODES = {"exact": 0, "approx": 1}
MANTISSA_DTYPES = {16: np.int16, 32: np.int32, 64: np.int64}


@dataclass(frozen=True)
class Accumulators:
    """n registers of one format: exponent uint8 (n), mantissa int16/int32/int64 (n), special uint8 (n).

    `pointers` are the three as C sees them, made once; empty where no kernel serves the format.
    """

    fmt: Format
    exponent: Array
    mantissa: Array
    special: Array
    pointers: tuple[Any, ...] = ()


def native(fmt: Format) -> bool:
    """Whether C kernels serve this format and register width."""
    return fmt.register_bits == 32 and fmt.name in KERNELS


def allocate(fmt: Format, size: int) -> Accumulators:
    """Registers for vectors of `size` elements; their content is undefined until `first`."""
    exponent, special = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    mantissa = np.zeros(size, MANTISSA_DTYPES[fmt.register_bits])
    pointers = ()
    if native(fmt):
        kinds = ("uint8_t[]", "int32_t[]", "uint8_t[]")
        pointers = tuple(map(ffi.from_buffer, kinds, (exponent, mantissa, special)))
    return Accumulators(fmt, exponent, mantissa, special, pointers)


def first(registers: Accumulators, values: Array) -> None:
    """Start a round: `values` (n words, or floats of the format's width) overwrite the registers."""
    words = _checked(registers, values)
    if registers.pointers:
        _add(registers, words, FIRST)
    else:
        _store(registers, batch.first(registers.fmt, words))


def add(registers: Accumulators, values: Array, shape: str = "exact") -> int:
    """Add n words (or floats of the format's width) in place; returns the ORed events (fpisa.flags).

    Raises FormatError for another length or dtype.
    """
    words, fmt = _checked(registers, values), registers.fmt
    check_shape(shape)
    if registers.pointers:
        return _add(registers, words, SHAPE_CODES[shape])
    state = batch.ADD[shape](fmt, _widened(registers), words)
    _store(registers, state)
    return int(np.bitwise_or.reduce(state.events, initial=0))


def read(registers: Accumulators, rounding: str = "rne", out: Array | None = None) -> tuple[Array, int]:
    """(n words, ORed status flags of the read). `out`: words or floats of the width to fill."""
    fmt = registers.fmt
    check_rounding(rounding)
    if out is None:
        out = np.empty(registers.mantissa.size, word_dtype(fmt))
    words = _checked(registers, out, writable=True)
    if registers.pointers:
        _, kernel, word = KERNELS[fmt.name]
        words_out = ffi.from_buffer(word, words)
        nearest = int(rounding == "rne")
        return out, kernel(*registers.pointers, words_out, words.size, fmt.guard_bits, nearest)
    results = batch.read(fmt, _widened(registers), rounding)
    words[:] = results.words
    return out, int(np.bitwise_or.reduce(results.flags, initial=0))


def sum_vectors(fmt: Format, vectors: Any, shape: str = "exact", rounding: str = "rne") -> tuple[Array, int]:
    """Sum of an iterable of equal-length vectors, in order: (n words, ORed status flags)."""
    registers, events = None, 0
    for values in vectors:
        if registers is None:
            registers = allocate(fmt, np.asarray(values).size)
            first(registers, values)
        else:
            events |= add(registers, values, shape)
    if registers is None:
        raise FormatError("a sum needs at least one vector")
    words, status = read(registers, rounding)
    return words, status | events & STATUS_MASK


def _checked(registers: Accumulators, values: Array, writable: bool = False) -> Array:
    """`values` as contiguous words of the registers' length."""
    words = as_words(registers.fmt, values)
    if words.shape != registers.mantissa.shape:
        raise FormatError(f"shapes differ: registers {registers.mantissa.shape}, vector {words.shape}")
    if writable and not (words.flags.c_contiguous and words.flags.writeable):
        raise FormatError("the result needs a writable contiguous vector")
    return np.ascontiguousarray(words)


def _add(registers: Accumulators, words: Array, code: int) -> int:
    kernel, _, word = KERNELS[registers.fmt.name]
    fmt = registers.fmt
    return kernel(
        *registers.pointers, ffi.from_buffer(word, words), words.size, fmt.guard_bits, fmt.headroom, code
    )


def _widened(registers: Accumulators) -> batch.Registers:
    return batch.Registers(
        registers.exponent.astype(np.int32),
        registers.mantissa.astype(np.int64),
        registers.special,
        np.zeros_like(registers.special),
    )


def _store(registers: Accumulators, state: batch.Registers) -> None:
    registers.exponent[:] = state.exponent
    registers.mantissa[:] = state.mantissa
    registers.special[:] = state.special
