"""Entries of a program's own externs: what their Python classes make of p4.v1.ExternEntry.

class Ring:
    def p4runtime_read(self):               # protobuf messages, each of them one entry
    def p4runtime_write(self, kind, entry): # "INSERT", "MODIFY" or "DELETE", a google.protobuf.Any; returns what undoes it

A write that is refused raises ValueError (INVALID_ARGUMENT), KeyError (NOT_FOUND) or NotImplementedError (UNIMPLEMENTED) with a
sentence, and has changed nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage

from controller.p4rt.protos import p4r
from controller.p4rt.status import Code

from .errors import Refused, invalid, not_found, unimplemented
from .undo import Undo, nothing

log = logging.getLogger("fpisa.p4rt")


class ExternEntries:
    """The instances that P4Info has, by (type, id), and their objects."""

    def __init__(self, p4info: Any, externs: Any) -> None:
        self._externs = externs
        self._names = {
            (extern.extern_type_id, one.preamble.id): one.preamble.name
            for extern in p4info.externs
            for one in extern.instances
        }
        self._types = {extern.extern_type_id for extern in p4info.externs}

    def write(self, kind: str, message: Any) -> Undo:
        name = self._find(message.extern_type_id, message.extern_id)
        method = self._method(name, "p4runtime_write")
        if method is None:
            raise unimplemented(f"extern {name} has no entries to write", "give its class a method p4runtime_write")
        entry = AnyMessage(type_url=message.entry.type_url, value=message.entry.value)
        with _sentences(name):
            return method(kind, entry) or nothing

    def read(self, pattern: Any, sees: Callable[[int], bool]) -> Iterator[Any]:
        """p4.v1.ExternEntry messages: of one instance, of all of a type, or of all."""
        kind, number = pattern.extern_type_id, pattern.extern_id
        if number or (kind and kind not in self._types):
            self._find(kind, number)
        for (of, own), name in self._names.items():
            if kind in (0, of) and number in (0, own) and sees(own):
                method = self._method(name, "p4runtime_read")
                if method is None and number:
                    raise unimplemented(f"extern {name} has no entries to read", "give its class a method p4runtime_read")
                for one in self._entries(name, method):
                    found = p4r.ExternEntry(extern_type_id=of, extern_id=own)
                    packed = AnyMessage()
                    packed.Pack(one)
                    found.entry.type_url, found.entry.value = packed.type_url, packed.value
                    yield found

    def _entries(self, name: str, method: Callable[[], Any] | None) -> list[Any]:
        if method is None:
            return []
        with _sentences(name):
            return list(method())

    def _find(self, kind: int, number: int) -> str:
        if kind not in self._types:
            raise invalid(f"there is no extern type with id {kind:#x}", "use the ids of the program's P4Info")
        if (kind, number) not in self._names:
            raise invalid(f"extern type {kind:#x} has no instance with id {number:#x}", "use the program's P4Info")
        return self._names[kind, number]

    def _method(self, name: str, method: str) -> Callable[..., Any] | None:
        return getattr(self._externs.instance(name), method, None)


class _sentences:
    """What an extern's method raises, as a refusal."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Refused) or not isinstance(error, Exception):
            return
        text = f"extern {self._name}: {error.args[0] if error.args else kind.__name__}"
        if isinstance(error, NotImplementedError):
            raise unimplemented(text) from None
        if isinstance(error, KeyError):
            raise not_found(text) from None
        if isinstance(error, ValueError):
            raise invalid(text) from None
        log.exception("extern %s failed", self._name)
        raise Refused(Code.INTERNAL, text) from None
