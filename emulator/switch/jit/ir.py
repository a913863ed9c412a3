"""Writing LLVM IR as text: one function at a time, with constant folding and reuse of equal pure operations.

A *ref* is what stands in an operand position: an `int` (a constant, kept as its unsigned bit pattern) or a
`str` (an SSA name such as "%17"). All integers have an explicit width in bits. Folding here keeps the text
small, which is most of the cost of compiling a program of many equal instances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.switch.jit.constants import compare, const_text, fold, signed

Ref = int | str

LONG_CHAIN = 8
_COMMUTATIVE = frozenset(("add", "mul", "and", "or", "xor"))


@dataclass(frozen=True, slots=True)
class _Or:
    """rest | term, the latest of `length` ors; `line`: where it stands in its block."""

    length: int
    rest: str
    term: str
    line: int


def _bytes(bits: int) -> int:
    """Of a variable's place."""
    return -(-bits // 64) * 8


class Function:
    """The text of one LLVM function in the making.

    Pure operations are remembered within a block, so writing the same one twice gives the same name."""

    def __init__(self, name: str, signature: str, attributes: str = "#0"):
        self.name = name
        self._head = f"define {signature} {attributes} {{"
        self._entry: list[str] = []
        self._variables: list[tuple[str, int]] = []
        self.in_memory = False
        """Whether variables stay in memory, where LLVM else finds values of its own for them on every way."""
        self._lines: list[str | list[str]] = []
        self._known: dict[str, str] = {}
        self._ors: dict[str, _Or] = {}
        self._flags: dict[str, str] = {}
        self._swapped: dict[str, Ref] = {}
        self._narrow: dict[str, tuple[str, int]] = {}
        self._places: dict[str, str] = {}
        self._count = 0
        self.block = "entry"
        self.open = True
        self.declared: set[str] = set()

    # --- blocks ---

    def fresh(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def label(self, hint: str = "b") -> str:
        self._count += 1
        return f"{hint}{self._count}"

    def start(self, label: str) -> None:
        """Begin a block. The one before must have been ended."""
        assert not self.open, f"block {self.block} has no end"
        self._lines.append(f"{label}:")
        self._known.clear()
        self._swapped.clear()
        self._narrow.clear()
        self._ors.clear()
        self.block, self.open = label, True

    def end(self, text: str) -> None:
        assert self.open, f"block {self.block} ended twice"
        self._lines.append("  " + text)
        self.open = False

    def br(self, label: str) -> None:
        self.end(f"br label %{label}")

    def cond_br(self, cond: Ref, yes: str, no: str, likely: bool | None = None) -> None:
        if isinstance(cond, int):
            self.br(yes if cond else no)
            return
        weights = "" if likely is None else (", !prof !1" if likely else ", !prof !2")
        self.end(f"br i1 {cond}, label %{yes}, label %{no}{weights}")

    def defer(self) -> list[str]:
        """A gap in the text, to be filled with whole lines before `text` is called."""
        gap: list[str] = []
        self._lines.append(gap)
        return gap

    def text(self) -> str:
        assert not self.open
        out = [self._head, "entry:", *self._allocated(), *self._entry]
        for line in self._lines:
            if isinstance(line, str):
                out.append(line)
            else:
                out.extend(line)
        return "\n".join([*out, "}", ""])

    @property
    def size(self) -> int:
        return len(self._lines)

    @property
    def variables(self) -> int:
        return len(self._variables)

    @property
    def blocks(self) -> int:
        return sum(isinstance(line, str) and line.endswith(":") for line in self._lines)

    def _allocated(self) -> list[str]:
        """The lines that give variables their places."""
        if not self.in_memory:
            return [f"  {name} = alloca i{bits}, align 8" for name, bits in self._variables]
        lines = [f"  %slots.all = alloca [{sum(_bytes(b) for _, b in self._variables)} x i8], align 64"]
        lines.append('  %slots = call ptr asm "", "=r,0"(ptr %slots.all)')
        at = 0
        for name, bits in self._variables:
            lines.append(f"  {name} = getelementptr i8, ptr %slots, i64 {at}")
            at += _bytes(bits)
        return lines

    # --- instructions ---

    def variable(self, bits: int) -> str:
        """A place for a variable, made once at the function's entry."""
        name = self.fresh()
        self._variables.append((name, bits))
        return name

    def alloca(self, kind: str, align: int = 8) -> str:
        """A place on the stack, made once at the function's entry."""
        name = self.fresh()
        self._entry.append(f"  {name} = alloca {kind}, align {align}")
        return name

    def place(self, key: str, kind: str) -> str:
        """A stack slot that is shared by all who ask for `key`."""
        name = self._places.get(key)
        if name is None:
            name = self._places[key] = self.alloca(kind)
        return name

    def hoisted(self, key: str, word: int) -> str:
        """Pointer in word `word` of %state, loaded at the function's entry."""
        name = self._places.get(key)
        if name is None:
            at, name = self.fresh(), self.fresh()
            self._entry.append(f"  {at} = getelementptr i64, ptr %state, i64 {word}")
            self._entry.append(f"  {name} = load ptr, ptr {at}, align 8")
            self._places[key] = name
        return name

    def emit(self, text: str) -> str:
        """An instruction with a result that is not to be reused."""
        name = self.fresh()
        self._lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        self._lines.append("  " + text)

    def pure(self, text: str) -> str:
        """An instruction whose result depends on its text alone."""
        name = self._known.get(text)
        if name is None:
            name = self._known[text] = self.emit(text)
        return name

    def op(self, op: str, bits: int, a: Ref, b: Ref) -> Ref:
        if isinstance(a, int) and isinstance(b, int):
            return fold(op, bits, a & ((1 << bits) - 1), b & ((1 << bits) - 1))
        if isinstance(a, int) and op in _COMMUTATIVE:
            a, b = b, a
        if isinstance(b, int):
            b &= (1 << bits) - 1
            simple = self._simplify(op, bits, a, b)
            if simple is not None:
                return simple
        elif a == b:
            if op in ("and", "or"):
                return a
            if op in ("xor", "sub"):
                return 0
        name = self.pure(f"{op} i{bits} {self.ref(a, bits)}, {self.ref(b, bits)}")
        if op == "or" and isinstance(a, str) and isinstance(b, str):
            left, right = (self._ors[x].length if x in self._ors else 0 for x in (a, b))
            rest, term = (a, b) if left >= right else (b, a)
            self._ors.setdefault(name, _Or(max(left, right) + 1, rest, term, len(self._lines) - 1))
        return name

    def or_terms(self, name: str) -> list[tuple[str, int]]:
        """The terms of a chain of ors in the order they were joined, and the line behind which each is there."""
        terms = []
        link = self._ors.get(name)
        while link is not None:
            terms.append((link.term, link.line))
            name = link.rest
            link = self._ors.get(name)
        first = terms[-1][1] if terms else 0
        return [*terms, (name, first)][::-1]

    def any_bit(self, name: str, bits: int) -> Ref:
        """Whether a chain of ors is not 0. A long chain is written as vectors joined and reduced: left to itself, LLVM turns
        it into as many comparisons, and what follows from those stays scalar. Each vector is joined where its last term has
        come, or all would have to be kept until the end."""
        terms = self.or_terms(name)
        if len(terms) < LONG_CHAIN or bits not in (32, 64):
            return self.pure(f"icmp ne i{bits} {name}, 0")
        lanes = 512 // bits
        kind = f"<{lanes} x i{bits}>"
        total = ""
        for start in range(0, len(terms), lanes):
            group = terms[start : start + lanes]
            vector, lines = self._vector(kind, bits, [term for term, _ in group] + ["0"] * (lanes - len(group)))
            if total:
                joined = self.fresh()
                lines.append(f"  {joined} = or {kind} {total}, {vector}")
                vector = joined
            total = vector
            self._insert(max(line for _, line in group), lines)
        self.declared.add(f"declare i{bits} @llvm.vector.reduce.or.v{lanes}i{bits}({kind})")
        found = self.pure(f"call i{bits} @llvm.vector.reduce.or.v{lanes}i{bits}({kind} {total})")
        return self.pure(f"icmp ne i{bits} {found}, 0")

    def _vector(self, kind: str, bits: int, elements: list[str]) -> tuple[str, list[str]]:
        """Name of a vector and the lines that make it."""
        vector, lines = "poison", []
        for lane, element in enumerate(elements):
            name = self.fresh()
            lines.append(f"  {name} = insertelement {kind} {vector}, i{bits} {element}, i32 {lane}")
            vector = name
        return vector, lines

    def _insert(self, line: int, lines: list[str]) -> None:
        """Lines behind a line of the current block."""
        there = self._lines[line]
        self._lines[line] = [there, *lines] if isinstance(there, str) else [*there, *lines]

    @staticmethod
    def _simplify(op: str, bits: int, a: Ref, b: int) -> Ref | None:
        if b == 0 and op in ("add", "sub", "or", "xor", "shl", "lshr", "ashr"):
            return a
        if b == 0 and op in ("and", "mul"):
            return 0
        ones = (1 << bits) - 1
        if b == ones and op == "and":
            return a
        if b == ones and op == "or":
            return ones
        if b == 1 and op == "mul":
            return a
        return None

    def icmp(self, op: str, bits: int, a: Ref, b: Ref) -> Ref:
        if isinstance(a, int) and isinstance(b, int):
            mask = (1 << bits) - 1
            return compare(op, bits, a & mask, b & mask)
        if a == b:
            return int(op in ("eq", "ule", "uge", "sle", "sge"))
        if b == 0 and op in ("eq", "ne") and isinstance(a, str) and a in self._flags:
            return self._flags[a] if op == "ne" else self.not_(self._flags[a])
        if b == 0 and op in ("eq", "ne") and isinstance(a, str) and a in self._ors:
            found = self.any_bit(a, bits)
            return found if op == "ne" else self.not_(found)
        return self.pure(f"icmp {op} i{bits} {self.ref(a, bits)}, {self.ref(b, bits)}")

    def select(self, cond: Ref, bits: int, a: Ref, b: Ref) -> Ref:
        if isinstance(cond, int):
            return a if cond & 1 else b
        if a == b:
            return a
        if bits == 1 and isinstance(a, int) and isinstance(b, int):
            return cond if a else self.not_(cond)
        return self.pure(f"select i1 {cond}, i{bits} {self.ref(a, bits)}, i{bits} {self.ref(b, bits)}")

    def select_ptr(self, cond: Ref, a: str, b: str) -> str:
        if isinstance(cond, int):
            return a if cond & 1 else b
        return a if a == b else self.pure(f"select i1 {cond}, ptr {a}, ptr {b}")

    def mask_of(self, cond: str, bits: int) -> str:
        """All ones where `cond` holds, else 0."""
        wide = self.pure(f"sext i1 {cond} to i{bits}")
        return self.pure(f'call i{bits} asm "", "=r,0"(i{bits} {wide})')

    def hidden(self, address: str, kind: str = "ptr") -> str:
        """A pointer to an address about which LLVM learns no more, or it would for instance make a pointer of its own for
        each cell behind it, and carry them all."""
        return self.pure(f'call ptr asm "", "=r,0"({kind} {address})')

    def not_(self, a: Ref) -> Ref:
        return self.op("xor", 1, a, 1)

    def and_(self, a: Ref, b: Ref) -> Ref:
        return self.op("and", 1, a, b)

    def or_(self, a: Ref, b: Ref) -> Ref:
        return self.op("or", 1, a, b)

    def zext(self, a: Ref, bits: int, to: int) -> Ref:
        if isinstance(a, int) or bits == to:
            return a
        name = self.pure(f"zext i{bits} {a} to i{to}")
        if bits == 1:
            self._flags[name] = a
        self._narrow[name] = (a, bits)
        return name

    def sext(self, a: Ref, bits: int, to: int) -> Ref:
        if bits == to:
            return a
        if isinstance(a, int):
            return signed(a, bits) & ((1 << to) - 1)
        return self.pure(f"sext i{bits} {a} to i{to}")

    def trunc(self, a: Ref, bits: int, to: int) -> Ref:
        if bits == to:
            return a
        if isinstance(a, int):
            return a & ((1 << to) - 1)
        narrow, had = self._narrow.get(a, (a, 0))
        if had == to:
            return narrow
        return self.pure(f"trunc i{bits} {a} to i{to}")

    def resize(self, a: Ref, bits: int, to: int) -> Ref:
        """Zero-extend or cut."""
        return self.zext(a, bits, to) if to >= bits else self.trunc(a, bits, to)

    def intrinsic(self, name: str, bits: int, *args: Ref) -> Ref:
        """A pure LLVM intrinsic on integers of one width, e.g. llvm.umin."""
        params = ", ".join([f"i{bits}"] * len(args))
        self.declared.add(f"declare i{bits} @{name}.i{bits}({params})")
        return self.pure(f"call i{bits} @{name}.i{bits}({', '.join(f'i{bits} {self.ref(a, bits)}' for a in args)})")

    def bswap(self, a: Ref, bits: int) -> Ref:
        if bits == 8:
            return a
        if isinstance(a, int):
            return int.from_bytes((a & ((1 << bits) - 1)).to_bytes(bits // 8, "big"), "little")
        if a in self._swapped:
            return self._swapped[a]
        name = self.intrinsic("llvm.bswap", bits, a)
        assert isinstance(name, str)
        self._swapped[name] = a
        return name

    def gep(self, base: str, offset: Ref) -> str:
        """base + offset bytes (an i64)."""
        if offset == 0:
            return base
        return self.pure(f"getelementptr i8, ptr {base}, i64 {self.ref(offset, 64)}")

    def load(self, kind: str, pointer: str, align: int = 1, tag: str = "") -> str:
        return self.emit(f"load {kind}, ptr {pointer}, align {align}{tag}")

    def store(self, kind: str, value: str, pointer: str, align: int = 1, tag: str = "") -> None:
        self.do(f"store {kind} {value}, ptr {pointer}, align {align}{tag}")

    def call(self, kind: str, callee: str, args: Sequence[str]) -> str:
        return self.emit(f"call {kind} {callee}({', '.join(args)})")

    def call_void(self, callee: str, args: Sequence[str]) -> None:
        self.do(f"call void {callee}({', '.join(args)})")

    def memcpy(self, to: str, source: str, size: Ref) -> None:
        self.declared.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        self.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {source}, i64 {self.ref(size, 64)}, i1 false)")

    def memmove(self, to: str, source: str, size: Ref) -> None:
        self.declared.add("declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)")
        self.do(f"call void @llvm.memmove.p0.p0.i64(ptr {to}, ptr {source}, i64 {self.ref(size, 64)}, i1 false)")

    @staticmethod
    def ref(value: Ref, bits: int) -> str:
        return const_text(value, bits) if isinstance(value, int) else value
