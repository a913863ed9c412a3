"""Gradients recorded by training runs: .npy and .npz files of float32 arrays (workers, elements)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fpisa.batch import Array


class RecordingError(ValueError):
    """A file that holds no gradients that could be summed; the message is one sentence."""


def recordings(path: str) -> dict[str, Array]:
    """Gradients by name, from a file or from all .npy and .npz files below a directory.

    Raises RecordingError.
    """
    start = Path(path)
    if not start.exists():
        raise RecordingError(f"{path}: there is no such file or directory")
    inside = sorted(file for file in start.rglob("*") if file.suffix in (".npy", ".npz"))
    files = [start] if start.is_file() else inside
    found = {name: array for file in files for name, array in load(file)}
    if not found:
        raise RecordingError(f"{path}: no .npy or .npz file with gradients (workers, elements) in it")
    return found


def load(file: Path) -> Iterator[tuple[str, Array]]:
    """The arrays of one file, checked. Arrays of more dimensions are flattened after the first."""
    try:
        loaded = np.load(file, allow_pickle=False)
        arrays = [("", loaded)] if isinstance(loaded, np.ndarray) else list(loaded.items())
    except (ValueError, OSError, EOFError, KeyError):
        raise RecordingError(f"{file}: not a NumPy file of plain numbers") from None
    except Exception as error:  # a damaged archive raises whatever its reader likes
        raise RecordingError(f"{file}: damaged ({type(error).__name__})") from None
    for key, array in arrays:
        name = f"{file.stem}:{key}" if key else file.stem
        yield name, check(name, array)


def check(name: str, array: Array) -> Array:
    """float32 (workers, elements) with 2 workers or more, all finite; RecordingError otherwise."""
    if array.dtype.kind != "f":
        raise RecordingError(f"{name}: needs floats, got {array.dtype}")
    if array.ndim < 2 or array.shape[0] < 2 or array.size == 0:
        raise RecordingError(f"{name}: needs (workers, elements) with 2 workers or more, got {array.shape}")
    with np.errstate(over="ignore"):
        flat = np.ascontiguousarray(array.reshape(array.shape[0], -1), np.float32)
    bad = int(np.count_nonzero(~np.isfinite(flat)))
    if bad:
        raise RecordingError(f"{name}: {bad} of {flat.size} values are infinite or NaN")
    return flat
