"""Values that a controller names otherwise than the data plane: @p4runtime_translation.

A `type` translated to `string` is text on the wire. The program may fix numbers by
@p4runtime_translation_mappings({ {"eth0", 1}, ... }); a text that is a number in decimal stands for that number while it is
free; any other gets the highest free number - but for ports, which are those of the switch: a type with "port" in its name
or URI knows the names of their interfaces, and no others. A number without a name goes out in decimal. A `type` translated to
bit<W> keeps its numbers and only changes its width, so it is matched as a whole, as text is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from controller.p4rt.status import Code

from .errors import Refused, invalid
from .numbers import canonical, unsigned

MAX_NAMES = 1 << 16
PORT_BITS = 9
_MAX_TEXT = 1024
_PAIR = re.compile(r'\{\s*"([^"]*)"\s*,\s*(0[xX][0-9a-fA-F]+|\d+)\s*\}')


class Translator(Protocol):
    """Between the bytes of one field and the number that the data plane keeps."""

    def number(self, data: bytes, where: str) -> int: ...

    def data(self, number: int) -> bytes: ...


class Resized:
    """The same numbers in `width` bits for the controller and `inner` bits inside."""

    def __init__(self, width: int, inner: int) -> None:
        self._width = min(width, inner)

    def number(self, data: bytes, where: str) -> int:
        return unsigned(data, self._width, where)

    def data(self, number: int) -> bytes:
        return canonical(number)


class Names:
    """The texts of one `type`, both ways. A name once given keeps its number until the program goes."""

    def __init__(
        self, kind: str, width: int, declared: Iterable[tuple[str, int]] = (), *, closed: bool = False
    ) -> None:
        """closed: no names but the declared ones, and numbers in decimal."""
        self._closed = closed
        self._kind = kind
        self._width = width
        self._numbers: dict[bytes, int] = {}
        self._texts: dict[int, bytes] = {}
        self._order: list[bytes] = []
        self._next = (1 << min(width, 62)) - 1
        for text, number in declared:
            if number >> width:
                raise invalid(f"type {kind}: {number}, the number of {text!r}, does not fit in {width} bits")
            self._give(text.encode(), number)

    def number(self, data: bytes, where: str) -> int:
        found = self._numbers.get(data)
        if found is not None:
            return found
        text = _readable(data, where)
        if len(self._order) >= MAX_NAMES:
            raise Refused(
                Code.RESOURCE_EXHAUSTED,
                f"{where}: type {self._kind} has {MAX_NAMES} names already",
                "load the program anew, or map the names to numbers in it",
            )
        number = self._number_in(text)
        if self._closed:
            if number is None or number in self._texts:
                raise self._unknown(text, where)
            return number
        if number is None or number in self._texts:
            number = self._free(where)
        self._give(data, number)
        return number

    def _number_in(self, text: str) -> int | None:
        """The number that a text is in decimal, without leading zeros, if it fits."""
        if not (text.isascii() and text.isdecimal() and len(text) < 30 and str(int(text)) == text):
            return None
        return int(text) if not int(text) >> self._width else None

    def _unknown(self, text: str, where: str) -> Refused:
        known = ", ".join(name.decode() for name in self._order[:12]) or "none with a name"
        return invalid(f"{where}: there is no port {text!r}", f"there are {known}; a port also goes by its number")

    def _free(self, where: str) -> int:
        while self._next in self._texts:
            self._next -= 1
        if self._next < 0:
            raise Refused(
                Code.RESOURCE_EXHAUSTED,
                f"{where}: all {self._width} bits of type {self._kind} are taken by names",
                "use fewer names",
            )
        return self._next

    def _give(self, data: bytes, number: int) -> None:
        if number in self._texts:
            raise invalid(f"type {self._kind}: {number} has the names {self._texts[number]!r} and {data!r}")
        self._numbers[data], self._texts[number] = number, data
        self._order.append(data)

    def data(self, number: int) -> bytes:
        return self._texts.get(number) or str(number).encode()

    def __len__(self) -> int:
        return len(self._order)

    def forget(self, count: int) -> None:
        """Take back all names but the first `count`."""
        for text in self._order[count:]:
            number = self._numbers.pop(text)
            del self._texts[number]
            self._next = max(self._next, number)
        del self._order[count:]

    def copy_from(self, other: Names) -> None:
        """Have the other's names, for state that is carried over. Only before any name was given."""
        for text in other._order[len(self._order) :]:
            self._give(text, other._numbers[text])


def _readable(data: bytes, where: str) -> str:
    if not 0 < len(data) <= _MAX_TEXT:
        raise invalid(f"{where}: a name of {len(data)} bytes", f"a name has 1 to {_MAX_TEXT} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise invalid(f"{where}: the name is not UTF-8", "send text") from None


SDN_PORT_CPU = 0xFFFFFFFD
"""P4Runtime's own number for the switch's CPU port, whatever the switch calls it."""


def _is_text(data: bytes) -> bool:
    try:
        return bool(data) and data.decode().isprintable()
    except UnicodeDecodeError:
        return False


class Translations:
    """The translated types of one program. ports: the switch's, by the names of their interfaces. cpu_port: its number."""

    def __init__(self, message: Any, ports: Mapping[str, int] | None = None, cpu_port: int | None = None) -> None:
        self._ports = dict(ports or {})
        self._cpu_port = cpu_port
        self._types = message.type_info.new_types
        self._names: dict[str, Names] = {}

    def of(self, field: Any, inner: int | None) -> Translator | None:
        """For a match field, parameter, or member of `inner` bits in the data plane; None where nothing is translated."""
        if field.translation:
            return self.names(field.translation, inner or 32)
        if inner is not None and field.bitwidth != inner:
            return Resized(field.bitwidth, inner)
        return None

    def names(self, kind: str, width: int) -> Names:
        found = self._names.get(kind)
        if found is None:
            notes = " ".join(n for n in self._types[kind].annotations if "p4runtime_translation_mappings" in n)
            declared = [(text, int(number, 0)) for text, number in _PAIR.findall(notes)]
            of_ports = self._is_of_ports(kind)
            if of_ports:
                taken = {number for _, number in declared}
                declared += [(t, n) for t, n in self._ports.items() if n not in taken and not n >> width]
            found = self._names[kind] = Names(kind, width, declared, closed=of_ports)
        return found

    def _is_of_ports(self, kind: str) -> bool:
        return "port" in f"{kind} {self._types[kind].translated_type.uri}".lower()

    def port(self, data: bytes, where: str) -> int:
        """The port that a controller names beside the program's fields: a replica's, or one that a member watches. As text
        where the program has its ports as text; else, and where it cannot be text, as a number."""
        if _is_text(data):
            for kind in sorted(self._types):
                translated = self._types[kind].translated_type
                if self._is_of_ports(kind) and translated.WhichOneof("sdn_type") == "sdn_string":
                    return self.names(kind, PORT_BITS).number(data, where)
        number = unsigned(data, 32, where)
        return self._cpu_port if number == SDN_PORT_CPU and self._cpu_port is not None else number

    def mark(self) -> dict[str, int]:
        """The state to `rollback` to. Cheap: most programs translate nothing."""
        return {kind: len(names) for kind, names in self._names.items()}

    def rollback(self, mark: dict[str, int]) -> None:
        for kind, count in mark.items():
            self._names[kind].forget(count)

    def copy_from(self, other: Translations) -> None:
        for kind, names in self._names.items():
            if kind in other._names:
                names.copy_from(other._names[kind])
