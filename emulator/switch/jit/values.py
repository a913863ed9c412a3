"""Integers of unbounded meaning in machine words: a reference, its container's width, and what it may be.

bmv2 computes in unbounded signed integers, and the P4 compiler writes the masks. Here each value carries an
interval; a container is chosen in which the interval fits, so nothing is lost and 32-bit programs stay in
32-bit lanes. Where only the low bits of a result are wanted (below a mask or a store), `low` forms compute
modulo the container instead.

A `Val` in a container of C bits is read as unsigned when lo >= 0, as two's complement otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from emulator.switch.expr import SHIFT_LIMIT
from emulator.switch.jit.constants import fold, signed
from emulator.switch.jit.ir import Function, Ref


@dataclass(frozen=True, slots=True)
class Val:
    ref: Ref
    bits: int
    lo: int
    hi: int

    @property
    def const(self) -> int | None:
        """The value when it is known."""
        if not isinstance(self.ref, int):
            return None
        return self.ref if self.lo >= 0 else signed(self.ref, self.bits)


def container(width: int) -> int:
    """Bits of the machine word for `width` bits: 32, 64 or a multiple of 64. One lane width for everything
    small lets LLVM put neighbours into one vector."""
    if width <= 32:
        return 32
    return (width + 63) // 64 * 64


def fits(lo: int, hi: int) -> int:
    """Container for an interval."""
    width = hi.bit_length() if lo >= 0 else max(hi.bit_length(), (-lo - 1).bit_length()) + 1
    return container(width)


def const(value: int) -> Val:
    bits = fits(value, value)
    return Val(value & ((1 << bits) - 1), bits, value, value)


def unsigned_range(width: int) -> tuple[int, int]:
    return 0, (1 << width) - 1


def signed_range(width: int) -> tuple[int, int]:
    return -(1 << (width - 1)), (1 << (width - 1)) - 1


class Arith:
    """Arithmetic on `Val`s, writing into one function."""

    def __init__(self, fn: Function):
        self.fn = fn
        self._differences: dict[Ref, tuple[Val, Val, Val]] = {}
        self._greater: dict[Ref, tuple[Val, Val]] = {}

    # --- containers ---

    def widen(self, a: Val, bits: int) -> Ref:
        """The value in a container at least as wide as its own, still exact."""
        if isinstance(a.ref, int):
            value = a.const
            assert value is not None
            return value & ((1 << bits) - 1)
        return self.fn.zext(a.ref, a.bits, bits) if a.lo >= 0 else self.fn.sext(a.ref, a.bits, bits)

    def modulo(self, a: Val, bits: int) -> Ref:
        """The low `bits` bits of the value (upper ones cut off, or exact when there are more)."""
        if bits >= a.bits:
            return self.widen(a, bits)
        return self.fn.trunc(a.ref, a.bits, bits)

    def made(self, ref: Ref, bits: int, lo: int, hi: int) -> Val:
        if isinstance(ref, int):
            value = ref if lo >= 0 else signed(ref, bits)
            return const(value)
        return Val(ref, bits, lo, hi)

    def shrink(self, a: Val) -> Val:
        """The same value in the smallest container for its interval."""
        bits = fits(a.lo, a.hi)
        if bits >= a.bits:
            return a
        return self.made(self.fn.trunc(a.ref, a.bits, bits), bits, a.lo, a.hi)

    # --- masks and wraps ---

    def mask(self, a: Val, width: int) -> Val:
        """a modulo 2**width, as an unsigned number."""
        if a.lo >= 0 and a.hi < 1 << width:
            return a
        bits = container(width)
        ref = self.modulo(a, bits)
        if width < bits:
            ref = self.fn.op("and", bits, ref, (1 << width) - 1)
            if a.ref in self._differences:
                self._differences[ref] = self._differences[a.ref]
        return self.made(ref, bits, *unsigned_range(width))

    def wrap(self, a: Val, width: int) -> Val:
        """a modulo 2**width, as a two's-complement number."""
        lo, hi = signed_range(width)
        if lo <= a.lo and a.hi <= hi:
            return a
        bits = container(width)
        ref = self.modulo(a, bits)
        if width < bits:
            ref = self.fn.op("ashr", bits, self.fn.op("shl", bits, ref, bits - width), bits - width)
        return self.made(ref, bits, lo, hi)

    def clamp(self, a: Val, lo: int, hi: int) -> Val:
        """a limited to lo..hi."""
        bits = max(a.bits, fits(min(lo, a.lo), max(hi, a.hi)))
        ref = self.widen(a, bits)
        kind = "u" if a.lo >= 0 and lo >= 0 else "s"
        if a.hi > hi:
            ref = self._limit(kind + "min", bits, ref, hi)
        if a.lo < lo:
            ref = self._limit(kind + "max", bits, ref, lo)
        return self.shrink(self.made_range(ref, bits, max(a.lo, lo), min(a.hi, hi)))

    def made_range(self, ref: Ref, bits: int, lo: int, hi: int) -> Val:
        """A value whose interval may have come out empty for unreachable code."""
        return self.made(ref, bits, min(lo, hi), max(lo, hi))

    def _limit(self, which: str, bits: int, ref: Ref, bound: int) -> Ref:
        bound &= (1 << bits) - 1
        if isinstance(ref, int):
            pick = min if which.endswith("min") else max
            if which[0] == "u":
                return pick(ref, bound)
            return pick(signed(ref, bits), signed(bound, bits)) & ((1 << bits) - 1)
        if bits > 64:
            test = which[0] + ("lt" if which.endswith("min") else "gt")
            return self.fn.select(self.fn.icmp(test, bits, ref, bound), bits, ref, bound)
        return self.fn.intrinsic(f"llvm.{which}", bits, ref, bound)

    # --- exact arithmetic ---

    def add(self, a: Val, b: Val) -> Val:
        return self._linear("add", a, b, a.lo + b.lo, a.hi + b.hi)

    def sub(self, a: Val, b: Val) -> Val:
        value = self._linear("sub", a, b, a.lo - b.hi, a.hi - b.lo)
        if isinstance(value.ref, str):
            self._differences[value.ref] = (a, b, value)
        return value

    def mul(self, a: Val, b: Val) -> Val:
        corners = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        return self._linear("mul", a, b, min(corners), max(corners))

    def _linear(self, op: str, a: Val, b: Val, lo: int, hi: int) -> Val:
        bits = max(fits(lo, hi), a.bits, b.bits)
        ref = self.fn.op(op, bits, self.widen(a, bits), self.widen(b, bits))
        return self.shrink(self.made(ref, bits, lo, hi))

    def linear_low(self, op: str, a: Val, b: Val, bits: int) -> Val:
        """add, sub, mul modulo the container `bits`, read as unsigned."""
        ref = self.fn.op(op, bits, self.modulo(a, bits), self.modulo(b, bits))
        return self.made(ref, bits, *unsigned_range(bits))

    def saturate(self, op: str, a: Val, b: Val, width: int, is_signed: bool) -> Val:
        """a + b or a - b limited to `width` bits; one instruction where the machine has it."""
        lo, hi = signed_range(width) if is_signed else unsigned_range(width)
        inside = all(lo <= v.lo and v.hi <= hi for v in (a, b))
        constant = isinstance(a.ref, int) and isinstance(b.ref, int)
        if not inside or constant or width not in (32, 64):
            return self.clamp(self.add(a, b) if op == "add" else self.sub(a, b), lo, hi)
        x, y = self.modulo(a, width), self.modulo(b, width)
        if is_signed and op == "add":
            return Val(self._saturating_add(x, y, width), width, lo, hi)
        return Val(self.fn.intrinsic(f"llvm.{'s' if is_signed else 'u'}{op}.sat", width, x, y), width, lo, hi)

    def _saturating_add(self, x: Ref, y: Ref, bits: int) -> Ref:
        """Out of range where the sum's sign differs from both: shorter in vectors than what LLVM makes of its intrinsic."""
        fn = self.fn
        total = fn.op("add", bits, x, y)
        differs = fn.op("and", bits, fn.op("xor", bits, total, x), fn.op("xor", bits, total, y))
        end = fn.op("xor", bits, fn.op("ashr", bits, total, bits - 1), 1 << (bits - 1))
        return fn.select(fn.icmp("slt", bits, differs, 0), bits, end, total)

    def bitwise(self, op: str, a: Val, b: Val) -> Val:
        """and, or, xor of unbounded two's-complement numbers."""
        lo, hi = self._bitwise_range(op, a, b)
        bits = max(a.bits, b.bits, fits(min(a.lo, b.lo, lo), max(a.hi, b.hi, hi)))
        if op == "and" and (a.lo >= 0 or b.lo >= 0):
            bits = fits(lo, hi)
            return self.made(self.fn.op(op, bits, self.modulo(a, bits), self.modulo(b, bits)), bits, lo, hi)
        ref = self.fn.op(op, bits, self.widen(a, bits), self.widen(b, bits))
        return self.shrink(self.made(ref, bits, lo, hi))

    @staticmethod
    def _bitwise_range(op: str, a: Val, b: Val) -> tuple[int, int]:
        if a.lo >= 0 and b.lo >= 0:
            if op == "and":
                return 0, min(a.hi, b.hi)
            return 0, (1 << max(a.hi.bit_length(), b.hi.bit_length())) - 1
        if op == "and" and (a.lo >= 0 or b.lo >= 0):
            return 0, a.hi if a.lo >= 0 else b.hi
        width = max(v.bit_length() for v in (a.lo, a.hi, b.lo, b.hi)) + 1
        return signed_range(width)

    def bitwise_low(self, op: str, a: Val, b: Val, bits: int) -> Val:
        ref = self.fn.op(op, bits, self.modulo(a, bits), self.modulo(b, bits))
        return self.made(ref, bits, *unsigned_range(bits))

    def complement(self, a: Val) -> Val:
        """~a = -a - 1."""
        return self.sub(const(-1), a)

    # --- shifts; the amount is read as an unsigned 32-bit number ---

    def amount(self, a: Val) -> Val:
        return self.mask(a, 32) if a.lo < 0 or a.hi >= 1 << 32 else a

    def shl(self, a: Val, by: Val) -> Val:
        by = self.amount(by)
        top = min(by.hi, SHIFT_LIMIT - 1)
        least = min(by.lo, top)
        lo = min(a.lo << top, a.lo << least, 0 if by.hi >= SHIFT_LIMIT else a.lo << least)
        hi = max(a.hi << top, a.hi << least, 0 if by.hi >= SHIFT_LIMIT else a.hi << least)
        bits = max(fits(lo, hi), a.bits)
        return self.shrink(self._shl(self.widen(a, bits), by, bits, SHIFT_LIMIT, lo, hi))

    def shl_low(self, a: Val, by: Val, bits: int) -> Val:
        by = self.amount(by)
        return self._shl(self.modulo(a, bits), by, bits, bits, *unsigned_range(bits))

    def _shl(self, a: Ref, by: Val, bits: int, limit: int, lo: int, hi: int) -> Val:
        """Shift, 0 from `limit` bits on. Amounts from `bits` on give 0 too."""
        limit = min(limit, bits)
        if by.const is not None:
            ref = fold_shift(self.fn, "shl", bits, a, by.const) if by.const < limit else 0
            return self.made(ref, bits, lo, hi)
        count = self.modulo(by, bits)
        ref = self.fn.op("shl", bits, a, count)
        if by.hi >= limit:
            wide = max(bits, by.bits)
            near = (
                self.fn.icmp("ult", by.bits, by.ref, limit) if wide > bits else self.fn.icmp("ult", bits, count, limit)
            )
            ref = self.fn.select(near, bits, ref, 0)
        return self.made(ref, bits, lo, hi)

    def shr(self, a: Val, by: Val) -> Val:
        """floor(a / 2**by)."""
        by = self.amount(by)
        top = min(by.hi, SHIFT_LIMIT)
        lo = min(a.lo >> min(by.lo, top), a.lo >> top)
        hi = max(a.hi >> min(by.lo, top), a.hi >> top)
        if by.const is not None and by.const >= a.bits:
            by = const(a.bits - 1) if a.lo < 0 else by
            if a.lo >= 0:
                return const(0)
        if by.const is not None:
            ref = self.fn.op("lshr" if a.lo >= 0 else "ashr", a.bits, a.ref, by.const)
            return self.shrink(self.made(ref, a.bits, lo, hi))
        return self.shrink(self._shr(a, by, lo, hi))

    def _shr(self, a: Val, by: Val, lo: int, hi: int) -> Val:
        bits = a.bits
        wide = max(bits, by.bits)
        count = self.widen(by, wide)
        if a.lo < 0:
            if by.hi >= bits:
                count = self._limit("umin", wide, count, bits - 1)
            ref = self.fn.op("ashr", bits, a.ref, self.fn.trunc(count, wide, bits))
            return self.made(ref, bits, lo, hi)
        ref = self.fn.op("lshr", bits, a.ref, self.fn.trunc(count, wide, bits))
        if by.hi >= bits:
            ref = self.fn.select(self.fn.icmp("ult", wide, count, bits), bits, ref, 0)
        return self.made(ref, bits, lo, hi)

    # --- division, truncating; x / 0 = 0, x % 0 = x ---

    def div(self, a: Val, b: Val, rest: bool) -> Val:
        top = max(abs(a.lo), abs(a.hi))
        low = -top if a.lo < 0 or b.lo < 0 else 0
        bits = max(fits(min(low, -top if low < 0 else 0, a.lo, b.lo), max(top, a.hi, b.hi)), a.bits, b.bits)
        if bits > 64:  # 128 bits would be a call into the compiler's run-time library; wider is expanded in place
            bits = max(bits, 192)
        x, y = self.widen(a, bits), self.widen(b, bits)
        zero = self.fn.icmp("eq", bits, y, 0)
        safe = self.fn.select(zero, bits, 1, y)
        kind = "s" if a.lo < 0 or b.lo < 0 else "u"
        if isinstance(x, int) and isinstance(safe, int):
            return self._div_const(a, b, rest)
        ref = self.fn.pure(
            f"{kind}{'rem' if rest else 'div'} i{bits} {self.fn.ref(x, bits)}, {self.fn.ref(safe, bits)}"
        )
        ref2 = self.fn.select(zero, bits, x if rest else 0, ref)
        return self.shrink(self.made(ref2, bits, low, top))

    @staticmethod
    def _div_const(a: Val, b: Val, rest: bool) -> Val:
        x, y = a.const or 0, b.const or 0
        if y == 0:
            return const(x if rest else 0)
        quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        return const(x - quotient * y if rest else quotient)

    # --- comparison and choice ---

    def compare(self, op: str, a: Val, b: Val) -> Ref:
        """An i1. op: == != < <= > >=."""
        decided = decide(op, a, b)
        if decided is not None:
            return int(decided)
        lo, hi = min(a.lo, b.lo), max(a.hi, b.hi)
        bits = max(a.bits, b.bits, fits(lo, hi))
        prefix = "u" if lo >= 0 else "s"
        name = {"==": "eq", "!=": "ne"}.get(op) or prefix + {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}[op]
        ref = self.fn.icmp(name, bits, self.widen(a, bits), self.widen(b, bits))
        if op in (">", "<"):
            self._greater[ref] = (a, b) if op == ">" else (b, a)
        return ref

    def select(self, cond: Ref, a: Val, b: Val) -> Val:
        if isinstance(cond, int):
            return a if cond else b
        if a == b:
            return a
        distance = self._distance(cond, a, b)
        if distance is not None:
            return distance
        lo, hi = min(a.lo, b.lo), max(a.hi, b.hi)
        bits = max(a.bits, b.bits, fits(lo, hi))
        ref = self.fn.select(cond, bits, self.widen(a, bits), self.widen(b, bits))
        return self.made(ref, bits, lo, hi)

    def _distance(self, cond: Ref, a: Val, b: Val) -> Val | None:
        """x > y ? x - y : y - x, which needs none of the masks the program wrote around it."""
        one, other = self._differences.get(a.ref), self._differences.get(b.ref)
        if one is None or other is None or (one[0], one[1]) != (other[1], other[0]):
            return None
        x, y, up = one
        if self._greater.get(cond) != (x, y) or max(x.hi - y.lo, y.hi - x.lo) > min(a.hi, b.hi):
            return None
        down = other[2]
        return self.made(self.fn.select(cond, up.bits, up.ref, down.ref), up.bits, 0, max(x.hi - y.lo, y.hi - x.lo, 0))

    def keep(self, cond: Ref, a: Val) -> Val:
        """a where `cond` holds, else 0, by a mask LLVM does not see through: it would carry the choice into every
        comparison and shift of the value that follows."""
        if isinstance(cond, int) or isinstance(a.ref, int):
            return self.select(cond, a, const(0))
        return self.made(self.fn.op("and", a.bits, a.ref, self.fn.mask_of(cond, a.bits)), a.bits, min(a.lo, 0), max(a.hi, 0))

    def nonzero(self, a: Val) -> Ref:
        return self.compare("!=", a, const(0))

    def from_bool(self, a: Ref) -> Val:
        """0 or 1 of an i1."""
        if isinstance(a, int):
            return const(a & 1)
        return Val(self.fn.zext(a, 1, 32), 32, 0, 1)


def fold_shift(fn: Function, op: str, bits: int, a: Ref, by: int) -> Ref:
    return fold(op, bits, a, by) if isinstance(a, int) else fn.op(op, bits, a, by)


def decide(op: str, a: Val, b: Val) -> bool | None:
    """The outcome of a comparison when the intervals settle it."""
    if op in (">", ">="):
        return decide("<" if op == ">" else "<=", b, a)
    if op == "<":
        return True if a.hi < b.lo else False if a.lo >= b.hi else None
    if op == "<=":
        return True if a.hi <= b.lo else False if a.lo > b.hi else None
    if a.hi < b.lo or b.hi < a.lo:
        return op == "!="
    if a.lo == a.hi == b.lo == b.hi:
        return op == "=="
    return None
