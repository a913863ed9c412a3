"""The calculator program beside the scalar models: the same questions to both."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from controller import entries, float_tables
from controller.p4rt.p4info import from_p4info
from controller.p4rt.schema import Schema
from emulator.compiler.api import compile_file
from emulator.switch.keys import Lpm
from emulator.switch.switch import Switch
from fpisa.flags import INVALID
from fpisa.formats import FORMATS, FP32, Format
from fpisa.normalize import Result
from fpisa.ops import compare, convert, multiply, scale, tables
from fpisa.register import Register
from tests.p4.rig import P4SRC

ASKER, SWITCH, ETHERTYPE = bytes(range(2, 8)), bytes(range(8, 14)), b"\x88\xb5"
QUESTION = struct.Struct(">BBBBBBQII")


@dataclass(frozen=True)
class Build:
    """What the calculator was compiled with."""

    fmt: Format = FP32
    rounding: str = "rne"
    table_bits: int = 8
    kind: str = "plain"

    def __str__(self) -> str:
        fmt = self.fmt
        return f"{fmt.name}-R{fmt.register_bits}-G{fmt.guard_bits}-{self.rounding}-{self.kind}{self.table_bits}"

    def defines(self) -> dict[str, object]:
        fmt = self.fmt
        return {
            "FORMAT": fmt.name,
            "REGISTER_BITS": fmt.register_bits,
            "GUARD_BITS": fmt.guard_bits,
            "ROUNDING": self.rounding,
            "TABLE_BITS": self.table_bits,
            "BIPARTITE": int(self.kind == "bipartite"),
        }


@dataclass(frozen=True)
class Question:
    """Fields of the packet; `operation` by name."""

    operation: str
    left: int = 0
    right: int = 0
    exponent: int = 0
    special: int = 0
    flags: int = 0
    shift: int = 0
    count: int = 1  # of an average; on the wire it is `right` and `shift`

    def frame(self) -> bytes:
        code = list(MODELS).index(self.operation)
        body = (code, self.flags, self.exponent, self.special, self.shift, 0, self.left, self.right, 0)
        return SWITCH + ASKER + ETHERTYPE + QUESTION.pack(*body)


def signed(value: int, bits: int) -> int:
    return (value & ((1 << bits) - 1) ^ 1 << (bits - 1)) - (1 << (bits - 1))


Model = Callable[[Build, Question], tuple[int, int]]


def _integer(b: Build, q: Question, rounding: str) -> tuple[int, int]:
    value, flags = convert.to_integer(b.fmt, q.left, 32, rounding)
    return value & 0xFFFFFFFF, flags


def _order(b: Build, q: Question) -> tuple[int, int]:
    order = compare.compare(b.fmt, q.left, q.right)
    return 3 if order is None else order + 1, 0


def _extreme(b: Build, q: Question, function: Callable[[Format, int, int], int]) -> tuple[int, int]:
    word = function(b.fmt, q.left, q.right)
    return word, INVALID * compare.is_nan(b.fmt, word)


def _average(b: Build, q: Question) -> tuple[int, int]:
    register = Register(q.exponent, signed(q.left, b.fmt.register_bits), q.special, q.flags)
    return scale.read_average(b.fmt, register, q.count, b.rounding)


def _to(name: str) -> Model:
    return lambda b, q: convert.to_format(b.fmt, FORMATS[name], q.left, b.rounding)


# In the order of operation_t.
MODELS: dict[str, Model] = {
    "order_key": lambda b, q: (compare.order_key(b.fmt, q.left), 0),
    "order": _order,
    "minimum": lambda b, q: _extreme(b, q, compare.minimum),
    "maximum": lambda b, q: _extreme(b, q, compare.maximum),
    "to_integer": lambda b, q: _integer(b, q, "rtz"),
    "to_nearest_integer": lambda b, q: _integer(b, q, "rne"),
    "from_integer": lambda b, q: convert.from_integer(b.fmt, signed(q.left, 32), b.rounding),
    **{f"to_{name}": _to(name) for name in ("fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2")},
    "scale": lambda b, q: scale.times_power_of_two(b.fmt, q.left, signed(q.right, 16), b.rounding),
    "multiply": lambda b, q: multiply.multiply(b.fmt, q.left, q.right, b.rounding),
    "multiply_tables": lambda b, q: multiply.multiply_by_tables(b.fmt, q.left, q.right, b.table_bits, b.rounding),
    "reciprocal": lambda b, q: tables.reciprocal(b.fmt, q.left, b.table_bits, b.kind, b.rounding),
    "square_root": lambda b, q: tables.square_root(b.fmt, q.left, b.table_bits, b.kind, b.rounding),
    "average": _average,
}


@dataclass
class Calculator:
    build: Build
    switch: Switch
    schema: Schema = field(repr=False)

    def ask(self, questions: list[Question]) -> list[Result]:
        """The answers; each must come back to where the question came from, otherwise unchanged."""
        frames = [(index % 7, question.frame()) for index, question in enumerate(questions)]
        answers = self.switch.send_batch(frames)
        assert len(answers) == len(frames)
        results = []
        for (port, frame), (back, answer) in zip(frames, answers, strict=True):
            answer = bytes(answer)
            assert back == port and answer[:14] == ASKER + SWITCH + ETHERTYPE
            assert answer[14:15] + answer[16:-4] == frame[14:15] + frame[16:-4]
            results.append(Result(int.from_bytes(answer[-4:], "big"), answer[15]))
        return results

    def check(self, questions: list[Question]) -> None:
        """Every answer equals the scalar model's on every bit."""
        for question, got in zip(questions, self.ask(questions), strict=True):
            expected = MODELS[question.operation](self.build, question)
            assert got == tuple(expected), (
                f"{self.build} {question}: {got.word:#x} flags {got.flags} instead of {expected[0]:#x} flags {expected[1]}"
            )


@functools.cache
def compiled(build: Build) -> tuple[dict, Schema]:
    result = compile_file(P4SRC / "float_ops.p4", defines=build.defines())
    assert result.ok, result.text()
    assert not result.diagnostics, result.text()
    return result.json, from_p4info(result.p4info)


@functools.cache
def calculator(build: Build, engine: str) -> Calculator:
    """Loaded and filled once a process; a calculator keeps no state."""
    json, schema = compiled(build)
    switch = Switch.load(json, engine=engine)
    with switch.control.batch():
        for table in entries.leading_one_tables(schema):
            insert(switch, schema, list(entries.leading_one(table)))
        insert(switch, schema, list(float_tables.function_entries(schema)))
    return Calculator(build, switch, schema)


def insert(switch: Switch, schema: Schema, rows: list) -> None:
    """Write the controller's entries straight into the switch's tables."""
    for row in rows:
        keys = [row.match[key.name] for key in schema.tables[row.table].fields]
        parts = [Lpm(*key) if isinstance(key, tuple) else key for key in keys]
        switch.control.tables[row.table].insert(parts, row.action.name, tuple(row.action.args.values()))
