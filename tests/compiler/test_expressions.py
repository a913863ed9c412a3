"""Random expressions, compiled and run, against a direct evaluation by the language's rules."""
from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from emulator.compiler.api import compile_file
from emulator.switch.switch import Switch

WIDTHS = (1, 3, 8, 13, 32, 64, 100)
ODD_WIDTHS = (2, 7, 9, 16, 31, 33, 63, 65, 127, 128, 129)
OUTPUTS = 40
OUTPUT_BITS = 136
PROGRAMS = int(os.environ.get("FPISA_FUZZ_PROGRAMS", "6"))
ENGINE = os.environ.get("FPISA_FUZZ_ENGINE", "interp")
FIRST = int(os.environ.get("FPISA_FUZZ_SEED", "7000"))
PACKETS = 6
LEVELS = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8,
          "++": 9, "+": 9, "-": 9, "|+|": 9, "|-|": 9, "*": 10}


def wrap(value: int, width: int, signed: bool) -> int:
    value &= (1 << width) - 1
    return value - (1 << width) if signed and value >> (width - 1) else value


def clamp(value: int, width: int, signed: bool) -> int:
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    return max(low, min(high, value))


class Maker:
    """Makes expressions: (text, function of the inputs' values)."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.widths = sorted(rng.sample(WIDTHS, 4) + rng.sample(ODD_WIDTHS, 3))
        self.inputs = [(width, signed) for width in self.widths for signed in (False, True)]
        self.levels: dict[str, int] = {}

    def joined(self, a: str, op: str, b: str) -> str:
        """(a op b), without those parentheses inside that the operators' strengths make idle."""
        level = LEVELS[op]
        if self.levels.get(a, 0) >= level and level not in (3, 4):
            a = a[1:-1]
        if self.levels.get(b, 0) > level:
            b = b[1:-1]
        text = f"({a} {op} {b})"
        self.levels[text] = level
        return text

    def leaf(self, width: int, signed: bool):
        rng = self.rng
        if (width, signed) in self.inputs and rng.random() < 0.75:
            name = f"{'i' if signed else 'u'}{width}"
            return f"hdr.p.{name}", lambda env: env[name]
        value = rng.choice([0, 1, (1 << width) - 1, 1 << (width - 1), rng.getrandbits(width)])
        number = wrap(value, width, signed)
        if signed:
            return f"((int<{width}>){width}w{value})", lambda env: number
        return f"{width}w{value}", lambda env: number

    def expr(self, width: int, signed: bool, depth: int):
        if depth == 0:
            return self.leaf(width, signed)
        kind = self.rng.choice(["arith", "arith", "arith", "shift", "unary", "choice", "cast", "slice", "concat", "sat"])
        return getattr(self, "_" + kind)(width, signed, depth - 1)

    def _arith(self, width: int, signed: bool, depth: int):
        op = self.rng.choice(["+", "-", "*", "&", "|", "^"])
        (a, f), (b, g) = self.expr(width, signed, depth), self.expr(width, signed, depth)
        apply = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "&": int.__and__, "|": int.__or__,
                 "^": int.__xor__}[op]
        return self.joined(a, op, b), lambda env: wrap(apply(f(env), g(env)), width, signed)

    def _sat(self, width: int, signed: bool, depth: int):
        (a, f), (b, g) = self.expr(width, signed, depth), self.expr(width, signed, depth)
        if self.rng.random() < 0.5:
            return self.joined(a, "|+|", b), lambda env: clamp(f(env) + g(env), width, signed)
        return self.joined(a, "|-|", b), lambda env: clamp(f(env) - g(env), width, signed)

    def _shift(self, width: int, signed: bool, depth: int):
        a, f = self.expr(width, signed, depth)
        if self.rng.random() < 0.5:
            amount = self.rng.randrange(width + 3)
            b, g = str(amount), (lambda env: amount)
        else:
            b, g = self.expr(self.rng.choice([3, 8, *self.widths]), False, 0)
        if self.rng.random() < 0.5:
            return self.joined(a, "<<", b), lambda env: wrap(f(env) << min(g(env), width), width, signed)
        return self.joined(a, ">>", b), lambda env: f(env) >> min(g(env), width)

    def _unary(self, width: int, signed: bool, depth: int):
        a, f = self.expr(width, signed, depth)
        if self.rng.random() < 0.5:
            return f"(-{a})", lambda env: wrap(-f(env), width, signed)
        return f"(~{a})", lambda env: wrap(~f(env), width, signed)

    def _choice(self, width: int, signed: bool, depth: int):
        c, h = self.condition(depth)
        (a, f), (b, g) = self.expr(width, signed, depth), self.expr(width, signed, depth)
        return f"({c} ? {a} : {b})", lambda env: f(env) if h(env) else g(env)

    def _cast(self, width: int, signed: bool, depth: int):
        source = self.rng.choice(self.widths)
        if self.rng.random() < 0.5:
            a, f = self.expr(source, signed, depth)
        else:
            a, f = self.expr(width, not signed, depth)
        return f"(({'int' if signed else 'bit'}<{width}>){a})", lambda env: wrap(f(env), width, signed)

    def _slice(self, width: int, signed: bool, depth: int):
        bigger = [w for w in self.widths if w >= width]
        if signed or not bigger:
            return self._cast(width, signed, depth)
        source = self.rng.choice(bigger)
        a, f = self.expr(source, self.rng.random() < 0.5, depth)
        low = self.rng.randrange(source - width + 1)
        return f"({a}[{low + width - 1}:{low}])", lambda env: wrap(f(env) >> low, width, False)

    def _concat(self, width: int, signed: bool, depth: int):
        if width == 1 or signed:
            return self._arith(width, signed, depth)
        left = self.rng.randrange(1, width)
        (a, f), (b, g) = self.expr(left, False, depth), self.expr(width - left, False, depth)
        return self.joined(a, "++", b), lambda env: f(env) << (width - left) | g(env)

    def condition(self, depth: int):
        if depth > 0 and self.rng.random() < 0.3:
            (a, f), (b, g) = self.condition(depth - 1), self.condition(depth - 1)
            if self.rng.random() < 0.5:
                return self.joined(a, "&&", "!" + b), lambda env: f(env) and not g(env)
            return self.joined(a, "||", b), lambda env: f(env) or g(env)
        width, signed = self.rng.choice(self.widths), self.rng.random() < 0.5
        (a, f), (b, g) = self.expr(width, signed, depth), self.expr(width, signed, depth)
        op = self.rng.choice(["==", "!=", "<", "<=", ">", ">="])
        apply = {"==": int.__eq__, "!=": int.__ne__, "<": int.__lt__, "<=": int.__le__, ">": int.__gt__,
                 ">=": int.__ge__}[op]
        return self.joined(a, op, b), lambda env: apply(f(env), g(env))


