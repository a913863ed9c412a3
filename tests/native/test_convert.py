"""The baseline's conversion: every width of vectors gives the bits that the plain code gives."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from emulator.native import lib_and_ffi
from emulator.native.engine import set_vectors


@pytest.fixture(autouse=True)
def widest_again() -> Iterator[None]:
    yield
    set_vectors(-1)


def converted(values: np.ndarray, scale: float) -> list[bytes]:
    """Exponent, quantised, taken back, and swapped."""
    lib, ffi = lib_and_ffi()
    out, back, swapped = np.empty(len(values), ">i4"), np.empty_like(values), np.empty_like(values)

    def at(array: np.ndarray, kind: str) -> object:
        return ffi.cast(kind, array.ctypes.data)

    exponent = lib.fpw_exponent(at(values, "float *"), len(values))
    lib.fpw_quantise(at(values, "float *"), at(out, "uint8_t *"), len(values), scale)
    lib.fpw_dequantise(at(out, "uint8_t *"), at(back, "float *"), len(values), scale)
    lib.fpw_swap(at(values, "void *"), at(swapped, "void *"), len(values))
    return [str(exponent).encode(), out.tobytes(), back.tobytes(), swapped.tobytes()]


def test_all_widths_agree() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    lib, _ = lib_and_ffi()
    corners = np.array([0.0, -0.0, 1e-45, -1e-38, 0.5, 1.5, 2.5, -2.5, 2.0**31, -(2.0**31), 3.4e38], np.float32)
    for n in (1, 7, 8, 15, 16, 17, 64, 250, 256):
        values = (rng.standard_normal(n) * 2.0 ** rng.integers(-30, 30, n)).astype(np.float32)
        values[: min(n, len(corners))] = corners[:n] if n % 2 else corners[: min(n, len(corners))] * 2.0**-40
        scale = float(lib.fpw_scale(int(rng.integers(-60, 60)), 3))
        found = {set_vectors(width): converted(values, scale) for width in (0, 1, 2)}
        assert all(one == found[0] for one in found.values()), (seed, n)
