"""Externs that a program declares itself, written in Python.

class Ring:                           # extern Ring { Ring(bit<32> size); void push(in bit<32> v, out bit<32> n); }
    def __init__(self, size): ...
    def push(self, v, n): n.value = v.value

def twice(result, value):             # extern void twice(out bit<16> result, in bit<16> value);
    result.value = 2 * value.value

def half(value):                      # extern bit<16> half(in bit<16> value);
    return value.value // 2

switch = Switch.load("prog.json", externs={"Ring": Ring, "twice": twice, "half": half})

In the JSON a call is a primitive `_Ring_push` or `twice`; where it returns something, a member "returns" says how many of
its parameters, the first behind the instance, are the fields that take it (a struct has one for each number in it, returned
as a tuple). A number arrives as a Cell, whatever its direction: the JSON does not tell which are out. What is stored in it
counts where the argument is a field. Conditions arrive as bool, structs as tuples of int, strings as str. A constructor gets
the extern's attributes by name.
"""

from __future__ import annotations

import inspect
import logging
import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.switch.model import ExternInstance, ModelError

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Cell:
    """A number as an argument. width: of the field, whose bits are what is kept of `value`; 0 for what is no field."""

    value: int
    width: int = 0
    signed: bool = False

    def fitting(self, value: int) -> int:
        """The number that the low bits stand for."""
        if not self.width:
            return value
        value &= (1 << self.width) - 1
        return value - (1 << self.width) if self.signed and value >> (self.width - 1) else value


def resolve(op: str, kinds: Mapping[str, Any]) -> tuple[str | None, str] | None:
    """(type of the instance or None, method or function) that the primitive `op` of a JSON file calls."""
    if op in kinds and not inspect.isclass(kinds[op]):
        return None, op
    for name, kind in kinds.items():
        if inspect.isclass(kind) and op.startswith(f"_{name}_") and callable(getattr(kind, op[len(name) + 2 :], None)):
            return name, op[len(name) + 2 :]
    return None


def read_file(path: str | Path) -> dict[str, Any]:
    """The dictionary EXTERNS of a Python file. Raises ModelError with a sentence."""
    try:
        found = runpy.run_path(str(path)).get("EXTERNS")
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:
        raise ModelError(f"{path} is no Python file with externs: {type(error).__name__}: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) and callable(found[name]) for name in found):
        raise ModelError(f"{path} has no dictionary EXTERNS of names and classes or functions")
    return found


def _several(name: str, returned: Any, results: int) -> Sequence[Any]:
    """What a call returned, as `results` numbers."""
    if results < 2:
        return (returned,) * results
    if not isinstance(returned, (tuple, list)) or len(returned) != results:
        raise ValueError(f"{name} returned {returned!r} where {results} numbers are wanted")
    return returned


class Externs:
    """The instances of one switch. event counts calls that failed."""

    def __init__(
        self, instances: Sequence[ExternInstance], kinds: Mapping[str, Any], event: Callable[[str], None]
    ) -> None:
        self._instances, self._kinds, self._event = instances, kinds, event
        self._objects: dict[str, Any] = {}
        self._failed: set[str] = set()
        self.restart()

    def restart(self) -> None:
        """Instances anew. Raises ModelError where one cannot be made."""
        for instance in self._instances:
            kind = self._kinds.get(instance.type)
            if kind is None:
                continue
            try:
                self._objects[instance.name] = kind(**instance.attributes)
            except Exception as error:
                raise ModelError(f"extern {instance.name} of type {instance.type} cannot be made: {error}") from None

    def instance(self, name: str) -> Any:
        """The object of this name; None where there is none."""
        return self._objects.get(name)

    def call(self, instance: str | None, name: str, arguments: Sequence[Any], results: int = 0) -> None:
        """Calls a method or a function. One that raises is counted, and logged the first time.

        results: so many cells, the first, take what it returns; the others are its arguments.
        """
        try:
            function = self._kinds[name] if instance is None else getattr(self._objects[instance], name)
            returned = function(*arguments[results:])
            for cell, value in zip(arguments[:results], _several(name, returned, results), strict=True):
                cell.value = value
            for cell in arguments:
                if isinstance(cell, Cell):
                    cell.value = cell.fitting(int(cell.value))
        except Exception:
            self._event("extern_failed")
            if name not in self._failed:
                self._failed.add(name)
                log.exception("extern %s failed", name if instance is None else f"{instance}.{name}")
            for cell in arguments:
                if isinstance(cell, Cell):
                    cell.value = cell.fitting(cell.value) if isinstance(cell.value, int) else 0
