"""Evaluates the programs of fuzz_program: the language's rules, written down once more."""
from __future__ import annotations

from typing import Any

from .fuzz_program import FIELDS, HEADERS, PAIR
from .fuzz_text import Callee, Program, Table


class Returned(Exception):
    """return; the value is the argument."""


class Exited(Exception):
    """exit."""


class Broken(Exception):
    """break."""


class Continued(Exception):
    """continue."""


class Header:
    def __init__(self) -> None:
        self.valid = False
        self.fields = dict.fromkeys(FIELDS, 0)

    def copy(self, other: Header) -> None:
        """A copy of an invalid header is invalid; its fields mean nothing."""
        self.valid = other.valid
        if other.valid:
            self.fields = dict(other.fields)

    def data(self) -> bytes:
        return b"".join(self.fields[f].to_bytes(w // 8, "big") for f, w in FIELDS.items()) if self.valid else b""


class Frame:
    """Names of one body; an action sees the control around it."""

    def __init__(self, outer: Frame | None = None) -> None:
        self.values: dict[str, Any] = {}
        self.outer = outer

    def find(self, name: str) -> Frame:
        frame: Frame = self
        while name not in frame.values:
            assert frame.outer is not None, name
            frame = frame.outer
        return frame


class Evaluator:
    def __init__(self, program: Program) -> None:
        self.program = program

    def send(self, packet: bytes) -> list[tuple[int, bytes]]:
        frame = Frame()
        headers = {name: Header() for name in HEADERS}
        frame.values.update(headers)
        frame.values.update({"meta.m": 0, "meta.n": 0})
        size = sum(FIELDS.values()) // 8
        used = 0
        for name in ("hdr.h", "hdr.s[0]"):
            part = packet[used:used + size]
            if len(part) < size:
                break
            used += size
            headers[name].valid = True
            at = 0
            for f, w in FIELDS.items():
                headers[name].fields[f] = int.from_bytes(part[at:at + w // 8], "big")
                at += w // 8
        try:
            self.block(self.program.main.body, Frame(frame))
        except (Returned, Exited):
            pass
        return [(0, b"".join(headers[n].data() for n in HEADERS) + packet[used:])]

    # -- statements
    def block(self, body: list[Any], frame: Frame) -> None:
        for stmt in body:
            getattr(self, "s_" + stmt[0])(stmt, frame)

    def s_assign(self, s: Any, frame: Frame) -> None:
        place = self.resolve(s[1], frame)
        self.store(place, self.value(s[2], frame), frame)

    def s_local(self, s: Any, frame: Frame) -> None:
        frame.values[s[1]] = self.value(s[3], frame) if s[3] is not None else 0

    def s_localpair(self, s: Any, frame: Frame) -> None:
        values = self.pair(s[2], frame) if s[2] is not None else [0, 0]
        frame.values.update({f"{s[1]}.{f}": v for f, v in zip(PAIR, values)})

    def s_pairset(self, s: Any, frame: Frame) -> None:
        self.store_pair(s[1], self.pair(s[2], frame), frame)

    def pair(self, e: Any, frame: Frame) -> list[int]:
        if e[0] == "pairinit":
            return [self.value(part, frame) for part in e[1:]]
        return [frame.find(f"{e[1]}.{f}").values[f"{e[1]}.{f}"] for f in PAIR]

    def store_pair(self, place: Any, values: list[int], frame: Frame) -> None:
        for f, v in zip(PAIR, values):
            frame.find(f"{place[1]}.{f}").values[f"{place[1]}.{f}"] = v

    def s_loop(self, s: Any, frame: Frame) -> None:
        for number in range(s[2]):
            frame.values[s[1]] = number
            try:
                self.block(s[3], frame)
            except Continued:
                pass
            except Broken:
                return

    def s_break(self, s: Any, frame: Frame) -> None:
        raise Broken

    def s_continue(self, s: Any, frame: Frame) -> None:
        raise Continued

    def s_callstmt(self, s: Any, frame: Frame) -> None:
        self.value(s[1], frame)

    def s_setvalid(self, s: Any, frame: Frame) -> None:
        header = self.header(s[1], frame)
        if not header.valid:
            header.valid, header.fields = True, dict.fromkeys(FIELDS, 0)

    def s_setinvalid(self, s: Any, frame: Frame) -> None:
        self.header(s[1], frame).valid = False

    def s_init(self, s: Any, frame: Frame) -> None:
        values = [self.value(v, frame) for v in s[2]]
        header = self.header(s[1], frame)
        header.valid, header.fields = True, dict(zip(FIELDS, values))

    def s_copy(self, s: Any, frame: Frame) -> None:
        self.header(s[1], frame).copy(self.header(s[2], frame))

    def s_if(self, s: Any, frame: Frame) -> None:
        self.block(s[2] if self.value(s[1], frame) else s[3], frame)

    def s_switch(self, s: Any, frame: Frame) -> None:
        value = self.value(s[1], frame)
        for labels, body in s[2]:
            if value in labels:
                self.block(body, frame)
                return
        if s[3] is not None:
            self.block(s[3], frame)

    def s_apply(self, s: Any, frame: Frame) -> None:
        _, ran = self.apply(s[1], frame)
        for number, body in s[2] or ():
            if number == ran:
                self.block(body, frame)
                return
        if s[3] is not None:
            self.block(s[3], frame)

    def s_exit(self, s: Any, frame: Frame) -> None:
        raise Exited

    def s_return(self, s: Any, frame: Frame) -> None:
        raise Returned(self.value(s[1], frame) if s[1] is not None else None)

    # -- places
    def header(self, e: Any, frame: Frame) -> Header:
        found = frame.find(e[1]).values[e[1]]
        assert isinstance(found, Header)
        return found

    def resolve(self, place: Any, frame: Frame) -> Any:
        """The place with its run-time index evaluated."""
        if place[0] == "slice":
            return ("slice", self.resolve(place[1], frame), *place[2:])
        if place[0] == "field" and place[1][0] == "dyn":
            return ("field", ("header", f"hdr.s[{self.value(place[1][1], frame)}]"), *place[2:])
        return place

    def store(self, place: Any, value: int, frame: Frame) -> None:
        if place[0] == "var":
            frame.find(place[1]).values[place[1]] = value
        elif place[0] == "field":
            self.header(place[1], frame).fields[place[2]] = value
        else:
            _, base, high, low = place
            mask = (1 << (high - low + 1)) - 1
            self.store(base, self.value(base, frame) & ~(mask << low) | value << low, frame)

    # -- calls
    def apply(self, table: Table, frame: Frame) -> tuple[bool, int]:
        """Hit or miss, and the number of the action that ran."""
        key = self.value(table.key, frame) if table.key is not None else None
        for value, number, arg in table.entries:
            if value == key:
                hit, ran, data = True, number, arg
                break
        else:
            hit, (ran, data) = False, table.default
        action = table.actions[ran]
        inner = Frame(self.control_frame(frame))
        inner.values[action.params[0][0]] = data
        try:
            self.block(action.body, inner)
        except Returned:
            pass
        return hit, ran

    def control_frame(self, frame: Frame) -> Frame:
        """Where a control's parameters (for the main control, the packet's headers) are: actions start there."""
        while "$control" not in frame.values and frame.outer is not None:
            frame = frame.outer
        return frame

    def call(self, callee: Callee, args: list[Any], frame: Frame) -> Any:
        inner = Frame(self.control_frame(frame) if callee.kind == "action" else None)
        if callee.kind == "control":
            inner.values["$control"] = True
        places = []
        for (name, direction, kind), arg in zip(callee.params, args):
            places.append(self.resolve(arg, frame) if direction != "in" else arg)
            arg = places[-1]
            if kind == "pair":
                values = self.pair(arg, frame) if direction != "out" else [0, 0]
                inner.values.update({f"{name}.{f}": v for f, v in zip(PAIR, values)})
            elif kind == "header":
                inner.values[name] = Header()
                if direction != "out":
                    inner.values[name].copy(self.header(arg, frame))
            else:
                inner.values[name] = 0 if direction == "out" else self.value(arg, frame)
        result: Any = None
        try:
            self.block(callee.body, inner)
        except Returned as returned:
            result = returned.args[0]
        finally:
            for (name, direction, kind), arg in zip(callee.params, places):
                if direction == "in":
                    continue
                if kind == "pair":
                    self.store_pair(arg, self.pair(("pair", name), inner), frame)
                elif kind == "header":
                    self.header(arg, frame).copy(inner.values[name])
                else:
                    self.store(arg, inner.values[name], frame)
        return result

    # -- expressions
    def value(self, e: Any, frame: Frame) -> int:
        kind = e[0]
        if kind in _SPECIAL:
            return _SPECIAL[kind](self, e, frame)
        left = self.value(e[1], frame)
        right = self.value(e[2], frame)
        if kind in _COMPARE:
            return int(_COMPARE[kind](left, right))
        top = (1 << e[3]) - 1
        if kind in ("|+|", "|-|"):
            return max(0, min(top, left + right if kind == "|+|" else left - right))
        return _ARITHMETIC[kind](left, right) & top

    def v_call(self, e: Any, frame: Frame) -> Any:
        return self.call(e[1], e[2], frame)

    def v_and(self, e: Any, frame: Frame) -> int:
        return self.value(e[2], frame) if self.value(e[1], frame) else 0

    def v_or(self, e: Any, frame: Frame) -> int:
        return 1 if self.value(e[1], frame) else self.value(e[2], frame)

    def v_choose(self, e: Any, frame: Frame) -> int:
        return self.value(e[2] if self.value(e[1], frame) else e[3], frame)

    def v_part(self, e: Any, frame: Frame) -> int:
        return self.value(e[1], frame) >> e[3] & ((1 << (e[2] - e[3] + 1)) - 1)

    def v_concat(self, e: Any, frame: Frame) -> int:
        left = self.value(e[1], frame)
        return left << 3 | self.value(e[2], frame)

    def v_same(self, e: Any, frame: Frame) -> int:
        a, b = self.header(e[1], frame), self.header(e[2], frame)
        return int(a.data() == b.data())

    def v_field(self, e: Any, frame: Frame) -> int:
        place = self.resolve(e, frame)
        return self.header(place[1], frame).fields[place[2]]

    def v_var(self, e: Any, frame: Frame) -> int:
        return frame.find(e[1]).values[e[1]]  # type: ignore[no-any-return]


_SPECIAL: dict[str, Any] = {
    "var": Evaluator.v_var, "const": lambda m, e, f: e[1], "field": Evaluator.v_field,
    "call": Evaluator.v_call, "and": Evaluator.v_and, "or": Evaluator.v_or, "choose": Evaluator.v_choose,
    "part": Evaluator.v_part, "slice": Evaluator.v_part, "concat": Evaluator.v_concat, "same": Evaluator.v_same,
    "cast": lambda m, e, f: m.value(e[1], f) & ((1 << e[2]) - 1),
    "not": lambda m, e, f: ~m.value(e[1], f) & ((1 << e[2]) - 1),
    "isvalid": lambda m, e, f: int(m.header(e[1], f).valid),
    "hit": lambda m, e, f: int(m.apply(e[1], f)[0]), "miss": lambda m, e, f: int(not m.apply(e[1], f)[0]),
}
_ARITHMETIC: dict[str, Any] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "&": lambda a, b: a & b,
    "|": lambda a, b: a | b, "^": lambda a, b: a ^ b, "<<": lambda a, b: a << b, ">>": lambda a, b: a >> b,
}
_COMPARE: dict[str, Any] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}
