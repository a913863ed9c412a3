"""Random type-correct programs as trees of tuples.

Types are ("bit", w), ("header", name) and "bool". Expressions and statements are tuples whose first item names them;
fuzz_model evaluates them, fuzz_text writes them.
"""
from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from .fuzz_text import Callee, Program, Table

FIELDS = {"a": 8, "b": 8, "c": 8, "w": 16}
PAIR = {"p": 8, "q": 16}
HEADERS = ["hdr.h", "hdr.g", "hdr.s[0]", "hdr.s[1]"]
"""hdr.h is always there and no code makes it invalid except through assignment from another; the rest may come and go."""

@dataclass
class Scope:
    """What code may name: places to read and write by width, headers, what it may call and do."""

    reads: dict[int, list[Any]]
    writes: dict[int, list[Any]]
    headers: list[Any]
    kind: str
    result: int | None = None
    callables: list[Callee] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    controls: list[Callee] = field(default_factory=list)
    depth: int = 2
    pairs: list[Any] = field(default_factory=list)
    loop: bool = False

    def inner(self) -> Scope:
        return Scope({w: list(v) for w, v in self.reads.items()}, {w: list(v) for w, v in self.writes.items()},
                     list(self.headers), self.kind, self.result, self.callables, self.tables, self.controls,
                     self.depth - 1, list(self.pairs), self.loop)

    def add(self, place: Any, width: int, writable: bool = True) -> None:
        self.reads[width].append(place)
        if writable:
            self.writes[width].append(place)


