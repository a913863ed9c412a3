"""Runs the parsers of fuzz_parser: the language's rules, and what the target does where the language leaves it open."""
from __future__ import annotations

from typing import Any

from .fuzz_parser import ERRORS, HEADERS, METADATA, STACK, Parser, State


class Stopped(Exception):
    """A parser error; the argument is its name."""


class ParserModel:
    def __init__(self, parsers: list[Parser]) -> None:
        self.main = parsers[-1]

    def send(self, packet: bytes) -> bytes:
        """What leaves, header by header and then what was not parsed."""
        self.packet, self.at = packet, 0
        self.fields = {f"h.{h}.{f}": 0 for h, fields in HEADERS.items() for f in fields}
        self.valid = dict.fromkeys(HEADERS, False)
        self.stack: list[bytes] = []
        self.meta = dict.fromkeys(METADATA, 0)
        error = "NoError"
        try:
            self.run(self.main, {})
        except Stopped as stopped:
            error = str(stopped)
        out = bytes([*self.meta.values(), ERRORS.index(error)])
        for header in ("a", "b"):
            out += self.bytes_of(header)
        return out + b"".join(self.stack) + self.bytes_of("u.x") + self.bytes_of("u.y") + self.packet[self.at:]

    def bytes_of(self, header: str) -> bytes:
        if not self.valid[header]:
            return b""
        return b"".join(self.fields[f"h.{header}.{f}"].to_bytes(w // 8, "big") for f, w in HEADERS[header].items())

    def run(self, parser: Parser, params: dict[str, int]) -> dict[str, int]:
        """Answers the variables at the end, parameters among them."""
        names = {**params, **{name: value or 0 for name, value in parser.locals}}
        states = {s.name: s for s in parser.states}
        state = "start"
        while state != "accept":
            state = self.state(parser, states[state], names)
        return names

    def state(self, parser: Parser, state: State, names: dict[str, int]) -> str:
        names = _Scope(names, self)  # type: ignore[assignment]
        for stmt in state.body:
            self.stmt(parser, stmt, names)
        keys = [self.value(k, names) for k in state.keys]
        for label, target in state.cases:
            if label is None or all(_matches(p, k) for p, k in zip(label, keys)):
                return target
        raise Stopped("NoError")  # as on simple_switch: all parsing ends, in a sub-parser, too

    # -- statements
    def stmt(self, parser: Parser, s: Any, names: Any) -> None:
        getattr(self, "s_" + s[0])(parser, s, names)

    def s_extract(self, parser: Parser, s: Any, names: Any) -> None:
        header = s[1]
        if header == "s.next":
            if len(self.stack) == STACK:
                raise Stopped("StackOutOfBounds")
            self.stack.append(self.take(2))
            return
        data = self.take(sum(HEADERS[header].values()) // 8)
        for name, width in HEADERS[header].items():
            self.fields[f"h.{header}.{name}"] = int.from_bytes(data[:width // 8], "big")
            data = data[width // 8:]
        self.valid[header] = True
        for other in HEADERS:
            if header.startswith("u.") and other.startswith("u.") and other != header:
                self.valid[other] = False

    def take(self, size: int) -> bytes:
        if len(self.packet) - self.at < size:
            raise Stopped("PacketTooShort")
        self.at += size
        return self.packet[self.at - size:self.at]

    def s_advance(self, parser: Parser, s: Any, names: Any) -> None:
        self.take(s[1] // 8)

    def s_set(self, parser: Parser, s: Any, names: Any) -> None:
        names[s[1]] = self.value(s[2], names)

    def s_local(self, parser: Parser, s: Any, names: Any) -> None:
        names.declare(s[1], 0 if s[2] is None else self.value(s[2], names))

    def s_if(self, parser: Parser, s: Any, names: Any) -> None:
        self.stmt(parser, s[2] if self.value(s[1], names) else s[3], names)

    def s_verify(self, parser: Parser, s: Any, names: Any) -> None:
        if not self.value(s[1], names):
            raise Stopped(s[2])

    def s_lookahead(self, parser: Parser, s: Any, names: Any) -> None:
        size = s[2] // 8
        if len(self.packet) - self.at < size:
            raise Stopped("PacketTooShort")
        names[s[1]] = self.packet[self.at + size - 1]

    def s_last(self, parser: Parser, s: Any, names: Any) -> None:
        self.s_extract(parser, ("extract", "s.next"), names)
        self.stack[-1] = bytes([self.value(s[2], names), self.stack[-1][1]])
        names[s[1]] = self.stack[-1][1] ^ (len(self.stack) - 1)

    def s_call(self, parser: Parser, s: Any, names: Any) -> None:
        _, _, callee, first, second = s
        p = names[first]
        q = self.value(second, names) if callee.direction == "in" else 0
        left = self.run(callee, {"p": p, "q": q})
        names[first] = left["p"]
        if callee.direction == "out":
            names[second] = left["q"]

    # -- expressions
    def value(self, e: Any, names: Any) -> int:
        kind = e[0]
        if kind == "const":
            return int(e[1])
        if kind == "read":
            return int(names[e[1]])
        if kind == "inc":
            names[e[1]] = (names[e[1]] + 3) & 0xFF
            return int(names[e[1]] ^ 0x55)
        if kind == "?":
            return self.value(e[2] if self.value(e[1], names) else e[3], names)
        a, b = self.value(e[1], names), self.value(e[2], names)
        return int({"+": a + b, "-": a - b, "&": a & b, "|": a | b, "^": a ^ b, "==": a == b, "!=": a != b,
                    "<": a < b, ">=": a >= b}[kind]) & 0xFF


class _Scope:
    """A state's own variables before the parser's; header fields and metadata are the model's."""

    def __init__(self, outer: dict[str, int], model: ParserModel) -> None:
        self.outer, self.model = outer, model
        self.own: dict[str, int] = {}

    def declare(self, name: str, value: int) -> None:
        self.own[name] = value

    def place(self, name: str) -> dict[str, int]:
        if name.startswith("h."):
            return self.model.fields
        if name.startswith("m."):
            return self.model.meta
        return self.own if name in self.own else self.outer

    def __getitem__(self, name: str) -> int:
        return self.place(name)[name]

    def __setitem__(self, name: str, value: int) -> None:
        self.place(name)[name] = value


def _matches(part: Any, key: int) -> bool:
    kind = part[0]
    if kind == "any":
        return True
    if kind == "mask":
        return key & part[2] == part[1] & part[2]
    return part[1] == key if kind == "value" else part[1] <= key <= part[2]
