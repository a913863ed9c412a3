"""What the native externs (emulator/native/externs.h) work on: parameters of hashes, and random numbers drawn ahead."""

from __future__ import annotations

import random

import numpy as np

from emulator.native import lib_and_ffi
from emulator.switch import hashes
from emulator.switch.control import Control
from emulator.switch.model import Model

SPEC_WORDS = 4 + 256
"""64-bit words of struct fpx_hash_spec."""
CRC, ROUND_ROBIN, RANDOM = 0, 6, 7
STATEFUL = {"round_robin": ROUND_ROBIN, "random": RANDOM}
"""Algorithms with state that native code keeps; `round_robin_consistent` is left to Python."""
KINDS: dict[hashes.HashFunction, int] = {
    hashes.xor16: 1,
    hashes.xor32: 2,
    hashes.identity: 3,
    hashes.xxh64: 4,
    hashes.toeplitz: 5,
}
DRAWN_AHEAD = 256


def hash_names(model: Model) -> list[str]:
    """Calculations and selectors; a hash's number is its place here."""
    return [c.name for c in model.calculations] + [p.name for p in model.action_profiles if p.selector_algo]


def address_of(function: str) -> int:
    """Of fpx_hash, fpx_append, fpx_meter, fpx_draw."""
    lib, ffi = lib_and_ffi()
    return int(ffi.cast("intptr_t", ffi.addressof(lib, function)))


class HashSpecs:
    """Parameters of each hash; a change of a custom CRC is written in place. random: what hashes draw from."""

    def __init__(self, model: Model, control: Control, random: RandomSource):
        self._control = control
        self._random = random
        self.names = hash_names(model)
        self._algos = {c.name: c.algo for c in model.calculations}
        self._algos.update({p.name: p.selector_algo or "" for p in model.action_profiles})
        self.words = np.zeros((max(1, len(self.names)), SPEC_WORDS), np.uint64)
        for name in self.names:
            self.write(name)

    def address(self, number: int) -> int:
        return int(self.words[number].ctypes.data)

    def write(self, name: str) -> None:
        row, kind = self.words[self.names.index(name)], STATEFUL.get(self._algos[name])
        if kind is None:
            write_spec(row, self._control.hashes.function(name))
        else:
            row[:1].view(np.uint32)[0] = kind
            row[4] = self._random.address if kind == RANDOM else 0


def write_spec(row: np.ndarray, function: hashes.HashFunction) -> None:
    """A struct fpx_hash_spec; functions that keep state are not called through one."""
    head = row[:2].view(np.uint32)
    if isinstance(function, hashes.Crc):
        head[:] = CRC, function.width, function.reflect_in, function.reflect_out
        row[2], row[3] = function.init, function.xor_out
        row[4:] = np.array(hashes.crc_table(function), np.uint64)
    else:
        head[0] = KINDS.get(function, KINDS[hashes.identity])


class RandomSource:
    """struct fpx_random: numbers from the switch's generator, in its order."""

    def __init__(self, rng: random.Random):
        _, ffi = lib_and_ffi()
        self._rng = rng
        self._numbers = np.zeros(DRAWN_AHEAD, np.uint64)
        self._refill = ffi.callback("void(void)", self._draw)
        self._struct = ffi.new("struct fpx_random *")
        self._struct.next = self._struct.count = len(self._numbers)
        self._struct.numbers = ffi.cast("uint64_t *", self._numbers.ctypes.data)
        self._struct.refill = self._refill
        self.address = int(ffi.cast("intptr_t", self._struct))

    def _draw(self) -> None:
        self._numbers[:] = [self._rng.getrandbits(64) for _ in range(len(self._numbers))]
