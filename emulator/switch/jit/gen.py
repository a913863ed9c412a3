"""The state of code generation within one function: variables, the current path, and its predicate.

Straight-line code keeps variables' values in `Path.env` and writes them to their stack slots only when control
really branches (`flush`). Small branches do not: both arms are generated on forks of the path and merged
with selects (`merge`), so that neighbouring instances stay in one basic block, where LLVM's SLP
vectoriser finds them. Side effects on such an arm are made harmless by the path's predicate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.switch.jit.baked import Content
from emulator.switch.jit.home_plan import Home
from emulator.switch.jit.homes import Homes
from emulator.switch.jit.ir import Function, Ref
from emulator.switch.jit.phv import Buffer, Phv, Var
from emulator.switch.jit.placement import RegisterLayout
from emulator.switch.jit.recall import Recall
from emulator.switch.jit.values import Arith, Val, const, signed_range, unsigned_range
from emulator.switch.model import Model

CLEARED = 1 << 16
"""A variable that can be this large is cleared by a mask, a smaller one by a choice, from which more follows."""


@dataclass(slots=True, eq=False)
class Path:
    """pred: i1, whether the packet is on this path (1: surely, given the basic block).

    env holds the values set on this path; others are those of `base`, the path it forked from. dirty: variables whose
    slots are out of date. noted: what is on record already (`notes.note`), with its condition."""

    pred: Ref = 1
    base: Path | None = None
    env: dict[Var, Val] = field(default_factory=dict)
    dirty: set[Var] = field(default_factory=set)
    noted: set[tuple[str, Ref]] = field(default_factory=set)
    depth: int = 0

    def fork(self, pred: Ref) -> Path:
        return Path(pred, self, depth=self.depth + 1)

    def find(self, var: Var) -> Val | None:
        path: Path | None = self
        while path is not None:
            value = path.env.get(var)
            if value is not None:
                return value
            path = path.base
        return None

    def knows(self, note: tuple[str, Ref]) -> bool:
        path: Path | None = self
        while path is not None:
            if note in path.noted:
                return True
            path = path.base
        return False

    @property
    def root(self) -> Path:
        path = self
        while path.base is not None:
            path = path.base
        return path

    def layers(self, ancestor: Path) -> list[Path]:
        """This path and those below it down to `ancestor`, which is left out; the oldest first."""
        found = []
        path = self
        while path is not ancestor:
            found.append(path)
            assert path.base is not None
            path = path.base
        return found[::-1]

    def absorb(self, later: Path) -> None:
        """Takes over what a path that forked from this one has changed."""
        for layer in later.layers(self):
            self.env.update(layer.env)
            self.dirty |= layer.dirty


def common(paths: list[Path]) -> Path:
    """The youngest path that all have forked from."""
    nearest = paths[0]
    for path in paths[1:]:
        while nearest is not path:
            if nearest.depth >= path.depth:
                assert nearest.base is not None
                nearest = nearest.base
            else:
                assert path.base is not None
                path = path.base
    return nearest


class Frame:
    """Stack slots of variables, made on first use; `fill` writes their initial values where `begin` was called."""

    def __init__(self, fn: Function, initial: Callable[[Frame, Var, str], list[str]]):
        self.fn = fn
        self.slots: dict[Var, str] = {}
        self.initial = initial
        self.written: set[Var] = set()
        self._prologue: list[str] | None = None

    def begin(self) -> None:
        self._prologue = self.fn.defer()

    def slot(self, var: Var) -> str:
        name = self.slots.get(var)
        if name is None:
            name = self.slots[var] = self.fn.variable(var.bits)
            assert self._prologue is not None
            self._prologue.extend(self.initial(self, var, name))
        return name


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the program that calls out: what Python needs to know about it."""

    kind: str
    text: str
    shape: tuple[Any, ...] = ()


