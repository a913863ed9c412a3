"""Every float operation of the P4 equals its scalar model on every bit: word and flags."""

import itertools
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from controller import float_tables
from fpisa.codec import to_fraction
from fpisa.flags import NAN
from fpisa.formats import BF16, FORMATS, FP32, get_format
from fpisa.literals import from_fraction
from fpisa.ops import multiply, scale, tables
from tests.p4.calculator import MODELS, Build, Question, calculator, compiled
from tests.p4.values import corners

SEED = 20261121
# Every format, both roundings, both kinds of table, guard bits, every width of register.
BUILDS = [
    Build(),
    Build(FP32, "rtz", 9, "bipartite"),
    Build(get_format("fp32", 64, 32), "rne", 11, "bipartite"),
    Build(get_format("fp32", 32, 3), "rne", 6),
    Build(get_format("fp16", 16, 1), "rne", 10),
    Build(get_format("fp16", 32, 8), "rtz", 10, "bipartite"),
    Build(BF16, "rne", 7, "bipartite"),
    Build(get_format("fp8_e4m3", 16, 2), "rne", 3),
    Build(get_format("fp8_e5m2", 16), "rtz", 2),
]
INTEGERS = [0, 1, 2, 3, 2**24 - 1, 2**24, 2**24 + 1, 2**24 + 3, 2**31 - 65, 2**31 - 64, 2**31 - 1, 2**31, 65519, 65520]
POWERS = [0, 1, -1, 23, -24, 126, -149, -150, 277, 300, -300, 511, 32767, -32768]


def word(rng, build):
    """A corner, or a random word; a third of those have a value near 1, for products and integers that fit."""
    fmt = build.fmt
    if rng.random() < 0.4:
        return rng.choice(corners(fmt))
    if rng.random() < 0.3:
        field = min(max(fmt.bias + rng.randrange(-8, 33), 0), fmt.field_mask)
        return rng.getrandbits(fmt.fraction_bits) | field << fmt.fraction_bits | rng.choice((0, fmt.sign_bit))
    return rng.getrandbits(fmt.width)


def average(rng, build):
    """An accumulator in any state, rather wide or rather narrow, and the constant of a count."""
    fmt, count = build.fmt, rng.choice((1, 2, 3, 7, 8, 31, 32, rng.randrange(1, 1025)))
    width = rng.randrange(fmt.register_bits + 1)
    mantissa = rng.choice((rng.getrandbits(width) if width else 0, 1 << (fmt.register_bits - 1), 0, 1))
    mantissa = mantissa * rng.choice((1, -1)) & ((1 << fmt.register_bits) - 1)
    constant, shift = scale.reciprocal_constant(count)
    return Question(
        "average",
        left=mantissa,
        right=constant,
        shift=shift,
        count=count,
        exponent=rng.choice((1, 2, fmt.bias, fmt.field_mask, rng.randrange(1, fmt.field_mask + 1))),
        # A format without infinities never sets their sticky bits.
        special=rng.randrange(8) & (NAN if fmt.finite else 7) if rng.random() < 0.2 else 0,
        flags=rng.choice((0, 0, 1, 2, 3)),
    )


def question(rng, build, operation):
    if operation == "average":
        return average(rng, build)
    left, right = word(rng, build), word(rng, build)
    if operation == "from_integer":
        left = rng.choice((rng.choice(INTEGERS) * rng.choice((1, -1)), rng.getrandbits(32) >> rng.randrange(32)))
        left &= 0xFFFFFFFF
    if operation == "scale":
        right = rng.choice((rng.choice(POWERS), rng.randrange(-40, 41))) & 0xFFFF
    return Question(operation, left, right)


def questions(build, each, seed):
    print(f"{build}: seed {seed}")
    rng = random.Random(seed)
    return [question(rng, build, operation) for operation in MODELS for _ in range(each)]


@pytest.mark.parametrize("build", BUILDS, ids=str)
def test_compiled(build):
    calculator(build, "jit").check(questions(build, 200, SEED))


@pytest.mark.parametrize("build", BUILDS, ids=str)
def test_interpreted(build):
    calculator(build, "interp").check(questions(build, 8, SEED + 1))


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDS, ids=str)
def test_many(build):
    calculator(build, "jit").check(questions(build, 20_000, SEED + 2))


@pytest.mark.parametrize("build", [b for b in BUILDS if b.fmt.width == 8], ids=str)
def test_every_fp8_word_and_product(build):
    """All words of the 8-bit formats through all operations of one operand, and a quarter of all products."""
    one = [name for name in MODELS if name not in ("order", "minimum", "maximum", "scale", "multiply", "average")]
    everything = [Question(name, left, 0x38) for name in one for left in range(256)]
    pairs = itertools.product(range(0, 256), range(SEED % 4, 256, 4))
    everything += [Question(name, *pair) for pair in pairs for name in ("multiply", "order")]
    calculator(build, "jit").check(everything)


