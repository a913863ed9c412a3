"""Calculations, checksums, and what is kept between packets."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.switch.expr import BoolExpr, FieldRead

# --- Calculations ---


@dataclass(frozen=True, slots=True)
class FieldInput:
    """Left out while its header is invalid."""

    field: FieldRead


@dataclass(frozen=True, slots=True)
class ConstInput:
    value: int
    width: int


@dataclass(frozen=True, slots=True)
class HeaderInput:
    """A whole header, left out while invalid."""

    header: int


@dataclass(frozen=True, slots=True)
class PayloadInput:
    """The bytes behind the parsed headers; starts on a byte."""


CalculationInput = FieldInput | ConstInput | HeaderInput | PayloadInput


@dataclass(frozen=True, slots=True)
class Calculation:
    """algo: a name known to hashes.py. Bits are packed back to back, the last byte padded with zero bits."""

    name: str
    algo: str
    inputs: tuple[CalculationInput, ...]


@dataclass(frozen=True, slots=True)
class Checksum:
    name: str
    target: FieldRead
    calculation: int
    verify: bool
    update: bool
    cond: BoolExpr | None


# --- State ---


@dataclass(frozen=True, slots=True)
class Register:
    name: str
    width: int
    size: int


@dataclass(frozen=True, slots=True)
class Counter:
    """table: index of the table of a direct counter, None for an indexed one."""

    name: str
    size: int
    table: int | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """kind: "packets" or "bytes". table and target (where the colour goes) only for a direct meter."""

    name: str
    size: int
    kind: str
    table: int | None = None
    target: FieldRead | None = None
