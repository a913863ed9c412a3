"""Match parts of translated fields, which are matched as a whole: exactly, or left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controller.p4rt.schema import MatchField
from emulator.switch.keys import Exact, KeyPart, Lpm, Range, Ternary

from .errors import unimplemented
from .numbers import canonical, unsigned
from .translation import Translator


def decoder(field: MatchField, inner: int, translator: Translator, where: str) -> Callable[[Any], KeyPart]:
    """For a field that has `inner` bits in the data plane."""
    kind, full = field.kind, (1 << inner) - 1
    parts: dict[str, Callable[[int], KeyPart]] = {
        "exact": Exact,
        "lpm": lambda value: Lpm(value, inner),
        "ternary": lambda value: Ternary(value, full),
        "optional": lambda value: Ternary(value, full),
        "range": lambda value: Range(value, value),
    }
    make = parts[kind]

    def decode(m: Any) -> KeyPart:
        part = getattr(m, kind)
        _check_whole(field, part, where)
        return make(translator.number(part.low if kind == "range" else part.value, where))

    return decode


def _check_whole(field: MatchField, part: Any, where: str) -> None:
    kind, named = field.kind, bool(field.translation)
    whole = True
    if kind == "lpm":
        whole = not named and part.prefix_len == field.bitwidth
    elif kind == "ternary":
        whole = not named and unsigned(part.mask, field.bitwidth, f"{where}, mask") == (1 << field.bitwidth) - 1
    elif kind == "range":
        whole = bool(part.low == part.high)
    if not whole:
        raise unimplemented(
            f"{where}: a part of a translated value cannot be matched", "match it exactly, or leave the field out"
        )


def encode(field: MatchField, part: Any, translator: Translator, into: Any) -> None:
    """Append a FieldMatch; a part that matches anything is left out."""
    if field.kind == "range":
        if part.low == part.high:
            between = into.add(field_id=field.id).range
            between.low = between.high = translator.data(part.low)
        return
    if field.kind != "exact" and not part[1]:
        return
    found = getattr(into.add(field_id=field.id), field.kind)
    found.value = translator.data(part[0])
    if field.kind == "ternary":
        found.mask = canonical((1 << field.bitwidth) - 1)
    elif field.kind == "lpm":
        found.prefix_len = field.bitwidth
