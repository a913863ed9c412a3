"""Random functions and actions that call, return and exit, against a model of copy-in and copy-out.

The model runs the same shapes as closures over dictionaries: every parameter is a copy, written back in order when the
body ends, returns or exits.
"""
from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emulator.switch.switch import Switch

from .harness import compile_text, source

FIELDS = ["hdr.h.a", "hdr.h.b", "hdr.h.c", "hdr.h.d"]
PROGRAMS = 60
PACKETS = 4
REST = bytes([0, 5, 0, 6])
Code = tuple[str, Callable[["Scope"], Any]]


class Returned(Exception):
    """return, with the value as argument."""


class Exited(Exception):
    """exit."""


class Scope(dict[str, int]):
    """Variables of one body; an action also sees the fields outside."""

    def __init__(self, values: dict[str, int], outer: Scope | None = None) -> None:
        super().__init__(values)
        self.outer = outer

    def __missing__(self, name: str) -> int:
        if self.outer is None:
            raise KeyError(name)
        return self.outer[name]

    def store(self, name: str, value: int) -> None:
        if name in self or self.outer is None:
            self[name] = value
        else:
            self.outer.store(name, value)


@dataclass
class Callee:
    name: str
    directions: list[str]
    is_action: bool
    returns: bool
    run: Callable[[Scope], Any]

    @property
    def params(self) -> list[str]:
        return [f"p{i}" for i in range(len(self.directions))]

    def header(self) -> str:
        return ", ".join(f"{d} bit<8> {p}" for d, p in zip(self.directions, self.params))


OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b & 255, "-": lambda a, b: a - b & 255, "^": lambda a, b: a ^ b, "&": lambda a, b: a & b}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b}


class Maker:
    """Makes code as (text, model). `readable` and `writable` are the names in scope."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.callees: list[Callee] = []

    def expr(self, readable: list[str], writable: list[str], depth: int, calls: bool = True) -> Code:
        rng = self.rng
        functions = [c for c in self.callees if c.returns]
        if depth and calls and functions and writable and rng.random() < 0.3:
            return self.call(rng.choice(functions), readable, writable)
        if depth == 0 or rng.random() < 0.3:
            if rng.random() < 0.6:
                name = rng.choice(readable)
                return name, lambda s: s[name]
            number = rng.randrange(5)
            return f"8w{number}", lambda s: number
        op = rng.choice(list(OPERATORS))
        a, f = self.expr(readable, writable, depth - 1, calls)
        b, g = self.expr(readable, writable, depth - 1, calls)

        def run(s: Scope) -> int:
            left = f(s)
            return OPERATORS[op](left, g(s))

        return f"({a} {op} {b})", run

    def call(self, callee: Callee, readable: list[str], writable: list[str]) -> Code:
        texts: list[str] = []
        values: list[Callable[[Scope], int]] = []
        places: list[str | None] = []
        for direction in callee.directions:
            if direction == "in":
                text, value = self.expr(readable, writable, 1, calls=False)
                places.append(None)
            else:
                text = self.rng.choice(writable)
                value = lambda s, n=text: s[n]  # noqa: E731
                places.append(text)
            texts.append(text)
            values.append(value)

        def run(s: Scope) -> Any:
            local = Scope({p: v(s) for p, v in zip(callee.params, values)}, s if callee.is_action else None)
            result = None
            leaving: Exited | None = None
            try:
                result = callee.run(local)
            except Returned as returned:
                result = returned.args[0]
            except Exited as exited:
                leaving = exited
            for place, param in zip(places, callee.params):
                if place is not None:
                    s.store(place, local[param])
            if leaving is not None:
                raise leaving
            return result

        return f"{callee.name}({', '.join(texts)})", run

    def body(self, readable: list[str], writable: list[str], depth: int, action: bool, returns: bool) -> Code:
        parts = []
        for _ in range(self.rng.randrange(1, 4)):
            text, run, ends = self.statement(readable, writable, depth, action, returns)
            parts.append((text, run))
            if ends:
                break

        def all_of(s: Scope) -> None:
            for _, run in parts:
                run(s)

        return " ".join(text for text, _ in parts), all_of

    def statement(self, readable: list[str], writable: list[str], depth: int, action: bool,
                  returns: bool) -> tuple[str, Callable[[Scope], Any], bool]:
        rng = self.rng
        kind = rng.random()
        callable_ = [c for c in self.callees if action or not c.is_action]
        if depth and kind < 0.3:
            return (*self.branch(readable, writable, depth, action, returns), False)
        if callable_ and kind < 0.5:
            text, run = self.call(rng.choice(callable_), readable, writable)
            return f"{text};", run, False
        if action and kind < 0.58:
            return "exit;", _exit, True
        if kind < 0.64:
            if not returns:
                return "return;", lambda s: _return(None), True
            text, value = self.expr(readable, writable, 1)
            return f"return {text};", lambda s: _return(value(s)), True
        name = rng.choice(writable)
        text, value = self.expr(readable, writable, 2)
        return f"{name} = {text};", lambda s: s.store(name, value(s)), False

    def branch(self, readable: list[str], writable: list[str], depth: int, action: bool, returns: bool) -> Code:
        op = self.rng.choice(list(COMPARISONS))
        (a, f), (b, g) = (self.expr(readable, writable, 1) for _ in range(2))
        (yes, run_yes), (no, run_no) = (self.body(readable, writable, depth - 1, action, returns) for _ in range(2))

        def run(s: Scope) -> None:
            left = f(s)
            (run_yes if COMPARISONS[op](left, g(s)) else run_no)(s)

        return f"if ({a} {op} {b}) {{ {yes} }} else {{ {no} }}", run

    def declare(self, name: str, action: bool) -> str:
        """Make one function or action; its text."""
        directions = ["inout"] + [self.rng.choice(["in", "inout"]) for _ in range(self.rng.randrange(3))]
        callee = Callee(name, directions, action, not action and self.rng.random() < 0.6, lambda s: None)
        writable = [p for p, d in zip(callee.params, directions) if d != "in"]
        outside = FIELDS if action else []
        text, run = self.body(callee.params + outside, writable + outside, 2, action, callee.returns)
        last, value = self.expr(callee.params, writable, 1)

        def whole(s: Scope) -> Any:
            run(s)
            return value(s) if callee.returns else None

        callee.run = whole
        self.callees.append(callee)
        head = "action" if action else "bit<8>" if callee.returns else "void"
        return f"{head} {name}({callee.header()}) {{ {text} {f'return {last};' if callee.returns else ''} }}\n"


def _exit(s: Scope) -> None:
    raise Exited


def _return(value: int | None) -> None:
    raise Returned(value)


@pytest.mark.parametrize("number", range(PROGRAMS))
def test_control_flow(number: int, tmp_path: Path) -> None:
    seed = 4000 + number
    print(f"seed {seed}")
    rng = random.Random(seed)
    maker = Maker(rng)
    top = "".join(maker.declare(f"f{i}", False) for i in range(3))
    local = "".join(maker.declare(f"a{i}", True) for i in range(3))
    text, run = maker.body(FIELDS, FIELDS, 3, True, False)
    result = compile_text(source(text, top=top, locals=local), tmp_path)
    assert result.ok, result.text()
    switch = Switch.load(result.json, engine="interp")
    for _ in range(PACKETS):
        values = [rng.randrange(6) for _ in FIELDS]
        scope = Scope(dict(zip(FIELDS, values)))
        try:
            run(scope)
        except (Returned, Exited):
            pass
        wanted = bytes(scope[f] for f in FIELDS) + REST
        assert switch.send(0, bytes(values) + REST) == [(1, wanted)], (values, text)