def program(exprs: list[str], inputs: list[tuple[int, bool]]) -> str:
    fields = " ".join(f"{'int' if s else 'bit'}<{w}> {'i' if s else 'u'}{w};" for w, s in inputs)
    pad = -sum(w for w, _ in inputs) % 8
    outs = " ".join(f"bit<{OUTPUT_BITS}> o{n};" for n in range(OUTPUTS))
    body = "\n".join(exprs)
    return f"""#include <core.p4>
#include <v1model.p4>
header p_t {{ {fields} bit<{pad or 8}> pad; }}
header o_t {{ {outs} }}
struct headers_t {{ p_t p; o_t o; }}
struct meta_t {{ }}
parser P(packet_in pkt, out headers_t hdr, inout meta_t m, inout standard_metadata_t sm) {{
    state start {{ pkt.extract(hdr.p); transition accept; }} }}
control Vf(inout headers_t hdr, inout meta_t m) {{ apply {{ }} }}
control Ig(inout headers_t hdr, inout meta_t m, inout standard_metadata_t sm) {{
    apply {{ sm.egress_spec = 1; hdr.o.setValid();
{body}
    }} }}
control Eg(inout headers_t hdr, inout meta_t m, inout standard_metadata_t sm) {{ apply {{ }} }}
control Ck(inout headers_t hdr, inout meta_t m) {{ apply {{ }} }}
control Dp(packet_out pkt, in headers_t hdr) {{ apply {{ pkt.emit(hdr.o); }} }}
V1Switch(P(), Vf(), Ig(), Eg(), Ck(), Dp()) main;
"""


@pytest.mark.parametrize("number", range(PROGRAMS))
def test_random_expressions(number: int, tmp_path: Path) -> None:
    print(f"seed {FIRST + number}")
    one(FIRST + number, tmp_path)


def one(seed: int, folder: Path, engine: str = ENGINE) -> None:
    """Forty expressions in one program, evaluated for a few packets."""
    rng = random.Random(seed)
    maker = Maker(rng)
    lines, functions, texts = [], [], []
    for n in range(OUTPUTS):
        width, signed = rng.choice(maker.widths), rng.random() < 0.5
        text, function = maker.expr(width, signed, rng.choice([1, 2, 3]))
        lines.append(f"        hdr.o.o{n} = (bit<{OUTPUT_BITS}>)(bit<{width}>){text};")
        functions.append((function, width))
        texts.append(text)
    path = folder / "p.p4"
    path.write_text(program(lines, maker.inputs))
    result = compile_file(path)
    assert result.ok, result.text()
    switch = Switch.load(result.json, engine=engine)
    pad = -sum(w for w, _ in maker.inputs) % 8 or 8
    for _ in range(PACKETS):
        env, bits, total = {}, 0, 0
        for width, signed in maker.inputs:
            raw = rng.choice([rng.getrandbits(width), 0, (1 << width) - 1, 1 << (width - 1), 1])
            env[f"{'i' if signed else 'u'}{width}"] = wrap(raw, width, signed)
            bits, total = bits << width | raw, total + width
        (port, data), = switch.send(0, (bits << pad).to_bytes((total + pad) // 8, "big"))
        assert port == 1
        size = OUTPUT_BITS // 8
        for n, (function, width) in enumerate(functions):
            found = int.from_bytes(data[n * size:(n + 1) * size], "big")
            assert found == function(env) & ((1 << width) - 1), (texts[n], env)
