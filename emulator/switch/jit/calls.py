"""Calls from compiled code that Python answers: their arguments lie in scratch memory, as externs.py put them there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emulator.switch.externs import Cell, Externs
from emulator.switch.jit.gen import Site


def number(scratch: np.ndarray, at: int, bits: int, signed: bool) -> int:
    return int.from_bytes(scratch[at : at + bits // 8].tobytes(), "little", signed=signed)


def message(site: Site, scratch: np.ndarray) -> str:
    """The text of a log_msg."""
    words = []
    at = 0
    for bits, signed in site.shape:
        words.append(str(number(scratch, at, bits, signed)))
        at += bits // 8
    parts = site.text.split("{}")
    words += ["{}"] * (len(parts) - 1 - len(words))
    return "".join(part + word for part, word in zip(parts, [*words[: len(parts) - 1], ""], strict=True))


def extern(site: Site, scratch: np.ndarray, externs: Externs) -> None:
    """Calls the extern and writes its cells back."""
    values: list[Any] = []
    places: list[tuple[Cell, int, int]] = []
    at = 0
    instance, results, *shape = site.shape
    for kind, what, *rest in shape:
        if kind == "text":
            values.append(what)
            continue
        found = _numbers(scratch, at, what)
        if kind == "cell":
            cell = Cell(found[0], *rest)
            places.append((cell, at, what[0][0]))
            values.append(cell)
        else:
            values.append(tuple(found) if kind == "tuple" else bool(found[0]) if kind == "bool" else Cell(found[0]))
        at += sum(bits for bits, _ in what) // 8
    externs.call(instance, site.text, values, results)
    for cell, at, bits in places:
        value = cell.value & ((1 << bits) - 1)
        scratch[at : at + bits // 8] = np.frombuffer(value.to_bytes(bits // 8, "little"), np.uint8)


def _numbers(scratch: np.ndarray, at: int, sizes: Sequence[tuple[int, bool]]) -> list[int]:
    found = []
    for bits, signed in sizes:
        found.append(number(scratch, at, bits, signed))
        at += bits // 8
    return found

