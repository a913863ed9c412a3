"""Floating-point formats and the registers that sum them, as data.

A `Format` is an IEEE-like source format (E exponent bits, M fraction bits) together with the mantissa
register the switch gives it (R bits, G of them guard bits below the format's last bit).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

REGISTER_WIDTHS = (16, 32, 64)
MOST_GUARD_BITS = 32


class FormatError(ValueError):
    """A format, shape or rounding that does not exist, or registers that cannot hold the format."""


@dataclass(frozen=True)
class Format:
    """One source format and its accumulator.

    `register_bits` is R (16, 32 or 64), `guard_bits` is G. `finite` marks a format without infinities whose
    only NaN has all fraction bits set (OCP fp8 E4M3): its topmost exponent holds ordinary numbers.
    Raises FormatError where the registers leave less than one bit of headroom.
    """

    name: str
    exponent_bits: int
    fraction_bits: int
    register_bits: int = 32
    guard_bits: int = 0
    finite: bool = False

    def __post_init__(self) -> None:
        if self.register_bits not in REGISTER_WIDTHS:
            raise FormatError(f"register width {self.register_bits} is not one of 16, 32 and 64")
        if not 0 <= self.guard_bits <= MOST_GUARD_BITS:
            raise FormatError(f"{self.guard_bits} guard bits are not within 0..{MOST_GUARD_BITS}")
        if self.headroom < 1:
            raise FormatError(
                f"{self.name} with {self.guard_bits} guard bits and a headroom of 1 needs a register of "
                f"{self.fraction_bits + 3 + self.guard_bits} bits or more, got {self.register_bits}"
            )

    @property
    def width(self) -> int:
        """Bits of a word."""
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def bias(self) -> int:
        return (1 << (self.exponent_bits - 1)) - 1

    @property
    def headroom(self) -> int:
        """H: register bits above the hidden bit, the sign bit not counted."""
        return self.register_bits - 1 - (self.fraction_bits + 1) - self.guard_bits

    @property
    def hidden(self) -> int:
        """The hidden bit of a normal number, as part of its significand."""
        return 1 << self.fraction_bits

    @property
    def fraction_mask(self) -> int:
        return self.hidden - 1

    @property
    def field_mask(self) -> int:
        """The largest exponent field."""
        return (1 << self.exponent_bits) - 1

    @property
    def sign_bit(self) -> int:
        return 1 << (self.width - 1)

    @property
    def nan(self) -> int:
        """The canonical quiet NaN."""
        fraction = self.fraction_mask if self.finite else self.hidden >> 1
        return self.field_mask << self.fraction_bits | fraction

    @property
    def overflowed(self) -> int:
        """The magnitude that stands for a result too large: infinity, or NaN where there is none."""
        return self.nan if self.finite else self.field_mask << self.fraction_bits

    @property
    def max_finite(self) -> int:
        """The word of the largest finite number."""
        return self.overflowed - 1

    @property
    def scale(self) -> int:
        """Exponent of two of a register's last bit where the exponent register is 0."""
        return -self.bias - self.fraction_bits - self.guard_bits

    @property
    def mantissa_max(self) -> int:
        return (1 << (self.register_bits - 1)) - 1

    @property
    def mantissa_min(self) -> int:
        return -(1 << (self.register_bits - 1))

    def with_registers(self, register_bits: int | None = None, guard_bits: int | None = None) -> Format:
        """The same source format in other registers; None keeps what it has."""
        return replace(
            self,
            register_bits=self.register_bits if register_bits is None else register_bits,
            guard_bits=self.guard_bits if guard_bits is None else guard_bits,
        )


FP32 = Format("fp32", 8, 23)
FP16 = Format("fp16", 5, 10)
BF16 = Format("bf16", 8, 7)
FP8_E4M3 = Format("fp8_e4m3", 4, 3, finite=True)
FP8_E5M2 = Format("fp8_e5m2", 5, 2)

FORMATS = {fmt.name: fmt for fmt in (FP32, FP16, BF16, FP8_E4M3, FP8_E5M2)}
ALIASES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "e4m3": "fp8_e4m3", "e5m2": "fp8_e5m2"}

SHAPES = ("exact", "approx")
ROUNDINGS = ("rne", "rtz")


def get_format(name: str, register_bits: int | None = None, guard_bits: int | None = None) -> Format:
    """The format called `name` (any case; `fp8-e4m3`, `e4m3` and `float32` are understood too).

    Registers default to 32 bits without guard bits. Raises FormatError.
    """
    key = name.lower().replace("-", "_")
    fmt = FORMATS.get(ALIASES.get(key, key))
    if fmt is None:
        raise FormatError(f"unknown format {name!r}; known are {', '.join(FORMATS)}")
    return fmt.with_registers(register_bits, guard_bits)


def check_shape(shape: str) -> str:
    """`shape` itself; FormatError where it is neither `exact` nor `approx`."""
    if shape not in SHAPES:
        raise FormatError(f"unknown shape {shape!r}; known are {', '.join(SHAPES)}")
    return shape


def check_rounding(rounding: str) -> str:
    """`rounding` itself; FormatError where it is neither `rne` nor `rtz`."""
    if rounding not in ROUNDINGS:
        raise FormatError(f"unknown rounding {rounding!r}; known are {', '.join(ROUNDINGS)}")
    return rounding
