"""Hash and checksum inputs put together, and the checksums themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emulator.switch import expr as x
from emulator.switch.hash_state import HashState
from emulator.switch.interp.exprs import Compiler
from emulator.switch.interp.phv import Phv
from emulator.switch.model import (
    CalculationInput,
    Checksum,
    ConstInput,
    FieldInput,
    HeaderInput,
    Model,
)

Bits = tuple[int, int]
"""(value, width in bits)"""


def input_bytes(model: Model, inputs: Sequence[CalculationInput]) -> Callable[[Phv], bytes]:
    """A function giving the bytes to hash: bits back to back, zero bits at the end of the last byte."""
    parts = tuple(_part(model, item) for item in inputs)

    def gather(p: Phv) -> bytes:
        value = width = 0
        whole = b""
        for part in parts:
            if part is None:
                whole += _pack(value, width) + p.payload
                value = width = 0
                continue
            more, bits = part(p)
            value, width = value << bits | more, width + bits
        return whole + _pack(value, width)

    return gather


def _pack(value: int, width: int) -> bytes:
    size = -(-width // 8)
    return (value << (8 * size - width)).to_bytes(size, "big")


def _part(model: Model, item: CalculationInput) -> Callable[[Phv], Bits] | None:
    """None stands for the payload."""
    if isinstance(item, ConstInput):
        constant = (item.value, item.width)
        return lambda p: constant
    if isinstance(item, FieldInput):
        return _field(model, item.field)
    if isinstance(item, HeaderInput):
        fields = [
            _field(model, x.FieldRead(item.header, f))
            for f in range(len(model.header_type(item.header).fields))
        ]

        def header(p: Phv) -> Bits:
            value = width = 0
            for field in fields:
                more, bits = field(p)
                value, width = value << bits | more, width + bits
            return value, width

        return header
    return None


def _field(model: Model, ref: x.FieldRead) -> Callable[[Phv], Bits]:
    """Nothing (0 bits) while the header is invalid; but `$valid$` always."""
    h, f = ref.header, ref.field
    if f == x.VALID:
        return lambda p: (p.valid[h], 1)
    spec = model.field(ref)
    width, mask = spec.width, (1 << spec.width) - 1
    if spec.varbit:
        return lambda p: (p.values[h][f], p.varbits[h]) if p.valid[h] else (0, 0)
    return lambda p: (p.values[h][f] & mask, width) if p.valid[h] else (0, 0)


@dataclass(frozen=True, slots=True)
class ChecksumStep:
    """applies: the condition; compute: the checksum cut to the target's width."""

    name: str
    header: int
    field: int
    applies: Callable[[Phv], bool]
    compute: Callable[[Phv], int]


def checksum_steps(
    model: Model, compiler: Compiler, hashes: HashState, wanted: Callable[[Checksum], bool]
) -> list[ChecksumStep]:
    return [_step(model, compiler, hashes, item) for item in model.checksums if wanted(item)]


def _step(model: Model, compiler: Compiler, hashes: HashState, item: Checksum) -> ChecksumStep:
    calculation = model.calculations[item.calculation]
    gather = input_bytes(model, calculation.inputs)
    function = hashes.call(calculation.name)
    mask = (1 << model.field(item.target).width) - 1
    cond = None if item.cond is None else compiler.value(item.cond)
    return ChecksumStep(
        item.name,
        item.target.header,
        item.target.field,
        (lambda p: True) if cond is None else (lambda p: bool(cond(p, ()))),
        lambda p: function(gather(p)) & mask,
    )


def verify_all(steps: Sequence[ChecksumStep], p: Phv, masks: dict[str, int]) -> bool:
    """False when a checksum of a valid header is wrong."""
    good = True
    for step in steps:
        if p.valid[step.header] and step.applies(p):
            if step.compute(p) != p.values[step.header][step.field] & masks[step.name]:
                good = False
    return good


def update_all(steps: Sequence[ChecksumStep], p: Phv) -> None:
    """A target in an invalid header is left alone: it would not leave the switch."""
    for step in steps:
        if p.valid[step.header] and step.applies(p):
            p.values[step.header][step.field] = step.compute(p)