@pytest.mark.parametrize("build", BUILDS, ids=str)
def test_corners_meet_corners(build):
    """Zeros, the ends of the subnormal and normal ranges, one, infinities and NaN: each through every operation, and
    each with each where two operands meet."""
    fmt = build.fmt
    ends = (0, 1, fmt.fraction_mask, fmt.hidden, fmt.bias << fmt.fraction_bits, fmt.max_finite, fmt.overflowed)
    words = [word | sign for word in (*ends, fmt.nan, fmt.sign_bit - 1) for sign in (0, fmt.sign_bit)]
    two = ("order", "minimum", "maximum", "multiply", "multiply_tables")
    asked = [Question(name, *pair) for name in two for pair in itertools.product(words, repeat=2)]
    asked += [Question("scale", word, power & 0xFFFF) for word in words for power in POWERS]
    one = [name for name in MODELS if name not in (*two, "scale", "average")]
    calculator(build, "jit").check(asked + [Question(name, word) for name in one for word in words])


def near_ties(rng):
    """Questions on fp32 whose exact result lies halfway between two words, and one bit to either side of it."""
    beside = (-1, 0, 1)
    for fmt in (FORMATS[name] for name in FORMATS if name != "fp32"):
        for word in rng.sample(range(min(fmt.max_finite + 1, 1 << 15)), 40 if fmt.width == 16 else 60):
            low, high = to_fraction(fmt, word), to_fraction(fmt, min(word + 1, fmt.max_finite))
            middle = from_fraction(FP32, (low + high) / 2)
            yield from (Question(f"to_{fmt.name}", max(0, middle + step) ^ rng.choice((0, 1 << 31))) for step in beside)
    for half in rng.sample(range(1, 2**23, 2), 40):
        word = from_fraction(FP32, Fraction(half, 2))
        yield from (Question("to_nearest_integer", word + step) for step in beside)
    for _ in range(40):
        odd = rng.getrandbits(24) | 1 << 24 | 1  # 25 bits: one too many
        shift = rng.randrange(7)
        yield from (Question("from_integer", (odd << shift) + step) for step in beside)
        subnormal = rng.getrandbits(23) | 1
        yield from (Question("scale", 1 << 23 | subnormal + step, 0xFFFF) for step in beside)
        a, b = rng.getrandbits(12) | 0x1001, rng.getrandbits(11) | 0x801  # 25 bits or 24: half are ties
        powers = [Fraction(2) ** rng.randrange(-70, 60) for _ in range(2)]
        yield Question("multiply", from_fraction(FP32, a * powers[0]), from_fraction(FP32, b * powers[1]))


@pytest.mark.parametrize("build", BUILDS[:2], ids=str)
def test_ties(build):
    asked = list(near_ties(random.Random(SEED)))
    print(f"{len(asked)} questions: seed {SEED}")
    calculator(build, "jit").check(asked)


def test_what_is_no_question_is_dropped():
    switch = calculator(Build(), "jit").switch
    good = Question("multiply", 0x40400000, 0x40400000).frame()
    for bad in (
        good[:14] + bytes([18]) + good[15:],
        good[:14] + b"\xff" + good[15:],
        good[:12] + b"\x08\0" + good[14:],
    ):
        assert switch.send(1, bad) == []
    assert switch.send(1, good[:-1]) == [] and switch.send(1, b"") == []
    assert switch.send(3, good + b"tail")[0][1].endswith((0x41100000).to_bytes(4, "big") + b"tail")


def contents(rows, name):
    """An entry table's contents as signed integers, by key."""
    found = [row for row in rows if row.table == name]
    keys = [tuple(row.match.values())[::-1] for row in found]
    assert keys == sorted(keys)
    return np.array([next(iter(row.action.args.values())) for row in found], dtype=np.int64)


@pytest.mark.parametrize(
    "build",
    [*BUILDS, *(Build(table_bits=12, kind=kind) for kind in tables.TABLE_KINDS)],
    ids=str,
)
def test_the_controllers_tables_are_the_models(build):
    _, schema = compiled(build)
    fmt, bits, rows = build.fmt, build.table_bits, list(float_tables.function_entries(schema))
    even, odd = tables.square_root_tables(fmt, bits, build.kind)
    log2, exp2 = multiply._tables(fmt, bits)
    by_table = "ingress.rounded.by_table."
    expected = {
        "reciprocal.reciprocal": tables.reciprocal_table(fmt, bits, build.kind),
        "square_root.root_even": even,
        "square_root.root_odd": odd,
        "multiply.logarithm_a": log2,
        "multiply.logarithm_b": log2,
        "multiply.power": exp2,
    }
    for name, table in expected.items():
        assert contents(rows, f"{by_table}{name}.entries").tolist() == table.entries.tolist()
        shares = table.slopes & ((1 << (fmt.fraction_bits + 3)) - 1)
        assert contents(rows, f"{by_table}{name}.slopes").tolist() == shares.tolist()
    assert len(rows) == sum(table.size for table in expected.values())


def test_a_program_without_functions_needs_no_entries():
    _, schema = compiled(Build())
    bare = replace(schema, tables=type(schema.tables)("table", []))
    assert list(float_tables.function_entries(bare)) == []


def test_the_controllers_constant_of_an_average():
    for count in [*range(1, 1025), 2**16 - 1, 2**16]:
        args = float_tables.average_entry(7, count).action.args
        assert (args["constant"], args["shift"]) == scale.reciprocal_constant(count)
        assert args["constant"].bit_length() == 32
    with pytest.raises(ValueError, match="count of 1 or more, got 0"):
        float_tables.average_entry(7, 0)


def test_every_format_is_converted_to():
    assert [name for name in MODELS if name.startswith("to_") and "integer" not in name] == [f"to_{f}" for f in FORMATS]
