"""One element of an FPISA packet as units of a pipeline: unpack, add, read out. No stages yet: `layout` finds those.

The steps are those of the number format's chapters "unpack", "add" and "read" (docs/NUMBERS.md), in 32-bit words. Words in:
`x` (the float's bits), `slot`, `first` (1 where the round starts). Words out: `result`, `overflow`, `inexact`, `invalid`,
besides the accumulator's own `e`, `m` and `sticky`. Formats of up to 32 bits with 32-bit registers and no guard bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fpisa.banzai.configuration import Gate, Instruction, Lookup, Stateful, Stateless, Word
from fpisa.banzai.machine import Machine
from fpisa.banzai.units import SHIFTS, Atom, Op, StateOp
from fpisa.formats import Format

Unit = Stateless | Stateful | Lookup
PINF, NINF, NAN = 1, 2, 4


@dataclass(frozen=True)
class Element:
    """The builder's settings: format, shape, machine, and a prefix that keeps several elements' words apart.

    `status` False leaves out the flags, which cost a second copy of the sum: today's stateful unit gives one word.
    """

    fmt: Format
    shape: str
    machine: Machine
    prefix: str = ""
    status: bool = True

    @property
    def special_field(self) -> int:
        return (1 << self.fmt.exponent_bits) - 1

    @property
    def infinity(self) -> int:
        return self.special_field << self.fmt.fraction_bits

    @property
    def sign_at(self) -> int:
        return self.fmt.exponent_bits + self.fmt.fraction_bits


SHARED = frozenset({"slot", "first", "zero", "one"})
# Words of at most 16 bits, which live in the smaller containers.
NARROW = frozenset(
    """slot first zero one upper sign field e_in special_in e_old away rise e replace place n low minus_place left right
    biased half_place inexact clamp overflow invalid sticky""".split()  # noqa: SIM905 - a list of names reads better so
)


def units(element: Element) -> list[Unit]:
    """All units of the element, each after those it reads from. Raises ValueError for a format that does not fit."""
    fmt = element.fmt
    if fmt.register_bits != 32 or fmt.guard_bits or fmt.finite:
        raise ValueError(f"the pipeline model holds IEEE formats with 32-bit registers and no guard bits, not {fmt}")
    add = add_exact if element.shape == "exact" else add_approx
    plain = [*unpack(element), *add(element), *normalise(element), *pack(element)]
    expanded = plain if element.machine.operand_shift else [u for unit in plain for u in by_distance(unit, fmt)]
    return [renamed(unit, element.prefix) for unit in expanded]


def put(dst: str, op: Op, a: Word, b: Word, *when: Gate) -> Stateless:
    return Stateless(dst, (Instruction(op, a, b, when),))


def choose(dst: str, *cases: tuple[Iterable[Gate], Op, Word, Word]) -> Stateless:
    return Stateless(dst, tuple(Instruction(op, a, b, tuple(when)) for when, op, a, b in cases))


def unpack(element: Element) -> list[Unit]:
    """x -> e_in, m_in (signed), special bits."""
    fmt, ones = element.fmt, element.special_field
    special, zero = Gate("field", "==", ones), Gate("field", "==", 0)
    whole = Gate("frac", "==", 0)
    return [
        put("upper", Op.SHR, "x", fmt.fraction_bits),
        put("frac", Op.AND, "x", (1 << fmt.fraction_bits) - 1),
        put("sign", Op.SHR, "x", element.sign_at),
        put("field", Op.AND, "upper", ones),
        put("with_hidden", Op.OR, "frac", 1 << fmt.fraction_bits),
        choose("e_in", ([special], Op.COPY, "x", 1), ([zero], Op.COPY, "x", 1), ([], Op.COPY, "x", "field")),
        choose(
            "significand",
            ([special], Op.COPY, "x", 0),
            ([zero], Op.COPY, "x", "frac"),
            ([], Op.COPY, "x", "with_hidden"),
        ),
        choose(
            "special_in",
            ([special, whole, Gate("sign", "==", 0)], Op.COPY, "x", PINF),
            ([special, whole], Op.COPY, "x", NINF),
            ([special], Op.COPY, "x", NAN),
            ([], Op.COPY, "x", 0),
        ),
        choose("m_in", ([Gate("sign", "!=", 0)], Op.SUB, "zero", "significand"), ([], Op.COPY, "x", "significand")),
    ]


def add_exact(element: Element) -> list[Unit]:
    """The larger exponent stays; whichever mantissa has the smaller one is shifted right, the stored one in its unit."""
    first = Gate("first", "!=", 0)
    grows = Gate("e_in", "u>", "e_old")
    return [
        *exponent_and_sticky(0),
        choose("away", ([first], Op.COPY, "x", 0), ([grows], Op.COPY, "x", 0), ([], Op.SUB, "e_old", "e_in")),
        choose("rise", ([first], Op.COPY, "x", 0), ([grows], Op.SUB, "e_in", "e_old"), ([], Op.COPY, "x", 0)),
        choose("e", ([first], Op.COPY, "x", "e_in"), ([grows], Op.COPY, "x", "e_in"), ([], Op.COPY, "x", "e_old")),
        put("shifted", Op.ASR, "m_in", "away"),
        *mantissa(element, "m_old" if element.status else "m", "first", "rise", "kept"),
        *(lost_exact() if element.status else []),
    ]


def lost_exact() -> list[Unit]:
    """`inexact`: shifting back does not give the word that was shifted."""
    return [
        put("kept", Op.ASR, "m_old", "rise"),
        put("kept_back", Op.SHL, "kept", "rise"),
        choose(
            "inexact",
            ([Gate("first", "!=", 0)], Op.COPY, "x", 0),
            ([Gate("kept_back", "!=", "m_old")], Op.COPY, "x", 1),
            ([Gate("shifted_back", "!=", "m_in")], Op.COPY, "x", 1),
            ([], Op.COPY, "x", 0),
        ),
    ]


def add_approx(element: Element) -> list[Unit]:
    """The stored mantissa stays put: a larger one is shifted left into the headroom, or overwrites past it."""
    first = Gate("first", "!=", 0)
    past, above = Gate("rise", ">", element.fmt.headroom), Gate("rise", ">", 0)
    return [
        *exponent_and_sticky(element.fmt.headroom),
        put("rise", Op.SUB, "e_in", "e_old"),
        put("away", Op.SUB, "e_old", "e_in"),
        choose("e", ([first], Op.COPY, "x", "e_in"), ([past], Op.COPY, "x", "e_in"), ([], Op.COPY, "x", "e_old")),
        choose("replace", ([first], Op.COPY, "x", 1), ([past], Op.COPY, "x", 1), ([], Op.COPY, "x", 0)),
        choose(
            "shifted",
            ([first], Op.COPY, "x", "m_in"),
            ([past], Op.COPY, "x", "m_in"),
            ([above], Op.SHL, "m_in", "rise"),
            ([], Op.ASR, "m_in", "away"),
        ),
        *mantissa(element, "m_old" if element.status else "m", "replace", None, "m_old"),
        *(lost_approx(past, above) if element.status else []),
    ]


def lost_approx(past: Gate, above: Gate) -> list[Unit]:
    """`inexact`: bits of the incoming word shifted out, or a stored value other than zero overwritten."""
    return [
        choose(
            "inexact",
            ([Gate("first", "!=", 0)], Op.COPY, "x", 0),
            ([past, Gate("m_old", "!=", 0)], Op.COPY, "x", 1),
            ([past], Op.COPY, "x", 0),
            ([above], Op.COPY, "x", 0),
            ([Gate("shifted_back", "!=", "m_in")], Op.COPY, "x", 1),
            ([], Op.COPY, "x", 0),
        ),
    ]


def exponent_and_sticky(slack: int) -> list[Unit]:
    """The exponent unit keeps the larger, by more than `slack`; the sticky unit ORs."""
    return [
        Stateful(
            "exponent",
            Atom(StateOp.OVERWRITE, StateOp.KEEP, compare=True, offset=slack, give_new=False),
            "slot",
            "e_in",
            "e_old",
            force="first",
            bits=8,
        ),
        Stateful("special", Atom(StateOp.OVERWRITE, StateOp.OR), "slot", "special_in", "sticky", force="first", bits=8),
    ]


def mantissa(element: Element, atom_word: str, force: str, distance: str | None, aligned: str) -> list[Unit]:
    """The stateful sum. It gives the new sum, or where the status is wanted the old one: the sum is then formed again."""
    unit = Stateful(
        "mantissa",
        Atom(StateOp.OVERWRITE, StateOp.ADD_SAT, give_new=not element.status),
        "slot",
        "shifted",
        atom_word,
        force=force,
        distance=distance,
    )
    if not element.status:
        return [unit]
    forced = Gate(force, "!=", 0)
    return [
        unit,
        choose("m", ([forced], Op.COPY, "x", "shifted"), ([], Op.ADD_SAT, aligned, "shifted")),
        choose("wrapped", ([forced], Op.COPY, "x", "shifted"), ([], Op.ADD, aligned, "shifted")),
        choose("clamp", ([Gate("m", "!=", "wrapped")], Op.COPY, "x", 1), ([], Op.COPY, "x", 0)),
        put("shifted_back", Op.SHL, "shifted", "away"),
    ]


def normalise(element: Element) -> list[Unit]:
    """|m|, the place of its leading one by table, and the shift that brings it home, rounded to nearest even."""
    fmt = element.fmt
    fraction = fmt.fraction_bits
    right, subnormal = Gate("right", ">", 0), Gate("n", "<", 1)
    # Word by prefix length: a leading one at bit p is the prefix 0...01 of 32 - p bits.
    places = tuple((1 << p, 32 - p, {"place": (p - fraction) & 0xFFFFFFFF}) for p in range(32))
    return [
        choose("size", ([Gate("m", "<", 0)], Op.SUB, "zero", "m"), ([], Op.COPY, "x", "m")),
        Lookup("leading_one", "size", places, {"place": 0}),
        put("n", Op.ADD, "e", "place"),
        put("low", Op.SUB, "e", 1),
        put("minus_place", Op.SUB, "zero", "place"),
        # A subnormal result keeps the accumulator's own scale, e - 1 places up: without guard bits never a right shift.
        choose("left", ([subnormal], Op.COPY, "x", "low"), ([], Op.COPY, "x", "minus_place")),
        choose("right", ([subnormal], Op.COPY, "x", 0), ([], Op.COPY, "x", "place")),
        choose("biased", ([subnormal], Op.COPY, "x", 0), ([], Op.COPY, "x", "n")),
        choose("scaled", ([right], Op.SHR, "size", "right"), ([], Op.SHL, "size", "left")),
        put("half_place", Op.SUB, "right", 1),
        put("half", Op.SHL, "one", "half_place"),
        choose("kept_size", ([right], Op.SHL, "scaled", "right"), ([], Op.COPY, "x", "size")),
        put("rest", Op.SUB, "size", "kept_size"),
        choose(
            "rounded",
            ([right, Gate("rest", "u>", "half")], Op.ADD, "scaled", 1),
            ([right, Gate("rest", "==", "half"), Gate("scaled", "bit", 1)], Op.ADD, "scaled", 1),
            ([], Op.COPY, "x", "scaled"),
        ),
    ]


def pack(element: Element) -> list[Unit]:
    """Exponent and significand together; the hidden bit of the significand counts one exponent."""
    fmt, infinity = element.fmt, element.infinity
    sign = 1 << element.sign_at
    nan = Gate("sticky", "bit", NAN)
    both = Gate("sticky", "==", PINF | NINF)
    positive, negative = Gate("sticky", "==", PINF), Gate("sticky", "==", NINF)
    large, below = Gate("total", "u>", infinity - 1), Gate("m", "<", 0)
    quiet = infinity | 1 << fmt.fraction_bits - 1
    return [
        put("upper_out", Op.SHL, "biased", fmt.fraction_bits),
        choose(
            "base",
            ([Gate("biased", "==", 0)], Op.COPY, "x", 0),
            ([], Op.SUB, "upper_out", 1 << fmt.fraction_bits),
        ),
        put("total", Op.ADD, "base", "rounded"),
        choose(
            "result",
            ([nan], Op.COPY, "x", quiet),
            ([both], Op.COPY, "x", quiet),
            ([positive], Op.COPY, "x", infinity),
            ([negative], Op.COPY, "x", infinity | sign),
            ([Gate("m", "==", 0)], Op.COPY, "x", 0),
            ([large, below], Op.COPY, "x", infinity | sign),
            ([large], Op.COPY, "x", infinity),
            ([below], Op.OR, "total", sign),
            ([], Op.COPY, "x", "total"),
        ),
        choose("invalid", ([nan], Op.COPY, "x", 1), ([both], Op.COPY, "x", 1), ([], Op.COPY, "x", 0)),
        choose(
            "overflow",
            *([([Gate("clamp", "!=", 0)], Op.COPY, "x", 1)] if element.status else []),
            ([Gate("sticky", "!=", 0)], Op.COPY, "x", 0),
            ([Gate("m", "==", 0)], Op.COPY, "x", 0),
            ([large], Op.COPY, "x", 1),
            ([], Op.COPY, "x", 0),
        ),
    ]


def by_distance(unit: Unit, fmt: Format) -> list[Unit]:
    """A shift by a word, for a machine that cannot: one instruction for each distance that makes a difference."""
    if not isinstance(unit, Stateless):
        return [unit]
    instructions: list[Instruction] = []
    for one in unit.instructions:
        by_word = one.op in SHIFTS and isinstance(one.b, str)
        instructions += each_distance(one, unit.dst, fmt) if by_word else [one]
    return [Stateless(unit.dst, tuple(instructions))]


def each_distance(one: Instruction, dst: str, fmt: Format) -> list[Instruction]:
    """The distances that occur and differ, and past them what a far shift gives where one can occur."""
    fraction, right = fmt.fraction_bits, 31 - fmt.fraction_bits
    far_sign = (Instruction(Op.ASR, one.a, 31, one.when),)
    far_zero = (Instruction(Op.COPY, one.a, 0, one.when),)
    nearest, farthest, past = {
        ("shifted", Op.ASR): (0, fraction, far_sign),
        ("shifted", Op.SHL): (1, fmt.headroom, ()),
        ("shifted_back", Op.SHL): (0, fraction, far_zero),
        ("kept", Op.ASR): (0, 30, far_sign),
        ("kept_back", Op.SHL): (0, 30, far_zero),
        ("scaled", Op.SHR): (1, right, ()),
        ("scaled", Op.SHL): (0, fraction, ()),
        ("half", Op.SHL): (0, right - 1, far_zero),
        ("kept_size", Op.SHL): (1, right, ()),
    }[dst, one.op]
    made = []
    for k in range(nearest, farthest + 1):
        when = (*one.when, Gate(one.b, "==", k))
        made.append(Instruction(one.op, one.a, k, when) if k else Instruction(Op.COPY, one.a, one.a, when))
    return [*made, *past]


def renamed(unit: Unit, prefix: str) -> Unit:
    """The unit with this element's own words and arrays; shared words keep their names."""

    def own(word: Word) -> Word:
        return word if not prefix or isinstance(word, int) or word in SHARED else prefix + word

    def own_name(word: str) -> str:
        return str(own(word))

    if isinstance(unit, Lookup):
        entries = tuple((v, n, {own_name(k): d for k, d in data.items()}) for v, n, data in unit.entries)
        default = {own_name(k): d for k, d in unit.default.items()}
        return Lookup(prefix + unit.name, own_name(unit.key), entries, default)
    if isinstance(unit, Stateful):
        return Stateful(
            prefix + unit.array,
            unit.atom,
            own_name(unit.index),
            own_name(unit.operand),
            own_name(unit.out),
            own_name(unit.force) if unit.force else None,
            own_name(unit.distance) if unit.distance else None,
            unit.bits,
        )
    return Stateless(
        own_name(unit.dst),
        tuple(
            Instruction(i.op, own(i.a), own(i.b), tuple(Gate(own(g.a), g.relation, own(g.b)) for g in i.when))
            for i in unit.instructions
        ),
    )
