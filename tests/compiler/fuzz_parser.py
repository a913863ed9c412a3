"""Random parsers as trees of tuples, and their text: states, sub-parsers, loops, stacks, unions, lookahead, verify.

A state that may lead back begins with an extract or an advance, so every parser comes to an end. fuzz_parser_model runs them.
"""
from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

ERRORS = ["NoError", "PacketTooShort", "NoMatch", "StackOutOfBounds", "HeaderTooShort", "ParserTimeout",
          "ParserInvalidArgument", "Odd", "Even"]
HEADERS = {"a": {"v": 8, "w": 8}, "b": {"v": 8, "w": 8}, "u.x": {"p": 8}, "u.y": {"q": 16}}
STACK = 3
METADATA = ["m.m0", "m.m1", "m.m2"]

HEAD = """#include <core.p4>
#include <v1model.p4>
error { Odd, Even }
header c_t { bit<8> v; bit<8> w; }
header x_t { bit<8> p; }
header y_t { bit<16> q; }
header r_t { bit<8> m0; bit<8> m1; bit<8> m2; bit<8> e; }
header_union u_t { x_t x; y_t y; }
struct H { r_t r; c_t a; c_t b; c_t[3] s; u_t u; }
struct M { bit<8> m0; bit<8> m1; bit<8> m2; }
bit<8> inc(inout bit<8> x) { x = x + 3; return x ^ 0x55; }
"""
TAIL = """
control V(inout H h, inout M m) { apply { } }
control I(inout H h, inout M m, inout standard_metadata_t sm) {
    apply {
        h.r = { m.m0, m.m1, m.m2, 0 };
        %s
    }
}
control E(inout H h, inout M m, inout standard_metadata_t sm) { apply { } }
control D(packet_out b, in H h) { apply { b.emit(h); } }
V1Switch(P(), V(), I(), E(), V(), D()) main;
"""


@dataclass
class State:
    name: str
    body: list[Any] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)
    cases: list[tuple[Any, str]] = field(default_factory=list)


@dataclass
class Parser:
    """locals: (name, value or None). params of a sub-parser: p (inout) and q (in or out)."""

    name: str
    states: list[State]
    locals: list[tuple[str, int | None]]
    direction: str = ""
    instances: list[tuple[str, Parser]] = field(default_factory=list)


class ParserGenerator:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.count = 0

    def program(self) -> list[Parser]:
        """The parsers in order of declaration; the last is the program's."""
        made: list[Parser] = []
        for number in range(self.rng.randrange(0, 3)):
            made.append(self.parser(f"Q{number}", self.rng.choice(["in", "out"]), made))
        made.append(self.parser("P", "", made))
        return made

    def parser(self, name: str, direction: str, known: list[Parser]) -> Parser:
        rng = self.rng
        made = Parser(name, [], [(f"v{i}", rng.choice([None, rng.randrange(256)])) for i in range(2)], direction)
        made.instances = [(f"i{i}", rng.choice(known)) for i in range(rng.randrange(1, 3))] if known else []
        names = ["start", *(f"s{i}" for i in range(rng.randrange(0, 4)))]
        places = [n for n, _ in made.locals] + (["p"] if direction else METADATA)
        reads = places + (["q"] if direction else [])
        writes = places + (["q"] if direction == "out" else [])
        for number, state_name in enumerate(names):
            made.states.append(self.state(state_name, number, names, made, reads, writes))
        return made

    def state(self, name: str, number: int, names: list[str], owner: Parser, reads: list[str],
              writes: list[str]) -> State:
        rng = self.rng
        made = State(name)
        reads = list(reads)
        back = rng.random() < 0.4
        if back or rng.random() < 0.6:
            made.body.append(rng.choice([self.extract(), self.extract(), ("advance", 8)]))
        for _ in range(rng.randrange(0, 4)):
            made.body.append(self.statement(owner, reads, writes))
        targets = [*(names if back else names[number + 1:]), "accept", "accept"]
        if rng.random() < 0.3:
            made.cases = [(None, rng.choice(targets))]
            return made
        made.keys = [self.expr(reads, 2, writes) for _ in range(rng.choice([1, 1, 2]))]
        for _ in range(rng.randrange(1, 4)):
            made.cases.append(([self.label() for _ in made.keys], rng.choice(targets)))
        if rng.random() < 0.7:
            made.cases.append((None, rng.choice(targets)))
        return made

    def label(self) -> Any:
        rng = self.rng
        value = rng.choice([0, 1, 2, 3, 0x55, 255, rng.randrange(256)])
        kind = rng.choice(["value", "value", "mask", "range", "any"])
        if kind == "range":
            return ("range", min(value, 200), min(value, 200) + rng.randrange(55))
        return {"value": ("value", value), "mask": ("mask", value, rng.choice([1, 3, 0xf0, 0x0f])), "any": ("any",)}[kind]

    def extract(self) -> Any:
        return ("extract", self.rng.choice(["a", "b", "s.next", "s.next", "u.x", "u.y"]))

    def statement(self, owner: Parser, reads: list[str], writes: list[str]) -> Any:
        rng = self.rng
        kind = rng.choice(["set", "set", "local", "if", "verify", "extract", "lookahead", "call", "last", "header"])
        if kind == "call" and owner.instances:
            name, callee = rng.choice(owner.instances)
            places = [w for w in writes if not w.startswith("m.")]
            first = rng.choice(places)
            if callee.direction == "in":
                return ("call", name, callee, first, self.expr(reads, 1, writes))
            return ("call", name, callee, first, rng.choice([p for p in places if p != first]))
        if kind == "local":
            self.count += 1
            value = self.expr(reads, 2, writes) if rng.random() < 0.8 else None
            reads.append(f"t{self.count}")
            return ("local", f"t{self.count}", value)
        if kind == "if":
            return ("if", self.cond(reads, writes), ("set", rng.choice(writes), self.expr(reads, 2, writes)),
                    ("set", rng.choice(writes), self.expr(reads, 2, writes)))
        if kind == "verify":
            return ("verify", self.cond(reads, writes, rng.choice([3, 255, 254])), rng.choice(ERRORS[7:]))
        if kind == "extract":
            return self.extract()
        if kind == "lookahead":
            return ("lookahead", rng.choice(writes), rng.choice([8, 16]))
        if kind == "header":
            return ("set", f"h.{rng.choice('ab')}.{rng.choice('vw')}", self.expr(reads, 2, writes))
        if kind == "last":
            return ("last", rng.choice(writes), self.expr(reads, 1, writes))
        return ("set", rng.choice(writes), self.expr(reads, 3, writes))

    def cond(self, reads: list[str], writes: list[str], other: int | None = None) -> Any:
        right = ("const", other) if other is not None else self.expr(reads, 1, writes)
        return (self.rng.choice(["==", "!=", "<", ">="]) if other is None else "!=", self.expr(reads, 1, writes), right)

    def expr(self, reads: list[str], depth: int, writes: list[str]) -> Any:
        rng = self.rng
        if depth <= 0 or rng.random() < 0.3:
            kind = rng.random()
            if kind < 0.3:
                return ("const", rng.choice([0, 1, 2, 255, rng.randrange(256)]))
            if kind < 0.5:
                return ("read", f"h.{rng.choice('ab')}.{rng.choice('vw')}")
            return ("read", rng.choice(reads))
        if rng.random() < 0.15:
            return ("inc", rng.choice(writes))
        if rng.random() < 0.15:
            return ("?", self.cond(reads, writes), self.expr(reads, depth - 1, writes), self.expr(reads, depth - 1, writes))
        return (rng.choice("+-&|^"), self.expr(reads, depth - 1, writes), self.expr(reads, depth - 1, writes))


