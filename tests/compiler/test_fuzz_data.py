"""Random assignments, comparisons and calls with nested structs, tuples, headers, stacks and unions.

The model holds values as nested lists: bit<8> a number, a header [valid, v, w], a union [x, y] of headers of which one
is valid at most, a stack a list of headers, structs and tuples a list of their parts.
"""
from __future__ import annotations

import copy
import os
import random
from pathlib import Path
from typing import Any

import pytest

from emulator.switch.switch import Switch

from .harness import compile_text

PROGRAMS = int(os.environ.get("FPISA_FUZZ_PROGRAMS", "30"))
ENGINE = os.environ.get("FPISA_FUZZ_ENGINE", "interp")
FIRST = int(os.environ.get("FPISA_FUZZ_SEED", "3000"))
BASE = {"byte": [], "head": [("v", "byte"), ("w", "byte")], "stack": [("[0]", "head"), ("[1]", "head")],
        "union": [("x", "head"), ("y", "hea2")], "hea2": [("v", "byte"), ("w", "byte")],
        "pair": [("[0]", "byte"), ("[1]", "byte")]}
SPELLED = {"byte": "bit<8>", "head": "c_t", "hea2": "e_t", "stack": "c_t[2]", "union": "u_t", "pair": "tuple<bit<8>, bit<8>>"}
HEADERS = ("head", "hea2")


