"""The hash functions of one running switch: custom CRC parameters and the hashes that keep state."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from emulator.switch.errors import ControlError
from emulator.switch.hashes import CUSTOM, STATEFUL, Crc, HashFunction, algorithm
from emulator.switch.model import Model


class HashState:
    """Calculations and selectors keep their own CRC parameters, as set by the control plane."""

    def __init__(self, model: Model, rng: random.Random | None = None):
        self.changed: Any = lambda name: None
        self._rng = rng or random.Random()
        self._algos = {c.name: c.algo for c in model.calculations}
        self._algos.update({p.name: p.selector_algo for p in model.action_profiles if p.selector_algo})
        self._functions = {name: self._make(algo) for name, algo in self._algos.items()}

    def seed(self, rng: random.Random) -> None:
        self._rng = rng
        self._functions = {name: self._make(algo) for name, algo in self._algos.items()}

    def function(self, name: str) -> HashFunction:
        """The present function of a calculation, or of an action profile's selector."""
        return self._functions[name]

    def call(self, name: str) -> HashFunction:
        """A function that always follows later changes of parameters."""
        functions = self._functions
        if self._algos[name] not in CUSTOM:
            return functions[name]
        return lambda data: self._functions[name](data)

    def set_crc(
        self,
        name: str,
        poly: int,
        init: int = 0,
        xor_out: int = 0,
        *,
        reflect_in: bool = False,
        reflect_out: bool = False,
    ) -> None:
        """New parameters for a calculation or selector whose algorithm is crc*_custom."""
        algo = self._algos.get(name)
        if algo is None:
            raise ControlError("not_found", f"there is no calculation {name!r}")
        width = CUSTOM.get(algo)
        if width is None:
            raise ControlError("invalid", f"calculation {name!r} is {algo}, which has no parameters")
        if any(not 0 <= v < 1 << width for v in (poly, init, xor_out)):
            raise ControlError("invalid", f"a parameter of calculation {name!r} does not fit {width} bits")
        self._functions[name] = Crc(width, poly, init, reflect_in, reflect_out, xor_out)
        self.changed(name)

    def _make(self, algo: str) -> HashFunction:
        if algo not in STATEFUL:
            return algorithm(algo)
        return STATE_MAKERS[algo](self._rng)


def _round_robin(rng: random.Random) -> HashFunction:
    count = -1

    def following(data: bytes) -> int:
        nonlocal count
        count = (count + 1) & 0xFFFFFFFF
        return count

    return following


def _consistent(rng: random.Random) -> HashFunction:
    """Round robin over inputs: an input seen before keeps its number."""
    seen: dict[bytes, int] = {}

    def number(data: bytes) -> int:
        if len(seen) >= 1 << 16:
            seen.clear()
        return seen.setdefault(data, len(seen))

    return number


def _random(rng: random.Random) -> HashFunction:
    return lambda data: rng.getrandbits(64)


STATE_MAKERS: dict[str, Callable[[random.Random], HashFunction]] = {
    "round_robin": _round_robin,
    "round_robin_consistent": _consistent,
    "random": _random,
}
