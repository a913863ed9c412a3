"""Match keys: p4.v1.FieldMatch messages to the switch's key parts, and back.

The decoder of each field is chosen once per program, so that a bulk insert costs a few dictionary look-ups a field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from controller.p4rt.schema import MatchField
from emulator.switch.keys import Exact, KeyPart, Lpm, Range, Ternary

from . import match_whole
from .errors import invalid
from .numbers import canonical, unsigned
from .translation import Translations, Translator

Decoder = Callable[[Any], KeyPart]


def _exact(width: int, where: str) -> Decoder:
    limit = 1 << width

    def decode(m: Any) -> KeyPart:
        data = m.exact.value
        value = int.from_bytes(data, "big")
        if value >= limit or not data:
            unsigned(data, width, where)
        return Exact(value)

    return decode


def _lpm(width: int, where: str) -> Decoder:
    full = (1 << width) - 1

    def decode(m: Any) -> KeyPart:
        part = m.lpm
        data, length = part.value, part.prefix_len
        value = int.from_bytes(data, "big")
        if value > full or not data:
            unsigned(data, width, where)
        if not 0 < length <= width:
            raise invalid(
                f"{where}: prefix length {length} is not in 1..{width}",
                "leave the field out to match anything",
            )
        if value & (full >> length):
            raise invalid(
                f"{where}: 0x{value:x} has bits set below its prefix of {length}",
                "clear the bits after the prefix",
            )
        return Lpm(value, length)

    return decode


def _ternary(width: int, where: str) -> Decoder:
    full, of_mask = (1 << width) - 1, f"{where}, mask"

    def decode(m: Any) -> KeyPart:
        part = m.ternary
        data, bits = part.value, part.mask
        value, mask = int.from_bytes(data, "big"), int.from_bytes(bits, "big")
        if value > full or mask > full or not data or not bits:
            unsigned(data, width, where)
            unsigned(bits, width, of_mask)
        if not mask:
            raise invalid(f"{where}: the mask is zero", "leave the field out to match anything")
        if value & ~mask:
            raise invalid(
                f"{where}: value 0x{value:x} has bits outside its mask 0x{mask:x}",
                "clear the bits not in the mask",
            )
        return Ternary(value, mask)

    return decode


def _range(width: int, where: str) -> Decoder:
    full = (1 << width) - 1

    def decode(m: Any) -> KeyPart:
        low = unsigned(m.range.low, width, f"{where}, low")
        high = unsigned(m.range.high, width, f"{where}, high")
        if low > high:
            raise invalid(f"{where}: low 0x{low:x} is above high 0x{high:x}", "exchange them")
        if low == 0 and high == full:
            raise invalid(f"{where}: the range is everything", "leave the field out to match anything")
        return Range(low, high)

    return decode


def _optional(width: int, where: str) -> Decoder:
    full = (1 << width) - 1
    return lambda m: Ternary(unsigned(m.optional.value, width, where), full)


_MAKERS: dict[str, Callable[[int, str], Decoder]] = {
    "exact": _exact,
    "lpm": _lpm,
    "ternary": _ternary,
    "range": _range,
    "optional": _optional,
}


def anything(kind: str, width: int) -> KeyPart | None:
    """The part of a key that is left out; None for exact, which may not be."""
    if kind == "lpm":
        return Lpm(0, 0)
    if kind == "range":
        return Range(0, (1 << width) - 1)
    return None if kind == "exact" else Ternary(0, 0)


class KeyCodec:
    """The key of one table or value set. `positions[i]` is where P4Info's i-th field lies in the switch's key."""

    def __init__(
        self,
        owner: str,
        fields: Sequence[MatchField],
        positions: Sequence[int],
        translations: Translations,
        widths: Sequence[int] | None = None,
    ) -> None:
        """widths: bits of each part of the switch's key, where P4Info's may differ by a translation."""
        self.owner = owner
        self.fields = tuple(fields)
        self.widths: list[int] = [0] * len(fields)
        self._blank: list[KeyPart | None] = [None] * len(fields)
        self._decoders: dict[int, tuple[int, str, Decoder]] = {}
        self.translated = False  # whether a part differs from what P4Info says of it
        self._encoders: list[tuple[int, MatchField, Translator | None]] = []
        for field, position in zip(fields, positions):
            where = f"field {field.name} of {owner}"
            inner = widths[position] if widths is not None else field.bitwidth or None
            translator = translations.of(field, inner)
            self.translated |= translator is not None
            width = self.widths[position] = inner or 32
            self._blank[position] = anything(field.kind, width)
            decode = (
                _MAKERS[field.kind](width, where)
                if translator is None
                else match_whole.decoder(field, width, translator, where)
            )
            self._decoders[field.id] = (position, field.kind, decode)
            self._encoders.append((position, field, translator))

    def decode(self, match: Any) -> tuple[KeyPart, ...]:
        """The key of the FieldMatch messages in `match`; Refused where they are not right."""
        parts = self._blank.copy()
        decoders = self._decoders
        seen = 0
        for m in match:
            found = decoders.get(m.field_id)
            if found is None:
                raise invalid(f"{self.owner} has no match field with id {m.field_id}", self._known())
            position, kind, decode = found
            if seen >> position & 1:
                raise invalid(f"field {self._name(m.field_id)} of {self.owner} is given twice", "give it once")
            if not m.HasField(kind):
                raise invalid(
                    f"field {self._name(m.field_id)} of {self.owner} is given as"
                    f" {m.WhichOneof('field_match_type') or 'nothing'}",
                    f"it is matched as {kind}",
                )
            parts[position] = decode(m)
            seen |= 1 << position
        if None in parts:
            self._refuse_missing(parts)
        return tuple(parts)  # type: ignore[arg-type]

    def _refuse_missing(self, parts: list[KeyPart | None]) -> None:
        missing = [field.name or str(field.id) for position, field, _ in self._encoders if parts[position] is None]
        raise invalid(f"{self.owner}: exact match field {missing[0]} is missing", "an exact field must be given")

    def _known(self) -> str:
        return "its fields are " + (", ".join(f"{f.id} ({f.name})" for f in self.fields) or "none")

    def _name(self, field_id: int) -> str:
        return next(f.name for f in self.fields if f.id == field_id)

    def encode(self, key: Sequence[Any], into: Any) -> None:
        """Append FieldMatch messages; parts that match anything are left out."""
        for position, field, translator in self._encoders:
            part = key[position]
            if translator is not None:
                match_whole.encode(field, part, translator, into)
            elif field.kind == "exact":
                into.add(field_id=field.id).exact.value = canonical(part[0])
            elif field.kind == "lpm":
                # Beside ternary keys the switch may keep a prefix as the mask it stands for.
                length = part[1].bit_count() if isinstance(part, Ternary) else part[1]
                if length:
                    lpm = into.add(field_id=field.id).lpm
                    lpm.value, lpm.prefix_len = canonical(part[0]), length
            elif field.kind == "range":
                if part != (0, (1 << self.widths[position]) - 1):
                    between = into.add(field_id=field.id).range
                    between.low, between.high = canonical(part[0]), canonical(part[1])
            elif part[1]:
                _encode_masked(field, part, into)


def _encode_masked(field: MatchField, part: Any, into: Any) -> None:
    if field.kind == "optional":
        into.add(field_id=field.id).optional.value = canonical(part[0])
        return
    ternary = into.add(field_id=field.id).ternary
    ternary.value, ternary.mask = canonical(part[0]), canonical(part[1])