# -- text -----------------------------------------------------------------------------------------------------------
def program_text(parsers: list[Parser]) -> str:
    codes = " else ".join(f"if (sm.parser_error == error.{name}) {{ h.r.e = {i}; }}" for i, name in enumerate(ERRORS))
    return HEAD + "".join(map(parser_text, parsers)) + TAIL % codes


def parser_text(p: Parser) -> str:
    meta = "inout M m, inout standard_metadata_t sm" if not p.direction else f"inout bit<8> p, {p.direction} bit<8> q"
    head = f"parser {p.name}(packet_in b, {'inout' if p.direction else 'out'} H h, {meta}) {{\n"
    lines = [f"    {callee.name}() {name};" for name, callee in p.instances]
    lines += [f"    bit<8> {name}" + (";" if value is None else f" = {value};") for name, value in p.locals]
    return head + "\n".join(lines + [state_text(s) for s in p.states]) + "\n}\n"


def state_text(s: State) -> str:
    body = "\n        ".join(map(stmt_text, s.body))
    if not s.keys:
        move = f"transition {s.cases[0][1]};"
    else:
        rows = " ".join(f"{label_text(label)}: {target};" for label, target in s.cases)
        move = f"transition select({', '.join(map(text, s.keys))}) {{ {rows} }}"
    return f"    state {s.name} {{\n        {body}\n        {move}\n    }}"


def label_text(label: Any) -> str:
    if label is None:
        return "default"
    parts = [{"value": lambda p: str(p[1]), "mask": lambda p: f"{p[1]} &&& {p[2]}", "any": lambda p: "_",
              "range": lambda p: f"{p[1]}..{p[2]}"}[p[0]](p) for p in label]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def stmt_text(s: Any) -> str:
    kind = s[0]
    if kind == "extract":
        return f"b.extract(h.{s[1]});"
    if kind == "advance":
        return f"b.advance({s[1]});"
    if kind == "set":
        return f"{s[1]} = {text(s[2])};"
    if kind == "local":
        return f"bit<8> {s[1]}" + (";" if s[2] is None else f" = {text(s[2])};")
    if kind == "if":
        return f"if ({text(s[1])}) {{ {stmt_text(s[2])} }} else {{ {stmt_text(s[3])} }}"
    if kind == "verify":
        return f"verify({text(s[1])}, error.{s[2]});"
    if kind == "lookahead":
        cut = "" if s[2] == 8 else "[7:0]"
        return f"{s[1]} = b.lookahead<bit<{s[2]}>>(){cut};"
    if kind == "last":
        return f"b.extract(h.s.next); h.s.last.v = {text(s[2])}; {s[1]} = h.s.last.w ^ (bit<8>)h.s.lastIndex;"
    last = text(s[4]) if s[2].direction == "in" else s[4]
    return f"{s[1]}.apply(b, h, {s[3]}, {last});"


def text(e: Any) -> str:
    kind = e[0]
    if kind == "const":
        return f"8w{e[1]}"
    if kind == "read":
        return str(e[1])
    if kind == "inc":
        return f"inc({e[1]})"
    if kind == "?":
        return f"({text(e[1])} ? {text(e[2])} : {text(e[3])})"
    return f"({text(e[1])} {e[0]} {text(e[2])})"
