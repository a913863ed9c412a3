"""Words to add: designed corners of a format, and random ones whose exponents lie close enough to meet."""

from __future__ import annotations

import random

from fpisa.formats import Format


def corners(fmt: Format) -> list[int]:
    """Both signs of: zero, subnormals, the ends of the normal range, powers of two and their neighbours around 1 and
    around the register's width from it, infinities, NaN with several payloads (as far as the format has them)."""
    top, mask = fmt.field_mask, fmt.fraction_mask
    bias = fmt.bias
    fields = {0, 1, 2, top, top - 1, top - 2}
    steps = (
        0,
        1,
        fmt.fraction_bits,
        fmt.headroom,
        fmt.headroom + 1,
        fmt.register_bits - 1,
        fmt.register_bits,
    )
    for step in steps:
        fields |= {field for field in (bias - step, bias + step) if 0 <= field <= top}
    fractions = {0, 1, 2, mask, mask - 1, mask >> 1, (mask >> 1) + 1, (mask >> 1) + 2}
    words = [field << fmt.fraction_bits | fraction & mask for field in fields for fraction in fractions]
    return sorted({word | sign for word in words for sign in (0, fmt.sign_bit)})


class Words:
    """Draws words, half of them corners. `count` says how many were drawn, `cornered` how many were corners."""

    def __init__(self, fmt: Format, rng: random.Random) -> None:
        self.fmt, self.rng = fmt, rng
        self.corners = corners(fmt)
        special = fmt.field_mask << fmt.fraction_bits
        self.finite = [word for word in self.corners if word & special != special]
        self.count = self.cornered = 0

    def near(self, exponent: int) -> int:
        """A random word whose exponent field is within a few of `exponent`."""
        field = min(max(exponent + int(self.rng.gauss(0, 4)), 0), self.fmt.field_mask - 1)
        fraction = self.rng.getrandbits(self.fmt.fraction_bits)
        return self.rng.choice((0, self.fmt.sign_bit)) | field << self.fmt.fraction_bits | fraction

    def packet(self, elements: int, earlier: list[int] | None) -> list[int]:
        """One packet's words; `earlier`, another contribution of the round, is sometimes cancelled in full."""
        self.count += elements
        cornered = self.rng.random() < 0.5
        self.cornered += elements if cornered else 0
        if cornered:
            # Specials are sticky, so most packets hold few of them: every fifth draws from all corners.
            pool = self.corners if self.rng.random() < 0.2 else self.finite
            words = self.rng.choices(pool, k=elements)
        else:
            middle = self.rng.randrange(self.fmt.field_mask)
            words = [self.near(middle) for _ in range(elements)]
        if earlier is not None and self.rng.random() < 0.2:
            for index in self.rng.sample(range(elements), elements // 4):
                words[index] = earlier[index] ^ self.fmt.sign_bit
        return words


class Integers(Words):
    """32-bit integers for the baseline: corners are the ends of the range and the values around 0."""

    def __init__(self, fmt: Format, rng: random.Random) -> None:
        super().__init__(fmt, rng)
        self.corners = [word & 0xFFFFFFFF for base in (0, 2**31, 2**30, 2**16) for word in range(base - 2, base + 3)]
        self.finite = self.corners

    def near(self, exponent: int) -> int:
        return self.rng.getrandbits(32)
