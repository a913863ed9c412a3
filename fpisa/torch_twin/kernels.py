"""A fused Triton kernel: sums of all rows of a (rows, elements) matrix, each word read once.

Arithmetic is int32 for registers of up to 32 bits and int64 for 64. Shift distances are clamped below the
width, beyond which a GPU's shift is undefined; what lies farther is looked at apart. The same source runs on
the CPU in Triton's interpreter (TRITON_INTERPRET=1), which is how it is tested without a GPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from fpisa.formats import Format
from fpisa.torch_twin.plain import Results
from fpisa.torch_twin.words import WORD_DTYPES


@triton.jit
def split(word, E: tl.constexpr, M: tl.constexpr, G: tl.constexpr, FINITE: tl.constexpr):
    """(exponent, signed mantissa, special) of a word held in a wide integer."""
    field = (word >> M) & ((1 << E) - 1)
    fraction = word & ((1 << M) - 1)
    negative = ((word >> (E + M)) & 1) != 0
    top = field == (1 << E) - 1
    if FINITE:
        special = tl.where(top & (fraction == (1 << M) - 1), 4, 0)
    else:
        special = tl.where(top, tl.where(fraction != 0, 4, tl.where(negative, 2, 1)), 0)
    significand = (tl.where(field == 0, 0, 1 << M) + fraction) << G
    mantissa = tl.where(negative, -significand, significand)
    number = special == 0
    return tl.where(number, tl.maximum(field, 1), 1), tl.where(number, mantissa, 0), special


@triton.jit
def clamped_sum(left, right, WIDTH: tl.constexpr, REGISTER: tl.constexpr):
    """left + right in REGISTER bits, and where it was clamped; both are held in WIDTH-bit integers."""
    total = left + right
    if REGISTER == WIDTH:
        wrapped = ((left ^ total) & (right ^ total)) < 0
        # All ones or zeros by sign, with the sign bit flipped: the end of the range on right's side.
        end = (right >> (WIDTH - 1)) ^ ~((right | ~right) << (WIDTH - 1))
        return tl.where(wrapped, end, total), wrapped
    else:
        top = (1 << (REGISTER - 1)) - 1
        kept = tl.minimum(tl.maximum(total, -top - 1), top)
        return kept, kept != total


@triton.jit
def add(e, m, e_in, m_in, H: tl.constexpr, APPROX: tl.constexpr, WIDTH: tl.constexpr, REGISTER: tl.constexpr):
    """(exponent, mantissa, events) after one addition in the exact or the approximate shape."""
    distance = e_in - e
    grows = distance > 0
    if APPROX:
        over = distance > H
        left = tl.where(grows & (distance <= H), distance, 0)
        far = tl.where(grows, 0, -distance)
        moved = m_in
        still = tl.where(over, 0, m)
    else:
        far = tl.where(grows, distance, -distance)
        moved = tl.where(grows, m, m_in)
        still = tl.where(grows, m_in, m)
    near = tl.minimum(far, WIDTH - 1)
    shifted = moved >> near
    lost = ((shifted << near) != moved) | ((far > near) & (moved != 0))
    if APPROX:
        total, clamped = clamped_sum(still, shifted << left, WIDTH, REGISTER)
        events = tl.where(lost, 1, 0) | tl.where(clamped, tl.where(left > 0, 18, 2), 0)
        events = events | tl.where(over & (m != 0), 9, 0)
        return tl.where(over, e_in, e), total, events
    else:
        total, clamped = clamped_sum(shifted, still, WIDTH, REGISTER)
        return tl.maximum(e, e_in), total, tl.where(lost, 1, 0) | tl.where(clamped, 2, 0)


@triton.jit
def leading_bit(a, WIDTH: tl.constexpr):
    """Index of the highest set bit, read off a float's exponent; clearing the next bit keeps the conversion
    from rounding up to a higher power of two."""
    if WIDTH == 32:
        return ((a & ~(a >> 1)).to(tl.float32).to(tl.int32, bitcast=True) >> 23) - 127
    else:
        return ((a & ~(a >> 1)).to(tl.float64).to(tl.int64, bitcast=True) >> 52) - 1023


@triton.jit
def read(
    e, m, E: tl.constexpr, M: tl.constexpr, G: tl.constexpr, FINITE: tl.constexpr, NEAREST: tl.constexpr,
    WIDTH: tl.constexpr,
):  # fmt: skip
    """(magnitude word, overflowed): normalised, rounded, packed."""
    # |lowest| has no place: it is half of it at the next exponent, without a bit to lose.
    lowest = (m < 0) & (-m == m)
    magnitude = tl.where(lowest, m >> 1, m)
    magnitude = tl.where(magnitude < 0, -magnitude, magnitude)
    leading = leading_bit(tl.maximum(magnitude, 1), WIDTH)
    field = e + tl.where(lowest, 1, 0) + leading - M - G
    distance = leading - M + tl.maximum(1 - field, 0)
    right = tl.maximum(distance, 0)
    kept = (magnitude << tl.maximum(-distance, 0)) >> right
    if NEAREST:
        rest = magnitude - (kept << right)
        half = (kept - kept + 1) << tl.maximum(right - 1, 0)
        up = (rest > half) | ((rest == half) & ((kept & 1) != 0))
        kept += tl.where((right > 0) & up, 1, 0)
    packed = tl.where(field >= 1, (field << M) + kept - (1 << M), kept)
    packed = tl.where(magnitude == 0, 0, packed)
    limit: tl.constexpr = (((1 << E) - 1) << M) + (((1 << M) - 1) if FINITE else 0)
    # A field past the range has run out of 32 bits: it decides by itself.
    return packed, (packed >= limit) | (field > (1 << E) - (1 if FINITE else 2))


@triton.jit
def sum_kernel(
    rows, out, flags, count, elements,
    E: tl.constexpr, M: tl.constexpr, G: tl.constexpr, H: tl.constexpr, FINITE: tl.constexpr,
    APPROX: tl.constexpr, NEAREST: tl.constexpr,
    WIDTH: tl.constexpr, REGISTER: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program sums BLOCK columns; `rows` is (count, elements) words, `out` words and `flags` bytes."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < elements
    wide: tl.constexpr = tl.int32 if WIDTH == 32 else tl.int64
    column = rows + at
    e, m, special = split(tl.load(column, mask=inside, other=0).to(wide), E, M, G, FINITE)
    events = special - special
    for _ in range(1, count):
        column += elements  # a pointer moved row by row: an index would outgrow 32 bits
        word = tl.load(column, mask=inside, other=0).to(wide)
        e_in, m_in, special_in = split(word, E, M, G, FINITE)
        e, m, raised = add(e, m, e_in, m_in, H, APPROX, WIDTH, REGISTER)
        special = special | special_in
        events = events | raised
    packed, overflowed = read(e, m, E, M, G, FINITE, NEAREST, WIDTH)
    infinity: tl.constexpr = ((1 << E) - 1) << M
    quiet: tl.constexpr = infinity + (((1 << M) - 1) if FINITE else (1 << (M - 1)))
    overflowed = overflowed & (special == 0)
    negative = tl.where(special == 0, m < 0, special == 2)
    nan = (special >= 3) | (overflowed & FINITE)
    packed = tl.where(overflowed | (special != 0), infinity, packed)
    packed = tl.where(negative, packed | -(1 << (E + M)), packed)
    packed = tl.where(nan, quiet, packed)
    status = (events & 3) | tl.where(overflowed, 2, 0) | tl.where(nan, 4, 0)
    tl.store(out + at, packed.to(out.dtype.element_ty), mask=inside)
    tl.store(flags + at, status.to(tl.uint8), mask=inside)


def sum_rows(fmt: Format, rows: torch.Tensor, shape: str, rounding: str, block: int = 1024) -> Results:
    """Sums along dimension 0 of contiguous words (n, elements), n >= 1, on the device they are on."""
    count, elements = rows.shape
    out = torch.empty(elements, dtype=WORD_DTYPES[fmt.width], device=rows.device)
    flags = torch.empty(elements, dtype=torch.uint8, device=rows.device)
    if elements:
        sum_kernel[(triton.cdiv(elements, block),)](
            rows, out, flags, count, elements,
            E=fmt.exponent_bits, M=fmt.fraction_bits, G=fmt.guard_bits, H=fmt.headroom, FINITE=fmt.finite,
            APPROX=shape == "approx", NEAREST=rounding == "rne", WIDTH=max(32, fmt.register_bits),
            REGISTER=fmt.register_bits, BLOCK=block,
        )  # fmt: skip
    return Results(out, flags)
