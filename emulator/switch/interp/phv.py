"""The state of one packet in the interpreter: header values, validity, position in the packet, requests."""

from __future__ import annotations

from typing import Any

from emulator.switch.engine import Requests
from emulator.switch.model import Model


class Phv:
    """values[header][field]: integers, signed for int<W> fields; a varbit's bits as a number, its width in
    varbits[header]. next / union_next: elements in use per stack. position: parser's, in bits.
    length: bytes, following headers added and removed; ingress_length: as it came in. error: parser error."""

    __slots__ = (
        "data",
        "error",
        "exited",
        "ingress_length",
        "length",
        "next",
        "now",
        "odd",
        "payload",
        "position",
        "requests",
        "trace",
        "union_next",
        "valid",
        "values",
        "varbits",
    )

    def __init__(self, blank: Blank, data: bytes, now: int):
        self.values = [row[:] for row in blank.values]
        self.valid = blank.valid[:]
        self.varbits = blank.varbits[:]
        self.next = blank.next[:]
        self.union_next = blank.union_next[:]
        self.data = data
        self.position = 0
        self.payload = data
        self.length = self.ingress_length = len(data)
        self.requests = Requests()
        self.error = 0
        self.exited = False
        self.odd: set[str] = set()
        self.now = now
        self.trace: Any = None

    def copy(self) -> Phv:
        """Independent, without requests (but for the length to cut to)."""
        other = Phv.__new__(Phv)
        other.values = [row[:] for row in self.values]
        other.valid = self.valid[:]
        other.varbits = self.varbits[:]
        other.next = self.next[:]
        other.union_next = self.union_next[:]
        other.data, other.position, other.payload = self.data, self.position, self.payload
        other.length, other.ingress_length = self.length, self.ingress_length
        other.requests = Requests(truncate=self.requests.truncate)
        other.odd = set()
        other.error, other.exited, other.now = self.error, False, self.now
        other.trace = self.trace
        return other


class Blank:
    """What a fresh Phv looks like: all zero, metadata valid."""

    def __init__(self, model: Model):
        self.values = [[0] * len(model.header_type(h).fields) for h in range(len(model.headers))]
        self.valid = [1 if header.metadata else 0 for header in model.headers]
        self.varbits = [0] * len(model.headers)
        self.next = [0] * len(model.stacks)
        self.union_next = [0] * len(model.union_stacks)
        self.metadata = [h for h, header in enumerate(model.headers) if header.metadata]
