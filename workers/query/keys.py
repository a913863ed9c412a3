"""64-bit keys: a bijection for integers, a hash with a dictionary for everything else.

A key's low bits name its lane and the next ones its cells, so they must be well mixed. An integer is mixed by a
bijection (the finaliser of SplitMix64, Steele et al., OOPSLA 2014): two integers never share a key, and the master
turns a key back into its integer. Anything else is hashed; workers send the master a dictionary of their distinct
keys, and it asks for another salt should two of them collide."""

from __future__ import annotations

import numpy as np

_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_STEP = np.uint64(0x9E3779B97F4A7C15)


def mix(values: np.ndarray) -> np.ndarray:
    """Keys of integers, (n,) any integer dtype -> (n,) uint64; distinct integers get distinct keys."""
    x = values.astype(np.int64, copy=False).view(np.uint64) if values.dtype.kind == "i" else values.astype(np.uint64)
    x = x + _STEP
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_FIRST)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_SECOND)
    return x ^ (x >> np.uint64(31))


def unmix(keys: np.ndarray) -> np.ndarray:
    """The integers behind keys: unmix(mix(x)) == x as uint64."""
    x = _unshift(keys.astype(np.uint64), 31) * np.uint64(pow(_SECOND, -1, 1 << 64))
    x = _unshift(x, 27) * np.uint64(pow(_FIRST, -1, 1 << 64))
    return _unshift(x, 30) - _STEP


def _unshift(y: np.ndarray, bits: int) -> np.ndarray:
    """x from y = x ^ (x >> bits)."""
    x = y
    for _ in range(64 // bits):
        x = y ^ (x >> np.uint64(bits))
    return x