class Data:
    """One program: its types, the statements' text, and the values after them."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.types: dict[str, list[tuple[str, str]]] = dict(BASE)
        for number in range(rng.randrange(1, 4)):
            kinds = [k for k in self.types if k != "hea2"]
            self.types[f"s{number}_t"] = [(f"f{i}", rng.choice(kinds)) for i in range(rng.randrange(1, 4))]
        self.globals: dict[str, str] = {f"g{i}": rng.choice([k for k in self.types if k != "hea2"]) for i in range(3)}
        self.values: dict[str, Any] = {name: self.empty(kind) for name, kind in self.globals.items()}
        self.functions: list[str] = []
        self.lines: list[str] = []

    def empty(self, kind: str) -> Any:
        if kind in HEADERS:
            return [False, 0, 0]
        return 0 if kind == "byte" else [self.empty(k) for _, k in self.types[kind]]

    # -- places: (text, steps from the variable, kind)
    def places(self, scope: dict[str, str], wanted: str | None = None) -> list[tuple[str, tuple[Any, ...], str]]:
        found: list[tuple[str, tuple[Any, ...], str]] = []

        def add(text: str, steps: tuple[Any, ...], kind: str) -> None:
            if wanted is None or kind == wanted:
                found.append((text, steps, kind))
            for number, (name, inner) in enumerate(self.types[kind]):
                add(text + (name if name[0] == "[" else "." + name), (*steps, number + (kind in HEADERS)), inner)

        for name, kind in scope.items():
            add(name, (name,), kind)
        return found

    def get(self, values: dict[str, Any], steps: tuple[Any, ...]) -> Any:
        value: Any = values
        for step in steps:
            value = value[step]
        return value

    def put(self, values: dict[str, Any], steps: tuple[Any, ...], new: Any) -> None:
        """Store; what makes one member of a union valid or invalid ends the other's validity; invalid headers keep no fields."""
        owner = self.get(values, steps[:-1])
        if len(steps) > 1 and self.is_header(values, steps[:-1]) and not owner[0]:
            return
        owner[steps[-1]] = copy.deepcopy(new)
        if len(steps) > 1 and isinstance(new, list) and len(new) == 3 and self.kind(steps[:-1]) == "union":
            owner[1 - steps[-1]] = [False, 0, 0]

    def is_header(self, values: dict[str, Any], steps: tuple[Any, ...]) -> bool:
        return self.kind(steps) in HEADERS

    def kind(self, steps: tuple[Any, ...]) -> str:
        kind = self.scope[steps[0]]
        for step in steps[1:]:
            kind = self.types[kind][step - (kind in HEADERS)][1]
        return kind

    # -- expressions: (text, function from the values to the value)
    def leaf(self, scope: dict[str, str]) -> tuple[str, Any]:
        rng = self.rng
        places = self.places(scope, "byte")
        if not places or rng.random() < 0.3:
            number = rng.choice([0, 1, 2, 255, rng.randrange(256)])
            return f"8w{number}", lambda values: number
        text, steps, _ = rng.choice(places)
        if len(steps) > 1 and self.kind(steps[:-1]) in HEADERS:
            header = text.rpartition(".")[0]
            return f"({header}.isValid() ? {text} : 8w0)", lambda values: (
                self.get(values, steps) if self.get(values, steps[:-1])[0] else 0)
        return text, lambda values: self.get(values, steps)

    def value(self, scope: dict[str, str], kind: str) -> tuple[str, Any]:
        """A place of that kind, or an initializer; unions only as places."""
        rng = self.rng
        places = self.places(scope, kind)
        if kind == "byte":
            (a, run_a), (b, run_b) = self.leaf(scope), self.leaf(scope)
            return f"{a} + {b}", lambda values: (run_a(values) + run_b(values)) & 255
        if kind == "union" or (places and rng.random() < 0.5):
            text, steps, _ = rng.choice(places)
            return text, lambda values: copy.deepcopy(self.get(values, steps))
        if kind in HEADERS and rng.random() < 0.2:
            return "{#}", lambda values: [False, 0, 0]
        if any(self.holds_union(k) for _, k in self.types[kind]) and not places:
            raise LookupError(kind)
        if self.holds_union(kind):
            text, steps, _ = rng.choice(places)
            return text, lambda values: copy.deepcopy(self.get(values, steps))
        parts = [self.value(scope, k) for _, k in self.types[kind]]
        text = "{ " + ", ".join(t for t, _ in parts) + " }"
        front = [True] if kind in HEADERS else []
        return text, lambda values: front + [run(values) for _, run in parts]

    def holds_union(self, kind: str) -> bool:
        return kind == "union" or any(self.holds_union(k) for _, k in self.types[kind])

    # -- statements: text, and a function that changes the values
    def statement(self, scope: dict[str, str], depth: int) -> tuple[str, Any]:
        self.scope = scope
        rng = self.rng
        text, steps, kind = rng.choice(self.places(scope))
        if kind in HEADERS and rng.random() < 0.4:
            return self.validity(text, steps)
        if kind == "stack" and rng.random() < 0.4:
            return self.shift(text, steps)
        if depth and rng.random() < 0.2:
            return self.branch(scope, text, steps, kind, depth)
        if depth and rng.random() < 0.25:
            return self.call(scope, text, steps, kind, depth)
        try:
            new, run = self.value(scope, kind)
        except LookupError:
            return "", lambda values: None
        return f"{text} = {new};", lambda values: self.put(values, steps, run(values))

    def validity(self, text: str, steps: tuple[Any, ...]) -> tuple[str, Any]:
        if self.rng.random() < 0.6:
            return f"{text}.setValid();", lambda values: self.put(values, steps, [True, *(
                self.get(values, steps)[1:] if self.get(values, steps)[0] else [0, 0])])
        return f"{text}.setInvalid();", lambda values: self.put(values, steps, [False, 0, 0])

    def shift(self, text: str, steps: tuple[Any, ...]) -> tuple[str, Any]:
        if self.rng.random() < 0.5:
            return f"{text}.push_front(1);", lambda values: self.put(values, steps, [
                [False, 0, 0], self.get(values, steps)[0]])
        return f"{text}.pop_front(1);", lambda values: self.put(values, steps, [self.get(values, steps)[1], [False, 0, 0]])

    def branch(self, scope: dict[str, str], text: str, steps: tuple[Any, ...], kind: str, depth: int) -> tuple[str, Any]:
        other, other_steps, _ = self.rng.choice(self.places(scope, kind))
        sign = self.rng.choice(["==", "!="])
        (yes, run_yes), (no, run_no) = self.statement(scope, 0), self.statement(scope, 0)

        def run(values: dict[str, Any]) -> None:
            same = self.seen(self.get(values, steps), kind) == self.seen(self.get(values, other_steps), kind)
            (run_yes if same == (sign == "==") else run_no)(values)

        if self.reads_header_field(steps) or self.reads_header_field(other_steps):
            return "", lambda values: None
        return f"if ({text} {sign} {other}) {{ {yes} }} else {{ {no} }}", run

    def reads_header_field(self, steps: tuple[Any, ...]) -> bool:
        return len(steps) > 1 and self.kind(steps[:-1]) in HEADERS

    def seen(self, value: Any, kind: str) -> Any:
        """A value as comparisons see it: invalid headers are all alike."""
        if kind == "byte":
            return value
        if kind in HEADERS:
            return value if value[0] else None
        return [self.seen(v, k) for v, (_, k) in zip(value, self.types[kind])]

    def call(self, scope: dict[str, str], text: str, steps: tuple[Any, ...], kind: str, depth: int) -> tuple[str, Any]:
        """void f(inout T a, in T b) with a body of its own; the arguments may overlap."""
        if self.reads_header_field(steps):
            return "", lambda values: None
        inner = {"a": kind, "b": kind}
        body = [self.statement({"a": kind} if i else inner, 0) for i in range(0, 3)]
        self.scope = scope
        body = [b for b in body if not b[0].startswith("b")]
        name = f"fn{len(self.functions)}"
        lines = " ".join(t for t, _ in body)
        self.functions.append(f"void {name}(inout {self.spelled(kind)} a, in {self.spelled(kind)} b) {{ {lines} }}")
        other, other_steps, _ = self.rng.choice([p for p in self.places(scope, kind) if not self.reads_header_field(p[1])])

        def run(values: dict[str, Any]) -> None:
            local = {"a": copy.deepcopy(self.get(values, steps)), "b": copy.deepcopy(self.get(values, other_steps))}
            self.scope = inner
            for _, step in body:
                step(local)
            self.scope = scope
            self.put(values, steps, local["a"])

        return f"{name}({text}, {other});", run

    def spelled(self, kind: str) -> str:
        return SPELLED.get(kind, kind)

    def run(self) -> tuple[str, bytes]:
        for _ in range(self.rng.randrange(8, 36)):
            text, step = self.statement(self.globals, 1)
            self.scope = self.globals
            step(self.values)
            self.lines.append(text)
        seen, shown = self.results()
        return self.text(shown), bytes(seen)

    def results(self) -> tuple[list[int], list[str]]:
        """What each part is at the end: numbers, and for headers whether they are valid and what they then hold."""
        self.scope = self.globals
        seen, shown = [], []
        for text, steps, kind in self.places(self.globals):
            if kind in HEADERS:
                shown.append(f"{text}.isValid() ? 8w1 : 0")
                seen.append(int(self.get(self.values, steps)[0]))
            elif kind == "byte":
                inside = self.reads_header_field(steps)
                valid = not inside or self.get(self.values, steps[:-1])[0]
                shown.append(f"{text.rpartition('.')[0]}.isValid() ? {text} : 0" if inside else text)
                seen.append(self.get(self.values, steps) if valid else 0)
        return seen, shown

    def text(self, shown: list[str]) -> str:
        structs = "\n".join(f"struct {name} {{ " + " ".join(f"{self.spelled(k)} {f};" for f, k in fields) + " }"
                            for name, fields in self.types.items() if name not in BASE)
        fields = " ".join(f"bit<8> r{i};" for i in range(len(shown)))
        sets = "\n        ".join(f"h.r.r{i} = {text};" for i, text in enumerate(shown))
        variables = "\n    ".join(f"{self.spelled(kind)} {name};" for name, kind in self.globals.items())
        zeros = "\n        ".join(f"{t} = 0;" for t, s, k in self.places(self.globals, "byte")
                                  if not self.reads_header_field(s))
        lines = "\n        ".join(self.lines)
        return f"""#include <core.p4>
#include <v1model.p4>
header c_t {{ bit<8> v; bit<8> w; }}
header e_t {{ bit<8> v; bit<8> w; }}
header_union u_t {{ c_t x; e_t y; }}
header r_t {{ {fields} bit<8> end; }}
{structs}
struct H {{ r_t r; }}
struct M {{ }}
{chr(10).join(self.functions)}
parser P(packet_in b, out H h, inout M m, inout standard_metadata_t sm) {{ state start {{ transition accept; }} }}
control V(inout H h, inout M m) {{ apply {{ }} }}
control I(inout H h, inout M m, inout standard_metadata_t sm) {{
    {variables}
    apply {{
        {zeros}
        {lines}
        h.r.setValid();
        {sets}
    }}
}}
control E(inout H h, inout M m, inout standard_metadata_t sm) {{ apply {{ }} }}
control D(packet_out b, in H h) {{ apply {{ b.emit(h); }} }}
V1Switch(P(), V(), I(), E(), V(), D()) main;
"""


@pytest.mark.parametrize("number", range(PROGRAMS))
def test_random_data(number: int, tmp_path: Path) -> None:
    print(f"seed {FIRST + number}")
    one(FIRST + number, tmp_path)


def one(seed: int, folder: Path, engine: str = ENGINE) -> None:
    text, wanted = Data(random.Random(seed)).run()
    result = compile_text(text, folder)
    assert result.ok, result.text()
    found = Switch.load(result.json, engine=engine).send(0, b"")
    assert found == [(0, wanted + b"\0")], f"wanted {wanted.hex()}, found {found[0][1].hex()}\n{text}"
