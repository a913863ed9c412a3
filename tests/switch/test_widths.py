"""Bounds hold for every value an expression takes, and low bits suffice where `needed` says so."""

from __future__ import annotations

import random

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from emulator.switch import expr as x
from emulator.switch.interp.exprs import Compiler
from emulator.switch.interp.phv import Blank, Phv
from emulator.switch.load import load_model
from emulator.switch.model import Model, ModelError
from emulator.switch.state import State
from emulator.switch.widths import Bounds, Widths, two_complement, unsigned
from tests.switch.programs import Builder

FIELDS = [["u1", 1, False], ["u8", 8, False], ["u13", 13, False], ["u64", 64, False], ["u130", 130, False],
          ["i1", 1, True], ["i8", 8, True], ["i33", 33, True], ["pad", 2, False]]  # fmt: skip


def model_and_state() -> tuple[Model, State]:
    build = Builder()
    build.metadata(FIELDS)
    model = load_model(build.json())
    return model, State(model)


MODEL, STATE = model_and_state()
HEADER = MODEL.header_named("scalars")
COMPILER = Compiler(MODEL, STATE)


def random_expr(rng: random.Random, depth: int) -> x.Expr:
    if depth == 0 or rng.random() < 0.2:
        if rng.random() < 0.6:
            return x.FieldRead(HEADER, rng.randrange(len(FIELDS) - 1))
        return x.Const(rng.choice((0, 1, -1, 7, 255, -128, rng.getrandbits(40), -rng.getrandbits(70))))
    kind = rng.randrange(8)
    left = random_expr(rng, depth - 1)
    if kind == 0:
        return x.Unary(rng.choice(("neg", "~")), left)
    if kind == 1:
        word = rng.choice(("two_comp_mod", "usat_cast", "sat_cast"))
        return x.Binary(word, left, x.Const(rng.choice((1, 7, 8, 32, 65))))
    right = random_expr(rng, depth - 1)
    if kind == 2:
        cond = x.Compare(rng.choice(("==", "!=", "<", "<=", ">", ">=")), left, right)
        return x.Ternary(cond, left, right)
    if kind == 3:
        return x.Unary("b2d", x.Compare("<", left, right))
    if kind == 4:  # a shift as compilers write it: the amount is masked
        return x.Binary(
            rng.choice(("<<", ">>")), left, x.Binary("&", right, x.Const(rng.choice((7, 63, 511))))
        )
    if kind == 5:
        return x.Binary(rng.choice(("/", "%")), left, right)
    return x.Binary(rng.choice(["+", "-", "*", "&", "|", "^"]), left, right)


def random_phv(rng: random.Random) -> Phv:
    phv = Phv(Blank(MODEL), b"", 0)
    for i, (_, width, signed) in enumerate(FIELDS):
        value = rng.choice((0, (1 << width) - 1, 1 << (width - 1), rng.getrandbits(width)))
        phv.values[HEADER][i] = value - (1 << width) if signed and value >> (width - 1) else value
    return phv


@seed(7)
@settings(max_examples=400, deadline=None, database=None)
@given(st.integers(0, 1 << 40))
def test_values_stay_within_bounds(number: int) -> None:
    rng = random.Random(number)
    expr = random_expr(rng, 4)
    widths = Widths(MODEL)
    try:
        bounds = widths.bounds(expr)
    except ModelError:
        return
    evaluate = COMPILER.value(expr)
    for _ in range(25):
        value = evaluate(random_phv(rng), ())
        assert bounds.low <= value <= bounds.high, expr
        limit = two_complement(bounds.bits) if bounds.signed else unsigned(bounds.bits)
        assert limit.low <= value <= limit.high


def low_bits(expr: x.Expr, phv: Phv, bits: int) -> int:
    """The expression evaluated modulo 2**bits wherever `needed` allows it, exactly elsewhere."""
    mask = (1 << bits) - 1
    if isinstance(expr, x.Binary) and expr.op in ("+", "-", "*", "&", "|", "^"):
        a, b = low_bits(expr.left, phv, bits), low_bits(expr.right, phv, bits)
        return {"+": a + b, "-": a - b, "*": a * b, "&": a & b, "|": a | b, "^": a ^ b}[expr.op] & mask
    if isinstance(expr, x.Binary) and expr.op == "<<":
        amount = COMPILER.value(expr.right)(phv, ())
        return low_bits(expr.left, phv, bits) << amount & mask if amount < bits else 0
    if isinstance(expr, x.Unary) and expr.op in ("neg", "~"):
        a = low_bits(expr.operand, phv, bits)
        return (-a if expr.op == "neg" else ~a) & mask
    return COMPILER.value(expr)(phv, ()) & mask


@seed(8)
@settings(max_examples=200, deadline=None, database=None)
@given(st.integers(0, 1 << 40))
def test_low_bits_suffice_below_a_mask(number: int) -> None:
    rng = random.Random(number)
    expr = random_expr(rng, 4)
    try:
        full_width = Widths(MODEL).bounds(expr).bits
    except ModelError:
        return
    for low in (1, 8, 32):
        assert Widths(MODEL).needed(expr, low) <= full_width
        for _ in range(8):
            phv = random_phv(rng)
            assert low_bits(expr, phv, low) == COMPILER.value(expr)(phv, ()) & ((1 << low) - 1), expr


def test_rows() -> None:
    u8, i8 = x.FieldRead(HEADER, 1), x.FieldRead(HEADER, 6)
    rows = [
        (x.Const(0), 1, False),
        (x.Const(255), 8, False),
        (x.Const(-1), 1, True),
        (x.Const(-129), 9, True),
        (x.Binary("+", u8, u8), 9, False),
        (x.Binary("-", u8, u8), 9, True),
        (x.Binary("*", u8, u8), 16, False),
        (x.Binary("*", i8, i8), 16, True),
        (x.Binary("&", x.Binary("-", u8, u8), x.Const(0xFF)), 8, False),
        (x.Binary("<<", u8, x.Const(4)), 12, False),
        (x.Binary("<<", u8, u8), 263, False),
        (x.Binary(">>", i8, x.Const(100)), 1, True),
        (x.Unary("~", u8), 9, True),
        (x.Binary("two_comp_mod", x.Binary("+", i8, i8), x.Const(8)), 8, True),
        (x.Binary("usat_cast", x.Binary("+", u8, u8), x.Const(8)), 8, False),
        (x.Binary("%", u8, x.Const(10)), 4, False),
        (x.Binary("/", u8, x.Const(10)), 5, False),
    ]
    for expr, bits, signed in rows:
        assert Widths(MODEL).width(expr) == (bits, signed), expr


def test_one_bit_signed_field() -> None:
    assert Widths(MODEL).bounds(x.FieldRead(HEADER, 5)) == Bounds(-1, 0)