@dataclass(slots=True)
class Shared:
    """What the functions of one compiled program have in common.

    addresses: (kind, number) -> word of the state table that holds the address. tags: alias classes of memory.
    baked: contents of tables to compile in, by table index. queued: packets may have to wait at ports with a rate.
    homes: of headers that stay in memory."""

    model: Model
    phv: Phv
    layout: RegisterLayout
    drop_port: int
    max_length: int
    baked: Mapping[int, Content] = field(default_factory=dict)
    addresses: dict[tuple[str, int], int] = field(default_factory=dict)
    tags: dict[str, int] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    helpers: set[str] = field(default_factory=set)
    queued: bool = False
    homes: tuple[Home, ...] = ()

    def word(self, kind: str, number: int = 0) -> int:
        return self.addresses.setdefault((kind, number), len(self.addresses))

    def tag(self, name: str) -> str:
        """Metadata that says which class of memory an access belongs to."""
        number = self.tags.setdefault(name, 100 + 2 * len(self.tags))
        return f", !tbaa !{number}"


class Gen:
    """Generation of one function, whose first argument %state is the table of addresses.

    data, length: the packet as it came in (pointer and i64)."""

    def __init__(self, fn: Function, shared: Shared, frame: Frame, data: str, length: Ref):
        self.fn = fn
        self.shared = shared
        self.model = shared.model
        self.phv = shared.phv
        self.layout = shared.layout
        self.helpers = shared.helpers
        self.max_length = shared.max_length
        self.frame = frame
        self.data = data
        self.data_length = length
        self.arith = Arith(fn)
        self.path = Path()
        self.recall = Recall(fn)
        self.recall.fetch_all = self._fetch_all
        self.homes = Homes(self, shared.homes)
        self.params: tuple[Val, ...] = ()
        self.lookahead: Callable[[int, int], Val] | None = None
        self.buffers_base = "%phv"
        self.guard: Ref = 1
        """Whether the expression being generated counts: it may be the arm of a `?:` that is not taken."""
        self.noted = False
        self.packet_number: str | None = None
        """Where the packet's number in its batch lies (i32); None where there is no batch."""

    # --- memory ---

    def address(self, kind: str, number: int = 0) -> str:
        """A pointer from the state table, loaded once at the function's entry."""
        return self.fn.hoisted(f"{kind}.{number}", self.shared.word(kind, number))

    def tag(self, name: str) -> str:
        """Alias class: accesses with different tags never meet."""
        return self.shared.tag(name)

    def site(self, site: Site) -> int:
        if site in self.shared.sites:
            return self.shared.sites.index(site)
        self.shared.sites.append(site)
        return len(self.shared.sites) - 1

    def buffer(self, buffer: Buffer) -> str:
        return self.fn.gep(self.buffers_base, buffer.offset)

    def fuel(self) -> str:
        return self.fn.place("fuel", "i32")

    def key_space(self, words: int) -> str:
        return self.fn.place(f"key{words}", f"[{words} x i64]")

    # --- the packet ---

    def drop_port(self) -> Val:
        return const(self.shared.drop_port)

    def arrived_length(self) -> Ref:
        """Bytes of the packet as it came in (i32)."""
        return self.fn.trunc(self.data_length, 64, 32)

    def payload(self) -> tuple[str, Ref]:
        """Pointer to and number (i64) of the bytes behind the parsed headers; of all bytes while the parser runs."""
        if self.lookahead is not None:
            return self.data, self.data_length
        at = self.arith.widen(self.get(self.phv.own.position), 64)
        return self.fn.gep(self.data, at), self.fn.op("sub", 64, self.data_length, at)

    # --- variables ---

    def get(self, var: Var) -> Val:
        value = self.path.find(var)
        if value is None and var in self.phv.always:
            return const(1)
        if value is None:
            value = self._fetch(var)
        if value is None:
            value = self.homes.read(var)
        if value is None:
            ref = self.fn.load(f"i{var.bits}", self.frame.slot(var), 8)
            value = Val(ref, var.bits, *(signed_range(var.width) if var.signed else unsigned_range(var.width)))
            self.path.root.env[var] = value
        return value

    def _fetch(self, var: Var) -> Val | None:
        value = self.recall.fetch(var)
        if value is not None:
            self.path.root.env[var] = value
            self.path.root.dirty.add(var)
        return value

    def _fetch_all(self) -> None:
        for var in list(self.recall.waiting):
            if var in self.path.root.env:
                self.recall.waiting.pop(var)
            else:
                self._fetch(var)

    def set(self, var: Var, value: Val, cond: Ref = 1) -> None:
        """Store modulo the variable's width, where `cond` holds."""
        if isinstance(cond, int) and not cond & 1:
            return
        fitted = self.arith.wrap(value, var.width) if var.signed else self.arith.mask(value, var.width)
        if not isinstance(cond, int):
            fitted = self.arith.select(cond, fitted, self.get(var))
        self.path.env[var] = fitted
        self.path.dirty.add(var)

    def set_const(self, var: Var, value: int, cond: Ref = 1) -> None:
        self.set(var, const(value), cond)

    def flag(self, var: Var) -> Ref:
        """A 0/1 variable as i1."""
        return self.arith.nonzero(self.get(var))

    # --- paths ---

    def flush(self) -> None:
        """Write the path's values to their slots; afterwards a block may end."""
        assert self.path.base is None, "a path with a predicate cannot branch"
        self._fetch_all()
        self.homes.flush()
        for var in sorted(self.path.dirty, key=lambda v: v.offset):
            value = self.path.env[var]
            ref = self.arith.widen(value, var.bits) if value.bits <= var.bits else self.arith.modulo(value, var.bits)
            self.fn.store(f"i{var.bits}", self.fn.ref(ref, var.bits), self.frame.slot(var), 8)
        self.frame.written |= self.path.dirty
        self.path.dirty.clear()

    def goto(self, label: str) -> None:
        self.flush()
        self.fn.br(label)

    def branch(self, cond: Ref, yes: str, no: str, likely: bool | None = None, sole: tuple[str, ...] = ()) -> None:
        """sole: those of the two to which no other block leads."""
        self._fetch_all()
        self.recall.leave({v: self.path.env[v] for v in self.path.dirty if v not in self.homes.of}, sole)
        self.flush()
        self.fn.cond_br(cond, yes, no, likely)

    def start(self, label: str) -> None:
        """Begin a block; what the variables hold is in their slots."""
        self.fn.start(label)
        self.path = Path()
        self.recall.start(label)

    def branch_if(self, cond: Ref, body: Callable[[], None], likely: bool | None = None) -> None:
        """A real branch around `body`, for what must not be done otherwise."""
        if isinstance(cond, int):
            if cond & 1:
                body()
            return
        yes, after = self.fn.label("then"), self.fn.label("after")
        self.branch(cond, yes, after, likely)
        self.start(yes)
        body()
        self.goto(after)
        self.start(after)

    def on(self, cond: Ref) -> Ref:
        """cond, and the packet is on this path: the condition of a side effect."""
        return self.fn.and_(self.path.pred, cond)

    def merge(self, arms: list[tuple[Ref, Path]], pred: Ref) -> Path:
        """One path from several that exclude one another; `arms` pair a path with the condition of having
        come along it. The last one's condition is not looked at."""
        if len(arms) == 1:
            arms[0][1].pred = pred
            return arms[0][1]
        ancestor = common([path for _, path in arms])
        result = ancestor.fork(pred)
        for path in (p for _, p in arms):
            for layer in path.layers(ancestor):
                result.dirty |= layer.dirty
        self.homes.merge(arms, result)
        for var in sorted(result.dirty - result.env.keys(), key=lambda v: v.offset):
            value = self._of(arms[-1][1], var)
            for cond, path in reversed(arms[:-1]):
                value = self._choose(cond, self._of(path, var), value)
            result.env[var] = value
        return result

    def _choose(self, cond: Ref, a: Val, b: Val) -> Val:
        if a.const == 0 and b.bits == 32 and b.hi >= CLEARED:
            return self.arith.keep(self.fn.not_(cond), b)
        if b.const == 0 and a.bits == 32 and a.hi >= CLEARED:
            return self.arith.keep(cond, a)
        return self.arith.select(cond, a, b)

    def _of(self, path: Path, var: Var) -> Val:
        keep, self.path = self.path, path
        value = self.get(var)
        self.path = keep
        return value
