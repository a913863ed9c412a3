"""Values as the switch sees them: binary32 on the wire, and integers of the same order in its comparisons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.query.errors import QueryError


@dataclass(frozen=True)
class Narrowed:
    """values (n,) float32; exact: no value changed; largest: greatest finite magnitude before narrowing."""

    values: np.ndarray
    exact: bool
    largest: float


def narrow(values: np.ndarray, name: str = "value") -> Narrowed:
    """To binary32, to nearest: a <= b stays a <= b, so what is strictly less afterwards was less before.

    Raises QueryError where a finite value becomes infinite."""
    if values.dtype == np.float32:
        return Narrowed(values, True, _largest(values))
    wide = values.astype(np.float64, copy=False)
    with np.errstate(over="ignore"):
        small = wide.astype(np.float32)
    same = bool((small == wide).all())
    largest = _largest(wide)
    if not same:
        finite = np.isfinite(wide)
        if np.isinf(small[finite]).any():
            raise QueryError(f"column {name} holds a number beyond the range of binary32, 3.4e38")
        same = bool((small[finite] == wide[finite]).all())
    if values.dtype.kind in "iu" and largest >= 2.0**53:
        same = False  # the step to binary64 may have rounded already
    return Narrowed(small, same, largest)


def _largest(values: np.ndarray) -> float:
    """The greatest finite magnitude; 0 if there is none."""
    if not len(values):
        return 0.0
    low, high = float(values.min()), float(values.max())  # NaN shows in both
    if not (np.isfinite(low) and np.isfinite(high)):
        values = values[np.isfinite(values)]
        low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    return max(abs(low), abs(high))


def order(values: np.ndarray, flip: bool = False) -> np.ndarray:
    """Integers that compare as p4src/fp_order.p4's do: (n,) float32 -> (n,) uint32."""
    bits = values.astype(np.float32).view(np.uint32)
    magnitude = bits & np.uint32(0x7FFFFFFF)
    negative = (bits >> np.uint32(31) == 1) & (magnitude != 0)
    ordered = np.where(negative, ~bits, bits | np.uint32(0x80000000))
    ordered = np.where(magnitude > 0x7F800000, np.uint32(0xFFFFFFFF), ordered)
    return ~ordered if flip else ordered
