"""Checked access to JSON values: each failure is a ModelError naming the place and what was expected."""

from __future__ import annotations

from typing import Any, NoReturn

from emulator.switch.model import ModelError

KINDS = {dict: "an object", list: "a list", str: "a string", int: "a whole number", bool: "true or false"}
MAX_CONST_BITS = 1 << 14
MISSING: Any = object()


def fail(where: str, what: str) -> NoReturn:
    raise ModelError(f"{where}: {what}")


def typed(value: Any, kind: type, where: str) -> Any:
    """`value` if it is of `kind` (bool is no int; JSON's 8.0 is 8)."""
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    fail(where, f"expected {KINDS[kind]}, found {describe(value)}")


def need(obj: Any, key: str, kind: type, where: str, default: Any = MISSING) -> Any:
    """obj[key], checked. Absent or null gives `default` when there is one."""
    typed(obj, dict, where)
    value = obj.get(key)
    if value is None and default is not MISSING:
        return default
    if key not in obj:
        fail(where, f"{key!r} is missing")
    return typed(value, kind, f"{where}, {key!r}")


def objects(obj: Any, key: str, where: str) -> list[tuple[dict, str]]:
    """The objects of a list with the words to call each by; an absent list is empty."""
    found = []
    for i, item in enumerate(need(obj, key, list, where, [])):
        typed(item, dict, f"{where}, {key}[{i}]")
        name = item.get("name")
        found.append((item, f"{key} {name!r}" if isinstance(name, str) else f"{where}, {key}[{i}]"))
    return found


def natural(obj: Any, key: str, where: str, default: Any = MISSING, limit: int = 1 << 31) -> int:
    """A whole number in 0..limit."""
    value = need(obj, key, int, where, default)
    if value is not None and not 0 <= value <= limit:
        fail(where, f"{key!r} is {value}, not in 0..{limit}")
    return value


def number(value: Any, where: str) -> int:
    """A hexstr ("0x1f", "-0x1") or a plain whole number, of bounded size."""
    if isinstance(value, str) and len(value) <= MAX_CONST_BITS // 4 + 3:
        try:
            return int(value, 16)
        except ValueError:
            pass
    elif isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= MAX_CONST_BITS:
        return value
    fail(where, f"expected a hexadecimal number, found {describe(value)}")


def describe(value: Any) -> str:
    """A short picture of a JSON value for a message."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def index_by_name(names: list[str], what: str) -> dict[str, int]:
    """name -> position; a name twice is an error."""
    found: dict[str, int] = {}
    for i, name in enumerate(names):
        if name in found:
            fail(what, f"the name {name!r} occurs twice")
        found[name] = i
    return found


def index_by_id(items: list[dict], what: str) -> dict[int, int]:
    """JSON id -> position (position itself for items without one); an id twice is an error."""
    found: dict[int, int] = {}
    for i, item in enumerate(items):
        key = natural(item, "id", what, i)
        if key in found:
            fail(what, f"the id {key} occurs twice")
        found[key] = i
    return found
