"""Large headers stay in memory: where the packet holds them, until somebody writes them.

A packet of 256 values does not fit into the processor's registers. Were each field a variable of its own, LLVM would load
all of them in the parser, carry them past every look-up and store them on its stack where paths meet. So a large header
has a *home*, one variable with the address of its bytes: in the packet, in a block of zeros while nobody has extracted it,
or in the function's own block after a write. Fields are loaded where they are used. Fields written wait in the path's
environment like any others and go to the own block where control branches. Where paths are merged whose headers are all
in some memory, only the address is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.switch.jit.home_plan import POINTER, SUFFIX, Home
from emulator.switch.jit.ir import Ref
from emulator.switch.jit.phv import Var
from emulator.switch.jit.values import Val, container, unsigned_range

if TYPE_CHECKING:
    from emulator.switch.jit.gen import Gen, Path

TAG = "home"
ZEROS = "@fp_zeros"
LINE = 64
"""Bytes of the own block that LLVM is to see as neighbours: one vector's."""


def is_address(var: Var) -> bool:
    return var.name.endswith(SUFFIX)


class Homes:
    """The homes in one function's frame, whose own blocks are its."""

    def __init__(self, g: Gen, planned: tuple[Home, ...]):
        self.g = g
        self.of = {var: home for home in planned for var in home.offsets}
        self.by_header = {home.header: home for home in planned}
        self._own: dict[int, str] = {}
        self._there: dict[tuple[str, Var], Ref] = {}
        """(address, field) -> the value as it was loaded from there or stored to it."""
        if planned:
            size = -(-max(home.size for home in planned) // 64) * 64
            g.fn.declared.add(f"{ZEROS} = private constant [{size} x i8] zeroinitializer, align 64")

    # --- memory ---

    def extract(self, header: int, pointer: str) -> bool:
        """The header begins at `pointer` in the packet. False if it has no home."""
        home = self.by_header.get(header)
        if home is None:
            return False
        self._move(home, self.g.path, self._number(pointer))
        if home.swapped:  # the network's order is the other one
            for var in home.offsets:
                value = self.g.path.env[var]
                ref = self.g.fn.bswap(self.g.fn.trunc(value.ref, var.bits, var.width), var.width)
                self.g.path.env[var] = self._value(var, ref)
                self.g.path.dirty.add(var)
        return True

    def clear(self, header: int, when: Ref) -> bool:
        """All fields become 0 where `when` holds. False if that has to be done field by field."""
        home = self.by_header.get(header)
        place = None if home is None else self._place(home, self.g.path)
        if home is None or place is None:
            return False
        self._move(home, self.g.path, self.g.arith.select(when, self._number(ZEROS), place))
        return True

    def _number(self, pointer: str) -> Val:
        return Val(self.g.fn.pure(f"ptrtoint ptr {pointer} to i64"), POINTER, *unsigned_range(POINTER))

    def _value(self, var: Var, ref: Ref) -> Val:
        bits = container(var.width)
        return Val(self.g.fn.zext(ref, var.width, bits), bits, *unsigned_range(var.width))

    def _move(self, home: Home, path: Path, address: Val) -> None:
        """From here on the path's header lies at `address`, and no field is known to differ."""
        path.env[home.address] = address
        path.dirty.add(home.address)
        for var in home.offsets:
            path.env[var] = self._load(home, var, address)
            path.dirty.discard(var)

    def _load(self, home: Home, var: Var, address: Val) -> Val:
        fn = self.g.fn
        assert isinstance(address.ref, str)
        pointer = fn.hidden(address.ref, "i64")
        ref: Ref = fn.load(f"i{var.width}", fn.gep(pointer, home.offsets[var]), 1, self.g.tag(TAG))
        if not home.swapped:
            ref = fn.bswap(ref, var.width)
        value = self._value(var, ref)
        self._there[address.ref, var] = value.ref
        return value

    def read(self, var: Var) -> Val | None:
        """A field nobody has set on the present path."""
        home = self.of.get(var)
        if home is None:
            return None
        path = self.g.path
        while path.base is not None and home.address not in path.env:
            path = path.base
        value = path.env[var] = self._load(home, var, self._address(path, home))
        return value

    def _address(self, path: Path, home: Home) -> Val:
        found = path.find(home.address)
        return self.g.get(home.address) if found is None else found

    # --- branches ---

    def flush(self) -> None:
        """Fields that differ from memory go to the own block."""
        path = self.g.path
        for home in self.by_header.values():
            if any(var in path.dirty for var in home.offsets):
                self._write(home, path)

    def _write(self, home: Home, path: Path) -> None:
        address = self._address(path, home)
        changed = [
            v for v in home.offsets if v in path.dirty and self._there.get((str(address.ref), v)) != path.env[v].ref
        ]
        path.dirty.difference_update(home.offsets)
        if not changed:
            return
        fn = self.g.fn
        own = self._own_block(home)
        if len(changed) < len(home.offsets):
            fn.memmove(own, fn.hidden(str(address.ref), "i64"), home.size)
        new = self._number(own)
        for var in home.offsets:
            self._there.pop((str(new.ref), var), None)
        for var in changed:
            self._store(home, var, path.env[var], own)
            self._there[str(new.ref), var] = path.env[var].ref
        path.env[home.address] = new
        path.dirty.add(home.address)

    def _own_block(self, home: Home) -> str:
        if home.header not in self._own:
            self._own[home.header] = self.g.fn.alloca(f"[{home.size} x i8]", LINE)
        return self._own[home.header]

    def _store(self, home: Home, var: Var, value: Val, own: str) -> None:
        fn = self.g.fn
        ref = self.g.arith.modulo(value, var.width)
        if not home.swapped:
            ref = fn.bswap(ref, var.width)
        line, rest = divmod(home.offsets[var], LINE)
        pointer = fn.gep(fn.hidden(fn.gep(own, line * LINE)), rest)
        fn.store(
            f"i{var.width}", fn.ref(ref, var.width), pointer, LINE if rest == 0 else var.width // 8, self.g.tag(TAG)
        )

    # --- merged paths ---

    def merge(self, arms: list[tuple[Ref, Path]], result: Path) -> None:
        """Headers that all arms have in memory, or all zero: the address is chosen, and no field. Others are chosen field by
        field, all of them where arms had different addresses."""
        for home in self.by_header.values():
            if home.address in result.dirty or any(var in result.dirty for var in home.offsets):
                self._merge(home, arms, result)

    def _merge(self, home: Home, arms: list[tuple[Ref, Path]], result: Path) -> None:
        places = [self._place(home, path) for _, path in arms]
        if any(place is None for place in places):
            if home.address in result.dirty:
                result.dirty.update(home.offsets)
            return
        chosen = places[-1]
        for (cond, _), place in zip(reversed(arms[:-1]), reversed(places[:-1]), strict=True):
            assert place is not None and chosen is not None
            chosen = self.g.arith.select(cond, place, chosen)
        assert chosen is not None
        result.dirty.discard(home.address)
        self._move(home, result, chosen)

    def _place(self, home: Home, path: Path) -> Val | None:
        """Address of memory that holds just what the header's fields are on this path."""
        address = self._address(path, home)
        found = {var: path.find(var) for var in home.offsets}
        if all(v is None or self._there.get((str(address.ref), var)) == v.ref for var, v in found.items()):
            return address
        if all(v is not None and v.const == 0 for v in found.values()):
            return self._number(ZEROS)
        return None