class Generator:
    PACKET = 12

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.names = 0

    def program(self) -> Program:
        functions: list[Callee] = []
        for _ in range(self.rng.randrange(1, 4)):
            functions.append(self.function(functions))
        controls: list[Callee] = []
        for _ in range(self.rng.randrange(0, 3)):
            controls.append(self.control(functions, controls))
        return Program(functions, controls, self.main(functions, controls))

    def name(self, hint: str) -> str:
        self.names += 1
        return f"{hint}{self.names}"

    # -- callables
    def params(self, plain: bool = True) -> list[tuple[str, str, Any]]:
        out: list[tuple[str, str, Any]] = []
        for _ in range(self.rng.randrange(0 if plain else 1, 4)):
            kind: Any = self.rng.choice([8, 8, 8, 16, 3, "header", "pair"])
            out.append((self.name("p"), self.rng.choice(["in", "inout", "inout", "out"]), kind))
        return out

    def scope(self, kind: str, params: list[tuple[str, str, Any]], outside: bool) -> Scope:
        scope = Scope({8: [], 16: [], 3: []}, {8: [], 16: [], 3: []}, [], kind)
        for name, direction, t in params:
            if t == "header":
                if direction != "in":
                    scope.headers.append(("header", name))
                continue
            if t == "pair":
                for f, w in PAIR.items():
                    scope.add(("var", f"{name}.{f}", w), w, direction != "in")
                if direction != "in":
                    scope.pairs.append(("pair", name))
                continue
            scope.add(("var", name, t), t, direction not in ("in", ""))
        if outside:
            for f, w in FIELDS.items():
                scope.reads[w].append(("field", ("header", "hdr.h"), f, w))
                scope.writes[w].append(("field", ("header", "hdr.h"), f, w))
            scope.reads[8].append(("var", "meta.m", 8))
            scope.writes[8].append(("var", "meta.m", 8))
            scope.reads[16].append(("var", "meta.n", 16))
            scope.writes[16].append(("var", "meta.n", 16))
            scope.headers += [("header", h) for h in HEADERS[1:]]
        return scope

    def function(self, known: list[Callee]) -> Callee:
        made = Callee(self.name("f"), "function", self.params(), self.rng.choice([8, 8, 16, None]))
        scope = self.scope("function", made.params, False)
        scope.callables, scope.result = list(known), made.result
        made.body = self.block(scope)
        if made.result is not None:
            made.body.append(("return", self.expr(scope, made.result, 2)))
        return made

    def action(self, known: list[Callee], params: list[tuple[str, str, Any]], data: bool, outside: bool) -> Callee:
        own = [(self.name("d"), "", 8)] if data else self.params()
        made = Callee(self.name("a"), "action", own)
        scope = self.scope("action", [*params, *own], outside)
        scope.callables = list(known)
        made.body = self.block(scope)
        return made

    def control(self, functions: list[Callee], controls: list[Callee]) -> Callee:
        made = Callee(self.name("C"), "control", self.params(plain=False))
        self.fill_control(made, self.scope("control", made.params, False), functions, controls, False)
        return made

    def main(self, functions: list[Callee], controls: list[Callee]) -> Callee:
        made = Callee("Ig", "control", [])
        self.fill_control(made, self.scope("control", [], True), functions, controls, True)
        return made

    def fill_control(self, made: Callee, scope: Scope, functions: list[Callee], controls: list[Callee],
                     outside: bool) -> None:
        direct: list[Callee] = []
        for _ in range(self.rng.randrange(0, 3)):
            direct.append(self.action(functions + direct, made.params, False, outside))
        tabled = [self.action(functions + direct, made.params, True, outside) for _ in range(2)]
        made.actions = direct + tabled
        for _ in range(self.rng.randrange(1, 3) if outside else self.rng.randrange(0, 2)):
            key = self.expr(scope, 8, 1, calls=False) if self.rng.random() < 0.7 else None
            entries = [(v, self.rng.randrange(2), self.rng.randrange(4))
                       for v in self.rng.sample(range(5), 2)] if key is not None else []
            made.tables.append(Table(self.name("t"), key, tabled, entries,
                                     (self.rng.randrange(2), self.rng.randrange(4))))
        scope.callables = functions + direct
        scope.tables, scope.controls, scope.depth = list(made.tables), list(controls), 3
        made.body = self.block(scope, 5)

    # -- statements
    def block(self, scope: Scope, most: int = 4) -> list[Any]:
        out: list[Any] = []
        for _ in range(self.rng.randrange(1, most + 1)):
            stmt = self.statement(scope)
            out.append(stmt)
            if stmt[0] in ("exit", "return", "break", "continue"):
                break
        return out

    def statement(self, scope: Scope) -> Any:
        rng = self.rng
        kinds = ["assign"] * 5 + ["slice", "local", "call", "call", "pair"]
        if ("header", "hdr.s[1]") in scope.headers:
            kinds += ["dynamic"]
        if scope.depth > 1:
            kinds += ["loop"]
        if scope.headers:
            kinds += ["valid", "copy", "guarded"]
        if scope.depth > 0:
            kinds += ["if", "if", "switch"]
        if scope.tables:
            kinds += ["table", "table"]
        if scope.controls:
            kinds += ["control"]
        kinds += ["leave"] if rng.random() < 0.4 else []
        return getattr(self, "s_" + rng.choice(kinds))(scope)

    def s_assign(self, scope: Scope) -> Any:
        width = self.rng.choice([w for w in scope.writes if scope.writes[w]] or [0])
        if not width:
            return self.s_local(scope)
        return ("assign", self.place(scope, width), self.expr(scope, width, 3))

    def place(self, scope: Scope, width: int) -> Any:
        return self.rng.choice(scope.writes[width])

    def s_slice(self, scope: Scope) -> Any:
        place = self.slice_place(scope, self.rng.choice([3, 4, 1, 8]))
        if place is None:
            return self.s_assign(scope)
        return ("assign", place, self.expr(scope, place[2] - place[3] + 1, 2))

    def slice_place(self, scope: Scope, width: int) -> Any:
        wide = [p for w in (8, 16) if w > width for p in scope.writes[w]]
        if not wide:
            return None
        base = self.rng.choice(wide)
        low = self.rng.randrange(base[-1] - width + 1)
        return ("slice", base, low + width - 1, low)

    def s_local(self, scope: Scope) -> Any:
        name, width = self.name("v"), self.rng.choice([8, 8, 16, 3])
        value = self.expr(scope, width, 2) if self.rng.random() < 0.8 else None
        scope.reads[width].append(("var", name, width))
        scope.writes[width].append(("var", name, width))
        return ("local", name, width, value)

    def s_pair(self, scope: Scope) -> Any:
        if scope.pairs and self.rng.random() < 0.5:
            return ("pairset", self.rng.choice(scope.pairs), self.pair(scope, 2))
        made = ("localpair", self.name("v"), self.pair(scope, 2) if self.rng.random() < 0.8 else None)
        scope.pairs.append(("pair", made[1]))
        for f, w in PAIR.items():
            scope.add(("var", f"{made[1]}.{f}", w), w)
        return made

    def pair(self, scope: Scope, depth: int) -> Any:
        if scope.pairs and self.rng.random() < 0.4:
            return self.rng.choice(scope.pairs)
        return ("pairinit", *[self.expr(scope, w, depth) for w in PAIR.values()])

    def s_loop(self, scope: Scope) -> Any:
        inner = scope.inner()
        inner.tables, inner.controls, inner.loop = [], [], True
        name = self.name("i")
        inner.reads[8].append(("var", name, 8))
        return ("loop", name, self.rng.randrange(1, 4), self.block(inner, 3))

    def s_dynamic(self, scope: Scope) -> Any:
        """Elements of the stack chosen at run time, where both are valid."""
        both = [("header", "hdr.s[0]"), ("header", "hdr.s[1]")]
        inner = scope.inner()
        for f, w in FIELDS.items():
            for _ in range(2):
                inner.add(("field", ("dyn", ("part", self.expr(scope, 8, 2), 0, 0)), f, w), w)
        inner.headers = [h for h in inner.headers if h not in both]
        cond = ("and", ("isvalid", both[0]), ("isvalid", both[1]))
        return ("if", cond, [self.s_assign(inner) for _ in range(3)], [])

    def s_call(self, scope: Scope) -> Any:
        usable = [c for c in scope.callables if c.kind == "function" or scope.kind != "function"]
        found = self.call(scope, usable, 2)
        return ("callstmt", found) if found is not None else self.s_assign(scope)

    def s_valid(self, scope: Scope) -> Any:
        return (self.rng.choice(["setvalid", "setvalid", "setinvalid"]), self.rng.choice(scope.headers))

    def s_copy(self, scope: Scope) -> Any:
        target = self.rng.choice(scope.headers)
        if self.rng.random() < 0.5:
            values = [self.expr(scope, w, 1) for w in FIELDS.values()]
            return ("init", target, values)
        sources = scope.headers + ([("header", "hdr.h")] if scope.kind in ("action", "control") and
                                   any(r[0] == "field" for r in scope.reads[8]) else [])
        return ("copy", target, self.rng.choice(sources))

    def s_guarded(self, scope: Scope) -> Any:
        """Use a header's fields where it is valid."""
        header = self.rng.choice(scope.headers)
        inner = scope.inner()
        for f, w in FIELDS.items():
            inner.reads[w].append(("field", header, f, w))
            inner.writes[w].append(("field", header, f, w))
        inner.headers = [h for h in inner.headers if h != header]
        keep = [self.s_assign(inner) for _ in range(2)]
        return ("if", ("isvalid", header), keep, self.block(scope.inner(), 2) if scope.depth > 0 else [])

    def s_if(self, scope: Scope) -> Any:
        if scope.tables and self.rng.random() < 0.5:
            table = scope.tables.pop(self.rng.randrange(len(scope.tables)))
            cond: Any = ("hit", table) if self.rng.random() < 0.6 else ("miss", table)
            if self.rng.random() < 0.3:
                cond = (self.rng.choice(["and", "or"]), cond, self.cond(scope, 1))
        else:
            cond = self.cond(scope, 2)
        then = self.block(scope.inner())
        return ("if", cond, then, self.block(scope.inner()) if self.rng.random() < 0.6 else [])

    def s_switch(self, scope: Scope) -> Any:
        labels = self.rng.sample(range(6), self.rng.randrange(1, 4))
        cases = [([v], self.block(scope.inner(), 2)) for v in labels]
        if len(cases) > 1 and self.rng.random() < 0.4:
            cases[0] = (cases[0][0] + cases.pop(1)[0], cases[0][1])
        default = self.block(scope.inner(), 2) if self.rng.random() < 0.7 else None
        return ("switch", self.expr(scope, 8, 1), cases, default)

    def s_table(self, scope: Scope) -> Any:
        table = scope.tables.pop(self.rng.randrange(len(scope.tables)))
        if self.rng.random() < 0.5 or scope.depth <= 0:
            return ("apply", table, None, None)
        cases = [(i, self.block(scope.inner(), 2)) for i in range(self.rng.randrange(1, 3))]
        return ("apply", table, cases, self.block(scope.inner(), 2) if self.rng.random() < 0.5 else None)

    def s_control(self, scope: Scope) -> Any:
        found = self.call(scope, [scope.controls.pop(self.rng.randrange(len(scope.controls)))], 1)
        return ("callstmt", found) if found is not None else self.s_assign(scope)

    def s_leave(self, scope: Scope) -> Any:
        if scope.loop and self.rng.random() < 0.7:
            return (self.rng.choice(["break", "continue"]),)
        if scope.kind != "function" and self.rng.random() < 0.5:
            return ("exit",)
        return ("return", self.expr(scope, scope.result, 2) if scope.result is not None else None)

    def call(self, scope: Scope, usable: list[Callee], depth: int, result: int | None = None) -> Any:
        usable = [c for c in usable if result is None or c.result == result]
        if not usable:
            return None
        callee = self.rng.choice(usable)
        args = []
        for _, direction, kind in callee.params:
            arg = self.argument(scope, direction, kind, depth)
            if arg is None:
                return None
            args.append(arg)
        return ("call", callee, args)

    def argument(self, scope: Scope, direction: str, kind: Any, depth: int) -> Any:
        if kind == "header":
            return self.rng.choice(scope.headers) if scope.headers else None
        if kind == "pair":
            if direction == "in":
                return self.pair(scope, depth - 1)
            return self.rng.choice(scope.pairs) if scope.pairs else None
        if direction == "in":
            return self.expr(scope, kind, depth - 1)
        if self.rng.random() < 0.3 or not scope.writes[kind]:
            found = self.slice_place(scope, kind)
            if found is not None:
                return found
        return self.place(scope, kind) if scope.writes[kind] else None

    # -- expressions
    def expr(self, scope: Scope, width: int, depth: int, calls: bool = True) -> Any:
        rng = self.rng
        if depth <= 0 or rng.random() < 0.2:
            known = scope.reads.get(width)
            if known and rng.random() < 0.7:
                return rng.choice(known)
            return ("const", rng.choice([0, 1, 2, 3, (1 << width) - 1, rng.getrandbits(width)]) & ((1 << width) - 1),
                    width)
        if calls and rng.random() < 0.3:
            found = self.call(scope, [c for c in scope.callables if c.kind == "function"], depth - 1, width)
            if found is not None:
                return found
        kind = rng.choice(["op", "op", "op", "choose", "cast", "part", "not", "shift", "concat"])
        if kind == "choose":
            return ("choose", self.cond(scope, depth - 1, calls), self.expr(scope, width, depth - 1, calls),
                    self.expr(scope, width, depth - 1, calls), width)
        if kind == "cast":
            return ("cast", self.expr(scope, rng.choice([8, 16, 3]), depth - 1, calls), width)
        if kind == "part" and width <= 8:
            low = rng.randrange(16 - width + 1)
            return ("part", self.expr(scope, 16, depth - 1, calls), low + width - 1, low)
        if kind == "not":
            return ("not", self.expr(scope, width, depth - 1, calls), width)
        if kind == "shift":
            return (rng.choice(["<<", ">>"]), self.expr(scope, width, depth - 1, calls),
                    self.expr(scope, 8, depth - 1, calls), width)
        if kind == "concat" and width > 3:
            return ("concat", self.expr(scope, width - 3, depth - 1, calls), self.expr(scope, 3, depth - 1, calls), width)
        return (rng.choice(["+", "-", "*", "&", "|", "^", "|+|", "|-|"]), self.expr(scope, width, depth - 1, calls),
                self.expr(scope, width, depth - 1, calls), width)

    def cond(self, scope: Scope, depth: int, calls: bool = True) -> Any:
        rng = self.rng
        if depth > 0 and rng.random() < 0.4:
            return (rng.choice(["and", "or"]), self.cond(scope, depth - 1, calls), self.cond(scope, depth - 1, calls))
        if scope.headers and rng.random() < 0.2:
            return ("isvalid", rng.choice(scope.headers))
        if len(scope.headers) > 1 and rng.random() < 0.2:
            return ("same", *rng.sample(scope.headers, 2))
        width = rng.choice([8, 16, 3])
        return (rng.choice(["==", "!=", "<", "<=", ">", ">="]), self.expr(scope, width, depth, calls),
                self.expr(scope, width, depth, calls))


# -- text
