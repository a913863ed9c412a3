"""C code of the switch and the workers: table look-ups, packet rings, the worker engine."""

from __future__ import annotations

from functools import cache
from typing import Any


def lib_and_ffi() -> tuple[Any, Any]:
    """The compiled library and its cffi handle. Raises RuntimeError with one sentence when it was not
    built."""
    try:
        from emulator.native._native import ffi, lib  # type: ignore[import-not-found]
    except ImportError as error:
        raise RuntimeError(f"the C part is not built ({error}); run: python -m emulator.native.build") from None
    return lib, ffi


@cache
def lib_and_ffi_if_built() -> tuple[Any, Any] | None:
    """The same for who has another way: None where the C part was not built."""
    try:
        return lib_and_ffi()
    except RuntimeError:
        return None
